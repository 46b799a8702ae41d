"""Pods without Kubernetes: processes with a network, a host name and volumes of their own.

What Kubernetes would do with a pod template is done here with namespaces: each pod has its own network,
bound to the others by a bridge, its host name, its environment, its user, and its volumes over a root file
system that is read-only. Names are answered by a small DNS server, as that of Kubernetes answers for a
headless service. All of it is gone when the test ends.
"""

import contextlib
import http.client
import os
import pathlib
import shlex
import signal
import socket
import struct
import subprocess
import threading

from nodes import eventually, need
from root_fs import run

GATEWAY = "10.77.0.1"
DOMAIN = "svc.cluster.local"
NAMESPACE = "default"
A, AAAA, SRV = 1, 28, 33


def encode_name(name):
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"


class NameServer:
    """Answers A and SRV over UDP, until it is closed; names may be changed at any time."""

    def __init__(self, address):
        self.addresses = {}  # "sisyphus-0.sisyphus.default.svc.cluster.local": "10.77.0.2"
        self.services = {}  # "_http._tcp.sisyphus.default.svc.cluster.local": [(port, name)]
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 53))
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            query, client = self.socket.recvfrom(4096)
            if client[0] == GATEWAY and len(query) == 0:
                return
            with contextlib.suppress(IndexError, struct.error, UnicodeDecodeError):
                self.socket.sendto(self.answer(query), client)

    def answer(self, query):
        parts, at = [], 12
        while query[at]:
            parts.append(query[at + 1:at + 1 + query[at]].decode().lower())
            at += 1 + query[at]
        kind, _ = struct.unpack_from("!HH", query, at + 1)
        name, question = ".".join(parts), query[12:at + 5]
        data = []
        if kind == A and name in self.addresses:
            data = [socket.inet_aton(self.addresses[name])]
        elif kind == SRV and name in self.services:
            data = [struct.pack("!HHH", 0, 100, port) + encode_name(target)
                    for port, target in self.services[name]]
        known = name in self.addresses or name in self.services
        flags = 0x8580 if known else 0x8583  # Authoritative; or: no such name.
        head = query[:2] + struct.pack("!HHHHH", flags, 1, len(data), 0, 0)
        return head + question + b"".join(
            b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 1, len(each)) + each for each in data)

    def close(self):
        self.socket.sendto(b"", self.socket.getsockname())
        self.thread.join()
        self.socket.close()


