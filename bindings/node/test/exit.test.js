'use strict';
// What leaves, and what is called, when the process ends with sends under way.

const assert = require('node:assert');
const test = require('node:test');
const child = require('./child');
const Receiver = require('./receiver');

const count = 100;  // more than one system call takes, less than the receiver's buffer
const loopback = '127.0.0.1';

// Runs the body with the port of a receiver; resolves with how it ended and what was received.
async function outcome(body, options) {
  const receiver = await Receiver.open();
  try {
    const args = { port: receiver.port, count, loopback };
    const result = await child.run(body, { using: [bound, connected, sendAll], args, ...options });
    return { ...result, messages: (await receiver.all()).map(String) };
  } finally {
    receiver.close();
  }
}

// The three that follow run in the child.
function bound({ dgram }, then) {
  const socket = dgram.createSocket('udp4');
  socket.bind(0, '127.0.0.1', () => then(socket));
}

function connected({ dgram, args }, then) {
  bound({ dgram }, (socket) => {
    socket.connect(args.port, args.loopback, () => then(socket));
  });
}

function sendAll(socket, { count }, ...to) {
  for (let i = 0; i < count; i++) socket.send(String(i), ...to);
}

const everything = Array.from({ length: count }, (_, i) => String(i));

function allLeft({ code, stderr, messages }, expectedCode = 0) {
  assert.strictEqual(code, expectedCode, stderr);
  assert.deepStrictEqual(messages, everything);
}

test('sends of a connected socket leave although process.exit() follows', async () => {
  allLeft(await outcome((t) => connected(t, (socket) => {
    sendAll(socket, t.args);
    process.exit();
  })));
});

test('sends of a connected socket leave although process.exit() follows close()', async () => {
  allLeft(await outcome((t) => connected(t, (socket) => {
    sendAll(socket, t.args);
    socket.close();
    process.exit();
  })));
});

test('sends of a connected socket leave that an exit handler makes', async () => {
  allLeft(await outcome((t) => connected(t, (socket) => {
    process.on('exit', () => sendAll(socket, t.args));
    process.exit();
  })));
});

test('sends of a connected socket leave although no later exit handler runs', async () => {
  // What the module itself does at exit must not depend on a listener of 'exit'.
  allLeft(await outcome((t) => connected(t, (socket) => {
    process.prependListener('exit', () => {
      sendAll(socket, t.args);
      process.exit();
    });
    process.exit();
  })));
  allLeft(await outcome((t) => connected(t, (socket) => {
    process.removeAllListeners('exit');
    sendAll(socket, t.args);
    process.exit();
  })));
  allLeft(await outcome((t) => connected(t, (socket) => {
    sendAll(socket, t.args);
    process.reallyExit(0);
  })));
});

test('sends leave that the first and the last exit handlers make', async () => {
  allLeft(await outcome((t) => connected(t, (socket) => {
    process.prependListener('exit', () => sendAll(socket, { count: 1 }));
    process.on('exit', () => {
      for (let i = 1; i < t.args.count; i++) socket.send(String(i));
    });
    process.exit();
  })));
});

test('sends of many connected sockets leave although process.exit() follows', async () => {
  const { messages } = await outcome((t) => {
    const sockets = [];
    for (let i = 0; i < t.args.count; i++) {
      connected(t, (socket) => {
        if (sockets.push(socket) < t.args.count) return;
        sockets.forEach((each, index) => each.send(String(index)));
        process.exit();
      });
    }
  });
  assert.deepStrictEqual(messages, everything);
});

