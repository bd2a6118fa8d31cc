// A CommonJS program in JavaScript whose types are checked; see every-way.mts.
// @ts-check

const dgram = require('node:dgram');
const { createSocket } = require('node:dgram');

/** @type {import('node:dgram').Socket} */
const server = dgram.createSocket('udp4');
server.on('message', (msg, rinfo) => server.send(msg.subarray(1), rinfo.port, rinfo.address));

// @ts-expect-error no such family
createSocket('unix_dgram');
