'use strict';
// Puts this package in place of node:dgram for the whole process, dependencies included:
//
//     node --import libdgram/register program.js
//     import 'libdgram/register';
//
// All modules that load a built-in share its exports object, which is writable: our exports replace
// the built-in's in it, so modules that have loaded it before see them as well.
// It reaches this thread only; README.md describes what worker threads and child processes need.

const { syncBuiltinESMExports } = require('node:module');

// Loaded before anything is replaced: it keeps what it needs of the built-in.
const ours = require('./index.js');

// Not what a mock or an alias may give for this name.
const builtIn = process.getBuiltinModule?.('node:dgram') ?? require('node:dgram');

Object.assign(builtIn, ours);

// The names that ES modules import are copies of the object's properties until this call.
syncBuiltinESMExports();
