'use strict';
// The old ways: inheriting, patching, deprecated members (B4, B58).

const EventEmitter = require('node:events');
const { inherits } = require('node:util');
const { scenario } = require('../registry.js');
const { legacy } = require('../needs.js');

/** Binds, sends to itself, receives, closes. */
async function work({ watch, bind, event, traced, close, log, dgram }, one) {
  watch('a', one);
  log('instance', one instanceof dgram.Socket, one instanceof EventEmitter);
  const port = await bind(one);
  one.send('x', port, '127.0.0.1', traced('sent'));
  await event(one, 'message');
  await close(one);
}

scenario('B58 class extends Socket', (tools) => {
  class Mine extends tools.dgram.Socket {
    constructor() {
      super('udp4');
      this.mine = true;
    }
    send(...values) {
      tools.log('send of the subclass', values.length);
      return super.send(...values);
    }
    get [Symbol.toStringTag]() { return 'Mine'; }
  }
  return work(tools, new Mine());
});

scenario('B58 class extends Socket, with a listener and options', async ({ dgram, watch, traced, bind, event, close }) => {
  class Mine extends dgram.Socket {}
  const a = watch('a', new Mine({ type: 'udp4', recvBufferSize: 20000 }, traced('listener')));
  const port = await bind(a);
  a.send('x', port, '127.0.0.1');
  await event(a, 'message');
  await close(a);
});

scenario('B58 util.inherits and Socket.call', (tools) => {
  function Mine() {
    tools.dgram.Socket.call(this, 'udp4');
    this.mine = true;
  }
  inherits(Mine, tools.dgram.Socket);
  Mine.prototype.hello = () => 'hello';
  return work(tools, new Mine());
});

scenario('B58 Socket.apply on an EventEmitter with the prototype set', (tools) => {
  const one = new EventEmitter();
  Object.setPrototypeOf(one, tools.dgram.Socket.prototype);
  tools.dgram.Socket.apply(one, ['udp4']);
  return work(tools, one);
});

scenario('B58 Object.create and Socket.call', (tools) => {
  const one = Object.create(tools.dgram.Socket.prototype);
  tools.dgram.Socket.call(one, { type: 'udp4' });
  return work(tools, one);
});

scenario('B58 Reflect.construct with another newTarget', (tools) => {
  class Other extends EventEmitter {}
  const one = Reflect.construct(tools.dgram.Socket, ['udp4'], Other);
  tools.log('instance', one instanceof tools.dgram.Socket, one instanceof Other);
  tools.log('bind', typeof one.bind, typeof tools.dgram.Socket.prototype.bind);
});

scenario('B58 instanceof with patched exports', { alone: true }, async ({ dgram, log }) => {
  const { Socket } = dgram;
  const one = dgram.createSocket('udp4');
  dgram.Socket = class Other {};
  log('createSocket makes', dgram.createSocket('udp4') instanceof Socket, one instanceof dgram.Socket);
});

// Functions of the module have no names that count; a bare number may be a port.
function plainly(value) {
  if (typeof value === 'function') return 'a function';
  return typeof value === 'number' && value > 1024 ? { port: value } : value;
}

const patched = ['send', 'bind', 'close', 'address', 'connect', 'emit', 'on', 'once', 'removeListener', 'addListener',
  'ref', 'unref', 'listenerCount', 'setRecvBufferSize', 'setSendBufferSize', 'disconnect', 'remoteAddress'];

for (const method of patched) {
  scenario(`B58 a patched ${method}: who calls it, with what`, async ({ dgram, bound, traced, log, close, show }) => {
    const b = await bound('b');
    const { port } = b.address();
    const original = dgram.Socket.prototype[method];
    let depth = 0;
    dgram.Socket.prototype[method] = function mine(...values) {
      log(`${'  '.repeat(depth)}${method}`, ...values.map(plainly));
      depth++;
      try {
        return original.apply(this, values);
      } finally {
        depth--;
      }
    };
    const a = dgram.createSocket({ type: 'udp4', recvBufferSize: 20000, sendBufferSize: 20000 }, () => {});
    a.send('x', port, '127.0.0.1', traced('sent'));
    await new Promise((resolve) => a.connect(port, '127.0.0.1', resolve));
    a.disconnect();
    await new Promise((resolve) => {
      a.on('close', resolve);
      a.close();
    });
    const c = dgram.createSocket('udp4');
    await new Promise((resolve) => c.bind(0, '127.0.0.1', resolve));
    if (Symbol.asyncDispose) await c[Symbol.asyncDispose]();
    else c.close();
    delete dgram.Socket.prototype[method];
    if (dgram.Socket.prototype[method] !== original) dgram.Socket.prototype[method] = original;
    await close(b);
  });
}

