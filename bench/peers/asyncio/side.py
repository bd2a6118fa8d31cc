"""
The benchmark's peer in Python: asyncio's datagram endpoints, as a plain program uses them, on the
standard library's event loop. ROLE SCENARIO SIZE SECONDS [KEY=VALUE ...]
"""

import asyncio
import gc
import socket
import sys
import time
import tracemalloc

import work
from harness import fail, run

HOST = "127.0.0.1"
RECV_BUFFER = 4 * 1024 * 1024
MAX_DATAGRAM = 65535
WINDOW = 256  # datagrams between two iterations of the loop
CLIENTS, REPLY_SIZE = 100, 40  # in mixed


class Endpoint(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport
        self.writable = asyncio.Event()
        self.writable.set()
        transport.set_write_buffer_limits(high=0)  # pause_writing() at the first EAGAIN

    def pause_writing(self):
        self.writable.clear()

    def resume_writing(self):
        self.writable.set()

    async def all_sent(self):
        """Lets the loop iterate, and waits until the transport has nothing left to send."""
        await asyncio.sleep(0)
        await self.writable.wait()

    def error_received(self, exc):
        fail("asyncio", exc)


class Receiver(Endpoint):
    def __init__(self, side, reader):
        self.side = side
        self.reader = reader

    def connection_made(self, transport):
        super().connection_made(transport)
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECV_BUFFER)
        # For asyncio's 256 KiB, malloc() would request memory from the system for each datagram.
        transport.max_size = MAX_DATAGRAM

    def datagram_received(self, data, addr):
        self.side.take(data, self.reader)


class Echo(Receiver):
    def datagram_received(self, data, addr):
        self.side.take(data, self.reader)
        self.transport.sendto(data, addr)


class Client(Receiver):
    """Has one datagram in flight at any time."""

    def __init__(self, side, reader):
        super().__init__(side, reader)
        self.sequence = 0
        self.ended = asyncio.Event()

    def send_request(self):
        payload = work.write(self.sequence, self.side.size)
        self.sequence += 1
        self.sent_at = time.perf_counter()
        self.transport.sendto(payload)

    def datagram_received(self, data, addr):
        self.side.times.append(time.perf_counter() - self.sent_at)
        self.side.take(data, self.reader)
        if self.side.time_over:
            self.ended.set()
        else:
            self.send_request()


class Server(Receiver):
    """Has many clients; the sequence number of a datagram identifies its client."""

    def __init__(self, side, reader):
        super().__init__(side, reader)
        self.addresses = {}
        self.all_known = asyncio.Event()

    def datagram_received(self, data, addr):
        self.side.check(data, self.reader)
        client = work.sequence_of(data) % CLIENTS
        if client not in self.addresses:
            self.add_client(client, addr)

    def add_client(self, client, addr):
        self.addresses[client] = addr
        if len(self.addresses) == CLIENTS:
            self.all_known.set()


async def bound(factory):
    loop = asyncio.get_running_loop()
    _, endpoint = await loop.create_datagram_endpoint(factory, local_addr=(HOST, 0))
    return endpoint


async def connected(factory, port):
    loop = asyncio.get_running_loop()
    _, endpoint = await loop.create_datagram_endpoint(factory, remote_addr=(HOST, port))
    return endpoint


def port_of(endpoint):
    return endpoint.transport.get_extra_info("sockname")[1]


async def stream(side):
    endpoint = await connected(Endpoint, side.ports[0])
    sequence = 0
    await side.begin()
    while not side.time_over:
        for _ in range(WINDOW):
            endpoint.transport.sendto(work.write(sequence, side.size))
            sequence += 1
        await endpoint.all_sent()
        side.counted = sequence


async def fan_out(side):
    endpoint = await bound(Endpoint)
    addresses = [(HOST, port) for port in side.ports]
    sequence = 0
    await side.begin()
    while not side.time_over:
        for address in addresses:
            endpoint.transport.sendto(work.write(sequence, side.size), address)
            sequence += 1
        await endpoint.all_sent()
        side.counted = sequence


async def listen(side, kind):
    endpoint = await bound(lambda: kind(side, work.Reader(side.size, side.flows)))
    await side.begin([port_of(endpoint)])
    await side.all_received()


async def receive(side):
    await listen(side, Receiver)


async def echo(side):
    await listen(side, Echo)


async def receive_on_many(side):
    """Each socket has flows of its own, even if it receives no datagrams."""
    readers = [work.Reader(side.size, 1) for _ in range(side.count)]
    # The first endpoint allocates what all share.
    (await bound(Endpoint)).transport.close()
    gc.collect()
    tracemalloc.start()
    endpoints = [await bound(lambda: Receiver(side, reader)) for reader in readers]
    gc.collect()
    side.bytes_per_socket = tracemalloc.get_traced_memory()[0] / side.count
    tracemalloc.stop()
    await side.begin(map(port_of, endpoints))
    await side.all_received()


async def pingpong(side):
    reader = work.Reader(side.size, side.flows)
    client = await connected(lambda: Client(side, reader), side.ports[0])
    await side.begin()
    client.send_request()
    await client.ended.wait()


async def serve(side):
    server = await bound(lambda: Server(side, work.Reader(REPLY_SIZE, CLIENTS)))
    await side.begin([port_of(server)])
    await server.all_known.wait()
    await send_mix(side, server)
    await side.all_received()


async def send_mix(side, server):
    datagrams = work.mix(side.size, CLIENTS)
    while not side.time_over:
        for _ in range(WINDOW):
            client, size, sequence = next(datagrams)
            server.transport.sendto(work.write(sequence, size), server.addresses[client])
        await server.all_sent()
        side.counted += WINDOW


ROLES = {
    ("stream", "send"): stream,
    ("stream", "receive"): receive,
    ("fanin", "receive"): receive,
    ("fanout", "send"): fan_out,
    ("pingpong", "send"): pingpong,
    ("pingpong", "receive"): echo,
    ("echo", "receive"): echo,
    ("many", "receive"): receive_on_many,
    ("many-all", "receive"): receive_on_many,
    ("mixed", "receive"): serve,
}

if __name__ == "__main__":
    run(ROLES, sys.argv[1:], flows={"fanin": 256})
