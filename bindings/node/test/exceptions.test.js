'use strict';
// Listeners and callbacks that throw or reject: the exception is the program's to handle, as with
// any other event, and what else is due is still delivered.

const assert = require('node:assert');
const test = require('node:test');
const child = require('./child');

// These run in the child.
function bound({ dgram }, then) {
  const socket = dgram.createSocket('udp4');
  socket.bind(0, '127.0.0.1', () => then(socket));
  return socket;
}

function toItself(socket, count = 1) {
  for (let i = 0; i < count; i++) socket.send(String(i), socket.address().port, '127.0.0.1');
}

function boom() { throw new Error('on purpose'); }

function attempt(report, call) {
  try {
    call();
    report('nothing thrown');
  } catch (error) {
    report(error.message);
  }
}

const using = [bound, toItself, boom, attempt];
const run = (body, options) => child.run(body, { using, ...options });
const reports = (body, options) => child.reports(body, { using, ...options });

// One exception in each kind of callback. Each closes its socket when the process goes on.
const callbacks = {
  message: (t) => bound(t, (socket) => {
    socket.on('message', () => {
      setImmediate(() => socket.close());
      boom();
    });
    toItself(socket);
  }),
  listening: (t) => t.dgram.createSocket('udp4').on('listening', function() {
    setImmediate(() => this.close());
    boom();
  }).bind(0),
  'callback of bind': (t) => t.dgram.createSocket('udp4').bind(0, function() {
    setImmediate(() => this.close());
    boom();
  }),
  close: (t) => bound(t, (socket) => socket.on('close', boom).close()),
  'callback of close': (t) => bound(t, (socket) => socket.close(boom)),
  'close after an abort': (t) => {
    const controller = new AbortController();
    t.dgram.createSocket({ type: 'udp4', signal: controller.signal })
      .on('close', boom).bind(0, () => controller.abort());
  },
  connect: (t) => bound(t, (socket) => {
    socket.on('connect', () => {
      setImmediate(() => socket.close());
      boom();
    });
    socket.connect(9, '127.0.0.1');
  }),
  'callback of connect': (t) => bound(t, (socket) => socket.connect(9, '127.0.0.1', () => {
    setImmediate(() => socket.close());
    boom();
  })),
  'callback of a failed connect': (t) => {
    const lookup = (host, family, done) =>
      host === 'fails' ? done(new Error('looked for')) : done(null, '127.0.0.1', 4);
    const socket = t.dgram.createSocket({ type: 'udp4', lookup });
    socket.bind(0, 'here', () => socket.connect(9, 'fails', () => {
      setImmediate(() => socket.close());
      boom();
    }));
  },
  'callback of send': (t) => bound(t, (socket) => socket.send('x', 9, '127.0.0.1', () => {
    setImmediate(() => socket.close());
    boom();
  })),
  'callback of a connected send': (t) => bound(t, (socket) => {
    socket.connect(socket.address().port, '127.0.0.1', () => socket.send('x', () => {
      setImmediate(() => socket.close());
      boom();
    }));
  }),
  'callback of a failed send': (t) => bound(t, (socket) => {
    socket.send(Buffer.alloc(65508), 9, '127.0.0.1', () => {
      setImmediate(() => socket.close());
      boom();
    });
  }),
  'error of bind': (t) => t.dgram.createSocket('udp4').on('error', boom).bind(0, '192.0.2.1'),
  'error of receiving': (t) => bound(t, (gone) => {
    const { port } = gone.address();
    gone.close(() => bound(t, (socket) => {
      socket.on('error', () => {
        setImmediate(() => socket.close());
        boom();
      });
      socket.connect(port, '127.0.0.1', () => socket.send('x'));
    }));
  }),
};

for (const [name, callback] of Object.entries(callbacks)) {
  test(`an exception in ${name} ends the process`, async () => {
    const { code, stdout, stderr } = await run(callback);
    assert.deepStrictEqual([code, stdout], [1, '']);
    assert.match(stderr, /Error: on purpose\n {4}at [\w.]*boom /);
  });

  test(`an exception in ${name} goes to uncaughtException, once`, async () => {
    const reported = await reports((t) => {
      process.on('uncaughtException', (error, origin) => t.report([error.message, origin]));
      process.on('exit', () => t.report('exit'));
      eval(`(${t.args.callback})`)(t);
    }, { args: { callback: String(callback) } });
    assert.deepStrictEqual(reported, [['on purpose', 'uncaughtException'], 'exit']);
  });
}

