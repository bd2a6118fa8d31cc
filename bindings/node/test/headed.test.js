'use strict';
// What Node.js prints when an exception is not caught or an 'error' is headed by the line that has
// thrown: the program's, or that of node:events for an 'error'. The same with the built-in.

const assert = require('node:assert');
const test = require('node:test');
const child = require('./child');
const { ours } = require('./subject');

const before = new Error('made before');

// Each is run with both modules.
const programs = {
  "'listening'": (dgram) => dgram.createSocket('udp4').on('listening', () => { throw new Error('x'); }).bind(0),
  "'listening', an error made before": (dgram) =>
    dgram.createSocket('udp4').on('listening', () => { throw before; }).bind(0),
  "'listening', no error": (dgram) => dgram.createSocket('udp4').on('listening', () => { throw 5; }).bind(0),
  'the callback of bind': (dgram) => dgram.createSocket('udp4').bind(0, () => { throw new Error('x'); }),
  'a descriptor': (dgram) => {
    const { spawnSync } = require('node:child_process');
    if (process.env.LIBDGRAM_FD) {
      dgram.createSocket('udp4').on('listening', () => { throw new Error('x'); }).bind({ fd: 4 });
      return;
    }
    const other = require('node:dgram').createSocket('udp4');
    other.bind(0, '127.0.0.1', () => {
      const [key] = Object.getOwnPropertySymbols(other).filter(({ description }) => description === 'state symbol');
      const { status, stderr } = spawnSync(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
        env: { ...process.env, LIBDGRAM_FD: 'yes' },
        stdio: ['ignore', 'ignore', 'pipe', 'ignore', other[key].handle.fd],
      });
      process.stderr.write(stderr, () => process.exit(status));
    });
  },
  'a lookup that answers at once': (dgram) =>
    dgram.createSocket({ type: 'udp4', lookup: (host, family, done) => done(null, '127.0.0.1') })
      .on('listening', () => { throw new Error('x'); }).bind(0),
  'a lookup that answers later': (dgram) =>
    dgram.createSocket({ type: 'udp4', lookup: (host, family, done) => setImmediate(done, null, '127.0.0.1') })
      .on('listening', () => { throw new Error('x'); }).bind(0),
  'a lookup of bind': (dgram) =>
    dgram.createSocket({ type: 'udp4', lookup: () => { throw new Error('x'); } }).bind(0),
  'a lookup of connect': (dgram) => {
    let count = 0;
    const lookup = (host, family, done) => {
      if (count++) throw new Error('x');
      done(null, '127.0.0.1');
    };
    dgram.createSocket({ type: 'udp4', lookup }).connect(9);
  },
  'a lookup of send': (dgram) => {
    let count = 0;
    const lookup = (host, family, done) => {
      if (count++) throw new Error('x');
      done(null, '127.0.0.1');
    };
    dgram.createSocket({ type: 'udp4', lookup }).send('x', 9);
  },
  "'close'": (dgram) => dgram.createSocket('udp4').on('close', () => { throw new Error('x'); }).close(),
  'the callback of close': (dgram) => {
    const socket = dgram.createSocket('udp4');
    socket.bind(0, () => socket.close(() => { throw new Error('x'); }));
  },
  "'close' after an abort": (dgram) => {
    const controller = new AbortController();
    dgram.createSocket({ type: 'udp4', signal: controller.signal }).on('close', () => { throw new Error('x'); });
    controller.abort();
  },
  "'connect'": (dgram) => dgram.createSocket('udp4').on('connect', () => { throw new Error('x'); }).connect(9),
  'the callback of connect': (dgram) => dgram.createSocket('udp4').connect(9, () => { throw new Error('x'); }),
  'the callback of a connect that fails': (dgram) =>
    dgram.createSocket('udp4').connect(9, '255.255.255.255', () => { throw new Error('x'); }),
  'the callback of send': (dgram) =>
    dgram.createSocket('udp4').send('x', 9, '127.0.0.1', () => { throw new Error('x'); }),
  'the callback of a connected send': (dgram) => {
    const socket = dgram.createSocket('udp4');
    socket.connect(9, () => socket.send('x', () => { throw new Error('x'); }));
  },
  'the callback of a send that fails': (dgram) =>
    dgram.createSocket('udp4').send('x', 9, '255.255.255.255', () => { throw new Error('x'); }),
  "a listener of 'error'": (dgram) =>
    dgram.createSocket('udp4').on('error', () => { throw new Error('x'); }).bind(0, '203.0.113.9'),
  'an emit() of the program': (dgram) => {
    class Socket extends dgram.Socket {
      emit(type, ...values) {
        if (type === 'listening') throw new Error('x');
        return super.emit(type, ...values);
      }
    }
    new Socket('udp4').bind(0);
  },
  "no listener of 'error', bind": (dgram) => dgram.createSocket('udp4').bind(0, '203.0.113.9'),
  "no listener of 'error', the lookup of bind": (dgram) =>
    dgram.createSocket({ type: 'udp4', lookup: (host, family, done) => done(new Error('x')) }).bind(0),
  "no listener of 'error', connect": (dgram) => dgram.createSocket('udp4').connect(9, '255.255.255.255'),
  "no listener of 'error', the lookup of send": (dgram) => {
    let count = 0;
    const lookup = (host, family, done) => done(count++ ? new Error('x') : null, '127.0.0.1');
    dgram.createSocket({ type: 'udp4', lookup }).send('x', 9);
  },
  "no listener of 'error', receiving": (dgram) => {
    const other = dgram.createSocket('udp4');
    other.bind(0, '127.0.0.1', () => {
      const { port } = other.address();
      const socket = dgram.createSocket('udp4');
      other.close(() => socket.connect(port, '127.0.0.1', () => socket.send('x')));
    });
  },
};

// The file and its line, the line's text, the mark below: all before the error itself.
async function headOf(program, moduleName) {
  const { code, stderr } = await child.run((t) => {
    const before = new Error('made before'); // eslint-disable-line no-unused-vars
    eval(`(${t.args.program})`)(require(t.args.moduleName ?? t.modulePath));
  }, { args: { program: String(program), moduleName } });
  assert.notStrictEqual(code, 0);
  return stderr.split('\n').slice(0, 3).map((line) => line.replace(moduleName ?? '', ''));
}

for (const [what, program] of Object.entries(programs)) {
  test(`an uncaught exception of ${what} is headed as with the built-in`, async () => {
    const [ours, theirs] = await Promise.all([headOf(program), headOf(program, 'node:dgram')]);
    assert.deepStrictEqual(ours, theirs);
  });
}

test("an uncaught exception of 'message' is headed by the line that made the error", async () => {
  const head = await headOf((dgram) => {
    const socket = dgram.createSocket('udp4').on('message', () => { throw new Error('of this line'); });
    socket.bind(0, '127.0.0.1', () => socket.send('x', socket.address().port, '127.0.0.1'));
  });
  assert.match(head.join('\n'), /of this line/);
});

test('an event that is queued behind an exception is emitted nevertheless', ours('it has bindSync() on every version'), async () => {
  const reports = await child.reports((t) => {
    process.on('uncaughtException', (error) => t.report(error.message));
    const socket = t.dgram.createSocket('udp4');
    socket.on('listening', () => { throw new Error('listening'); });
    socket.on('close', () => t.report('close'));
    socket.bindSync({ address: '127.0.0.1' });
    socket.connectSync(9, '127.0.0.1');
    socket.on('connect', () => {
      t.report('connect');
      socket.close();
    });
  });
  assert.deepStrictEqual(reports, ['listening', 'connect', 'close']);
});
