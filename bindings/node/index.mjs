import dgram from './index.js';

export const { createSocket, Socket, _createSocketHandle } = dgram;
export default dgram;