test('sends to an address leave once a turn of the tick queue was given to them', async () => {
  // In the turn itself they still wait for their lookup: nothing can leave, and need not.
  const ends = {
    'nextTick': (t) => bound(t, (socket) => {
      sendAll(socket, t.args, t.args.port, t.args.loopback);
      process.nextTick(() => process.exit());
    }),
    'setImmediate': (t) => bound(t, (socket) => {
      sendAll(socket, t.args, t.args.port, t.args.loopback);
      setImmediate(() => process.exit());
    }),
    'the first callback': (t) => bound(t, (socket) => {
      for (let i = 0; i < t.args.count; i++) {
        socket.send(String(i), t.args.port, t.args.loopback, () => process.exit());
      }
    }),
  };
  for (const end of Object.values(ends)) allLeft(await outcome(end));
});

test('process.exit() in the turn of sends to an address ends the process well', async () => {
  const { code, stderr, messages } = await outcome((t) => bound(t, (socket) => {
    sendAll(socket, t.args, t.args.port, t.args.loopback);
    process.exit();
  }));
  assert.strictEqual(code, 0, stderr);
  assert.deepStrictEqual(messages, everything.slice(0, messages.length));
});

test('process.exit() while sends wait for the bind ends the process well', async () => {
  const { code, stderr, messages } = await outcome((t) => {
    const socket = t.dgram.createSocket('udp4');
    sendAll(socket, t.args, t.args.port, t.args.loopback);
    process.exit(0);
  });
  assert.strictEqual(code, 0, stderr);
  assert.deepStrictEqual(messages, []);
});

test('sends pending on an unref\'d socket leave, and the process ends by itself', async () => {
  allLeft(await outcome((t) => connected(t, (socket) => {
    socket.unref();
    sendAll(socket, t.args);
  })));
  allLeft(await outcome((t) => bound(t, (socket) => {
    socket.unref();
    sendAll(socket, t.args, t.args.port, t.args.loopback);
  })));
});

test('the callbacks of sends on an unref\'d socket come before the process ends', async () => {
  const bodies = [
    (t) => connected(t, (socket) => {
      process.on('exit', () => t.report(called));
      let called = 0;
      socket.unref();
      for (let i = 0; i < t.args.count; i++) socket.send('x', () => called++);
    }),
    (t) => bound(t, (socket) => {
      process.on('exit', () => t.report(called));
      let called = 0;
      socket.unref();
      for (let i = 0; i < t.args.count; i++) {
        socket.send('x', t.args.port, t.args.loopback, () => called++);
      }
    }),
  ];
  for (const body of bodies) {
    const { code, reports } = await outcome(body);
    assert.deepStrictEqual([code, reports], [0, [count]]);
  }
});

test('a send in beforeExit leaves, and its callback may send again', async () => {
  allLeft(await outcome((t) => connected(t, (socket) => {
    let next = 0;
    const send = () => next < t.args.count && socket.send(String(next++), send);
    socket.unref();
    process.once('beforeExit', send);
  })));
});

test('sends of a connected socket leave although an exception ends the process', async () => {
  const thrown = await outcome((t) => connected(t, (socket) => {
    sendAll(socket, t.args);
    throw new Error('on purpose');
  }));
  allLeft(thrown, 1);
  assert.match(thrown.stderr, /Error: on purpose/);
  const rejected = await outcome((t) => connected(t, async (socket) => {
    sendAll(socket, t.args);
    throw new Error('on purpose');
  }));
  allLeft(rejected, 1);
  assert.match(rejected.stderr, /Error: on purpose/);
});

test('sends leave that a handler of uncaughtException makes before it exits', async () => {
  allLeft(await outcome((t) => connected(t, (socket) => {
    process.on('uncaughtException', () => {
      sendAll(socket, t.args);
      process.exit(3);
    });
    throw new Error('on purpose');
  })), 3);
});

test('an exception in the turn of sends to an address ends the process with code 1', async () => {
  const { code, stderr } = await outcome((t) => bound(t, (socket) => {
    sendAll(socket, t.args, t.args.port, t.args.loopback);
    throw new Error('on purpose');
  }));
  assert.strictEqual(code, 1);
  assert.match(stderr, /Error: on purpose/);
});

