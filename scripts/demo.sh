#!/usr/bin/env bash
# The demo, of what `make demo` has built: starts examples/server.c, sends it datagrams with socat,
# and checks that what the server prints is exactly right; over IPv4, then over IPv6. Then the same
# with the first two examples of the specification, as they are, on the drop-in for Node.js.
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=$(mktemp -d)
server=
stop() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  wait
  server=
}
trap 'stop; rm -rf "$scratch"' EXIT

# free FAMILY PORT: the UDP port is free; where not, socat writes why to $scratch/socat.
free() {
  socat -u /dev/null "UDP$1-RECV:$2" 2>"$scratch/socat"
}

# expect LINE: the server prints one line more, within ten seconds: this one.
expect() {
  local wait
  printf '%s\n' "$1" >>"$scratch/expected"
  for ((wait = 0; wait < 500; wait++)); do
    [ "$(wc -l <"$scratch/printed")" -lt "$(wc -l <"$scratch/expected")" ] || break
    sleep 0.02
  done
  check
  echo "    $1"
}

# check: what the server has printed until now is exactly what was expected.
check() {
  if ! diff -u "$scratch/expected" "$scratch/printed" >&2 || [ -s "$scratch/errors" ]; then
    cat "$scratch/errors" >&2
    echo "DEMO FAILED: the server did not print what it should" >&2
    exit 1
  fi
}

# start ADDRESS COMMAND...: starts the server, which listens on that address and the port $port.
# Without stdbuf the lines would wait in the server until it ends, since it prints to a file.
start() {
  : >"$scratch/expected"
  stdbuf -oL "${@:2}" >"$scratch/printed" 2>"$scratch/errors" &
  server=$!
  expect "server listening $1:$port"
}

# send FAMILY TEXT SENDER: socat sends one datagram from loopback; the server must show it as coming
# from the address SENDER.
send() {
  local host=127.0.0.1 option='' source_port
  [ "$1" = 4 ] || host='[::1]'
  [ -n "$2" ] || option=,shut-null # without it socat sends no empty datagram
  printf '%s' "$2" | socat -d -d -u STDIN "UDP$1-SENDTO:$host:$port,bind=$host$option" \
    2>"$scratch/socat" || cat "$scratch/socat" >&2
  echo "  socat sends '$2' from $host"
  source_port=$(sed -nE 's/.* local address: AF=.*:([0-9]+)$/\1/p' "$scratch/socat")
  expect "server got: $2 from $3:$source_port"
}

# finish: the server is stopped, and has printed nothing more.
finish() {
  stop
  check
}

c_server=build/release/examples/server
port=41234 # that of the specification's example
until free 4 $port || [ $port = 41254 ]; do
  port=$((port + 1))
done

echo "A udp4 server; what it prints is indented:"
start 0.0.0.0 $c_server $port
send 4 'hello' 127.0.0.1
send 4 'Grüße, 世界 🙂' 127.0.0.1
send 4 '' 127.0.0.1
finish

if free 6 "$port,bind=[::1]"; then
  echo "A udp6 server, which IPv4 reaches too:"
  start :: $c_server $port udp6
  send 6 'hello over IPv6' ::1
  send 6 '' ::1
  send 4 'hello over IPv4' ::ffff:127.0.0.1
  finish
else
  echo "IPv6 skipped: $(cat "$scratch/socat")"
fi

port=41234
for language in mjs cjs; do
  echo "The specification's example, $language, on the drop-in for Node.js:"
  if free 4 $port; then
    start 0.0.0.0 scripts/node.sh example $language
    send 4 'hello' 127.0.0.1
    send 4 'Grüße, 世界 🙂' 127.0.0.1
    finish
  else
    echo "  skipped: $(cat "$scratch/socat")"
  fi
done
echo "The demo is right: every server printed exactly what it should."
