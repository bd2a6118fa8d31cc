// The other way about: with types of Node.js that have bindSync() and connectSync() too, the
// built-in's sockets are as good as the package's.

import * as builtIn from 'node:dgram';
import * as ours from 'libdgram';

const socket: ours.Socket = builtIn.createSocket('udp4');
const module: Pick<typeof ours, 'createSocket' | 'Socket'> = builtIn;
module.createSocket({ type: 'udp4', emitSendErrors: true }).connectSync(socket.bindSync().port);
