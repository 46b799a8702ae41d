"""Runs sicli against real nodes, in pipes and on pseudo-terminals.

A test file is a unittest module that ends in `harness.main()`; ctest gives it --bin DIR.
"""

import argparse
import http.client
import os
import pathlib
import pty
import select
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from free_ports import ports_in_a_row  # noqa: E402

BIN = pathlib.Path("build/release/bin")
PATIENCE_S = 60


class Result:
    """How a run ended: exit code, standard output and standard error, as bytes and text."""

    def __init__(self, code, out, err):
        self.code, self.out_bytes, self.err_bytes = code, out, err
        self.out = out.decode("utf-8", "replace")
        self.err = err.decode("utf-8", "replace")

    def __repr__(self):
        return f"exit code {self.code}\n--- out\n{self.out}\n--- err\n{self.err}"


class Nodes:
    """A cluster of sisyphusd processes on loopback."""

    def __init__(self, size=1, flags=()):
        self.scratch = tempfile.TemporaryDirectory()
        first = ports_in_a_row(2 * size)
        self.ids = list(range(1, size + 1))
        self.http = {i: f"127.0.0.1:{first + i - 1}" for i in self.ids}
        peer = {i: f"127.0.0.1:{first + size + i - 1}" for i in self.ids}
        founders = ",".join(f"{i}={peer[i]}" for i in self.ids)
        self.processes = {}
        self.argv = {
            i: [str(BIN / "sisyphusd"), "--id", str(i), "--data-dir", f"{self.scratch.name}/{i}",
                "--http", self.http[i], "--peer", peer[i], "--cluster", founders, *flags]
            for i in self.ids
        }
        try:
            for i in self.ids:
                self.start(i)
            for i in self.ids:
                self.wait_ready(i)
        except BaseException:
            self.close()
            raise

    def start(self, i):
        log = open(f"{self.scratch.name}/{i}.log", "ab")
        self.processes[i] = subprocess.Popen(self.argv[i], stdin=subprocess.DEVNULL, stdout=log,
                                             stderr=log)
        log.close()

    def ready(self, i):
        host, port = self.http[i].split(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def wait_ready(self, i):
        eventually(lambda: self.ready(i), f"node {i} does not become ready:\n" + self.log(i))

    def log(self, i):
        return pathlib.Path(f"{self.scratch.name}/{i}.log").read_text(errors="replace")[-2000:]

    def signal(self, i, number):
        self.processes[i].send_signal(number)

    def kill(self, i):
        self.processes[i].kill()
        self.processes[i].wait()

    def close(self):
        for process in self.processes.values():
            process.kill()
            process.wait()
        self.scratch.cleanup()

    @property
    def addresses(self):
        return ",".join(self.http[i] for i in self.ids)


def eventually(condition, message, seconds=PATIENCE_S):
    """Asks again until it holds: for what only another process knows."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(message)
        time.sleep(0.02)


def environment(home, more):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("SICLI_") and k != "NO_COLOR"}
    return {**clean, "HOME": home, "XDG_CONFIG_HOME": "", "TERM": "xterm-256color", **more}


class Terminal:
    """sicli on a pseudo-terminal of `columns` columns; what it writes is gathered."""

    def __init__(self, argv, env, columns=100, directory=None):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            if directory:
                os.chdir(directory)
            os.execve(argv[0], argv, {**env, "COLUMNS": str(columns)})
        import fcntl
        import struct
        import termios
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.seen = b""
        self.code = None

    def read(self, seconds):
        """Reads what comes within `seconds`, at least once. False at the end."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.seen += data
        return bool(data)

    def expect(self, text, seconds=PATIENCE_S):
        """Waits until `text` was written; forgets what came up to there, and returns it."""
        wanted = text.encode()
        deadline = time.monotonic() + seconds
        while wanted not in self.seen:
            if not self.read(0.2) or time.monotonic() > deadline:
                raise AssertionError(f"{text!r} does not come; seen: {self.seen!r}")
        end = self.seen.index(wanted) + len(wanted)
        before, self.seen = self.seen[:end], self.seen[end:]
        return before.decode("utf-8", "replace")

    def send(self, text):
        os.write(self.fd, text.encode())

    def finish(self, seconds=PATIENCE_S):
        """Waits for the end. The exit code, as a shell would say it."""
        deadline = time.monotonic() + seconds
        while self.read(0.2):
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
                raise AssertionError(f"it does not end; seen: {self.seen!r}")
        status = os.waitpid(self.pid, 0)[1]
        os.close(self.fd)
        self.code = 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        return self.code

    @property
    def text(self):
        return self.seen.decode("utf-8", "replace").replace("\r\n", "\n")


class SicliTest(unittest.TestCase):
    """Tests that share one cluster of `size` nodes (0: none)."""

    size = 1
    flags = ()

    @classmethod
    def setUpClass(cls):
        cls.home = tempfile.TemporaryDirectory()
        cls.nodes = Nodes(cls.size, cls.flags) if cls.size else None

    @classmethod
    def tearDownClass(cls):
        if cls.nodes:
            cls.nodes.close()
        cls.home.cleanup()

    def env(self, more=None):
        here = {"SICLI_ADDR": self.nodes.addresses} if self.nodes else {}
        return environment(self.home.name, {**here, **(more or {})})

    def run_sicli(self, *arguments, stdin=b"", env=None, seconds=PATIENCE_S, cwd=None):
        stdin = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run([str(BIN / "sicli"), *arguments], input=stdin, capture_output=True,
                              env=self.env(env), timeout=seconds, check=False, cwd=cwd)
        return Result(done.returncode, done.stdout, done.stderr)

    def sicli(self, *arguments, **keywords):
        """Runs sicli and expects success; its standard output."""
        result = self.run_sicli(*arguments, **keywords)
        self.assertEqual(result.code, 0, result)
        return result.out

    def fails(self, code, *arguments, **keywords):
        """Expects that exit code and one clear line; the line."""
        result = self.run_sicli(*arguments, **keywords)
        self.assertEqual(result.code, code, result)
        self.assertTrue(result.err.startswith("sicli: "), result)
        self.assertEqual(result.err.count("\n"), 1, result)
        return result.err

    def terminal(self, *arguments, env=None, columns=100, directory=None):
        return Terminal([str(BIN / "sicli"), *arguments], self.env(env), columns, directory)

    def on_terminal(self, *arguments, **keywords):
        """Runs sicli on a terminal and expects success; what stands there."""
        terminal = self.terminal(*arguments, **keywords)
        self.assertEqual(terminal.finish(), 0, terminal.text)
        return terminal.text


def main():
    global BIN
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    options, rest = parser.parse_known_args()
    BIN = options.bin.resolve()
    sys.modules["harness"].BIN = BIN
    unittest.main(module="__main__", argv=[sys.argv[0], *rest], verbosity=2)
