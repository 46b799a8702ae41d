#!/usr/bin/env python3
"""Makes the Debian package, installs it in a clean Debian, and runs its service under a real systemd.

    package_test.py --root DIR --build build/PRESET --clean-root DIR

cpack makes the package of what is built; it is inspected, by lintian too where that is installed, and so is what
`cmake --install` puts below another prefix. apt installs it with its dependencies in an overlay of the clean
root. There the unit is checked by systemd-analyze; its command is started as its user with a socket of
the test's as NOTIFY_SOCKET, on which READY=1 and STOPPING=1 must come; and systemd, booted as process
1 of namespaces (tests/support/systemd_box.py), starts, restarts, upgrades and stops the service with all of the
unit's restrictions in force.
"""

import argparse
import configparser
import pathlib
import re
import resource
import shlex
import shutil
import socket
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from nodes import eventually, need  # noqa: E402
from root_fs import Overlay, enter_mount_namespace, run, scratch_directory, skip  # noqa: E402
from systemd_box import Box  # noqa: E402

UNIT = "lib/systemd/system/sisyphusd.service"
CONFIG = "etc/sisyphus/sisyphusd.conf"
# Of 100, which is no restriction at all; systemd's own long-running services have 20 to 90.
MOST_EXPOSURE = 20


def output(command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **options)
    need(done.returncode == 0, f"{' '.join(map(str, command))}: {done.stdout}")
    return done.stdout


def make_package(build, directory):
    output(["cpack", "--config", build / "CPackConfig.cmake", "-G", "DEB", "-B", directory])
    packages = list(directory.glob("*.deb"))
    need(len(packages) == 1, f"packages: {packages}")
    return packages[0]


def check_package(root, build, package):
    version = re.search(r"project\(SisyphusDB VERSION (\S+)",
                        (root / "CMakeLists.txt").read_text(encoding="utf-8"))[1]
    fields = dict(re.findall(r"^(\S+): (.*)$", output(["dpkg-deb", "--field", package]), re.M))
    need((fields["Package"], fields["Version"]) == ("sisyphusdb", f"{version}-1"), f"it is {fields}")
    for library in ("libgrpc++1.51", "libprotobuf32", "libspdlog1.10", "libc6"):
        need(library in fields["Depends"], f"{library} is not in {fields['Depends']}")
    listing = output(["dpkg-deb", "--contents", package]).splitlines()
    need(all(line.split()[1] == "root/root" for line in listing), "files are not root's")
    files = {line.split()[5].removeprefix("./") for line in listing}
    manuals = {f"usr/share/man/man{page.suffix[1:]}/{page.name}.gz"
               for page in (build / "man").iterdir()}
    need(len(manuals) > 10 and "usr/share/man/man8/sisyphusd.8.gz" in manuals, f"{manuals}")
    wanted = {"usr/bin/sisyphusd", "usr/bin/sicli", UNIT, CONFIG,
              "usr/share/doc/sisyphusdb/copyright", "usr/share/bash-completion/completions/sicli",
              "usr/share/sisyphusdb/prometheus/alerts.rules.yml",
              "usr/share/sisyphusdb/grafana/dashboards/cluster.json", *manuals}
    need(wanted <= files, f"it lacks {wanted - files}")
    need("/" + CONFIG in output(["dpkg-deb", "--info", package, "conffiles"]),
         "upgrades would overwrite the settings")
    if shutil.which("lintian") is None:
        print("skipped in part: no lintian")
    else:
        output(["lintian", "--allow-root", "--fail-on", "error", package])


def check_install(build, directory):
    """Below another prefix all paths must follow."""
    output(["cmake", "--install", build, "--prefix", "/opt/sisyphus"],
           env={"PATH": "/usr/bin:/bin", "DESTDIR": str(directory)})
    top = directory / "opt/sisyphus"
    unit = (top / UNIT).read_text(encoding="utf-8")
    need("ExecStart=/opt/sisyphus/bin/sisyphusd --config /opt/sisyphus/etc/sisyphus/sisyphusd.conf"
         in unit, f"the unit names other paths:\n{unit}")
    for path in ("bin/sisyphusd", "bin/sicli", CONFIG, "share/man/man8/sisyphusd.8.gz"):
        need((top / path).exists(), f"cmake --install leaves out {path}")


