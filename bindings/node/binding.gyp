# The C library is compiled in. In the npm package it is in libdgram/ (package.json, "prepack"); in
# the repository it is the repository itself. libuv is Node's own.
{
  'variables': {
    'root': '<!(node -p "fs.existsSync(\'libdgram\') ? \'libdgram\' : \'../..\'")',
  },
  'target_defaults': {
    'include_dirs': ['<(root)/include'],
    'defines': ['_GNU_SOURCE', 'DGRAM_EXTERN='],
    'cflags': ['-std=gnu11', '-O2', '-fvisibility=hidden', '-Wall', '-Wextra',
               '-Wno-unused-parameter', '-Wno-cast-function-type'],
    'xcode_settings': {'OTHER_CFLAGS': ['-std=gnu11', '-O2']},
    'conditions': [
      ['OS=="linux" or OS=="freebsd"', {
        'configurations': {
          'Release': {
            'cflags': ['<!@(node src/hardening.js compile)'],
            'ldflags': ['<!@(node src/hardening.js link)'],
          },
        },
      }],
    ],
  },
  'targets': [
    {
      'target_name': 'libdgram',
      'type': 'static_library',
      'include_dirs': ['<!@(node src/sources.js include <(root))'],
      'sources': ['<!@(node src/sources.js sources <(root))'],
      'conditions': [ # in the repository, for its tests, the asserts stay
        ['root=="libdgram"', {'defines': ['NDEBUG']}],
      ],
    },
    {
      'target_name': 'dgram',
      'dependencies': ['libdgram'],
      'defines': ['NAPI_VERSION=8'],
      'sources': [
        'src/access.c',
        'src/addon.c',
        'src/call.c',
        'src/handle.c',
        'src/interfaces.c',
        'src/methods.c',
        'src/receive.c',
        'src/send.c',
        'src/sim.c',
        'src/table.c',
      ],
    },
  ],
}
