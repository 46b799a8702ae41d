#!/usr/bin/env python3
"""Plants a violation of every rule of lint.py and expects exactly it to be found."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

LINT = pathlib.Path(__file__).with_name("lint.py")

CLEAN = {
    "src/base/clock.cc": "void f() { std::this_thread::sleep_for(d); std::thread t; }\n",
    "src/wal/log.cc": '#include "wal/log.h"\n\n#include <vector>\n\n#include "absl/status/status.h"\n'
                      '#include "base/status.h"\n#include "sisyphus/db.h"\n'
                      '// std::random_device and sleep_for are only spoken of here.\n'
                      'const char* s = "sleep_for(";\nunsigned n = std::thread::hardware_concurrency();\n',
    "src/wal/log.h": "class Log {\n public:\n  int f() { return 1; }\n};\n",
    "src/transport/peer.cc": '#include "peer.pb.h"\n#include "base/status.h"\nstd::thread t;\n',
    "include/sisyphus/db.h": '#include "sisyphus/options.h"\n',
    "tests/unit/wal/CMakeLists.txt": "sisyphus_test(NAME wal_test SOURCES log_test.cc)\n",
    "tests/unit/wal/log_test.cc": '#include "wal/log.h"\n#include "raft/core.h"\n',
    "rooms.txt": "base: \nwal: base\nraft: base\ntransport: base raft\n",
}

LONG_BODY = "  x();\n" * 70
FITTING_BODY = "  x();\n" * 68


class LintTest(unittest.TestCase):
    def run_lint(self, check, changes):
        with tempfile.TemporaryDirectory() as name:
            root = pathlib.Path(name)
            for path, text in {**CLEAN, **changes}.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(text)
            command = [sys.executable, str(LINT), check, "--root", name]
            if check == "includes":
                command += ["--rooms", str(root / "rooms.txt")]
            return subprocess.run(command, capture_output=True, text=True, check=False)

    def expect(self, check, changes, *places):
        result = self.run_lint(check, changes)
        self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
        found = result.stdout.splitlines()
        self.assertEqual(len(found), len(places), result.stdout)
        for line, place in zip(found, places):
            self.assertTrue(line.startswith(place), f"{line} is not at {place}")

    def test_a_clean_tree_passes_every_check(self):
        for check in ["includes", "banned", "registered", "size", "unfinished"]:
            result = self.run_lint(check, {})
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_includes(self):
        for target in ['"raft/core.h"', "<raft/core.h>", '"log.h"', '"tests/support/x.h"',
                       '"../base/status.h"', '"peer.pb.h"', '"proto/peer.pb.h"']:
            with self.subTest(target=target):
                self.expect("includes", {"src/wal/a.cc": f"\n#include {target}\n"}, "src/wal/a.cc:2:")
        self.expect("includes", {"src/base/a.h": '#  include "wal/log.h"\n'}, "src/base/a.h:1:")
        self.expect("includes", {"include/sisyphus/a.h": '#include "base/status.h"\n'},
                    "include/sisyphus/a.h:1:")
        self.expect("includes", {"src/attic/a.cc": ""}, "src/attic:")
        planted = '#include "base/planted.h"\n'
        self.expect("includes", {"src/wal/a.cc": planted, "src/wal/a.h": planted}, "src/wal/a.h:1:")

    def test_banned_calls(self):
        for call in ["std::chrono::system_clock::now();", "std::random_device d;", "usleep(1);",
                     "std::this_thread::sleep_for(d);", "this_thread::sleep_until(t);",
                     "nanosleep(&t, 0);"]:
            for path in ["src/wal/a.cc", "tests/sim/a.cc", "tools/bench/a.cc"]:
                with self.subTest(call=call, path=path):
                    self.expect("banned", {path: f"// x\nvoid f() {{ {call} }}\n"}, f"{path}:2:")
        self.expect("banned", {"src/server/server.cc": 'spdlog::info("x");\n'},
                    "src/server/server.cc:1: spdlog")
        self.expect("banned", {"src/wal/a.h": "std::thread t;\nstd::jthread u;\n"},
                    "src/wal/a.h:1:", "src/wal/a.h:2:")

    def test_unregistered_tests(self):
        self.expect("registered", {"tests/unit/wal/new_log_test.cc": ""},
                    "tests/unit/wal/new_log_test.cc")
        # Neither a longer name that contains it nor a comment counts.
        self.expect("registered",
                    {"tests/unit/wal/CMakeLists.txt": "my_log_test.cc  # log_test.cc\n",
                     "tests/unit/wal/my_log_test.cc": ""}, "tests/unit/wal/log_test.cc")

    def test_sizes(self):
        self.expect("size", {"src/wal/a.cc": "int x;\n" * 601}, "src/wal/a.cc:1:")
        for head in ["void f() {", "int C::f(int a) const {", "auto f() -> std::vector<int> {",
                     "namespace n {\nclass C : D {\n public:\n  C() : a_(1) {",
                     "C::C() : a_{1}, b_(2) {", "template <typename T>\nvoid f(T t) noexcept {"]:
            with self.subTest(head=head):
                line = 1 + head.count("\n")
                tail = "}\n};\n}\n" if head.startswith("namespace") else "}\n"
                self.expect("size", {"src/wal/a.cc": f"{head}\n{LONG_BODY}{tail}"},
                            f"src/wal/a.cc:{line}:")
                fits = self.run_lint("size", {"src/wal/a.cc": f"{head}\n{FITTING_BODY}{tail}"})
                self.assertEqual(fits.returncode, 0, fits.stdout)

    def test_unfinished(self):
        for path in ["src/wal/a.cc", "tests/sim/CMakeLists.txt", "tools/setup"]:
            with self.subTest(path=path):
                self.expect("unfinished", {path: "\n# TODO: later\n"}, f"{path}:2:")
        self.expect("unfinished", {"src/wal/a.h": "// FIXME\n"}, "src/wal/a.h:1:")


if __name__ == "__main__":
    unittest.main()