def install_package(overlay, package):
    """With systemd, as a machine would have it."""
    shutil.copy(package, overlay.root / "tmp")
    for command in (["apt-get", "update", "-q"],
                    ["apt-get", "install", "-q", "-y", "--no-install-recommends", "systemd",
                     "systemd-sysv", f"/tmp/{package.name}"]):
        done = overlay.run(["env", "DEBIAN_FRONTEND=noninteractive", *command], text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0 and command[1] == "update":
            print(done.stdout[-1000:])
            skip("apt reaches no mirror")
        need(done.returncode == 0, f"{command}: {done.stdout[-3000:]}")
    user = output(["chroot", overlay.root, "getent", "passwd", "sisyphus"])
    need(user.strip().endswith("/usr/sbin/nologin"), f"the user is {user}")
    status = (overlay.root / "var/lib/sisyphus").stat()
    need(status.st_mode & 0o7777 == 0o750 and status.st_uid == int(user.split(":")[2]),
         f"/var/lib/sisyphus: {status}")
    linked = output(["chroot", overlay.root, "ldd", "/usr/bin/sisyphusd", "/usr/bin/sicli"])
    need("not found" not in linked, f"libraries are missing: {linked}")


def check_unit(overlay):
    found = output(["chroot", overlay.root, "systemd-analyze", "verify", "--man=no", "/" + UNIT])
    need(not found.strip(), f"systemd-analyze verify: {found}")
    exposure = output(["chroot", overlay.root, "systemd-analyze", "security", "--offline=yes",
                       f"--threshold={MOST_EXPOSURE}", "/" + UNIT])
    print(exposure.strip().splitlines()[-1])
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str
    unit.read(overlay.root / UNIT)
    return unit["Service"]


def check_notifications(overlay, service):
    """The unit's command as its user, with the test as its service manager."""
    path = overlay.root / "run/notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        path.chmod(0o666)
        manager.settimeout(60)
        process = subprocess.Popen(
            ["unshare", "--net", "sh", "-ec", 'ip link set lo up; exec "$@"', "sh", "chroot",
             overlay.root, "setpriv", f"--reuid={service['User']}", f"--regid={service['Group']}",
             "--clear-groups", "--no-new-privs", "--bounding-set=-all", "env", "-i",
             "NOTIFY_SOCKET=/run/notify", *shlex.split(service["ExecStart"])],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            need(manager.recv(4096) == b"READY=1", "the first message is not READY=1")
            # It serves from then on, at once.
            output(["nsenter", f"--net=/proc/{process.pid}/ns/net", "chroot", overlay.root, "sicli",
                    "status"])
            process.terminate()
            need(manager.recv(4096) == b"STOPPING=1", "the second message is not STOPPING=1")
            need(process.wait(timeout=60) == 0, "SIGTERM did not end it with 0")
        finally:
            process.kill()
            process.wait()
    path.unlink()
    shutil.rmtree(overlay.root / "var/lib/sisyphus")


def open_files(service):
    """What the unit asks for, or what this machine lets systemd give at most."""
    wanted, most = int(service["LimitNOFILE"]), resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    may_raise = subprocess.run(["prlimit", f"--nofile={wanted}", "true"], check=False,
                               stderr=subprocess.DEVNULL).returncode == 0
    return wanted if may_raise else most


def check_service(box, service):
    """Start, what holds while it runs, a crash, an upgrade, a stop, removal."""
    box.must("systemctl", "start", "sisyphusd")
    first = box.show("sisyphusd", "MainPID")
    box.must("sicli", "put", "hello", "world")
    status = dict(line.split(":\t", 1) for line in
                  box.must("cat", f"/proc/{first}/status").splitlines() if ":\t" in line)
    user = box.must("id", "-u", service["User"])
    need(status["Uid"].split() == [user] * 4, f"it runs as {status['Uid']}")
    need((status["NoNewPrivs"], status["Seccomp"], int(status["CapEff"], 16)) == ("1", "2", 0),
         f"it is not restricted: {status}")
    limits = box.must("cat", f"/proc/{first}/limits")
    need(re.search(rf"^Max open files\s+{open_files(service)}\s", limits, re.M), limits)

    box.must("sicli", "test", "load", "--rate", "200", "--duration", "2s", "--value-size", "20000")
    box.must("systemctl", "kill", "--signal=KILL", "--kill-whom=main", "sisyphusd")

    def replaced(old):
        pid = box.show("sisyphusd", "MainPID")
        return pid not in ("0", old) and box.show("sisyphusd", "ActiveState") == "active" and pid

    second = eventually(lambda: replaced(first), "it does not come back after a crash")
    need(box.must("sicli", "get", "hello") == "world", "it forgot what it had acknowledged")

    # The same version again is an upgrade to the maintainer scripts.
    package = box.must("sh", "-c", "echo /root/*.deb")
    box.must("dpkg", "--install", package)
    need(replaced(second), "an upgrade did not restart it")

    box.must("systemctl", "stop", "sisyphusd")
    need(box.show("sisyphusd", "Result") == "success", "it did not stop as asked")
    journal = box.must("journalctl", "--unit=sisyphusd", "--output=cat")
    need(journal.count("event=started") == 3 and "event=stopped" in journal, journal)
    need("notify_failed" not in journal, journal)

    box.must("dpkg", "--remove", "sisyphusdb")
    need(box.run("test", "-e", "/" + UNIT).returncode != 0, "the unit is still there")
    box.must("test", "-e", "/var/lib/sisyphus/IDENTITY")
    box.must("test", "-e", "/" + CONFIG)
    box.must("dpkg", "--purge", "sisyphusdb")
    box.must("test", "-e", "/var/lib/sisyphus/IDENTITY")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=pathlib.Path, required=True)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--clean-root", type=pathlib.Path, required=True)
    options = parser.parse_args()
    enter_mount_namespace()
    with scratch_directory() as scratch:
        package = make_package(options.build.resolve(), scratch / "package")
        check_package(options.root, options.build, package)
        check_install(options.build, scratch / "installed")
        scratch.chmod(0o755)
        overlay = Overlay(options.clean_root, scratch / "machine")
        install_package(overlay, package)
        service = check_unit(overlay)
        check_notifications(overlay, service)
        shutil.copy(package, overlay.root / "root")
        run(["umount", overlay.root / "proc"])
        box = Box(overlay.root, scratch)
        try:
            check_service(box, service)
        except BaseException:
            print(box.run("journalctl", "--no-pager", "--lines=60").stdout)
            raise
        finally:
            box.close()
    print("the package was installed, and its service ran under systemd")


if __name__ == "__main__":
    main()
