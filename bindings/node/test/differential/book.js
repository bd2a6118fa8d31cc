'use strict';
// The book of scenarios: every file under scenarios/ writes its scenarios into it.
//
//   scenario(name, [options], play)
//
//   name     begins with the numbers of docs/behaviour it shows ('B20 …'), and is unique
//   options  needs: a function of the built-in module; a string it returns is why the scenario
//                   can't be played here
//            uncaught: true for scenarios that are about exceptions which nobody catches
//            crashes: true if the built-in takes the whole process down
//            flags: arguments for node itself
//            roles: { name: play } for other processes and threads of the scenario
//   play     a function of the stage (stage.js), synchronous or not

const fs = require('node:fs');
const path = require('node:path');

const SCENARIOS = path.join(__dirname, 'scenarios');

const written = [];
let file = null;

function scenario(name, options, play) {
  if (typeof options === 'function') [options, play] = [{}, options];
  if (written.some((other) => other.name === name)) throw new Error(`Two scenarios: ${name}`);
  written.push({ name, file, flags: [], roles: {}, needs: () => undefined, ...options, play });
}

function open(name) {
  file = name;
  require(path.join(SCENARIOS, name));
}

/** Every scenario, in the order of the files and of the lines in them. */
function all() {
  for (const name of fs.readdirSync(SCENARIOS).sort()) open(name);
  return written;
}

/** One scenario, without reading the files of the others. */
function find(fileName, name) {
  open(fileName);
  return written.find((one) => one.name === name);
}

module.exports = { scenario, all, find };
