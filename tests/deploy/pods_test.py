#!/usr/bin/env python3
"""Runs the StatefulSet of deploy/k8s/base without Kubernetes, and treats it as Kubernetes does.

    pods_test.py --root DIR --bin build/PRESET/bin

Its own command lines, environment, probes, volumes and user, in network namespaces with the pods' names
(tests/support/pods.py). While clients write: a pod's machine is lost and the pod comes back at another
address; the leader's pod is deleted and hands over; two pods join and vote; a founder loses its volumes and
joins anew under another id. The configuration of deploy/k8s/monitoring must find all pods. In the end
every write that was acknowledged is read from every pod.
"""

import argparse
import itertools
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import threading

import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import dockerfile  # noqa: E402
from nodes import Metrics, eventually, need  # noqa: E402
from pods import DOMAIN, NAMESPACE, Network, Pod, make_volumes  # noqa: E402
from root_fs import Overlay, enter_mount_namespace, run, scratch_directory  # noqa: E402

ADDRESSES = (f"10.77.0.{host}" for host in itertools.count(10))


def manifests(path):
    return {(each["kind"], each["metadata"]["name"]): each
            for each in yaml.safe_load_all(path.read_text(encoding="utf-8"))}


class StatefulSet:
    """The pods, by ordinal, and what Kubernetes would remember of them."""

    def __init__(self, root, network, scratch, environment):
        base = root / "deploy/k8s/base"
        self.set = manifests(base / "statefulset.yaml")["StatefulSet", "sisyphus"]
        self.service = self.set["spec"]["serviceName"]
        headless = manifests(base / "services.yaml")["Service", self.service]
        need(headless["spec"]["clusterIP"] == "None", f"{self.service} is no headless service")
        self.ports = {each["name"]: each["port"] for each in headless["spec"]["ports"]}
        self.network, self.scratch, self.environment = network, scratch, environment
        self.spec = self.set["spec"]["template"]["spec"]
        self.ids = scratch / "ids"  # The ConfigMap, empty.
        self.ids.mkdir()
        self.claims = {}
        self.pods = {}

    def new_claims(self, ordinal):
        """What the claim templates would make for a pod that has none."""
        sub_paths = {}
        for mount in self.spec["containers"][0]["volumeMounts"]:
            sub_paths.setdefault(mount["name"], []).append(mount.get("subPath", ""))
        names = [each["metadata"]["name"] for each in self.set["spec"]["volumeClaimTemplates"]]
        directory = pathlib.Path(tempfile.mkdtemp(dir=self.scratch))
        directory.chmod(0o755)
        self.claims[ordinal] = make_volumes(directory, {name: sub_paths[name] for name in names},
                                            self.spec["securityContext"]["fsGroup"])

    def start(self, ordinal):
        if ordinal not in self.claims:
            self.new_claims(ordinal)
        name = f"{self.set['metadata']['name']}-{ordinal}"
        pod = Pod(self.network, name, self.spec, {**self.claims[ordinal], "ids": self.ids},
                  self.scratch, self.environment)
        self.pods[ordinal] = pod
        pod.start(next(ADDRESSES), self.service)
        suffix = f"{self.service}.{NAMESPACE}.{DOMAIN}"
        self.network.names.services[f"_http._tcp.{suffix}"] = [
            (self.ports["http"], f"{each.name}.{suffix}") for each in self.pods.values()]
        return pod

    def restart(self, ordinal):
        pod = self.start(ordinal)
        pod.wait_for("startupProbe")
        pod.wait_for("readinessProbe")
        return pod

    def cluster(self, ordinal):
        return json.loads(self.pods[ordinal].get("/v1/cluster")[1])

    def leader(self, *, of):
        """The ordinal of the leader that all pods in `of` know."""

        def agreed():
            known = {self.cluster(ordinal).get("leader") for ordinal in of}
            return known.pop() if len(known) == 1 and None not in known else None

        leader = eventually(agreed, "no leader")
        for ordinal in of:
            if self.cluster(ordinal)["id"] == leader:
                return ordinal
        raise SystemExit(f"node {leader} leads, and is none of the pods {of}")

    def close(self):
        for pod in self.pods.values():
            pod.vanish()


