'use strict';
// What stands around the package: mocks and aliases of node:dgram, other runtimes, a package whose
// addon has not been compiled, a system without a compiler.

const assert = require('node:assert');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const test = require('node:test');
const child = require('./child');
const { packageFolder } = require('./installed');
const { ours } = require('./subject');

// ---- mocks and aliases ----

// A datagram to itself by what requiring the built-in gives; reports whether that is the package.
const echo = (t) => {
  const dgram = require(t.args.name);
  const socket = dgram.createSocket('udp4', (msg) => {
    t.report([String(msg), dgram === require(t.modulePath), typeof dgram.Socket.prototype.bind]);
    socket.close();
  });
  socket.bind(0, '127.0.0.1', () => socket.send('x', socket.address().port, '127.0.0.1'));
};

const aliases = {
  // Not called for names with node: before them.
  'Module._resolveFilename': (t) => {
    const Module = require('node:module');
    const original = Module._resolveFilename;
    Module._resolveFilename = (request, ...others) =>
      original.call(Module, request === 'dgram' ? t.modulePath : request, ...others);
  },
  // As jest.mock() does: each require() gets what the factory returns, while it runs too.
  'Module._load': (t) => {
    const Module = require('node:module');
    const original = Module._load;
    Module._load = (request, ...others) =>
      original.call(Module, /^(node:)?dgram$/.test(request) ? t.modulePath : request, ...others);
  },
};

for (const [how, alias] of Object.entries(aliases)) {
  const name = how === 'Module._load' ? 'node:dgram' : 'dgram';

  for (const withBuiltin of [true, false]) {
    const when = withBuiltin ? '' : ', without process.getBuiltinModule()';
    test(`an alias of node:dgram by ${how}${when}`, ours(''), async () => {
      const reports = await child.reports((t) => {
        if (!t.args.withBuiltin) process.getBuiltinModule = undefined;
        eval(`(${t.args.alias})`)(t);
        eval(`(${t.args.echo})`)(t);
      }, { args: { withBuiltin, name, alias: String(alias), echo: String(echo) } });
      assert.deepStrictEqual(reports, [['x', true, 'function']]);
    });
  }

  test(`libdgram/register under an alias by ${how}`, ours(''), async () => {
    const reports = await child.reports((t) => {
      eval(`(${t.args.alias})`)(t);
      require(`${t.modulePath}/register.js`);
      eval(`(${t.args.echo})`)(t);
    }, { args: { name, alias: String(alias), echo: String(echo) } });
    assert.deepStrictEqual(reports, [['x', true, 'function']]);
  });
}

test('a subscriber of udp.socket gets no socket when the package is loaded', ours(''), async () => {
  const reports = await child.reports((t) => {
    let published = 0;
    require('node:diagnostics_channel').channel('udp.socket').subscribe(() => { published++; });
    const { length } = process.getActiveResourcesInfo?.() ?? [];
    const { createSocket } = t.dgram;
    t.report([published, (process.getActiveResourcesInfo?.() ?? []).length - length]);
    createSocket('udp4').close();
    t.report(published);
  });
  assert.deepStrictEqual(reports, [[0, 0], 1]);
});

// ---- other runtimes ----

const runtimes = {
  'Bun 1.2.3': () => Object.defineProperty(process.versions, 'bun', { value: '1.2.3' }),
  'Deno 2.1.0': () => { globalThis.Deno = { version: { deno: '2.1.0' } }; },
  'Node.js 16.20.2': () => Object.defineProperty(process.versions, 'node', { value: '16.20.2' }),
};

for (const [name, disguise] of Object.entries(runtimes)) {
  for (const file of ['index.js', 'register.js']) {
    test(`${file} in ${name} throws before the addon is loaded`, ours(''), async () => {
      const [message, loaded] = await child.reports((t) => {
        eval(`(${t.args.disguise})`)();
        const { dlopen } = process;
        let loaded = false;
        process.dlopen = (...values) => {
          loaded = true;
          return dlopen(...values);
        };
        try {
          require(`${t.modulePath}/${t.args.file}`);
        } catch (error) {
          t.report(error.message);
        }
        t.report(loaded);
      }, { args: { disguise: String(disguise), file } });
      assert.strictEqual(message, `libdgram works in Node.js 18 or later. This is ${name}.`);
      assert.strictEqual(loaded, false);
    });
  }
}

// ---- no addon, no tools ----

// The package as it is after an installation without scripts.
function copyWithoutAddon(t) {
  const folder = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), 'libdgram-'));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  for (const name of ['index.js', 'index.mjs', 'register.js', 'install.js', 'package.json', 'lib', 'src', 'binding.gyp'])
    fs.cpSync(path.join(packageFolder, name), path.join(folder, name), { recursive: true });
  return folder;
}

