'use strict';
// The harness itself: it notices what a drop-in could get wrong, and the table of differences is
// exact.

const assert = require('node:assert');
const test = require('node:test');
const registry = require('./registry');
const { compare } = require('./comparison');
const mutants = require('./mutants');
const { read, check } = require('./table');

const scenarios = registry.all();

for (const [name, { noticedBy }] of Object.entries(mutants)) {
  test(`the harness notices: ${name}`, async () => {
    const scenario = scenarios.find((one) => one.name === noticedBy);
    const [{ changes, flaw }] = await compare([scenario], 'node:dgram', `mutant:${name}`);
    assert.ok(!flaw, flaw);
    assert.notDeepStrictEqual(changes, []);
  });
}

test('a scenario that ends the process spoils only itself', async () => {
  const names = ['B45 address', 'B46 more arguments than a setter has', 'B50 what setSendBufferSize sets'];
  const group = scenarios.filter(({ name }) => names.includes(name));
  const results = await compare(group, 'node:dgram', 'mutant:a method ends the process');
  const differing = results.filter(({ changes }) => changes.length).map(({ scenario }) => scenario.name);
  assert.deepStrictEqual(differing, ['B46 more arguments than a setter has']);
  assert.match(results.find(({ changes }) => changes.length).changes.join('\n'), /exit code 7/);
});

const table = [
  { reason: 'decided', changes: { one: ['- a', '+ b'] } },
  { reason: 'decided for 18', node: [18], changes: { two: ['+ c'] } },
  { open: 'not decided', scenarios: ['three'] },
  { reason: 'rewritten', node: [18], rewrite: (line) => line.replace('x', 'y') },
];

test('a listed scenario may differ, by exactly the listed lines', () => {
  const here = read(table, 20);
  assert.deepStrictEqual(check(here, 'one', ['- a', '+ b']), {});
  assert.match(check(here, 'one', ['- a', '+ c']).wrong, /otherwise/);
  assert.match(check(here, 'one', []).wrong, /no longer/);
});

test('a scenario that is not listed may not differ', () => {
  const here = read(table, 20);
  assert.match(check(here, 'two', ['+ c']).wrong, /differs/);
  assert.deepStrictEqual(check(here, 'two', []), {});
  assert.deepStrictEqual(check(read(table, 18), 'two', ['+ c']), {});
});

test('an open difference is a todo, until the scenario no longer differs', () => {
  const here = read(table, 20);
  assert.deepStrictEqual(check(here, 'three', ['+ d']), { todo: 'not decided' });
  assert.match(check(here, 'three', []).wrong, /no longer/);
});

test('lines are rewritten where the table has a rewrite', () => {
  assert.strictEqual(read(table, 18).rewrite('x'), 'y');
  assert.strictEqual(read(table, 20).rewrite('x'), 'x');
});

test('the name of a scenario begins with the behaviour that it shows', () => {
  const unnumbered = scenarios.map(({ name }) => name).filter((name) => !/^(B\d+ |hostile: |threads: )/.test(name));
  assert.deepStrictEqual(unnumbered, []);
});

test('every behaviour that a program can see has a scenario', () => {
  const shown = new Set(scenarios.flatMap(({ name }) => name.match(/\bB\d+\b/g) ?? []));
  const missing = Array.from({ length: 63 }, (_, i) => `B${i + 1}`).filter((number) => !shown.has(number));
  assert.deepStrictEqual(missing, []);
});
