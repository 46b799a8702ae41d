#!/usr/bin/env python3
"""How much of the servers' processor time goes into recording metrics, by sampling (Debian: linux-perf).

    tools/bench/recording_cost.py [--bin build/release/bin] [--seconds 20] [--load put]

Three nodes on loopback under load from 64 connections. A sample counts as recording if its address, with
what was inlined there, is code of src/base/measures.*, src/node/node_measures.* or
src/api/request_stats.*, or of what traces an operation; and, as an upper bound, if it reads a
clock, for whatever reason. A share needs no second program to compare with, so it can be measured
on a machine that does other things as well.
"""

import argparse
import collections
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))
from nodes import Nodes, need  # noqa: E402

RECORDING = re.compile(r"/(measures|node_measures|request_stats)\.(h|cc)|OperationTrace|StageTimes")
CLOCK = re.compile(r"\[vdso\]|clock_gettime")
HERTZ = 3999


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True).stdout


def sample(arguments, path):
    """The load's own figures."""
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as scratch, \
            Nodes(arguments.bin, scratch) as nodes:
        nodes.start_all()
        leader = nodes.leader()
        pids = ",".join(str(process.pid) for process in nodes.processes.values())
        with subprocess.Popen(["perf", "record", "-q", "-F", str(HERTZ), "-e", "cpu-clock", "-o", path,
                               "-p", pids], stdout=subprocess.DEVNULL) as perf:
            result = run("wrk", "-t1", "-c64", f"-d{arguments.seconds}s", "--timeout", "10s", "-s",
                         str(ROOT / "tools/bench/kv.lua"), f"http://{nodes.http[leader]}", "--",
                         arguments.load)
            perf.send_signal(signal.SIGINT)
        return re.search(r"RESULT (\S+)", result)[1]


class Program:
    """Where the code that runs at an address comes from, functions inlined there included."""

    def __init__(self, path):
        self.path = path
        loads = re.findall(r"LOAD +(\S+) (\S+) \S+ (\S+)", run("readelf", "-lW", path))
        self.segments = [tuple(int(part, 16) for part in load) for load in loads]

    def virtual(self, offset):
        return next(address + offset - begin for begin, address, size in self.segments
                    if begin <= offset < begin + size)

    def origins(self, offsets):
        wanted = {offset: self.virtual(offset) for offset in offsets}
        origins = {}
        for part in re.split(r"^0x", run("addr2line", "-e", self.path, "-aifC",
                                         *map(hex, wanted.values())), flags=re.M)[1:]:
            address, _, frames = part.partition("\n")
            origins[int(address, 16)] = frames
        return {offset: origins[address] for offset, address in wanted.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default=str(ROOT / "build/release/bin"))
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--load", choices=["put", "get"], default="put")
    arguments = parser.parse_args()
    program = str((pathlib.Path(arguments.bin) / "sisyphusd").resolve())
    with tempfile.NamedTemporaryFile() as data:
        rate = sample(arguments, data.name)
        maps = {}
        for line in run("perf", "script", "-i", data.name, "--show-mmap-events", "-F", "pid").splitlines():
            found = re.search(r"MMAP2 (\d+)/\d+: \[(0x\w+)\(0x\w+\) @ (\w+) .* r-xp " + re.escape(program), line)
            if found:
                maps[found[1]] = int(found[2], 16) - int(found[3], 16)
        own, total, clock = collections.Counter(), 0, 0
        for line in run("perf", "script", "-i", data.name, "-F", "pid,ip,sym,dso").splitlines():
            found = re.match(r"\s*(\d+)\s+([0-9a-f]+)\s+(.*)$", line)
            if not found:
                continue
            total += 1
            clock += CLOCK.search(found[3]) is not None
            if f"({program})" in found[3]:
                own[int(found[2], 16) - maps[found[1]]] += 1
    need(total > 1000 and own, f"only {total} samples")
    recording = sum(own[offset] for offset, frames in Program(program).origins(own).items()
                    if RECORDING.search(frames))
    print(f"{arguments.load}: {rate} requests/s, {total} samples of processor time: "
          f"{100 * recording / total:.2f} % record, {100 * clock / total:.2f} % read a clock")


if __name__ == "__main__":
    main()
