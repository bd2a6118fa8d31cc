#!/bin/sh
# Usage: launch.sh PROGRAM [ARGUMENT...]
# Runs a program of the tests, by the command in DGRAM_TEST_LAUNCHER if that is set.
# shellcheck disable=SC2086 # the command is words
exec $DGRAM_TEST_LAUNCHER "$@"
