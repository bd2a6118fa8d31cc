'use strict';
// Where the drop-in differs from the built-in, and why. differences.json has the very lines, for each
// scenario and version of Node.js; record.js writes it anew. Nothing else may differ, and what does
// not differ any more must go.

const recorded = require('./differences.json');

const reasons = [
  {
    reason:
      'A turn of the loop takes up to 32 datagrams off a socket, as with the built-in, but ends ' +
      'earlier if listeners take long, and does not take those that come meanwhile.',
    scenarios: [
      'B36 the whole life of a socket, with clocks at each step',
      'B42 a burst of 100, and where an immediate stands in it',
      'B42 a burst of 31, and where an immediate stands in it',
      'B42 a burst of 32, and where an immediate stands in it',
      'B42 a burst of 33, and where an immediate stands in it',
      'B42 a burst of 64, and where an immediate stands in it',
      'B42 a burst of 65, and where an immediate stands in it',
      'B42 two sockets with a burst each',
      'B54 connectSync',
      'B54 connectSync, then close or disconnect',
    ],
  },
  {
    reason:
      'A membership binds an unbound socket, as the documentation says; the built-in binds ' +
      "it by halves, and then can't bind or send. While a bind is under way it is refused.",
    scenarios: [
      'B49 a membership on a new socket does not keep the process',
      'B49 a membership on a new socket, then send',
      'B49 a membership on a new socket, with bad arguments',
      'B49 a udp6 group on a new udp4 socket',
      'B49 addMembership on a new socket',
      'B49 addMembership while binding',
      'B49 addSourceSpecificMembership on a new socket',
      'B49 addSourceSpecificMembership while binding',
      'B49 dropMembership on a new socket',
      'B49 dropMembership while binding',
      'B49 dropSourceSpecificMembership on a new socket',
      'B49 dropSourceSpecificMembership while binding',
    ],
  },
  {
    reason:
      'The port is read in the call, once, and not when the address is known: what the ' +
      "program does in reading it can't change a bind that is under way.",
    scenarios: [
      'B19 a BigInt as port',
      'B19 a symbol as port',
      'B19 an object as port is read when the address is known',
      'B19 an object as port that throws',
      'hostile: a port of bind that binds',
      'hostile: a port of bind that closes the socket',
    ],
  },
  {
    reason:
      '0 as text is no more a port than 0 as a number, as in Node.js 24 and newer.',
    scenarios: [
      'B28 bad ports',
      'B34 bad ports',
    ],
  },
  {
    reason:
      'A look-up answers once; what it passes after that is ignored.',
    scenarios: [
      'B20 a lookup that answers twice',
      'B20 a lookup that fails, then answers',
      'B30 a lookup that answers twice',
    ],
  },
  {
    reason:
      'A socket whose bind has failed holds no descriptor: it has no address.',
    scenarios: [
      'B18 B21 bind again after an error',
      "B18 B56 a failed bind with a callback and no listener of 'error'",
    ],
  },
  {
    reason:
      "Once a socket is closed, 'connect' is not emitted any more, as in Node.js 24 and " +
      'newer with connectSync().',
    scenarios: [
      "B14 close between connect and 'connect'",
      "B30 close between the answer and 'connect'",
    ],
  },
  {
    reason:
      'ERR_SOCKET_DGRAM_NOT_RUNNING, where the built-in has a TypeError about null, or an ' +
      'assertion that ends the process.',
    scenarios: [
      'B13 every method on a bound socket, closed',
      'B13 every method on close() was called',
      'B28 closed after bind',
      'B50 setRecvBufferSize with -0',
      'B50 setSendBufferSize with -0',
      'B62 a group whose toString closes the socket, addMembership',
      'B62 a group whose toString closes the socket, dropMembership',
      'hostile: options of bind that close the socket',
    ],
  },
  {
    reason:
      'A connect whose look-up fails at once is over only when its error has been emitted, in ' +
      'the next tick.',
    scenarios: [
      'B30 a synchronous lookup that fails',
    ],
  },
  {
    reason:
      'A descriptor that is connected makes a connected socket; to the built-in it is one ' +
      "that can't send anywhere.",
    scenarios: [
      'B24 a descriptor that is connected',
    ],
  },
  {
    reason:
      "The socket is the library's, not a handle of Node.js: it does not show among the active " +
      "resources, has another _handle, and its states can't be replaced. A foreign object with a " +
      'recvStart() must have the descriptor of a UDP socket.',
    scenarios: [
      'B25 an object with recvStart',
      'B27 handle.owner',
      'B4 _bindState',
      'B4 _handle',
      'B4 _receiving',
      'B4 _stopReceiving()',
      'B44 process.getActiveResourcesInfo',
    ],
  },
  {
    reason:
      "An exception in a listener of 'message' is reported outside of the socket's asynchronous " +
      'context.',
    scenarios: [
      'B44 uncaught exceptions keep the context',
    ],
  },
  {
    reason:
      "Node.js's own classes of errors can't be had: the chain of prototypes is shorter, " +
      'and the stack keeps the first name.',
    scenarios: [
      "B5 an error's code and name can be written",
      'B5 errors: keys, chain, JSON, toString',
    ],
  },
  {
    reason:
      'Options that this version of the built-in does not have are read too.',
    scenarios: [
      'B6 the options in the order in which they are read',
    ],
  },
  {
    reason:
      'bindSync() and connectSync() are there on every version.',
    scenarios: [
      'B3 for…in over a socket',
      'B3 the members of the prototype, by name',
      'hostile: methods on what is no socket',
    ],
  },
  {
    reason:
      'Bytes are read where they are, by the addon, when the send is on its way: what a ' +
      "list's other elements or a view's own properties pretend, or memory that is gone, " +
      'does no harm.',
    scenarios: [
      'hostile: a buffer that is detached while its send waits, unbound',
      'hostile: a detached buffer',
      'hostile: a list that another element makes longer or shorter',
      'hostile: bytes that lie about their length',
    ],
  },
  {
    reason:
      'An option of Node.js for its own tests (--test-udp-no-try-send): here sends are ' +
      'always tried at once.',
    scenarios: [
      'B15 ECANCELED, without the synchronous attempt',
      'B38 B41 without the synchronous attempt',
    ],
  },
  {
    reason:
      'A membership of an unbound socket, which binds it, needs the permission to bind.',
    scenarios: [
      'B56 no --allow-net: a membership of a new socket',
    ],
  },
  {
    reason:
      '_createSocketHandle is a name among the exports also where it is gone; it is then ' +
      'undefined.',
    scenarios: [
      'B1 the names that import gives',
    ],
  },
  {
    reason:
      'Node.js 18 has other texts and another order of checks; these are those of 20.',
    scenarios: [
      'B10 values of signal',
      'B15 the error of a lookup after close',
      'B26 _getServer answers after close',
      'B34 payloads that are none',
      'B34 payloads that are none, with offset and length',
      'B46 setMulticastTTL with every kind of value',
      'B46 setTTL with every kind of value',
      'B6 the order of the checks',
      'B7 values of recvBufferSize',
      'B7 values of sendBufferSize',
    ],
  },
];

module.exports = reasons.flatMap(({ reason, scenarios }) =>
  scenarios.flatMap((name) => recorded[name].map(({ node, lines }) =>
    ({ reason, node, changes: { [name]: lines } }))));
