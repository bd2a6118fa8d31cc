'use strict';
// Groups on every interface: the library joins them, and follows the interfaces.

const { checkString } = require('./arguments');
const errors = require('./errors');
const { constants } = require('./native');
const permission = require('./permission');
const { checkHealth } = require('./state');

const { UNBOUND } = constants;

function change(socket, method, group) {
  const { handle } = checkHealth(socket);
  if (!group)
    throw errors.missingArgument('multicastAddress');
  checkString(group, 'multicastAddress');
  if (handle.bindState === UNBOUND)
    permission.check();
  errors.checkResult(handle[method](group), method);
}

function addMembershipAll(socket, group) {
  change(socket, 'addMembershipAll', group);
}

function dropMembershipAll(socket, group) {
  change(socket, 'dropMembershipAll', group);
}

module.exports = { addMembershipAll, dropMembershipAll };
