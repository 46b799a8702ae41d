#!/usr/bin/env python3
"""Builds deploy/docker/Dockerfile without a container engine, and runs what comes out.

    docker_test.py --root DIR --clean-root DIR [--whole]

Every instruction is carried out as it stands: FROM becomes an overlay, COPY copies, RUN runs under
chroot. The second stage begins with a clean Debian made by debootstrap, without its documentation, as
debian:12-slim is. The first one begins with this machine's own root, which has the compilers and
the compiler cache; with --whole, with a clean Debian too, where everything is installed and compiled
anew.

Then: the image is below 150 MB, its entry point starts as its user on a root file system that is
read-only, in a network of its own; the health check fails before and succeeds once it serves; a key is
written and read; the volume alone has changed; the stop signal ends it with 0.
"""

import argparse
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import dockerfile  # noqa: E402
from nodes import eventually, need  # noqa: E402
from root_fs import Overlay, enter_mount_namespace, run, scratch_directory, showing  # noqa: E402

LIMIT_BYTES = 150_000_000
BASES = {"debian:12", "debian:12-slim"}


def cache_settings():
    """With which the compiler cache knows the sources again: by their place in the tree."""
    same = {k: v for k, v in os.environ.items() if k == "LANG" or k.startswith(("LC_", "CCACHE_"))}
    return {**same, "HOME": os.environ.get("HOME", "/root"), "CCACHE_BASEDIR": "/src",
            "CCACHE_NOHASHDIR": "1"}


def build(options, scratch):
    """The overlay of the last stage, its environment and instructions."""
    stages = dockerfile.parse(
        (options.root / "deploy/docker/Dockerfile").read_text(encoding="utf-8"))
    built = {}
    for number, stage in enumerate(stages):
        need(stage.base in BASES, f"FROM {stage.base}: this test knows {BASES}")
        last = number == len(stages) - 1
        lower = options.clean_root if last or options.whole else "/"
        overlay = Overlay(lower, scratch / f"stage{number}")
        if stage.base == "debian:12-slim":
            overlay.make_slim()
        base_bytes = overlay.bytes() if last else 0
        builder = dockerfile.Builder(stage, overlay, options.root, built,
                                     {} if last or options.whole else cache_settings())
        builder.build()
        built[stage.name] = overlay.root
    size = overlay.bytes()
    print(f"the image: {size / 1e6:.1f} MB, of which the base {base_bytes / 1e6:.1f} MB")
    need(size < LIMIT_BYTES, f"the image has {size} bytes, {LIMIT_BYTES} are allowed")
    return builder


class Container:
    """The image's processes: its user, a root that is read-only, one volume, its own network."""

    def __init__(self, builder, log):
        self.stage = builder.stage
        root = builder.overlay.root
        self.volume = root / self.stage.only("VOLUME").lstrip("/")
        run(["mount", "--bind", self.volume, self.volume])
        run(["mount", "-o", "remount,bind,ro", root])
        environment = [f"{k}={v}" for k, v in builder.environment.items()]
        user, group = self.stage.only("USER").split(":")
        self.command = ["chroot", root, "setpriv", f"--reuid={user}", f"--regid={group}",
                        "--clear-groups", "--no-new-privs", "--bounding-set=-all", "/usr/bin/env",
                        "-i", *environment]
        # The network first, with nothing but loopback.
        self.holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "ip link set lo up && echo up && exec cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        need(self.holder.stdout.readline() == b"up\n", "no network namespace")
        self.log = log
        self.process = None

    def wrap(self, command):
        return ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net", *self.command, *command]

    def start(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.wrap(json.loads(self.stage.only("ENTRYPOINT"))),
                                            stdout=log, stderr=log)

    def run(self, *command):
        return subprocess.run(self.wrap(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=60, check=False)

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.holder.stdin.close()
        self.holder.wait()


def check_container(container):
    for program in ("sisyphus-pod", "hostname", "sed"):
        need(container.run("sh", "-c", f"command -v {program}").returncode == 0, f"no {program}")
    health = dockerfile.health_command(container.stage.only("HEALTHCHECK"))
    need(container.run(*health).returncode != 0, "healthy before it runs")
    container.start()
    eventually(lambda: container.run(*health).returncode == 0, "never healthy")
    status = pathlib.Path(f"/proc/{container.process.pid}/status").read_text(encoding="utf-8")
    ids = [line.split()[1:] for line in status.splitlines() if line.startswith(("Uid", "Gid"))]
    need(ids == [["10001"] * 4] * 2, f"runs as {ids}")
    need("CapEff:\t0000000000000000" in status, "runs with capabilities")
    need(container.run("/usr/bin/touch", "/usr/local/x").returncode != 0, "the root is writable")
    put = container.run("sicli", "put", "hello", "world")
    need(put.returncode == 0, put.stdout)
    get = container.run("sicli", "get", "hello")
    need(get.stdout.strip() == "world", get.stdout)
    container.process.send_signal(getattr(signal, container.stage.only("STOPSIGNAL")))
    need(container.process.wait(timeout=60) == 0, "the stop signal did not end it with 0")
    need((container.volume / "IDENTITY").stat().st_uid == 10001, "the data is another's")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=pathlib.Path, required=True)
    parser.add_argument("--clean-root", type=pathlib.Path, required=True)
    parser.add_argument("--whole", action="store_true")
    options = parser.parse_args()
    enter_mount_namespace()
    with scratch_directory() as scratch:
        builder = build(options, scratch)
        log = scratch / "sisyphusd.log"
        with contextlib.closing(Container(builder, log)) as container, showing(log):
            check_container(container)
    print("the image was built, and served as its user on a read-only root")


if __name__ == "__main__":
    main()
