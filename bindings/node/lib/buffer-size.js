'use strict';
// The sizes of the system's buffers.

const { constants } = require('./native');
const errors = require('./errors');
const { kState, liveHandle } = require('./state');

const MOST = 0x7fffffff; // bytes

// Sets the size of a buffer, unless it is 0. Returns what it is then.
function bufferSize(socket, receives, size) {
  if (size >>> 0 !== size)
    throw errors.badBufferSize();
  const handle = liveHandle(socket);
  const syscall = receives ? 'uv_recv_buffer_size' : 'uv_send_buffer_size';
  if (size > MOST)
    throw errors.bufferSizeFailed(constants.EINVAL, syscall);
  const result = handle.bufferSize(receives ? 1 : 0, size);
  if (result < 0)
    throw errors.bufferSizeFailed(handle.bufferSizeReason(), syscall);
  return result;
}

// Sets the sizes that the options of createSocket() have.
function applyBufferSizes(socket) {
  const { recvBufferSize, sendBufferSize } = socket[kState].options;
  if (recvBufferSize)
    bufferSize(socket, true, recvBufferSize);
  if (sendBufferSize)
    bufferSize(socket, false, sendBufferSize);
}

module.exports = { applyBufferSizes, bufferSize };
