#!/usr/bin/env python3
"""Compares what a cluster answers with what /openapi.json says that it answers.

    openapi_test.py --root DIR --bin build/PRESET/bin

Three nodes of its own. SAMPLES holds a good request for every operation; a new one needs a line
there. From these are made: an answer for each status described, requests with each parameter that
is described and each that is not, and with bodies that break their schema. Every answer on the way
must have a status, header fields and a body as described, and nothing else.
"""

import argparse
import collections
import http.client
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import jsonschema

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from free_ports import ports_in_a_row  # noqa: E402

SECONDS = 120
METHODS = ("get", "head", "put", "post", "delete")
# What HTTP itself needs, in no need of a description.
PLAIN_HEADERS = {"content-length", "content-type", "connection", "transfer-encoding",
                 "cache-control", "content-security-policy", "referrer-policy",
                 "x-content-type-options"}
# Header fields of requests that steer HTTP, not an operation.
PLAIN_REQUEST_HEADERS = {"Host", "Content-Encoding", "Origin", "traceparent"}
# Described, and not made here: tests/unit/api/errors_test.cc and membership_test.cc make these.
NOT_MADE = {"429", "504", "507"}
NOT_MADE_OF = {("promoteMember", "409"), ("transferLeadership", "409"), ("removeMember", "409"),
               ("keepLeasesAlive", "409")}

Answer = collections.namedtuple("Answer", "status headers body")
Sample = collections.namedtuple("Sample", "target body headers", defaults=(None, {}))


class Failure(Exception):
    pass


class Api:
    """The description, and the checks that it allows."""

    def __init__(self, document):
        self.document = document
        self.resolver = jsonschema.RefResolver.from_schema(document)
        self.seen = set()  # (operationId, status)
        self.operations = {}  # id: (method, path, operation, parameters)
        for path, item in document["paths"].items():
            for method in METHODS:
                if method not in item:
                    continue
                operation = item[method]
                parameters = [self.resolve(p) for p in
                              item.get("parameters", []) + operation.get("parameters", [])]
                self.operations[operation["operationId"]] = (method, path, operation, parameters)

    def resolve(self, node):
        while "$ref" in node:
            node = self.resolver.resolve(node["$ref"])[1]
        return node

    def validate(self, schema, value, what):
        validator = jsonschema.Draft202012Validator(schema, resolver=self.resolver)
        for error in validator.iter_errors(value):
            raise Failure(f"{what}: {error.message} in {json.dumps(value)[:300]}")

    def is_valid(self, schema, value):
        return jsonschema.Draft202012Validator(schema, resolver=self.resolver).is_valid(value)

    def statuses(self, name):
        return [s for s in self.operations[name][2]["responses"] if s != "default"]

    def names(self, name, place):
        return {p["name"] for p in self.operations[name][3] if p["in"] == place}

    def body_schema(self, name):
        body = self.operations[name][2].get("requestBody", {})
        return self.resolve(body).get("content", {}).get("application/json", {}).get("schema")

    def check(self, name, answer):
        method, _, operation, _ = self.operations[name]
        what = f"{name} {answer.status}"
        responses = operation["responses"]
        key = str(answer.status)
        if key not in responses and answer.status < 400:
            raise Failure(f"{what} is not described")
        response = self.resolve(responses.get(key, responses["default"]))
        self.check_headers(what, response, answer.headers)
        content = response.get("content")
        if method == "head" or not content:
            if answer.body:
                raise Failure(f"{what}: a body that is not described: {answer.body[:100]}")
        else:
            self.check_body(what, content, answer)
        self.seen.add((name, key))

    def check_headers(self, what, response, headers):
        described = {k.lower(): self.resolve(v) for k, v in response.get("headers", {}).items()}
        for name, header in described.items():
            if header.get("required") and name not in headers:
                raise Failure(f"{what}: the header {name} is missing")
        for name, value in headers.items():
            if name in PLAIN_HEADERS:
                continue
            if name not in described:
                raise Failure(f"{what}: the header {name}: {value} is not described")
            schema = described[name]["schema"]
            self.validate(schema, int(value) if schema.get("type") == "integer" else value,
                          f"{what}: {name}")

    def check_body(self, what, content, answer):
        kind = answer.headers.get("content-type")
        if kind not in content:
            raise Failure(f"{what}: the type {kind} is not described")
        schema = content[kind]["schema"]
        if kind.endswith("json") and kind != "application/x-ndjson":
            self.validate(schema, json.loads(answer.body), what)
        elif kind == "application/x-ndjson":
            for line in answer.body.decode().splitlines():
                self.validate(schema, json.loads(line), what)
        elif kind == "text/event-stream":
            for event, data in re.findall(r"event: (\w+)\ndata: (.*)\n\n", answer.body.decode()):
                target = {"$ref": f"#/components/schemas/Watch{event.capitalize()}"}
                self.validate(target, json.loads(data), f"{what}: {event}")


