'use strict';
/*
 * What runs a peer in JavaScript, as harness.c runs those in C. The sender and the receiver are
 * processes of their own, each bound to a core, so that the CPU time of a side has that of its
 * runtime's helper threads in it; a third process starts them together and prints the results.
 *
 * A peer calls run() with its roles: async functions that get a Side, and end when their work is
 * done. Knows nothing of how datagrams are moved.
 */
const { once } = require('node:events');
const { readFileSync } = require('node:fs');
const { spawn } = require('node:child_process');
const { Reader } = require('./work.js');

// As in harness.h and harness.c.
const RECV_BUFFER = 4 * 1024 * 1024;
const QUIET_MS = 50;
const HANG_SECONDS = 30;
const KEPT_OFF_PERCENT = 2;
const FLOWS = { stream: 1, fanin: 256, pingpong: 1 };

function fail(what, why) {
  console.error(`bench: ${what}: ${why}`);
  process.exit(1);
}

/* SCENARIO SIZE SECONDS [KEY=VALUE ...] */
function parse([scenario, size, seconds, ...rest]) {
  const options = Object.fromEntries(rest.map((option) => option.split('=')));
  const flows = Number(options.flows ?? FLOWS[scenario]);
  return { scenario, size: Number(size), seconds: Number(seconds), flows, options };
}

/* ---- one side, in its process ---- */

/* How long this process was ready to run but did not, in ms: its main thread, but for its own. */
function keptOffMs() {
  try {
    const [ran, waited] = readFileSync('/proc/self/schedstat', 'utf8').split(' ').map(Number);
    return (waited + ran) / 1e6 - cpuMs();
  } catch {
    return 0; // the kernel does not tell
  }
}

function cpuMs() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

class Side {
  constructor(run) {
    this.port = Number(process.env.BENCH_PORT); // for who sends: the receiver's, on 127.0.0.1
    this.size = run.size;
    this.flows = run.flows;
    this.options = run.options; // KEY=VALUE, to compare configurations of a peer
    this.seconds = run.seconds;
    this.reader = new Reader(run.size, run.flows);
    this.counted = 0; // datagrams sent or received
    this.roundTrips = []; // how long each took, in ms
    this.timeOver = false; // for who sends: stop
  }

  number(key, otherwise) {
    return Number(this.options[key] ?? otherwise);
  }

  take(datagram) {
    this.reader.read(datagram);
    this.counted++;
  }

  /* The side is ready: waits for the other, then starts the clock. Who receives says where. */
  async begin(port = 0) {
    process.send({ port });
    await once(process, 'message');
    this.started = performance.now();
    this.cpu = cpuMs();
    this.keptOff = keptOffMs();
    setTimeout(() => this.endTime(), this.seconds * 1000);
    process.send({});
  }

  endTime() {
    this.rate = (this.counted / (performance.now() - this.started)) * 1000;
    this.timeOver = true;
  }

  /* For who receives: the senders have ended, and nothing has come for a while. */
  async allReceived() {
    await once(process, 'message');
    for (let before = -1; before !== this.counted;) {
      before = this.counted;
      await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
    }
  }

  result() {
    return {
      counted: this.counted,
      rate: this.rate,
      cpuMs: cpuMs() - this.cpu,
      keptOff: (keptOffMs() - this.keptOff) / (performance.now() - this.started),
      wrong: this.reader.wrong,
      roundTrips: percentiles(this.roundTrips),
    };
  }
}

/* The median, p99 and p99.9 of times in ms, in us. */
function percentiles(times) {
  const sorted = Float64Array.from(times).sort();
  const at = (permille) => sorted[Math.ceil((sorted.length * permille) / 1000) - 1] * 1000;
  return sorted.length ? [at(500), at(990), at(999)] : [];
}

async function play(role, run) {
  process.on('disconnect', () => process.exit()); // who started it has ended
  const side = new Side(run);
  await role(side);
  process.send(side.result());
}

/* ---- both, from outside ---- */

/* The cores that this process may use, out of "0-2,5". */
function cores() {
  const list = /^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync('/proc/self/status', 'utf8'))[1];
  return list.split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

/* Starts a side, and returns when it is ready. */
async function start(name, core, port) {
  const command = ['-c', core, process.execPath, ...process.argv.slice(1)];
  const env = { ...process.env, BENCH_SIDE: name, BENCH_PORT: port };
  const side = spawn('taskset', command, { env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  side.on('exit', (code, signal) => fail(`the ${name}`, `ended (${signal ?? code})`));
  process.on('exit', () => side.kill('SIGKILL'));
  return { side, ...await told(side) };
}

/* Starts a side's clock. */
async function begin(side) {
  side.send({});
  await told(side);
}

async function told(side) {
  return (await once(side, 'message'))[0];
}

function check(sent, received) {
  const wrong = sent.wrong + received.wrong;
  if (wrong) fail('datagrams of a wrong size, content or order', `${wrong} of ${received.counted}`);
  if (received.counted === 0) fail('received', 'nothing');
  if (received.counted > sent.counted) fail('received', 'more than was sent');
}

function noteKeptOff(name, side) {
  const kept = `had to leave its core to others ${Math.round(100 * side.keptOff)} % of the time`;
  if (100 * side.keptOff > KEPT_OFF_PERCENT) console.error(`bench: note: a ${name} ${kept}`);
}

/*
 * Loss and CPU time are those of the whole run, with what is still received after its end. The
 * receiver's clock runs when the sender's starts, so that its time is over first.
 */
async function measure(peer, run) {
  const all = cores();
  const { side: receiver, port } = await start('receiver', all[1 % all.length], 0);
  const { side: sender } = await start('sender', all[0], port);
  await begin(receiver);
  await begin(sender);
  const sent = await told(sender);
  receiver.send({});
  const received = await told(receiver);

  check(sent, received);
  noteKeptOff('sender', sent);
  noteKeptOff('receiver', received);
  const [p50, p99, p999] = sent.roundTrips.map((us) => us.toFixed(2));
  console.log([
    run.scenario, run.size, peer, sent.rate.toFixed(0), received.rate.toFixed(0),
    ((100 * (sent.counted - received.counted)) / sent.counted).toFixed(2),
    ((sent.cpuMs * 1e6) / sent.counted).toFixed(1),
    ((received.cpuMs * 1e6) / received.counted).toFixed(1), p50, p99, p999,
  ].join());
  process.exit(); // ends both sides
}

/* The main program of each peer; `parts` has the roles { sender, receiver } of each scenario. */
function run(peer, parts, args) {
  const plan = parse(args);
  const part = parts[plan.scenario];
  if (!part) fail(plan.scenario, 'this peer has no part in the scenario');
  if (process.env.BENCH_SIDE) return play(part[process.env.BENCH_SIDE], plan);
  setTimeout(() => fail(peer, 'hangs'), (plan.seconds + HANG_SECONDS) * 1000).unref();
  return measure(peer, plan);
}

module.exports = { run, fail, RECV_BUFFER };
