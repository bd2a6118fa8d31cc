'use strict';
// The player: a process, or a thread, that plays scenarios with one of the two modules and writes
// their trace. comparison.js starts it and reads the trace.
//
//   node player.js MODULE FILE NAMES           plays scenarios of a file, one after the other
//   node player.js MODULE FILE NAMES ROLE WHO  plays a role of one of them
//
// Lines go to file descriptor 3, each at once and synchronously, so that they are complete up to a
// crash: [scenario, who, text], and [scenario] when it is over.

const fs = require('node:fs');
const { isMainThread, workerData } = require('node:worker_threads');
const registry = require('./registry.js');
const tools = require('./tools.js');

const TRACE = 3;
const [moduleName, file, names, role, who = 'main'] = isMainThread ? process.argv.slice(2) : workerData;

const builtin = require('node:dgram');
const dgram = load(moduleName);
let current;

// 'register:…' stands for a module that replaces the built-in, 'mutant:…' for the
// built-in with something changed.
function load(request) {
  const [, kind, what] = /^(register|mutant):(.*)/.exec(request) ?? [];
  if (kind === 'register') require(what);
  if (kind === 'mutant') require('./mutants.js')[what].mutate(builtin.Socket, builtin);
  return require(kind ? 'node:dgram' : request);
}

function write(...line) {
  fs.writeSync(TRACE, `${JSON.stringify(line)}\n`);
}

/** The tools of one scenario: its lines stay its own, even when they come late. */
function toolsFor({ name }) {
  const count = { lines: 0 };
  const self = [__filename, [moduleName, file, JSON.stringify([name])], TRACE];
  const writeLine = (text) => {
    count.lines++;
    write(name, who, text);
  };
  return { count, ...tools({ dgram, builtin, moduleName, self, write: writeLine }) };
}

const turn = () => new Promise(setImmediate);

/** Waits until no scenario adds a line for three turns of the loop. */
async function settled(count) {
  for (let idle = 0, seen = count.lines; idle < 3; idle++, seen = count.lines) {
    await turn();
    if (count.lines !== seen) idle = 0;
  }
}

async function play(scenario) {
  current = toolsFor(scenario);
  if (role) return scenario.roles[role](current);
  await turn(); // every scenario begins in the same phase of the loop
  await scenario.play(current);
  if (!scenario.alone) await settled(current.count);
  write(scenario.name);
}

async function main() {
  const scenarios = registry.find(file, JSON.parse(names));
  if (scenarios[0].alone) process.on('exit', (code) => current.log('exit', code));
  process.on('warning', ({ name, code, message }) => current.log('warning', name, code, message));
  process.on('uncaughtException', (error, origin) => current.log(origin, error));
  for (const scenario of scenarios) await play(scenario);
}

main().catch((error) => {
  current.log('the scenario itself failed', error);
  console.error(error);
  process.exit(1);
});