class Cluster:
    def __init__(self, api, first_port):
        self.api = api
        self.ports = {n: first_port + n - 1 for n in (1, 2, 3)}
        self.leader = 1

    def send(self, node, method, target, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[node], timeout=30)
        try:
            connection.request(method.upper(), target, body=body, headers=headers or {})
            response = connection.getresponse()
            fields = {k.lower(): v for k, v in response.getheaders()}
            if response.status == 200 and fields.get("content-type") == "text/event-stream":
                data = b""
                while b"event: progress" not in data or not data.endswith(b"\n\n"):
                    data += response.read1()
            else:
                data = response.read()
            return Answer(response.status, fields, data)
        finally:
            connection.close()

    def ask(self, name, sample, node=None, more="", headers=None):
        """Sends a request of operation `name`, compares its answer with the description."""
        method = self.api.operations[name][0]
        target = sample.target
        if more:
            target += ("&" if "?" in target else "?") + more
        body = json.dumps(sample.body) if isinstance(sample.body, dict) else sample.body
        answer = self.send(node or self.leader, method, target, body,
                           {**sample.headers, **(headers or {})})
        self.api.check(name, answer)
        return answer

    def expect(self, status, name, sample, **more):
        answer = self.ask(name, sample, **more)
        if answer.status != status:
            raise Failure(f"{name} {sample.target} {more}: {answer.status} in place of {status}: "
                          f"{answer.body[:300]}")
        return answer

    def find_leader(self):
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            for node in self.ports:
                try:
                    cluster = json.loads(self.send(node, "GET", "/v1/cluster").body)
                except ConnectionError:  # It was killed.
                    continue
                if cluster.get("leader") == node:
                    self.leader = node
                    return
        raise Failure("no leader")

    def new_lease(self):
        return json.loads(self.ask("grantLease", Sample("/v1/leases", {"ttl": "60s"})).body)["id"]


def samples(cluster):
    """A request for each operation that succeeds, again and again."""
    lease = cluster.new_lease()
    doomed = cluster.new_lease
    members = json.loads(cluster.send(cluster.leader, "GET", "/v1/cluster").body)["members"]
    other = next(m for m in members if m["id"] != cluster.leader)
    plain = {"Cluster": "/v1/cluster", "Live": "/livez", "Ready": "/readyz",
             "Metrics": "/metrics", "Version": "/version", "OpenApi": "/openapi.json",
             "Page": "/", "PageFile": "/ui/main.js"}
    return {
        **{m + name: (lambda t=target: Sample(t)) for m in ("get", "head")
           for name, target in plain.items()},
        "getKey": lambda: Sample("/v1/kv/a"),
        "headKey": lambda: Sample("/v1/kv/a"),
        "putKey": lambda: Sample("/v1/kv/b", "x"),
        "deleteKey": lambda: Sample("/v1/kv/none"),
        "getRange": lambda: Sample("/v1/kv?prefix=a"),
        "deleteRange": lambda: Sample("/v1/kv?prefix=none"),
        "transact": lambda: Sample("/v1/txn", {
            "compare": [{"key": "a", "target": "version", "op": ">", "number": 0},
                        {"key_base64": "YQ==", "target": "value", "op": "!=", "value": "y"}],
            "then": [{"put": {"key": "t", "value": "x", "ttl": "60s"}},
                     {"put": {"key_base64": "/w==", "value_base64": "/w==", "lease": lease}},
                     {"get": {"prefix": "a", "limit": 5, "reverse": True, "keys_only": True}},
                     {"get": {"start": "a", "end": "b", "count_only": True}},
                     {"get": {"prefix_base64": "/w=="}},
                     {"delete": {"start_base64": "/w==", "end_base64": "//8="}},
                     {"delete": {"key": "t"}}],
            "else": []}),
        "watch": lambda: Sample("/v1/watch?prefix=a&from=2"),
        "compact": lambda: Sample("/v1/compact", {"revision": 1}),
        "listLeases": lambda: Sample("/v1/leases"),
        "grantLease": lambda: Sample("/v1/leases", {"ttl": "30s"}),
        "keepLeasesAlive": lambda: Sample("/v1/leases/keepalive", {"ids": [lease, 99999999]}),
        "getLease": lambda: Sample(f"/v1/leases/{lease}"),
        "keepLeaseAlive": lambda: Sample(f"/v1/leases/{lease}/keepalive"),
        "revokeLease": lambda: Sample(f"/v1/leases/{doomed()}"),
        "addMember": lambda: Sample("/v1/members",
                                    {"id": other["id"], "peer": other["peer_address"]}),
        "removeMember": lambda: Sample(f"/v1/members/{other['id']}"),
        "promoteMember": lambda: Sample(f"/v1/members/{other['id']}/promote"),
        "transferLeadership": lambda: Sample("/v1/leader/transfer", {"to": cluster.leader}),
        "getLogLevel": lambda: Sample("/v1/log/level"),
        "setLogLevel": lambda: Sample("/v1/log/level", {"level": "info"}),
        "getSimplePut": lambda: Sample("/put?key=s&val=x"),
        "postSimplePut": lambda: Sample("/put?key=s&val=x"),
        "getSimpleGet": lambda: Sample("/get?key=a"),
        "headSimpleGet": lambda: Sample("/get?key=a"),
        "getSimpleDelete": lambda: Sample("/delete?key=none"),
        "postSimpleDelete": lambda: Sample("/delete?key=none"),
        "deleteSimpleDelete": lambda: Sample("/delete?key=none"),
    }


