#!/usr/bin/env python3
"""The status page of real nodes in a real browser.

    page_test.py --bin build/PRESET/bin

Three nodes under load, one of them killed while the page is looked at; keys that try to be markup;
changes of keys where they are allowed, and only there; a screen of a phone. Skipped, saying so,
without Debian's `chromium` and `chromium-driver`.
"""

import argparse
import base64
import http.client
import pathlib
import sys
import tempfile
import threading
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from nodes import Nodes, eventually, need  # noqa: E402
from webdriver import Browser, missing  # noqa: E402

DESKTOP = (1280, 1700)
PHONE = (360, 740)
WRITABLE = 2  # The node whose page may change keys.
SKIPPED = 77
MARKUP = "user/<img src=x onerror=document.title='owned'>"

ROWS = """return [...document.querySelectorAll('#members tbody tr')].map(row =>
    [...row.cells].map(cell => cell.textContent.trim()));"""
KEYS = """return [...document.querySelectorAll('#keys tbody td:first-child')].map(c => c.textContent);"""


def start(nodes, i):
    nodes.start(i, f"--status-page={'write' if i == WRITABLE else 'read'}")


def text(browser, selector):
    return browser.run("return document.querySelector(arguments[0]).textContent;", selector)


def visible(browser, selector):
    return browser.run("return document.querySelector(arguments[0]).checkVisibility();", selector)


def fill(browser, selector, value):
    browser.run("document.querySelector(arguments[0]).value = arguments[1];", selector, value)


def click(browser, selector):
    browser.run("document.querySelector(arguments[0]).click();", selector)


def put(nodes, i, key, value):
    status, body = nodes.ask(i, "PUT", "/v1/kv/" + urllib.parse.quote(key, safe=""), value)
    need(status in (200, 201), f"PUT {key}: {status} {body}")


class Load:
    """Writes and reads, one after the other, until it is left."""

    def __init__(self, nodes, i):
        self.nodes, self.node = nodes, i
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()

    def run(self):
        while not self.stop.wait(0.01):
            try:
                self.nodes.ask(self.node, "PUT", "/v1/kv/load", b"x" * 100)
                self.nodes.ask(self.node, "GET", "/v1/kv/load")
            except OSError:
                pass


def figures(browser, node, leader):
    """A row for each member, with what it says once two rounds have been made."""

    def all_known():
        rows = {row[0]: row for row in browser.run(ROWS)}
        return len(rows) == 3 and all("–" not in rows[i][:7] for i in "123") and \
            float(rows[str(node)][6].replace(",", "")) > 0 and rows[str(node)][7] != "–" and rows

    rows = eventually(all_known, "the members' figures")
    roles = {i: row[1] for i, row in rows.items()}
    need(roles == {i: "leader" if i == str(leader) else "follower" for i in "123"}, f"roles: {roles}")
    need(all(row[2] != "unreachable" for row in rows.values()), f"health: {rows}")
    need(f"node {leader} leads" in text(browser, "#summary"), text(browser, "#summary"))
    need("3 of 3 voters seen" in text(browser, "#summary"), text(browser, "#summary"))
    eventually(lambda: browser.run("return document.querySelectorAll('figure').length === 4 && "
                                   "[...document.querySelectorAll('figure svg')].every(svg => "
                                   "svg.querySelectorAll('polyline').length > 0);"),
               "a line in every chart")
    need(browser.run("return document.querySelectorAll('#levels .level').length;") > 0, "no levels")


def a_leader_dies(browser, nodes, leader):
    terms = "return [...document.querySelectorAll('#leaders li')].map(item => item.textContent);"
    before = browser.run(terms)
    need(f"node {leader}, term" in before[0], f"leaders: {before}")
    nodes.kill(leader)

    def seen():
        rows = {row[0]: row for row in browser.run(ROWS)}
        leaders = [i for i, row in rows.items() if row[1] == "leader"]
        return leaders not in ([], [str(leader)]) and rows[str(leader)][2] == "unreachable" and leaders

    new = eventually(seen, "the new leader")[0]
    eventually(lambda: f"node {new}, term" in browser.run(terms)[0], "the history of leaders")
    need(before[0].split(", since")[0] in "".join(browser.run(terms)), "the history lost a leader")
    eventually(lambda: "2 of 3 voters seen" in text(browser, "#summary"), "the summary")
    start(nodes, leader)
    eventually(lambda: "3 of 3 voters seen" in text(browser, "#summary"), "the summary")
    browser.complaints()  # That a dead node was asked is one of the browser's.


