#!/usr/bin/env python3
"""status, health, leader, compact and completion, on three nodes."""

import json
import signal
import subprocess

import harness


class ClusterTest(harness.SicliTest):
    size = 3

    def leader(self):
        found = []

        def known():
            result = self.run_sicli("leader", "show", "-o", "raw")
            found[:] = [result.out.strip()]
            return result.code == 0

        harness.eventually(known, "no leader")
        return found[0]

    def test_status_redraws_until_ctrl_c(self):
        terminal = self.terminal("status", "--watch", "--interval", "100ms")
        for _ in range(3):
            terminal.expect("\x1b[H\x1b[2J")
            terminal.expect("Ctrl-C ends it")
        terminal.send("\x03")
        self.assertEqual(terminal.finish(), 130)

    def test_watched_in_a_pipe_it_is_lines(self):
        process = subprocess.Popen([str(harness.BIN / "sicli"), "status", "-w", "--interval",
                                    "50ms"], env=self.env(), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE)
        lines = [process.stdout.readline() for _ in range(9)]
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        process.wait()
        process.stdout.close()
        self.assertTrue(all(line[0:1].isdigit() for line in lines), lines)
        self.assertNotIn(b"\x1b", b"".join(lines))

    def test_leader_and_health(self):
        leader = self.leader()
        record = json.loads(self.sicli("leader", "show", "-o", "json"))
        self.assertEqual((str(record["id"]), record["role"]), (leader, "leader"))
        harness.eventually(lambda: self.run_sicli("health").code == 0, "never healthy")
        document = json.loads(self.sicli("health", "-o", "json"))
        self.assertTrue(document["healthy"])
        self.assertEqual({row["node"] for row in document["checks"]}, {1, 2, 3})
        follower = next(i for i in self.nodes.ids if str(i) != leader)
        self.nodes.kill(follower)
        try:
            result = self.run_sicli("health")
            self.assertEqual(result.code, 9, result)
            self.assertIn(f"{follower}\treachable\tfalse\t", result.out)
            self.assertEqual(result.err, "sicli: not every node is well\n")
        finally:
            self.nodes.start(follower)
            self.nodes.wait_ready(follower)

    def test_compact_ends_the_past(self):
        old = self.sicli("put", "k", "old", "-o", "raw").strip()
        new = self.sicli("put", "k", "new", "-o", "raw").strip()
        self.assertEqual(self.sicli("compact", new, "-o", "raw").strip(), new)
        self.fails(1, "scan", "k", "--rev", old)
        self.assertEqual(self.sicli("scan", "k", "--rev", new), "k\tnew\n")
        self.assertEqual(self.sicli("history", "k").split("\t")[1:], ["put", "k", "new\n"])
        self.fails(2, "compact", "99999999")

    def test_completion_knows_commands_and_flags(self):
        def words(*typed):
            out = self.sicli("complete", "--", *typed)
            return [line.split("\t")[0] for line in out.splitlines()]

        self.assertIn("put", words(""))
        self.assertNotIn("complete", words(""))
        self.assertEqual(words("wat"), ["watch"])
        self.assertEqual(words("lease", "re"), ["revoke"])
        self.assertEqual(words("--timeout", "5s", "lease", "re"), ["revoke"])
        self.assertEqual(words("put", "--if-"), ["--if-absent", "--if-revision"])
        self.assertIn("--addr", words("get", "--"))
        self.assertEqual(words("get", "--consistency", "l"), [])
        self.assertEqual(words("watch", "--", "ec"), [])
        script = self.sicli("completion", "bash")
        done = subprocess.run(
            ["bash", "-c", script + 'COMP_WORDS=(sicli lease re); COMP_CWORD=2; _sicli; '
             'echo "${COMPREPLY[@]}"'],
            env={**self.env(), "PATH": f"{harness.BIN}:/usr/bin:/bin"}, capture_output=True,
            text=True, check=True)
        self.assertEqual(done.stdout, "revoke\n", done.stderr)
        for shell in ("zsh", "fish"):
            self.assertIn("sicli complete --", self.sicli("completion", shell))


if __name__ == "__main__":
    harness.main()
