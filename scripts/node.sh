#!/usr/bin/env bash
# Usage: node.sh build | test | versions | example mjs|cjs
# The drop-in for Node.js, bindings/node: builds its addon; runs all its tests on the installed
# Node.js; runs the tests that depend on the version on other versions, with the same build; runs
# the first example of the specification, as an ECMAScript module or with require().
set -euo pipefail
cd "$(dirname "$0")/../bindings/node"

other_versions="18 24" # Node.js 22 and 26 pass too, but would take too long in CI
export DGRAM_TEST_ASSERTIONS=1 # enables the assertions of lib/attempt.js
versions=$PWD/../../build/node

# The headers that were installed with this Node.js, if any; else node-gyp downloads them.
prefix=$(node -p 'require("path").resolve(process.execPath, "../..")')
if [ -z "${npm_config_nodedir-}" ] && [ -e "$prefix/include/node/node_api.h" ]; then
  export npm_config_nodedir=$prefix
fi

build() {
  npm run install
}

# run FILE...: tests of this package. By default Node.js leaves one processor free, and so runs one
# file at a time where there are two, although most files mostly wait.
run() {
  node --test --test-concurrency="$(getconf _NPROCESSORS_ONLN)" "$@"
}

# The packages from npm that the tests need, in the versions of the lock files.
install_for_tests() {
  local folder
  for folder in test/packages test/types; do
    npm ci --prefix "$folder" --no-audit --no-fund
  done
}

install_version() {
  mkdir -p "$versions/$1"
  npm install --prefix "$versions/$1" --no-audit --no-fund "node@$1" >/dev/null
}

# The tests that depend on the version of Node.js, and are fast.
behaviour="test/differential/differential.test.js test/contexts.test.js test/buffers.test.js
  test/exit.test.js test/workers.test.js test/exceptions.test.js test/messages.test.js
  test/sync.test.js test/block-lists.test.js test/send-errors.test.js test/register.test.js
  test/cluster.test.js"

test_version() {
  local PATH=$versions/$1/node_modules/node/bin:$PATH
  install_version "$1"
  echo "Node.js $(node --version):"
  # shellcheck disable=SC2086 # a list of files
  run $behaviour
}

# The specification's text, with the module's name changed.
example() {
  local folder=$versions/example
  mkdir -p "$folder/node_modules"
  ln -sfn "$PWD" "$folder/node_modules/libdgram"
  node -p "require('./test/examples/document').examples()['$1' === 'mjs' ? 0 : 1]
    .text.replaceAll(\"'node:dgram'\", \"'libdgram'\")" >"$folder/server.$1"
  exec node "$folder/server.$1"
}

case ${1-} in
build) build ;;
example) example "$2" ;;
test)
  build
  install_for_tests
  run test/*.test.js test/differential/*.test.js
  npm test --prefix test/packages
  ;;
versions)
  for version in $other_versions; do
    test_version "$version"
  done
  ;;
*)
  echo "usage: $0 build | test | versions | example mjs|cjs" >&2
  exit 2
  ;;
esac
