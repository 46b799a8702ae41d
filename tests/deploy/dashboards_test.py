#!/usr/bin/env python3
"""Runs every query of deploy/grafana and every rule of deploy/prometheus on a real Prometheus.

    dashboards_test.py --root DIR --bin build/PRESET/bin

Debian's `prometheus` scrapes three nodes once a second while clients write, read, watch and hold
leases; the leader is killed and comes back. Then each panel's query must have data in that time, each
recording rule a series, and every metric that an alert names must have been scraped. Skipped, saying
so, without the package.
"""

import argparse
import collections
import http.client
import json
import math
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from free_ports import ports_in_a_row  # noqa: E402
from nodes import Nodes, eventually, need  # noqa: E402

BEFORE_KILL, DOWN, AFTER = 8, 3, 14  # Seconds.
JOB = "sisyphus-test"
FLAGS = ["--memtable-bytes=65536", "--slow-operation-ms=20"]


class Prometheus:
    def __init__(self, program, root, scratch, nodes):
        rules = [str((root / "deploy/prometheus" / name).resolve())
                 for name in ("recording.rules.yml", "alerts.rules.yml")]
        config = {"global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                  "rule_files": rules,
                  "scrape_configs": [{"job_name": JOB, "static_configs": [
                      {"targets": list(nodes.http.values())}]}]}
        path = pathlib.Path(scratch) / "prometheus.yml"
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        self.address = f"127.0.0.1:{ports_in_a_row(1)}"
        self.log = open(f"{scratch}/prometheus.log", "wb")  # pylint: disable=consider-using-with
        self.process = subprocess.Popen(
            [program, f"--config.file={path}", f"--storage.tsdb.path={scratch}/tsdb",
             f"--web.listen-address={self.address}"], stdout=self.log, stderr=self.log)

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.log.close()

    def ask(self, path, **parameters):
        url = f"http://{self.address}/api/v1/{path}?" + urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            if error.code == 503:
                raise  # It is starting.
            raise SystemExit(f"{parameters}: {error.read().decode()}") from error


class Load:
    """Clients of all kinds; what goes wrong while a node is down is tried again."""

    def __init__(self, nodes):
        self.nodes = nodes
        self.stopped = threading.Event()
        work = [self.write, self.write, self.read, self.scan, self.watch, self.lease]
        self.threads = [threading.Thread(target=self.loop, args=(one, n), daemon=True)
                        for n, one in enumerate(work)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join()

    def loop(self, work, number):
        turn = number
        while not self.stopped.wait(0.01):
            turn += 1
            node = self.nodes.ids[turn % len(self.nodes.ids)]
            connection = http.client.HTTPConnection(self.nodes.http[node], timeout=5)
            try:
                for n in range(50):
                    if self.stopped.wait(0.004):
                        return
                    work(connection, 1000 * turn + n)
            except (OSError, http.client.HTTPException):
                pass
            finally:
                connection.close()

    @staticmethod
    def ask(connection, method, target, body=None, headers=None):
        connection.request(method, target, body=body, headers=headers or {})
        connection.getresponse().read()

    def write(self, connection, n):
        self.ask(connection, "PUT", f"/v1/kv/k{n % 700}", b"v" * 400, {"Idempotency-Key": f"c:{n}"})

    def read(self, connection, n):
        consistency = ("linearizable", "lease", "stale")[n % 3]
        self.ask(connection, "GET", f"/v1/kv/k{n * 7 % 900}?consistency={consistency}")

    def scan(self, connection, n):
        self.ask(connection, "GET", f"/v1/kv?prefix=k{n % 9}&limit=50")

    def lease(self, connection, n):
        self.ask(connection, "PUT", f"/v1/kv/lease{n % 5}?ttl=5s", b"x")

    def watch(self, connection, n):
        connection.request("GET", f"/v1/watch?prefix=k{n % 9}")
        response = connection.getresponse()
        for _ in range(20):
            if self.stopped.is_set():
                return
            response.read1(4096)


def panels(dashboard):
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for annotation in dashboard["annotations"]["list"]:
        yield annotation["name"], annotation["expr"]


def has_data(prometheus, expr, begin, end):
    series = prometheus.ask("query_range", query=expr, start=begin, end=end, step="1")["result"]
    return any(not math.isnan(float(value)) for one in series for _, value in one["values"])


def check_dashboards(root, prometheus, begin, end):
    uids = collections.Counter()
    count = 0
    for path in sorted((root / "deploy/grafana/dashboards").glob("*.json")):
        dashboard = json.loads(path.read_text(encoding="utf-8"))
        uids[dashboard["uid"]] += 1
        ids = [panel["id"] for panel in dashboard["panels"]]
        need(len(ids) == len(set(ids)), f"{path.name}: two panels have one id")
        for title, expr in panels(dashboard):
            expr = expr.replace("$job", JOB).replace("$__rate_interval", "5s")
            need("$" not in expr, f"{path.name}: {title}: unknown variable in {expr}")
            # Of an annotation no data is a good answer, but it must be a query.
            found = has_data(prometheus, expr, begin, end)
            need(found or title == "Leader changes", f"{path.name}: {title}: no data for {expr}")
            count += 1
    need(set(uids.values()) == {1}, f"one uid for several dashboards: {uids}")
    return count


def check_provisioning(root):
    provisioning = root / "deploy/grafana/provisioning"
    source = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text("utf-8"))
    need(source["datasources"][0]["type"] == "prometheus", "no data source")
    provider = yaml.safe_load((provisioning / "dashboards/sisyphus.yml").read_text("utf-8"))
    need(provider["providers"][0]["options"]["path"], "the dashboards have no place")


