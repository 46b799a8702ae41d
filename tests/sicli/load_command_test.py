#!/usr/bin/env python3
"""sicli test load and check perf, against one real node."""

import json
import pathlib
import signal
import subprocess

import harness

COLUMNS = ["operation", "count", "mean", "p50", "p90", "p99", "p99.9", "max"]


class LoadTest(harness.SicliTest):
    size = 1

    def load(self, *arguments):
        result = self.run_sicli("test", "load", "-o", "json", *arguments)
        return result, json.loads(result.out)

    def test_every_type(self):
        for kind, gets in (("put", 0), ("get", 200), ("mixed", None)):
            result, report = self.load("--type", kind, "--rate", "200", "--duration", "1s",
                                       "--keys", "20", "--connections", "4")
            self.assertEqual(result.code, 0, result)
            self.assertEqual((report["due"], report["answered"], report["unsent"]), (200, 200, 0))
            self.assertEqual(report["failed"], {})
            latency = report["latency"]
            if gets is not None:
                self.assertEqual(latency["get"]["count"], gets)
            else:
                self.assertGreater(latency["get"]["count"], 50)
                self.assertGreater(latency["put"]["count"], 50)
            self.assertLessEqual(latency["all"]["p50_us"], latency["all"]["p99_us"])
            self.assertLessEqual(latency["all"]["p99_us"], latency["all"]["max_us"])
            self.assertEqual(sum(slot["count"] for slot in report["slots"]), 200)
            self.assertNotIn("verdict", report)

    def test_a_name_with_several_addresses(self):
        port = self.nodes.http[1].split(":")[1]
        self.sicli("--addr", f"localhost:{port}", "test", "load", "--rate", "20", "--duration", "1s")

    def test_it_cleans_up_unless_told_not_to(self):
        count = ["-g", f"http://{self.nodes.http[1]}/v1/kv?prefix=sicli-load&count_only"]
        counted = lambda: json.loads(subprocess.check_output(["curl", "-sS", *count]))["count"]
        self.load("--rate", "100", "--duration", "1s", "--type", "get", "--keys", "30")
        self.assertEqual(counted(), 0)
        self.load("--rate", "100", "--duration", "1s", "--type", "get", "--keys", "30", "--keep")
        self.assertEqual(counted(), 30)

    def test_the_limit(self):
        result, report = self.load("--rate", "50", "--duration", "1s", "--p99", "1h")
        self.assertEqual((result.code, report["verdict"]), (0, "PASS"))
        result, report = self.load("--rate", "50", "--duration", "1s", "--p99", "1us")
        self.assertEqual((result.code, report["verdict"]), (9, "FAIL"))
        self.assertIn("is above 1 us", report["reasons"][0])
        text = self.run_sicli("test", "load", "--rate", "50", "--duration", "1s", "--p99", "1us")
        self.assertIn("\nFAIL: p99 ", text.out)

    def test_a_server_that_stands_still_is_seen_by_all_that_were_due(self):
        # A closed loop over four connections would see four slow requests.
        process = subprocess.Popen(
            [str(harness.BIN / "sicli"), "test", "load", "-o", "json", "--rate", "200",
             "--duration", "4s", "--connections", "4"], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=self.env(), text=True)
        self.assertIn("answered/s", process.stderr.readline())  # After a second.
        self.nodes.signal(1, signal.SIGSTOP)
        try:
            process.stderr.readline()
            process.stderr.readline()
        finally:
            self.nodes.signal(1, signal.SIGCONT)
        out, _ = process.communicate(timeout=harness.PATIENCE_S)
        report = json.loads(out)
        self.assertEqual((process.returncode, report["answered"]), (0, 800), out)
        # It stood still for a second at least: a hundred requests and more waited for half of it.
        slow = [slot for slot in report["slots"] if slot["p50_us"] > 300_000]
        self.assertGreater(sum(slot["count"] for slot in slow), 80, out)
        self.assertGreater(report["waited"], 100)

    def test_failures_are_told_by_status(self):
        nodes = harness.Nodes(1, ["--max-value-bytes", "50"])
        try:
            env = {"SICLI_ADDR": nodes.addresses}
            flags = ["--rate", "50", "--duration", "1s"]
            result = self.run_sicli("test", "load", "-o", "json", *flags, "--p99", "1h", env=env)
            self.assertEqual(result.code, 9, result)
            report = json.loads(result.out)
            self.assertEqual((report["answered"], report["failed"]), (0, {"413": 50}))
            text = self.run_sicli("test", "load", *flags, env=env)
            self.assertEqual(text.code, 5, text)
            self.assertIn("50 failed: 413\n", text.out)
        finally:
            nodes.close()

    def test_ctrl_c_tells_what_was_measured(self):
        process = subprocess.Popen(
            [str(harness.BIN / "sicli"), "test", "load", "-o", "json", "--duration", "1h"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env(), text=True)
        self.assertIn("answered/s", process.stderr.readline())
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=harness.PATIENCE_S)
        report = json.loads(out)
        self.assertEqual((process.returncode, report["interrupted"]), (130, True))
        self.assertGreater(report["answered"], 0)

    def test_what_people_see(self):
        plot = pathlib.Path(self.home.name, "load.png")
        terminal = self.terminal("test", "load", "--rate", "100", "--duration", "2s", "--p99", "1h",
                                 "--plot", str(plot))
        self.assertEqual(terminal.finish(), 0, terminal.text)
        seen = terminal.text
        self.assertIn("\r\x1b[K", seen)  # The progress, written over.
        for word in COLUMNS:
            self.assertIn(word.upper(), seen)
        self.assertIn("latency over time", seen)
        self.assertIn("█", seen)
        self.assertIn("200 of 200 requests answered", seen)
        self.assertIn("PASS: p99 ", seen)
        self.assertTrue(plot.read_bytes().startswith(b"\x89PNG"))

    def test_wrong_flags(self):
        self.assertIn("--p99", self.fails(2, "test", "load", "--p99", "fast"))
        self.assertIn("--duration", self.fails(2, "test", "load", "--duration", "0s"))
        for flags in (["--rate", "0"], ["--type", "scan"], ["--connections", "0"], ["--keys", "0"],
                      ["--rate", "1000000", "--duration", "1h"], ["--curl"]):
            self.fails(2, "test", "load", *flags)
        self.assertIn("--plot", self.fails(2, "test", "load", "--plot", "/nonexistent/x.png"))
        self.fails(5, "--addr", "127.0.0.1:1", "test", "load", "--duration", "1s")
        self.assertIn("did you mean load?", self.fails(2, "test", "laod"))

    def test_perf(self):
        result = self.run_sicli("check", "perf", "--duration", "1s", "-o", "json")
        report = json.loads(result.out)
        names = [check["check"] for check in report["checks"]]
        self.assertEqual(names[:4], ["throughput", "p99", "slowest", "failures"])
        failed = [check for check in report["checks"] if check["verdict"] == "FAIL"]
        # Whether this machine is fast enough just now is not the test's business.
        self.assertEqual(result.code, 9 if failed else 0, result)
        self.assertEqual(report["verdict"], "FAIL" if failed else "PASS")
        self.assertEqual(report["load"]["due"], 150)


if __name__ == "__main__":
    harness.main()
