'use strict';
// Worker threads that open sockets and end in every way: the process goes on without a crash,
// their ports are free again and no descriptor is left over.

const assert = require('node:assert');
const test = require('node:test');
const child = require('./child');
const Receiver = require('./receiver');
const { ours } = require('./subject');

const noProc = process.platform !== 'linux' && 'descriptors are counted in /proc/self/fd';

// These run in the child. The body of a worker is called with { dgram, parentPort, workerData }.
function start({ modulePath }, body, workerData, options) {
  const { Worker } = require('node:worker_threads');
  const program = `'use strict';
    const { parentPort, workerData } = require('node:worker_threads');
    const dgram = require(${JSON.stringify(modulePath)});
    ${[bound, portOf, freeAgain].join('\n')}
    (${body})({ dgram, parentPort, workerData });`;
  const worker = new Worker(program, { eval: true, workerData, ...options });
  worker.on('error', (error) => { worker.failure = error; });
  return worker;
}

const nextMessage = (worker) => require('node:events').once(worker, 'message').then(([value]) => value);
const ended = (worker) => new Promise((resolve) => worker.once('exit', resolve));
const descriptors = () => require('node:fs').readdirSync('/proc/self/fd').length;

function portOf(socket) { return socket.address().port; }

function bound(dgram, port = 0) {
  return new Promise((resolve, reject) => {
    const socket = dgram.createSocket('udp4').on('error', reject);
    socket.bind(port, '127.0.0.1', () => resolve(socket));
  });
}

// Binds each port once more: fails if a socket still holds it.
async function freeAgain(dgram, ports) {
  for (const port of [].concat(ports)) (await bound(dgram, port)).close();
}

// A worker in full traffic: as soon as a message comes, the next go out.
async function chatter({ dgram, parentPort }) {
  const socket = await bound(dgram);
  let received = 0;
  socket.on('message', (msg) => {
    if (++received === 1000) parentPort.postMessage(portOf(socket));
    socket.send(msg, portOf(socket), '127.0.0.1', () => {});
  });
  for (let i = 0; i < 50; i++) socket.send('x', portOf(socket), '127.0.0.1');
}

const using = [start, nextMessage, ended, descriptors, portOf, bound, freeAgain, chatter];
const reports = (body, args) => child.reports(body, { using, args });

// Runs the body, in which a worker sends to args.port, and resolves with what was received.
async function received(body) {
  const receiver = await Receiver.open();
  try {
    await reports(body, { port: receiver.port });
    return (await receiver.all()).map(String);
  } finally {
    receiver.close();
  }
}

test('a worker is terminated with sockets open: the ports are free', { skip: noProc }, async () => {
  const [before, after] = await reports(async (t) => {
    const body = async ({ dgram, parentPort }) => {
      const sockets = [];
      for (let i = 0; i < 20; i++) sockets.push(await bound(dgram));
      parentPort.postMessage(sockets.map(portOf));
    };
    for (let i = 0; i < 3; i++) {
      const worker = start(t, body);
      const ports = await nextMessage(worker);
      await worker.terminate();
      await freeAgain(t.dgram, ports);
      if (i !== 1) t.report(descriptors());
    }
  });
  assert.strictEqual(after, before);
});

test('a worker is terminated in the middle of traffic', async () => {
  await reports(async (t) => {
    for (let i = 0; i < 10; i++) {
      const worker = start(t, chatter);
      const port = await nextMessage(worker);
      await worker.terminate();
      await freeAgain(t.dgram, port);
    }
  });
});

test('a worker is terminated in the middle of traffic that comes from outside', async () => {
  await reports(async (t) => {
    const socket = await bound(t.dgram);
    for (let i = 0; i < 10; i++) {
      const worker = start(t, async ({ dgram, parentPort }) => {
        const listener = await bound(dgram);
        listener.once('message', () => parentPort.postMessage('traffic'));
        parentPort.postMessage(portOf(listener));
      });
      const port = await nextMessage(worker);
      let going = true;
      const send = () => {
        if (!going) return;
        for (let k = 0; k < 50; k++) socket.send('x', port, '127.0.0.1');
        setImmediate(send);
      };
      send();
      await nextMessage(worker);
      await worker.terminate();
      going = false;
      await freeAgain(t.dgram, port);
    }
    socket.close();
  });
});