test('no callback is called once the process is exiting', async () => {
  const { code, reports, messages } = await outcome((t) => connected(t, (socket) => {
    for (let i = 0; i < t.args.count; i++) socket.send(String(i), () => t.report('called'));
    socket.on('message', () => t.report('message'));
    socket.on('close', () => t.report('close'));
    process.on('exit', () => {
      t.report('exit');
      socket.send('one more', () => t.report('called'));
      socket.close(() => t.report('close'));
    });
    process.exit();
  }));
  assert.deepStrictEqual([code, reports], [0, ['exit']]);
  assert.deepStrictEqual(messages, [...everything, 'one more']);
});

test('process.exit() in a listener in the middle of a batch ends the process at once', async () => {
  const { code, stderr, reports } = await outcome((t) => bound(t, (socket) => {
    let received = 0;
    process.on('exit', () => t.report(received));
    socket.on('message', () => {
      if (++received === 10) process.exit(7);
    });
    sendAll(socket, t.args, socket.address().port, t.args.loopback);
  }));
  assert.deepStrictEqual([code, stderr, reports], [7, '', [10]]);
});

test('process.exit() in each kind of callback keeps its code and prints nothing', async () => {
  const bodies = {
    listening: (t) => t.dgram.createSocket('udp4').bind(0, () => process.exit(5)),
    connect: (t) => connected(t, () => process.exit(5)),
    close: (t) => bound(t, (socket) => socket.close(() => process.exit(5))),
    send: (t) => connected(t, (socket) => socket.send('x', () => process.exit(5))),
    error: (t) => t.dgram.createSocket('udp4').on('error', () => process.exit(5))
      .bind(0, '192.0.2.1'),
    lookup: (t) => t.dgram.createSocket({ type: 'udp4', lookup: () => process.exit(5) }).bind(0),
    sendLookup: (t) => bound(t, (socket) => {
      const lookup = (host, family, callback) => host === 'there' ? process.exit(5) :
        callback(null, '127.0.0.1', 4);
      socket.close();
      t.dgram.createSocket({ type: 'udp4', lookup }).send('x', 9, 'there');
    }),
  };
  for (const [name, body] of Object.entries(bodies)) {
    const { code, stdout, stderr } = await outcome(body);
    assert.deepStrictEqual([code, stdout, stderr], [5, '', ''], name);
  }
});

test('a process ends by itself once every socket is closed', async () => {
  allLeft(await outcome((t) => connected(t, (socket) => {
    t.dgram.createSocket('udp4').bind(0, function() { this.close(); });
    t.dgram.createSocket('udp6').on('error', () => {}).bind(0, '::1', function() { this.close(); });
    sendAll(socket, t.args);
    socket.close();
  })));
});

test('a process ends by itself although sockets were never bound', async () => {
  const { code, reports } = await outcome((t) => {
    const sockets = [];
    for (let i = 0; i < 100; i++) {
      sockets.push(t.dgram.createSocket('udp4', () => {}).on('error', () => {}).ref());
    }
    process.on('exit', () => t.report(sockets.length));
  });
  assert.deepStrictEqual([code, reports], [0, [100]]);
});

test('a process ends by itself when the last bound socket is unref\'d', async () => {
  const { code } = await outcome((t) => bound(t, (first) => {
    bound(t, (second) => {
      first.unref();
      setImmediate(() => second.unref());
    });
  }));
  assert.strictEqual(code, 0);
});

test('the end of the process finds thousands of open sockets', async () => {
  const { code, stderr, reports } = await outcome((t) => {
    let open = 0;
    for (let i = 0; i < 2000; i++) {
      bound(t, (socket) => {
        socket.send('x', t.args.port, t.args.loopback);
        if (++open < 2000) return;
        t.report(open);
        process.exit();
      });
    }
  });
  assert.deepStrictEqual([code, stderr, reports], [0, '', [2000]]);
});