class Network:
    """Of all pods: a bridge and the names. In a network namespace of the test's own."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        run(["ip", "link", "set", "lo", "up"])
        run(["ip", "link", "add", "br0", "type", "bridge"])
        run(["ip", "addr", "add", f"{GATEWAY}/16", "dev", "br0"])
        run(["ip", "link", "set", "br0", "up"])
        self.names = NameServer(GATEWAY)
        (self.root / "etc/resolv.conf").write_text(
            f"nameserver {GATEWAY}\nsearch {NAMESPACE}.{DOMAIN} {DOMAIN} cluster.local\n"
            "options ndots:5\n", encoding="utf-8")
        self.links = 0

    def add(self, holder, address):
        self.links += 1
        link, inside = f"pod{self.links}", ["nsenter", f"--net=/proc/{holder}/ns/net", "ip"]
        run(["ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns",
             str(holder)])
        run(["ip", "link", "set", link, "master", "br0", "up"])
        run([*inside, "link", "set", "lo", "up"])
        run([*inside, "addr", "add", f"{address}/16", "dev", "eth0"])
        run([*inside, "link", "set", "eth0", "up"])
        return link


class Pod:
    """One pod: `spec` is a pod template's, with one container. `volumes`: a directory for each name."""

    def __init__(self, network, name, spec, volumes, scratch, environment):
        self.network, self.name, self.spec = network, name, spec
        self.container = spec["containers"][0]
        self.volumes, self.scratch = volumes, pathlib.Path(scratch)
        self.environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", **environment,
            **{each["name"]: each["value"] for each in self.container.get("env", [])
               if "value" in each}}
        self.address = self.holder = self.process = self.link = None

    def start(self, address, service=None):
        self.address = address
        self.holder = subprocess.Popen(
            ["unshare", "--net", "--uts", "sh", "-c",
             f"hostname {shlex.quote(self.name)} && echo up && exec cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        need(self.holder.stdout.readline() == b"up\n", f"{self.name}: no namespaces")
        self.link = self.network.add(self.holder.pid, address)
        if service:
            self.network.names.addresses[f"{self.name}.{service}.{NAMESPACE}.{DOMAIN}"] = address
        command = [*self.container.get("command", []), *self.container.get("args", [])]
        with open(self.scratch / f"{self.name}.log", "ab") as log:
            self.process = subprocess.Popen(self.inside(command), stdout=log, stderr=log)

    def inside(self, command):
        """`command` with the pod's namespaces, volumes, user and environment."""
        root, user = self.network.root, self.spec["securityContext"]
        steps = []
        for mount in self.container.get("volumeMounts", []):
            source = self.volumes[mount["name"]] / mount.get("subPath", "")
            target = shlex.quote(str(root) + mount["mountPath"])
            # A place in a volume that is mounted already is made, as container engines do.
            steps.append(f"mkdir -p {target} && mount --bind {shlex.quote(str(source))} {target}")
        steps.append(f"mount -o remount,bind,ro {shlex.quote(str(root))}")
        steps.append("exec " + shlex.join(
            ["chroot", str(root), "setpriv", f"--reuid={user['runAsUser']}",
             f"--regid={user['runAsGroup']}", "--clear-groups", "--no-new-privs",
             "--bounding-set=-all", "/usr/bin/env", "-i",
             *(f"{k}={v}" for k, v in self.environment.items()), *command]))
        return ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net",
                f"--uts=/proc/{self.holder.pid}/ns/uts", "unshare", "--mount", "--propagation",
                "private", "sh", "-ec", "\n".join(steps)]

    def exec(self, *command):
        """As `kubectl exec`."""
        return subprocess.run(self.inside(command), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=120, check=False)

    def port(self, name):
        return next(each["containerPort"] for each in self.container["ports"]
                    if each["name"] == name)

    def get(self, path, port="http"):
        return self.ask("GET", path, port=port)

    def ask(self, method, path, body=None, port="http"):
        connection = http.client.HTTPConnection(self.address, self.port(port), timeout=10)
        try:
            connection.request(method, path, body=body)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def passes(self, probe):
        """Whether the kubelet would call the pod ready (or started, or alive)."""
        check = self.container[probe]["httpGet"]
        try:
            return 200 <= self.get(check["path"], check["port"])[0] < 400
        except (OSError, http.client.HTTPException):
            return False

    def wait_for(self, probe):
        def passed():
            if self.process.poll() is not None:
                raise SystemExit(f"{self.name} ended with {self.process.returncode}")
            return self.passes(probe)

        eventually(passed, f"{self.name}: {probe} does not pass")

    def delete(self):
        """As `kubectl delete pod`: SIGTERM, the grace period, and its address is gone. The exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=self.spec["terminationGracePeriodSeconds"])
        self.vanish()
        return code

    def vanish(self):
        """As a machine that loses power. Nobody hears from it again; its volumes stay."""
        if self.holder is None:
            return
        if self.process.poll() is None:
            run(["ip", "link", "set", self.link, "down"])  # Not even the end of its connections.
            self.process.kill()
            self.process.wait()
        self.holder.stdin.close()
        self.holder.wait()
        self.holder = None

    def log(self):
        path = self.scratch / f"{self.name}.log"
        return path.read_text(errors="replace") if path.exists() else ""


def make_volumes(directory, names, user):
    """Directories as claims are: empty at first, of the group that the pod runs as."""
    volumes = {}
    for name, sub_paths in names.items():
        for sub_path in sub_paths or [""]:
            path = pathlib.Path(directory) / name / sub_path
            path.mkdir(parents=True)
            os.chown(path, 0, user)
            path.chmod(0o2775)
        volumes[name] = pathlib.Path(directory) / name
    return volumes