test('a worker is terminated with sends queued', async () => {
  await reports(async (t) => {
    const waits = {
      connected: async ({ dgram, parentPort }) => {
        const socket = await bound(dgram);
        socket.connect(9, '127.0.0.1', () => {
          for (let i = 0; i < 1000; i++) socket.send(Buffer.alloc(1000), () => {});
          parentPort.postMessage(portOf(socket));
          for (;;);
        });
      },
      lookup: async ({ dgram, parentPort }) => {
        const socket = await bound(dgram);
        for (let i = 0; i < 1000; i++) socket.send(Buffer.alloc(1000), 9, '127.0.0.1', () => {});
        parentPort.postMessage(portOf(socket));
        for (;;);
      },
      bind: async ({ dgram, parentPort }) => {
        const socket = dgram.createSocket('udp4');
        for (let i = 0; i < 1000; i++) socket.send(Buffer.alloc(1000), 9, '127.0.0.1', () => {});
        parentPort.postMessage([]);
        for (;;);
      },
      callbacks: async ({ dgram, parentPort }) => {
        const socket = await bound(dgram);
        for (let i = 0; i < 1000; i++) {
          socket.send(Buffer.alloc(1000), 9, '127.0.0.1', () => {
            parentPort.postMessage(portOf(socket));
            for (;;);
          });
        }
      },
      closing: async ({ dgram, parentPort }) => {
        const socket = await bound(dgram);
        parentPort.postMessage(portOf(socket));
        for (let i = 0; i < 1000; i++) socket.send(Buffer.alloc(1000), 9, '127.0.0.1', () => {});
        socket.close();
        for (;;);
      },
    };
    for (const body of Object.values(waits)) {
      const worker = start(t, body);
      const ports = await nextMessage(worker);
      await worker.terminate();
      await freeAgain(t.dgram, ports);
    }
  });
});

const endless = {
  message: async ({ dgram, parentPort }) => {
    const socket = await bound(dgram);
    let received = 0;
    socket.on('message', () => {
      if (++received < 5) return;
      parentPort.postMessage(portOf(socket));
      for (;;);
    });
    for (let i = 0; i < 20; i++) socket.send('x', portOf(socket), '127.0.0.1');
  },
  microtask: async ({ dgram, parentPort }) => {
    const socket = await bound(dgram);
    socket.on('message', async () => {
      await null;
      parentPort.postMessage(portOf(socket));
      for (;;);
    });
    for (let i = 0; i < 20; i++) socket.send('x', portOf(socket), '127.0.0.1');
  },
  listening: ({ dgram, parentPort }) => {
    const socket = dgram.createSocket('udp4').bind(0, '127.0.0.1', () => {
      parentPort.postMessage(portOf(socket));
      for (;;);
    });
  },
  close: async ({ dgram, parentPort }) => {
    const socket = await bound(dgram);
    const port = portOf(socket);
    socket.close(() => {
      parentPort.postMessage(port);
      for (;;);
    });
  },
  error: ({ dgram, parentPort }) => {
    dgram.createSocket('udp4').on('error', () => {
      parentPort.postMessage([]);
      for (;;);
    }).bind(0, '192.0.2.1');
  },
  lookup: async ({ dgram, parentPort }) => {
    const lookup = (host, family, callback) => {
      if (host !== 'there') return callback(null, '127.0.0.1', 4);
      parentPort.postMessage([]);
      for (;;);
    };
    const socket = dgram.createSocket({ type: 'udp4', lookup });
    socket.bind(0, () => socket.send('x', 9, 'there'));
  },
  conversion: async ({ dgram, parentPort }) => {
    const socket = await bound(dgram);
    socket.send('xyz', { valueOf() {
      parentPort.postMessage(portOf(socket));
      for (;;);
    } }, 1, 9, '127.0.0.1');
  },
};

for (const [name, body] of Object.entries(endless)) {
  // Up to Node 20 the built-in's own receiving goes on after the end, and aborts the process:
  // 'FATAL ERROR: v8::FromJust Maybe value is Nothing'.
  const batch = ['message', 'microtask'].includes(name);
  const options = batch ? ours('the built-in may abort the process') : {};
  test(`a worker is terminated in a callback that never returns: ${name}`, options, async () => {
    await reports(async (t) => {
      const worker = start(t, t.args.callback);
      const ports = await nextMessage(worker);
      await worker.terminate();
      await freeAgain(t.dgram, ports);
    }, { callback: String(body) });
  });
}

test('a worker is terminated right at its start', async () => {
  await reports(async (t) => {
    const { once } = require('node:events');
    const body = ({ dgram }) => { for (;;) dgram.createSocket('udp4').bind(0); };
    for (let i = 0; i < 20; i++) {
      const worker = start(t, body);
      if (i % 2) await once(worker, 'online');
      await worker.terminate();
    }
  });
});

