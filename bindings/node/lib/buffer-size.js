'use strict';
// The sizes of the system's buffers.

const { codes } = require('./native');
const errors = require('./errors');
const { liveHandle } = require('./state');

const syscalls = { Recv: 'uv_recv_buffer_size', Send: 'uv_send_buffer_size' };

function setSize(handle, side, size) {
  if (size > 0x7fffffff)
    throw errors.bufferSizeFailed(codes.EINVAL, syscalls[side]);
  return handle[`set${side}BufferSize`](size);
}

// Sets the size of the 'Recv' or 'Send' buffer, unless it is 0. Returns what it is then.
function applyBufferSize(socket, side, size) {
  if (size >>> 0 !== size)
    throw errors.badBufferSize();
  const handle = liveHandle(socket);
  let result = size > 0 ? setSize(handle, side, size) : 0;
  if (result === 0)
    result = handle[`get${side}BufferSize`]();
  if (result < 0)
    throw errors.bufferSizeFailed(handle.bufferSizeReason(), syscalls[side]);
  return result;
}

module.exports = { applyBufferSize };