# They change what the later requests stand on: only asked for in the end.
LAST = {"removeMember"}


def check_names(root, api):
    """Nothing that the handlers look for is missing in the description."""
    source = "\n".join(p.read_text(encoding="utf-8") for p in (root / "src/api").glob("*.cc"))
    fields = set(re.findall(r'(?:head\(\)|head)\.Find\("([\w-]+)"', source))
    described = {p["name"] for o in api.operations.values() for p in o[3] if p["in"] == "header"}
    if fields - PLAIN_REQUEST_HEADERS != described:
        raise Failure(f"header fields read: {sorted(fields)}, described: {sorted(described)}")
    names = set(re.findall(r'Take\w*\((?:&?\*?parameters, )?"(\w+)"', source))
    for o in api.operations.values():
        names |= {p["name"] for p in o[3] if p["in"] == "query"}
    return names | {"nonsense"}


def value_of(api, parameter):
    schema = api.resolve(parameter["schema"])
    if "enum" in schema:
        return schema["enum"][0]
    kind = {"boolean": "true", "integer": "1"}.get(schema["type"], "a")
    return "30s" if "pattern" in schema else kind


def check_parameters(cluster, make, all_names):
    """An operation takes the parameters that are described, and refuses all others."""
    api = cluster.api
    refusals = ("unknown parameter {}", "the parameter {} is not supported",
                "the parameter {} comes twice")
    for name, (_, _, _, parameters) in api.operations.items():
        query = {p["name"]: p for p in parameters if p["in"] == "query"}
        for other in sorted(all_names - set(query)):
            answer = cluster.expect(400, name, make[name](), more=f"{other}=1")
            if (api.operations[name][0] != "head" and
                    not any(r.format(other) in answer.body.decode() for r in refusals)):
                raise Failure(f"{name}: {other} is served and not described: {answer.body}")
        if name in LAST:
            continue
        for parameter in query.values():
            sample = make[name]()
            given = re.search(rf"[?&]{parameter['name']}=", sample.target)
            more = "" if given else f"{parameter['name']}={value_of(api, parameter)}"
            message = cluster.ask(name, sample, more=more).body.decode(errors="replace")
            refused = any(r.format(parameter["name"]) in message for r in refusals)
            if message.startswith('{"code"') and refused:
                raise Failure(f"{name}: {parameter['name']} is described and refused: {message}")


def check_header_fields(cluster, make):
    """A bad value of a field that is described is refused; no other field changes anything."""
    api = cluster.api
    follower = next(n for n in cluster.ports if n != cluster.leader)
    good = {"If-Match": '"1"', "If-None-Match": "*", "Last-Event-ID": "1",
            "X-Sisyphus-Forward": "never", "Accept": "application/x-ndjson"}
    for count, name in enumerate(api.operations):
        described = api.names(name, "header")
        for field in described - {"Accept"}:
            if (name, field) in {("getKey", "If-None-Match"), ("headKey", "If-None-Match")}:
                continue  # Any list of tags is good there.
            cluster.expect(400, name, make[name](), headers={field: "x y"})
        if name in LAST:
            continue
        for field in {*good, "Idempotency-Key"} - described:
            node = follower if field == "X-Sisyphus-Forward" else cluster.leader
            plain = cluster.ask(name, make[name](), node=node)
            value = good.get(field, f"field-{count}:1")
            answer = cluster.ask(name, make[name](), node=node, headers={field: value})
            same = (answer.status == plain.status and
                    answer.headers.get("content-type") == plain.headers.get("content-type"))
            if not same and answer.status != 400:
                raise Failure(f"{name}: {field} makes a difference and is not described")


