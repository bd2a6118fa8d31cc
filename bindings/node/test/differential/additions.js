'use strict';
// The members of dgram.Socket.prototype that this package adds to the built-in's, on every version of
// Node.js: lib/additions.js defines them, the README describes them. Scenarios that list members
// leave them out; one test of the harness compares this list with the class.
// Among them are methods of EventEmitter that the class has as its own, to see who listens to 'icmp'.

module.exports = [
  'accessCounts', 'addListener', 'getMTU', 'getSockopt', 'isPaused', 'loopStats', 'off', 'on', 'pause',
  'prependListener', 'removeAllListeners', 'removeListener', 'reply', 'resume', 'sendMany', 'sendWith',
  'setSockopt', 'stats', 'trySend',
];