class Writer:
    """Writes keys that were never written before, to any pod, and notes what was acknowledged."""

    def __init__(self, pods):
        self.pods, self.acknowledged = pods, set()
        self.stopped = threading.Event()
        self.random = random.Random(1)
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self):
        for number in itertools.count():
            if self.stopped.is_set():
                return
            # As the client service, which does not lead to pods that are known to be gone.
            pod = self.random.choice([each for each in list(self.pods.values()) if each.holder])
            try:
                if pod.ask("PUT", f"/v1/kv/key{number}", f"value{number}")[0] // 100 == 2:
                    self.acknowledged.add(number)
            except (OSError, ValueError):
                self.stopped.wait(0.02)  # A pod that is gone; the next one may be another.

    def goes_on(self):
        """Waits for some more acknowledgements."""
        before = len(self.acknowledged)
        eventually(lambda: len(self.acknowledged) >= before + 20, "no write is acknowledged")

    def stop(self):
        self.stopped.set()
        self.thread.join()


def found(pods):
    for ordinal in range(pods.set["spec"]["replicas"]):
        pods.start(ordinal)
    for pod in pods.pods.values():
        pod.wait_for("startupProbe")
        pod.wait_for("readinessProbe")
        need(pod.passes("livenessProbe"), f"{pod.name} is not alive")
    members = {each["peer_address"] for each in pods.cluster(0)["members"]}
    need(members == {f"sisyphus-{i}.sisyphus:9001" for i in range(3)}, f"members {members}")


def lose_a_machine(pods, writer):
    """A pod comes back at another address, and the cluster can need it: another pod is gone then."""
    address = pods.pods[1].address
    pods.pods[1].vanish()
    writer.goes_on()
    pods.restart(1)
    need(pods.pods[1].address != address, "it came back at the same address")
    pods.pods[2].vanish()
    writer.goes_on()
    pods.restart(2)


def delete_the_leader(pods, writer):
    leader = pods.leader(of=[0, 1, 2])
    others = [ordinal for ordinal in (0, 1, 2) if ordinal != leader]
    need(pods.pods[leader].delete() == 0, "the leader did not end with 0")
    need("hand_over_failed" not in pods.pods[leader].log(), "it did not hand over")
    successor = pods.leader(of=others)
    metrics = Metrics(pods.pods[successor].get("/metrics")[1].decode())
    need(metrics.total("sisyphus_raft_elections_total", reason="transfer") > 0,
         "the new leader was not asked to lead")
    writer.goes_on()
    pods.restart(leader)


def member(pods, node_id):
    return next((each for each in pods.cluster(0)["members"] if each["id"] == node_id), {})


def add(pods, ordinal, node_id):
    """The commands of docs/kubernetes.md."""
    pod = pods.start(ordinal)
    pod.wait_for("startupProbe")
    need(not pod.passes("readinessProbe"), f"{pod.name} is ready and was not added")
    command = ["sicli", "member", "add", str(node_id), f"{pod.name}.sisyphus:9001"]

    def added():
        done = pods.pods[1].exec(*command)
        # On a machine with much else to do, the node may not answer the leader in time: ask again.
        need(done.returncode == 0 or "no answer as a member" in done.stdout,
             f"{' '.join(command)}: {done.stdout}")
        return done.returncode == 0

    eventually(added, f"node {node_id} is not added")
    pod.wait_for("readinessProbe")
    eventually(lambda: member(pods, node_id).get("voter"), f"node {node_id} does not vote")


def grow(pods, writer):
    add(pods, 3, 4)
    add(pods, 4, 5)
    # Five bear the loss of two.
    for ordinal in (1, 2):
        pods.pods[ordinal].vanish()
    writer.goes_on()
    for ordinal in (1, 2):
        pods.restart(ordinal)


def replace_a_founder(pods, writer):
    """Its volumes are gone: it joins under an id that was never used."""
    pods.pods[0].vanish()
    removed = pods.pods[1].exec("sicli", "--timeout", "30s", "member", "remove", "1")
    need(removed.returncode == 0, f"member remove 1: {removed.stdout}")
    del pods.claims[0]
    (pods.ids / "0").write_text("101", encoding="utf-8")
    add(pods, 0, 101)
    writer.goes_on()
    # Once more, with its data this time: the same id again.
    need(pods.pods[0].delete() == 0, "it did not end with 0")
    pods.restart(0)
    need(pods.cluster(0)["id"] == 101, "it came back under another id")


