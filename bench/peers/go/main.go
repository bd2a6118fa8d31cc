// The benchmark's peer in Go: net.UDPConn, as a plain program uses it. A goroutine that blocks in a
// read for each socket, one that writes, addresses as netip.AddrPort.
package main

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"time"
)

const (
	recvBuffer  = 4 * 1024 * 1024
	maxDatagram = 1500 // what a program makes room for that expects no fragments
	clients     = 100  // in mixed
	replySize   = 40
)

var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

func open() *net.UDPConn {
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, 0)))
	check(err)
	return conn
}

func connect(port uint16) *net.UDPConn {
	to := net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, port))
	conn, err := net.DialUDP("udp4", nil, to)
	check(err)
	return conn
}

func portOf(conn *net.UDPConn) string {
	return strconv.Itoa(conn.LocalAddr().(*net.UDPAddr).Port)
}

// A listener is a socket with the goroutine that reads it.
type listener struct {
	conn       *net.UDPConn
	begun, end sync.WaitGroup
}

func listen(onDatagram func(conn *net.UDPConn, datagram []byte, from netip.AddrPort)) *listener {
	l := &listener{conn: open()}
	check(l.conn.SetReadBuffer(recvBuffer))
	l.begun.Add(1)
	l.end.Add(1)
	go l.read(onDatagram)
	l.begun.Wait()
	return l
}

func (l *listener) read(onDatagram func(*net.UDPConn, []byte, netip.AddrPort)) {
	defer l.end.Done()
	buffer := make([]byte, maxDatagram)
	l.begun.Done()
	for {
		size, from, err := l.conn.ReadFromUDPAddrPort(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		check(err)
		onDatagram(l.conn, buffer[:size], from)
	}
}

func (l *listener) close() {
	check(l.conn.Close())
	l.end.Wait()
}

func (l *listener) run(s *side) {
	s.begin(portOf(l.conn))
	s.allReceived()
	l.close()
}

func stream(s *side) {
	conn := connect(s.ports[0])
	payload := make([]byte, s.size)
	s.begin()
	for sequence := uint64(0); !s.timeOver.Load(); sequence++ {
		write(payload, sequence)
		_, err := conn.Write(payload)
		check(err)
		s.counted.Add(1)
	}
}

func fanOut(s *side) {
	conn := open()
	addresses := make([]netip.AddrPort, len(s.ports))
	for i, port := range s.ports {
		addresses[i] = netip.AddrPortFrom(loopback, port)
	}
	payload := make([]byte, s.size)
	s.begin()
	for sequence := uint64(0); !s.timeOver.Load(); sequence++ {
		write(payload, sequence)
		_, err := conn.WriteToUDPAddrPort(payload, addresses[sequence%uint64(len(addresses))])
		check(err)
		s.counted.Add(1)
	}
}

func receive(s *side) {
	r := newReader(s.size, s.flows)
	listen(func(_ *net.UDPConn, datagram []byte, _ netip.AddrPort) { s.take(datagram, r) }).run(s)
}

func echo(s *side) {
	r := newReader(s.size, s.flows)
	listen(func(conn *net.UDPConn, datagram []byte, from netip.AddrPort) {
		s.take(datagram, r)
		_, err := conn.WriteToUDPAddrPort(datagram, from)
		check(err)
	}).run(s)
}

func pingpong(s *side) {
	conn := connect(s.ports[0])
	r := newReader(s.size, s.flows)
	payload := make([]byte, s.size)
	answer := make([]byte, maxDatagram)
	s.begin()
	for sequence := uint64(0); !s.timeOver.Load(); sequence++ {
		write(payload, sequence)
		sent := time.Now()
		_, err := conn.Write(payload)
		check(err)
		size, err := conn.Read(answer)
		check(err)
		s.times = append(s.times, time.Since(sent))
		s.take(answer[:size], r)
	}
}

// Each socket has flows of its own, even if it receives no datagrams.
func receiveOnMany(s *side) {
	listeners := make([]*listener, s.count)
	ports := make([]string, s.count)
	readers := make([]*reader, s.count)
	for i := range readers {
		readers[i] = newReader(s.size, 1)
	}
	listen(nil).close() // the first one allocates what all share
	before := heapBytes()
	for i, r := range readers {
		r := r
		listeners[i] = listen(func(_ *net.UDPConn, datagram []byte, _ netip.AddrPort) {
			s.take(datagram, r)
		})
	}
	s.bytesPerSocket = (heapBytes() - before) / int64(s.count)
	for i, l := range listeners {
		ports[i] = portOf(l.conn)
	}
	s.begin(ports...)
	s.allReceived()
	for _, l := range listeners {
		l.close()
	}
}

// A server of many clients; the sequence number of a datagram identifies its client.
func serve(s *side) {
	r := newReader(replySize, clients)
	var addresses [clients]netip.AddrPort // read by others once all are known
	unknown, allKnown := clients, make(chan struct{})

	addClient := func(address *netip.AddrPort, from netip.AddrPort) {
		*address = from
		unknown--
		if unknown == 0 {
			close(allKnown)
		}
	}
	l := listen(func(_ *net.UDPConn, datagram []byte, from netip.AddrPort) {
		s.check(datagram, r)
		if address := &addresses[sequenceOf(datagram)%clients]; !address.IsValid() {
			addClient(address, from)
		}
	})
	s.begin(portOf(l.conn))
	<-allKnown
	sendMix(s, l.conn, addresses[:])
	s.allReceived()
	l.close()
}

func sendMix(s *side, conn *net.UDPConn, addresses []netip.AddrPort) {
	m := newMix(s.size, len(addresses))
	buffer := make([]byte, s.size)
	for !s.timeOver.Load() {
		client, size, sequence := m.next()
		payload := buffer[:size]
		write(payload, sequence)
		_, err := conn.WriteToUDPAddrPort(payload, addresses[client])
		check(err)
		s.counted.Add(1)
	}
}

func main() {
	run(map[string]roles{
		"stream":   {send: stream, receive: receive},
		"fanin":    {receive: receive, flows: 256},
		"fanout":   {send: fanOut},
		"pingpong": {send: pingpong, receive: echo},
		"echo":     {receive: echo},
		"many":     {receive: receiveOnMany},
		"many-all": {receive: receiveOnMany},
		"mixed":    {receive: serve},
	}, os.Args[1:])
}
