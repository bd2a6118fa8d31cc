'use strict';
// Puts this package in place of node:dgram for the whole process, dependencies included:
//
//     node --import libdgram/register program.js
//     import 'libdgram/register';
//
// The exports object of a built-in module is one object that all who load it share, and it can be
// written to. So ours go over the built-in's, and those who already hold the object have them too.
// It reaches this thread only; README.md says what worker threads and child processes need.

const { syncBuiltinESMExports } = require('node:module');

// Loaded before anything is replaced: it keeps what it needs of the built-in.
const ours = require('./index.js');

// Not what a mock or an alias may give for this name.
const builtIn = process.getBuiltinModule?.('node:dgram') ?? require('node:dgram');

Object.assign(builtIn, ours);

// The names that ES modules import are copies of the object's properties until they are told.
syncBuiltinESMExports();