def check_prometheus(root, network, pods, scratch):
    """The monitoring's own flags and configuration; its ConfigMaps are the files that they are made of."""
    if shutil.which("prometheus") is None:
        print("skipped in part: no prometheus (Debian package prometheus)")
        return
    directory = root / "deploy/k8s/monitoring"
    spec = manifests(directory / "prometheus.yaml")["Deployment", "prometheus"]["spec"]
    spec = spec["template"]["spec"]
    spec["containers"][0]["command"] = ["prometheus"]  # The image's entry point.
    volumes = make_volumes(scratch / "prometheus", {"data": [], "configuration": []},
                           spec["securityContext"]["fsGroup"])
    shutil.copy(directory / "prometheus.yml", volumes["configuration"])
    volumes["rules"] = root / "deploy/prometheus"
    prometheus = Pod(network, "prometheus", spec, volumes, scratch, {})
    prometheus.start(next(ADDRESSES))

    def targets():
        answer = json.loads(prometheus.get("/api/v1/targets", "web")[1])["data"]["activeTargets"]
        return {each["labels"]["instance"] for each in answer if each["health"] == "up"}

    try:
        wanted = {pod.name for pod in pods.pods.values()}
        eventually(lambda: targets() == wanted, "Prometheus does not find all pods")
        need(prometheus.passes("readinessProbe"), "Prometheus is not ready")
        rules = json.loads(prometheus.get("/api/v1/rules", "web")[1])["data"]["groups"]
        need(rules, "Prometheus has no rules")
    except BaseException:
        print(prometheus.log()[-3000:])
        raise
    finally:
        prometheus.vanish()


def check_nothing_lost(pods, writer):
    need(len(writer.acknowledged) > 100, "hardly anything was written")
    for pod in pods.pods.values():
        scan = pod.exec("sicli", "-o", "simple", "scan", "key")
        need(scan.returncode == 0, f"{pod.name}: {scan.stdout[-500:]}")
        held = dict(line.split("\t")[:2] for line in scan.stdout.splitlines())
        for number in writer.acknowledged:
            value = held.get(f"key{number}")
            need(value == f"value{number}",
                 f"{pod.name}: key{number} was acknowledged; now its value is {value!r}")
    print(f"counts: pods_writes={len(writer.acknowledged)}")


def install(root, bin_dir, overlay):
    """What the image has: programs, the directory, the environment."""
    final = dockerfile.parse((root / "deploy/docker/Dockerfile").read_text(encoding="utf-8"))[-1]
    for source in (bin_dir / "sisyphusd", bin_dir / "sicli", root / "deploy/docker/sisyphus-pod"):
        target = overlay.root / "usr/local/bin" / source.name
        target.touch()
        run(["mount", "--bind", source, target])
    for path in (final.only("VOLUME"), final.only("VOLUME") + "/log", "/etc/sisyphus/ids",
                 "/prometheus", "/etc/prometheus", "/etc/prometheus-rules"):
        (overlay.root / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
    return dict(each.split("=", 1) for each in final.only("ENV").split())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=pathlib.Path, required=True)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    options = parser.parse_args()
    enter_mount_namespace(network=True)
    root = options.root.resolve()
    with scratch_directory() as scratch:
        scratch.chmod(0o755)
        overlay = Overlay("/", scratch / "machine")
        environment = install(root, options.bin.resolve(), overlay)
        network = Network(overlay.root)
        pods = StatefulSet(root, network, scratch, environment)
        writer = None
        try:
            found(pods)
            writer = Writer(pods.pods)
            writer.goes_on()
            for step in (lose_a_machine, delete_the_leader, grow, replace_a_founder):
                print(step.__name__.replace("_", " "), flush=True)
                step(pods, writer)
            check_prometheus(root, network, pods, scratch)
            writer.stop()
            check_nothing_lost(pods, writer)
        except BaseException:
            for pod in pods.pods.values():
                print(f"--- {pod.name}\n{pod.log()[-4000:]}")
            raise
        finally:
            if writer:
                writer.stop()
            pods.close()
            network.names.close()
    print("the StatefulSet's pods moved, handed over, joined and were replaced; nothing was lost")


if __name__ == "__main__":
    main()
