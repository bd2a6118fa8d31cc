'use strict';
// Whether this Node.js has what came with one of several versions, one of each release line.

const [major, minor] = process.versions.node.split('.').map(Number);

module.exports = function since(...versions) {
  return versions.some(([line, first]) => major === line && minor >= first) ||
    major > Math.max(...versions.map(([line]) => line));
};
