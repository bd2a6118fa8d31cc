'use strict';
// A cluster of four workers, each of which closes after its tenth of 40 datagrams. Prints how many
// came in all. SOCKET_OPTIONS are those of the sockets, as JSON. The workers stand still, reading
// their input, until all datagrams wait in the socket that they share. With `receiveBatch` one
// worker goes on alone until it has closed.

const cluster = require('node:cluster');
const fs = require('node:fs');
const dgram = require(require('./subject').modulePath);
const options = JSON.parse(process.env.SOCKET_OPTIONS);

function primary() {
  cluster.setupPrimary({ stdio: ['pipe', 'inherit', 'inherit', 'ipc'] });
  const first = options.receiveBatch ? 1 : 4;
  const workers = [];
  let listening = 0, sent = 0, closed = 0, received = 0;
  const done = () => {
    console.log(received);
    process.exit();
  };
  const go = (some) => some.forEach((worker) => worker.process.stdin.end('x'));
  const send = (port) => {
    const client = require('node:dgram').createSocket('udp4');
    const onSent = () => ++sent === 40 && go(workers.slice(0, first));
    for (let i = 0; i < 40; i++) client.send('x', port, '127.0.0.1', onSent);
  };
  for (let i = 0; i < 4; i++) {
    workers.push(cluster.fork().on('message', (message) => {
      if (message.port && ++listening === 4) send(message.port);
      received += message.received ?? 0;
      if (message.closed && ++closed === first) {
        go(workers.slice(first));
        cluster.disconnect(done);
      }
    }));
  }
}

function worker() {
  let received = 0;
  const socket = dgram.createSocket({ type: 'udp4', ...options });
  socket.on('message', () => {
    process.send({ received: 1 });
    if (++received === 10) socket.close(() => process.send({ closed: true }));
  });
  socket.bind(0, '127.0.0.1', () => {
    process.send({ port: socket.address().port });
    fs.readSync(0, Buffer.alloc(1));
  });
}

if (cluster.isPrimary) primary();
else worker();