test('the rest of a batch is delivered although each listener throws', async () => {
  // What the listeners left for later may come between the messages or after them.
  const [log] = await reports((t) => bound(t, (socket) => {
    const log = { now: [], ticks: [], microtasks: [] };
    process.on('uncaughtException', (error) => log.now.push(`exception ${error.message}`));
    socket.on('message', (msg) => {
      log.now.push(`message ${msg}`);
      process.nextTick(() => log.ticks.push(String(msg)));
      Promise.resolve().then(() => log.microtasks.push(String(msg)));
      if (String(msg) === '99') setImmediate(() => socket.close(() => t.report(log)));
      throw new Error(msg);
    });
    toItself(socket, 100);
  }));
  const all = Array.from({ length: 100 }, (_, i) => String(i));
  assert.deepStrictEqual(log, {
    now: all.flatMap((i) => [`message ${i}`, `exception ${i}`]),
    ticks: all,
    microtasks: all,
  });
});

test('an exception costs the later listeners that one message, and no other', async () => {
  const [log] = await reports((t) => bound(t, (socket) => {
    const log = [];
    process.on('uncaughtException', () => log.push('exception'));
    socket.on('message', (msg) => log.push(`first ${msg}`));
    socket.on('message', (msg) => { if (String(msg) === '1') boom(); });
    socket.on('message', (msg) => {
      log.push(`last ${msg}`);
      if (String(msg) === '2') socket.close(() => t.report(log));
    });
    toItself(socket, 3);
  }));
  assert.deepStrictEqual(log, ['first 0', 'last 0', 'first 1', 'exception', 'first 2', 'last 2']);
});

test('close() before the exception ends the batch', async () => {
  const reported = await reports((t) => bound(t, (socket) => {
    process.on('uncaughtException', () => t.report('exception'));
    socket.on('message', (msg) => {
      t.report(`message ${msg}`);
      if (String(msg) !== '2') return;
      socket.close(() => t.report('close'));
      boom();
    });
    toItself(socket, 50);
  }));
  assert.deepStrictEqual(reported, ['message 0', 'message 1', 'message 2', 'exception', 'close']);
});

test('close() in uncaughtException ends the batch', async () => {
  const reported = await reports((t) => bound(t, (socket) => {
    process.on('uncaughtException', () => socket.close(() => t.report('close')));
    socket.on('message', (msg) => {
      t.report(`message ${msg}`);
      boom();
    });
    toItself(socket, 50);
  }));
  assert.deepStrictEqual(reported, ['message 0', 'close']);
});

test('the callbacks of all sends are called although each throws', async () => {
  const reported = await reports((t) => bound(t, (socket) => {
    const called = [];
    const thrown = [];
    process.on('uncaughtException', (error) => thrown.push(error.message));
    for (let i = 0; i < 100; i++) {
      socket.send('x', 9, '127.0.0.1', () => {
        called.push(String(i));
        if (i === 99) setImmediate(() => socket.close(() => t.report([called, thrown])));
        throw new Error(i);
      });
    }
  }));
  const all = Array.from({ length: 100 }, (_, i) => String(i));
  assert.deepStrictEqual(reported, [[all, all]]);
});

test('messages come although the callbacks of their sends throw', async () => {
  for (const count of [1, 3, 100]) {
    const [log] = await reports((t) => bound(t, (socket) => {
      const log = { thrown: 0, received: 0 };
      process.on('uncaughtException', () => { log.thrown++; });
      socket.on('message', () => {
        if (++log.received === t.args.count) socket.close();
      });
      socket.on('close', () => t.report(log));
      socket.connect(socket.address().port, '127.0.0.1', () => {
        for (let i = 0; i < t.args.count; i++) socket.send('x', boom);
      });
    }), { args: { count }, patience: 20 });
    assert.deepStrictEqual(log, { thrown: count, received: count });
  }
});

