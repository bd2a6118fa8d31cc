'use strict';
// What this package adds to the built-in on every version of Node.js: members of
// dgram.Socket.prototype (lib/additions.js defines them) and options of createSocket(). The README
// describes them. Scenarios that list members or options leave these out; additions.test.js
// compares the members with the class.

// EventEmitter's, which the class has as its own to see who listens to 'icmp': enumerable, as there.
const watching = ['addListener', 'off', 'on', 'prependListener', 'removeAllListeners', 'removeListener'];

const additions = [
  'acceptPeer', 'addMembershipAll', 'dropMembershipAll',
  'Symbol(Symbol.asyncIterator)', 'accessCounts', 'clearNameCache', 'getMTU', 'getSockopt', 'isPaused', 'loopStats', 'pause',
  'loopStatsText', 'reply', 'resume', 'sendMany', 'sendWith', 'setLookupTimeout', 'setSendQueueLimit',
  'setSendTimeout', 'setSockopt', 'stats', 'statsText', 'trySend', ...watching,
];

// The options of createSocket() that the built-in has on no version.
const options = [
  'bindAddressNoPort', 'bindToDevice', 'busyPoll', 'disableGro', 'disableGso', 'emitSendErrors', 'freebind', 'host',
  'localPortRange', 'lookupTimeout', 'lowLatency', 'mark', 'maxPacingRate', 'multicastAll', 'nameCache',
  'pathMtuDiscovery', 'pauseWithoutListener', 'pooledMessages', 'priority', 'receiveAllowList',
  'receiveBatch', 'receiveInfo', 'receiveRateLimit', 'sendAllowList', 'sendQueueLimit', 'sendTimeout',
  'tos', 'transparent', 'txtimeClock',
];

module.exports = { additions, options, watching };
