#!/usr/bin/env python3
"""The shell of sicli: on a pseudo-terminal, and fed from a pipe."""

import os
import pathlib
import subprocess
import tempfile

import harness

UP, TAB, CTRL_A, CTRL_C, CTRL_D, CTRL_R = "\x1b[A", "\t", "\x01", "\x03", "\x04", "\x12"


class ShellTest(harness.SicliTest):
    def setUp(self):
        self.state = tempfile.TemporaryDirectory()
        self.history = pathlib.Path(self.state.name) / "sicli" / "history"

    def tearDown(self):
        self.state.cleanup()

    def shell(self, *flags, columns=100):
        env = {"XDG_STATE_HOME": self.state.name, "NO_COLOR": "1"}
        terminal = self.terminal("shell", *flags, env=env, columns=columns)
        terminal.expect("sicli> ")
        return terminal

    def say(self, terminal, line, prompt="sicli> "):
        """What comes between the line that was typed and the next prompt."""
        terminal.send(line + "\r")
        terminal.expect("\n")
        return terminal.expect(prompt)[:-len(prompt)].replace("\r\n", "\n")

    def leave(self, terminal):
        terminal.send(CTRL_D)
        self.assertEqual(terminal.finish(), 0, terminal.text)

    def test_lines_are_commands(self):
        terminal = self.shell()
        self.assertIn("revision", self.say(terminal, 'put shell/a "two words"'))
        self.assertEqual(self.say(terminal, "get shell/a"), "two words\n")
        self.assertEqual(self.say(terminal, "sicli get shell/a -o raw"), "two words")
        self.assertEqual(self.say(terminal, ""), "")
        self.assertEqual(self.say(terminal, "# nothing"), "")
        self.assertIn("sicli put", self.say(terminal, "help put"))
        self.assertIn("no such key", self.say(terminal, "get shell/none", "sicli[3]> "))
        self.assertIn("a quote is not closed", self.say(terminal, "get 'x", "sicli[2]> "))
        self.assertIn("did you mean scan?", self.say(terminal, "scna", "sicli[2]> "))
        self.assertEqual(self.say(terminal, "get shell/a"), "two words\n")
        terminal.send("exit\r")
        self.assertEqual(terminal.finish(), 0)
        self.assertEqual(self.sicli("get", "shell/a"), "two words")

    def test_a_command_asks_and_reads_on_the_terminal(self):
        terminal = self.shell()
        self.say(terminal, "put ask/a 1")
        terminal.send("delete --prefix ask/\r")
        terminal.expect("[y/N] ")
        terminal.send("y\r")
        self.assertIn("deleted  1", terminal.expect("sicli> "))
        terminal.send("put ask/b -\r")
        terminal.expect("\n")
        terminal.send("typed\n" + CTRL_D)
        terminal.expect("sicli> ")
        self.assertEqual(self.say(terminal, "get ask/b"), "typed\n\n")
        self.leave(terminal)

    def test_ctrl_c_ends_the_command_and_not_the_shell(self):
        terminal = self.shell()
        terminal.send("watch --prefix watched/\r")
        terminal.expect("\n")
        while b"watched/x" not in terminal.seen:
            self.sicli("put", "watched/x", "1")
            terminal.read(0.1)
        terminal.send(CTRL_C)
        terminal.expect("sicli[130]> ")
        terminal.send("put wrong" + CTRL_C)
        terminal.expect("^C\r\nsicli> ")
        self.assertEqual(self.say(terminal, "count watched/"), "1\n")
        self.leave(terminal)

    def test_tab_completes_commands_flags_and_keys(self):
        for key in ("tab/one", "tab/only", "tab/with blank"):
            self.sicli("put", key, "v of " + key)
        terminal = self.shell()
        terminal.send("sta" + TAB + "--help\r")
        terminal.expect("Usage: sicli status")
        terminal.expect("sicli> ")
        terminal.send("lease " + TAB)
        seen = terminal.expect("sicli> lease ")
        for word in ("grant", "keepalive", "show", "revoke", "list"):
            self.assertRegex(seen, rf"\n{word} +\S")
        terminal.send("gra" + TAB + "--hel" + TAB + "\r")
        terminal.expect("Usage: sicli lease grant")
        terminal.expect("sicli> ")
        terminal.send("help co" + TAB)
        self.assertRegex(terminal.expect("sicli> help co"), "(?s)count.*compact.*config")
        terminal.send("m" + TAB + "a" + TAB + "\r")
        terminal.expect("Usage: sicli compact")
        terminal.expect("sicli> ")
        terminal.send("get tab/on" + TAB)
        self.assertIn("tab/one\r\ntab/only\r\n", terminal.expect("sicli> get tab/on"))
        self.assertEqual(self.say(terminal, "l" + TAB), "v of tab/only\n")
        self.assertEqual(self.say(terminal, "get tab/w" + TAB), "v of tab/with blank\n")
        self.assertEqual(self.say(terminal, 'get "tab/with b' + TAB), "v of tab/with blank\n")
        self.leave(terminal)

    def test_lines_are_remembered(self):
        terminal = self.shell()
        self.say(terminal, "put past/a 1")
        self.say(terminal, " put past/secret 2")
        self.say(terminal, "get past/a")
        self.say(terminal, "get past/a")
        terminal.send(UP + UP)
        terminal.expect("put past/a 1")
        self.say(terminal, CTRL_A + "#")
        self.leave(terminal)
        self.assertEqual(self.history.read_text(), "put past/a 1\nget past/a\n")
        self.assertEqual(os.stat(self.history).st_mode & 0o777, 0o600)
        terminal = self.shell()
        terminal.send(UP)
        terminal.expect("get past/a")
        self.assertEqual(self.say(terminal, ""), "1\n")
        terminal.send(CTRL_R + "put")
        terminal.expect("put past/a 1")
        terminal.send("\r")
        terminal.expect("revision ")
        terminal.expect("\nsicli> ")
        self.leave(terminal)

    def test_a_long_history_is_cut(self):
        self.history.parent.mkdir()
        self.history.write_text("".join(f"get {i}\n" for i in range(2500)))
        terminal = self.shell()
        terminal.send(UP)
        terminal.expect("get 2499")
        terminal.send(CTRL_C)
        terminal.expect("sicli> ")
        self.leave(terminal)
        lines = self.history.read_text().splitlines()
        self.assertEqual((len(lines), lines[0]), (1000, "get 1500"))

    def test_flags_of_the_shell_hold_for_its_commands(self):
        self.sicli("put", "flags", "v")
        terminal = self.shell("-o", "json", "--timeout", "7s")
        self.assertIn('"value": "v"', self.say(terminal, "get flags"))
        self.assertEqual(self.say(terminal, "get flags -o raw"), "v")
        self.assertIn('"7s"', self.say(terminal, "config show"))
        self.leave(terminal)

    def test_a_script_ends_with_its_first_failure(self):
        script = "put script/a 1\n\n# a comment\nget script/a\n"
        out = self.sicli("shell", stdin=script + "put script/c -- -x\nput script/d -\nexit\nno\n")
        self.assertTrue(out.endswith("\n"), out)
        self.assertEqual(self.sicli("get", "script/c"), "-x")
        self.assertEqual(self.sicli("get", "script/d"), "")
        result = self.run_sicli("shell", stdin="get script/a\nget script/none\nput script/e 1\n")
        self.assertEqual((result.code, result.out), (3, "1"), result)
        self.assertIn("sicli: standard input:2: ended with exit code 3\n", result.err)
        self.fails(3, "get", "script/e")
        self.assertIn("standard input:1: ", self.fails(2, "shell", stdin="get 'a\n"))
        # A file has one place for all who read it.
        with tempfile.TemporaryFile() as script:
            script.write(b"put file/a 1\nput file/b 2\nput file/c -\ncount file/\n")
            script.seek(0)
            done = subprocess.run([str(harness.BIN / "sicli"), "shell"], stdin=script,
                                  capture_output=True, text=True, env=self.env(), check=True,
                                  timeout=harness.PATIENCE_S)
        self.assertEqual(done.stdout.splitlines()[-1], "3")


if __name__ == "__main__":
    harness.main()
