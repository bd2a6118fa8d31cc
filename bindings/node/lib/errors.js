'use strict';
// The errors of Node.js, as a program sees them: class, code, message, own properties.

const { inspect } = require('node:util');
const { errorName, errorText } = require('./native');

// ---- errors with a code ----

function withCode(Base) {
  class NodeError extends Base {
    toString() {
      return `${this.name} [${this.code}]: ${this.message}`;
    }
  }
  Object.defineProperty(NodeError.prototype, 'constructor', {
    value: Base, enumerable: false, writable: true, configurable: true,
  });
  return NodeError;
}

// In Node.js 18 each error has a toString() of its own, and its text always before its code.
const hasOwnToString = process.versions.node.startsWith('18.');

function giveToString(error) {
  Object.defineProperty(error, 'toString', {
    value() {
      return `${this.name} [${this.code}]: ${this.message}`;
    },
    writable: true,
    configurable: true,
  });
}

const classes = new Map([Error, TypeError, RangeError].map((Base) => [Base, withCode(Base)]));

// The stack begins with the code, which `name` does not have.
function captureStack(error, name, message, caller) {
  Object.defineProperties(error, {
    name: { value: name, configurable: true },
    message: { value: message, configurable: true, writable: true },
  });
  Error.captureStackTrace(error, caller);
  void error.stack; // made now, with that name
  delete error.name;
}

function makeError(Base, code, message, caller) {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  const error = new (classes.get(Base))();
  Error.stackTraceLimit = limit;
  captureStack(error, `${Base.name} [${code}]`, message, caller);
  if (hasOwnToString)
    giveToString(error);
  error.code = code;
  return error;
}

// Where the text is made of values, `message` follows `code` among the own properties.
function moveMessage(error) {
  const { message } = error;
  delete error.message;
  return Object.defineProperty(error, 'message', {
    value: message, configurable: true, writable: true,
  });
}

function define(code, Base, text) {
  if (typeof text === 'string') {
    return function create() {
      return makeError(Base, code, text, create);
    };
  }
  return function create(...values) {
    const error = makeError(Base, code, text(...values), create);
    return hasOwnToString ? error : moveMessage(error);
  };
}

// ---- what was received instead ----

function shorten(text) {
  return text.length > 28 ? `${text.slice(0, 25)}...` : text;
}

function received(value) {
  if (value === null || value === undefined)
    return ` Received ${value}`;
  if (typeof value === 'function')
    return ` Received function ${value.name}`;
  if (typeof value === 'object') {
    if (value.constructor?.name)
      return ` Received an instance of ${value.constructor.name}`;
    return ` Received ${inspect(value, { depth: -1 })}`;
  }
  return ` Received type ${typeof value} (${shorten(inspect(value, { colors: false }))})`;
}

function receivedPort(value) {
  return `${received(value)}.`;
}

function separateThousands(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, '_');
}

function argumentOf(name) {
  return `The "${name}" ${name.includes('.') ? 'property' : 'argument'}`;
}

const notRunning = define('ERR_SOCKET_DGRAM_NOT_RUNNING', Error, 'Not running');
const alreadyBound = define('ERR_SOCKET_ALREADY_BOUND', Error, 'Socket is already bound');
const isConnected = define('ERR_SOCKET_DGRAM_IS_CONNECTED', Error, 'Already connected');
const notConnected = define('ERR_SOCKET_DGRAM_NOT_CONNECTED', Error, 'Not connected');
const badType = define('ERR_SOCKET_BAD_TYPE', TypeError,
  'Bad socket type specified. Valid types are: udp4, udp6');
const badBufferSize = define('ERR_SOCKET_BAD_BUFFER_SIZE', TypeError,
  'Buffer size must be a positive integer');
const badPort = define('ERR_SOCKET_BAD_PORT', RangeError, (value, zeroAllowed, name = 'Port') =>
  `${name} should be ${zeroAllowed ? '>=' : '>'} 0 and < 65536.${receivedPort(value)}`);
const invalidType = define('ERR_INVALID_ARG_TYPE', TypeError, (name, expected, value) =>
  `${argumentOf(name)} must be ${expected}.${received(value)}`);
const invalidValue = define('ERR_INVALID_ARG_VALUE', TypeError, (name, value, reason) =>
  `The ${name.includes('.') ? 'property' : 'argument'} '${name}' ${reason}. ` +
    `Received ${inspect(value)}`);
const missingArgument = define('ERR_MISSING_ARGS', TypeError, (name) =>
  `The "${name}" argument must be specified`);
const bufferOutOfBounds = define('ERR_BUFFER_OUT_OF_BOUNDS', RangeError, (name) =>
  `"${name}" is outside of buffer bounds`);
