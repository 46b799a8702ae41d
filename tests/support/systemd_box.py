"""A machine with systemd, made of namespaces: the real one as process 1 of a root file system.

With its own processes, network, host name and control groups. It cannot change the kernel's settings: /proc/sys
and /sys are read-only. All of it ends when the box is closed.
"""

import contextlib
import os
import pathlib
import shlex
import signal
import subprocess

from nodes import eventually, need
from root_fs import run

SETUP = """
echo $$ > {group}/cgroup.procs
exec unshare --kill-child --pid --fork --mount --net --uts --ipc --cgroup --propagation private sh -ec '
  hostname box
  cd {root}
  mount --rbind . .
  cd {root}
  mount -t proc proc proc
  mount --bind proc/sys proc/sys
  mount -o remount,bind,ro proc/sys
  mount -t sysfs -o ro sysfs sys
  mount -t cgroup2 cgroup2 sys/fs/cgroup
  mount -t tmpfs tmpfs run
  mount -t tmpfs tmpfs tmp
  mkdir -p dev/shm dev/pts old
  mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
  ln -s pts/ptmx dev/ptmx
  : > etc/machine-id
  ip link set lo up
  pivot_root . old
  umount -l /old
  exec env -i container=docker PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd
'
"""


class Box:
    """Boots systemd in the root at `root`, which must have it installed."""

    def __init__(self, root, scratch):
        self.groups = pathlib.Path(scratch) / "cgroup"
        self.groups.mkdir()
        run(["mount", "-t", "cgroup2", "cgroup2", self.groups])
        self.group = self.groups / f"sisyphus-test-{os.getpid()}"
        self.group.mkdir()
        self.process = subprocess.Popen(
            ["sh", "-ec", SETUP.format(group=shlex.quote(str(self.group)),
                                       root=shlex.quote(str(root)))],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            self.init = eventually(self.find_init, "systemd does not start")
            eventually(lambda: self.run("systemctl", "is-system-running").stdout.strip()
                       in ("running", "degraded"), "the system does not come up")
        except BaseException:
            self.close()
            raise

    def find_init(self):
        need(self.process.poll() is None, f"the box ended with {self.process.poll()}")
        pid = self.process.pid
        for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            if pathlib.Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                return int(child)
        return None

    def run(self, *command):
        return subprocess.run(
            ["nsenter", f"--target={self.init}", "--mount", "--pid", "--net", "--uts", "--ipc", "env",
             "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", *command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=120, check=False)

    def must(self, *command):
        """What `command` prints; it must succeed."""
        done = self.run(*command)
        need(done.returncode == 0, f"{' '.join(command)}: exit code {done.returncode}: {done.stdout}")
        return done.stdout.strip()

    def show(self, unit, what):
        return self.must("systemctl", "show", "--value", f"--property={what}", unit)

    def close(self):
        """As if the power failed."""
        for child in pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children"
                                  ).read_text().split():
            os.kill(int(child), signal.SIGKILL)
        self.process.kill()
        self.process.wait()

        def gone():
            for directory, _, _ in os.walk(self.group, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(directory)
            return not self.group.exists()

        eventually(gone, f"{self.group} has processes")
