'use strict';
// The specification's examples: what stands in code fences of JavaScript in it.

const fs = require('node:fs');
const path = require('node:path');

const documentPath = path.join(__dirname, '..', 'spec', 'dgram.md');

// In the document's order: { section, language, text }; the language is mjs, cjs, or js for a
// fragment that is neither.
function examples() {
  const found = [];
  let section;
  let fence;
  for (const line of fs.readFileSync(documentPath, 'utf8').split('\n')) {
    if (fence) {
      if (line === '```') fence = undefined;
      else fence.text += line + '\n';
    } else if (line.startsWith('```')) {
      found.push(fence = { section, language: line.slice(3), text: '' });
    } else if (line.startsWith('#')) {
      section = line.replace(/^#+ /, '');
    }
  }
  return found;
}

module.exports = { examples };
