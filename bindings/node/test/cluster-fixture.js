'use strict';
// The workers of a cluster whose primary is the process of the test. The requests that they serve
// stand in cluster-fixture-worker.js.

const assert = require('node:assert');
const cluster = require('node:cluster');
const { once } = require('node:events');
const path = require('node:path');

class ClusterWorker {
  constructor(modulePath) {
    const exec = path.join(__dirname, 'cluster-fixture-worker.js');
    cluster.setupPrimary({ exec, args: [modulePath], execArgv: [] });
    this.worker = cluster.fork();
    this.id = String(this.worker.process.pid);
    this.gone = once(this.worker, 'exit');
  }

  // The next message of the worker.
  async nextMessage() {
    const ended = this.gone.then((how) => assert.fail(`worker ${this.id} ended: ${how}`));
    return (await Promise.race([once(this.worker, 'message'), ended]))[0];
  }

  request(...request) {
    this.worker.send(request);
    return this.nextMessage();
  }

  kill() {
    if (!this.worker.isDead()) this.worker.process.kill('SIGKILL');
    return this.gone;
  }
}

// Sends a request to all at once; resolves with their replies.
const requestAll = (workers, ...request) =>
  Promise.all(workers.map((worker) => worker.request(...request)));

module.exports = { ClusterWorker, requestAll };
