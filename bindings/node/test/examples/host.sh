#!/bin/sh
# Usage: unshare --net host.sh COMMAND...
# Makes of a new network namespace the host that the examples expect, and runs the command there.
# eth0 is the way to everywhere: 10.0.1.2 and fe80::2. eth1 is another: 10.0.0.2 and fe80::1:2, and
# the second interface by its number, which is 2.
set -e

# ip(8) is in sbin, which is not on every user's path.
PATH=$PATH:/usr/sbin:/sbin

# host_on_link LINK NUMBER
host_on_link() {
  ip link add name "eth$1" index "$2" type veth peer name "far$1" index "1$2"
  for end in eth far; do
    ip link set "$end$1" addrgenmode none
    ip link set "$end$1" up
  done
  ip address add "10.0.$((1 - $1)).2/24" dev "eth$1"
  ip address add "fe80::$1:2/64" dev "eth$1" nodad
}

ip link set lo up
host_on_link 0 3
host_on_link 1 2
ip route add default dev eth0
ip -6 route add multicast ff02::114 dev eth0 table local
exec "$@"
