'use strict';
// Many datagrams by one call, and with one callback. In order: sendMany() reads the list and copies
// the bytes, the names among the addresses are looked up, transmit() hands all to the addon at once.
// The callback's tick is that of send().

const { checkCallback, checkPort, checkString, toParts } = require('./arguments');
const { isBlocked } = require('./block');
const { pending, release } = require('./calls');
const { constants } = require('./native');
const errors = require('./errors');
const { Bytes, allocUnsafeSlow, copyInto, readView, sizeOfView } = require('./primordials');
const permission = require('./permission');
const { Request, giveRoom, submit, takeRoom } = require('./request');
const { loopbacks, resolvePeer } = require('./resolve');
const { complete, isLiteral, sendError } = require('./send');
const { readSendOptions, toChoice } = require('./send-options');
const { checkHealth } = require('./state');

const { CONNECTED, ENOBUFS, SEND_ADDRESS_SIZE, SEND_CHOICE, SEND_FIELDS, SEND_LONGEST, SEND_PORT,
  SEND_SIZE } = constants;

// More than any datagram: the library has EMSGSIZE for it, whatever the bytes beyond are. With a
// choice it is SEND_LONGEST, for segmentSize.
const OVERLONG = 65536;

// ---- the list ----

function isMessage(entry) {
  return typeof entry === 'string' || ArrayBuffer.isView(entry) || Array.isArray(entry);
}

function readEntry(entry, connected, index) {
  if (connected && isMessage(entry))
    return { parts: toParts(entry), address: undefined, port: undefined, choice: undefined };
  if (entry === null || typeof entry !== 'object' || isMessage(entry))
    throw errors.invalidType('list', 'an array of objects with msg, port and address', entry);
  const { msg, port, address } = entry;
  if (address !== undefined && address !== null)
    checkString(address, 'address');
  if (connected && (port || address))
    throw errors.isConnected();
  const options = readSendOptions(entry);
  return { parts: toParts(msg), address: address || undefined,
    port: connected ? undefined : checkPort(port),
    choice: options && toChoice(options, `list[${index}]`) };
}

// Reading an entry may run code of the program, which may change the list.
function readEntries(list, connected) {
  const entries = [];
  for (let i = 0; i < list.length; i++) entries.push(readEntry(list[i], connected, i));
  return entries;
}

// One block of all payloads, copied at once: the program may change or detach its memory later. The
// entries get their sizes in it. No code of the program runs here.
function copyPayloads(entries) {
  let size = 0;
  for (const entry of entries) {
    const whole = entry.parts.reduce((sum, part) => sum + sizeOfView(part), 0);
    entry.size = Math.min(whole, entry.choice === undefined ? OVERLONG : SEND_LONGEST);
    size += entry.size;
  }
  const block = allocUnsafeSlow(size);
  let offset = 0;
  for (const { parts, size: room } of entries) {
    const end = offset + room;
    for (const part of parts) {
      const { buffer, byteOffset, byteLength } = readView(part);
      const taken = Math.min(byteLength, end - offset);
      if (taken > 0)
        copyInto(block.subarray(offset), new Bytes(buffer, byteOffset, taken));
      offset += taken;
    }
  }
  return block;
}

function sendMany(socket, list, callback) {
  const state = checkHealth(socket);
  if (!Array.isArray(list))
    throw errors.invalidType('list', 'an instance of Array', list);
  checkCallback(callback);
  const connected = state.handle.connectState === CONNECTED;
  const entries = readEntries(list, connected);
  const payloads = copyPayloads(entries);
  checkHealth(socket); // reading the list may have run code of the program
  const request = new Request(socket, state, undefined, undefined, undefined, callback);
  request.list = entries;
  request.payloads = payloads;
  request.size = entries.length;
  if (state.sendQueue !== null && entries.length > 0 &&
      !takeRoom(request, { bytes: payloads.byteLength, count: entries.length })) {
    refuse(request, sendError(ENOBUFS, entries[0].address, entries[0].port));
    return;
  }
  submit(request, () => dispatch(request, connected));
}