test('a socket works on after exceptions in all of its callbacks', async () => {
  const reported = await reports((t) => {
    process.on('uncaughtException', (error) => t.report(error.message));
    const fail = (what) => () => { throw new Error(what); };
    const socket = t.dgram.createSocket('udp4');
    socket.once('listening', fail('listening'));
    socket.once('connect', fail('connect'));
    socket.bind(0, '127.0.0.1');
    setImmediate(() => {
      socket.connect(socket.address().port, '127.0.0.1');
      setImmediate(() => {
        socket.once('message', () => {
          socket.once('message', (msg) => {
            t.report(String(msg));
            socket.close(fail('close'));
          });
          throw new Error('message');
        });
        socket.send('first', fail('send'));
        socket.send('second');
      });
    });
  });
  assert.deepStrictEqual(reported, ['listening', 'connect', 'send', 'message', 'second', 'close']);
});

test('a listener may throw any value', async () => {
  const reported = await reports((t) => bound(t, (socket) => {
    const values = [null, undefined, 0, '', 'text', false, { code: 'X' }];
    process.on('uncaughtException', (value) => {
      t.report([typeof value, value]);
      if (values.length === 0) socket.close();
    });
    socket.on('message', () => { throw values.shift(); });
    toItself(socket, values.length);
  }));
  assert.deepStrictEqual(reported, [['object', null], ['undefined', null], ['number', 0],
    ['string', ''], ['string', 'text'], ['boolean', false], ['object', { code: 'X' }]]);
  const { code, stderr } = await run((t) => bound(t, (socket) => {
    socket.on('message', () => { throw null; });
    toItself(socket);
  }));
  assert.strictEqual(code, 1);
  assert.match(stderr, /^(Uncaught:\s+)?null$/m);
});

test('an exception in uncaughtException ends the process with code 7', async () => {
  const { code, stderr } = await run((t) => bound(t, (socket) => {
    process.on('uncaughtException', () => { throw new Error('once more'); });
    socket.on('message', boom);
    toItself(socket, 10);
  }));
  assert.strictEqual(code, 7);
  assert.match(stderr, /Error: once more/);
});

test('an exit code of the program survives an exception', async () => {
  const { code } = await run((t) => bound(t, (socket) => {
    process.on('exit', () => { process.exitCode = 42; });
    socket.on('message', boom);
    toItself(socket, 10);
  }));
  assert.strictEqual(code, 42);
});

test('a capture callback gets the exceptions instead of uncaughtException', async () => {
  const reported = await reports((t) => bound(t, (socket) => {
    process.on('uncaughtException', () => t.report('not captured'));
    process.setUncaughtExceptionCaptureCallback((error) => t.report(`captured ${error.message}`));
    socket.on('message', (msg) => {
      if (String(msg) === '2') socket.close(boom);
      boom();
    });
    toItself(socket, 10);
  }));
  assert.deepStrictEqual(reported, Array(4).fill('captured on purpose'));
});

test('uncaughtExceptionMonitor sees the exception before the process ends', async () => {
  const { code, reports: reported } = await run((t) => bound(t, (socket) => {
    process.on('uncaughtExceptionMonitor', (error) => t.report(error.message));
    socket.on('message', boom);
    toItself(socket, 10);
  }));
  assert.deepStrictEqual([code, reported], [1, ['on purpose']]);
});

test('an error event that nobody listens to is an exception with the error itself', async () => {
  const failed = await run((t) => t.dgram.createSocket('udp4').bind(0, '192.0.2.1'));
  assert.strictEqual(failed.code, 1);
  assert.match(failed.stderr, /bind EADDRNOTAVAIL 192\.0\.2\.1/);
  const reported = await reports((t) => {
    process.on('uncaughtException', (error) => {
      t.report([error.code, error.syscall]);
      socket.bind(0, '127.0.0.1', () => socket.close());
    });
    const socket = t.dgram.createSocket('udp4').bind(0, '192.0.2.1');
  });
  assert.deepStrictEqual(reported, [['EADDRNOTAVAIL', 'bind']]);
});

