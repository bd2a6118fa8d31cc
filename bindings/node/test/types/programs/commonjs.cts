// A CommonJS program in TypeScript; see every-way.mts.

import dgram = require('node:dgram');
import { createSocket, type Socket } from 'node:dgram';

const server: dgram.Socket = dgram.createSocket('udp4');
const client: Socket = createSocket({ type: 'udp4' }, (msg, rinfo) => msg.length + rinfo.port);
client.send('text', server.bind(0).address().port, () => client.close());

// @ts-expect-error no such family
dgram.createSocket('unix_dgram');
