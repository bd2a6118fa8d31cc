#!/usr/bin/env python3
"""Runs the tests on a sample of the mutants, and reports which none of them noticed.

Usage: run.py BUILD LIST FOLDER [PATH...]

1. Each test runs once without a mutant. It has to pass; its time is taken, and the mutants that it
   reaches. FOLDER keeps this for the next run on the same build.
2. MUTANTS_PER_FILE mutants of each file of src/ are chosen by MUTANTS_SEED, all if it is `all`; of
   the files whose path begins with a PATH, if any is given. MUTANTS_AGAIN=1 takes the sample of
   the last run, and runs those that survived once more.
3. Tests that reach a mutant run on it until one fails twice, crashes, or does not end in time;
   first those that are fast, that reach much of its file and that found its neighbours. After
   MUTANTS_SECONDS of tests a mutant counts as survived; `all` tries all of them.
4. FOLDER/results.json has the result of each mutant. The table, and the survivors that
   equivalent.txt does not explain, are printed. It fails if that file is wrong, but not if a mutant
   survives.
"""
import collections
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
EXCLUDED = {"install", "cost",  # what they run is built without mutants
            "torture"}  # it takes minutes
SKIPPED = 77
LONGEST = 60  # seconds of a test without a mutant
# A mutant may loop for ever, allocate without end, or send a signal to a wrong process: its test has
# a limit of memory, and process ids of its own where the system permits that.
LIMITED = ["sh", "-c", 'ulimit -c 0; ulimit -f 2000000; ulimit -v 8000000; "$@"; exit $?', "sh"]
NAMESPACE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]


class Test:
    def __init__(self, described):
        properties = {entry["name"]: entry["value"] for entry in described.get("properties", [])}
        self.name = described["name"]
        self.command = described.get("command")
        self.labels = set(properties.get("LABELS", []))
        self.folder = properties.get("WORKING_DIRECTORY")
        self.environment = dict(entry.split("=", 1) for entry in properties.get("ENVIRONMENT", []))
        self.seconds = 0.0
        self.reached = b""


class Runner:
    def __init__(self):
        works = shutil.which("unshare") is not None and subprocess.run(
            NAMESPACE + ["true"], stderr=subprocess.DEVNULL, check=False).returncode == 0
        self.prefix = (NAMESPACE if works else []) + LIMITED

    def run(self, test, limit, **variables):
        """The exit status of a test, and what it printed; None if it did not end in time."""
        # A walk is random; it has to be the same with a mutant as without.
        environment = {**os.environ, **test.environment, "DGRAM_TEST_SEED": "1",
                       "DGRAM_TEST_SECONDS": "1", **variables}
        process = subprocess.Popen(self.prefix + test.command, cwd=test.folder, env=environment,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, start_new_session=True)
        try:
            return self.wait(process, limit)
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
            process.stdout.close()

    @staticmethod
    def wait(process, limit):
        # A child that outlives the test may hold its output open: that must not block.
        output = []
        reader = threading.Thread(target=lambda: output.append(process.stdout.read()), daemon=True)
        reader.start()
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            return None, b""
        reader.join(1)
        return status, b"".join(output)


def describe_tests(build):
    listed = subprocess.run(["ctest", "--show-only=json-v1"], cwd=build, stdout=subprocess.PIPE,
                            check=True)
    tests = [Test(described) for described in json.loads(listed.stdout)["tests"]]
    return [test for test in tests if test.command and not test.labels & EXCLUDED]


