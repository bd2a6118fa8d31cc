'use strict';
// The permission model: --permission without --allow-net, from Node.js 25 on.

const errors = require('./errors');
const since = require('./since');

// From this version on, adopting a descriptor needs the permission as well.
const descriptorsNeedIt = since([26, 0]);

const model = since([25, 0]) ? process.permission : undefined;

function isDenied() {
  return model !== undefined && !model.has('net');
}

function check() {
  if (isDenied())
    throw errors.accessDenied('');
}

function checkDescriptor() {
  if (descriptorsNeedIt)
    check();
}

module.exports = { check, checkDescriptor, isDenied };
