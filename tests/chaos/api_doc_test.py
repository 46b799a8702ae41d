#!/usr/bin/env python3
"""Runs every example of docs/api.md, in order, on a cluster of its own.

    api_doc_test.py --root DIR --bin build/PRESET/bin

An example is a command in a block of sh; what it must answer is the comment behind it, or below:

    # 201 {"revision":3,"created":true}     the status, and the whole body; … is anything
    # 412 with ETag: "3"                    the status, and a header field of the answer
    # 404: why that is so                   the status alone

A block without a language shows what the command before it prints, in the middle of more.
Revisions and ids are others each time: behind "revision":, "id": and the like a number stands for
whatever came, the same number for the same, also in the commands that follow. The page must have
an example for every operation that /openapi.json describes.
"""

import argparse
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from free_ports import ports_in_a_row  # noqa: E402

SECONDS = 120
WATCH_SECONDS = 20
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.S | re.M)
EXPECTATION = re.compile(r"(\d{3})(?:$|: .*$| with ([\w-]+): (.*)$| (.*)$)", re.S)
# Where a number is one that differs from run to run; the number is the second group.
FREE = re.compile(r'((?:"(?:\w*revision|id|lease|leader|term|committed|applied)":|ETag: "|\bid: |'
                  r'Revision: |Staleness-Ms: ))(\d+)')
IN_COMMAND = re.compile(r'((?:revision|from|after|lease|revision":|"lease":|leases/|"ids":\[|'
                        r'Match: ")=?)(\d+)')


class Failure(Exception):
    pass


def steps_of(text):
    """(command, expectation, output shown) of every example."""
    steps = []
    for language, block in BLOCK.findall(text):
        if language == "":
            if steps:
                steps[-1][2] = block
            continue
        if language != "sh":
            continue
        command = ""
        for line in block.splitlines():
            if not command and line.startswith("#"):
                steps[-1][1] = (steps[-1][1] + " " + line.lstrip("# ")).strip()
                continue
            command += line + "\n"
            if command.count("'") % 2 or line.endswith("\\"):
                continue
            match = re.search(r"\s+# (\d{3}.*)\n$", command)
            said = match[1] if match else ""
            steps.append([command[:match.start()] if match else command.rstrip(), said, ""])
            command = ""
    return steps


class Numbers:
    """Which number of this run each number of the page stands for."""

    def __init__(self):
        self.actual = {}

    def in_command(self, command):
        return IN_COMMAND.sub(lambda m: m[1] + self.actual.get(m[2], m[2]), command)

    def pattern(self, expected):
        """A regular expression for `expected`, and the numbers of the page that it captures."""
        captured = []
        parts = []
        end = 0
        for match in FREE.finditer(expected):
            parts.append(expected[end:match.end(1)])
            captured.append(match[2])
            end = match.end()
        parts.append(expected[end:])
        literal = [re.escape(p).replace("…", ".*?") for p in parts]
        return re.compile(r"(\d+)".join(literal), re.S), captured

    def bind(self, match, captured):
        for page, actual in zip(captured, match.groups()):
            if self.actual.setdefault(page, actual) != actual:
                raise Failure(f"{page} stands for {self.actual[page]} and for {actual}")