def broken_bodies(api, schema, body):
    """Bodies that differ from a good one and that the schema forbids."""
    yield {**body, "nonsense": 1}
    for member in body:
        yield {k: v for k, v in body.items() if k != member}
        for other in (1, "", [], {}, None, True, -1):
            yield {**body, member: other}


def property_names(api, schema):
    schema = api.resolve(schema)
    names = set(schema.get("properties", {}))
    parts = [*schema.get("properties", {}).values(), *schema.get("oneOf", []),
             *schema.get("allOf", [])]
    for part in parts + ([schema["items"]] if "items" in schema else []):
        names |= property_names(api, part)
    return names


def keys_of(value):
    if isinstance(value, list):
        return set().union(*map(keys_of, value))
    return set(value).union(*map(keys_of, value.values())) if isinstance(value, dict) else set()


def check_bodies(cluster, make):
    """Bodies with all that is described are taken, those that break their schema are not."""
    api = cluster.api
    for name in api.operations:
        schema = api.body_schema(name)
        if schema is None or name in LAST:
            continue
        sample = make[name]()
        api.validate(schema, sample.body, f"the sample of {name}")
        if property_names(api, schema) != keys_of(sample.body):
            raise Failure(f"{name}: the sample lacks some of {property_names(api, schema)}")
        cluster.ask(name, sample)
        for body in broken_bodies(api, schema, sample.body):
            if not api.is_valid(schema, body):
                cluster.expect(400, name, sample._replace(body=json.dumps(body)))


def check_statuses(cluster, make):
    """Makes the answers that the good requests alone do not make."""
    api = cluster.api
    follower = next(n for n in cluster.ports if n != cluster.leader)
    never = {"X-Sisyphus-Forward": "never"}
    long_key = "k" * ((64 << 10) + 1)
    sequence = 1000
    for name in api.operations:
        if name in LAST:
            continue
        statuses = api.statuses(name)
        cluster.ask(name, make[name]())
        if "307" in statuses:
            sample = make[name]()
            if name == "transferLeadership":  # To the leader: done already, wherever it is asked.
                sample = sample._replace(body={"to": follower})
            cluster.expect(307, name, sample, node=follower, headers=never)
        if "409" in statuses and "Idempotency-Key" in api.names(name, "header"):
            sequence += 2
            if (name, "409") not in NOT_MADE_OF:
                cluster.ask(name, make[name](), headers={"Idempotency-Key": f"check:{sequence}"})
                cluster.expect(409, name, make[name](),
                               headers={"Idempotency-Key": f"check:{sequence - 1}"})
        if "414" in statuses:
            sample = make[name]()
            target = re.sub(r"(/v1/kv/|key=)[^&?]*", rf"\g<1>{long_key}", sample.target)
            cluster.expect(414, name, sample._replace(target=target))
        for status in ("404",):
            if status in statuses and "{id}" in api.operations[name][1]:
                sample = make[name]()
                target = re.sub(r"/\d+", "/99999999", sample.target)
                cluster.expect(404, name, sample._replace(target=target))
    put = Sample("/v1/kv/a", "x")
    cluster.expect(404, "putKey", put, more="lease=99999999")
    cluster.expect(201, "putKey", Sample("/v1/kv/fresh", b"\xff\xfe"), more="ttl=60s")
    cluster.expect(200, "getRange", Sample("/v1/kv?prefix="))
    cluster.expect(200, "getRange", Sample("/v1/kv?prefix="),
                   headers={"Accept": "application/x-ndjson"})
    cluster.expect(200, "getRange", Sample("/v1/kv?prefix=&limit=1"))
    cluster.expect(200, "putKey", Sample("/v1/kv/fresh?prev", b"1"))
    cluster.expect(415, "putKey", put, headers={"Content-Encoding": "gzip"})
    cluster.expect(413, "putKey", Sample("/v1/kv/a", b"v" * ((16 << 20) + 1)))
    cluster.expect(413, "transact", Sample("/v1/txn", {"then": [{"get": {"key": "a"}}] * 1025}))
    etag = cluster.ask("getKey", Sample("/v1/kv/a")).headers["etag"]
    for name in ("getKey", "headKey"):
        cluster.expect(304, name, Sample("/v1/kv/a"), headers={"If-None-Match": etag})
        cluster.expect(412, name, Sample("/v1/kv/a"), headers={"If-Match": '"1"'})
        cluster.expect(404, name, Sample("/v1/kv/none"))
        cluster.expect(200, name, Sample("/v1/kv/a?consistency=stale"))
        cluster.expect(200, name, Sample("/v1/kv/fresh"))
    for name in ("putKey", "deleteKey"):
        cluster.expect(412, name, Sample("/v1/kv/a", "x"), headers={"If-Match": '"1"'})
    for name in ("getSimpleGet", "headSimpleGet"):
        cluster.expect(404, name, Sample("/get?key=none"))
    for name in ("getPageFile", "headPageFile"):
        cluster.expect(404, name, Sample("/ui/none"))
    cluster.expect(409, "addMember", Sample("/v1/members", {"id": 9, "peer": "127.0.0.1:9"}))
    # The events of a watch: a put, its successor and a deletion.
    start = int(etag.strip('"'))
    cluster.expect(200, "deleteKey", Sample("/v1/kv/a"))
    cluster.expect(200, "watch", Sample(f"/v1/watch?key=a&prev&from={start}"))
    revision = int(cluster.expect(201, "putKey", put).headers["x-sisyphus-revision"])
    cluster.expect(200, "compact", Sample("/v1/compact", {"revision": revision}))
    cluster.expect(410, "getRange", Sample(f"/v1/kv?prefix=&revision={revision - 1}"))
    cluster.expect(410, "watch", Sample("/v1/watch?prefix=&from=1"))


