#!/usr/bin/env bash
# The demo: starts examples/server.c, sends it datagrams with socat, and checks that what the
# server prints is exactly right; over IPv4, then over IPv6. Then the same with the first two
# examples of the specification, as they are, on the drop-in for Node.js.
set -euo pipefail
cd "$(dirname "$0")/.."

port=41234        # that of the specification's example; a free one is taken if it is in use
source_port=41240 # the first that socat tries to send from
patience=10       # seconds to wait for a line of the server

scratch=$(mktemp -d)
server_pid=
stop_server() {
  if [ -n "$server_pid" ]; then
    kill "$server_pid" 2>/dev/null || true
    wait "$server_pid" 2>/dev/null || true
    server_pid=
  fi
}
trap 'stop_server; rm -rf "$scratch"' EXIT

fail() {
  echo "DEMO FAILED: $*" >&2
  exit 1
}

build() {
  cmake --preset release && cmake --build --preset release --target example_server
}

# Without stdbuf the lines would wait in the server until it ends, since it prints to a pipe.
server=(stdbuf -oL build/release/examples/server)

# run_server PORT [udp6]: starts the server; its lines can be read from file descriptor 3.
run_server() {
  rm -f "$scratch/lines"
  mkfifo "$scratch/lines"
  "${server[@]}" "$@" >"$scratch/lines" 2>"$scratch/errors" &
  server_pid=$!
  exec 3<"$scratch/lines"
}

# read_line: waits for the server's next line; shows it, and notes it as printed.
read_line() {
  if IFS= read -r -t "$patience" -u 3 line; then
    echo "    $line"
    printf '%s\n' "$line" >>"$scratch/printed"
  else
    return 1
  fi
}

expect() {
  printf '%s\n' "$1" >>"$scratch/expected"
}

# start_server ADDRESS [udp6]: starts the server and waits until it listens. Sets `port`.
start_server() {
  local address=$1
  shift
  : >"$scratch/expected"
  : >"$scratch/printed"
  run_server "$port" "$@"
  if ! read_line && grep -q EADDRINUSE "$scratch/errors"; then
    echo "  Port $port is taken; the system chooses a free one."
    stop_server
    run_server 0 "$@"
    read_line || true
    port=${line##*:}
  fi
  expect "server listening $address:$port"
  check_printed
}

# send FAMILY TEXT SENDER: socat sends one datagram over IPv4 or IPv6; the server must show it as
# coming from the address SENDER.
send() {
  local family=$1 text=$2 sender=$3 host=127.0.0.1 option='' last=$((source_port + 20))
  [ "$family" = 4 ] || host='[::1]'
  # At the end of its input, socat sends an empty datagram only if asked to.
  [ -n "$text" ] || option=,shut-null
  until printf '%s' "$text" | socat -u STDIN \
    "UDP$family-SENDTO:$host:$port,bind=$host:$source_port$option" 2>"$scratch/socat"; do
    # Perhaps another program has that port.
    source_port=$((source_port + 1))
    [ "$source_port" -lt "$last" ] || fail "socat cannot send: $(cat "$scratch/socat")"
  done
  echo "  socat sends '$text' from $host:$source_port"
  expect "server got: $text from $sender:$source_port"
  read_line || true
  check_printed
  source_port=$((source_port + 1))
}

# Compares what the server has printed until now with what it should have.
check_printed() {
  if ! diff -u --label expected --label printed "$scratch/expected" "$scratch/printed" >&2 ||
    [ -s "$scratch/errors" ]; then
    cat "$scratch/errors" >&2
    fail "the server did not print what it should"
  fi
}

# Stops the server; it must have printed nothing more.
finish_server() {
  stop_server
  while read_line; do :; done
  exec 3<&-
  check_printed
}

scripts/setup.sh install demo
echo "Building examples/server.c"
build >"$scratch/build" 2>&1 || {
  cat "$scratch/build"
  fail "it does not build"
}

echo "A udp4 server; what it prints is indented:"
start_server 0.0.0.0
send 4 'hello' 127.0.0.1
send 4 'Grüße, 世界 🙂' 127.0.0.1
send 4 '' 127.0.0.1
finish_server

# Whether this machine has IPv6: socat tells by trying to be ::1, and sends nothing.
if socat -u /dev/null 'UDP6-SENDTO:[::1]:9,bind=[::1]' 2>"$scratch/socat"; then
  echo "A udp6 server, which IPv4 reaches too:"
  start_server :: udp6
  send 6 'hello over IPv6' ::1
  send 6 '' ::1
  send 4 'hello over IPv4' ::ffff:127.0.0.1
  finish_server
else
  echo "IPv6 skipped: this machine has no loopback address ::1:"
  cat "$scratch/socat"
fi

# node_example NUMBER LANGUAGE: the specification's example, with the module's name changed. Its
# port is fixed: where that is taken the example is skipped.
node_example() {
  mkdir -p "$scratch/node_modules"
  ln -sfn "$PWD/bindings/node" "$scratch/node_modules/libdgram"
  node -p "require('./bindings/node/test/examples/document').examples()[$1]
    .text.replaceAll(\"'node:dgram'\", \"'libdgram'\")" >"$scratch/server.$2"
  server=(node "$scratch/server.$2")
  port=41234
  echo "Example $(($1 + 1)) of the specification, $2, on the drop-in for Node.js:"
  if socat -u /dev/null UDP4-RECV:$port 2>"$scratch/socat"; then
    start_server 0.0.0.0
    send 4 'hello' 127.0.0.1
    send 4 'Grüße, 世界 🙂' 127.0.0.1
    finish_server
  else
    echo "  skipped: $(cat "$scratch/socat")"
  fi
}

echo "Building the drop-in"
scripts/node.sh build >"$scratch/build" 2>&1 || {
  cat "$scratch/build"
  fail "it does not build"
}
node_example 0 mjs
node_example 1 cjs
echo "The demo is right: every server printed exactly what it should."
