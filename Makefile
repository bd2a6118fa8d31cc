# The entry point. CMake does the work; CMakePresets.json names its builds, each in build/NAME.

PREFIX ?= /usr/local
JOBS := $(shell getconf _NPROCESSORS_ONLN)
FOR ?= lint

.PHONY: build setup demo test test-machines soak fuzz bench growth scaling fairness hostile \
  programs lint analyze mutants docs install clean help
.NOTPARALLEL: # the targets share build folders; ninja and ctest run in parallel themselves

build: needs-build
	cmake --preset release
	cmake --build --preset release --target dgram dgram_static

# Only this, `demo` and `test` install packages of the system. The others report what is missing.
setup:
	@scripts/setup.sh install $(FOR)

needs-%:
	@scripts/setup.sh check $*

setup-%:
	@scripts/setup.sh install $*

demo: setup-demo
	cmake --preset release
	cmake --build --preset release --target example_server
	scripts/node.sh build
	@scripts/demo.sh

# The suite four times: plain, under two sets of sanitizers, under valgrind; CMakePresets.json
# defines what each omits. The tests of host names without libidn2. Then the suite of the drop-in
# for Node.js, on several versions of it.
test: setup-test test-dev test-plain test-asan test-tsan test-valgrind test-node test-node-versions

test-node:
	scripts/node.sh test

# What takes minutes.
test-long:
	cmake --preset dev
	cmake --build --preset dev --target torture
	DGRAM_TORTURE_LONG=1 build/dev/tests/torture

test-node-versions:
	scripts/node.sh versions

# Other machines, C libraries, compilers, and versions of libuv; hours. MACHINES="i386 musl": these.
test-machines:
	@scripts/machines.sh $(MACHINES)

# `make test-tsan` and others: the suite in the build of one preset; valgrind runs that of dev.
test-valgrind: preset = dev
test-%: preset = $*
test-%:
	cmake --preset $(preset)
	cmake --build --preset $(preset)
	ctest --preset $* --parallel $(JOBS)

# MINUTES=30 of mixed load with faults, kills, restarts and hand-overs.
soak: needs-growth
	cmake --preset dev
	cmake --build --preset dev --target soak
	tests/soak/run.sh build/dev/tests/soak

fuzz:
	@scripts/fuzz.sh

mutants:
	@scripts/mutants.sh

bench: needs-bench needs-build programs bench/peers/node_modules/.package-lock.json
	scripts/node.sh build || echo "the drop-in for Node.js does not build" >&2
	bench/run.sh build/release/bench

growth: needs-growth
	cmake --preset dev
	cmake --build --preset dev --target cost
	bench/growth.sh build/dev/tests/cost

scaling: needs-build programs
	bench/scaling.sh build/release/bench

fairness: needs-build programs
	bench/fairness.sh build/release/bench

hostile: needs-growth programs
	bench/hostile.sh build/release/bench

# The programs that are measured.
programs:
	cmake --preset release
	cmake --build --preset release

# bun from npm. Its own install script, which would download more, is not run; without bun the
# benchmark skips the peer.
bench/peers/node_modules/.package-lock.json: bench/peers/package-lock.json
	npm ci --prefix bench/peers --ignore-scripts --no-audit --no-fund || echo "npm has no bun" >&2

lint:
	@scripts/lint.sh

# gcc -fanalyzer; clang's is part of `lint`.
analyze:
	@scripts/analyze.sh

docs:
	@scripts/docs.sh

install: build
	cmake --install build/release --prefix $(abspath $(PREFIX))

clean:
	rm -rf build

help:
	@echo "make                      build the library, optimised, in build/release"
	@echo "make setup                install what build, tests, linters and docs need; FOR='bench fuzz'"
	@echo "make demo                 run servers that receive datagrams, in C and on Node.js"
	@echo "make test                 run every test: plain, with sanitizers, with valgrind"
	@echo "make test-node            run the tests of the drop-in for Node.js; -versions: on others"
	@echo "make test-PRESET          run the tests in one build: dev plain asan valgrind tsan coverage"
	@echo "make test-machines        run the tests on other machines, emulated, and with other libraries"
	@echo "make test-long            make calls fail in more ways than \`make test\` does"
	@echo "make soak                 mixed load with faults, kills, hand-overs; MINUTES=30 is the default"
	@echo "make fuzz                 fuzz each target for a minute; FUZZ_SECONDS=3600: longer"
	@echo "make mutants              change the library in one place each, and see which test notices"
	@echo "make bench                measure, in comparison with other libraries"
	@echo "make growth               count instructions as sockets, flows and queues grow; draw charts"
	@echo "make scaling              measure the effect of more threads on a server"
	@echo "make fairness             measure the effect of a flood on the rest of its loop"
	@echo "make hostile              measure a server under hostile traffic, beside libuv"
	@echo "make lint                 run formatter and linters; check the contracts of the headers"
	@echo "make analyze              run gcc's static analyzer; clang's is a part of make lint"
	@echo "make docs                 generate HTML and man pages from the headers, in build/docs"
	@echo "make install PREFIX=/usr  install; PREFIX is /usr/local unless given"
	@echo "make clean                remove build/"