def keys_are_shown(browser, nodes):
    put(nodes, 1, MARKUP, "<script>document.title='owned'</script>")
    put(nodes, 1, "user/..", "two dots")
    nodes.ask(1, "PUT", "/v1/kv/user%2F%00%FF", b"\xff\x00binary")
    for i in range(60):
        put(nodes, 1, f"user/many/{i:03}", str(i))
    fill(browser, "#prefix", "user/")
    click(browser, "#search button")
    shown = eventually(lambda: len(browser.run(KEYS)) == 50 and browser.run(KEYS), "50 keys")
    need(MARKUP in shown and "user/.." in shown, f"{shown}")
    need("user/\\x00\\xff" in shown, f"{shown}")
    need(visible(browser, "#more"), "more keys than these")
    click(browser, "#more")
    eventually(lambda: len(browser.run(KEYS)) == 63, "all keys")
    need(not visible(browser, "#more"), "no more keys")
    choose = """[...document.querySelectorAll('#keys td button')].find(
        button => button.textContent === arguments[0]).click();"""
    for key, value in ((MARKUP, "<script>document.title='owned'</script>"), ("user/..", "two dots"),
                       ("user/\\x00\\xff", "000000  ff 00 62 69")):
        browser.run(choose, key)
        eventually(lambda value=value: text(browser, "#value-shown").startswith(value), key)
    need(browser.run("return document.title;") != "owned", "a key was taken for markup")
    need(browser.run("return document.images.length;") == 0, "a key was taken for markup")


def keys_are_changed(browser, nodes, i):
    def note(wanted):
        eventually(lambda: wanted in text(browser, "#edit-note"), wanted)

    eventually(lambda: visible(browser, "#edit"), "the form for changes")
    fill(browser, "#prefix", "edited")
    fill(browser, "#edit-key", "edited")
    fill(browser, "#edit-value", "ä first")
    click(browser, "#put")
    note("Put at revision")
    need(nodes.ask(i, "GET", "/v1/kv/edited") == (200, "ä first".encode()), "what was put")
    eventually(lambda: text(browser, "#value-shown") == "ä first", "the new value")
    put(nodes, i, "edited", "by another")
    fill(browser, "#edit-value", "lost update")
    click(browser, "#put")
    note("It was changed meanwhile")
    need(nodes.ask(i, "GET", "/v1/kv/edited") == (200, b"by another"), "an update was lost")
    click(browser, "#keys td button")
    eventually(lambda: text(browser, "#value-shown") == "by another", "its value")
    click(browser, "#delete")
    browser.accept_alert()
    note("Deleted at revision")
    need(nodes.ask(i, "GET", "/v1/kv/edited")[0] == 404, "it was deleted")
    eventually(lambda: text(browser, "#keys-note") == "There is no such key.", "the list")


def a_phone(browser):
    browser.narrow(*PHONE)
    eventually(lambda: len(browser.run(ROWS)) == 3, "the members")
    width = browser.run("return document.documentElement.scrollWidth;")
    need(width <= PHONE[0], f"the page is {width} wide on a screen of {PHONE[0]}")
    need(all(visible(browser, part) for part in ("#summary", "#members", "#charts", "#search")),
         "parts are hidden")


def who_may_read(nodes):
    """Other members' pages may, other pages may not."""
    nodes.leader()
    for path in ("/v1/cluster", "/metrics"):
        for origin, may in ((f"http://{nodes.http[2]}", True), ("http://example.com", False),
                            (f"https://{nodes.http[2]}", False), ("null", False)):
            status, headers = headers_of(nodes, path, {"Origin": origin})
            allowed = headers.get("Access-Control-Allow-Origin")
            need(status == 200 and allowed == (origin if may else None), f"{path} for {origin}: {allowed}")
            need(headers.get("Vary") == "Origin", f"{path}: Vary")
    _, headers = headers_of(nodes, "/v1/kv?prefix=", {"Origin": f"http://{nodes.http[2]}"})
    need("Access-Control-Allow-Origin" not in headers, "keys may be read by other pages")


def headers_of(nodes, path, headers):
    connection = http.client.HTTPConnection(nodes.http[1], timeout=30)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        response.read()
        return response.status, response.headers
    finally:
        connection.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--screenshots", help="a directory for pictures of what was looked at")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, Nodes(arguments.bin, scratch) as nodes:
        for i in nodes.ids:
            start(nodes, i)
        leader = nodes.leader()
        eventually(lambda: all(nodes.ask(i, "GET", "/readyz")[0] == 200 for i in nodes.ids), "ready")
        who_may_read(nodes)
        name = missing()
        if name is not None:
            print(f"skipped: there is no {name}")
            sys.exit(SKIPPED)
        with Browser() as browser:
            watched = next(i for i in nodes.ids if i not in (leader, WRITABLE))
            browser.resize(*DESKTOP)
            browser.open(f"http://{nodes.http[watched]}/")
            with Load(nodes, watched):
                figures(browser, watched, leader)
                need(browser.complaints() == [], "the console is not empty")
                a_leader_dies(browser, nodes, leader)
            keys_are_shown(browser, nodes)
            need(not visible(browser, "#edit"), "this node's page is read-only")
            picture(browser, arguments.screenshots, "desktop")
            browser.open(f"http://{nodes.http[WRITABLE]}/")
            keys_are_changed(browser, nodes, WRITABLE)
            a_phone(browser)
            picture(browser, arguments.screenshots, "phone")
            need(browser.complaints() == [], "the console is not empty")


def picture(browser, directory, name):
    if directory is None:
        return
    data = browser.call("GET", f"{browser.session}/screenshot")
    (pathlib.Path(directory) / f"{name}.png").write_bytes(base64.b64decode(data))


if __name__ == "__main__":
    main()
