'use strict';
// A folder of a program that has this package installed: files in it can import `libdgram`.

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const packageFolder = path.join(__dirname, '..');

// Makes the folder with `files` (name -> text) in it, and removes it when the test `t` has ended.
// The package is linked; `install`, a function of the path, may install another.
function programFolder(t, files, install = (target) => fs.symlinkSync(packageFolder, target, 'dir')) {
  const folder = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), 'libdgram-'));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  fs.mkdirSync(path.join(folder, 'node_modules'));
  install(path.join(folder, 'node_modules', 'libdgram'));
  write(folder, files);
  return folder;
}

function write(folder, files) {
  for (const [name, text] of Object.entries(files)) fs.writeFileSync(path.join(folder, name), text);
}

module.exports = { packageFolder, programFolder, write };