scenario('B58 a patched emit sees every event', async ({ dgram, bound, log, close, event }) => {
  const b = await bound('b');
  const a = dgram.createSocket('udp4');
  const { emit } = a;
  a.emit = function mine(...values) {
    log('emit', ...values);
    return emit.apply(this, values);
  };
  await new Promise((resolve) => a.connect(b.address().port, '127.0.0.1', resolve));
  a.send('x');
  await event(b, 'message');
  b.send('y', a.address().port, '127.0.0.1');
  await event(a, 'message');
  a.on('error', () => {});
  a.disconnect();
  a.connect(9, '255.255.255.255');
  await event(a, 'error');
  await close(a, b);
});

scenario('B58 a patched EventEmitter.prototype.emit', async ({ bound, log, close, dgram, bind }) => {
  const { emit } = EventEmitter.prototype;
  const a = dgram.createSocket('udp4');
  EventEmitter.prototype.emit = function mine(type, ...values) {
    if (this === a) log('emit', String(type));
    return emit.call(this, type, ...values);
  };
  await bind(a);
  await close(a);
  EventEmitter.prototype.emit = emit;
});

/* Deprecated members */

const accessors = ['_handle', '_receiving', '_bindState', '_queue', '_reuseAddr'];

for (const member of accessors) {
  scenario(`B4 ${member}`, { alone: true, needs: legacy(member) }, async ({ dgram, bind, bound, close, log, attempt, turns }) => {
    const kind = (value) => (value !== null && typeof value === 'object' ? typeof value : value);
    const a = dgram.createSocket({ type: 'udp4', reuseAddr: true });
    log('new', kind(a[member]));
    await turns(1);
    const b = await bound('b');
    b.send('x', b.address().port, '127.0.0.1');
    log('bound', kind(b[member]));
    a.send('x', b.address().port, '127.0.0.1');
    log('queued', kind(a[member]));
    await turns(2);
    const saved = a[member];
    attempt('set', () => { a[member] = undefined; return 'done'; });
    log('set', kind(a[member]));
    a[member] = saved;
    await turns(1);
    await close(b);
    log('closed', kind(b[member]));
    a.unref();
  });
}

for (const member of ['_healthCheck', '_stopReceiving']) {
  scenario(`B4 ${member}()`, { alone: true, needs: legacy(member) }, async ({ bound, attempt, turns, close, arrived }) => {
    const a = await bound('a');
    attempt(member, () => a[member]());
    attempt(member, () => a[member]());
    await turns(1);
    a.send('x', a.address().port, '127.0.0.1');
    await turns(3);
    await close(a);
    attempt('closed', () => a[member]());
    await turns(1);
  });
}

scenario('B4 B1 _createSocketHandle warns', { alone: true, needs: legacy('_createSocketHandle') }, async ({ dgram, attempt, turns }) => {
  attempt('call', () => dgram._createSocketHandle('127.0.0.1', 0, 'udp4').close());
  await turns(1);
});

scenario('B4 with --throw-deprecation', { needs: legacy('_handle'), flags: ['--throw-deprecation'], uncaught: true },
  async ({ dgram, attempt, turns }) => {
    const a = dgram.createSocket('udp4');
    attempt('get', () => typeof a._handle);
    await turns(1);
  });

scenario('B4 with --no-deprecation', { needs: legacy('_handle'), flags: ['--no-deprecation'] },
  async ({ dgram, attempt, turns }) => {
    const a = dgram.createSocket('udp4');
    attempt('get', () => typeof a._handle);
    await turns(1);
  });

scenario('B4 with --pending-deprecation nothing else warns', { flags: ['--pending-deprecation'] },
  async ({ bound, traced, arrived, close }) => {
    const a = await bound('a');
    a.sendto(Buffer.from('x'), 0, 1, a.address().port, '127.0.0.1', traced('sent'));
    await arrived(a);
    await close(a);
  });

scenario('B27 handle.owner', { alone: true, needs: legacy('_handle') }, async ({ bound, log, close }) => {
  const a = await bound('a');
  const handle = a._handle;
  log('owner', handle && handle.owner === a, handle && typeof handle.fd, handle && handle.constructor.name);
  await close(a);
});
