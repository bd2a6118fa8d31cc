'use strict';
// `libdgram/register`: however a program or a dependency of it names node:dgram, it gets ours.
//
// Each test runs twice: with the package, and with a stand-in for the module that it installs, so
// that the registration is tested apart from the module. DGRAM_MODULE=node:dgram leaves only the
// second.

const assert = require('node:assert');
const { execFile } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { describe, test } = require('node:test');
const { promisify } = require('node:util');
const { packageFolder, programFolder } = require('./installed');

const usesBuiltIn = /^(node:)?dgram$/.test(process.env.DGRAM_MODULE);

// What stands in for the package's module: sockets that are the built-in's, of a class of its own.
const standInModule = `'use strict';
const original = { ...require('node:dgram') };

function Socket(...args) {
  original.Socket.apply(this, args);
}
Object.setPrototypeOf(Socket, original.Socket);
Object.setPrototypeOf(Socket.prototype, original.Socket.prototype);

const createSocket = (...args) => new Socket(...args);
module.exports = { Socket, createSocket };
`;

function installStandIn(place) {
  fs.mkdirSync(place);
  fs.copyFileSync(path.join(packageFolder, 'register.js'), path.join(place, 'register.js'));
  fs.writeFileSync(path.join(place, 'index.js'), standInModule);
  fs.writeFileSync(path.join(place, 'package.json'), JSON.stringify({
    name: 'libdgram',
    exports: { '.': './index.js', './register': './register.js' },
  }));
}

// The files of the programs. The first two are the dependencies, one of each kind of module.
const files = {
  'dependency.cjs': `
    const dgram = require('dgram');
    exports.ways = () => ({
      'require(dgram)': dgram.createSocket,
      'require(node:dgram)': require('node:dgram').createSocket,
    });
  `,
  'dependency.mjs': `
    import dgram, { createSocket } from 'node:dgram';
    import * as namespace from 'dgram';
    export const ways = () => ({
      'import default': dgram.createSocket,
      'import name': createSocket,
      'import namespace': namespace.createSocket,
    });
  `,
  // Makes a socket in each way that there is, and prints which of them are ours.
  'look.mjs': `
    import { createRequire } from 'node:module';
    import * as commonjs from './dependency.cjs';
    import * as esm from './dependency.mjs';

    export async function look() {
      const ways = {
        ...commonjs.ways(),
        ...esm.ways(),
        'import()': (await import('node:dgram')).createSocket,
        'getBuiltinModule': process.getBuiltinModule?.('node:dgram').createSocket,
      };
      const { Socket } = createRequire(import.meta.url)('libdgram');
      const seen = {};
      for (const [way, createSocket] of Object.entries(ways)) {
        if (createSocket) seen[way] = createSocket('udp4') instanceof Socket;
      }
      return seen;
    }

    export async function report() {
      console.log(JSON.stringify(await look()));
    }
  `,
  'plain.mjs': 'import { report } from "./look.mjs"; await report();',
  'first.mjs': 'import "libdgram/register"; import { report } from "./look.mjs"; await report();',
  'late.mjs': `
    import { look, report } from './look.mjs';
    if (Object.values(await look()).some(Boolean)) throw new Error('replaced too early');
    await import('libdgram/register');
    await report();
  `,
  'require.cjs': `
    const dependency = require('./dependency.cjs');
    require('libdgram/register');
    import('./look.mjs').then(({ report }) => report());
  `,
  'worker.mjs': `
    import { Worker } from 'node:worker_threads';
    if (process.argv[2] === 'registered') await import('libdgram/register');
    const execArgv = process.argv[3] ? ['--import', process.argv[3]] : undefined;
    new Worker(new URL('plain.mjs', import.meta.url), { execArgv });
  `,
  'fork.mjs': `
    import { fork } from 'node:child_process';
    import { fileURLToPath } from 'node:url';
    if (process.argv[2] === 'registered') await import('libdgram/register');
    const execArgv = process.argv[3] ? ['--import', process.argv[3]] : undefined;
    fork(fileURLToPath(new URL('plain.mjs', import.meta.url)), { execArgv });
  `,
  'exports.cjs': `
    const original = { ...require('node:dgram') };
    const exported = require('libdgram/register');
    console.log(JSON.stringify({
      exported: Object.keys(exported),
      lost: Object.keys(original).filter((name) => !(name in require('node:dgram'))),
    }));
  `,
  'exchange.mjs': `
    import { createSocket } from 'node:dgram';
    import { once } from 'node:events';
    const server = createSocket('udp4');
    await once(server.bind(0, '127.0.0.1'), 'listening');
    server.once('message', (msg, { port }) => {
      server.send(msg + ' back', port, () => server.close());
    });
    const client = createSocket('udp4');
    client.send('there and', server.address().port, '127.0.0.1');
    const [answer] = await once(client, 'message');
    client.close();
    console.log(JSON.stringify(String(answer)));
  `,
};