def check_unavailable(cluster, make, kill):
    """Without a majority: nothing is served that needs one, and nothing undescribed is said."""
    api = cluster.api
    prepared = {name: make[name]() for name in api.operations}
    for node in cluster.ports:
        if node != cluster.leader:
            kill(node)
    deadline = time.monotonic() + SECONDS
    while cluster.ask("getReady", Sample("/readyz")).status != 503:
        if time.monotonic() > deadline:
            raise Failure("the node is ready without a majority")
    for name, sample in prepared.items():
        if "503" in api.statuses(name):
            sample = sample._replace(target=re.sub("&from=2", "", sample.target))
            if name == "transferLeadership":
                sample = sample._replace(body={})
            cluster.expect(503, name, sample)


def run(root, cluster, kill):
    api = cluster.api
    cluster.find_leader()
    cluster.expect(201, "putKey", Sample("/v1/kv/a", "x"))
    make = samples(cluster)
    if set(make) != set(api.operations):
        raise Failure(f"samples and operations differ: {sorted(set(make) ^ set(api.operations))}")
    names = check_names(root, api)
    check_statuses(cluster, make)
    check_parameters(cluster, make, names)
    check_header_fields(cluster, make)
    check_bodies(cluster, make)
    cluster.expect(404, "removeMember", Sample("/v1/members/99"))
    follower = next(n for n in cluster.ports if n != cluster.leader)
    cluster.expect(307, "removeMember", make["removeMember"](), node=follower)
    check_unavailable(cluster, make, kill)
    return api


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=pathlib.Path, required=True)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    options = parser.parse_args()
    first = ports_in_a_row(6)
    with tempfile.TemporaryDirectory() as scratch:
        environment = dict(os.environ, SISYPHUS_BIN=str(options.bin.resolve()),
                           CLUSTER_DIR=scratch, HTTP_PORT=str(first), PEER_PORT=str(first + 3))
        script = str(options.root / "tools/cluster")

        def tool(*words):
            subprocess.run([script, *words], env=environment, check=True, timeout=SECONDS)

        try:
            tool("up")
            connection = http.client.HTTPConnection("127.0.0.1", first, timeout=30)
            connection.request("GET", "/openapi.json")
            document = json.loads(connection.getresponse().read())
            connection.close()
            api = Api(document)
            cluster = Cluster(api, first)
            run(options.root, cluster, lambda node: tool("kill", str(node)))
            back, gone = (n for n in cluster.ports if n != cluster.leader)
            tool("start", str(back))
            cluster.find_leader()
            cluster.expect(200, "removeMember", Sample(f"/v1/members/{gone}"))
        except Failure as failure:
            raise SystemExit(f"openapi_test: {failure}") from failure
        finally:
            subprocess.run([script, "down"], env=environment, check=False, timeout=SECONDS)
    described = {(name, s) for name in api.operations for s in api.statuses(name)
                 if s not in NOT_MADE and (name, s) not in NOT_MADE_OF}
    if described - api.seen:
        raise SystemExit(f"openapi_test: described and never seen: {sorted(described - api.seen)}")
    print(f"{len(api.operations)} operations, {len(api.seen)} kinds of answers")


if __name__ == "__main__":
    main()
