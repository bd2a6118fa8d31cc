'use strict';
// What this package needs of the runtime, and to compile its addon. It requires no other file of
// the package, so that it can report what is missing.

const { accessSync, constants, statSync } = require('node:fs');
const path = require('node:path');

// ---- the runtime ----

function runtime() {
  const { versions } = process;
  if (versions.bun)
    return `Bun ${versions.bun}`;
  if (versions.deno || globalThis.Deno)
    return `Deno ${versions.deno ?? globalThis.Deno.version?.deno ?? ''}`.trim();
  return `Node.js ${versions.node}`;
}

// Before the addon is loaded: in other runtimes that would end the process.
function checkRuntime() {
  const name = runtime();
  if (!name.startsWith('Node.js') || parseInt(process.versions.node, 10) < 18)
    throw new Error(`libdgram works in Node.js 18 or later. This is ${name}.`);
}

// ---- tools ----

function isProgram(file) {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

// A name in a folder of PATH, or a path; arguments may follow it.
function isThere(command) {
  const [program] = command.trim().split(/\s+/);
  if (program.includes('/'))
    return isProgram(program);
  const folders = (process.env.PATH ?? '').split(path.delimiter).filter(Boolean);
  return folders.some((folder) => isProgram(path.join(folder, program)));
}

// For each tool the names that node-gyp and its makefiles try, and those of environment variables.
function tools() {
  const { env } = process;
  const named = (...names) => names.filter(Boolean);
  return {
    'Python 3': named(env.npm_config_python, env.NODE_GYP_FORCE_PYTHON, env.PYTHON, 'python3',
      'python'),
    make: named(env.MAKE, env.npm_config_make, 'make', 'gmake'),
    'a C compiler (cc)': named(env.CC, 'cc', 'gcc', 'clang'),
    'a C++ compiler (c++), which links': named(env.CXX, 'c++', 'g++', 'clang++'),
  };
}

// The tools for compiling that are missing.
function missingTools() {
  return Object.entries(tools())
    .filter(([, names]) => !names.some(isThere))
    .map(([tool]) => tool);
}

function adviceFor(missing) {
  if (missing.length === 0)
    return '';
  return `Missing here: ${missing.join('; ')}.\n` +
    'Debian, Ubuntu: apt-get install build-essential python3. ' +
    'Fedora: dnf install gcc-c++ make python3. ' +
    'Alpine: apk add build-base python3. macOS: xcode-select --install.\n';
}

module.exports = { adviceFor, checkRuntime, missingTools };
