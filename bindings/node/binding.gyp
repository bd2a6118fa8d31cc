# The C library is compiled in. In the npm package it lies in libdgram/ (package.json, "prepack");
# in the repository it is the repository. libuv is Node's own.
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
      'sources': [
        '<(root)/src/abort.c',
        '<(root)/src/address.c',
        '<(root)/src/arrival.c',
        '<(root)/src/batch.c',
        '<(root)/src/bind.c',
        '<(root)/src/channel.c',
        '<(root)/src/connect.c',
        '<(root)/src/control.c',
        '<(root)/src/datapath_posix.c',
        '<(root)/src/deliver.c',
        '<(root)/src/departure.c',
        '<(root)/src/descriptor.c',
        '<(root)/src/errors.c',
        '<(root)/src/events.c',
        '<(root)/src/flush.c',
        '<(root)/src/inbox.c',
        '<(root)/src/invitation.c',
        '<(root)/src/listeners.c',
        '<(root)/src/lookup.c',
        '<(root)/src/loop.c',
        '<(root)/src/mmsg.c',
        '<(root)/src/multicast.c',
        '<(root)/src/options.c',
        '<(root)/src/pace.c',
        '<(root)/src/receive.c',
        '<(root)/src/segments.c',
        '<(root)/src/send.c',
        '<(root)/src/socket.c',
        '<(root)/src/spin.c',
        '<(root)/src/watch.c',
        '<(root)/src/wire.c',
        '<(root)/src/worker.c',
      ],
      'conditions': [
        ['OS=="linux"', {'sources': ['<(root)/src/datapath_linux.c']}],
      ],
    },
    {
      'target_name': 'dgram',
      'dependencies': ['libdgram'],
      'defines': ['NAPI_VERSION=8'],
      'sources': [
        'src/addon.c',
        'src/call.c',
        'src/handle.c',
        'src/options.c',
        'src/receive.c',
        'src/send.c',
        'src/table.c',
      ],
    },
  ],
}
