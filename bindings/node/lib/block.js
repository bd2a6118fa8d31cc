'use strict';
// Block lists: addresses that a socket neither sends to nor receives from.

const net = require('node:net');
const errors = require('./errors');

function isBlockList(value) {
  return net.BlockList.isBlockList ? net.BlockList.isBlockList(value) :
    value instanceof net.BlockList;
}

// An option of createSocket(): a list, or undefined.
function checkBlockList(value, name) {
  if (value && !isBlockList(value))
    throw errors.invalidType(name, 'an net.BlockList', value);
  return value || undefined;
}

function isBlocked(list, ip) {
  return list !== undefined && list.check(ip, net.isIP(ip) === 6 ? 'ipv6' : 'ipv4');
}

module.exports = { checkBlockList, isBlocked };
