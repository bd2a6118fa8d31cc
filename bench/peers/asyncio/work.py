"""
The application's part, as in work.h: the same bytes, the same checks. Does not depend on
sockets, processes or time.
"""

SEQUENCE_SIZE = 8
MIN_SIZE = SEQUENCE_SIZE + 1  # at least one byte of pattern after the sequence number


def write(sequence, size):
    pattern = bytes((sequence & 0xFF,))
    return sequence.to_bytes(SEQUENCE_SIZE, "little") + pattern * (size - SEQUENCE_SIZE)


def sequence_of(payload):
    return int.from_bytes(payload[:SEQUENCE_SIZE], "little")


class Reader:
    """The state of a receiver's flows: the n-th numbers its datagrams n, n + flows and so on."""

    def __init__(self, size, flows):
        self.size = size  # what each datagram must have
        self.flows = flows
        self.expected = [0] * flows  # the lowest sequence numbers that may arrive next

    def read(self, payload):
        """Whether size, content and order are right; any datagram that is not fails the run."""
        if len(payload) != self.size:
            return False
        sequence = sequence_of(payload)
        flow = sequence % self.flows
        right = sequence >= self.expected[flow] and payload[-1] == sequence & 0xFF
        self.expected[flow] = sequence + 1
        return right


def xorshift32():
    state = 1
    while True:
        state ^= state << 13 & 0xFFFFFFFF
        state ^= state >> 17
        state ^= state << 5 & 0xFFFFFFFF
        yield state


def mix(size, clients):
    """
    What the server of `mixed` sends, the same in every run: runs of 1 to 10 datagrams to one
    client, now and then a shorter one. Yields each one's client, size and sequence number; those to
    the n-th client are the n-th flow.
    """
    numbers = xorshift32()
    sequences = list(range(clients))  # the next one to each client
    drawn = 0
    while True:
        client = next(numbers) % clients
        for _ in range(1 + next(numbers) % 10):
            drawn += 1
            short = drawn % 16 == 0
            length = MIN_SIZE + next(numbers) % (size - MIN_SIZE) if short else size
            yield client, length, sequences[client]
            sequences[client] += clients
