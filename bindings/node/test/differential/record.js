'use strict';
// Usage: node record.js
// Plays every scenario on this version of Node.js and writes what differs into differences.json. Look
// at what has changed there, and give a reason for it in differences.js.

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { modulePath } = require('../subject');
const registry = require('./registry');
const { compare, inGroups } = require('./comparison');

const file = path.join(__dirname, 'differences.json');
const version = Number(process.versions.node.split('.')[0]);

async function work(queue, found) {
  while (queue.length) {
    for (const { scenario, flaw, changes } of await compare(queue.shift(), 'node:dgram', modulePath)) {
      if (flaw) throw new Error(`${scenario.name}: ${flaw}`);
      if (changes.length) found.set(scenario.name, changes);
    }
  }
}

async function play() {
  const playable = registry.all().filter(({ needs }) => !needs(require('node:dgram')));
  const queue = inGroups(playable);
  const found = new Map();
  await Promise.all(os.cpus().map(() => work(queue, found)));
  return found;
}

// Without this version, and without what then is of no version.
function forget(recorded) {
  for (const [name, variants] of Object.entries(recorded)) {
    for (const variant of variants) variant.node = variant.node.filter((one) => one !== version);
    recorded[name] = variants.filter(({ node }) => node.length > 0);
    if (!recorded[name].length) delete recorded[name];
  }
}

function add(recorded, name, lines) {
  const variants = recorded[name] ??= [];
  const same = variants.find((variant) => variant.lines.join('\n') === lines.join('\n'));
  if (same) same.node = [...same.node, version].sort((a, b) => a - b);
  else variants.push({ node: [version], lines });
}

async function main() {
  const recorded = JSON.parse(fs.readFileSync(file, 'utf8'));
  const found = await play();
  forget(recorded);
  for (const [name, lines] of found) add(recorded, name, lines);
  const sorted = Object.fromEntries(Object.entries(recorded).sort(([a], [b]) => (a < b ? -1 : 1)));
  fs.writeFileSync(file, JSON.stringify(sorted, null, 1) + '\n');
}

main();