// A folder for PATH with these programs, each of which does nothing and ends so.
function tools(t, names, status = 0) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'libdgram-tools-'));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  for (const name of names)
    fs.writeFileSync(path.join(folder, name), `#!/bin/sh\necho "$0 $*: error: on purpose"\nexit ${status}\n`, { mode: 0o755 });
  return folder;
}

// Variables that name tools must not be those of the environment that runs the tests.
function environment(PATH, others = {}) {
  const env = { ...process.env, PATH, ...others };
  for (const name of ['CC', 'CXX', 'MAKE', 'PYTHON', 'NODE_GYP_FORCE_PYTHON', 'npm_config_python', 'npm_config_make',
    'npm_config_node_gyp', 'npm_config_loglevel'])
    if (!(name in others)) delete env[name];
  return env;
}

const toolNames = ['python3', 'make', 'cc', 'c++'];

for (const file of ['index.js', 'register.js', 'index.mjs']) {
  test(`${file} without an addon throws how to compile it`, ours(''), (t) => {
    const folder = copyWithoutAddon(t);
    const { status, stderr } = spawnSync(process.execPath,
      ['-e', `import(${JSON.stringify(path.join(folder, file))})`],
      { encoding: 'utf8', env: environment(tools(t, toolNames)) });
    assert.strictEqual(status, 1);
    assert.match(stderr, /Error: The addon of libdgram has not been compiled/);
    assert.match(stderr, /npm rebuild libdgram/);
    assert.match(stderr, /ERR_LIBDGRAM_NOT_BUILT/);
    assert.doesNotMatch(stderr, /Missing here|Cannot find module/);
  });
}

const lacks = {
  'Python 3': 'python3', 'make': 'make', 'a C compiler (cc)': 'cc', 'a C++ compiler (c++), which links': 'c++',
};

for (const [tool, name] of Object.entries(lacks)) {
  test(`without ${name}, both report it`, ours(''), (t) => {
    const folder = copyWithoutAddon(t);
    const env = environment(tools(t, toolNames.filter((one) => one !== name)));
    const requiring = spawnSync(process.execPath, ['-e', `require(${JSON.stringify(folder)})`],
      { encoding: 'utf8', env });
    const installing = spawnSync(process.execPath, ['install.js'], { cwd: folder, encoding: 'utf8', env });
    for (const { status, stderr } of [requiring, installing]) {
      assert.strictEqual(status, 1);
      assert.ok(stderr.includes(`Missing here: ${tool}.\n`), stderr);
      assert.match(stderr, /apt-get install build-essential python3/);
    }
    assert.ok(installing.stderr.split('\n').length <= 6, installing.stderr);
    assert.strictEqual(installing.stdout, '');
  });
}

test('an installation that fails names the reason and the log', ours(''), (t) => {
  const folder = copyWithoutAddon(t);
  const TMPDIR = tools(t, []);
  const env = environment(`${tools(t, [...toolNames, 'node-gyp'], 7)}:/usr/bin:/bin`, { TMPDIR });
  const { status, stdout, stderr } = spawnSync(process.execPath, ['install.js'], { cwd: folder, encoding: 'utf8', env });
  assert.deepStrictEqual([status, stdout], [1, '']);
  assert.match(stderr, /^libdgram: the addon could not be compiled\.\n.*error: on purpose\n/);
  const [, log] = /The whole output: (.*)/.exec(stderr);
  assert.match(fs.readFileSync(log, 'utf8'), /node-gyp rebuild/);
  assert.ok(stderr.split('\n').length <= 6, stderr);
});

test('an installation that works prints nothing and leaves nothing', ours(''), (t) => {
  const folder = copyWithoutAddon(t);
  const TMPDIR = tools(t, []);
  const env = environment(`${tools(t, [...toolNames, 'node-gyp'])}:/usr/bin:/bin`, { TMPDIR });
  const { status, stdout, stderr } = spawnSync(process.execPath, ['install.js'], { cwd: folder, encoding: 'utf8', env });
  assert.deepStrictEqual([status, stdout, stderr], [0, '', '']);
  assert.deepStrictEqual(fs.readdirSync(TMPDIR), []);
});

test('verbose npm shows the whole output', ours(''), (t) => {
  const folder = copyWithoutAddon(t);
  const env = environment(`${tools(t, [...toolNames, 'node-gyp'])}:/usr/bin:/bin`, { npm_config_loglevel: 'verbose' });
  const { status, stdout } = spawnSync(process.execPath, ['install.js'], { cwd: folder, encoding: 'utf8', env });
  assert.deepStrictEqual([status, /node-gyp rebuild/.test(stdout)], [0, true]);
});

test('without node-gyp the installation reports it', ours(''), (t) => {
  const folder = copyWithoutAddon(t);
  const env = environment(tools(t, toolNames), { TMPDIR: tools(t, []) });
  const { status, stderr } = spawnSync(process.execPath, ['install.js'], { cwd: folder, encoding: 'utf8', env });
  assert.strictEqual(status, 1);
  assert.match(stderr, /node-gyp is not there\. To install it: npm install --global node-gyp/);
});
