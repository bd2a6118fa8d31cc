'use strict';
// For binding.gyp: prints the files of the C library, or the folders of its headers, as listed in
// src/sources.cmake.
//   node src/sources.js sources|include ROOT

const fs = require('fs');

const FOLDERS = ['base', 'udp', 'core', 'sim']; // no more of it is needed

const [, , wanted, root] = process.argv;
const list = fs.readFileSync(`${root}/src/sources.cmake`, 'utf8').replace(/#.*/g, '');
for (const folder of FOLDERS) {
  const [, files] = new RegExp(`set\\(dgram_${folder}\\s([^)]*)\\)`).exec(list);
  const paths = files.trim().split(/\s+/).map((file) => `${root}/src/${folder}/${file}`);
  for (const path of wanted === 'include' ? [`${root}/src/${folder}`] : paths)
    console.log(path);
}
