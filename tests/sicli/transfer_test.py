#!/usr/bin/env python3
"""export and import: from one cluster into another, whole, broken off and gone on with."""

import base64
import http.client
import json
import os
import pathlib
import resource
import signal
import subprocess
import tempfile

import harness

ODD_KEYS = [b"\x00", b"plain", "smile \U0001f600".encode(), b"a\nb", b'quote"\\', b"\xff\xfe\x00z",
            b"z" * 300]
ODD_VALUES = [b"", b"\x00\x01\xff", b"text\n", "\u00e9\u2028".encode(), b"{}", b"v" * 70000,
              b'\\"\x1b']


def put(address, key, value, ttl=None):
    """A PUT as it is: keys and values need not be text."""
    path = "/v1/kv/" + "".join(f"%{byte:02x}" for byte in key)
    host, port = address.split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=harness.PATIENCE_S)
    connection.request("PUT", path + (f"?ttl={ttl}" if ttl else ""), body=value)
    assert connection.getresponse().status in (200, 201)
    connection.close()


def content(address):
    """Every key and value of a node, in the order of keys."""
    host, port = address.split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=harness.PATIENCE_S)
    connection.request("GET", "/v1/kv?prefix=", headers={"Accept": "application/x-ndjson"})
    lines = connection.getresponse().read().splitlines()
    connection.close()

    def of(entry, name):
        coded = entry.get(name + "_base64")
        return base64.b64decode(coded) if coded is not None else entry[name].encode()

    return [(of(entry, "key"), of(entry, "value")) for entry in map(json.loads, lines)]


