'use strict';
// The methods that the package adds to the built-in's class: those of the list that the scenarios
// leave out, hidden from for...in.

const assert = require('node:assert');
const { test } = require('node:test');
const { additions, watching } = require('./differential/additions');
const { dgram, isBuiltIn, ours } = require('./subject');

const { prototype } = isBuiltIn ? {} : dgram.Socket;
const newerNames = ['bindSync', 'connectSync']; // the built-in's, in versions after some tested here

test('the methods that the built-in does not have are those listed', ours('it has none'), () => {
  const builtIn = Reflect.ownKeys(require('node:dgram').Socket.prototype);
  const added = Reflect.ownKeys(prototype).filter((key) => !builtIn.includes(key) &&
    !newerNames.includes(key));
  assert.deepStrictEqual(added.map(String).sort(), [...additions].sort());
});

test("they can be replaced, and are as enumerable as EventEmitter's are", ours('it has none'), () => {
  for (const key of Reflect.ownKeys(prototype).filter((name) => additions.includes(String(name)))) {
    const { enumerable, writable, configurable } = Object.getOwnPropertyDescriptor(prototype, key);
    assert.deepStrictEqual({ key, enumerable, writable, configurable },
      { key, enumerable: watching.includes(key), writable: true, configurable: true });
  }
});
