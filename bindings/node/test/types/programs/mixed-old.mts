// The other way about: with types of Node.js that know no bindSync(), a socket of the built-in is
// none of the package's.

import * as builtIn from 'node:dgram';
import * as ours from 'libdgram';

// @ts-expect-error no bindSync() there
const socket: ours.Socket = builtIn.createSocket('udp4');
socket.bindSync();
