#!/usr/bin/env python3
"""sicli test chaos: a cluster that is broken meanwhile passes, a server that errs does not."""

import json
import pathlib
import signal
import subprocess
import threading
import time

import harness
from wrong_server import WrongServer


class ChaosTest(harness.SicliTest):
    size = 3

    def leader(self):
        return json.loads(self.sicli("status", "-o", "json"))["leader"]

    def start_chaos(self, *arguments):
        """`sicli test chaos`, and an event that is set once it has begun to write."""
        process = subprocess.Popen([str(harness.BIN / "sicli"), "test", "chaos", "-o", "json",
                                    *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=self.env(), text=True)
        first = process.stderr.readline()
        self.assertIn("writes", first)
        # What it says later must not fill the pipe.
        threading.Thread(target=process.stderr.read, daemon=True).start()
        return process

    def finish(self, process):
        out = process.stdout.read()
        return process.wait(harness.PATIENCE_S), json.loads(out)

    def test_a_cluster_whose_leader_is_killed_and_restarted(self):
        history = pathlib.Path(self.home.name, "history.ndjson")
        process = self.start_chaos("--duration", "6s", "--workers", "6", "--history", str(history))
        leader = self.leader()
        self.nodes.kill(leader)
        self.nodes.start(leader)
        code, report = self.finish(process)
        self.assertEqual((code, report["verdict"]), (0, "PASS"), report)
        self.assertGreater(report["writes"], 50)
        self.assertGreater(report["reads"], 50)
        self.assertEqual(report["unread"], 0)
        lines = [json.loads(line) for line in history.read_text().splitlines()]
        answered = [line for line in lines if line["returned_ns"] is not None]
        self.assertEqual(len(answered), report["reads"] + report["writes"])
        self.assertEqual(len(lines) - len(answered), report["unknown"])
        self.assertEqual(self.sicli("status").count("\n"), 3)
        for i in self.nodes.ids:
            self.nodes.wait_ready(i)

    def test_gaps_and_repeats_while_a_majority_stands_still(self):
        process = self.start_chaos("--duration", "10s", "--rate", "100", "--timeout", "1s")
        leader = self.leader()
        still = [leader, next(i for i in self.nodes.ids if i != leader)]
        for i in still:
            self.nodes.signal(i, signal.SIGSTOP)
        try:
            time.sleep(3)  # How long nobody can write, whatever the machine.
        finally:
            for i in still:
                self.nodes.signal(i, signal.SIGCONT)
        code, report = self.finish(process)
        self.assertEqual((code, report["verdict"]), (0, "PASS"), report)
        # Less what it took to see the last answer from before.
        self.assertGreater(report["longest_gap_ms"], 1500)
        self.assertEqual(report["gaps"][0]["length_ms"], report["longest_gap_ms"])
        for i in self.nodes.ids:
            self.nodes.wait_ready(i)

    def test_ctrl_c_ends_the_writing_and_still_checks(self):
        process = self.start_chaos("--duration", "1h")
        process.send_signal(signal.SIGINT)
        code, report = self.finish(process)
        self.assertEqual((code, report["verdict"], report["interrupted"]), (130, "PASS", True))

    def test_without_a_majority_in_the_end_there_is_no_verdict(self):
        process = self.start_chaos("--duration", "2s", "--recovery", "1s", "--timeout", "1s")
        for i in (1, 2):
            self.nodes.kill(i)
        code, report = self.finish(process)
        for i in (1, 2):
            self.nodes.start(i)
        for i in self.nodes.ids:
            self.nodes.wait_ready(i)
        self.assertEqual((code, report["verdict"]), (5, "NO VERDICT"), report)
        self.assertGreater(report["unread"], 0)


class WrongServerTest(harness.SicliTest):
    size = 0

    def chaos(self, mistake, *arguments):
        with WrongServer(mistake) as server:
            return self.run_sicli("--addr", server.address, "test", "chaos", "--duration", "2s",
                                  "--rate", "300", "--workers", "3", *arguments)

    def test_a_right_one_passes(self):
        result = self.chaos("none")
        self.assertEqual(result.code, 0, result)
        self.assertIn("PASS: no acknowledged write was lost", result.out)

    def test_wrong_ones_fail(self):
        for mistake in ("stale", "lost"):
            history = pathlib.Path(self.home.name, mistake)
            result = self.chaos(mistake, "--history", str(history))
            self.assertEqual(result.code, 9, result)
            self.assertIn("FAIL: no order of the operations on sicli-chaos-", result.out)
            key = result.out.split("operations on ")[1].split()[0]
            self.assertIn("called ms", result.out)
            # The file begins with the history of that key.
            self.assertEqual(json.loads(history.read_text().splitlines()[0])["key"], key)

    def test_nobody_there(self):
        self.fails(5, "--addr", "127.0.0.1:1", "--timeout", "1s", "test", "chaos")

    def test_wrong_flags(self):
        self.assertIn("--duration", self.fails(2, "test", "chaos", "--duration", "soon"))
        self.fails(2, "test", "chaos", "--workers", "0")
        self.fails(2, "test", "chaos", "--consistency", "stale")
        self.fails(2, "test", "chaos", "--curl")


if __name__ == "__main__":
    harness.main()
