'use strict';
// The registry of scenarios: every file under scenarios/ adds its own.
//
//   scenario(name, [options], play)
//
//   name     begins with the numbers of the behaviour that it shows ('B20 …'), and is unique
//   options  needs: a function of the built-in module; if it returns a string, that is why the
//                   scenario can't be played here (needs.js)
//            alone: true for a scenario that needs a process of its own, since it changes what all
//                   modules share, or is about how a process ends
//            flags: arguments for node itself
//            roles: { name: play } for other processes and threads of the scenario
//            crashes: true if the built-in takes the whole process down
//            uncaught: true if it is about exceptions that are not caught
//   play     a function of the tools (tools.js), synchronous or not

const fs = require('node:fs');
const path = require('node:path');

const SCENARIOS = path.join(__dirname, 'scenarios');

const registered = [];
let file = null;

function scenario(name, options, play) {
  if (typeof options === 'function') return scenario(name, {}, options);
  if (registered.some((other) => other.name === name)) throw new Error(`Two scenarios: ${name}`);
  const { flags = [], roles, crashes = false, needs = () => undefined, uncaught = false } = options;
  const alone = options.alone || flags.length > 0 || crashes || roles !== undefined;
  registered.push({ name, file, alone, flags, roles, crashes, needs, uncaught, play });
}

function open(name) {
  file = name;
  require(path.join(SCENARIOS, name));
}

/** Every scenario, in the order of the files and of the lines in them. */
function all() {
  fs.readdirSync(SCENARIOS).sort().forEach(open);
  return registered;
}

/** Scenarios of one file, without reading the others. */
function find(fileName, names) {
  open(fileName);
  return registered.filter(({ name }) => names.includes(name));
}

module.exports = { scenario, all, find };
