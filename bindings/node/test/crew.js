'use strict';
// The workers of a cluster whose primary is the process of the test. What they can be asked to do
// stands in crew-member.js.

const assert = require('node:assert');
const cluster = require('node:cluster');
const { once } = require('node:events');
const path = require('node:path');

class Member {
  constructor(modulePath) {
    const exec = path.join(__dirname, 'crew-member.js');
    cluster.setupPrimary({ exec, args: [modulePath], execArgv: [] });
    this.worker = cluster.fork();
    this.id = String(this.worker.process.pid);
    this.gone = once(this.worker, 'exit');
  }

  // What the worker says next.
  async said() {
    const ended = this.gone.then((how) => assert.fail(`worker ${this.id} ended: ${how}`));
    return (await Promise.race([once(this.worker, 'message'), ended]))[0];
  }

  ask(...question) {
    this.worker.send(question);
    return this.said();
  }

  kill() {
    if (!this.worker.isDead()) this.worker.process.kill('SIGKILL');
    return this.gone;
  }

}

// All are asked at once; resolves with what each answers.
const askAll = (crew, ...question) => Promise.all(crew.map((member) => member.ask(...question)));

module.exports = { Member, askAll };