test('a worker runs out of memory in its listener', async () => {
  const [code] = await reports(async (t) => {
    const worker = start(t, async ({ dgram, parentPort }) => {
      const socket = await bound(dgram);
      const kept = [];
      socket.on('message', () => {
        kept.push(new Array(10000).fill(kept.length));
        socket.send('x', portOf(socket), '127.0.0.1');
      });
      for (let i = 0; i < 20; i++) socket.send('x', portOf(socket), '127.0.0.1');
      parentPort.postMessage(portOf(socket));
    }, null, { resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 1 } });
    const port = await nextMessage(worker);
    await ended(worker);
    t.report(worker.failure.code);
    await freeAgain(t.dgram, port);
  });
  assert.strictEqual(code, 'ERR_WORKER_OUT_OF_MEMORY');
});

test('sends of a connected socket leave although the worker ends', async () => {
  const ends = {
    'process.exit()': async (t) => {
      await ended(start(t, async ({ dgram, workerData }) => {
        const socket = await bound(dgram);
        socket.connect(workerData, '127.0.0.1', () => {
          for (let i = 0; i < 100; i++) socket.send(String(i));
          process.exit();
        });
      }, t.args.port));
    },
    'an exit handler': async (t) => {
      await ended(start(t, async ({ dgram, workerData }) => {
        const socket = await bound(dgram);
        socket.connect(workerData, '127.0.0.1', () => {
          process.on('exit', () => {
            for (let i = 0; i < 100; i++) socket.send(String(i));
          });
          process.exit();
        });
      }, t.args.port));
    },
    'nothing left to do': async (t) => {
      await ended(start(t, async ({ dgram, workerData }) => {
        const socket = await bound(dgram);
        socket.connect(workerData, '127.0.0.1', () => {
          socket.unref();
          for (let i = 0; i < 100; i++) socket.send(String(i));
        });
      }, t.args.port));
    },
    'an exception': async (t) => {
      const worker = start(t, async ({ dgram, workerData }) => {
        const socket = await bound(dgram);
        socket.connect(workerData, '127.0.0.1', () => {
          for (let i = 0; i < 100; i++) socket.send(String(i));
          throw new Error('on purpose');
        });
      }, t.args.port);
      await ended(worker);
      if (worker.failure?.message !== 'on purpose') throw worker.failure;
    },
  };
  const everything = Array.from({ length: 100 }, (_, i) => String(i));
  for (const [name, end] of Object.entries(ends)) {
    assert.deepStrictEqual(await received(end), everything, name);
  }
});

test('process.exit() in a worker ends it, in each kind of callback', async () => {
  const codes = await reports(async (t) => {
    const callbacks = [
      async ({ dgram }) => {
        const socket = await bound(dgram);
        let received = 0;
        socket.on('message', () => ++received === 5 && process.exit(received));
        for (let i = 0; i < 20; i++) socket.send('x', portOf(socket), '127.0.0.1');
      },
      ({ dgram }) => dgram.createSocket('udp4').bind(0, () => process.exit(5)),
      async ({ dgram }) => (await bound(dgram)).close(() => process.exit(5)),
      async ({ dgram }) => (await bound(dgram)).send('x', 9, '127.0.0.1', () => process.exit(5)),
      async ({ dgram }) => (await bound(dgram)).connect(9, '127.0.0.1', () => process.exit(5)),
      ({ dgram }) => dgram.createSocket({ type: 'udp4', lookup: () => process.exit(5) }).bind(0),
    ];
    for (const body of callbacks) t.report(await ended(start(t, body)));
  });
  assert.deepStrictEqual(codes, [5, 5, 5, 5, 5, 5]);
});

test('several workers and the main thread use the module at once', async () => {
  const [answers] = await reports(async (t) => {
    const echo = async ({ dgram, parentPort, workerData }) => {
      const socket = await bound(dgram);
      let left = workerData;
      socket.on('message', (msg, rinfo) => {
        socket.send(msg, rinfo.port, rinfo.address, () => {
          if (--left === 0) socket.close();
        });
      });
      parentPort.postMessage(portOf(socket));
    };
    const each = 500;
    const workers = Array.from({ length: 4 }, () => start(t, echo, each));
    const ports = await Promise.all(workers.map(nextMessage));
    const ends = workers.map(ended);
    const socket = await bound(t.dgram);
    const answers = {};
    socket.on('message', (msg, rinfo) => {
      answers[rinfo.port] = (answers[rinfo.port] || 0) + 1;
      if (answers[rinfo.port] < each) socket.send('x', rinfo.port, '127.0.0.1');
    });
    for (const port of ports) socket.send('x', port, '127.0.0.1');
    await Promise.all(ends);
    await new Promise(setImmediate);
    while (Object.values(answers).some((n) => n < each)) await new Promise(setImmediate);
    socket.close();
    t.report(Object.values(answers));
  });
  assert.deepStrictEqual(answers, [500, 500, 500, 500]);
});

