#!/usr/bin/busybox sh
# shellcheck shell=dash
# The first process of the virtual machine in which scripts/machines.sh runs tests: makes a small
# system of Debian's packages, runs the tests, and switches the machine off.
set -u
export PATH=/usr/bin:/usr/sbin:/busybox HOME=/root

busybox=/usr/bin/busybox
$busybox mkdir -p /busybox
$busybox --install -s /busybox # for what no package has brought
[ -e /usr/bin/sh ] || ln -s dash /usr/bin/sh # busybox's prefers its own ip(8)
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs run /run
mkdir -p /dev/shm
ln -sf /proc/self/fd /dev/fd

# What the tests in network namespaces need: twice, for those that need others.
for _ in 1 2; do
  for module in llc stp bridge veth dummy macvlan sch_fq sch_netem sch_ingress inet_diag udp_diag; do
    find /lib/modules -name "$module.ko*" -exec insmod {} \; 2>/dev/null
  done
done

# Kernels before 6.17 have 208 KiB, too little for the bursts of some tests.
sysctl -q -w net.core.rmem_max=4194304 net.core.wmem_max=4194304
ip link set lo up
# An interface with a default route, as any machine has.
ip link add eth0 type dummy
ip address add 192.0.2.2/24 dev eth0
ip address add 2001:db8::2/64 dev eth0 nodad
ip link set eth0 up
ip route add default via 192.0.2.1
ip -6 route add default via 2001:db8::1
hostname guest
echo "GUEST kernel $(uname -r) $(uname -m)"
bash /machines/run.sh
echo "GUEST end"
poweroff -f
