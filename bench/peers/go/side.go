package main

// What makes the peer a side of a run: the lines between it and the runner, the clock, the CPU
// time, the result; see ../../README.md. CPU time is that of the whole process, so that it has that
// of the runtime's helper threads in it. Does not depend on how datagrams are moved.

import (
	"bufio"
	"fmt"
	"os"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const (
	quiet       = 50 * time.Millisecond
	unsupported = 3 // the exit status of a peer that does not support a scenario
)

type side struct {
	size    int
	count   int // of sockets, in the scenarios with a number in their name
	flows   int
	seconds float64
	ports   []uint16 // for a sender: the destinations, on 127.0.0.1
	lines   chan string

	started  time.Time
	before   usage       // what was used when the clock was started
	timeOver atomic.Bool // for a sender: stop
	rate     float64     // there when timeOver is set

	arrived        atomic.Uint64
	wrong          atomic.Uint64
	counted        atomic.Uint64   // what the result is about: datagrams sent or received
	times          []time.Duration // of round trips
	bytesPerSocket int64
}

func fail(what string, why any) {
	fmt.Fprintf(os.Stderr, "bench: %s: %v\n", what, why)
	os.Exit(1)
}

func check(err error) {
	if err != nil {
		fail("go", err)
	}
}

func number[T int | uint16](text string) T {
	value, err := strconv.ParseUint(text, 10, 31)
	check(err)
	return T(value)
}

// newSide reads SIZE SECONDS [KEY=VALUE ...].
func newSide(count int, shape roles, args []string) *side {
	seconds, err := strconv.ParseFloat(args[1], 64)
	check(err)
	s := &side{size: number[int](args[0]), count: count, flows: shape.flows, seconds: seconds}
	if s.flows == 0 {
		s.flows = count
	}
	for _, option := range args[2:] {
		key, value, _ := strings.Cut(option, "=")
		switch key {
		case "flows":
			s.flows = number[int](value)
		case "ports":
			for _, port := range strings.Split(value, ",") {
				s.ports = append(s.ports, number[uint16](port))
			}
		default:
			fail(option, "no such option")
		}
	}
	s.lines = make(chan string)
	go s.listenToRunner()
	return s
}

// listenToRunner ends the process when the runner has ended.
func (s *side) listenToRunner() {
	for scanner := bufio.NewScanner(os.Stdin); scanner.Scan(); {
		s.lines <- scanner.Text()
	}
	os.Exit(1)
}

func (s *side) waitFor(word string) {
	if line := <-s.lines; line != word {
		fail("stdin", fmt.Sprintf("'%s', not '%s'", line, word))
	}
}

// begin is called when the side is ready: it waits for the other, then starts the clock. A
// receiver reports its ports.
func (s *side) begin(ports ...string) {
	fmt.Println(strings.TrimRight("ready "+strings.Join(ports, ","), " "))
	s.waitFor("begin")
	s.started, s.before = time.Now(), usageNow()
	time.AfterFunc(time.Duration(s.seconds*float64(time.Second)), s.endTime)
}

func (s *side) endTime() {
	s.rate = float64(s.counted.Load()) / time.Since(s.started).Seconds()
	s.timeOver.Store(true)
}

func (s *side) check(datagram []byte, r *reader) {
	s.arrived.Add(1)
	if !r.read(datagram) {
		s.wrong.Add(1)
	}
}

func (s *side) take(datagram []byte, r *reader) {
	s.check(datagram, r)
	s.counted.Add(1)
}

// allReceived is for a receiver: the sender has ended, and nothing has arrived for a while.
func (s *side) allReceived() {
	s.waitFor("end")
	for before, now := uint64(0), s.arrived.Load()+1; before != now || !s.timeOver.Load(); {
		time.Sleep(quiet)
		before, now = now, s.arrived.Load()
	}
}

// printTimes prints the median, p99 and p99.9.
func (s *side) printTimes() {
	sort.Slice(s.times, func(i, j int) bool { return s.times[i] < s.times[j] })
	at := func(permille int) float64 {
		return s.times[(len(s.times)*permille+999)/1000-1].Seconds() * 1e6
	}
	fmt.Printf(" p50_us=%.2f p99_us=%.2f p999_us=%.2f", at(500), at(990), at(999))
}

func (s *side) printResult() {
	used := usageNow().since(s.before)
	keptOff := used.keptOff().Seconds() / time.Since(s.started).Seconds()
	fmt.Printf("result counted=%d rate=%.0f cpu_ns=%d kept_off=%.4f wrong=%d",
		s.counted.Load(), s.rate, used.cpu.Nanoseconds(), keptOff, s.wrong.Load())
	if len(s.times) > 0 {
		s.printTimes()
	}
	if s.bytesPerSocket > 0 {
		fmt.Printf(" bytes_per_socket=%d", s.bytesPerSocket)
	}
	fmt.Println()
}

// The roles of the peer in a scenario, and the count of flows if that is not the number in the
// scenario's name.
type roles struct {
	send, receive func(*side)
	flows         int
}

// run executes ROLE SCENARIO SIZE SECONDS [KEY=VALUE ...]; `echo-16` is the scenario `echo` with 16
// sockets.
func run(scenarios map[string]roles, args []string) {
	if len(args) < 4 {
		fail("usage", "ROLE SCENARIO SIZE SECONDS [KEY=VALUE ...]")
	}
	name := regexp.MustCompile(`^(.*?)(?:-(\d+))?$`).FindStringSubmatch(args[1])
	shape, count := scenarios[name[1]], 1
	if name[2] != "" {
		count = number[int](name[2])
	}
	role := map[string]func(*side){"send": shape.send, "receive": shape.receive}[args[0]]
	if role == nil {
		fmt.Fprintf(os.Stderr, "bench: %s %s: this peer does not support it\n", args[0], args[1])
		os.Exit(unsupported)
	}
	s := newSide(count, shape, args[2:])
	role(s)
	s.printResult()
}