function invalidFdType(type) {
  return makeError(TypeError, 'ERR_INVALID_FD_TYPE', `Unsupported fd type: ${type}`,
    invalidFdType);
}

const ipBlocked = define('ERR_IP_BLOCKED', Error, (ip) => `IP(${ip}) is blocked by net.BlockList`);
const invalidAddress = define('ERR_INVALID_ADDRESS', Error, 'Invalid address');
const outOfRange = define('ERR_OUT_OF_RANGE', RangeError, (name, range, value) => {
  const shown = Number.isInteger(value) && Math.abs(value) > 2 ** 32 ?
    separateThousands(value) : inspect(value);
  return `The value of "${name}" is out of range. It must be ${range}. Received ${shown}`;
});

// ---- errors of the system ----

// `SYSCALL CODE`, with errno, code and syscall.
function systemError(errno, syscall) {
  const code = errorName(errno);
  const error = new Error(`${syscall} ${code}`);
  error.errno = errno;
  error.code = code;
  error.syscall = syscall;
  return error;
}

// The result of a method of the Handle, unless it is the code of an error.
function checkResult(result, syscall) {
  if (result < 0)
    throw systemError(result, syscall);
  return result;
}

// `SYSCALL CODE ADDRESS:PORT`, with these too.
function endpointError(errno, syscall, address, port) {
  const code = errorName(errno);
  let details = '';
  if (port && port > 0)
    details = ` ${address}:${port}`;
  else if (address)
    details = ` ${address}`;
  const error = new Error(`${syscall} ${code}${details}`);
  error.errno = errno;
  error.code = code;
  error.syscall = syscall;
  error.address = address;
  if (port)
    error.port = port;
  return error;
}

// `setsockopt CODE OPTION`: a bind has failed for an option of the system socket.
function sockoptError(errno, option) {
  const error = systemError(errno, 'setsockopt');
  error.message += ` ${option}`;
  error.option = option;
  return error;
}

// What the path takes, where the kernel knows it (0: it does not) and the program wants to see it.
function withMTU(error, { showsMtu }, mtu) {
  if (showsMtu && mtu > 0)
    error.mtu = mtu;
  return error;
}

// ---- the permission model ----

const restricted = 'Access to this API has been restricted. ' +
  'Use --allow-net to manage permissions.';

function accessDenied(resource) {
  return Object.assign(new Error(restricted),
    { code: 'ERR_ACCESS_DENIED', permission: 'Net', resource });
}

// The error of bind(): the refusal replaces a system error code.
function bindDenied(address, port) {
  const errno = accessDenied(address);
  const error = new Error(`bind ${errno.code} ${restricted}`);
  return Object.assign(error, { errno, code: errno.code, syscall: 'bind', address },
    port ? { port } : {});
}

// ---- errors with information ----

function mirror(info, name) {
  return {
    get() {
      return info[name];
    },
    set(value) {
      info[name] = value;
    },
    enumerable: true,
    configurable: true,
  };
}

// The SystemError of Node.js, by its name; programs cannot refer to its class.
const SystemError = class NodeError extends classes.get(Error) {
  [inspect.custom](depth, options) {
    return inspect(this, { ...options, getters: true, customInspect: false });
  }
};
Object.defineProperty(SystemError.prototype, 'constructor', {
  value: SystemError, enumerable: false, writable: true, configurable: true,
});

function systemErrorWithInfo(code, message, info, caller) {
  const error = new SystemError();
  captureStack(error, `SystemError [${code}]`, message, caller);
  error.code = code;
  Object.defineProperty(error, 'name', {
    value: 'SystemError', writable: true, configurable: true,
  });
  moveMessage(error);
  return Object.defineProperties(error, {
    info: { value: info, enumerable: true, configurable: true },
    errno: mirror(info, 'errno'),
    syscall: mirror(info, 'syscall'),
  });
}

function bufferSizeFailed(errno, syscall) {
  const info = { errno, code: errorName(errno), message: errorText(errno), syscall };
  const message = `Could not get or set buffer size: ${syscall} returned ` +
    `${info.code} (${info.message})`;
  return systemErrorWithInfo('ERR_SOCKET_BUFFER_SIZE', message, info, bufferSizeFailed);
}

module.exports = {
  accessDenied,
  alreadyBound,
  badBufferSize,
  badPort,
  badType,
  bindDenied,
  bufferOutOfBounds,
  bufferSizeFailed,
  checkResult,
  endpointError,
  invalidAddress,
  invalidFdType,
  invalidType,
  invalidValue,
  ipBlocked,
  isConnected,
  missingArgument,
  notConnected,
  notRunning,
  outOfRange,
  sockoptError,
  systemError,
  withMTU,
};
