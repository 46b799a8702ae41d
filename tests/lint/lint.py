#!/usr/bin/env python3
"""The house's rules, read from the sources.

    lint.py includes --root DIR --rooms build/PRESET/rooms.txt
    lint.py banned|registered|size|unfinished --root DIR

Prints one line for each violation, "file:line: what", and exits with 1 if there is one. Standard
library only. lint_self_test.py plants a violation of every rule and expects it to be found.
"""

import argparse
import pathlib
import re
import sys

MAX_FILE_LINES = 600
MAX_FUNCTION_LINES = 70
CODE = {".h", ".cc", ".cpp", ".hpp"}

TOKENS = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<d>[^(\s]*)\(.*?\)(?P=d)"'
    r'|"(?:\\.|[^"\\\n])*"|(?<![0-9A-Fa-f])\'(?:\\.|[^\'\\\n])*\'',
    re.DOTALL,
)


def code_only(text):
    """`text` with comments and the contents of literals blanked; line numbers stay."""
    return TOKENS.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def files(root, tops, suffixes=None):
    for top in tops:
        for path in sorted((root / top).rglob("*")):
            relative = path.relative_to(root)
            if relative.parts[:2] == ("tests", "lint") or not path.is_file():
                continue
            if "__pycache__" in relative.parts or "third_party" in relative.parts:
                continue
            if suffixes is None or path.suffix in suffixes:
                yield relative, path.read_text(encoding="utf-8", errors="replace")


def line_of(text, position):
    return text.count("\n", 0, position) + 1


# --- Who may include whom ---


def read_rooms(path):
    rooms = {}
    for line in path.read_text().splitlines():
        name, _, lower = line.partition(":")
        rooms[name.strip()] = set(lower.split())
    return rooms


def include_error(owner, allowed, rooms, target):
    """Why `owner` (a room, or "include" for the public headers) must not include `target`."""
    first, slash, _ = target.partition("/")
    if not slash:
        generated = target.endswith(".pb.h")
        if generated and owner == "transport":
            return None
        return "only transport sees protobuf" if generated else "write the path from src/"
    if first in ("tests", "tools") or first in (".", ".."):
        return "no room sees this"
    if first == "proto":
        return None if owner == "transport" else "only transport sees protobuf"
    if first in rooms and first not in allowed:
        return f"{owner} may include: {', '.join(sorted(allowed)) or 'no room'}"
    return None


