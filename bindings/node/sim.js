'use strict';
// libdgram/sim: a network in memory for tests. Its sockets are those of libdgram, with the option
// `host`.

require('./lib/native'); // first: it reports what is missing
const { createSocket } = require('./index');
const { Network } = require('./lib/sim');

module.exports = { Network, createSocket };
