'use strict';
// libdgram/access: lists of addresses for the options of createSocket().

exports.AccessList = require('./lib/access-list').AccessList;
