'use strict';
// The npm package: what `npm pack` makes can be installed and used without the repository.

const assert = require('node:assert');
const { execFile, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const test = require('node:test');
const { promisify } = require('node:util');
const { packageFolder } = require('./installed');
const { ours } = require('./subject');

const run = promisify(execFile);

const works = (program) => spawnSync(program, ['--version']).status === 0;

function reasonToSkip() {
  if (ours('').skip !== false) return 'the package is not what is tried';
  if (!fs.existsSync(path.join(packageFolder, '../../include'))) return 'not in the repository';
  if (!works('npm')) return 'no npm';
  if (!['cc', 'gcc', 'clang'].some(works)) return 'no compiler';
  return false;
}

// The headers that came with this Node.js, if they did; node-gyp would download them.
function environment() {
  const prefix = path.resolve(process.execPath, '../..');
  const hasHeaders = fs.existsSync(path.join(prefix, 'include/node/node_api.h'));
  return { ...process.env, ...(hasHeaders ? { npm_config_nodedir: prefix } : {}) };
}

// A copy of what the package is made from: packing writes files beside it.
function copyRepository(folder) {
  const root = path.join(packageFolder, '../..');
  const isSource = (file) => !/(^|\/)(build|node_modules)$/.test(file);
  for (const name of ['LICENSE', 'include', 'src', 'bindings/node']) {
    fs.cpSync(path.join(root, name), path.join(folder, name),
      { recursive: true, filter: isSource });
  }
  return path.join(folder, 'bindings/node');
}

const filesIn = (folder) => fs.readdirSync(folder, { recursive: true }).sort();

// Sends a datagram to itself, prints it, and ends.
const echo = `
  const socket = dgram.createSocket('udp4', (msg) => {
    console.log(String(msg), dgram.Socket === require('libdgram').Socket);
    socket.close();
  });
  socket.bind(0, '127.0.0.1', () => socket.send('hello', socket.address().port, '127.0.0.1'));
`;

const programs = {
  'require.cjs': `const dgram = require('libdgram'); ${echo}`,
  'import.mjs': `
    import { createRequire } from 'node:module';
    import dgram from 'libdgram';
    const require = createRequire(import.meta.url);
    ${echo}`,
  'register.cjs': `require('libdgram/register'); const dgram = require('node:dgram'); ${echo}`,
};

test('the package that npm packs', { skip: reasonToSkip() }, async (t) => {
  const scratch = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), 'libdgram-'));
  t.after(() => fs.rmSync(scratch, { recursive: true }));
  const repository = path.join(scratch, 'repository');
  const program = path.join(scratch, 'program');
  fs.mkdirSync(program);
  const source = copyRepository(repository);
  const options = { cwd: program, env: environment() };

  await t.test('packing leaves nothing behind', async () => {
    const before = filesIn(repository);
    await run('npm', ['pack', '--pack-destination', scratch], { ...options, cwd: source });
    assert.deepStrictEqual(filesIn(repository), before);
  });

  await t.test('the packed package compiles where there is nothing else', async () => {
    fs.rmSync(repository, { recursive: true });
    const [tarball] = fs.readdirSync(scratch).filter((name) => name.endsWith('.tgz'));
    await run('npm', ['install', '--no-audit', '--no-fund', '--prefix', program,
      path.join(scratch, tarball)], options);
  });

  for (const [name, text] of Object.entries(programs)) {
    await t.test(`${name} sends and receives a datagram`, async () => {
      fs.writeFileSync(path.join(program, name), text);
      const { stdout } = await run(process.execPath, [name], { ...options, timeout: 60_000 });
      assert.strictEqual(stdout, 'hello true\n');
    });
  }

  for (const name of ['LICENSE', 'README.md']) {
    await t.test(`the packed package has ${name}`, () => {
      assert.ok(fs.existsSync(path.join(program, 'node_modules/libdgram', name)));
    });
  }
});
