'use strict';
// A connected socket for a peer, on the port of its server.

const { checkNumericAddress, checkObject, checkPort } = require('./arguments');
const { isBlocked } = require('./block');
const { applyBufferSizes } = require('./buffer-size');
const errors = require('./errors');
const permission = require('./permission');
const { listReceiveInfo } = require('./receive-info');
const { Socket } = require('./socket');
const { applySockopts } = require('./sockopts');
const { checkHealth, kState } = require('./state');

// `Peer` is the class of the new socket.
function acceptPeer(server, rinfo, options = {}, Peer = Socket) {
  const state = checkHealth(server);
  checkObject(rinfo, 'rinfo');
  checkObject(options, 'options');
  const { address, port: given } = rinfo;
  const port = checkPort(given, false, 'rinfo.port');
  const { localAddress = '' } = options;
  checkNumericAddress(address, 'rinfo.address');
  if (localAddress !== '')
    checkNumericAddress(localAddress, 'options.localAddress');
  checkHealth(server); // reading the arguments may have run code of the program
  if (isBlocked(state.options.sendBlockList, address))
    throw errors.ipBlocked(address);
  permission.check();
  const socket = new Peer({
    ...state.options,
    type: server.type,
    lookup: state.isDefaultLookup ? undefined : state.lookup,
    reusePort: true,
    sendQueueLimit: state.options.sendQueueLimit ?? undefined,
    receiveInfo: listReceiveInfo(state.receiveInfo),
  });
  const { sockopts } = state.options;
  if (sockopts !== undefined)
    applySockopts(socket[kState], sockopts);
  const { handle } = socket[kState];
  const code = handle.acceptedBy(state.handle, port, address, localAddress);
  if (code < 0) {
    socket.close();
    throw errors.endpointError(code, 'acceptPeer', address, port);
  }
  applyBufferSizes(socket);
  return socket;
}

module.exports = { acceptPeer };
