#!/usr/bin/env python3
"""Reads the logs of three nodes: that every line is JSON, what a slow write says, where its trace goes.

    logs_test.py --root DIR --bin build/PRESET/bin

A large value is written through a follower with a traceparent: the follower's and the leader's
slow-operation lines must carry it, and their stages must fit into the time that it took. The level
is changed at run time. No byte of a key or a value may be in any log.
"""

import argparse
import json
import tempfile

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from nodes import Nodes, eventually, need  # noqa: E402

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
STAGES = ("queue_us", "replicate_us", "commit_us", "apply_us")
KEY = "hidden-key"
VALUE = b"hidden-value" * (700 * 1024)  # So large that nothing takes it within the 1 ms threshold.


def events(nodes, i, event):
    lines = [json.loads(line) for line in nodes.log(i).splitlines()]
    for line in lines:
        need({"time", "level", "event"} <= set(line), f"node {i}: {line}")
    return [line for line in lines if line["event"] == event]


def check_slow_write(nodes, leader, follower):
    status, body = nodes.ask(follower, "PUT", f"/v1/kv/{KEY}", VALUE, {"Traceparent": TRACE})
    need(status == 201, f"the write: {status} {body}")

    def at_follower():
        return [e for e in events(nodes, follower, "slow_operation") if e["trace"] == TRACE]

    slow = eventually(at_follower, "no slow operation at the follower")[0]
    need(slow["level"] == "warning" and slow["method"] == "PUT" and slow["status"] == 201 and
         slow["endpoint"] == "/v1/kv/{key}" and slow["leader"] == leader, f"{slow}")
    inner = sum(slow[stage] for stage in STAGES)
    need(0 < inner <= slow["forward_us"] <= slow["took_us"], f"stages do not fit: {slow}")
    need(slow["replicate_us"] > 0, f"{slow}")
    forwarded = eventually(
        lambda: [e for e in events(nodes, leader, "slow_forwarded_write") if e["trace"] == TRACE],
        "the trace did not come to the leader")[0]
    need(forwarded["origin"] == follower and forwarded["code"] == "OK" and
         forwarded["command_bytes"] > len(VALUE), f"{forwarded}")
    need([forwarded[s] for s in STAGES] == [slow[s] for s in STAGES],
         f"the stages differ: {forwarded} {slow}")


def check_bad_traces(nodes, leader):
    for bad in (TRACE[:-1], TRACE.upper(), TRACE + "-x", "00-" + "0" * 32 + TRACE[35:], "x"):
        before = len(events(nodes, leader, "slow_operation"))
        nodes.ask(leader, "PUT", f"/v1/kv/{KEY}", VALUE, {"traceparent": bad})
        eventually(lambda: len(events(nodes, leader, "slow_operation")) > before, "not told")
        last = events(nodes, leader, "slow_operation")[-1]
        need(last["trace"] == "none" and last["leader"] == 0, f"{bad}: {last}")


def check_level(nodes, leader):
    def level(body):
        return nodes.ask(leader, "PUT", "/v1/log/level", body)

    need(nodes.ask(leader, "GET", "/v1/log/level") == (200, b'{"level":"info"}'), "the level")
    need(not events(nodes, leader, "request"), "requests are told at info")
    for bad in (b"", b'{"level":"loud"}', b'{"level":1}', b'{"level":"info","x":1}', b"debug"):
        need(level(bad)[0] == 400, f"{bad} was taken")
    need(level(b'{"level":"debug"}') == (200, b'{"level":"debug"}'), "the level is not changed")

    def told():  # A request that happens to be slow is told as that: ask until one is not.
        nodes.ask(leader, "GET", f"/v1/kv/none-{KEY}")
        return [e for e in events(nodes, leader, "request") if e["status"] == 404]

    eventually(told, "requests are not told at debug")
    need(level(b'{"level":"error"}')[0] == 200, "the level is not changed back")
    before = nodes.log(leader)
    nodes.ask(leader, "PUT", f"/v1/kv/{KEY}", VALUE)
    nodes.ask(leader, "GET", f"/v1/kv/none-{KEY}")
    need(nodes.log(leader) == before, "told below the level")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root")
    parser.add_argument("--bin", required=True)
    options = parser.parse_args()
    flags = ["--log-format=json", "--slow-operation-ms=1"]
    with tempfile.TemporaryDirectory() as scratch, Nodes(options.bin, scratch, flags) as nodes:
        nodes.start_all()
        leader = nodes.leader()
        check_slow_write(nodes, leader, leader % 3 + 1)
        check_bad_traces(nodes, leader)
        check_level(nodes, leader)
        for i in nodes.ids:
            need(events(nodes, i, "started") and events(nodes, i, "role"), f"node {i} is silent")
            need("hidden" not in nodes.log(i), f"node {i} told of a key or a value")
    print("every line is an event; the trace went through the follower to the leader")


if __name__ == "__main__":
    main()
