#!/usr/bin/env bash
# Usage: run.sh EXAMPLE PROGRAM
# Runs a program of examples/ against socat: checks exactly what it prints, what socat receives
# from it, and how it ends.
#
# Where it is permitted this happens in a network namespace, which ends with the test: there the
# examples run without arguments, on the specification's own ports and interfaces. Elsewhere they
# run on loopback, on ports that the system chooses, and what needs interfaces is skipped.
set -euo pipefail

example=$1
program=$2
launch=$(dirname "$0")/../launch.sh
time_limit=20 # seconds to wait for anything
group4=224.0.0.114
group6=ff02::114

# ip(8) and others are in sbin, which is not on every user's path.
PATH=$PATH:/usr/sbin:/sbin

# In the namespace this script runs a second time. DGRAM_TEST_NAMESPACE=no does without.
case ${DGRAM_TEST_NAMESPACE-} in
yes) ip link set lo up ;;
no) why_no_namespace="DGRAM_TEST_NAMESPACE=no" ;;
*)
  DGRAM_TEST_NAMESPACE=no
  for options in --net --net\ --map-root-user; do
    # shellcheck disable=SC2086 # the options are words
    if why_no_namespace=$(unshare $options ip link set lo up 2>&1); then
      DGRAM_TEST_NAMESPACE=yes exec unshare $options "$0" "$@"
    fi
  done
  ;;
esac

skip() {
  echo "skipped: $*"
  exit 77 # ctest counts it as skipped
}

for tool in socat ss stdbuf; do
  command -v $tool >/dev/null || skip "no $tool here; make setup installs it"
done

# stdbuf(1) loads a library, which is of its own machine and C library.
loader() {
  readelf -lW "$1" | sed -n 's/.*program interpreter: \(.*\)].*/\1/p'
}
[ "$(loader "$program")" = "$(loader "$(command -v stdbuf)")" ] ||
  skip "stdbuf does not work on a program with the loader $(loader "$program")"

scratch=$(mktemp -d)
started=() # processes that may still run
finish() {
  local pid
  for pid in "${started[@]}"; do
    kill -TERM "$pid" 2>/dev/null || true
  done
  wait
  rm -rf "$scratch"
}
trap finish EXIT

fail() {
  echo "example $example: $*" >&2
  for file in "$scratch"/*.stderr; do
    [ ! -s "$file" ] || sed "s/^/  ${file##*/}: /" "$file" >&2
  done
  exit 1
}

# await COMMAND...: waits until the command succeeds.
await() {
  local deadline=$((SECONDS + time_limit))
  until "$@"; do
    [ $SECONDS -lt $deadline ] || return 1
    sleep 0.02
  done
}

# same WHAT EXPECTED FILE: the file has exactly this text.
same() {
  printf '%s' "$2" | diff -u --label "expected $1" --label "$1" - "$3" >&2 || fail "wrong $1"
}

# The example.

# in_network PORT: sets `arguments` and `expected_port` such that the example uses the port PORT,
# its default, in the namespace, and elsewhere one that the system chooses.
in_network() {
  if [ "$DGRAM_TEST_NAMESPACE" = yes ]; then
    arguments=()
    expected_port=$1
  else
    arguments=(0)
    expected_port=
  fi
}

# in_background ARGUMENT...: starts the example. stdbuf sets line buffering, since it does not
# print to a terminal; and the check of AddressSanitizer for the order of libraries is disabled.
in_background() {
  ASAN_OPTIONS=${ASAN_OPTIONS-}:verify_asan_link_order=0 stdbuf -oL \
    "$launch" "$program" "$@" >"$scratch/stdout" 2>"$scratch/example.stderr" &
  pid=$!
  started+=("$pid")
}

# run_to_end STDOUT STDERR ARGUMENT...: runs the example; it ends, with code 0, and printed this.
run_to_end() {
  run_to_end_with 0 "$@"
}
# fails STDERR ARGUMENT...: runs the example; it ends with code 1, and prints only the reason. It
# does not free its memory.
fails() {
  DGRAM_TEST_LAUNCHER='' ASAN_OPTIONS=detect_leaks=0 run_to_end_with 1 '' "$@"
}
run_to_end_with() {
  local code=0
  timeout "$time_limit" "$launch" "$program" "${@:4}" \
    >"$scratch/end.stdout" 2>"$scratch/end.stderr" || code=$?
  same "stderr" "$3" "$scratch/end.stderr"
  same "stdout" "$2" "$scratch/end.stdout"
  [ $code = "$1" ] || fail "ended with code $code, not with $1"
}

