'use strict';
// The README's programs print the output that it names.

const assert = require('node:assert');
const { execFile } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
const { promisify } = require('node:util');
const { packageFolder, programFolder } = require('./installed');
const { ours } = require('./subject');

const readme = fs.readFileSync(path.join(packageFolder, 'README.md'), 'utf8');
const programs = [...readme.matchAll(/^```mjs\n(.*?)^```$/gms)].map(([, program]) => program);
const outputOf = (program) => [...program.matchAll(/^\/\/ Prints: (.*)$/gm)].map(([, line]) => line);

test('the README has programs, and each names its output', () => {
  assert.ok(programs.length >= 4);
  for (const program of programs) assert.ok(outputOf(program).length > 0, program);
});

programs.forEach((program, index) => {
  test(`program ${index + 1} of the README`, ours('it is its README'), async (t) => {
    const cwd = programFolder(t, { 'program.mjs': program });
    const { stdout, stderr } = await promisify(execFile)(process.execPath, ['program.mjs'], {
      cwd, timeout: 60_000,
    });
    assert.strictEqual(stderr, '');
    assert.deepStrictEqual(stdout.trimEnd().split('\n'), outputOf(program));
  });
});
