'use strict';
// The comparison: plays scenarios with two modules and returns what differs between their traces.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const { text } = require('node:stream/consumers');
const { MARK } = require('./show.js');

const PLAYER = path.join(__dirname, 'player.js');
const PATIENCE_MS = 30_000 * (Number(process.env.DGRAM_TEST_SLOWNESS) || 1);

/* A process that plays */

function end(group) {
  try { process.kill(-group, 'SIGKILL'); } catch { /* it has ended already */ }
}

/** Runs the player; a promise of its lines, and of how it ended if that was not well. */
async function perform(scenarios, moduleName) {
  const [{ file, flags }] = scenarios;
  const names = JSON.stringify(scenarios.map(({ name }) => name));
  // A group of its own: what does not end by itself goes with all the processes it has started.
  const child = spawn(process.execPath, [...flags, PLAYER, moduleName, file, names],
    { stdio: ['ignore', 'pipe', 'pipe', 'pipe'], detached: true });
  let how = null;
  const timer = setTimeout(() => {
    how = 'it did not end by itself';
    end(child.pid);
  }, PATIENCE_MS);
  const closed = once(child, 'close');
  const [stdout, stderr, trace] = await Promise.all(child.stdio.slice(1).map(text));
  const [code, signal] = await closed;
  clearTimeout(timer);
  how ??= signal ?? (code ? `exit code ${code}` : null);
  return { how, output: stdout + stderr, lines: trace.split('\n').filter(Boolean).map(JSON.parse) };
}

/** The trace of a scenario: the lines of each process together, main first. */
function linesOf({ name }, lines) {
  const own = lines.filter(([whose, who]) => whose === name && who);
  const processes = ['main', ...new Set(own.map(([, who]) => who).filter((who) => who !== 'main').sort())];
  return processes.flatMap((one) => own.filter(([, who]) => who === one)
    .map(([, who, line]) => (who === 'main' ? line : `[${who}] ${line}`)));
}

/** Ports get names in the order of their appearance. */
function withNames(lines) {
  const ports = [];
  const nameOf = (port) => `PORT${(ports.indexOf(port) + 1) || ports.push(port)}`;
  const marked = new RegExp(`${MARK}(\\d+)${MARK}`, 'g');
  return lines.map((line) => line.replace(marked, (_, port) => nameOf(port)));
}

/**
 * Plays scenarios that share a process; a promise of a map from their names to their traces. After
 * one that takes the process with it the rest goes on in another.
 */
async function play(scenarios, moduleName) {
  const { how, output, lines } = await perform(scenarios, moduleName);
  const over = new Set(lines.filter((line) => line.length === 1).map(([name]) => name));
  const traces = new Map();
  // If all are over, one of them left something behind; it is reported with the last one.
  const unfinished = scenarios.find(({ name }) => !over.has(name));
  const failed = unfinished ?? scenarios.at(-1);
  for (const scenario of scenarios) {
    const trace = linesOf(scenario, lines);
    if (scenario === failed && how) {
      const when = unfinished || scenario.alone ? '' : ', after all scenarios of the file';
      trace.push(`ended badly: ${how}${when}`);
    }
    traces.set(scenario.name, { trace: withNames(trace), output });
    if (scenario === failed) break;
  }
  const rest = scenarios.filter(({ name }) => !traces.has(name));
  return rest.length ? new Map([...traces, ...await play(rest, moduleName)]) : traces;
}

/** In groups that share a process: those of a file that may share one, and each other one alone. */
function inGroups(scenarios) {
  const files = [...new Set(scenarios.map(({ file }) => file))];
  const shared = files.map((file) => scenarios.filter((one) => one.file === file && !one.alone));
  const others = scenarios.filter(({ alone }) => alone).map((one) => [one]);
  return [...shared.filter((group) => group.length), ...others];
}

/* Two traces */

/** For each pair of indices, how many lines the rest of a has in common with the rest of b. */
function commonTails(a, b) {
  const table = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      table[i][j] = a[i] === b[j] ? table[i + 1][j + 1] + 1
        : Math.max(table[i + 1][j], table[i][j + 1]);
    }
  }
  return table;
}

/** All lines: '  ' before those of both, '- ' of the first only, '+ ' of the second only. */
function merge(a, b) {
  const tails = commonTails(a, b);
  const lines = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push(`  ${a[i++]}`);
      j++;
    } else if (j === b.length || (i < a.length && tails[i + 1][j] >= tails[i][j + 1])) {
      lines.push(`- ${a[i++]}`);
    } else {
      lines.push(`+ ${b[j++]}`);
    }
  }
  return lines;
}

/** The line that makes a trace of the built-in useless as a reference: an end or an exception that
 * the scenario does not announce. */
function flawOf({ crashes, uncaught }, trace) {
  const unexpected = /^(\[\w+\] )?(uncaughtException|unhandledRejection|the scenario itself failed)/;
  return trace.find((line) => (!crashes && line.startsWith('ended badly'))
    || (!uncaught && unexpected.test(line)));
}

/**
 * Compares what a group of scenarios does with both modules; an array of results. `rewrite` changes
 * lines of both before.
 */
async function compare(group, first, second, rewrite = (line) => line) {
  const [a, b] = await Promise.all([play(group, first), play(group, second)]);
  return group.map((scenario) => {
    const [one, other] = [a.get(scenario.name), b.get(scenario.name)];
    const lines = merge(one.trace.map(rewrite), other.trace.map(rewrite));
    return {
      scenario, lines,
      changes: lines.filter((line) => !line.startsWith('  ')),
      flaw: flawOf(scenario, one.trace),
      output: one.output + other.output,
    };
  });
}

module.exports = { compare, inGroups };
