'use strict';
// A program that runs: what it prints, line by line, and how it ends.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const readline = require('node:readline');

class Program {
  #child;
  #lines;
  errors = '';  // all that it has written to its standard error

  constructor(file) {
    this.#child = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#lines = readline.createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    this.#child.stderr.setEncoding('utf8').on('data', (chunk) => { this.errors += chunk; });
    // 'close' and not 'exit': whom it has started, and who prints to the same place, ends before.
    this.ended = once(this.#child, 'close').then(([code, signal]) => signal ?? code);
  }

  // The next line on its standard output; undefined when no more can come.
  async line() {
    return (await this.#lines.next()).value;
  }

  // Resolves when its standard error shows what matches the pattern.
  async complains(pattern) {
    while (!pattern.test(this.errors)) await once(this.#child.stderr, 'data');
  }

  get running() {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  stop() {
    this.#child.kill();
    return this.ended;
  }
}

module.exports = { Program };