def measure(runner, tests, count, folder, jobs):
    """Runs each test without a mutant; returns those that pass."""

    def one(test):
        seen = folder / "seen" / re.sub(r"\W", "_", test.name)
        seen.write_bytes(bytes(count + 1))
        start = time.monotonic()
        status, output = runner.run(test, LONGEST, DGRAM_MUTANTS_SEEN=str(seen))
        if status not in (0, SKIPPED):  # a loaded machine
            start = time.monotonic()
            status, output = runner.run(test, LONGEST, DGRAM_MUTANTS_SEEN=str(seen))
        test.seconds = time.monotonic() - start
        test.reached = seen.read_bytes()
        seen.unlink()
        if status not in (0, SKIPPED):
            print(f"mutants: {test.name} fails without a mutant, and is left out:", status,
                  output.decode(errors="replace")[-600:], file=sys.stderr)
        return test, status

    (folder / "seen").mkdir(parents=True, exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        results = list(pool.map(one, tests))
    skipped = [test.name for test, status in results if status == SKIPPED]
    if skipped:
        print("mutants: tests that are skipped here:", *skipped, file=sys.stderr)
    return [test for test, status in results if status == 0]


def stamp(build, tests):
    """Changes when a program of the build does."""
    parts = [f"{file} {file.stat().st_mtime_ns}" for pattern in ("tests/*", "examples/*", "*.so")
             for file in sorted(build.glob(pattern)) if file.is_file() and os.access(file, os.X_OK)]
    return hashlib.sha256("\n".join(parts + [test.name for test in tests]).encode()).hexdigest()


def measure_once(runner, build, count, folder, jobs):
    """As measure(), unless FOLDER has the result of the same build."""
    tests = describe_tests(build)
    cache, built = folder / "tests.json", stamp(build, tests)
    if cache.exists():
        stored = json.loads(cache.read_text())
        if stored["build"] == built:
            kept = [test for test in tests if test.name in stored["tests"]]
            for test in kept:
                test.seconds, reached = stored["tests"][test.name]
                test.reached = bytearray(count + 1)
                for number in reached:
                    test.reached[number] = 1
            return kept
    tests = measure(runner, tests, count, folder, jobs)
    stored = {test.name: (test.seconds, [number for number, byte in enumerate(test.reached) if byte])
              for test in tests}
    cache.write_text(json.dumps({"build": built, "tests": stored}))
    return tests


class Hunt:
    """Runs tests on mutants; what found a mutant is tried first on others of its function."""

    def __init__(self, runner, tests):
        self.runner, self.tests = runner, tests
        self.lock = threading.Lock()
        self.found = collections.Counter()  # by (test, file), (test, file and function)
        self.unsteady = collections.Counter()
        self.done = 0
        limit = os.environ.get("MUTANTS_SECONDS", "20")
        self.limit = float("inf") if limit == "all" else float(limit)
        self.share = {}  # how much of a file a test reaches, and of the test is in that file

    def count_shares(self, mutants):
        numbers = collections.defaultdict(list)
        for mutant in mutants:
            numbers[mutant["file"]].append(mutant["number"])
        for file, of_file in numbers.items():
            for test in self.tests:
                reached = sum(test.reached[number] for number in of_file)
                focus = reached / max(1, sum(test.reached))
                self.share[test.name, file] = reached / len(of_file) * (0.1 + focus)

    def cost(self, test, mutant, function):
        """The lower, the more a test promises."""
        found = self.found[test.name, mutant["file"]] + 5 * self.found[test.name, function]
        return (test.seconds + 0.05) / self.share[test.name, mutant["file"]] / (1 + found)

    def order(self, mutant):
        function = mutant["key"].split(":")[0]
        reaching = [test for test in self.tests if test.reached[mutant["number"]]]
        with self.lock:
            costs = {test.name: self.cost(test, mutant, function) for test in reaching}
        programs = collections.Counter()
        for test in sorted(reaching, key=lambda test: costs[test.name]):
            program = test.name.split("@")[0]
            costs[test.name] *= 3 ** programs[program]  # the same program in another mode
            programs[program] += 1
        chosen, seconds = [], 0.0
        for test in sorted(reaching, key=lambda test: costs[test.name]):
            seconds += test.seconds
            if chosen and seconds > self.limit:
                break
            chosen.append(test)
        return chosen

    def one(self, mutant):
        """The result of a mutant: killed, timeout, survived or unreached, and the test."""
        reaching = self.order(mutant)
        result = ("survived" if reaching else "unreached", None)
        for test in reaching:
            verdict = self.try_test(test, mutant)
            if verdict is not None:
                result = (verdict, test.name)
                with self.lock:
                    self.found[test.name, mutant["file"]] += 1
                    self.found[test.name, mutant["key"].split(":")[0]] += 1
                break
        with self.lock:
            self.done += 1
            if self.done % 100 == 0:
                print(f"mutants: {self.done} run", file=sys.stderr)
        return {**mutant, "result": result[0], "by": result[1]}

    def try_test(self, test, mutant):
        limit = 10 * test.seconds + 3
        chosen = {"DGRAM_MUTANT": str(mutant["number"])}
        status, _ = self.runner.run(test, limit, **chosen)
        if status is None:
            return "timeout"
        if status in (0, SKIPPED):
            return None
        if status > 128:  # a signal
            return "killed"
        status, _ = self.runner.run(test, limit, **chosen)
        if status in (0, SKIPPED):  # the load of the machine, and not the mutant
            with self.lock:
                self.unsteady[test.name] += 1
            return None
        return "killed"


def read_equivalent():
    """equivalent.txt: paragraphs of a reason, in lines that begin with #, and the keys."""
    reasons, reason, in_reason = {}, "", False
    for line in (HERE / "equivalent.txt").read_text().splitlines():
        if line.startswith("#"):
            reason = f"{reason} {line[1:].strip()}" if in_reason else line[1:].strip()
            in_reason = True
        else:
            in_reason = False
            if line.strip():
                reasons[line.strip()] = reason
    return reasons


def explained(mutant, reasons):
    """The entry of equivalent.txt for a mutant: its own, or that of all in its function."""
    of_function = mutant["key"].split(":")[0] + ": *"
    return next((key for key in (mutant["key"], of_function) if key in reasons), None)


def choose(mutants, paths, last):
    """The mutants to run, and the results that stay as they are."""
    if paths:
        mutants = [mutant for mutant in mutants if mutant["file"].startswith(tuple(paths))]
    if last is not None:
        sample = [{**last[mutant["key"]], **mutant} for mutant in mutants if mutant["key"] in last]
        return ([mutant for mutant in sample if mutant["result"] in ("survived", "unreached")],
                [mutant for mutant in sample if mutant["result"] in ("killed", "timeout")])
    number = os.environ.get("MUTANTS_PER_FILE", "30")
    if number == "all":
        return mutants, []
    seed = os.environ.get("MUTANTS_SEED", "1")
    by_file = collections.defaultdict(list)
    for mutant in mutants:
        by_file[mutant["file"]].append(mutant)

    def rank(mutant):
        return hashlib.sha256((seed + mutant["key"]).encode()).digest()

    chosen = [mutant for of_file in by_file.values()
              for mutant in sorted(of_file, key=rank)[:int(number)]]
    return sorted(chosen, key=rank), []  # files in turn, so that the load is even


def report(mutants, results, reasons):
    """Prints the table and the survivors; returns what is wrong with equivalent.txt."""
    keys = {key for mutant in mutants for key in (mutant["key"], explained(mutant, reasons))}
    wrong = [f"equivalent.txt has a mutant that there is not: {key}"
             for key in reasons if key not in keys]
    folders = collections.defaultdict(collections.Counter)
    for mutant in mutants:
        for folder in (mutant["file"].split("/")[0], "all"):
            folders[folder]["all"] += 1
    survivors = []
    for mutant in results:
        result = mutant["result"]
        if result in ("survived", "unreached"):
            if explained(mutant, reasons) is not None:
                result = "equivalent"
            else:
                survivors.append(mutant)
        elif mutant["key"] in reasons:
            wrong.append(f"equivalent.txt has a mutant that {mutant['by']} finds: "
                         f"{mutant['key']}")
        for folder in (mutant["file"].split("/")[0], "all"):
            folders[folder]["run"] += 1
            folders[folder][result] += 1
    print("folder      mutants    run  killed  timeout  equivalent  survived  unreached   share")
    for folder in sorted(folders, key=lambda name: (name == "all", name)):
        of = folders[folder]
        counted = of["run"] - of["equivalent"]
        share = f"{100 * (of['killed'] + of['timeout']) / counted:.1f} %" if counted else "-"
        print(f"{folder:10} {of['all']:8} {of['run']:6} {of['killed']:7} {of['timeout']:8} "
              f"{of['equivalent']:11} {of['survived']:9} {of['unreached']:10} {share:>7}")
    print()
    for mutant in sorted(survivors, key=lambda mutant: mutant["number"]):
        where, change = mutant["key"].split(":", 1)
        note = "" if mutant["result"] == "survived" else "  (no test runs it)"
        print(f"src/{mutant['file']}:{mutant['line']} {where.split()[1]}:{change}{note}")
    return wrong


def main():
    build, listing, folder = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])
    mutants = [json.loads(line) for line in listing.read_text().splitlines()]
    jobs = int(os.environ.get("MUTANTS_JOBS", os.cpu_count()))
    runner = Runner()
    tests = measure_once(runner, build, len(mutants), folder, jobs)
    hunt = Hunt(runner, tests)
    hunt.count_shares(mutants)
    last = None
    if os.environ.get("MUTANTS_AGAIN"):
        last = {mutant["key"]: mutant
                for mutant in json.loads((folder / "results.json").read_text())}
    chosen, results = choose(mutants, sys.argv[4:], last)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        results += pool.map(hunt.one, chosen)
    (folder / "results.json").write_text(json.dumps(results, indent=1))
    if hunt.unsteady:
        print("mutants: failed once, and then passed on the same mutant:",
              *(f"{name} ({times})" for name, times in hunt.unsteady.items()), file=sys.stderr)
    wrong = report(mutants, results, read_equivalent())
    for line in wrong:
        print(line, file=sys.stderr)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
