#!/usr/bin/env python3
"""Runs the commands that README.md shows, on a cluster of its own.

    readme_test.py --root DIR --bin build/PRESET/bin

The commands stand between two markers in README.md. They run as they are, but for the ports (free
ones take the place of 8001 to 8003) and the directory of the programs. Paths and links that the
page names must exist.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from free_ports import ports_in_a_row  # noqa: E402

MARKED = re.compile(r"<!-- run by tests/chaos/readme_test.py: begin -->(.*?)<!-- end -->", re.S)
BLOCK = re.compile(r"```sh\n(.*?)```", re.S)
EXPECTED = [
    "up the hill",  # curl, through another node
    "412 Precondition Failed",
    '"deleted":1',
    '"members":',
    "world",  # sicli get
    "deleted 1",
    "\tleader\t",  # sicli status
    "node 1 killed",
    "down",  # written while node 1 was dead, read when it is back
    "node 3 stopped",
]
SECONDS = 240


def check_names(root, text):
    missing = []
    for path in re.findall(r"(?<![\w/.-])(?:tools|tests|docs|src|include)/[\w./-]*\w", text):
        if not (root / path).exists():
            missing.append(path)
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        if not (root / link).exists():
            missing.append(link)
    for script in ("tools/quickstart", "tools/test"):
        if not os.access(root / script, os.X_OK):
            missing.append(f"{script} (executable)")
    if missing:
        raise SystemExit(f"README.md names what is not there: {', '.join(sorted(set(missing)))}")
    opening = BLOCK.search(text)
    if not opening or "tools/quickstart" not in opening[1] or "tools/test" not in opening[1]:
        raise SystemExit("README.md must open with tools/quickstart and tools/test")


def commands_of(text, bin_dir, http_port):
    marked = MARKED.search(text)
    if not marked:
        raise SystemExit("README.md: the markers around its commands are gone")
    commands = "\n".join(BLOCK.findall(marked[1]))
    for node in range(3):
        commands = commands.replace(f"127.0.0.1:{8001 + node}", f"127.0.0.1:{http_port + node}")
    return commands.replace("$PWD/build/release/bin", str(bin_dir))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=pathlib.Path, required=True)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    options = parser.parse_args()
    text = (options.root / "README.md").read_text(encoding="utf-8")
    check_names(options.root, text)
    first = ports_in_a_row(6)
    commands = commands_of(text, options.bin.resolve(), first)
    with tempfile.TemporaryDirectory() as scratch:
        environment = dict(os.environ, SISYPHUS_BIN=str(options.bin.resolve()),
                           CLUSTER_DIR=scratch, HTTP_PORT=str(first), PEER_PORT=str(first + 3),
                           SICLI_ADDR=f"http://127.0.0.1:{first}")
        cluster = [str(options.root / "tools/cluster")]
        try:
            subprocess.run(cluster + ["up"], env=environment, check=True, timeout=SECONDS)
            shown = subprocess.run(["bash", "-exuo", "pipefail", "-c", commands], cwd=options.root,
                                   env=environment, timeout=SECONDS, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True)
        finally:
            subprocess.run(cluster + ["down"], env=environment, check=False, timeout=SECONDS)
    # bash -x shows each command as "+ command": not an answer.
    lines = [line for line in shown.stdout.splitlines() if not line.startswith("+")]
    print("\n".join(shown.stdout.splitlines()))
    if shown.returncode != 0:
        raise SystemExit(f"a command failed with {shown.returncode}")
    answers = "\n".join(lines)
    position = 0
    for expected in EXPECTED:
        found = answers.find(expected, position)
        if found < 0:
            raise SystemExit(f"the answers lack {expected!r} (in this order)")
        position = found + len(expected)


if __name__ == "__main__":
    main()
