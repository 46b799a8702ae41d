"""A small store that speaks enough of the HTTP API for `sicli test chaos`, right or wrong.

    with WrongServer("stale") as server:  # server.address

Mistakes: "none"; "stale": now and then a read shows the value before the last one; "lost": now and
then a write is acknowledged and not made.
"""

import http.server
import json
import threading
import urllib.parse


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # One packet an answer.

    def log_message(self, *_):
        pass

    def answer(self, status, body):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def key(self):
        return urllib.parse.unquote(self.path.split("?")[0].removeprefix("/v1/kv/"))

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def do_GET(self):
        if self.path == "/v1/cluster":
            return self.answer(200, {"id": 1, "leader": 1, "members": [
                {"id": 1, "http_address": self.server.owner.address, "role": "leader"}]})
        value = self.server.owner.read(self.key())
        if value is None:
            return self.answer(404, {"code": "not_found", "message": "no such key"})
        return self.answer(200, value)

    def do_PUT(self):
        value = self.body()
        self.server.owner.write(self.key(), lambda _: value)
        self.answer(200, {"revision": 1, "version": 1, "created": False})

    def do_DELETE(self):
        if self.path.startswith("/v1/kv?"):
            return self.answer(200, {"deleted": 1, "revision": 1})
        self.server.owner.write(self.key(), lambda _: None)
        return self.answer(200, {"deleted": 1, "revision": 1})

    def do_POST(self):
        transaction = json.loads(self.body())
        compare, put = transaction["compare"][0], transaction["then"][0]["put"]
        expected = compare["value"].encode() if compare["target"] == "value" else None
        held = []

        def change(value):
            held.append(value == expected)
            return put["value"].encode() if held[0] else value

        self.server.owner.write(put["key"], change)
        self.answer(200, {"succeeded": held[0], "results": [], "revision": 1})


class WrongServer:
    EVERY = 20  # So often a mistake is made.

    def __init__(self, mistake):
        self.mistake = mistake
        self.lock = threading.Lock()
        self.values, self.before, self.requests = {}, {}, 0
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.server.daemon_threads = True
        self.server.owner = self
        self.address = f"127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def due(self, mistake):
        self.requests += 1
        return self.mistake == mistake and self.requests % self.EVERY == 0

    def read(self, key):
        with self.lock:
            return (self.before if self.due("stale") else self.values).get(key)

    def write(self, key, change):
        with self.lock:
            lost = self.due("lost")
            old = self.values.get(key)
            new = change(old)
            if not lost:
                self.before[key], self.values[key] = old, new

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