class TransferTest(harness.SicliTest):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.directory.name)
        self.file = str(self.path / "dump.ndjson")
        self.target = harness.Nodes(1)
        self.to = ("--addr", self.target.http[1])

    def tearDown(self):
        self.sicli("delete", "--prefix", "", "--yes")
        self.target.close()
        self.directory.cleanup()

    def fill(self, count, size=100, prefix="k"):
        """`count` keys, written by one import."""
        lines = "".join(f'{{"key":"{prefix}{i:06}","value":"{i:06}{"x" * size}"}}\n'
                        for i in range(count))
        self.sicli("import", "-", stdin=lines)

    def start(self, *arguments, **keywords):
        return subprocess.Popen([str(harness.BIN / "sicli"), *arguments], env=self.env(),
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, **keywords)

    def equal(self):
        mine, theirs = content(self.nodes.http[1]), content(self.target.http[1])
        self.assertEqual(len(mine), len(theirs))
        self.assertTrue(mine == theirs, "the contents differ")
        return len(mine)

    def test_what_was_exported_is_what_was_imported(self):
        for key, value in zip(ODD_KEYS, ODD_VALUES):
            put(self.nodes.http[1], key, value)
        self.fill(3000)
        out = json.loads(self.sicli("export", self.file, "-o", "json"))
        self.assertEqual(list(out), ["file", "revision", "keys", "resumed_at"])
        self.assertEqual((out["file"], out["keys"], out["resumed_at"]), (self.file, 3007, 0))
        first, *_, last = pathlib.Path(self.file).read_text().splitlines()
        self.assertEqual(json.loads(first)["export"]["revision"], out["revision"])
        self.assertEqual(json.loads(last), {"export_end": {"keys": 3007}})
        done = json.loads(self.sicli("import", self.file, "-o", "json", *self.to))
        self.assertEqual((done["keys"], done["written"], done["kept"], done["skipped"]),
                         (3007, 3007, 0, 0))
        self.assertEqual(self.equal(), 3007)
        self.assertFalse((self.path / "dump.ndjson.import-state").exists())

    def test_through_a_pipe_a_range_and_a_past_revision(self):
        old = self.sicli("put", "in/a", "old", "-o", "raw").strip()
        self.sicli("put", "in/a", "new")
        self.sicli("put", "in/b", "new")
        self.sicli("put", "out", "x")
        result = self.run_sicli("export", "-", "--prefix", "in/")
        self.assertEqual(result.code, 0, result)
        self.assertRegex(result.err, r"^exported 2 keys of revision \d+\n$")
        self.sicli("import", "-", *self.to, stdin=result.out_bytes)
        self.assertEqual(content(self.target.http[1]), [(b"in/a", b"new"), (b"in/b", b"new")])
        past = self.run_sicli("export", "-", "--rev", old).out_bytes
        self.sicli("import", "-", *self.to, stdin=past)
        self.assertEqual(self.sicli("get", "in/a", *self.to), "old")
        self.assertIn(f"exported 1 keys of revision {old}",
                      self.run_sicli("export", "-", "--rev", old).err)

    def test_a_file_that_is_there_is_not_replaced(self):
        self.sicli("put", "k", "1")
        self.sicli("export", self.file)
        self.assertIn("--overwrite", self.fails(2, "export", self.file))
        self.sicli("put", "k", "2")
        self.sicli("export", self.file, "--overwrite")
        self.assertIn('"2"', pathlib.Path(self.file).read_text())
        again = json.loads(self.sicli("export", self.file, "--resume", "-o", "json"))
        self.assertEqual((again["keys"], again["resumed_at"]), (1, 1))
        self.assertIn("another range",
                      self.fails(2, "export", self.file, "--resume", "--prefix", "k"))
        other = self.path / "text"
        other.write_text("some\ntext\n")
        self.fails(2, "export", str(other), "--resume")
        self.assertEqual(other.read_text(), "some\ntext\n")
        self.fails(2, "export", "-", "--resume")

    def test_a_killed_export_goes_on_at_its_revision(self):
        self.fill(20000, size=2000)
        whole = self.run_sicli("export", "-").out_bytes
        process = self.start("export", self.file)
        dump = pathlib.Path(self.file)
        harness.eventually(lambda: dump.exists() and dump.stat().st_size > 1_000_000,
                           "nothing is exported")
        process.kill()
        process.communicate()
        cut = dump.stat().st_size
        if cut < len(whole):  # Unless it was faster than its murderer.
            self.assertIn("--partial", self.fails(2, "import", self.file, *self.to))
        self.sicli("put", "k000001", "changed")
        self.sicli("put", "later", "added")
        out = json.loads(self.sicli("export", self.file, "--resume", "-o", "json"))
        self.assertEqual(out["keys"], 20000)
        self.same(dump.read_bytes(), whole)
        # Cut in the middle of a line, by hand: the same.
        with open(self.file, "r+b") as file:
            file.truncate(len(whole) // 2)
        out = json.loads(self.sicli("export", self.file, "--resume", "-o", "json"))
        self.assertGreater(out["resumed_at"], 0)
        self.same(dump.read_bytes(), whole)

    def same(self, dump, other):
        """But for the first line: the store's revision moves on without a write, too."""
        self.assertTrue(dump.split(b"\n", 1)[1] == other.split(b"\n", 1)[1], "the dumps differ")

    def test_an_export_whose_history_is_gone_says_so(self):
        self.fill(2000)
        self.sicli("export", self.file)
        with open(self.file, "r+b") as file:
            file.truncate(100_000)
        revision = self.sicli("put", "k", "v", "-o", "raw").strip()
        self.sicli("compact", revision)
        self.assertIn("--overwrite", self.fails(1, "export", self.file, "--resume"))

    def test_a_killed_import_goes_on_where_it_was(self):
        self.fill(20000, size=2000)
        self.sicli("export", self.file)
        state = self.path / "dump.ndjson.import-state"
        process = self.start("import", self.file, "--resume", *self.to)
        harness.eventually(lambda: state.exists() or process.poll() is not None,
                           "its state is not kept")
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if state.exists():  # Unless it was faster than its murderer.
            place = json.loads(state.read_text())
            self.assertGreaterEqual(len(content(self.target.http[1])), place["keys"])
            self.assertIn("another cluster", self.fails(2, "import", self.file, "--resume"))
        done = json.loads(self.sicli("import", self.file, "--resume", "-o", "json", *self.to))
        self.assertEqual(done["keys"], 20000)
        self.assertEqual(done["resumed_at"] + done["written"], 20000)
        self.assertEqual(self.equal(), 20000)
        self.assertFalse(state.exists())

    def test_an_import_ends_at_a_failed_write_and_goes_on_later(self):
        lines = [json.dumps({"key": f"k{i:04}", "value": "v"}) for i in range(2000)]
        lines[1500] = json.dumps({"key": "k1500", "value": "v", "lease": 4242})
        pathlib.Path(self.file).write_text("\n".join(lines) + "\n")
        error = self.fails(3, "import", self.file, "--resume", "--leases", "same", *self.to)
        self.assertIn("dump.ndjson:1501: ", error)
        self.assertTrue((self.path / "dump.ndjson.import-state").exists())
        done = json.loads(self.sicli("import", self.file, "--resume", "-o", "json", *self.to))
        self.assertEqual((done["keys"], done["skipped"]), (2000, 1))
        self.assertGreater(done["resumed_at"], 0)
        self.assertEqual(len(content(self.target.http[1])), 1999)

    def test_an_import_survives_a_node_that_starts_again(self):
        self.fill(20000, size=2000)
        self.sicli("export", self.file)
        process = self.start("import", self.file, "--timeout", "1m", *self.to)
        harness.eventually(lambda: content(self.target.http[1]) or process.poll() is not None,
                           "nothing is imported")
        self.target.kill(1)
        self.target.start(1)
        out, err = process.communicate(timeout=2 * harness.PATIENCE_S)
        self.assertEqual(process.returncode, 0, err)
        self.assertEqual(self.equal(), 20000)

    def test_an_unreachable_cluster_changes_nothing(self):
        pathlib.Path(self.file).write_text('{"key":"a","value":"1"}\n')
        error = self.fails(5, "import", self.file, "--addr", "127.0.0.1:1", "--timeout", "300ms")
        self.assertIn("dump.ndjson:1: ", error)
        self.fails(5, "export", str(self.path / "none"), "--addr", "127.0.0.1:1", "--timeout",
                   "300ms")

    def test_a_bad_line_is_named(self):
        good = '{"key":"a","value":"1"}\n\n{"key":"b","value":"2"}\n'
        for bad, why in (("{", "no JSON"), ("7", "no JSON object"),
                         ('{"key":"c"}', 'there is no "value"'),
                         ('{"key":"","value":"x"}', "must not be empty"),
                         ('{"key":"c","value":1}', '"value" is no string'),
                         ('{"key":"c","value_base64":"*"}', "no base64"),
                         ('{"key":"c","value":"1","ttl":"5s"}', '"ttl" means nothing'),
                         ('{"export":{"format":1,"revision":1}}', "in the middle"),
                         ('{"export":{"format":9,"revision":1}}', "newer sicli"),
                         ('{"export_end":{"keys":5}}', "had 5 keys, here are 2"),
                         ('{"key":"c","value":"' + "x" * (17 << 20) + '"}', ":4: ")):
            pathlib.Path(self.file).write_text(good + bad + '\n{"key":"d","value":"4"}\n')
            code = 7 if "x" * 100 in bad else 2
            error = self.fails(code, "import", self.file, *self.to)
            self.assertIn("dump.ndjson:4: ", error)
            self.assertIn(why, error)
            self.assertEqual(content(self.target.http[1]), [(b"a", b"1"), (b"b", b"2")], bad[:40])
            self.sicli("delete", "--prefix", "", "--yes", *self.to)

    def test_a_dry_run_names_every_mistake_and_writes_nothing(self):
        pathlib.Path(self.file).write_text('{"key":"a","value":"1"}\n{\n{"key":"b"}\n')
        result = self.run_sicli("import", self.file, "--dry-run", "--addr", "127.0.0.1:1")
        self.assertEqual(result.code, 2, result)
        self.assertRegex(result.err, r"^sicli: .*:2: .*\nsicli: .*:3: .*\n$")
        self.assertIn("mistakes 2\n", result.out)
        self.assertIn("mistakes 0\n", self.sicli("import", "-", "--dry-run",
                                                 stdin='{"key":"a","value":"1"}'))

    def test_keys_that_are_there_and_keys_with_leases(self):
        self.sicli("put", "a", "there", *self.to)
        lines = ('{"key":"a","value":"new"}\n{"key":"b","value":"1"}\n{"key":"b","value":"2"}\n'
                 '{"key":"c","value":"3","lease":9}\n')
        done = json.loads(self.sicli("import", "-", "--if-absent", "-o", "json", *self.to,
                                     stdin=lines))
        self.assertEqual((done["written"], done["kept"], done["skipped"]), (1, 2, 1))
        self.assertEqual(content(self.target.http[1]), [(b"a", b"there"), (b"b", b"1")])
        self.sicli("import", "-", "--leases", "forever", *self.to, stdin=lines)
        self.assertEqual(content(self.target.http[1]),
                         [(b"a", b"new"), (b"b", b"2"), (b"c", b"3")])
        lease = self.sicli("lease", "grant", "1h", "-o", "raw", *self.to).strip()
        self.sicli("import", "-", "--leases", "same", *self.to,
                   stdin=f'{{"key":"d","value":"4","lease":{lease}}}\n')
        shown = json.loads(self.sicli("get", "d", "-o", "json", *self.to))
        self.assertEqual(shown["lease"], int(lease))

    def test_memory_does_not_grow_with_the_range(self):
        self.fill(60, size=1_000_000)

        def limit():
            resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))

        for arguments in (["export", self.file], ["import", self.file, *self.to]):
            process = self.start(*arguments, preexec_fn=limit)
            _, err = process.communicate(timeout=harness.PATIENCE_S)
            self.assertEqual(process.returncode, 0, err)
        self.assertEqual(self.equal(), 60)

    def test_a_terminal_sees_how_far_it_is(self):
        pipe = self.path / "pipe"
        os.mkfifo(pipe)
        terminal = self.terminal("import", str(pipe), *self.to, env={"NO_COLOR": "1"})
        with open(pipe, "wb", buffering=0) as file:
            lines = 0
            while b" keys  " not in terminal.seen:
                file.write(b'{"key":"k%d","value":"v"}\n' % lines)
                lines += 1
                terminal.read(0.02)
        self.assertEqual(terminal.finish(), 0, terminal.text)
        self.assertIn(f"keys        {lines}\n", terminal.text.replace("\r\x1b[K", ""))
        self.sicli("put", "k", "v")
        self.assertEqual(self.run_sicli("export", self.file).err, "")


if __name__ == "__main__":
    harness.main()
