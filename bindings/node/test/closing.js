'use strict';
// A cluster of four workers, each of which closes after its tenth of 40 datagrams. Prints how many
// came in all. SOCKET_OPTIONS are those of the sockets, as JSON.

const cluster = require('node:cluster');
const dgram = require(require('./subject').modulePath);
const options = JSON.parse(process.env.SOCKET_OPTIONS);
if (cluster.isPrimary) {
  let listening = 0, closed = 0, received = 0;
  const done = () => {
    console.log(received);
    process.exit();
  };
  const send = (port) => {
    const client = require('node:dgram').createSocket('udp4');
    for (let i = 0; i < 40; i++) client.send('x', port, '127.0.0.1');
  };
  for (let i = 0; i < 4; i++) {
    cluster.fork().on('message', (message) => {
      if (message.port && ++listening === 4) send(message.port);
      received += message.received ?? 0;
      if (message.closed && ++closed === (options.receiveBatch ? 1 : 4)) cluster.disconnect(done);
    });
  }
} else {
  let received = 0;
  const socket = dgram.createSocket({ type: 'udp4', ...options });
  socket.on('message', () => {
    process.send({ received: 1 });
    if (++received === 10) socket.close(() => process.send({ closed: true }));
  });
  socket.bind(0, '127.0.0.1', () => process.send({ port: socket.address().port }));
}
