#!/usr/bin/env python3
"""txn, watch and history: in JSON, in the language for people, over a failover."""

import json
import signal
import subprocess

import harness

LOCK = """
# Take the lock, or see who has it.
if absent "the lock"
if version counter = 0
then
  put "the lock" me ttl 60s; put counter '1'
  scan "" limit 1 keys-only
else
  get "the lock"
"""


class TxnTest(harness.SicliTest):
    def setUp(self):
        self.sicli("delete", "--prefix", "", "--yes")

    def test_the_language(self):
        document = json.loads(self.sicli("txn", "-o", "json", stdin=LOCK))
        self.assertEqual(list(document), ["succeeded", "results", "revision"])
        self.assertTrue(document["succeeded"])
        self.assertEqual([list(each) for each in document["results"]], [["put"], ["put"], ["get"]])
        self.assertEqual(document["results"][2]["get"]["kvs"][0]["key"], "counter")
        self.assertEqual(json.loads(self.sicli("lease", "list", "-o", "json"))["ttl"], "1m")
        again = self.run_sicli("txn", "-o", "json", stdin=LOCK)
        self.assertEqual(again.code, 4, again)
        document = json.loads(again.out)
        self.assertFalse(document["succeeded"])
        self.assertEqual(document["results"][0]["get"]["kvs"][0]["value"], "me")
        self.assertEqual(self.run_sicli("txn", stdin=LOCK).out, "get\tthe lock\t1\t-\tme\n")

    def test_lines_on_the_command_line(self):
        out = self.sicli("txn", "-e", "put a 1", "-e", "put a 2", "-e", "get a", "-e", "delete a")
        self.assertEqual(out, "put\t-\t1\t-\t-\nput\t-\t2\t-\t-\nget\ta\t2\t-\t2\n"
                              "delete\t-\t-\t1\t-\n")
        self.sicli("txn", "-e", "put tmp/1 x; put tmp/2 y")
        self.assertIn('"deleted": 2', self.sicli("txn", "-e", "delete-prefix tmp/", "-o", "json"))
        self.sicli("txn", "-e", r'put bytes "\x00\xff\n\"\\"')
        self.assertEqual(self.run_sicli("get", "bytes").out_bytes, b'\x00\xff\n"\\')
        self.fails(4, "txn", "-e", "if value bytes = x", "-e", "put bytes y")

    def test_json_is_that_of_the_api(self):
        body = {"compare": [{"key": "k", "target": "version", "op": "=", "number": 0}],
                "then": [{"put": {"key": "k", "value_base64": "/wA="}}, {"get": {"prefix": "k"}}],
                "else": []}
        document = json.loads(self.sicli("txn", "-o", "json", stdin=json.dumps(body)))
        self.assertEqual(document["results"][1]["get"]["kvs"][0]["value_base64"], "/wA=")
        self.assertIn("unknown member", self.fails(2, "txn", stdin='{"when": []}'))
        self.fails(2, "txn", stdin="{")

    def test_mistakes_are_named_with_their_line(self):
        for text, line, word in (("put a", 1, "value"), ("put a b c", 1, "too many"),
                                 ("\n\nfrobnicate", 3, "frobnicate"), ("if absent a\nput b c\nif absent d", 3, "before"),
                                 ("if version a = x\nget a", 1, "number"), ('put "a b', 1, "quote"),
                                 (r'put "\q" x', 1, "x"), ("put a b ttl soon", 1, "soon"),
                                 ("else\nget a\nelse", 3, "second"), ("if vresion a = 1", 1, "vresion")):
            error = self.fails(2, "txn", stdin=text)
            self.assertIn(f"line {line}: ", error)
            self.assertIn(word, error)
        self.assertIn("does nothing", self.fails(2, "txn", stdin="# only a comment"))


class WatchTest(harness.SicliTest):
    size = 3

    def watch(self, *arguments, env=None):
        process = subprocess.Popen([str(harness.BIN / "sicli"), "watch", *arguments],
                                   env=self.env(env), stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def test_events_come_as_they_happen(self):
        first = int(self.sicli("put", "w/a", "1", "-o", "raw"))
        process = self.watch("--prefix", "w/", "--from", str(first), "--prev", "-o", "json")
        event = json.loads(process.stdout.readline())
        self.assertEqual(list(event), ["revision", "type", "key", "value", "create_revision",
                                       "mod_revision", "version"])
        self.assertEqual((event["revision"], event["type"]), (first, "put"))
        self.sicli("put", "w/a", "2")
        self.assertEqual(json.loads(process.stdout.readline())["prev"]["value"], "1")
        self.sicli("delete", "w/a")
        self.assertEqual(json.loads(process.stdout.readline())["type"], "delete")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(harness.PATIENCE_S), -signal.SIGINT)

    def test_a_command_for_each_event(self):
        first = self.sicli("put", "c/a", "one", "-o", "raw").strip()
        self.sicli("put", "c/b", "two words\n")
        out = self.sicli("watch", "--prefix", "c/", "--from", first, "--count", "2", "--", "sh", "-c",
                         'printf "%s|%s|%s\\n" "$SICLI_TYPE" "$SICLI_KEY" "$SICLI_VALUE"')
        self.assertEqual(out, "put|c/a|one\nput|c/b|two words\n\n")
        out = self.sicli("watch", "c/a", "--from", first, "--count", "1", "--", "sh", "-c",
                         'echo "$SICLI_EVENT"')
        self.assertEqual(json.loads(out)["value"], "one")
        self.assertIn("failed", self.fails(1, "watch", "c/a", "--from", first, "--", "false"))
        self.fails(1, "watch", "c/a", "--from", first, "--", "/no/such/program")
        self.fails(2, "watch")

    def test_history_of_a_key(self):
        first = self.sicli("put", "h", "1", "-o", "raw").strip()
        self.sicli("put", "h", "2")
        self.sicli("delete", "h")
        last = self.sicli("put", "h", "3", "-o", "raw").strip()
        lines = self.sicli("history", "h").splitlines()
        self.assertEqual([line.split("\t")[1:] for line in lines],
                         [["put", "h", "1"], ["put", "h", "2"], ["delete", "h", "-"],
                          ["put", "h", "3"]])
        self.assertEqual((lines[0].split("\t")[0], lines[-1].split("\t")[0]), (first, last))
        self.assertEqual(json.loads(self.sicli("history", "h", "-o", "json").splitlines()[3])
                         ["version"], 1)
        self.fails(3, "history", "never was")

    def test_a_watch_survives_the_death_of_its_node(self):
        first = self.sicli("put", "f/0", "x", "-o", "raw").strip()
        process = self.watch("--prefix", "f/", "--from", first, "-o", "json")
        self.assertIn(b'"f/0"', process.stdout.readline())
        self.nodes.kill(1)  # The first address: the one that is asked.
        try:
            for i in range(1, 20):
                self.sicli("put", f"f/{i}", "x", "--timeout", "30s")
            keys = [json.loads(process.stdout.readline())["key"] for _ in range(19)]
            self.assertEqual(keys, [f"f/{i}" for i in range(1, 20)])
        finally:
            self.nodes.start(1)
            self.nodes.wait_ready(1)


if __name__ == "__main__":
    harness.main()
