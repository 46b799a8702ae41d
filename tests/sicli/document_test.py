#!/usr/bin/env python3
"""What stands beside sicli: its man pages, its page in docs/, and the client library's example."""

import pathlib
import re
import shutil
import subprocess

import harness

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"


class DocumentTest(harness.SicliTest):
    def commands(self):
        listed = self.sicli("complete", "--", "").splitlines()
        return [line.split("\t")[0] for line in listed]

    def test_every_command_has_a_man_page(self):
        man = harness.BIN.parent / "man"
        main = (man / "sicli.1").read_text()
        for command in self.commands():
            page = (man / f"sicli-{command}.1").read_text()
            self.assertTrue(page.startswith(f".TH SICLI-{command.upper()} 1"), page[:80])
            self.assertIn(f"sicli\\-{command}(1)", main)
        self.assertIn(r"\-\-if\-absent", (man / "sicli-put.1").read_text())
        self.assertIn("sicli lease revoke", (man / "sicli-lease.1").read_text())
        if shutil.which("groff"):
            done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", str(man / "sicli-txn.1")],
                                  capture_output=True, text=True, check=True)
            self.assertEqual(done.stderr, "")

    def test_every_command_is_in_the_docs(self):
        page = (DOCS / "cli.md").read_text()
        for command in self.commands():
            self.assertRegex(page, rf"sicli {command}\b", f"docs/cli.md lacks {command}")

    def test_the_docs_name_no_command_that_is_not_there(self):
        page = (DOCS / "cli.md").read_text()
        named = set(re.findall(r"^sicli ([a-z]+)", page, re.M))
        self.assertEqual(named - set(self.commands()), set())

    def test_the_example_counts(self):
        example = str(harness.BIN / "example_client")
        for i in (1, 2, 3):
            done = subprocess.run([example, "127.0.0.1:1", self.nodes.http[1]],
                                  capture_output=True, text=True, check=True)
            self.assertRegex(done.stdout, rf"^start {i}, revision \d+\n$")
        self.assertEqual(subprocess.run([example], capture_output=True).returncode, 2)
        self.assertLessEqual(len((DOCS / "example_client.cc").read_text().splitlines()), 35)


if __name__ == "__main__":
    harness.main()