test('a lookup that throws does so out of the call that used it', async () => {
  const reported = await reports((t) => {
    const lookup = (host, family, done) => host === 'there' ? boom() : done(null, '127.0.0.1', 4);
    const other = t.dgram.createSocket({ type: 'udp4', lookup });
    attempt(t.report, () => other.bind(0, 'there'));
    other.close();
    const socket = t.dgram.createSocket({ type: 'udp4', lookup });
    socket.bind(0, 'here', () => {
      attempt(t.report, () => socket.send('x', 9, 'there'));
      attempt(t.report, () => socket.connect(9, 'there'));
      socket.close(() => t.report('close'));
    });
  });
  assert.deepStrictEqual(reported, [...Array(3).fill('on purpose'), 'close']);
});

test('a lookup that throws while queued sends leave is an exception', async () => {
  const reported = await reports((t) => {
    process.on('uncaughtException', (error) => {
      t.report(error.message);
      socket.close(() => t.report('close'));
    });
    const lookup = (host, family, done) => {
      if (host === 'there') boom();
      setImmediate(done, null, '127.0.0.1', 4);
    };
    const socket = t.dgram.createSocket({ type: 'udp4', lookup });
    socket.send('x', 9, 'there', () => t.report('sent'));
  });
  assert.deepStrictEqual(reported, ['on purpose', 'close']);
});

test('a lookup that calls back and then throws has done its work', async () => {
  const reported = await reports((t) => {
    const lookup = (host, family, done) => {
      done(null, '127.0.0.1', 4);
      boom();
    };
    const socket = t.dgram.createSocket({ type: 'udp4', lookup });
    socket.on('listening', () => t.report('listening'));
    socket.on('message', (msg) => {
      t.report(String(msg));
      socket.close();
    });
    attempt(t.report, () => socket.bind(0));
    attempt(t.report, () => {
      socket.send('x', socket.address().port, 'there', () => t.report('sent'));
    });
  });
  assert.deepStrictEqual(reported, ['listening', 'on purpose', 'on purpose', 'sent', 'x']);
});

test('a listener\'s rejection is an unhandled one', async () => {
  const { code, stderr } = await run((t) => bound(t, (socket) => {
    socket.on('message', async () => boom());
    toItself(socket, 10);
  }));
  assert.strictEqual(code, 1);
  assert.match(stderr, /Error: on purpose/);
  const reported = await reports((t) => bound(t, (socket) => {
    process.on('unhandledRejection', (error) => t.report(error.message));
    socket.on('message', async (msg) => {
      if (String(msg) === '2') socket.close();
      boom();
    });
    toItself(socket, 10);
  }));
  assert.deepStrictEqual(reported, Array(3).fill('on purpose'));
});

test('with captureRejections a listener\'s rejection is an error event', async () => {
  const reported = await reports((t) => {
    require('node:events').captureRejections = true;
    bound(t, (socket) => {
      let errors = 0;
      socket.on('error', (error) => {
        t.report(error.message);
        if (++errors === 3) socket.close();
      });
      socket.on('message', async () => boom());
      toItself(socket, 3);
    });
  });
  assert.deepStrictEqual(reported, Array(3).fill('on purpose'));
});

test('with captureRejections a rejection goes to the socket\'s own handler first', async () => {
  const reported = await reports((t) => {
    require('node:events').captureRejections = true;
    bound(t, (socket) => {
      socket.on('error', () => t.report('error'));
      socket[Symbol.for('nodejs.rejection')] = (error, event, msg) => {
        t.report([error.message, event, String(msg)]);
        socket.close();
      };
      socket.on('message', async () => boom());
      toItself(socket);
    });
  });
  assert.deepStrictEqual(reported, [['on purpose', 'message', '0']]);
});

test('a listener of newListener that throws does so out of the call', async () => {
  const reported = await reports((t) => {
    const socket = t.dgram.createSocket('udp4');
    socket.on('newListener', boom);
    attempt(t.report, () => socket.bind(0, () => {}));
    attempt(t.report, () => socket.close(() => {}));
  });
  assert.deepStrictEqual(reported, ['on purpose', 'on purpose']);
});
