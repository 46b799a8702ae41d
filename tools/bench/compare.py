#!/usr/bin/env python3
"""Compares two sisyphusd by short runs that take turns, for machines that do other things as well.

    tools/bench/compare.py OLD NEW [--rounds 40] [--seconds 1] [--load put]

Each has a cluster of three nodes on loopback, with its data in build/compare; wrk asks the leaders in
turn. Prints for rate and for processor time a request the median of NEW/OLD over the rounds, and the
range that holds 95 % of the medians of resampled rounds. OLD against itself shows what noise there is.
"""

import argparse
import os
import pathlib
import random
import re
import shutil
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))
from nodes import Nodes, need  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")


def processor_seconds(nodes):
    total = 0
    for process in nodes.processes.values():
        stat = pathlib.Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8")
        fields = stat.rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def measure(nodes, load, seconds):
    """Requests a second, and processor time of all nodes for each."""
    begin = processor_seconds(nodes)
    result = subprocess.run(
        ["wrk", "-t1", "-c64", f"-d{seconds}s", "--timeout", "10s", "-s", ROOT / "tools/bench/kv.lua",
         f"http://{nodes.http[nodes.leader()]}", "--", load],
        stdout=subprocess.PIPE, text=True, check=True)
    rate, failed = re.search(r"RESULT (\S+) \S+ \S+ (\S+)", result.stdout).groups()
    need(failed == "0", f"requests failed: {result.stdout}")
    count = int(re.search(r"(\d+) requests in", result.stdout)[1])
    return float(rate), (processor_seconds(nodes) - begin) / count


def report(name, ratios):
    rng = random.Random(1)
    medians = sorted(statistics.median(rng.choices(ratios, k=len(ratios))) for _ in range(2000))
    print(f"{name}: {statistics.median(ratios):.3f} ({medians[50]:.3f} to {medians[-51]:.3f})")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old", type=pathlib.Path)
    parser.add_argument("new", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--seconds", type=int, default=1)
    parser.add_argument("--load", choices=["put", "get"], default="put")
    options = parser.parse_args()
    scratch = ROOT / "build/compare"
    shutil.rmtree(scratch, ignore_errors=True)
    for name, program in (("old", options.old), ("new", options.new)):
        (scratch / name / "bin").mkdir(parents=True)
        (scratch / name / "bin/sisyphusd").symlink_to(program.resolve())
    try:
        with Nodes(scratch / "old/bin", scratch / "old") as old:
            old.start_all()
            old.leader()
            with Nodes(scratch / "new/bin", scratch / "new") as new:
                new.start_all()
                for nodes in (old, new):  # So that there is something to be read.
                    measure(nodes, "put", 3)
                pairs = []
                for turn in range(options.rounds):
                    order = (old, new) if turn % 2 == 0 else (new, old)
                    got = {id(n): measure(n, options.load, options.seconds) for n in order}
                    pairs.append((got[id(old)], got[id(new)]))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    report("rate", [new[0] / old[0] for old, new in pairs])
    report("processor time a request", [new[1] / old[1] for old, new in pairs])


if __name__ == "__main__":
    main()
