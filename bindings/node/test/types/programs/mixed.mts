// A program whose parts are typed against both modules: what one makes, the other takes.

import * as builtIn from 'node:dgram';
import * as ours from 'libdgram';

declare function take(socket: builtIn.Socket): void;
declare function inject(module: typeof builtIn): void;

take(ours.createSocket('udp4'));
inject(ours);

const options: builtIn.SocketOptions = { type: 'udp4' };
builtIn.createSocket({ ...options } satisfies ours.SocketOptions);
const socket: builtIn.Socket = ours.createSocket(options, (msg, rinfo: builtIn.RemoteInfo) => {
  rinfo satisfies ours.RemoteInfo;
});
socket.bind({ port: 0 } satisfies ours.BindOptions as builtIn.BindOptions);
const make: typeof builtIn.createSocket = ours.createSocket;
make('udp4').close();