# The UDP port that a process is bound to, with however many sockets.
port_of() {
  ss -Hulnp | sed -nE "s/.*:([0-9]+) .*[(,]pid=$1,.*/\1/p" | sort -u
}
has_port() {
  [ -n "$(port_of "$1")" ] || has_ended
}

# await_port: waits until the example that runs is bound. Sets `port`.
await_port() {
  await has_port "$pid" || true
  port=$(port_of "$pid")
  [ -n "$port" ] || fail "it is not bound"
  [ "$port" = "${expected_port:-$port}" ] || fail "it is bound to port $port, not to $expected_port"
}

# port_is_free PORT: no process is bound to it.
port_is_free() {
  [ -z "$(ss -Huln "sport = :$1")" ]
}

# expect_stderr TEXT: the stderr of the running example is or becomes TEXT; by default it is empty.
stderr_text=
has_stderr() {
  printf '%s' "$stderr_text" | cmp -s - "$scratch/example.stderr"
}
expect_stderr() {
  stderr_text=$1
  await has_stderr || true
  same stderr "$stderr_text" "$scratch/example.stderr"
}

# printed TEXT: what the example that runs has printed, all in all, is or becomes TEXT.
has_printed() {
  [ "$(wc -c <"$scratch/stdout")" -ge "$1" ] || has_ended
}
printed() {
  await has_printed "$(printf '%s' "$1" | wc -c)" || true
  same stdout "$1" "$scratch/stdout"
  same stderr "$stderr_text" "$scratch/example.stderr"
}

# ends CODE: the example that runs ends with this code.
has_ended() {
  ! kill -0 "$pid" 2>/dev/null
}
ends() {
  local code=0
  await has_ended || fail "it does not end"
  wait "$pid" || code=$?
  [ $code = "$1" ] || fail "ended with code $code, not with $1"
}

# stop: the example still runs; it is ended.
stop() {
  kill -TERM "$pid" 2>/dev/null || true
  ends 143
}

# socat.

# send TEXT ADDRESS [OPTION]: sends a datagram. Sets `source` to the port that it came from.
send() {
  local options=${3-}
  # At the end of its input socat sends an empty datagram only with this option.
  [ -n "$1" ] || options+=,shut-null
  printf '%s' "$1" | "${far[@]}" socat -d -d -u STDIN "$2$options" 2>"$scratch/send.stderr" ||
    fail "socat cannot send to $2"
  source=$(sed -nE 's/.* local address: AF=.*:([0-9]+)$/\1/p' "$scratch/send.stderr")
}

# receive ADDRESS: starts to receive. Sets `port`.
receives() {
  grep -q 'starting data transfer loop' "$scratch/receive.stderr"
}
receive() {
  # A file of its own for each: the last one may still be written to.
  "${far[@]}" socat -d -d -u "$1" STDOUT >"$scratch/received" 2>"$scratch/receive.stderr" &
  receiver=$!
  started+=("$receiver")
  await receives || fail "socat cannot receive by $1"
  port=$(port_of_far "$receiver")
}
port_of_far() {
  "${far[@]}" ss -Hulnp | sed -nE "s/.*:([0-9]+) .*[(,]pid=$1,.*/\1/p"
}

