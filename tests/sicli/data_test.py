#!/usr/bin/env python3
"""put, get, delete, scan, count and leases, as people and scripts use them."""

import json
import resource
import signal
import subprocess

import harness


class DataTest(harness.SicliTest):
    def fill(self, prefix, count):
        for i in range(count):
            self.sicli("put", f"{prefix}{i:03}", f"value {i}")

    def test_scan_forms(self):
        self.fill("scan/", 3)
        self.assertEqual(self.sicli("scan", "scan/"),
                         "scan/000\tvalue 0\nscan/001\tvalue 1\nscan/002\tvalue 2\n")
        lines = self.sicli("scan", "scan/", "-o", "json").splitlines()
        first = json.loads(lines[0])
        self.assertEqual(list(first),
                         ["key", "value", "create_revision", "mod_revision", "version"])
        self.assertEqual(len(lines), 3)
        self.assertEqual(self.sicli("scan", "scan/", "-o", "raw"), "value 0\nvalue 1\nvalue 2\n")
        self.assertEqual(self.sicli("scan", "scan/", "--keys-only", "--reverse", "--limit", "2"),
                         "scan/002\nscan/001\n")
        self.assertEqual(self.sicli("scan", "--start", "scan/001", "--end", "scan/002"),
                         "scan/001\tvalue 1\n")
        self.assertEqual(self.sicli("scan", "nothing/"), "")
        self.assertEqual(self.sicli("scan", "nothing/", "-o", "yaml"), "[]\n")
        table = self.on_terminal("scan", "scan/", "--detail", env={"NO_COLOR": "1"})
        self.assertRegex(table, r"^KEY +CREATED +MODIFIED +VERSION +LEASE +VALUE\nscan/000 ")
        self.fails(2, "scan", "x", "--start", "y")
        self.fails(2, "scan", "x", "--prefix", "y")

    def test_a_long_value_is_cut_to_the_terminal(self):
        self.sicli("put", "long", "x" * 500)
        lines = self.on_terminal("scan", "long", columns=60, env={"NO_COLOR": "1"}).splitlines()
        self.assertEqual(len(lines[1]), 60)
        self.assertTrue(lines[1].endswith("x\u2026"), lines[1])

    def test_count(self):
        self.fill("count/", 4)
        self.assertEqual(self.sicli("count", "count/"), "4\n")
        self.assertEqual(self.sicli("count", "--start", "count/002", "--end", "count/1"), "2\n")
        self.assertEqual(json.loads(self.sicli("count", "count/", "-o", "json"))["count"], 4)

    def test_the_past_stays_readable(self):
        old = self.sicli("put", "past/a", "old", "-o", "raw").strip()
        self.sicli("put", "past/a", "new")
        self.sicli("put", "past/b", "new")
        self.assertEqual(self.sicli("scan", "past/", "--rev", old), "past/a\told\n")
        self.assertEqual(self.sicli("count", "past/", "--rev", old), "1\n")

    def test_bounded_staleness(self):
        revision = self.sicli("put", "stale", "v", "-o", "raw").strip()
        self.assertEqual(self.sicli("get", "stale", "--consistency", "stale", "--min-revision",
                                    revision), "v")
        self.assertEqual(self.sicli("get", "stale", "--consistency", "stale", "--max-stale", "1m"),
                         "v")
        self.fails(2, "get", "stale", "--max-stale", "soon")

    def test_deleting_a_range_asks_first(self):
        self.fill("gone/", 3)
        error = self.fails(2, "delete", "--prefix", "gone/")
        self.assertIn("--yes", error)
        terminal = self.terminal("delete", "--prefix", "gone/", env={"NO_COLOR": "1"})
        terminal.expect("delete the 3 keys that begin with \"gone/\"? [y/N] ")
        terminal.send("n\n")
        self.assertEqual(terminal.finish(), 1)
        self.assertEqual(self.sicli("count", "gone/"), "3\n")
        terminal = self.terminal("delete", "--prefix", "gone/", env={"NO_COLOR": "1"})
        terminal.expect("[y/N] ")
        terminal.send("y\n")
        self.assertEqual(terminal.finish(), 0)
        self.assertIn("deleted  3", terminal.text)
        self.fill("gone/", 2)
        self.assertEqual(self.sicli("delete", "--start", "gone/", "--end", "gone0", "--yes"),
                         "deleted 2\n")
        self.fails(2, "delete")
        self.fails(2, "delete", "k", "--prefix", "k", "--yes")

    def test_ttl_and_leases(self):
        lease = self.sicli("lease", "grant", "60s", "-o", "raw").strip()
        self.sicli("put", "--lease", lease, "leased/a", "1")
        self.sicli("put", "--lease", lease, "leased/b", "2")
        shown = json.loads(self.sicli("lease", "show", lease, "-o", "json"))
        self.assertEqual(list(shown), ["id", "ttl", "remaining", "keys"])
        self.assertEqual((shown["ttl"], shown["keys"]), ("1m", 2))
        self.assertEqual(json.loads(self.sicli("get", "leased/a", "-o", "json"))["lease"],
                         int(lease))
        self.assertIn(f"\n{lease}\t", "\n" + self.sicli("lease", "list"))
        self.assertEqual(self.sicli("lease", "keepalive", lease, "-o", "raw"), lease)
        self.assertEqual(self.sicli("lease", "revoke", lease), "deleted 2\n")
        self.fails(3, "get", "leased/a")
        self.fails(3, "lease", "show", lease)
        self.fails(3, "lease", "keepalive", lease)
        self.fails(2, "lease", "grant", "soon")
        self.fails(2, "put", "k", "v", "--ttl", "5s", "--lease", "1")
        self.sicli("put", "short", "v", "--ttl", "1s")
        harness.eventually(lambda: self.run_sicli("get", "short").code == 3, "it does not end")

    def test_keepalive_forever_ends_with_ctrl_c(self):
        lease = self.sicli("lease", "grant", "2s", "-o", "raw").strip()
        process = subprocess.Popen([str(harness.BIN / "sicli"), "lease", "keepalive", lease,
                                    "--forever"], env=self.env(), stdout=subprocess.PIPE)
        for _ in range(4):
            self.assertIn(b"id", process.stdout.readline())
            process.stdout.readline()
        self.sicli("lease", "show", lease)
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        self.assertEqual(process.wait(harness.PATIENCE_S), -signal.SIGINT)  # 130 to a shell.
        process.stdout.close()

    def test_a_scan_needs_little_memory(self):
        value = "x" * 1_000_000
        for i in range(40):
            self.sicli("put", f"big/{i:02}", "-", stdin=value)

        def limit():
            resource.setrlimit(resource.RLIMIT_AS, (160 << 20, 160 << 20))

        done = subprocess.run([str(harness.BIN / "sicli"), "scan", "big/"], env=self.env(),
                              stdout=subprocess.PIPE, preexec_fn=limit, check=True)
        self.assertEqual(len(done.stdout), 40 * (1_000_000 + len("big/00\t\n")))


if __name__ == "__main__":
    harness.main()