// ---- the look-ups ----

// Nothing is sent if one of them fails.
function dispatch(request, connected) {
  const { socket, state, list } = request;
  if (connected) {
    transmit(request, null);
    return;
  }
  const ips = new Map(list.map(({ address }) => [address ?? loopbacks[socket.type], undefined]));
  let left = 1; // the look-ups that have not ended; and the tick below, in which send() sends, too
  let failure = null;
  const settle = () => {
    if (--left > 0)
      return;
    if (failure !== null)
      refuse(request, failure);
    else
      transmit(request, list.map(({ address }) => ips.get(address ?? loopbacks[socket.type])));
  };
  for (const name of ips.keys()) {
    if (state.isDefaultLookup && isLiteral(state, name)) {
      ips.set(name, name);
      continue;
    }
    left++;
    let answered = false;
    resolvePeer(socket, state, name, (error, ip) => {
      if (answered) // a look-up calls back once
        return;
      answered = true;
      failure ??= error ?? null;
      ips.set(name, ip);
      settle();
    });
  }
  process.nextTick(settle);
}

// ---- to the addon ----

// The choices of the datagrams, each once: three elements of `list` for each.
class Choices {
  list = [];
  known = new Map();

  // Returns its number, from 1 on.
  add({ source, networkInterface, fields }) {
    const key = `${fields}/${source}/${networkInterface}`;
    let number = this.known.get(key);
    if (number === undefined) {
      this.list.push(source, networkInterface, fields);
      number = this.list.length / 3;
      this.known.set(key, number);
    }
    return number;
  }
}

// The fields of the datagrams, the texts of the addresses, each where it changes, and the choices.
function describe(list, ips) {
  const fields = new Int32Array(list.length * SEND_FIELDS);
  const texts = [];
  const choices = new Choices();
  let last = '';
  for (const [index, { size, port, choice }] of list.entries()) {
    const at = index * SEND_FIELDS;
    fields[at + SEND_SIZE] = size;
    if (choice !== undefined)
      fields[at + SEND_CHOICE] = choices.add(choice);
    if (ips === null)
      continue;
    const endpoint = `${ips[index]} ${port}`;
    fields[at + SEND_PORT] = port;
    if (endpoint !== last) {
      const text = Buffer.from(`${ips[index]}`);
      fields[at + SEND_ADDRESS_SIZE] = text.byteLength;
      texts.push(text);
      last = endpoint;
    }
  }
  return { fields, addresses: Buffer.concat(texts), choices: choices.list };
}

function transmit(request, ips) {
  const { state, list, payloads, callback } = request;
  if (state.closed)
    return;
  const blocked = ips?.find((ip) => isBlocked(state.options.sendBlockList, ip));
  if (blocked !== undefined) {
    refuse(request, errors.ipBlocked(blocked));
    return;
  }
  if (list.length === 0) {
    giveRoom(request);
    if (callback)
      process.nextTick(callback, null, 0);
    return;
  }
  permission.check();
  const start = pending.length;
  const { fields, addresses, choices } = describe(list, ips);
  const result = state.handle.sendMany(payloads, addresses, fields, choices);
  if (result < 0) {
    refuse(request, sendError(result, list[0].address, list[0].port));
  } else {
    request.sequence = result;
    request.callback = callback ?? ((error) => reportFailure(request, error));
    process.nextTick(complete, request);
  }
  if (pending.length > start)
    release(start);
}

// ---- failures ----

// None has left.
function refuse(request, error) {
  giveRoom(request);
  if (request.callback)
    process.nextTick(request.callback, error, 0);
  else
    process.nextTick(reportFailure, request, error);
}

// As that of a send without a callback.
function reportFailure({ socket, state }, error) {
  if (error && state.options.emitSendErrors)
    socket.emit('error', error);
}

module.exports = { sendMany };
