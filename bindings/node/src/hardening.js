'use strict';
// Prints the flags that make an error in the addon harder to exploit, of those that the compiler
// has: `node hardening.js compile` and `node hardening.js link`, for binding.gyp. The library's own
// build has the same in cmake/hardening.cmake, which explains them.

const { spawnSync } = require('child_process');

const [compiler, ...words] = (process.env.CC || 'cc').split(' ').filter(Boolean);

// Whether the compiler takes these flags for a C file, or with `link` for a shared object.
function takes(flags, text = 'int nothing;', link = false) {
  const kind = link ? ['-shared', '-fPIC'] : ['-c'];
  const file = ['-x', 'c', '-o', '/dev/null', '-'];
  return spawnSync(compiler, [...words, '-Werror', ...flags, ...kind, ...file],
                   { input: `${text}\n`, stdio: ['pipe', 'ignore', 'ignore'] }).status === 0;
}

function fortify() {
  for (const level of [3, 2]) {
    const flags = ['-U_FORTIFY_SOURCE', `-D_FORTIFY_SOURCE=${level}`];
    const text = `#include <string.h>\n#if __USE_FORTIFY_LEVEL < ${level}\n#error\n#endif`;
    if (takes(['-O2', ...flags], `${text}\nint nothing;`))
      return flags;
  }
  return [];
}

function compileFlags() {
  const flags = ['-fstack-protector-strong', '-fcf-protection=full', '-mbranch-protection=standard']
    .filter((flag) => takes([flag]));
  return [...flags, ...fortify()];
}

function linkFlags() {
  const flags = ['relro', 'now', 'noexecstack'];
  if (takes(['-fcf-protection=full']))
    flags.push('shstk');
  return flags.map((flag) => `-Wl,-z,${flag}`).filter((flag) => takes([flag], undefined, true));
}

// A sanitizer has stricter checks of its own.
if (!/-fsanitize/.test(process.env.CFLAGS || ''))
  console.log((process.argv[2] === 'link' ? linkFlags() : compileFlags()).join(' '));
