#!/usr/bin/env python3
"""Compares what nodes serve on /metrics with docs/metrics.md, and has promtool look at it.

    metrics_test.py --root DIR --bin build/PRESET/bin

Three nodes of its own, under a little of every kind of load. Every name that is served must be
documented with its type and labels, and the other way round; figures that are known must be right.
promtool is part of Debian's package `prometheus`; without it that part is skipped, saying so.
"""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from nodes import Nodes, eventually, need  # noqa: E402

WRITES = 40
# A name of the first SisyphusDB that its users' dashboards have; promtool dislikes how it ends.
KNOWN_COMPLAINTS = {'kv_level_file_count non-histogram and non-summary metrics should not have '
                    '"_count" suffix'}
# What the alerts and dashboards of etcd's own mixin ask for.
ETCD = """
    etcd_disk_backend_commit_duration_seconds etcd_disk_wal_fsync_duration_seconds
    etcd_mvcc_db_total_size_in_bytes etcd_mvcc_db_total_size_in_use_in_bytes
    etcd_network_client_grpc_received_bytes_total etcd_network_client_grpc_sent_bytes_total
    etcd_network_peer_received_bytes_total etcd_network_peer_round_trip_time_seconds
    etcd_network_peer_sent_bytes_total etcd_network_peer_sent_failures_total
    etcd_server_has_leader etcd_server_leader_changes_seen_total
    etcd_server_proposals_applied_total etcd_server_proposals_committed_total
    etcd_server_proposals_failed_total etcd_server_proposals_pending
    etcd_server_quota_backend_bytes grpc_server_handled_total grpc_server_handling_seconds
    grpc_server_started_total process_resident_memory_bytes""".split()


def documented(root):
    """name: (type, labels), from the rows of the tables."""
    text = (root / "docs/metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z_]+)(?:\{([A-Za-z_,]+)\})?` \| (counter|gauge|histogram) \| (.+) \|$",
                      text, re.M)
    table = {name: (kind, set(labels.split(",")) - {""}) for name, labels, kind, _ in rows}
    need(len(table) == len(rows), "docs/metrics.md has a name twice")
    return table


def labels_served(metrics, name, kind):
    names = {name + "_bucket", name + "_sum", name + "_count"} if kind == "histogram" else {name}
    labels = set()
    for sample, have, _ in metrics.samples:
        if sample in names:
            labels |= set(have)
    return labels - {"le"}


def compare(table, all_metrics):
    served = {}
    for metrics in all_metrics:
        for name, kind in metrics.types.items():
            have = served.setdefault(name, (kind, set()))
            have[1].update(labels_served(metrics, name, kind))
    missing = sorted(set(table) - set(served))
    need(not missing, f"documented and not served: {missing}")
    extra = sorted(set(served) - set(table))
    need(not extra, f"served and not documented: {extra}")
    for name, (kind, labels) in table.items():
        need(served[name] == (kind, labels),
             f"{name} is documented as {kind} {sorted(labels)}, served as {served[name]}")


def ask_promtool(metrics):
    promtool = shutil.which("promtool")
    if promtool is None:
        print("skipped: no promtool (Debian package prometheus)")
        return
    result = subprocess.run([promtool, "check", "metrics"], input=metrics.text, text=True,
                            capture_output=True, check=False)
    complaints = set(filter(None, (result.stdout + result.stderr).splitlines()))
    need(complaints <= KNOWN_COMPLAINTS, f"promtool: {sorted(complaints - KNOWN_COMPLAINTS)}")


def use(nodes, leader, follower):
    for n in range(WRITES):
        status, body = nodes.ask(leader if n % 2 else follower, "PUT", f"/v1/kv/k{n}", b"x" * 100)
        need(status == 201, f"a write: {status} {body}")
    for consistency, count in (("linearizable", 7), ("lease", 5), ("stale", 3)):
        for _ in range(count):
            status, body = nodes.ask(leader, "GET", f"/v1/kv/k1?consistency={consistency}")
            need(status == 200, f"a read: {status} {body}")
    need(nodes.ask(leader, "POST", "/v1/leases", b'{"ttl":"600s"}')[0] == 201, "no lease")
    need(nodes.ask(leader, "PUT", "/v1/kv/s", b"x", {"Idempotency-Key": "me:1"})[0] == 201,
         "no session")


def check_figures(nodes, leader, follower):
    """What was done is what is told, as soon as it is."""

    def told():
        lead, follow = nodes.metrics(leader), nodes.metrics(follower)
        stage = "sisyphus_write_stage_seconds_count"
        facts = [
            lead.total("sisyphus_reads_total", consistency="linearizable") == 7,
            lead.total("sisyphus_reads_total", consistency="lease") == 5,
            lead.total("sisyphus_reads_total", consistency="stale") == 3,
            lead.total("sisyphus_leases") == 1,
            lead.total("sisyphus_sessions") == 1,
            lead.total(stage, stage="respond") == WRITES / 2 + 2,
            lead.total(stage, stage="replicate") >= WRITES + 2,
            lead.total(stage, stage="sync") > 0,
            follow.total(stage, stage="respond") == WRITES / 2,
            follow.total("sisyphus_forward_seconds_count") == WRITES / 2,
            follow.total(stage, stage="apply") >= WRITES + 2,
            lead.total("raft_state") == 2 and follow.total("raft_state") == 0,
            follow.total("raft_leader") == leader,
            lead.total("sisyphus_quorum_margin") == 1,
            lead.total("sisyphus_peer_lag_entries", peer=str(follower)) == 0,
            lead.total("sisyphus_peer_round_trip_seconds_count", peer=str(follower)) > 0,
            lead.total("http_requests_total", method="PUT", endpoint="/v1/kv/{key}",
                       status="201") == WRITES / 2 + 1,
            lead.total("sisyphus_raft_elections_total") >= 1,
            lead.total("process_resident_memory_bytes") > 1 << 20,
            lead.total("process_threads") > 4,
            lead.total("sisyphus_disk_free_bytes") <= lead.total("sisyphus_disk_size_bytes"),
        ]
        return all(facts) or [i for i, fact in enumerate(facts) if not fact] and None

    eventually(told, "the figures are not what was done")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=pathlib.Path, required=True)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    options = parser.parse_args()
    table = documented(options.root)
    with tempfile.TemporaryDirectory() as scratch, Nodes(options.bin, scratch) as nodes:
        nodes.start(1, "--metrics-compat=etcd")
        nodes.start(2, "--metrics-compat=etcd")
        nodes.start(3)
        leader = nodes.leader()
        if leader == 3:  # Its peers are told only with etcd's names, and only by a leader.
            nodes.ask(3, "POST", "/v1/leader/transfer", b'{"to":1}')
            leader = eventually(lambda: nodes.leader() in (1, 2) and nodes.leader(), "no hand-over")
        follower = 3 - leader
        use(nodes, leader, follower)
        check_figures(nodes, leader, follower)
        served = [nodes.metrics(i) for i in (leader, follower)]
        compare(table, served)
        for metrics in served:
            ask_promtool(metrics)
        absent = [name for name in ETCD if name not in served[0].types]
        need(not absent, f"etcd's dashboards would miss {absent}")
        plain = nodes.metrics(3)
        borrowed = [n for n in plain.types if n.startswith(("etcd_", "grpc_"))]
        need(not borrowed, f"served without being asked for: {borrowed}")
    print(f"{len(table)} metrics are served as documented")


if __name__ == "__main__":
    main()
