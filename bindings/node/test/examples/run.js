'use strict';
// Usage: node run.js NUMBER LANGUAGE
// Runs one example of the specification, as a module of that language, and checks what it does.
// Prints `skipped: ...` where it can't be run. DGRAM_TEST_NO_HOST has the reason why this is not
// the host that host.sh makes, if so: there the example has to make do with the ports that are free.

const dgram = require('node:dgram');
const { once } = require('node:events');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { table } = require('./checks');
const { examples } = require('./document');
const { Program } = require('./program');

const patience = 30;  // seconds for one example

const moduleName = process.env.DGRAM_MODULE || 'libdgram';
const imports = {
  cjs: `const dgram = require('${moduleName}');`,
  mjs: `import dgram from '${moduleName}';`,
};

// Where the example runs: it starts it, and makes the sockets of whom the example talks to. Those
// are always the built-in's.
class Host {
  #example;
  #language;
  #sockets = [];
  #programs = [];
  #folder = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), 'libdgram-'));
  #files = 0;

  constructor(example, language) {
    this.#example = example;
    this.#language = language;
    fs.mkdirSync(path.join(this.#folder, 'node_modules'));
    fs.symlinkSync(path.join(__dirname, '..', '..'),
                   path.join(this.#folder, 'node_modules', 'libdgram'), 'dir');
  }

  // Writes a program that is the example, and returns the name of its file. A fragment comes with
  // the import, which it lacks, and with what stands before and after it.
  write({ before = '', after = '' } = {}) {
    const text = this.#example.text.replaceAll("'node:dgram'", `'${moduleName}'`);
    const isFragment = this.#example.language === 'js';
    const parts = isFragment ? [imports[this.#language], before, text, after] : [text];
    return this.#writeText(parts.join('\n'), this.#language);
  }

  #writeText(text, language) {
    const file = path.join(this.#folder, `program-${this.#files++}.${language}`);
    fs.writeFileSync(file, text);
    return file;
  }

  // Starts the example.
  run(parts) {
    return this.#start(this.write(parts));
  }

  // Starts another program, of CommonJS.
  runText(text) {
    return this.#start(this.#writeText(text, 'cjs'));
  }

  #start(file) {
    const program = new Program(file);
    this.#programs.push(program);
    return program;
  }

  async socket({ type = 'udp4', port = 0, address } = {}) {
    const socket = dgram.createSocket(type);
    this.#sockets.push(socket);
    socket.bind(port, address);
    await once(socket, 'listening');
    return socket;
  }

  async leave() {
    for (const socket of this.#sockets) socket.close();
    await Promise.all(this.#programs.map((program) => program.stop()));
    fs.rmSync(this.#folder, { recursive: true });
  }
}

// Why the example can't be run here, if so.
async function whyNot({ port }) {
  const noHost = process.env.DGRAM_TEST_NO_HOST;
  if (!noHost) return undefined;
  if (port === undefined) return `it needs interfaces of its own: ${noHost}`;
  const probe = dgram.createSocket('udp4').bind(port);
  try {
    await once(probe, 'listening');
  } catch (err) {
    return err.message;
  }
  probe.close();
  return undefined;
}

async function main(number, language) {
  const [, , check, needs] = table[number];
  const reason = await whyNot(needs);
  if (reason) return console.log(`skipped: ${reason}`);
  const host = new Host(examples()[number], language);
  const impatient = setTimeout(() => {
    console.error(`not done after ${patience} seconds`);
    host.leave().finally(() => process.exit(1));
  }, patience * 1000);
  try {
    await check(host);
  } finally {
    clearTimeout(impatient);
    await host.leave();
  }
}

main(Number(process.argv[2]), process.argv[3]);
