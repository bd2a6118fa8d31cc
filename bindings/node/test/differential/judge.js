'use strict';
// The judge: has a scenario played with two modules, and tells what differs between the traces.

const { spawn } = require('node:child_process');
const path = require('node:path');
const { MARK } = require('./show.js');

const STAGE = path.join(__dirname, 'stage.js');
const PATIENCE_MS = 20_000;

/** The lines of each process and thread together: main first, the others by name. */
function inOrder(entries) {
  const voices = [...new Set(entries.map(([who]) => who))].sort();
  const order = ['main', ...voices.filter((who) => who !== 'main')];
  return order.flatMap((who) => entries.filter((entry) => entry[0] === who)
    .map(([, text]) => (who === 'main' ? text : `[${who}] ${text}`)));
}

/** Ports get names in the order of their appearance. */
function withNames(lines) {
  const ports = new Map();
  const nameOf = (port) => {
    if (!ports.has(port)) ports.set(port, `PORT${ports.size + 1}`);
    return ports.get(port);
  };
  const marked = new RegExp(`${MARK}(\\d+)${MARK}`, 'g');
  return lines.map((line) => line.replace(marked, (_, port) => nameOf(port)));
}

function readEntries(text) {
  return text.split('\n').filter(Boolean).map((line) => JSON.parse(line));
}

function end(group) {
  try { process.kill(group, 'SIGKILL'); } catch { /* it is gone already */ }
}

/** Plays a scenario with a module; a promise of the trace: an array of lines. */
function trace(scenario, moduleName) {
  const { file, name, flags } = scenario;
  const stdio = ['ignore', 'pipe', 'pipe', 'pipe'];
  // A group of its own: whoever does not end by itself goes with all its processes.
  const child = spawn(process.execPath, [...flags, STAGE, moduleName, file, name],
    { stdio, detached: true });
  const streams = child.stdio.slice(1);
  const texts = streams.map(() => '');
  streams.forEach((stream, i) => stream.setEncoding('utf8').on('data', (s) => { texts[i] += s; }));
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    end(-child.pid);
  }, PATIENCE_MS);

  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const [stdout, stderr, entries] = texts;
      const lines = inOrder(readEntries(entries));
      if (late) lines.push('ended with nothing: it had to be killed');
      if (stdout) lines.push(`stdout: ${stdout.trimEnd()}`);
      if (code) lines.push(`ended with ${code}: ${stderr.trimEnd()}`);
      if (signal) lines.push(`ended with ${signal}`);
      resolve(withNames(lines));
    });
  });
}

/** Longest common subsequence: which lines of a have their counterpart in b. */
function lengths(a, b) {
  const table = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      table[i][j] = a[i] === b[j] ? table[i + 1][j + 1] + 1
        : Math.max(table[i + 1][j], table[i][j + 1]);
    }
  }
  return table;
}

/** All lines of both: '  ' in both, '- ' only in the first, '+ ' only in the second. */
function diff(a, b) {
  const table = lengths(a, b);
  const out = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) out.push(`  ${a[i++]}`) && j++;
    else if (j === b.length || (i < a.length && table[i + 1][j] >= table[i][j + 1])) out.push(`- ${a[i++]}`);
    else out.push(`+ ${b[j++]}`);
  }
  return out;
}

const changes = (lines) => lines.filter((line) => !line.startsWith('  '));

/** Why a trace of the built-in module is no measure: the scenario itself is broken. */
function flaw(scenario, lines) {
  const unexpected = /^(\[\w+\] )?(uncaughtException|unhandledRejection|the scenario itself)/;
  return lines.find((line) => (!scenario.crashes && line.startsWith('ended with'))
    || (!scenario.uncaught && unexpected.test(line)));
}

/** Plays a scenario with both modules; a promise of all lines, and of those that differ. */
async function compare(scenario, first, second) {
  const [a, b] = await Promise.all([trace(scenario, first), trace(scenario, second)]);
  // An error is one entry of several lines; the diff is of lines.
  const [linesOfA, linesOfB] = [a, b].map((lines) => lines.join('\n').split('\n'));
  const lines = diff(linesOfA, linesOfB);
  return { a: linesOfA, b: linesOfB, lines, changes: changes(lines), flaw: flaw(scenario, linesOfA) };
}

module.exports = { compare, trace };
