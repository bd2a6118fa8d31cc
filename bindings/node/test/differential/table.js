'use strict';
// What differences.js lists for a scenario on this version of Node, and whether it still holds.

const major = Number(process.versions.node.split('.')[0]);

/** Of a table, what counts here: { decided: name -> { reason, lines }, open: name -> why, rewrite }. */
function read(table, version = major) {
  const here = table.filter(({ node }) => !node || node.includes(version));
  const decided = here.filter(({ changes }) => changes).flatMap(({ reason, changes }) =>
    Object.entries(changes).map(([name, lines]) => [name, { reason, lines }]));
  const open = here.filter(({ scenarios }) => scenarios).flatMap(({ open: why, scenarios }) =>
    scenarios.map((name) => [name, why]));
  const rewrites = here.map(({ rewrite }) => rewrite).filter(Boolean);
  return {
    decided: new Map(decided),
    open: new Map(open),
    rewrite: (line) => rewrites.reduce((text, rewrite) => rewrite(text), line),
  };
}

/** What is wrong with the lines that differ in a scenario, if anything; or what is left to do. */
function check({ decided, open }, name, changes) {
  const listed = decided.get(name);
  const differs = changes.length > 0;
  if (!differs && (listed || open.has(name))) {
    return { wrong: 'it no longer differs: take it out of differences.js' };
  }
  if (differs && open.has(name)) return { todo: open.get(name) };
  if (differs && !listed) return { wrong: 'it differs from the built-in' };
  if (listed && changes.join('\n') !== listed.lines.join('\n')) {
    return { wrong: `it differs otherwise than differences.js lists (${listed.reason})` };
  }
  return {};
}

module.exports = { read, check };
