package main

// The application's part, as in work.h: the same bytes, the same checks. Does not depend on
// sockets, processes or time.

import "encoding/binary"

const (
	sequenceSize = 8
	minSize      = sequenceSize + 1 // at least one byte of pattern after the sequence number
)

func write(payload []byte, sequence uint64) {
	binary.LittleEndian.PutUint64(payload, sequence)
	pattern := payload[sequenceSize:]
	for i := range pattern {
		pattern[i] = byte(sequence)
	}
}

func sequenceOf(payload []byte) uint64 {
	if len(payload) < sequenceSize {
		return 0
	}
	return binary.LittleEndian.Uint64(payload)
}

// A reader has the state of a receiver's flows: the n-th numbers its datagrams n, n + the count
// of flows and so on.
type reader struct {
	size     int      // what each datagram must have
	expected []uint64 // of each flow: the lowest sequence number that may arrive next
}

func newReader(size, flows int) *reader {
	return &reader{size, make([]uint64, flows)}
}

// read returns whether size, content and order are right; any datagram that is not fails the run.
func (r *reader) read(payload []byte) bool {
	if len(payload) != r.size {
		return false
	}
	sequence := sequenceOf(payload)
	expected := &r.expected[sequence%uint64(len(r.expected))]
	right := sequence >= *expected && payload[r.size-1] == byte(sequence)
	*expected = sequence + 1
	return right
}

// A mix is what the server of `mixed` sends, the same in every run: runs of 1 to 10 datagrams to
// one client, now and then a shorter one. Those to the n-th client are the n-th flow.
type mix struct {
	size      int      // of a datagram that is not shorter
	sequences []uint64 // of each client: the next one
	client    int      // the destination of the current run
	left      uint32   // in that run
	drawn     int      // datagrams
	state     uint32
}

func newMix(size, clients int) *mix {
	m := &mix{size: size, sequences: make([]uint64, clients), state: 1}
	for i := range m.sequences {
		m.sequences[i] = uint64(i)
	}
	return m
}

// random is xorshift32.
func (m *mix) random() uint32 {
	m.state ^= m.state << 13
	m.state ^= m.state >> 17
	m.state ^= m.state << 5
	return m.state
}

func (m *mix) next() (client, size int, sequence uint64) {
	if m.left == 0 {
		m.client = int(m.random() % uint32(len(m.sequences)))
		m.left = 1 + m.random()%10
	}
	m.left--
	client, size, sequence = m.client, m.size, m.sequences[m.client]
	m.drawn++
	if m.drawn%16 == 0 {
		size = minSize + int(m.random()%uint32(m.size-minSize))
	}
	m.sequences[client] += uint64(len(m.sequences))
	return client, size, sequence
}
