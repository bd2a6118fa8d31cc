'use strict';
/*
 * What makes a peer in JavaScript a side of a run: the lines between it and the runner, the clock,
 * the CPU time, the result. README.md describes them. CPU time is that of the whole process, so
 * that it has that of the runtime's helper threads in it.
 *
 * A peer calls run() with its roles: async functions that get a Side, and end when their work is
 * done. Does not depend on how datagrams are moved.
 */
const { readFileSync } = require('node:fs');
const { createInterface } = require('node:readline');
const { Reader } = require('./work.js');

const QUIET_MS = 50;
const UNSUPPORTED = 3; // the exit status of a peer that does not support a scenario

function fail(what, why, status = 1) {
  console.error(`bench: ${what}: ${why}`);
  process.exit(status);
}

/* ROLE SCENARIO SIZE SECONDS [KEY=VALUE ...]; `echo-16` is the scenario `echo` with 16 sockets. */
function parse([role, name, size, seconds, ...rest]) {
  const [, scenario, count] = /^(.*?)(?:-(\d+))?$/.exec(name);
  const options = Object.fromEntries(rest.map((option) => option.split('=')));
  return { role, scenario, count, size: Number(size), seconds: Number(seconds), options };
}

function cpuMs() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/* How long this process was ready to run but did not, in ms: its main thread, but for its own. */
function keptOffMs() {
  try {
    const [ran, waited] = readFileSync('/proc/self/schedstat', 'utf8').split(' ').map(Number);
    return (waited + ran) / 1e6 - cpuMs();
  } catch {
    return 0; // the kernel does not report it
  }
}

/* The memory that the runtime reports as used: its heap, and external memory. */
function heapBytes() {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function collectGarbage() {
  if (globalThis.Bun) return Bun.gc(true);
  require('node:v8').setFlagsFromString('--expose-gc');
  return require('node:vm').runInNewContext('gc')();
}

/* The median, p99 and p99.9 of times in ms, in us. */
function percentiles(times) {
  const sorted = Float64Array.from(times).sort();
  const at = (permille) => sorted[Math.ceil((sorted.length * permille) / 1000) - 1] * 1000;
  return { p50_us: at(500).toFixed(2), p99_us: at(990).toFixed(2), p999_us: at(999).toFixed(2) };
}

class Side {
  #lines = createInterface({ input: process.stdin }).on('close', () => process.exit(1));
  #input = this.#lines[Symbol.asyncIterator](); // from the start: none is missed

  constructor({ count, size, seconds, options }, flows) {
    this.size = size;
    this.seconds = seconds;
    this.options = options; // KEY=VALUE, to compare configurations of a peer
    this.count = Number(count ?? 1); // of sockets, in the scenarios with a number in their name
    this.ports = options.ports?.split(',').map(Number); // for a sender: destinations on 127.0.0.1
    this.reader = new Reader(size, this.number('flows', count ?? flows ?? 1));
    this.arrived = 0;
    this.wrong = 0;
    this.counted = 0; // what the result is about: datagrams sent or received
    this.times = []; // of round trips or bursts, in ms
    this.timeOver = false; // for a sender: stop
  }

  number(key, fallback) {
    return Number(this.options[key] ?? fallback);
  }

  check(datagram, reader) {
    this.arrived++;
    if (!reader.read(datagram)) this.wrong++;
  }

  take(datagram, reader = this.reader) {
    this.check(datagram, reader);
    this.counted++;
  }

  async #waitFor(word) {
    const { value } = await this.#input.next();
    if (value !== word) fail('stdin', `'${value}', not '${word}'`);
  }

  /* The side is ready: waits for the other, then starts the clock. A receiver reports its ports. */
  async begin(ports = []) {
    console.log(`ready ${ports}`.trimEnd());
    await this.#waitFor('begin');
    this.started = performance.now();
    this.cpu = cpuMs();
    this.keptOff = keptOffMs();
    setTimeout(() => this.#endTime(), this.seconds * 1000);
  }

  #endTime() {
    this.rate = (this.counted / (performance.now() - this.started)) * 1000;
    this.timeOver = true;
  }

  /* For a receiver: the sender has ended, and nothing has arrived for a while. */
  async allReceived() {
    await this.#waitFor('end');
    for (let before = -1; before !== this.arrived || !this.timeOver;) {
      before = this.arrived;
      await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
    }
  }

  result() {
    const keptOff = (keptOffMs() - this.keptOff) / (performance.now() - this.started);
    return {
      counted: this.counted,
      rate: this.rate.toFixed(0),
      cpu_ns: ((cpuMs() - this.cpu) * 1e6).toFixed(0),
      kept_off: Math.max(keptOff, 0).toFixed(4),
      wrong: this.wrong,
      ...(this.times.length && percentiles(this.times)),
      ...(this.bytesPerSocket > 0 && { bytes_per_socket: this.bytesPerSocket.toFixed(0) }),
    };
  }
}

/* The main program of each peer; `roles` has the roles { send, receive } of each scenario. */
async function run(roles, args) {
  const plan = parse(args);
  const { [plan.role]: role, flows } = roles[plan.scenario] ?? {};
  if (!role) fail(`${plan.role} ${plan.scenario}`, 'this peer does not support it', UNSUPPORTED);
  const side = new Side(plan, flows);
  await role(side);
  const fields = Object.entries(side.result()).map(([key, value]) => `${key}=${value}`);
  console.log(['result', ...fields].join(' '));
  process.exit();
}

module.exports = { run, fail, heapBytes };