const run = promisify(execFile);

function suiteOf(title, install, options) {
  describe(title, options, () => {
    // Runs node with the arguments in the folder; resolves with what it printed, read as JSON.
    async function outputOf(t, args, env = {}) {
      const cwd = programFolder(t, files, install);
      const options = { cwd, env: { ...process.env, ...env }, timeout: 60_000 };
      const { stdout } = await run(process.execPath, args, options);
      return JSON.parse(stdout);
    }

    // Every way that this version of Node.js has to the module leads to a socket of the kind.
    function assertAll(seen, ours) {
      const ways = 6 + (process.getBuiltinModule ? 1 : 0);
      assert.strictEqual(Object.keys(seen).length, ways);
      const others = Object.keys(seen).filter((way) => seen[way] !== ours);
      assert.deepStrictEqual(others, [], `${others} should ${ours ? '' : 'not '}be ours`);
    }

    const everywhere = (args, env) => async (t) => assertAll(await outputOf(t, args, env), true);
    const nowhere = (args, env) => async (t) => assertAll(await outputOf(t, args, env), false);

    test('the built-in stays where nothing is registered', nowhere(['plain.mjs']));
    test('an import before the others reaches them', everywhere(['first.mjs']));
    test('an import after the others reaches them', everywhere(['late.mjs']));
    test('a require() after the others reaches them', everywhere(['require.cjs']));
    test('node --import reaches the whole program', everywhere(['--import', 'libdgram/register', 'plain.mjs']));
    test('node --require reaches the whole program', everywhere(['-r', 'libdgram/register', 'plain.mjs']));
    test('a second registration, in the program, does no harm',
         everywhere(['-r', 'libdgram/register', 'first.mjs']));
    test('NODE_OPTIONS reaches the whole program', everywhere(['plain.mjs'], {
      NODE_OPTIONS: '--import libdgram/register',
    }));

    test('a worker thread is not reached by import', nowhere(['worker.mjs', 'registered']));
    test('a worker thread is reached by its own execArgv',
         everywhere(['worker.mjs', '', 'libdgram/register']));
    test('a worker thread is reached by NODE_OPTIONS', everywhere(['worker.mjs'], {
      NODE_OPTIONS: '--import libdgram/register',
    }));
    test('a worker thread is reached by node --import', {
      skip: parseInt(process.versions.node) < 20 && 'Node.js 18 passes a worker no --import',
    }, everywhere(['--import', 'libdgram/register', 'worker.mjs']));

    test('a forked process is not reached by import', nowhere(['fork.mjs', 'registered']));
    test('a forked process is reached by its own execArgv',
         everywhere(['fork.mjs', '', 'libdgram/register']));
    test('a forked process is reached by NODE_OPTIONS', everywhere(['fork.mjs'], {
      NODE_OPTIONS: '--import libdgram/register',
    }));
    test('a forked process is reached by node --import',
         everywhere(['--import', 'libdgram/register', 'fork.mjs']));

    test('register exports nothing, and no export of the built-in is lost', async (t) => {
      assert.deepStrictEqual(await outputOf(t, ['exports.cjs']), { exported: [], lost: [] });
    });

    test('sockets exchange messages', async (t) => {
      const answer = await outputOf(t, ['--import', 'libdgram/register', 'exchange.mjs']);
      assert.strictEqual(answer, 'there and back');
    });
  });
}

suiteOf('register, with a stand-in', installStandIn);
suiteOf('register', undefined, {
  skip: usesBuiltIn ? 'this package only: the built-in has nothing to register' : false,
});
