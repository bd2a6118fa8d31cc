'use strict';
// What one datagram is sent with, besides its destination: of sendWith(), trySend() and reply(), and
// of the entries of sendMany(). The members are read once, then checked, and become a choice:
// { source, networkInterface, fields } for the addon.

const { isIP } = require('node:net');
const { checkBoolean, checkInteger, checkString } = require('./arguments');
const { constants } = require('./native');
const errors = require('./errors');

const { OPTION_DEPARTURE_HIGH, OPTION_DEPARTURE_LOW, OPTION_DONT_FRAGMENT, OPTION_FIELDS,
  OPTION_SEGMENT_SIZE, OPTION_TOS, OPTION_TTL } = constants;

// Returns undefined if there is none of the members.
function readSendOptions(given) {
  const { source, interface: networkInterface, ttl, dscp, ecn, dontFragment, segmentSize,
    departure } = given;
  if (source === undefined && networkInterface === undefined && ttl === undefined &&
      dscp === undefined && ecn === undefined && dontFragment === undefined &&
      segmentSize === undefined && departure === undefined)
    return undefined;
  return { source, networkInterface, ttl, dscp, ecn, dontFragment, segmentSize, departure };
}

function checkNumber(value, name, least, most, otherwise) {
  return value === undefined ? otherwise : checkInteger(value, name, least, most);
}

function checkText(value, name) {
  if (value === undefined)
    return '';
  checkString(value, name);
  return value;
}

function checkSource(value, name) {
  const source = checkText(value, name);
  if (source !== '' && isIP(source) === 0)
    throw errors.invalidValue(name, source, 'must be a numeric address');
  return source;
}

function checkDeparture(departure, name) {
  if (departure === undefined)
    return 0n;
  if (typeof departure !== 'bigint')
    throw errors.invalidType(name, 'of type bigint', departure);
  if (departure < 0n || departure >= 1n << 64n)
    throw errors.outOfRange(name, '>= 0n && < 2n ** 64n', departure);
  return departure;
}

function toFields({ ttl, dscp, ecn, dontFragment, segmentSize, departure }, name) {
  const fields = new Int32Array(OPTION_FIELDS);
  const checkedDscp = checkNumber(dscp, `${name}.dscp`, 0, 63, 0);
  const checkedEcn = checkNumber(ecn, `${name}.ecn`, 0, 3, 0);
  if (dontFragment !== undefined)
    checkBoolean(dontFragment, `${name}.dontFragment`);
  const when = checkDeparture(departure, `${name}.departure`);
  fields[OPTION_TTL] = checkNumber(ttl, `${name}.ttl`, 1, 255, -1);
  fields[OPTION_TOS] =
    dscp === undefined && ecn === undefined ? -1 : checkedDscp << 2 | checkedEcn;
  fields[OPTION_DONT_FRAGMENT] = dontFragment === undefined ? -1 : +dontFragment;
  fields[OPTION_SEGMENT_SIZE] = checkNumber(segmentSize, `${name}.segmentSize`, 1, 65507, 0);
  fields[OPTION_DEPARTURE_LOW] = Number(BigInt.asIntN(32, when));
  fields[OPTION_DEPARTURE_HIGH] = Number(BigInt.asIntN(32, when >> 32n));
  return fields;
}

// `read` is what readSendOptions() returns; undefined: nothing is chosen.
function toChoice(read = {}, name = 'options') {
  return { source: checkSource(read.source, `${name}.source`),
    networkInterface: checkText(read.networkInterface, `${name}.interface`),
    fields: toFields(read, name) };
}

module.exports = { readSendOptions, toChoice };
