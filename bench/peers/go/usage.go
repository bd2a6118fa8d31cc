package main

// What the process has used of its core, and what it could not; the memory that it has. Linux only.

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const tick = 10 * time.Millisecond // what /proc/stat counts in

type usage struct {
	cpu    time.Duration // of all threads
	waited time.Duration // how long threads were ready to run but did not
	core   time.Duration // how long the core was busy, with any process
}

func usageNow() usage {
	return usage{cpuTime(), waitedTime(), coreTime()}
}

func (u usage) since(before usage) usage {
	return usage{u.cpu - before.cpu, u.waited - before.waited, u.core - before.core}
}

// keptOff is how long others kept the process off its core. The threads of a program in Go wait for
// each other most of the time that they wait: so it is no longer than others used the core.
func (u usage) keptOff() time.Duration {
	others := u.core - u.cpu
	switch {
	case others < tick:
		return 0
	case others < u.waited:
		return others
	default:
		return u.waited
	}
}

func cpuTime() time.Duration {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func waitedTime() (sum time.Duration) {
	tasks, _ := filepath.Glob("/proc/self/task/*/schedstat")
	for _, task := range tasks {
		var ran, waited time.Duration
		text, _ := os.ReadFile(task)
		fmt.Sscan(string(text), &ran, &waited) // nothing where the kernel does not report it
		sum += waited
	}
	return sum
}

// coreTime is that of the one core that the process is bound to; nothing if there are more.
func coreTime() time.Duration {
	status, _ := os.ReadFile("/proc/self/status")
	core := regexp.MustCompile(`(?m)^Cpus_allowed_list:\s*(\d+)$`).FindSubmatch(status)
	if core == nil {
		return 0
	}
	stat, _ := os.ReadFile("/proc/stat")
	_, line, _ := strings.Cut(string(stat), "cpu"+string(core[1])+" ")
	var user, nice, system, idle, iowait, irq, softirq, steal time.Duration
	fmt.Sscan(line, &user, &nice, &system, &idle, &iowait, &irq, &softirq, &steal)
	return (user + nice + system + irq + softirq + steal) * tick
}

// heapBytes is the memory in use that the runtime has, and the goroutines' stacks.
func heapBytes() int64 {
	var memory runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&memory)
	return int64(memory.HeapAlloc + memory.StackInuse)
}