# received SENDER TEXT ADDRESS: socat received TEXT from SENDER, a pattern, as the next datagram;
# and no other: a datagram sent to ADDRESS now arrives next.
datagrams() {
  sed -nE 's/.* received packet with ([0-9]+) bytes from AF=[0-9]+ (.*)$/\1 bytes from \2/p' \
    "$scratch/receive.stderr"
}
has_received() {
  grep -qF "$1" "$scratch/received"
}
received() {
  local list
  await has_received "${2:0:1}" || fail "socat received nothing"
  send '|end' "$3"
  await has_received '|end' || fail "socat did not receive the end"
  same "text received by socat" "$2|end" "$scratch/received"
  mapfile -t list < <(datagrams)
  # shellcheck disable=SC2053 # the sender is a pattern
  [[ ${#list[@]} = 2 && ${list[0]} == "${#2} bytes from "$1 ]] ||
    fail "socat received: ${list[*]}"
  kill "$receiver"
  wait "$receiver" || true
}

# Two hosts: this namespace and another, `far`, are joined by two links. Each link is called eth0
# or eth1 at both ends; this host is 10.0.1.2 and fe80::2 on eth0, which is its way to everywhere,
# and 10.0.0.2 and fe80::1:2 on eth1.
far=() # what runs a command on the far host; until there is one, on this
two_hosts() {
  local link
  [ "$DGRAM_TEST_NAMESPACE" = yes ] || skip "no network namespace: $why_no_namespace"
  # Holds the second namespace until it is killed or, when this script is, reads no more.
  # shellcheck disable=SC2034 # the shell sets holder_PID
  coproc holder { exec unshare --net cat; }
  started+=("$holder_PID")
  await has_namespace || fail "no second namespace"
  far=(nsenter --net="/proc/$holder_PID/ns/net")
  "${far[@]}" ip link set lo up
  for link in 0 1; do
    ip link add "eth$link" type veth peer name "eth$link" netns "$holder_PID" \
      2>"$scratch/ip.stderr" || skip "no pair of interfaces: $(cat "$scratch/ip.stderr")"
    host_on_link "$link" 1 "${far[@]}"
    host_on_link "$link" 2
  done
  ip route add default dev eth0
  for link in 0 1; do
    await is_ready "$link" || fail "eth$link is not ready"
    await is_ready "$link" "${far[@]}" || fail "eth$link is not ready at the far end"
  done
}
has_namespace() {
  [ "$(readlink "/proc/$holder_PID/ns/net")" != "$(readlink /proc/self/ns/net)" ]
}
# host_on_link LINK HOST [FAR...]: gives an interface its addresses.
host_on_link() {
  "${@:3}" ip link set "eth$1" addrgenmode none
  "${@:3}" ip address add "10.0.$((1 - $1)).$2/24" dev "eth$1"
  [ $has_ipv6 = no ] || "${@:3}" ip address add "fe80::$1:$2/64" dev "eth$1" nodad
  "${@:3}" ip link set "eth$1" up
}
# is_ready LINK [FAR...]: the kernel reports the link as up, and has routes to it.
is_ready() {
  "${@:2}" ip -brief link show "eth$1" | grep -q ' UP ' &&
    { [ $has_ipv6 = no ] ||
      [ -n "$("${@:2}" ip -6 route show table local type multicast dev "eth$1")" ]; }
}

if grep -q '^0*1 ' /proc/net/if_inet6 2>/dev/null; then
  has_ipv6=yes # ::1 is there
else
  has_ipv6=no
fi

# The examples.

run_server() {
  in_network 41234
  in_background "${arguments[@]}"
  await_port
  lines="server listening 0.0.0.0:$port"$'\n'
  for text in hello 'Grüße, 世界 🙂' ''; do
    send "$text" "UDP4-SENDTO:127.0.0.1:$port,bind=127.0.0.1"
    lines+="server got: $text from 127.0.0.1:$source"$'\n'
    printed "$lines"
  done
  fails $'bind: Port should be > 0 and < 65536; >= 0 to bind\n' 65536
  fails $'server error:\nbind EADDRINUSE 0.0.0.0:'"$port"$'\n' "$port"
  stop
  printed "$lines"

  if [ $has_ipv6 = no ]; then
    echo "udp6 is skipped: there is no address ::1"
    return
  fi
  in_background "$port" udp6
  await_port
  lines="server listening :::$port"$'\n'
  send hello "UDP6-SENDTO:[::1]:$port,bind=[::1]"
  lines+="server got: hello from ::1:$source"$'\n'
  send hello "UDP4-SENDTO:127.0.0.1:$port,bind=127.0.0.1"
  lines+="server got: hello from ::ffff:127.0.0.1:$source"$'\n'
  printed "$lines"
  stop
}

run_paced() {
  run_to_end $'100000 bytes have left\n' ''
  run_to_end $'20000 bytes have left\n' '' 9 127.0.0.1 20000 1000
  fails $'connect: invalid argument\n' 9 host
  two_hosts
  ip link set eth0 mtu 1000
  run_to_end $'segments of 972 bytes\n20000 bytes have left\n' '' 9 10.0.1.1 20000
}

run_access() {
  local lines='' refused='refused: 1, over the limit: 0'
  in_network 41234
  in_background "${arguments[@]}"
  await_port
  for text in hello bye; do
    send $text "UDP4-SENDTO:127.0.0.1:$port,bind=127.0.0.2"
    lines+="got: $text from 127.0.0.2"$'\n'
    printed "$lines"
  done
  send again "UDP4-SENDTO:127.0.0.1:$port,bind=127.0.0.2"
  send hello "UDP4-SENDTO:127.0.0.1:$port,bind=127.0.0.3"
  lines+=$'got: hello from 127.0.0.3\n'
  printed "$lines"
  kill -INT "$pid"
  ends 0
  printed "$lines$refused"$'\n'
}

# asks QUESTION SIZE [ADDRESS]: sends the question from the address, 127.0.0.1 by default; `reply` is
# what it gets, cut to 16 bytes, and SIZE its size.
asks() {
  local address=${3-127.0.0.1}
  # The pipe has no end before the reply has come: after that socat does not wait for another.
  reply=$(
    {
      printf '%s' "$1"
      await test -s "$scratch/reply"
    } | timeout "$time_limit" socat -t 0 -T "$time_limit" STDIO \
      "UDP4:127.0.0.1:$port,bind=$address" | tee "$scratch/reply" | wc -c
  )
  [ "$reply" = "$2" ] || fail "the reply has $reply bytes, not $2"
  reply=$(head -c 16 "$scratch/reply")
  rm "$scratch/reply"
}

run_cookie() {
  local zeros=0000000000000000 question=' what is it like?' cookie
  in_network 41234
  in_background "${arguments[@]}"
  await_port
  send "$zeros no reply" "UDP4-SENDTO:127.0.0.1:$port" # 25 bytes: too short
  asks "$zeros$question" 16 # 33 bytes
  cookie=$reply
  [[ $cookie =~ ^[0-9a-f]{16}$ ]] || fail "no cookie: $cookie"
  asks "$cookie$question" 1200
  asks "$cookie$question" 16 127.0.0.2 # stolen
  [ "$reply" != "$cookie" ] || fail "two addresses have the same cookie"
  asks "${cookie/[0-9a-e]/f}$question" 16 # wrong
  asks "$reply$question" 1200
  kill -INT "$pid"
  ends 0
  printed $'2 answers; from others 124 bytes, to them 48\n'
}

run_membership() {
  local lines=$'member of 224.0.0.114\n' refused='bind EADDRINUSE 0.0.0.0:1234'
  two_hosts
  in_background
  expect_stderr $'addMembership: address already in use\n' # by the second worker
  printed "$lines"
  send hello "UDP4-DATAGRAM:$group4:1234,bind=10.0.1.1,ip-multicast-if=10.0.1.1"
  lines+=$'got: hello from 10.0.1.1\n'
  printed "$lines"
  # The system chose the interface of the default route, and joined on no other.
  ip maddress show dev eth0 | grep -qw $group4 || fail "no member on eth0"
  ! ip maddress show dev eth1 | grep -qw $group4 || fail "a member on eth1"
  run_to_end '' "$refused"$'\n'"$refused"$'\n' # by both workers
  stop
  printed "$lines"
  await port_is_free 1234 || fail "a worker has outlived its primary"

  ip route del default dev eth0
  run_to_end '' $'addMembership: no such device\naddMembership: no such device\n'
}

run_bind_exclusive() {
  in_network 8000
  in_background "${arguments[@]}"
  await_port
  printed "socket listening 127.0.0.1:$port"$'\n'
  fails "bind EADDRINUSE 127.0.0.1:$port"$'\n' "$port"
  stop
}

# sends [CALL]: the example sends "Some bytes" in one datagram; to port 0 its CALL, or send, fails.
sends() {
  fails "${1-send}: Port should be > 0 and < 65536; >= 0 to bind"$'\n' 0
  in_network 41234
  receive "UDP4-RECV:${expected_port:-0},bind=127.0.0.1"
  [ -n "$expected_port" ] || arguments=("$port")
  run_to_end '' '' "${arguments[@]}"
  received '127.0.0.1:*' 'Some bytes' "UDP4-SENDTO:127.0.0.1:$port"
}
run_send() {
  sends
}
run_send_buffers() {
  sends
}
run_send_connected() {
  sends connect
  fails $'connect EINVAL ::1:41234\n' 41234 ::1
}

# sends_from SENDER [ARGUMENT...]: the far host receives what the example sends, as coming from
# SENDER, which identifies the interface.
sends_from4() {
  receive "UDP4-RECV:1234,ip-add-membership=$group4:eth0,ip-add-membership=$group4:eth1"
  in_background "${@:2}"
  received "$1" 'Some bytes' UDP4-SENDTO:127.0.0.1:1234
  stop
  printed ''
}
sends_from6() {
  receive "UDP6-RECV:1234,ipv6-join-group=[$group6]:eth0,ipv6-join-group=[$group6]:eth1"
  in_background "${@:2}"
  received "$1" 'Some bytes' 'UDP6-SENDTO:[::1]:1234'
  stop
  printed ''
}

run_multicast_interface_ipv4() {
  two_hosts
  sends_from4 10.0.0.2:1234
  sends_from4 10.0.1.2:1234 10.0.1.2
  fails $'setMulticastInterface: address not available\n' 10.0.0.1
}

run_multicast_interface_ipv6() {
  local zeros=0000:0000:0000:0000:0000 line
  [ $has_ipv6 = yes ] || skip "there is no address ::1"
  two_hosts
  sends_from6 "\\[fe80:$zeros:0001:0002]:1234"
  line=$(ip -oneline link show dev eth1)
  sends_from6 "\\[fe80:$zeros:0001:0002]:1234" "::%${line%%:*}" # begins with the interface's number
  sends_from6 "\\[fe80:$zeros:0000:0002]:1234" '::%eth0'
  fails $'setMulticastInterface: invalid argument\n' eth1%
}

run_icmp() {
  local narrow='the path takes packets of 1500 bytes'
  receive UDP4-RECV:0,bind=127.0.0.1
  kill "$receiver"
  wait "$receiver" || true # so that its port is closed
  run_to_end "127.0.0.1:$port: port unreachable, says 127.0.0.1"$'\n' '' "$port"
  fails $'send: Port should be > 0 and < 65536; >= 0 to bind\n' 0
  two_hosts
  fails "send EMSGSIZE 10.0.1.1:9"$'\n'"$narrow"$'\n' 9 10.0.1.1 1473
}

# mdns_host LINK: another host, joined by the link; it is 10.0.LINK.1 there, and this one
# 10.0.LINK.2. It has avahi-daemon, with a message bus of its own, and answers questions of
# avahi-resolve. Sets host_LINK to the process that holds it.
mdns_host() {
  local folder=$scratch/host$1 holder
  mkdir "$folder"
  unshare --net --mount sleep 600 &
  holder=$!
  started+=("$holder")
  holder_PID=$holder
  await has_namespace || fail "no namespace for a host"
  declare -g "host_$1=$holder"
  ip link add "eth$1" type veth peer name eth0 netns "$holder" 2>"$scratch/ip.stderr" ||
    skip "no pair of interfaces: $(cat "$scratch/ip.stderr")"
  on_mdns_host "$1" ip address add "10.0.$1.1/24" dev eth0
  on_mdns_host "$1" ip link set lo up
  on_mdns_host "$1" ip link set eth0 up
  ip address add "10.0.$1.2/24" dev "eth$1"
  ip link set "eth$1" up
  on_mdns_host "$1" mount -t tmpfs none /run 2>"$scratch/ip.stderr" ||
    skip "no mounts here: $(cat "$scratch/ip.stderr")"
  on_mdns_host "$1" mkdir /run/avahi-daemon
  cat >"$folder/bus.conf" <<END
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>custom</type><listen>unix:path=$folder/bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
<allow own="*"/></policy></busconfig>
END
  printf '[server]\nuse-ipv6=no\nhost-name=host%s\n' "$1" >"$folder/avahi.conf"
  start_on_mdns_host "$1" dbus-daemon --config-file="$folder/bus.conf" --nofork --nopidfile \
    >"$folder/bus.log" 2>&1
  await test -S "$folder/bus" || fail "no message bus: $(cat "$folder/bus.log")"
  start_on_mdns_host "$1" avahi-daemon --file "$folder/avahi.conf" --no-drop-root --no-rlimits \
    --no-chroot --no-proc-title >"$folder/log" 2>&1
  await grep -q 'startup complete' "$folder/log" || fail "no avahi-daemon: $(cat "$folder/log")"
}
on_mdns_host() {
  local holder=host_$1
  DBUS_SYSTEM_BUS_ADDRESS=unix:path=$scratch/host$1/bus \
    nsenter --net --mount --target "${!holder}" "${@:2}"
}
# The same, in the background: the process is the command itself, so that it is killed at the end.
start_on_mdns_host() {
  local holder=host_$1
  (exec env DBUS_SYSTEM_BUS_ADDRESS="unix:path=$scratch/host$1/bus" \
    nsenter --net --mount --target "${!holder}" "${@:2}") &
  started+=("$!")
}
# finds LINK ADDRESS [NAME]: avahi of this host finds the example at this address.
finds() {
  local found
  found=$(on_mdns_host "$1" timeout "$time_limit" avahi-resolve -4 -n \
    "${3-libdgram-demo}.local" 2>&1) || true
  [ "$found" = "${3-libdgram-demo}.local"$'\t'"$2" ] || fail "avahi on link $1 found: $found"
}

run_mdns() {
  local tool
  for tool in avahi-daemon avahi-resolve dbus-daemon; do
    command -v $tool >/dev/null || skip "no $tool here; make setup installs it"
  done
  [ "$DGRAM_TEST_NAMESPACE" = yes ] || skip "no network namespace: $why_no_namespace"
  mdns_host 1
  mdns_host 2
  in_background
  await grep -q '^on eth2$' "$scratch/stdout" || fail "it has not joined on eth2"
  finds 1 10.0.1.2
  finds 2 10.0.2.2
  mdns_host 3 # an interface that comes later
  await grep -q '^on eth3$' "$scratch/stdout" || fail "it has not joined on eth3"
  finds 3 10.0.3.2
  ip link del eth1
  await grep -q '^no longer on eth1$' "$scratch/stdout" || fail "it has not left eth1"
  grep -q '^libdgram-demo.local is 10.0.3.2, to 10.0.3.1 by eth3$' "$scratch/stdout" ||
    fail "it does not tell what it has answered"
  stop
  expect_stderr ''
}

run_abort() {
  in_network 41234
  in_background "${arguments[@]}"
  await_port
  send hello "UDP4-SENDTO:127.0.0.1:$port,bind=127.0.0.1"
  lines="server got: hello from 127.0.0.1:$source"$'\n'
  printed "$lines"
  fails "bind EADDRINUSE 0.0.0.0:$port"$'\n' "$port"
  kill -INT "$pid"
  ends 0
  printed "$lines"
}

# resolves TYPE ANSWER SERVER CLIENT: dig(1), at this address of the client, asks that of the server.
# It takes an answer from no other address; of several of a host it may ask by any.
resolves() {
  local answer
  answer=$(dig +short +tries=1 +time="$time_limit" +noedns -b "$4" -p "$port" "@$3" \
    "example.test" "$1" 2>&1) || fail "dig @$3 from $4: $answer"
  [ "$answer" = "$2" ] || fail "dig @$3 from $4 got: $answer"
}

run_dns_wildcard() {
  command -v dig >/dev/null || skip "no dig here; make setup installs it"
  [ $has_ipv6 = yes ] || skip "there is no address ::1"
  [ "$DGRAM_TEST_NAMESPACE" = yes ] || skip "no network namespace: $why_no_namespace"
  ip address add 10.9.0.1/24 dev lo
  ip address add 10.9.0.2/24 dev lo
  ip address add fd09::1/64 dev lo nodad
  ip address add fd09::2/64 dev lo nodad
  await dig_can_bind fd09::2 || fail "no address fd09::2"
  in_network 53
  in_background
  await_port
  # Without choosing the source the server would answer from the address of the client.
  resolves TXT '"::ffff:10.9.0.1"' 10.9.0.1 10.9.0.2
  resolves TXT '"::ffff:10.9.0.2"' 10.9.0.2 10.9.0.1
  resolves TXT '"fd09::1"' fd09::1 fd09::2
  resolves TXT '"fd09::2"' fd09::2 fd09::1
  resolves A 192.0.2.1 10.9.0.2 10.9.0.2
  resolves A 192.0.2.1 fd09::2 fd09::2
  resolves MX '' 10.9.0.1 10.9.0.1
  stop
  printed ''
}
# dig_can_bind ADDRESS: the kernel has the route to it, which comes a moment after the address.
dig_can_bind() {
  ip -6 route show table local | grep -q "local $1 "
}

# answers TEXT: the example that runs sends a datagram back.
answers() {
  local to reply
  exec {to}<>"/dev/udp/127.0.0.1/$port"
  printf '%s' "$1" >&"$to"
  reply=$(timeout "$time_limit" dd bs=64 count=1 status=none <&"$to") || fail "it does not answer"
  exec {to}>&-
  [ "$reply" = "$1" ] || fail "it answers: $reply"
}

run_group() {
  in_network 41234
  in_background "${arguments[@]}"
  await_port
  printed "$(nproc) sockets listening on 0.0.0.0:$port"$'\n'
  answers hello
  kill -INT "$pid"
  ends 0
}

# Every seed passes; some find the bug, and the first of these finds it when it is repeated, too.
run_sim_retransmit() {
  local seed scale=${DGRAM_TEST_SCALE:-1}
  run_to_end_with 0 "0 of $((2000 / scale)) runs failed"$'\n' '' $((2000 / scale))
  "$program" $((scale > 1 ? 2000 : 10000)) bug >"$scratch/bug" && fail "no seed finds the bug"
  seed=$(sed -n 's/^seed \([0-9]*\) fails$/\1/p' "$scratch/bug")
  [ -n "$seed" ] || fail "no seed is printed"
  "$program" seed "$seed" bug >"$scratch/one" && fail "seed $seed does not find the bug again"
  "$program" seed "$seed" bug >"$scratch/two" && fail "seed $seed does not find it each time"
  cmp "$scratch/one" "$scratch/two" || fail "the same seed is another run"
  "$program" seed "$seed" >/dev/null || fail "seed $seed fails without the bug"
}

run_handover() {
  local first
  in_network 41234
  in_background "$scratch/offer" "${arguments[@]}"
  await_port
  printed "server listening 0.0.0.0:$port"$'\n'
  answers hello
  first=$pid
  expected_port=$port
  mv "$scratch/stdout" "$scratch/first" # the first server still writes to it

  in_background "$scratch/offer" "${arguments[@]}"
  await_port
  printed "server listening 0.0.0.0:$port"$'\n'
  answers again
  stop
  pid=$first
  ends 0
  same stdout "server listening 0.0.0.0:$port"$'\n''server replaced'$'\n' "$scratch/first"

  run_to_end_with 1 '' $'cannot replace it: name too long\n' "$scratch/$(printf '%0100d' 0)"
}

# Its slow side is in tests/netns/relay.c; here there is none.
run_relay() {
  in_background 0 9 127.0.0.1
  await printed_something || fail "it prints nothing"
  port=$(sed -nE 's/^relay listening 0.0.0.0:([0-9]+)$/\1/p' "$scratch/stdout")
  [ -n "$port" ] || fail "it does not listen"
  kill -TERM "$pid"
  ends 0
  printed "relay listening 0.0.0.0:$port"$'\n''received 0, paused 0 times, queued 0 at most'$'\n'
  fails $'Usage: relay PORT TO_PORT [TO_ADDRESS [MOST]]\n'
  fails $'relay: Port should be > 0 and < 65536; >= 0 to bind\n' 0 65536
}
printed_something() {
  [ -s "$scratch/stdout" ]
}

is_drained() {
  [ "$(ss -Huln "sport = :$port" | awk '{ print $2 }')" = 0 ]
}

# What it has received and what the kernel has dropped is what was sent.
run_sink() {
  local to i sent=400 received dropped
  in_network 41234
  in_background "${arguments[@]:-41234}" 20000
  await_port
  printed "sink listening 0.0.0.0:$port"$'\n'
  kill -STOP "$pid"
  exec {to}<>"/dev/udp/127.0.0.1/$port"
  for ((i = 0; i < sent; i++)); do
    printf '%0500d' "$i" >&"$to"
  done
  exec {to}>&-
  kill -CONT "$pid"
  await is_drained || fail "it does not receive"
  kill -INT "$pid"
  ends 0
  read -r received dropped < <(sed -n 's/^received \([0-9]*\), dropped \([0-9]*\)$/\1 \2/p' \
    "$scratch/stdout")
  [ "$dropped" -gt 0 ] || fail "nothing was dropped"
  grep -q "\"kernel_drops\":$dropped,.*\"send_errors\":{}" "$scratch/stdout" || fail "wrong JSON"
  [ $((received + dropped)) = $sent ] || fail "$received + $dropped, not $sent"
}

"run_$example"
