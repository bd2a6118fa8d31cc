'use strict';
// libdgram/interfaces: the list of interfaces, and the events of a watcher.

const assert = require('node:assert');
const { execFile } = require('node:child_process');
const os = require('node:os');
const path = require('node:path');
const { describe, test } = require('node:test');
const { promisify } = require('node:util');
const { Worker } = require('node:worker_threads');
const { findNamespace } = require('./namespace');
const { isBuiltIn, modulePath, ours } = require('./subject');

const run = promisify(execFile);
const modulesPath = isBuiltIn ? '' : path.join(modulePath, 'interfaces');
const { interfaces, watchInterfaces } = isBuiltIn ? {} : require(modulesPath);
const { command, noHost: why } = findNamespace();
const load = `const { watchInterfaces } = require(${JSON.stringify(modulesPath)});`;

// On a host of its own: each line is an event.
const program = `
  ${load}
  const { execFileSync } = require('node:child_process');
  const ip = (...words) => execFileSync('ip', words);
  const steps = [
    () => ip('link', 'add', 'extra', 'type', 'veth', 'peer', 'name', 'other'),
    () => ip('address', 'add', '10.9.8.7/24', 'dev', 'extra'),
    () => ip('link', 'delete', 'extra'),
    () => watcher.close(),
  ];
  let begun = false;
  const watcher = watchInterfaces((event, { name, flags, addresses }) => {
    if (name === 'lo' && !begun) {
      begun = true;
      console.log(event, name, flags.includes('loopback'));
    } else if (name === 'extra') {
      console.log(event, name, addresses.map(({ address, prefix }) => address + '/' + prefix).join());
    } else {
      return;
    }
    setImmediate(() => steps.shift()());
  });`;

describe('interfaces()', ours('it is an addition'), () => {
  test('has what os.networkInterfaces() has, with index and flags', () => {
    const list = interfaces();
    const known = Object.entries(os.networkInterfaces());
    for (const [name, addresses] of known) {
      const found = list.find((each) => each.name === name);
      assert.ok(found.index > 0);
      assert.ok(found.flags.includes('up'));
      assert.strictEqual(found.flags.includes('loopback'), addresses[0].internal);
      assert.strictEqual(found.mac, addresses[0].mac);
      for (const { address, netmask, family, cidr } of addresses) {
        const own = found.addresses.find((each) => each.address.replace(/%.*/, '') === address);
        assert.deepStrictEqual([own.netmask, own.family, own.prefix],
          [netmask, family, Number(cidr.split('/')[1])]);
      }
    }
    assert.deepStrictEqual(list.map(({ index }) => index), list.map(({ index }) => index).sort((a, b) => a - b));
  });
});

describe('watchInterfaces()', ours('it is an addition'), () => {
  test('first reports what there is', async () => {
    const expected = interfaces().map(({ name }) => `added ${name}`);
    const reported = [];
    await new Promise((resolve) => {
      const watcher = watchInterfaces((event, { name }) => {
        reported.push(`${event} ${name}`);
        if (reported.length < expected.length)
          return;
        watcher.close();
        resolve();
      });
    });
    assert.deepStrictEqual(reported, expected);
  });

  test('then what comes, changes and goes', { skip: why || false }, async () => {
    const { stdout } = await run(command[0], [...command.slice(1), process.execPath, '-e', program]);
    assert.deepStrictEqual(stdout.trim().split('\n').map((line) => line.trim()),
      ['added lo true', 'added extra', 'changed extra 10.9.8.7/24', 'removed extra 10.9.8.7/24']);
  });

  test('a watcher that is closed reports nothing, and can be closed again', async () => {
    const watcher = watchInterfaces(() => assert.fail('closed'));
    watcher.close();
    watcher.close();
    assert.strictEqual(watcher.ref(), watcher);
    await new Promise((resolve) => setTimeout(resolve, 0));
    await new Promise(setImmediate);
    if (Symbol.dispose)
      watchInterfaces(() => assert.fail('closed'))[Symbol.dispose]();
  });

  test('it keeps the process alive, unless it is unreferenced or closed', async () => {
    for (const end of ['unref', 'close'])
      await run(process.execPath, ['-e', `${load} watchInterfaces(() => {}).${end}();`]);
    const { stdout } = await run(process.execPath, ['-e', `${load}
      const watcher = watchInterfaces(() => {
        setImmediate(() => console.log('alive'));
        watcher.close();
      });`]);
    assert.strictEqual(stdout.trim(), 'alive');
  });

  test('an exception of the listener is an uncaughtException, and the rest is reported', async () => {
    const { stdout } = await run(process.execPath, ['-e', `${load}
      process.on('uncaughtException', ({ message }) => console.log(message));
      const watcher = watchInterfaces(() => {
        setImmediate(() => watcher.close());
        throw new Error('thrown');
      });`]);
    assert.deepStrictEqual(stdout.trim().split('\n'), interfaces().map(() => 'thrown'));
  });

  test('a worker that ends with an open watcher', async () => {
    const worker = new Worker(`${load}
      watchInterfaces(() => process.exit(7));
      watchInterfaces(() => {});
      watchInterfaces(() => {}).close();`, { eval: true });
    assert.strictEqual(await new Promise((resolve) => worker.once('exit', resolve)), 7);
  });

  test('what is no function is refused', () => {
    for (const bad of [undefined, null, 5, {}])
      assert.throws(() => watchInterfaces(bad), { code: 'ERR_INVALID_ARG_TYPE' });
  });
});
