'use strict';
// libdgram/interfaces: the network interfaces of the host, and their changes.

const { interfaces, watchInterfaces } = require('./lib/interfaces');

exports.interfaces = interfaces;
exports.watchInterfaces = watchInterfaces;
