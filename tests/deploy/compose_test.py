#!/usr/bin/env python3
"""Checks deploy/compose/docker-compose.yml, and runs its three nodes as processes.

    compose_test.py --root DIR --bin build/PRESET/bin

There is no container engine here. What one would do with the file is done by hand: the file is read
as YAML with its anchors, each service must have what it refers to, and the three commands are started
with their own flags, the names of the services standing for loopback addresses. A write through one
published port must be read through another, and SIGTERM must end each node with 0 within its
stop_grace_period. The same for deploy/docker/Dockerfile: the programs that the health check and the
entry point name exist, and the user and the directory are those of the compose file.
"""

import argparse
import json
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from free_ports import ports_in_a_row  # noqa: E402

SECONDS = 60


def need(condition, message):
    if not condition:
        raise SystemExit(message)


def seconds(text):
    match = re.fullmatch(r"(\d+)s", text)
    need(match, f"{text!r} is not a number of seconds")
    return int(match[1])


def check_service(name, service, compose, data_dir):
    need(service["read_only"] is True, f"{name}: the root file system is not read-only")
    need(service["cap_drop"] == ["ALL"], f"{name}: keeps capabilities")
    need("no-new-privileges:true" in service["security_opt"], f"{name}: may gain privileges")
    need(service["hostname"] == name, f"{name}: its host name is another")
    need(service["build"]["dockerfile"] == "deploy/docker/Dockerfile", f"{name}: another image")
    volume, path = service["volumes"][0].split(":")
    need(volume in compose["volumes"], f"{name}: volume {volume} is not declared")
    need(path == data_dir, f"{name}: {path} is not where the image keeps its data")
    need(f"--data-dir={path}" in service["command"], f"{name}: keeps its data outside the volume")
    return volume, service["ports"][0]


def check_compose(compose, data_dir):
    services = compose["services"]
    volumes, ports = zip(*(check_service(name, service, compose, data_dir)
                           for name, service in services.items()))
    need(len(set(volumes)) == len(services), "two nodes share a volume")
    need(list(ports) == [f"127.0.0.1:{port}:8001" for port in (8001, 8002, 8003)],
         f"published ports: {ports}")
    for name, service in services.items():
        cluster = next(flag for flag in service["command"] if flag.startswith("--cluster="))
        for member in cluster.removeprefix("--cluster=").split(","):
            host = member.split("=")[1].split(":")[0]
            need(host in services, f"{name}: {host} is no service")


def check_dockerfile(text, bin_dir):
    """Answers the directory that the image keeps its data in."""
    final = text[text.rindex("\nFROM "):]
    entry = json.loads(re.search(r"^ENTRYPOINT (.*)$", final, re.M)[1])
    health = json.loads(re.search(r"^HEALTHCHECK .*\\\n\s*CMD (.*)$", final, re.M)[1])
    for program in (entry[0], health[0]):
        need((bin_dir / program).exists(), f"{program} is not built")
        need(f"build/release/bin/{program}" in final, f"{program} is not copied into the image")
    need(re.search(r"^USER 10001:10001$", final, re.M), "the image runs as root")
    return re.search(r"^VOLUME (\S+)$", final, re.M)[1], health


def local_flags(index, command, names, first_port, data_dir):
    """The flags of one node, its addresses and those of the others on loopback."""
    flags = []
    for flag in command:
        for other, name in enumerate(names):
            flag = flag.replace(f"{name}:8001", f"127.0.0.1:{first_port + other}")
            flag = flag.replace(f"{name}:9001", f"127.0.0.1:{first_port + 3 + other}")
        flag = flag.replace("0.0.0.0:8001", f"127.0.0.1:{first_port + index}")
        flag = flag.replace("0.0.0.0:9001", f"127.0.0.1:{first_port + 3 + index}")
        flags.append(flag.replace("/var/lib/sisyphus", data_dir))
    return flags


def run(services, bin_dir, health, first_port, scratch):
    nodes = []
    try:
        for index, (name, service) in enumerate(services.items()):
            log = open(f"{scratch}/{name}.log", "wb")  # pylint: disable=consider-using-with
            flags = local_flags(index, service["command"], list(services), first_port,
                                f"{scratch}/{name}")
            nodes.append(subprocess.Popen([bin_dir / "sisyphusd", *flags], stdout=log, stderr=log))
        addresses = [f"http://127.0.0.1:{first_port + i}" for i in range(len(services))]

        def sicli(address, *arguments):
            return subprocess.run([bin_dir / "sicli", "--addr", address, *arguments], text=True,
                                  stdout=subprocess.PIPE, timeout=SECONDS, check=False)

        # The nodes are still starting: curl asks again until one has found a leader.
        for address in addresses:
            subprocess.run(["curl", "-fsS", "-o", "/dev/null", "--retry", "100", "--retry-delay", "1",
                            "--retry-all-errors", "--retry-max-time", str(SECONDS),
                            address + "/readyz"], check=True, timeout=2 * SECONDS,
                           stderr=subprocess.DEVNULL)
        need(sicli(addresses[0], "put", "hello", "world").returncode == 0, "the write failed")
        read = sicli(addresses[2], "get", "hello")
        need(read.returncode == 0 and read.stdout.strip() == "world", f"read {read.stdout!r}")
        for address in addresses:
            need(sicli(address, *health[1:]).returncode == 0, f"{address}: not healthy")
        for node, service in zip(nodes, services.values()):
            node.send_signal(signal.SIGTERM)
            code = node.wait(timeout=seconds(service["stop_grace_period"]))
            need(code == 0, f"a node ended with {code}")
    except BaseException:
        for log in sorted(pathlib.Path(scratch).glob("*.log")):
            print(f"--- {log.name}\n{log.read_text(errors='replace')}")
        raise
    finally:
        for node in nodes:
            if node.poll() is None:
                node.kill()
                node.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=pathlib.Path, required=True)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    options = parser.parse_args()
    bin_dir = options.bin.resolve()
    data_dir, health = check_dockerfile(
        (options.root / "deploy/docker/Dockerfile").read_text(encoding="utf-8"), bin_dir)
    compose = yaml.safe_load(
        (options.root / "deploy/compose/docker-compose.yml").read_text(encoding="utf-8"))
    check_compose(compose, data_dir)
    with tempfile.TemporaryDirectory() as scratch:
        run(compose["services"], bin_dir, health, ports_in_a_row(6), scratch)
    print("three nodes ran with the flags of the compose file")


if __name__ == "__main__":
    main()
