#!/usr/bin/env python3
"""Checks deploy/prometheus: promtool reads and tests the rules; each alert has a test and a runbook.

    rules_test.py --root DIR

Every metric that the rules name must be in docs/metrics.md, which tests/chaos/metrics_test.py holds to
what nodes serve. promtool is part of Debian's package `prometheus`; without it its part is skipped,
saying so.
"""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys

import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from nodes import need  # noqa: E402

WORD = re.compile(r"\b(?:sisyphus|raft|kv|http|process)_\w+")
TEST_FILES = ("alerts.test.yml", "alerts.long.test.yml")
DURATION_SUFFIXES = ("_bucket", "_sum", "_count")


def load(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def rules_of(path):
    return [rule for group in load(path)["groups"] for rule in group["rules"]]


def metric_names(expr, recorded):
    """Names of metrics, without those of recording rules and of labels."""
    expr = re.sub(r'"[^"]*"|\b(by|on|without)\s*\([^)]*\)', "", expr)
    for name in recorded:
        expr = expr.replace(name, "")
    return set(WORD.findall(expr))


def check_promtool(directory):
    promtool = shutil.which("promtool")
    if promtool is None:
        print("skipped: no promtool (Debian package prometheus)")
        return
    for arguments in (["check", "config", "prometheus.yml"], ["test", "rules", *TEST_FILES]):
        result = subprocess.run([promtool, *arguments], cwd=directory, text=True,
                                capture_output=True, check=False)
        need(result.returncode == 0, f"promtool {arguments}: {result.stdout}{result.stderr}")


def check_alert(alert, tests, runbooks):
    name = alert["alert"]
    cases = [case for test in tests for case in test["alert_rule_test"]
             if case["alertname"] == name]
    need(any(case["exp_alerts"] for case in cases), f"{name}: no test in which it fires")
    need(any(not case["exp_alerts"] for case in cases), f"{name}: no test in which it is silent")
    need(alert["annotations"]["runbook"] == f"docs/operations.md#{name.lower()}", f"{name}: runbook")
    section = runbooks.get(name, "")
    need("**Look at**" in section and "**Do**" in section,
         f"docs/operations.md says nothing of what to look at and what to do about {name}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=pathlib.Path, required=True)
    root = parser.parse_args().root
    directory = root / "deploy/prometheus"
    check_promtool(directory)
    alerts = rules_of(directory / "alerts.rules.yml")
    recording = rules_of(directory / "recording.rules.yml")
    tests = [test for name in TEST_FILES for test in load(directory / name)["tests"]]
    operations = (root / "docs/operations.md").read_text(encoding="utf-8")
    parts = re.split(r"^#{2,} (.+)$", operations, flags=re.M)
    runbooks = dict(zip(parts[1::2], parts[2::2]))
    for alert in alerts:
        check_alert(alert, tests, runbooks)
    extra = {n for n in runbooks if n.startswith("Sisyphus")} - {a["alert"] for a in alerts}
    need(not extra, f"docs/operations.md has runbooks for no alert: {extra}")
    documented = set(re.findall(r"^\| `(\w+)", (root / "docs/metrics.md").read_text(encoding="utf-8"),
                                re.M))
    recorded = [rule["record"] for rule in recording]
    for rule in alerts + recording:
        for name in metric_names(rule["expr"], recorded):
            plain = next((name.removesuffix(s) for s in DURATION_SUFFIXES
                          if name.removesuffix(s) in documented), name)
            need(plain in documented, f"{rule}: {name} is no metric")
    print(f"{len(alerts)} alerts have tests and runbooks")


if __name__ == "__main__":
    main()
