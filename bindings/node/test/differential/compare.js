'use strict';
// By hand: node compare.js [options] [part of a name …]
//
//   --module=PATH    the module under test; default: this package. 'node:dgram' is fine too
//   --times=N        play each scenario N times; with --module=node:dgram a proof of determinism
//   --list           only the names
//   --quiet          only what differs
//
// Without --quiet both traces are shown, as one: lines of both, '- ' only the built-in's,
// '+ ' only the other's.

const os = require('node:os');
const path = require('node:path');
const { parseArgs } = require('node:util');
const book = require('./book.js');
const { compare } = require('./judge.js');

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    module: { type: 'string', default: path.join(__dirname, '../..') },
    times: { type: 'string', default: '1' },
    list: { type: 'boolean', default: false },
    quiet: { type: 'boolean', default: false },
  },
});

const asked = ({ name }) => !positionals.length || positionals.some((part) => name.includes(part));
const scenarios = book.all().filter(asked);
const outcome = { same: 0, different: 0, broken: 0, skipped: 0 };

function tell(scenario, result) {
  const verdict = result.flaw ? 'broken' : result.changes.length ? 'different' : 'same';
  outcome[verdict]++;
  if (values.quiet && verdict === 'same') return;
  console.log(`\n# ${scenario.name}: ${result.flaw ? `broken: ${result.flaw}` : verdict}`);
  console.log((values.quiet ? result.changes : result.lines).join('\n'));
}

async function play(scenario) {
  const reason = scenario.needs(require('node:dgram'));
  if (reason) {
    outcome.skipped++;
    if (!values.quiet) console.log(`\n# ${scenario.name}: skipped, ${reason}`);
    return;
  }
  for (let i = 0; i < values.times; i++) {
    tell(scenario, await compare(scenario, 'node:dgram', values.module));
  }
}

async function inParallel(queue, count) {
  const next = async () => {
    while (queue.length) await play(queue.shift());
  };
  await Promise.all(Array.from({ length: count }, next));
}

async function main() {
  if (values.list) return console.log(scenarios.map(({ name }) => name).join('\n'));
  await inParallel(scenarios, os.cpus().length);
  console.log(`\n${JSON.stringify(outcome)}`);
  process.exitCode = outcome.different || outcome.broken ? 1 : 0;
}

main();
