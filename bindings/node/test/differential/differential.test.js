'use strict';
// Every scenario, played on node:dgram and on this package: what programs can see is the same, but
// for what differences.js lists. With DGRAM_MODULE=node:dgram the built-in is compared with itself.

const assert = require('node:assert');
const os = require('node:os');
const test = require('node:test');
const { modulePath, isBuiltIn } = require('../subject');
const registry = require('./registry');
const differences = require('./differences');
const { compare, inGroups } = require('./comparison');
const { read, check } = require('./table');

const table = read(isBuiltIn ? [] : differences);
const scenarios = registry.all();
const reasons = new Map(scenarios.map(({ name, needs }) => [name, needs(require('node:dgram'))]));
const results = new Map(scenarios.map(({ name }) => {
  const result = {};
  result.promise = new Promise((resolve, reject) => Object.assign(result, { resolve, reject }));
  return [name, result];
}));

// Plays group after group; others do the same with the same queue.
async function work(queue) {
  while (queue.length) {
    const group = queue.shift();
    try {
      for (const result of await compare(group, 'node:dgram', modulePath, table.rewrite)) {
        results.get(result.scenario.name).resolve(result);
      }
    } catch (error) {
      for (const { name } of group) results.get(name).reject(error);
    }
  }
}

const queue = inGroups(scenarios.filter(({ name }) => !reasons.get(name)));
for (let i = 0; i < os.cpus().length; i++) work(queue);

// What differs is played again, alone, a few times: a busy machine can bring two datagrams out of
// step, and other tests hold thousands of ports, one of which the scenario may want.
async function play(scenario) {
  const { name } = scenario;
  let result = await results.get(name).promise;
  const differs = () => result.flaw || check(table, name, result.changes).wrong;
  for (let again = 0; again < 4 && differs(); again++) {
    [result] = await compare([scenario], 'node:dgram', modulePath, table.rewrite);
  }
  return result;
}

for (const scenario of scenarios) {
  const { name } = scenario;
  test(name, { skip: reasons.get(name) }, async (t) => {
    const { flaw, changes, lines, output } = await play(scenario);
    assert.ok(!flaw, `the scenario is broken, on the built-in itself: ${flaw}\n${output}`);
    const { wrong, todo } = check(table, name, changes);
    assert.ok(!wrong, `${wrong}\n${lines.join('\n')}`);
    if (!todo) return;
    t.todo(todo);
    changes.forEach((line) => t.diagnostic(line));
  });
}

test('differences.js lists scenarios that exist only', () => {
  const unknown = [...table.decided.keys(), ...table.open.keys()].filter((name) => !results.has(name));
  assert.deepStrictEqual(unknown, []);
});
