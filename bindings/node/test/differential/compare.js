'use strict';
// By hand: node compare.js [options] [part of a name …]
//
//   --module=PATH    the module under test; by default this package, or what DGRAM_MODULE names
//   --against=PATH   what it is compared with; by default node:dgram
//   --times=N        N times each; with --module=node:dgram a proof that the traces are stable
//   --alone          each scenario in a process of its own
//   --list           the names only
//   --quiet          what differs only
//
// Both traces are shown as one: lines of both, '- ' before what only the built-in does, '+ ' before
// what only the module under test does.

const os = require('node:os');
const { parseArgs } = require('node:util');
const { modulePath } = require('../subject');
const registry = require('./registry.js');
const { compare, inGroups } = require('./comparison.js');

const { values: options, positionals: parts } = parseArgs({
  allowPositionals: true,
  options: {
    module: { type: 'string', default: modulePath },
    against: { type: 'string', default: 'node:dgram' },
    times: { type: 'string', default: '1' },
    alone: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    quiet: { type: 'boolean', default: false },
  },
});

const outcome = { same: 0, different: 0, broken: 0, skipped: 0 };

function report({ scenario, flaw, lines, changes, output }) {
  const result = flaw ? 'broken' : changes.length ? 'different' : 'same';
  outcome[result]++;
  if (options.quiet && result === 'same') return;
  console.log(`\n# ${scenario.name}: ${result}${flaw ? `, ${flaw}` : ''}`);
  console.log((options.quiet && !flaw ? changes : lines).join('\n'));
  if (flaw && output) console.log(output);
}

function playable(scenario) {
  const reason = scenario.needs(require('node:dgram'));
  if (!reason) return true;
  outcome.skipped++;
  if (!options.quiet) console.log(`\n# ${scenario.name}: skipped, ${reason}`);
  return false;
}

async function work(queue) {
  while (queue.length) (await compare(queue.shift(), options.against, options.module)).forEach(report);
}

async function main() {
  const requested = ({ name }) => !parts.length || parts.some((part) => name.includes(part));
  const scenarios = registry.all().filter(requested);
  if (options.list) return console.log(scenarios.map(({ name }) => name).join('\n'));
  const groups = inGroups(scenarios.filter(playable));
  const chosen = options.alone ? groups.flat().map((one) => [one]) : groups;
  const queue = Array.from({ length: Number(options.times) }, () => chosen).flat();
  await Promise.all(os.cpus().map(() => work(queue)));
  console.log(`\n${JSON.stringify(outcome)}`);
  process.exitCode = outcome.different || outcome.broken ? 1 : 0;
}

main();
