#!/usr/bin/env python3
"""What all commands of sicli share: forms of output, colours, --curl, wrong words."""

import json
import subprocess

import yaml

import harness


class FrameTest(harness.SicliTest):
    def test_forms_of_a_record(self):
        self.sicli("put", "k", "v")
        record = json.loads(self.sicli("get", "k", "-o", "json"))
        self.assertEqual(list(record), ["key", "value", "create_revision", "mod_revision",
                                        "version", "size"])
        self.assertEqual(record["value"], "v")
        self.assertEqual(yaml.safe_load(self.sicli("get", "k", "-o", "yaml")), record)
        revision = record["mod_revision"]
        self.assertIn(f"mod_revision {revision}\n", self.sicli("get", "k", "--detail"))
        table = self.sicli("get", "k", "--detail", "-o", "table")
        self.assertIn(f"mod_revision     {revision}\n", table)
        self.assertEqual(self.sicli("get", "k"), "v")
        self.assertEqual(self.sicli("get", "k", "-o", "raw"), "v")
        self.assertEqual(self.sicli("put", "k2", "v", "-o", "raw").strip().isdigit(), True)
        put = json.loads(self.sicli("put", "k2", "w", "-o", "json"))
        self.assertEqual(list(put), ["revision", "version", "created"])
        self.assertEqual((put["version"], put["created"]), (2, False))
        self.assertEqual(list(json.loads(self.sicli("delete", "k2", "-o", "json"))),
                         ["deleted", "revision"])

    def test_bytes_that_are_no_text(self):
        self.sicli("put", "bytes", "-", stdin=b"\xff\x00")
        record = json.loads(self.sicli("get", "bytes", "-o", "json"))
        self.assertEqual(record["value_base64"], "/wA=")
        self.assertNotIn("value", record)

    def test_forms_of_a_table(self):
        plain = self.sicli("status")
        self.assertEqual(plain.count("\n"), 1, plain)
        cells = plain.rstrip("\n").split("\t")
        self.assertEqual(cells[:2], ["1", "leader"])
        table = self.sicli("status", "-o", "table")
        self.assertTrue(table.startswith("ID  ROLE"), table)
        self.assertNotIn("\x1b", table)
        document = json.loads(self.sicli("status", "-o", "json"))
        self.assertEqual(list(document), ["cluster_id", "leader", "members"])
        self.assertEqual(document["members"][0]["http_address"], self.nodes.http[1])
        self.assertEqual(list(document["members"][0]),
                         ["id", "role", "term", "applied", "lag", "http_address", "peer_address",
                          "version", "health"])
        of_yaml = yaml.safe_load(self.sicli("status", "-o", "yaml"))
        self.assertEqual(of_yaml["members"][0]["role"], "leader")

    def test_a_terminal_gets_tables_in_colour(self):
        seen = self.on_terminal("status")
        self.assertIn("ROLE", seen)
        self.assertIn("\x1b[32mleader\x1b[0m", seen)
        for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
            seen = self.on_terminal("status", env=env)
            self.assertIn("ROLE", seen)
            self.assertNotIn("\x1b", seen)
        self.assertIn("\x1b", self.on_terminal("status", env={"NO_COLOR": ""}))
        self.assertNotIn("\x1b", self.on_terminal("status", "-o", "simple"))

    def test_a_value_cannot_drive_the_terminal(self):
        self.sicli("put", "evil", "-", stdin=b"\x1b]0;title\x07one\n\ttwo\\\xff\xc2\x9b")
        self.assertEqual(self.on_terminal("get", "evil"),
                         "\\x1b]0;title\\x07one\n\ttwo\\\\xff\\xc2\\x9b\n")
        self.assertIn("\x1b]0;", self.on_terminal("get", "evil", "-o", "raw"))

    def test_curl_lines_do_what_the_command_would(self):
        value = "it's 100% \"quoted\"\n$HOME `x` \\n \u00e9"
        line = self.sicli("put", "a/b c", value, "--curl")
        self.assertTrue(line.startswith("curl -X PUT "), line)
        self.fails(3, "get", "a/b c")
        for body in (value.encode(), b"\x00\xff%\\'\n", b"", b"@file", b"-"):
            key = "curl " + body.hex()
            try:
                argument = body.decode()
                argument = "@" + argument if argument.startswith("@") else argument
                if "\0" in argument or argument == "-":
                    raise ValueError
                line = self.sicli("put", key, argument, "--curl")
                source = b""
            except ValueError:
                line = self.sicli("put", key, "-", "--curl", stdin=b"")
                self.assertIn("--data-binary @-", line)
                source = body
            done = subprocess.run(["bash", "-c", line], input=source, capture_output=True,
                                  check=True)
            self.assertIn(b'"revision"', done.stdout, line)
            self.assertEqual(self.run_sicli("get", key).out_bytes, body, line)
        self.assertIn("/v1/kv/k?consistency=stale",
                      self.sicli("get", "k", "--consistency", "stale", "--curl"))

    def test_wrong_words_suggest_the_right_ones(self):
        self.assertIn("did you mean status?", self.fails(2, "staus"))
        self.assertIn("did you mean put?", self.fails(2, "set", "k", "v"))
        self.assertIn("did you mean --consistency?", self.fails(2, "get", "--consistancy=x", "k"))
        self.assertIn("did you mean list?", self.fails(2, "member", "ls"))
        self.assertIn("sicli config --help", self.fails(2, "config", "shwo"))
        self.assertIn("goes behind --", self.fails(2, "put", "k", "-v"))
        self.assertNotIn("did you mean", self.fails(2, "frobnicate"))

    def test_keys_may_be_the_names_of_commands(self):
        self.sicli("put", "status", "get")
        self.assertEqual(self.sicli("get", "status"), "get")

    def test_flags_stand_before_and_behind(self):
        self.sicli("--timeout", "5s", "put", "order", "1")
        self.assertEqual(self.sicli("get", "order", "--timeout", "5s", "-o", "raw"), "1")

    def test_help_fits_a_terminal(self):
        for words in ([], ["put"], ["member"], ["member", "add"], ["config"]):
            text = self.sicli(*words, "--help")
            self.assertLessEqual(max(map(len, text.splitlines())), 100, text)


if __name__ == "__main__":
    harness.main()
