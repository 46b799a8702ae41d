"""A headless Chromium, driven over the WebDriver protocol (W3C)."""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from free_ports import ports_in_a_row  # noqa: E402
from nodes import eventually  # noqa: E402

ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             "--disable-quic"]


def missing():
    """The program that is not there; None: all are."""
    return next((name for name in ("chromium", "chromedriver") if shutil.which(name) is None), None)


class Browser:
    def __init__(self):
        self.scratch = tempfile.TemporaryDirectory()
        port = ports_in_a_row(1)
        self.base = f"http://127.0.0.1:{port}"
        self.driver = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL, start_new_session=True)
        self.session = ""

    def __enter__(self):
        eventually(lambda: self.call("GET", "/status")["ready"], "chromedriver")
        options = {"args": [*ARGUMENTS, f"--user-data-dir={self.scratch.name}"],
                   "binary": shutil.which("chromium")}
        made = self.call("POST", "/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"}}}})
        self.session = f"/session/{made['sessionId']}"
        return self

    def __exit__(self, *_):
        try:
            if self.session:
                self.call("DELETE", self.session)
        finally:
            self.driver.terminate()
            self.driver.wait()
            self.scratch.cleanup()

    def call(self, method, path, body=None):
        data = json.dumps(body or {}).encode() if method == "POST" else None
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"},
                                         method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{method} {path}: {error.read().decode()[:2000]}") from error

    def open(self, url):
        self.call("POST", f"{self.session}/url", {"url": url})

    def run(self, script, *arguments):
        """What the body of a function answers, which sees `arguments`."""
        return self.call("POST", f"{self.session}/execute/sync",
                         {"script": script, "args": list(arguments)})

    def resize(self, width, height):
        self.call("POST", f"{self.session}/window/rect", {"width": width, "height": height})

    def narrow(self, width, height):
        """The screen of a phone: windows cannot be made that narrow."""
        self.call("POST", f"{self.session}/goog/cdp/execute", {
            "cmd": "Emulation.setDeviceMetricsOverride",
            "params": {"width": width, "height": height, "deviceScaleFactor": 2, "mobile": True}})

    def complaints(self):
        """Of the console since the last call: errors of scripts, policies and files not found."""
        return [entry["message"] for entry in self.call("POST", f"{self.session}/se/log",
                                                        {"type": "browser"})
                if entry["level"] in ("SEVERE", "WARNING")]

    def accept_alert(self):
        self.call("POST", f"{self.session}/alert/accept")
