#!/usr/bin/env python3
"""sicli check and sicli metrics, against real nodes."""

import json
import pathlib
import tempfile

import harness


class CheckTest(harness.SicliTest):
    size = 3

    def check(self, *arguments, **keywords):
        result = self.run_sicli("check", *arguments, "-o", "json", **keywords)
        report = json.loads(result.out)
        self.assertEqual(result.code, 0 if report["verdict"] == "PASS" else 9, result)
        return report, {c["check"]: (c["verdict"], c["reason"]) for c in report["checks"]}

    def test_a_cluster_that_is_well(self):
        # A node that has just started may not have heard the leader's address of another yet.
        harness.eventually(lambda: self.check("cluster")[0]["verdict"] == "PASS",
                           self.run_sicli("check", "cluster").out)
        _, checks = self.check("cluster")
        self.assertEqual(list(checks), ["members", "leader", "quorum", "ready", "lag", "term",
                                        "cluster id", "version", "content", "disk space"])
        self.assertIn("1 more may fail", checks["quorum"][1])
        table = self.sicli("check", "cluster", "-o", "table")
        self.assertIn("VERDICT", table)
        self.assertEqual(table.count("PASS"), 10)
        self.assertIn("\x1b[32mPASS", self.on_terminal("check", "cluster"))

    def test_limits_of_a_cluster(self):
        _, checks = self.check("cluster", "--min-free-mib", "999999999999")
        self.assertEqual(checks["disk space"][0], "FAIL")

    def test_a_cluster_with_a_dead_member(self):
        leader = json.loads(self.sicli("status", "-o", "json"))["leader"]
        dead = next(i for i in self.nodes.ids if i != leader)
        self.nodes.kill(dead)
        try:
            report, checks = self.check("cluster")
        finally:
            self.nodes.start(dead)
            self.nodes.wait_ready(dead)
        self.assertEqual(report["verdict"], "FAIL")
        self.assertEqual(checks["members"][0], "FAIL")
        self.assertIn(f"node {dead}", checks["members"][1])
        self.assertIn("one more that fails stops the cluster", checks["quorum"][1])
        self.assertEqual(checks["leader"][0], "PASS")

    def test_disk(self):
        with tempfile.TemporaryDirectory() as directory:
            report, checks = self.check("disk", "--dir", directory, "--p99", "1h",
                                        "--min-free-mib", "1", env={"SICLI_ADDR": ""})
            self.assertEqual(checks["sync"][0], "PASS")
            self.assertGreater(report["syncs"], 0)
            self.assertEqual(list(pathlib.Path(directory).iterdir()), [])
            _, checks = self.check("disk", "--dir", directory, "--p99", "1us")
            self.assertEqual(checks["sync"][0], "FAIL")
            self.assertIn("above 1 us", checks["sync"][1])
        _, checks = self.check("disk", "--dir", "/dev/shm", "--min-free-mib", "1", "--p99", "1h")
        self.assertEqual(checks["disk"][0], "FAIL")
        self.assertIn("/nonexistent", self.fails(2, "check", "disk", "--dir", "/nonexistent"))

    def test_nobody_there(self):
        for command in (["check", "cluster"], ["check", "perf"], ["metrics"]):
            self.fails(5, "--addr", "127.0.0.1:1", "--timeout", "1s", *command)

    def test_wrong_words(self):
        self.assertIn("did you mean disk?", self.fails(2, "check", "disc"))
        self.fails(2, "check", "perf", "--class", "huge")
        self.fails(2, "metrics", "--format", "xml")


class MetricsTest(harness.SicliTest):
    size = 2

    def one(self, *arguments, **keywords):
        return self.sicli("--addr", self.nodes.http[1], "metrics", *arguments, **keywords)

    def test_raw_is_what_the_node_serves(self):
        text = self.one("--format", "raw")
        self.assertIn("# TYPE raft_current_term gauge\n", text)
        self.assertEqual(self.one("-o", "raw", "--filter", "raft_current"),
                         "".join(line + "\n" for line in text.splitlines()
                                 if "raft_current_term" in line))

    def test_json(self):
        self.sicli("put", "k", "v")
        document = json.loads(self.one("--format", "json"))
        self.assertEqual([node["node"] for node in document], [self.nodes.http[1]])
        families = {family["name"]: family for family in document[0]["families"]}
        self.assertEqual(families["raft_current_term"]["type"], "gauge")
        self.assertGreater(families["raft_current_term"]["metrics"][0]["value"], 0)
        histogram = families["http_request_duration_seconds"]
        self.assertEqual(histogram["type"], "histogram")
        used = [metric for metric in histogram["metrics"] if metric["count"] > 0]
        self.assertGreater(len(used), 0)
        for metric in used:
            self.assertLessEqual(metric["p50"], metric["p99"])
            self.assertGreater(metric["mean"], 0)
            self.assertEqual(metric["buckets"][-1]["upper"], "+Inf")
            self.assertEqual(metric["buckets"][-1]["count"], metric["count"])
        self.assertEqual(json.loads(self.one("-o", "json", "--filter", "raft_current_term")),
                         json.loads(self.one("--format", "json", "--filter", "raft_current_term")))

    def test_a_table(self):
        table = self.one("--format", "table", "--filter", "request_duration")
        header = table.splitlines()[0].split()
        self.assertEqual(header, ["METRIC", "LABELS", "VALUE", "MEAN", "P50", "P99"])
        self.assertIn("times", table)
        self.assertNotIn("raft_current_term", table)
        self.assertIn("raft_current_term\tnode_id=1\t", self.one())

    def test_all_nodes(self):
        lines = self.sicli("metrics", "--filter", "raft_current_term").splitlines()
        self.assertEqual([line.split("\t")[0] for line in lines],
                         [self.nodes.http[1], self.nodes.http[2]])
        one_dead = self.run_sicli("--addr", self.nodes.http[1], "--addr", "127.0.0.1:1", "metrics",
                                  "--filter", "raft_current_term")
        self.assertEqual(one_dead.code, 5, one_dead)
        self.assertIn("raft_current_term", one_dead.out)

    def test_curl(self):
        self.assertEqual(self.one("--curl"), f"curl http://{self.nodes.http[1]}/metrics\n")


if __name__ == "__main__":
    harness.main()
