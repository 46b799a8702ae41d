"""Root file systems for tests that stand in for a container engine or a fresh machine.

A process that may (root, on Linux) gets a mount namespace of its own; in it overlays are laid over a
clean Debian root, or over the machine's own, and vanish with it. Nothing outside is written.
"""

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77  # The exit code of a test that cannot run here.
SLIM = ["doc", "info", "locale", "man", "groff", "lintian", "linda"]  # Not in debian:12-slim.
DEVICES = {"null": "13", "zero": "15", "full": "17", "random": "18", "urandom": "19", "tty": "50"}
ENTERED = "SISYPHUS_TEST_NAMESPACE"


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)


def enter_mount_namespace(network=False):
    """Starts this script again in a mount namespace of its own, unless it is in one; with `network` in an
    empty network, too."""
    if os.environ.pop(ENTERED, None):
        return
    if os.geteuid() != 0:
        skip("namespaces need root")
    unshare = ["unshare", "--mount", "--propagation", "private", *(["--net"] if network else [])]
    if subprocess.run([*unshare, "true"], check=False, stderr=subprocess.DEVNULL).returncode != 0:
        skip("no namespaces are to be had here")
    os.environ[ENTERED] = "1"
    sys.stdout.flush()
    os.execvp("unshare", [*unshare, sys.executable, "-B", *sys.argv])


def make_clean_root(path):
    """A minimal Debian 12 at `path`, once: what is there is kept. Needs the network the first time."""
    path = pathlib.Path(path)
    if path.exists():
        return
    if shutil.which("debootstrap") is None:
        skip("no debootstrap (Debian package debootstrap)")
    partial = path.with_name(path.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    made = subprocess.run(["debootstrap", "--variant=minbase", "bookworm", partial], check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if made.returncode != 0:
        print(made.stdout[-2000:])
        shutil.rmtree(partial, ignore_errors=True)
        skip("debootstrap failed: is there a network?")
    for cache in ("var/cache/apt/archives", "var/lib/apt/lists"):
        for file in (partial / cache).iterdir():
            if file.is_file():
                file.unlink()
    partial.rename(path)


@contextlib.contextmanager
def scratch_directory():
    """A directory in memory for overlays. It goes with the namespace: nothing is deleted file by file, for
    what is mounted below belongs to the machine."""
    path = pathlib.Path(tempfile.mkdtemp())
    run(["mount", "-t", "tmpfs", "tmpfs", path])
    try:
        yield path
    finally:
        run(["umount", "--recursive", "--lazy", path])
        path.rmdir()


class Overlay:
    """A writable copy of `lower`, in memory, with /proc, a small /dev and the machine's resolv.conf."""

    def __init__(self, lower, scratch):
        self.root = pathlib.Path(scratch) / "merged"
        if not pathlib.Path(lower).is_dir():
            skip(f"no {lower}: clean_root has not made it")
        layers = pathlib.Path(scratch) / "layers"
        layers.mkdir(parents=True)
        run(["mount", "-t", "tmpfs", "tmpfs", layers])
        for name in ("upper", "work"):
            (layers / name).mkdir()
        self.root.mkdir()
        run(["mount", "-t", "overlay", "overlay", "-o",
             f"lowerdir={lower},upperdir={layers}/upper,workdir={layers}/work", self.root])
        run(["mount", "-t", "tmpfs", "tmpfs", self.root / "dev"])
        for name, numbers in DEVICES.items():
            run(["mknod", "-m", "666", self.root / "dev" / name, "c", *numbers])
        run(["mount", "-t", "proc", "proc", self.root / "proc"])
        resolver = self.root / "etc/resolv.conf"
        if resolver.is_symlink():
            resolver.unlink()
        shutil.copyfile("/etc/resolv.conf", resolver)

    def make_slim(self):
        """As debian:12-slim: no documentation, and apt keeps nothing that it can fetch again."""
        (self.root / "etc/apt/apt.conf.d/docker-clean").write_text(
            'Dir::Cache::pkgcache "";\nDir::Cache::srcpkgcache "";\nAcquire::Languages "none";\n'
            'APT::Keep-Downloaded-Packages "false";\n', encoding="utf-8")
        rules = "".join(f"path-exclude=/usr/share/{name}/*\n" for name in SLIM)
        (self.root / "etc/dpkg/dpkg.cfg.d/docker").write_text(
            rules + "path-include=/usr/share/doc/*/copyright\n", encoding="utf-8")
        for name in SLIM:
            shutil.rmtree(self.root / "usr/share" / name, ignore_errors=True)

    def bytes(self):
        """Of all files, not counting what is mounted below."""
        total, seen = 0, set()
        for directory, names, files in os.walk(self.root):
            here = pathlib.Path(directory)
            if here == self.root:
                names[:] = [name for name in names if name not in ("proc", "sys", "dev")]
            for name in files:
                status = (here / name).lstat()
                if (status.st_dev, status.st_ino) not in seen:
                    seen.add((status.st_dev, status.st_ino))
                    total += status.st_size
        return total

    def run(self, command, **options):
        """`command`, a list, inside; answers what subprocess.run does."""
        return subprocess.run(["chroot", self.root, *command], check=False, **options)


@contextlib.contextmanager
def showing(path):
    """Prints the log at `path` if what is done inside fails."""
    try:
        yield
    except BaseException:
        if path.exists():
            print(f"--- {path.name}\n{path.read_text(errors='replace')[-6000:]}")
        raise


def run(command):
    subprocess.run(command, check=True)
