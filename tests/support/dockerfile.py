"""Dockerfile: its stages and instructions, as far as ours goes; anything else is an error."""

import json
import pathlib
import re
import shlex
import shutil

KNOWN = {"FROM", "WORKDIR", "COPY", "RUN", "ENV", "VOLUME", "EXPOSE", "USER", "HEALTHCHECK",
         "STOPSIGNAL", "ENTRYPOINT"}


class Stage:
    """`base` and `name` from FROM, the other instructions in order as (word, rest)."""

    def __init__(self, rest):
        words = rest.split()
        self.base = words[0]
        self.name = words[2] if len(words) == 3 and words[1].upper() == "AS" else None
        self.instructions = []

    def only(self, word):
        found = [rest for name, rest in self.instructions if name == word]
        if len(found) != 1:
            raise SystemExit(f"{word} stands {len(found)} times in the stage from {self.base}")
        return found[0]


def parse(text):
    """The stages."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    stages = []
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        if not line.strip():
            continue
        word, _, rest = line.strip().partition(" ")
        if word not in KNOWN:
            raise SystemExit(f"Dockerfile: {word} is not known to this test")
        if word == "FROM":
            stages.append(Stage(rest))
        else:
            stages[-1].instructions.append((word, rest.strip()))
    return stages


def health_command(rest):
    """The command in HEALTHCHECK's exec form."""
    return json.loads(rest[rest.index("CMD ") + 4:])


class Builder:
    """Carries out a stage's instructions in the root of `overlay`. `context` is what COPY sees."""

    def __init__(self, stage, overlay, context, built, environment):
        self.stage, self.overlay, self.context, self.built = stage, overlay, context, built
        self.environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                            **environment}
        self.workdir = pathlib.PurePosixPath("/")
        self.ignored = []
        ignore = context / ".dockerignore"
        if ignore.exists():
            self.ignored = [line for line in ignore.read_text(encoding="utf-8").splitlines() if line]
            if any(set("*?[!#/") & set(line) for line in self.ignored):
                raise SystemExit(".dockerignore: only names at the top are known to this test")

    def build(self):
        for word, rest in self.stage.instructions:
            if word == "WORKDIR":
                self.workdir = self.workdir / rest
                self.inside(self.workdir).mkdir(parents=True, exist_ok=True)
            elif word == "ENV":
                self.environment.update(item.split("=", 1) for item in shlex.split(rest))
            elif word == "COPY":
                self.copy(rest.split())
            elif word == "RUN":
                self.run(rest)

    def inside(self, path):
        return self.overlay.root / str(self.workdir / path).lstrip("/")

    def copy(self, words):
        source_root, ignored = self.context, self.ignored
        if words[0].startswith("--from="):
            source_root, ignored = self.built[words.pop(0).removeprefix("--from=")], []
        *sources, target = words
        for source in sources:
            path = source_root / source.lstrip("/")
            into = self.inside(target)
            if path.is_dir():
                names = {p.name for p in path.iterdir()} & set(ignored) if source == "." else set()
                shutil.copytree(path, into, dirs_exist_ok=True, symlinks=True,
                                ignore=lambda d, _, top=path, names=names:
                                names if pathlib.Path(d) == top else [])
            else:
                if target.endswith("/"):
                    into = into / path.name
                into.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, into)

    def run(self, line):
        print(f"RUN {line}", flush=True)
        done = self.overlay.run(["/usr/bin/env", "-i", f"--chdir={self.workdir}",
                                 *(f"{k}={v}" for k, v in self.environment.items()),
                                 "/bin/sh", "-c", line])
        if done.returncode != 0:
            raise SystemExit(f"exit code {done.returncode} of RUN {line}")
