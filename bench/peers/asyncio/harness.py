"""
What makes the peer a side of a run: the lines between it and the runner, the clock, the CPU time,
the result; see ../../README.md. Does not depend on how datagrams are moved.
"""

import asyncio
import math
import os
import re
import resource
import sys
import threading
import time

QUIET_S = 0.05
UNSUPPORTED = 3  # the exit status of a peer that does not support a scenario


def fail(what, why, status=1):
    print(f"bench: {what}: {why}", file=sys.stderr)
    os._exit(status)  # from any thread, though one waits for the next line


def cpu_s():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def kept_off_s():
    """How long this process was ready to run but did not."""
    try:
        with open("/proc/self/schedstat", encoding="ascii") as schedstat:
            return int(schedstat.read().split()[1]) / 1e9
    except OSError:
        return 0  # the kernel does not report it


def percentiles(times):
    """The median, p99 and p99.9 of times in s, in us."""
    times = sorted(times)

    def at(permille):
        return times[math.ceil(len(times) * permille / 1000) - 1] * 1e6

    return f" p50_us={at(500):.2f} p99_us={at(990):.2f} p999_us={at(999):.2f}"


class Runner:
    """The runner's lines. The side exits when the runner has ended."""

    def __init__(self):
        self.loop = asyncio.get_running_loop()
        self.lines = asyncio.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        for line in sys.stdin:
            self.loop.call_soon_threadsafe(self.lines.put_nowait, line.strip())
        os._exit(1)

    async def wait_for(self, word):
        line = await self.lines.get()
        if line != word:
            fail("stdin", f"'{line}', not '{word}'")


class Side:
    def __init__(self, runner, size, seconds, count, flows, options):
        self.runner = runner
        self.size = size
        self.seconds = seconds
        self.count = count  # of sockets, in the scenarios with a number in their name
        self.flows = flows
        self.ports = [int(port) for port in options.get("ports", "").split(",") if port]
        self.arrived = 0
        self.wrong = 0
        self.counted = 0  # what the result is about: datagrams sent or received
        self.times = []  # of round trips, in s
        self.bytes_per_socket = 0
        self.time_over = False  # for a sender: stop

    def check(self, datagram, reader):
        self.arrived += 1
        if not reader.read(datagram):
            self.wrong += 1

    def take(self, datagram, reader):
        self.check(datagram, reader)
        self.counted += 1

    async def begin(self, ports=()):
        """The side is ready: waits for the other, then starts the clock. `ports` is where it is."""
        print(f"ready {','.join(map(str, ports))}".rstrip(), flush=True)
        await self.runner.wait_for("begin")
        self.started = time.monotonic()
        self.cpu = cpu_s()
        self.kept_off = kept_off_s()
        asyncio.get_running_loop().call_later(self.seconds, self._end_time)

    def _end_time(self):
        self.rate = self.counted / (time.monotonic() - self.started)
        self.time_over = True

    async def all_received(self):
        """For a receiver: the sender has ended, and nothing has arrived for a while."""
        await self.runner.wait_for("end")
        before = -1
        while before != self.arrived or not self.time_over:
            before = self.arrived
            await asyncio.sleep(QUIET_S)

    def result(self):
        cpu = cpu_s() - self.cpu
        kept_off = (kept_off_s() - self.kept_off) / (time.monotonic() - self.started)
        line = f"result counted={self.counted} rate={self.rate:.0f} cpu_ns={cpu * 1e9:.0f}"
        line += f" kept_off={kept_off:.4f} wrong={self.wrong}"
        if self.times:
            line += percentiles(self.times)
        if self.bytes_per_socket > 0:
            line += f" bytes_per_socket={self.bytes_per_socket:.0f}"
        return line


async def _play(role, *plan):
    side = Side(Runner(), *plan)
    await role(side)
    print(side.result(), flush=True)
    os._exit(0)  # a thread waits for the runner's next line


def run(roles, args, flows):
    """
    The main program: executes ROLE SCENARIO SIZE SECONDS [KEY=VALUE ...]; `echo-16` is the scenario
    `echo` with 16 sockets. `roles` has the roles by (scenario, role), `flows` how many a scenario
    has if that is not the number in its name.
    """
    role, name, size, seconds, *rest = args
    scenario, count = re.fullmatch(r"(.*?)(?:-(\d+))?", name).groups("1")
    options = dict(option.split("=") for option in rest)
    if (scenario, role) not in roles:
        fail(f"{role} {name}", "this peer does not support it", UNSUPPORTED)
    flows = int(options.get("flows", flows.get(scenario, count)))
    plan = int(size), float(seconds), int(count), flows, options
    asyncio.run(_play(roles[scenario, role], *plan))
