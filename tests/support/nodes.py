"""Nodes: a cluster of real sisyphusd processes on loopback, for tests that look at it from outside."""

import http.client
import json
import pathlib
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from free_ports import ports_in_a_row  # noqa: E402

PATIENCE = 60  # Seconds, on the slowest machine.


class Nodes:
    """Kills what runs when it is left; shows the logs if that is because of an error."""

    def __init__(self, bin_dir, scratch, flags=(), size=3):
        self.bin = pathlib.Path(bin_dir).resolve()
        self.scratch = pathlib.Path(scratch)
        self.flags = list(flags)
        self.ids = list(range(1, size + 1))
        first = ports_in_a_row(2 * size)
        self.http = {i: f"127.0.0.1:{first + i - 1}" for i in self.ids}
        self.peer = {i: f"127.0.0.1:{first + size + i - 1}" for i in self.ids}
        self.processes = {}

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
                process.wait()
        if kind is not None:
            for i in self.ids:
                print(f"--- node {i}\n{self.log(i)[-4000:]}")

    def start(self, i, *flags):
        cluster = ",".join(f"{j}={self.peer[j]}" for j in self.ids)
        with open(self.scratch / f"node{i}.log", "ab") as log:
            self.processes[i] = subprocess.Popen(
                [self.bin / "sisyphusd", f"--id={i}", f"--data-dir={self.scratch}/node{i}",
                 f"--http={self.http[i]}", f"--cluster={cluster}", *self.flags, *flags],
                stdout=log, stderr=log)

    def start_all(self):
        for i in self.ids:
            self.start(i)

    def kill(self, i):
        self.processes[i].send_signal(signal.SIGKILL)
        self.processes[i].wait()

    def log(self, i):
        path = self.scratch / f"node{i}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def ask(self, i, method, target, body=None, headers=None):
        """The status and the body."""
        connection = http.client.HTTPConnection(self.http[i], timeout=30)
        try:
            connection.request(method, target, body=body, headers=headers or {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def leader(self, ids=None):
        """Waits until all of `ids` name the same one of them."""

        def agreed():
            named = {json.loads(self.ask(i, "GET", "/v1/cluster")[1]).get("leader")
                     for i in ids or self.ids}
            return named.pop() if len(named) == 1 and named <= set(ids or self.ids) else None

        return eventually(agreed, "no leader")

    def metrics(self, i):
        return Metrics(self.ask(i, "GET", "/metrics")[1].decode())


class Metrics:
    """One text of /metrics."""

    SAMPLE = re.compile(r'([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: \d+)?')
    LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

    def __init__(self, text):
        self.text = text
        self.types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
        self.samples = []
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, labels, value = self.SAMPLE.fullmatch(line).groups()
                self.samples.append((name, dict(self.LABEL.findall(labels or "")), float(value)))

    def values(self, name, **labels):
        return [value for n, have, value in self.samples
                if n == name and labels.items() <= have.items()]

    def total(self, name, **labels):
        return sum(self.values(name, **labels))


def eventually(condition, what, seconds=PATIENCE):
    """Asks again and again: what happens in other processes sends no event."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            answer = condition()
            if answer:
                return answer
            reason = answer
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = error
        if time.monotonic() > deadline:
            raise SystemExit(f"{what}: {reason!r}")
        time.sleep(0.05)


def need(condition, message):
    if not condition:
        raise SystemExit(message)
