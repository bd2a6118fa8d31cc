'use strict';
// Options of the system socket by name: those of createSocket() that are additions of this package,
// setSockopt() and getSockopt(). Values are checked here; the library keeps them until the bind.

const { checkBoolean, checkInteger, checkNumericAddress, checkString } = require('./arguments');
const { constants } = require('./native');
const errors = require('./errors');
const { kState, checkHealth } = require('./state');

// ---- values: from a program's to the library's number, and back ----

function integer(least, most) {
  return {
    read: (value, name) => checkInteger(value, name, least, most),
    show: (number) => number,
  };
}

const flag = {
  read(value, name) {
    checkBoolean(value, name);
    return value ? 1 : 0;
  },
  show: (number) => number !== 0,
};

// A text for each number of the library; only the settable ones are accepted.
function choice(names, settable) {
  return {
    read(value, name) {
      if (!settable.includes(value))
        throw errors.invalidValue(name, value, `must be one of: '${settable.join("', '")}'`);
      return Object.keys(names).find((number) => names[number] === value) >>> 0;
    },
    show: (number) => names[number] ?? number,
  };
}

const modes = ['off', 'system', 'on', 'probe', 'interface', 'omit']; // IP_PMTUDISC_...
const pathMtu = choice(modes, modes.slice(0, 4));

// CLOCK_...: those of queueing disciplines; and what the kernel has where none was set.
const clocks = { 0: 'none', 1: 'monotonic', 11: 'tai' };

// Without a limit the rate is Infinity.
const rate = {
  read(value, name) {
    return value === Infinity ? -1 : checkInteger(value, name, 1, Number.MAX_SAFE_INTEGER);
  },
  show: (number) => number > Number.MAX_SAFE_INTEGER ? Infinity : number,
};

const port = integer(0, 0xffff);

const ports = {
  read(value, name) {
    if (!Array.isArray(value) || value.length !== 2)
      throw errors.invalidType(name, 'an Array of two numbers', value);
    const low = port.read(value[0], `${name}[0]`);
    const high = port.read(value[1], `${name}[1]`);
    if (low !== 0 && high !== 0 && low > high)
      throw errors.outOfRange(`${name}[1]`, `>= ${low}`, high);
    return low + high * 0x10000;
  },
  show: (number) => [number % 0x10000, Math.floor(number / 0x10000)],
};

const sockopts = new Map([
  ['tos', [constants.SO_TOS, integer(0, 255)]],
  ['pathMtuDiscovery', [constants.SO_PATH_MTU, pathMtu]],
  ['priority', [constants.SO_PRIORITY, integer(0, 0x7fffffff)]],
  ['mark', [constants.SO_MARK, integer(0, 0xffffffff)]],
  ['maxPacingRate', [constants.SO_MAX_PACING_RATE, rate]],
  ['busyPoll', [constants.SO_BUSY_POLL, integer(0, 0x7fffffff)]],
  ['multicastAll', [constants.SO_MULTICAST_ALL, flag]],
  ['freebind', [constants.SO_FREEBIND, flag]],
  ['transparent', [constants.SO_TRANSPARENT, flag]],
  ['bindAddressNoPort', [constants.SO_BIND_ADDRESS_NO_PORT, flag]],
  ['localPortRange', [constants.SO_LOCAL_PORT_RANGE, ports]],
  ['txtimeClock', [constants.SO_TXTIME_CLOCK, choice(clocks, ['monotonic', 'tai'])]],
]);

const MAX_NAME = 15; // bytes of an interface's name: IFNAMSIZ

function checkInterface(value, name) {
  if (value === undefined)
    return undefined;
  checkString(value, name);
  if (value.includes('\0') || Buffer.byteLength(value) > MAX_NAME)
    throw errors.invalidValue(name, value, 'must be the name of an interface');
  return value;
}

// ---- createSocket() ----

// The options that are given, as pairs of the library's numbers: each is read once.
function readSockopts(options) {
  const pairs = [];
  for (const [name, [option, kind]] of sockopts) {
    const value = options[name];
    if (value !== undefined)
      pairs.push([option, kind.read(value, `options.${name}`)]);
  }
  return pairs;
}

function set(state, option, number) {
  if (option === constants.SO_PATH_MTU)
    state.showsMtu = true;
  return state.handle.setSockopt(option, number);
}

// The Handle is new: they are kept for the bind.
function applySockopts(state, pairs) {
  for (const [option, number] of pairs) {
    errors.checkResult(set(state, option, number), 'setsockopt');
  }
}

// ---- the methods ----

function find(name) {
  const found = sockopts.get(name);
  if (found === undefined)
    throw errors.invalidValue('name', name, 'must be the name of an option');
  return found;
}

function setSockopt(socket, name, value) {
  checkHealth(socket);
  const [option, kind] = find(name);
  const number = kind.read(value, 'value');
  checkHealth(socket); // reading a list may have run code of the program
  const code = set(socket[kState], option, number);
  if (code === constants.ERR_SOCKET_ALREADY_BOUND)
    throw errors.alreadyBound();
  errors.checkResult(code, 'setsockopt');
}

function getSockopt(socket, name) {
  const { handle } = checkHealth(socket);
  const isDevice = name === 'bindToDevice';
  const [option, kind] = isDevice ? [] : find(name);
  const out = {};
  const result = isDevice ? handle.bindDevice(out) : handle.getSockopt(option);
  errors.checkResult(result, 'getsockopt');
  return isDevice ? out.name : kind.show(result);
}

// Of the path to the peer, or to a numeric address.
function getMTU(socket, address) {
  const { handle } = checkHealth(socket);
  if (address !== undefined)
    checkNumericAddress(address, 'address');
  const mtu = address === undefined ? handle.mtu() : handle.pathMTU(address);
  if (mtu === constants.ERR_SOCKET_DGRAM_NOT_CONNECTED)
    throw errors.notConnected();
  return errors.checkResult(mtu, 'getsockopt');
}

module.exports = { applySockopts, checkInterface, getMTU, getSockopt, readSockopts, setSockopt };