def check_includes(root, rooms_file):
    rooms = read_rooms(rooms_file)
    for directory in sorted((root / "src").iterdir()):
        if directory.is_dir() and directory.name not in rooms:
            yield f"src/{directory.name}: no sisyphus_room() declares it"
    for relative, text in files(root, ["src", "include"], CODE):
        owner = "include" if relative.parts[0] == "include" else relative.parts[1]
        allowed = set() if owner == "include" else {owner} | rooms.get(owner, set())
        for match in re.finditer(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', text, re.M):
            quote, target = match.groups()
            if quote == "<" and "/" not in target:
                continue  # The standard library and the system.
            error = include_error(owner, allowed, rooms, target)
            if target == "base/planted.h" and relative.suffix == ".h":
                error = "all builds must agree on every header"
            if error:
                yield f'{relative}:{line_of(text, match.start())}: includes "{target}": {error}'


# --- Banned calls ---

BANNED = [
    (r"\bsystem_clock\s*::\s*now\b", "the wall clock decides nothing: use Clock"),
    (r"\brandom_device\b", "randomness comes from an Rng that is handed in"),
    (r"\bsleep_(for|until)\b", "wait for an event, or PostAfter"),
    (r"\b(u|nano)sleep\s*\(", "wait for an event, or PostAfter"),
]
# One file writes the log: a line that did not go through it would be no JSON.
LOG_LINES = re.compile(r"\bspdlog\s*::")
LOG_FILE = ("src", "server", "log.cc")
THREADS = re.compile(r"\bstd::j?thread\b(?!\s*::)|\bpthread_create\b")
ROOMS_WITH_THREADS = {"transport", "api"}


def check_banned(root):
    for relative, text in files(root, ["src", "include", "tools", "tests"], CODE):
        if relative.parts[:2] == ("src", "base"):
            continue
        code = code_only(text)
        for pattern, why in BANNED:
            for match in re.finditer(pattern, code):
                yield f"{relative}:{line_of(code, match.start())}: {match.group()}: {why}"
        if relative.parts != LOG_FILE:
            for match in LOG_LINES.finditer(code):
                yield f"{relative}:{line_of(code, match.start())}: spdlog: use server/log.h"
        if relative.parts[0] == "src" and relative.parts[1] not in ROOMS_WITH_THREADS:
            for match in THREADS.finditer(code):
                yield f"{relative}:{line_of(code, match.start())}: a raw thread: use an Executor"


# --- Every test is built ---


def check_registered(root):
    for path in sorted((root / "tests").rglob("*_test.*")):
        if path.suffix not in (".cc", ".py"):
            continue
        named = False
        for directory in path.parents:
            listing = directory / "CMakeLists.txt"
            if listing.is_file():
                text = re.sub(r"#.*", "", listing.read_text())
                name = re.escape(path.relative_to(directory).as_posix())
                named |= re.search(rf"(?<![\w.-]){name}(?![\w.-])", text) is not None
            if directory == root / "tests":
                break
        if not named:
            yield f"{path.relative_to(root)}: no CMakeLists.txt names it"


# --- Sizes ---

NOT_A_FUNCTION = re.compile(
    r"^(\[\[.*?\]\]\s*|template\s*<.*?>\s*|inline\s+|export\s+)*(namespace|class|struct|union|enum|extern)\b",
    re.DOTALL,
)


def long_functions(code):
    """(line, length) of each function body that is too long. `code`: see code_only."""
    code = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: "\n" * m.group().count("\n"), code,
                  flags=re.M)
    line, head, depth, body_depth, body_line = 1, "", 0, None, 0
    for c in code:
        if c == "\n":
            line += 1
        if c == "{":
            depth += 1
            head = re.sub(r"\b(public|private|protected)\s*:(?!:)", "", head).strip()
            # An empty head follows a member that was initialised with braces.
            if body_depth is None and (head == "" or "(" in head) and not NOT_A_FUNCTION.match(head):
                body_depth, body_line = depth, line
        elif c == "}":
            if depth == body_depth:
                if line - body_line + 1 > MAX_FUNCTION_LINES:
                    yield body_line, line - body_line + 1
                body_depth = None
            depth -= 1
        if c in "{};":
            head = ""
        else:
            head += c


def check_size(root):
    for relative, text in files(root, ["src"], CODE):
        lines = text.count("\n")
        if lines > MAX_FILE_LINES:
            yield f"{relative}:1: {lines} lines, at most {MAX_FILE_LINES}"
        for line, length in long_functions(code_only(text)):
            yield f"{relative}:{line}: a function of {length} lines, at most {MAX_FUNCTION_LINES}"


# --- Nothing is left for later ---


def check_unfinished(root):
    for relative, text in files(root, ["src", "include", "tools", "tests", "cmake", "proto"]):
        for match in re.finditer(r"\b(TODO|FIXME)\b", text):
            yield f"{relative}:{line_of(text, match.start())}: {match.group()}"


CHECKS = {
    "banned": check_banned,
    "registered": check_registered,
    "size": check_size,
    "unfinished": check_unfinished,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("check", choices=["includes", *CHECKS])
    parser.add_argument("--root", type=pathlib.Path, required=True)
    parser.add_argument("--rooms", type=pathlib.Path, help="of includes: build/PRESET/rooms.txt")
    options = parser.parse_args()
    if options.check == "includes":
        if options.rooms is None:
            parser.error("includes needs --rooms")
        violations = list(check_includes(options.root, options.rooms))
    else:
        violations = list(CHECKS[options.check](options.root))
    print("\n".join(violations) if violations else f"{options.check}: no violation")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