test('fifty workers one after the other leave nothing open', { skip: noProc }, async () => {
  const [before, after] = await reports(async (t) => {
    const body = async ({ dgram, workerData }) => {
      const sockets = [await bound(dgram), await bound(dgram), await bound(dgram)];
      sockets[0].once('message', () => {
        if (workerData % 2) sockets.forEach((socket) => socket.close());
        else process.exit();
      });
      sockets[1].send('x', portOf(sockets[0]), '127.0.0.1');
    };
    for (let i = 0; i < 51; i++) {
      await ended(start(t, body, i));
      if (i % 50 === 0) t.report(descriptors());
    }
  });
  assert.strictEqual(after, before);
});

test('workers alone load the module, one after the other and again', async () => {
  // Node unloads an addon with the last thread that uses it: what it registered must go too.
  const codes = await reports(async (t) => {
    const body = async ({ dgram, workerData }) => {
      const socket = await bound(dgram);
      socket.once('message', () => workerData % 2 ? socket.close() : process.exit());
      socket.connect(portOf(socket), '127.0.0.1', () => socket.send('x'));
    };
    for (let i = 0; i < 6; i++) t.report(await ended(start(t, body, i)));
    await Promise.all([1, 2, 3].map((i) => ended(start(t, body, i))));
  });
  assert.deepStrictEqual(codes, [0, 0, 0, 0, 0, 0]);
});

test('a worker within a worker ends with the outer one', async () => {
  await reports(async (t) => {
    const outer = async ({ dgram, parentPort, workerData }) => {
      const { Worker } = require('node:worker_threads');
      const inner = new Worker(workerData, { eval: true });
      const socket = await bound(dgram);
      inner.on('message', (port) => {
        socket.on('message', (msg, rinfo) => socket.send(msg, rinfo.port, rinfo.address));
        for (let i = 0; i < 10; i++) socket.send('x', port, '127.0.0.1');
        parentPort.postMessage([port, portOf(socket)]);
      });
    };
    const inner = `
      const { parentPort } = require('node:worker_threads');
      const socket = require(${JSON.stringify(t.modulePath)}).createSocket('udp4');
      socket.on('message', (msg, rinfo) => socket.send(msg, rinfo.port, rinfo.address));
      socket.bind(0, '127.0.0.1', () => parentPort.postMessage(socket.address().port));`;
    const worker = start(t, outer, inner);
    const ports = await nextMessage(worker);
    await worker.terminate();
    await freeAgain(t.dgram, ports);
  });
});

test('the process exits while workers are in full traffic', async () => {
  const { code, stderr } = await child.run(async (t) => {
    const socket = await bound(t.dgram);
    await Promise.all([0, 1, 2, 3].map(() => nextMessage(start(t, chatter))));
    socket.on('message', () => process.exit(3));
    socket.send('x', portOf(socket), '127.0.0.1');
  }, { using });
  assert.deepStrictEqual([code, stderr], [3, '']);
});

test('messages travel between threads', async () => {
  const [texts] = await reports(async (t) => {
    const worker = start(t, async ({ dgram, parentPort }) => {
      const socket = await bound(dgram);
      const received = [];
      socket.on('message', (msg) => {
        if (received.push(msg) < 100) return;
        // One is given away with its memory, unless that is refused; the others must not notice.
        try {
          parentPort.postMessage(received[0], [received[0].buffer]);
        } catch {
          parentPort.postMessage(received[0]);
        }
        parentPort.postMessage(received.slice(1));
        socket.close();
      });
      for (let i = 0; i < 100; i++) socket.send(`message ${i}`, portOf(socket), '127.0.0.1');
    });
    const texts = [];
    worker.on('message', (value) => {
      for (const msg of [].concat(value)) texts.push(Buffer.from(msg).toString());
    });
    await ended(worker);
    t.report(texts);
  });
  assert.deepStrictEqual(texts, Array.from({ length: 100 }, (_, i) => `message ${i}`));
});
