"""A headless Chromium that is spoken to by the DevTools protocol, and a server for the folder that it looks at."""

import contextlib
import functools
import http.server
import json
import shutil
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

import websocket

CHROMIUM = next((name for name in ("chromium", "chromium-browser", "google-chrome") if shutil.which(name)), None)
OPTIONS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"),
    # Nothing but our own server can be reached; what asks for more is seen asking.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--remote-debugging-port=0",
)
PATIENCE = 600.0  # a busy machine is no fault of the book


class Browser:
    """One tab. ``events`` gathers what the browser reports: requests, answers, console, exceptions."""

    def __init__(self, address):
        self.socket = websocket.create_connection(address, timeout=PATIENCE, suppress_origin=True)
        self.number, self.events = 0, []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method, **parameters):
        """Return the browser's answer; events that come first are kept."""
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == self.number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]
            self.events.append(message)

    def run(self, code):
        """Return the value of an expression in the page; a promise is waited for."""
        found = self.ask("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise RuntimeError(f"{code[:80]}: {found['exceptionDetails']}")
        return found["result"].get("value")

    def open(self, address):
        """Load a page and wait until its scripts, fonts and formulas are done; return the events of this page."""
        self.events.clear()
        self.ask("Page.navigate", url=address)
        began = time.monotonic()
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            if time.monotonic() - began > PATIENCE:
                raise TimeoutError(f"{address} was not loaded after {PATIENCE:.0f} s")
            self.events.append(json.loads(self.socket.recv()))
        self.run("Promise.all([document.fonts.ready, window.MathJax?.startup?.promise]).then(() => true)")
        return list(self.events)

    def screen(self, width, height, phone):
        """Be a screen of this size."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)

    def prefer(self, scheme):
        """Ask for pages that are ``light`` or ``dark``, as a system's setting does."""
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self):
        """Return what the screen shows as a JPEG, base64."""
        return self.ask("Page.captureScreenshot", format="jpeg", quality=70)["data"]


@contextlib.contextmanager
def chromium(profile):
    """Yield a :class:`Browser` with a fresh profile in the folder ``profile``; end it with the block."""
    process = subprocess.Popen(
        [CHROMIUM, *OPTIONS, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        told = Path(profile) / "DevToolsActivePort"
        began = time.monotonic()
        while not told.exists() or not told.read_text(encoding="utf-8").strip():
            if process.poll() is not None or time.monotonic() - began > PATIENCE:
                raise RuntimeError(f"{CHROMIUM} did not start (exit status {process.poll()}).")
            time.sleep(0.05)
        port = told.read_text(encoding="utf-8").split()[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=PATIENCE) as answer:
            pages = [target for target in json.load(answer) if target["type"] == "page"]
        browser = Browser(pages[0]["webSocketDebuggerUrl"])
        yield browser
        browser.socket.close()
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)


@contextlib.contextmanager
def served(folder):
    """Yield the address at which ``folder`` is served to this machine alone."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