class Runner:
    def __init__(self, scratch, first_port):
        self.headers = scratch / "headers"
        self.body = scratch / "body"
        self.first_port = first_port
        self.numbers = Numbers()
        programs = scratch / "programs"
        programs.mkdir()
        curl = programs / "curl"
        curl.write_text('#!/bin/sh\nexec /usr/bin/curl -sS --max-time 60 -D "$HEADERS" '
                        '-o "$BODY" "$@"\n', encoding="utf-8")
        curl.chmod(0o755)
        self.environment = dict(os.environ, PATH=f"{programs}:{os.environ['PATH']}",
                                HEADERS=str(self.headers), BODY=str(self.body))

    def text(self, path):
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def run(self, command, expectation, shown):
        for path in (self.headers, self.body):
            path.unlink(missing_ok=True)
        for node in range(3):
            command = command.replace(f"127.0.0.1:{8001 + node}",
                                      f"127.0.0.1:{self.first_port + node}")
        process = subprocess.Popen(["bash", "-c", self.numbers.in_command(command)],
                                   env=self.environment, stdin=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True, start_new_session=True)
        if " -N " in command:
            self.wait_for(shown or expectation.partition(" ")[2])
            os.killpg(process.pid, signal.SIGTERM)
        _, errors = process.communicate(timeout=SECONDS)
        if process.returncode != 0 and " -N " not in command:
            raise Failure(f"exit code {process.returncode}: {errors}")

    def wait_for(self, expected):
        """An endless answer: until it holds what it is to hold."""
        pattern, _ = self.numbers.pattern(expected)
        deadline = time.monotonic() + WATCH_SECONDS
        while not pattern.search(self.text(self.body)) and time.monotonic() < deadline:
            time.sleep(0.05)

    def check(self, expectation, shown, endless):
        said = EXPECTATION.match(expectation)
        if not said:
            raise Failure(f"no expectation behind it: {expectation!r}")
        status, header, value, body = said.groups()
        headers = self.text(self.headers)
        actual = [s for s in re.findall(r"^HTTP/1.1 (\d+)", headers, re.M) if s != "100"][-1:]
        content = self.text(self.body)
        if actual != [status]:
            raise Failure(f"status {actual} in place of {status}: {content}")
        if header:
            self.match(f"\n{header}: {value}\n", headers, whole=False)
        if body:
            self.match(body, content.strip(), whole=not endless)
        if shown:
            self.match(shown.strip(), content, whole=False)

    def match(self, expected, content, whole):
        pattern, captured = self.numbers.pattern(expected)
        match = pattern.fullmatch(content) if whole else pattern.search(content)
        if not match:
            raise Failure(f"expected {expected!r}, came {content!r}")
        self.numbers.bind(match, captured)


def undescribed(commands, document):
    """The operations that no command asks for."""
    missing = []
    for path, item in document["paths"].items():
        pattern = re.compile(re.sub(r"\\{\w+\\}", r"[^/?' ]+", re.escape(path)) + r"(?=['? ]|$)")
        for method in item:
            if method in ("parameters", "head"):
                continue
            flag = "-X " + method.upper()
            if not any(pattern.search(c.split("8001", 1)[-1]) and
                       (flag in c or (method == "get" and "-X" not in c)) for c in commands):
                missing.append(f"{method.upper()} {path}")
    return missing


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=pathlib.Path, required=True)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    options = parser.parse_args()
    steps = steps_of((options.root / "docs/api.md").read_text(encoding="utf-8"))
    document = json.loads((options.root / "src/api/openapi.json").read_text(encoding="utf-8"))
    missing = undescribed([step[0] for step in steps], document)
    if missing:
        raise SystemExit(f"docs/api.md has no example for: {', '.join(missing)}")
    first = ports_in_a_row(6)
    with tempfile.TemporaryDirectory() as directory:
        scratch = pathlib.Path(directory)
        environment = dict(os.environ, SISYPHUS_BIN=str(options.bin.resolve()),
                           CLUSTER_DIR=directory + "/cluster", HTTP_PORT=str(first),
                           PEER_PORT=str(first + 3))
        cluster = [str(options.root / "tools/cluster")]
        try:
            subprocess.run(cluster + ["up"], env=environment, check=True, timeout=SECONDS)
            runner = Runner(scratch, first)
            for command, expectation, shown in steps:
                print(f"{command}\n  # {expectation}", flush=True)
                runner.run(command, expectation, shown)
                runner.check(expectation, shown, " -N " in command)
        except Failure as failure:
            raise SystemExit(f"docs/api.md: {failure}") from failure
        finally:
            subprocess.run(cluster + ["down"], env=environment, check=False, timeout=SECONDS)
    print(f"{len(steps)} examples")


if __name__ == "__main__":
    main()
