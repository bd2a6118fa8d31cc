'use strict';
// The package's types, by compiling programs against them: with both ways of finding modules, with
// the types of every supported version of Node.js, with two compilers.
//
// The compilers come from a package of their own: npm ci --prefix test/types

const assert = require('node:assert');
const { execFile } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
const { packageFolder, programFolder, write } = require('./installed');

const typesFolder = path.join(__dirname, 'types');
const installed = path.join(typesFolder, 'node_modules');

// Programs typed against node:dgram, which pass with both names; and programs for ours alone.
const unchanged = ['every-way.mts', 'commonjs.cts', 'javascript.cjs'];
const own = ['access.mts', 'additions.mts', 'interfaces.mts', 'promises.mts', 'sim.mts',
  'mixed.mts', 'mixed-built-in.mts'];

const program = (name) => fs.readFileSync(path.join(typesFolder, 'programs', name), 'utf8');
const named = (prefix, names, change = (text) => text) =>
  Object.fromEntries(names.map((name) => [prefix + name, change(program(name))]));

// The programs whose types come from @types/node of that version.
function programsFor(version) {
  return {
    ...named('built-in-', unchanged),
    ...named('ours-', unchanged, (text) => text.replaceAll('node:dgram', 'libdgram')),
    ...named('', own),
  };
}

// What npm would install of the package, as far as a compiler looks. It is copied: a link would
// lead the compiler out of the program's folder, to other types of Node.js than the program's.
function installTypes(place) {
  fs.mkdirSync(place);
  for (const name of ['package.json', 'index.d.ts', 'index.d.mts', 'access.d.ts', 'access.d.mts',
    'interfaces.d.ts', 'interfaces.d.mts', 'promises.d.ts', 'promises.d.mts', 'sim.d.ts', 'sim.d.mts', 'register.d.ts']) {
    fs.copyFileSync(path.join(packageFolder, name), path.join(place, name));
  }
}

// Resolves with what the compiler prints: nothing, when all is well.
function compile(t, { compiler, version, mode, files = programsFor(version) }) {
  const cwd = programFolder(t, files, installTypes);
  fs.mkdirSync(path.join(cwd, 'node_modules', '@types'));
  fs.symlinkSync(path.join(installed, `types-node-${version}`),
                 path.join(cwd, 'node_modules', '@types', 'node'), 'dir');
  write(cwd, { 'tsconfig.json': JSON.stringify({
    compilerOptions: {
      noEmit: true, strict: true, exactOptionalPropertyTypes: true, allowJs: true, checkJs: true,
      target: 'es2022', lib: ['es2022', 'esnext.disposable'], types: ['node'], ...mode,
    },
    include: ['*'],
  }) });
  const tsc = path.join(installed, compiler, 'bin', 'tsc');
  return new Promise((resolve) => {
    execFile(process.execPath, [tsc, '--pretty', 'false'], { cwd, timeout: 300_000 },
             (error, stdout) => resolve(stdout || String(error ?? '')));
  });
}

const modes = {
  node16: { module: 'node16', moduleResolution: 'node16' },
  bundler: { module: 'preserve', moduleResolution: 'bundler' },
};

const skip = !fs.existsSync(installed) && 'no compiler: npm ci --prefix test/types';

function testCompile(compiler, version, mode) {
  test(`${compiler}, Node.js ${version}, ${mode}`, { skip }, async (t) => {
    assert.strictEqual(await compile(t, { compiler, version, mode: modes[mode] }), '');
  });
}

// The newest compiler is the fastest: it sees all, the one before it the ends.
for (const version of [18, 20, 22, 24, 26]) {
  for (const mode of Object.keys(modes)) testCompile('typescript-7', version, mode);
}
testCompile('typescript', 18, 'node16');
testCompile('typescript', 26, 'bundler');

test('the types refuse a wrong call', { skip }, async (t) => {
  const files = { 'wrong.mts': "import { createSocket } from 'libdgram'; createSocket('udp5');" };
  const mode = modes.node16;
  const output = await compile(t, { compiler: 'typescript-7', version: 26, mode, files });
  assert.match(output, /^wrong\.mts\(1,.*error TS2769: No overload matches this call\./);
});