def check_rules(prometheus, begin, end):
    names = set(prometheus.ask("label/__name__/values", start=begin, end=end))
    rules = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
    for rule in rules:
        need(rule["health"] == "ok", f"{rule['name']}: {rule.get('lastError')}")
        words = re.sub(r'"[^"]*"|\b(by|on|without)\s*\([^)]*\)', "", rule["query"])
        asked = set(re.findall(r"\b(?:\w+:)?(?:sisyphus|raft|kv|http|process)_[\w:]+", words))
        need(asked <= names, f"{rule['name']} asks for {asked - names}")
        if rule["type"] == "recording":
            need(has_data(prometheus, rule["name"], begin, end), f"{rule['name']}: no data")
    return len(rules)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=pathlib.Path, required=True)
    parser.add_argument("--bin", required=True)
    options = parser.parse_args()
    check_provisioning(options.root)
    program = shutil.which("prometheus")
    if program is None:
        print("skipped: no prometheus (Debian package prometheus)")
        return
    with tempfile.TemporaryDirectory() as scratch, Nodes(options.bin, scratch, FLAGS) as nodes:
        nodes.start_all()
        leader = nodes.leader()
        prometheus = Prometheus(program, options.root, scratch, nodes)
        load = Load(nodes)
        try:
            eventually(lambda: prometheus.ask("query", query=f'up{{job="{JOB}"}} == 1')["result"],
                       "Prometheus scrapes nothing")
            begin = time.time()
            load.stopped.wait(BEFORE_KILL)
            nodes.kill(leader)
            load.stopped.wait(DOWN)
            nodes.start(leader)
            load.stopped.wait(AFTER)
            end = time.time()
            queries = check_dashboards(options.root, prometheus, begin, end)
            rules = check_rules(prometheus, begin, end)
            changes = prometheus.ask(
                "query", query=f'max(sisyphus_raft_leader_changes_total{{job="{JOB}"}})')["result"]
            need(float(changes[0]["value"][1]) >= 2, f"no fail-over was seen: {changes}")
        finally:
            load.stop()
            prometheus.stop()
    print(f"{queries} queries and {rules} rules have data")


if __name__ == "__main__":
    main()
