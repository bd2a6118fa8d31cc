'use strict';
// The counters of a socket and of all sockets of its event loop. The addon writes them as JSON, whose
// names are those of dgram_stats.h; here they get the names that JavaScript uses.

const { cancelledOfAll } = require('./cancel');
const { checkHealth } = require('./state');
const { checkResult } = require('./errors');

const { parse } = JSON;

// 'datagrams_in' to 'datagramsIn'.
function nameOf(key) {
  const words = key.split('_');
  let name = words[0];
  for (let i = 1; i < words.length; i++) name += words[i][0].toUpperCase() + words[i].slice(1);
  return name;
}

// `json` and `text` of the counters, with those sends that were cancelled before the library had them.
function read(socket, ofLoop) {
  const { handle, cancelled } = checkHealth(socket);
  const out = {};
  checkResult(handle.stats(out, ofLoop, ofLoop ? cancelledOfAll() : cancelled), 'stats');
  return out;
}

// Counters above 2^53 are rounded, as JSON.parse() does. Codes of errors keep their names.
function readStats(socket, ofLoop) {
  const out = read(socket, ofLoop);
  const stats = {};
  for (const [key, value] of Object.entries(parse(out.json)))
    stats[nameOf(key)] = value;
  return stats;
}

// One line for a log, with the names of dgram_stats.h.
function readStatsText(socket, ofLoop) {
  return read(socket, ofLoop).text;
}

module.exports = { readStats, readStatsText };
