'use strict';
// Loaded before a package's own tests, which know nothing of it: has them run on this package, and
// fails them at the end if their sockets were others. SOCKETS is how many they make at least.

const { assertSockets } = require('./sockets');

process.on('exit', () => assertSockets(Number(process.env.SOCKETS)));
