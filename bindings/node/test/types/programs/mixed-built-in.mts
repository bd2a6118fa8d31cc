// The other way about: a socket of the built-in is none of the package's, which has more methods.

import * as builtIn from 'node:dgram';
import * as ours from 'libdgram';

// @ts-expect-error no sendMany() there
const socket: ours.Socket = builtIn.createSocket('udp4');
socket.sendMany([{ msg: 'a', port: 1 }]);
