"""A real Chromium, spoken to through its driver: the W3C WebDriver protocol
and the driver's own door to the DevTools, over HTTP with what Python has. No
selenium: a dozen calls need no package, and Debian's brings fifteen."""

import base64
import json
import os
import pathlib
import re
import shutil
import signal
import tempfile
import urllib.error
import urllib.request

from harness import Failed, Process, SAN, check, wait_until

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key that W3C fixed
TAB = "\ue004"
ENTER = "\ue007"
SHIFT = "\ue008"
SPACE = " "

OPTIONS = (
    "--headless=new", "--disable-gpu", "--disable-dev-shm-usage",
    "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--window-size=1280,900", "--hide-scrollbars", "--lang=en",
    # No name is looked for, so nothing can leave this machine.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")


class Missing(Failed):
    """What was looked for does not stand on the page (yet)."""


def find_programs(t):
    """(chromium, chromedriver), or the test is skipped."""
    chromium = shutil.which("chromium")
    driver = shutil.which("chromedriver")
    if not chromium or not driver:
        t.skip("no browser: apt-get install chromium chromium-driver")
    return chromium, driver


class Chromium:
    """One browser with one tab; ends with the `with` that it stands in."""

    def __init__(self, t):
        self.t = t
        self.session = self.pid = None
        self.seen = []  # what performance() has taken from the driver
        chromium, driver = find_programs(t)
        # Chromium puts sockets there, whose names have 108 bytes at most.
        home = pathlib.Path(tempfile.mkdtemp(prefix="ns-browser-"))
        t.cleanups.append(lambda: shutil.rmtree(home, ignore_errors=True))
        self.driver = Process(
            t, "chromedriver", [driver, "--port=0"],
            env={"HOME": str(home), "XDG_CONFIG_HOME": str(home),
                 "XDG_CACHE_HOME": str(home), "TMPDIR": str(home)},
            start_new_session=True)
        t.processes.append(self.driver)
        try:
            self.begin(chromium, home)
        except BaseException:
            self.end()
            raise

    def begin(self, chromium, home):
        port = wait_until("chromedriver", lambda: re.search(
            r"started successfully on port (\d+)", self.driver.out), 30)
        self.base = f"http://127.0.0.1:{port[1]}"
        args = [*OPTIONS, f"--user-data-dir={home / 'profile'}"]
        if os.geteuid() == 0:
            args.append("--no-sandbox")  # Chromium's refuses root
        got = self.call("POST", "/session", {"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"binary": chromium, "args": args},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            "acceptInsecureCerts": True,  # the box signs its own
            "timeouts": {"script": 30000, "pageLoad": 20000},
        }}})
        self.session = got["sessionId"]
        self.pid = got["capabilities"].get("goog:processID")

    def end(self):
        try:
            if self.session:
                self.call("DELETE", f"/session/{self.session}")
        except (Failed, OSError):
            pass
        self.session = None
        self.driver.stop()
        if self.pid:
            try:
                os.kill(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, kind, *what):
        if kind:
            self.keep_evidence()
        self.end()

    def keep_evidence(self):
        """What a failed test had before it, beside its other files."""
        try:
            self.picture(self.t.path("failed.png"))
            self.t.path("failed.txt").write_text(
                f"{self.ask('/url')}\n{self.text('body')}\n")
        except (Failed, OSError):
            pass

    # -- the protocol -------------------------------------------------------
    def call(self, method, path, body=None):
        data = None if method != "POST" else json.dumps(body or {}).encode()
        req = urllib.request.Request(
            self.base + path, data, {"Content-Type": "application/json"},
            method=method)
        try:
            with urllib.request.urlopen(req, timeout=60) as r:
                return json.load(r)["value"]
        except urllib.error.HTTPError as e:
            said = json.load(e)["value"]
            gone = ("no such element", "stale element reference")
            raise (Missing if said["error"] in gone else Failed)(
                f"{method} {path}: {said['error']}: "
                f"{said['message'][:600]}") from None

    def do(self, path, **body):
        return self.call("POST", f"/session/{self.session}{path}", body)

    def ask(self, path):
        return self.call("GET", f"/session/{self.session}{path}")

    def devtools(self, cmd, **params):
        return self.do("/goog/cdp/execute", cmd=cmd, params=params)

    # -- what a person does -------------------------------------------------
    def open(self, url):
        self.do("/url", url=url)

    def element(self, css):
        return self.do("/element", using="css selector",
                       value=css)[ELEMENT]

    def there(self, css):
        return bool(self.do("/elements", using="css selector", value=css))

    def click(self, css):
        self.do(f"/element/{self.element(css)}/click")

    def submit(self, css):
        """A click that leads to another document, which is waited for."""
        old = self.element("html")
        self.click(css)

        def is_new():
            try:
                return self.element("html") != old and self.element("body")
            except Missing:
                return False
        wait_until(f"what comes after {css}", is_new, patient(10))

    def type(self, css, text):
        self.do(f"/element/{self.element(css)}/value", text=text)

    def text(self, css):
        return self.ask(f"/element/{self.element(css)}/text")

    def attribute(self, css, name):
        return self.ask(f"/element/{self.element(css)}/attribute/{name}")

    def title(self):
        return self.ask("/title")

    def press(self, *keys):
        """Keys that are held down together, to what has the focus."""
        self.do("/actions", actions=[{
            "type": "key", "id": "keyboard",
            "actions": [{"type": "keyDown", "value": k} for k in keys] +
                       [{"type": "keyUp", "value": k}
                        for k in reversed(keys)]}])

    def js(self, script, *args):
        return self.do("/execute/sync", script=script, args=list(args))

    def js_async(self, script, *args):
        return self.do("/execute/async", script=script, args=list(args))

    # -- how it is seen -----------------------------------------------------
    def size(self, width, height=900):
        self.devtools("Emulation.setDeviceMetricsOverride", width=width,
                      height=height, deviceScaleFactor=1,
                      mobile=width < 600)

    def scheme(self, light_or_dark):
        self.devtools("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": light_or_dark}])

    def without_script(self):
        self.devtools("Emulation.setScriptExecutionDisabled", value=True)

    def picture(self, path):
        """The whole page as a PNG."""
        whole = self.devtools("Page.getLayoutMetrics")["cssContentSize"]
        got = self.devtools("Page.captureScreenshot", format="png",
                            captureBeyondViewport=True,
                            clip={**whole, "scale": 1})
        path.write_bytes(base64.b64decode(got["data"]))

    # -- what it noticed ----------------------------------------------------
    def log(self, kind):
        return self.do("/se/log", type=kind)

    def network(self):
        """The DevTools' events so far, as (method, params)."""
        for line in self.log("performance"):
            m = json.loads(line["message"])["message"]
            self.seen.append((m["method"], m["params"]))
        return self.seen


def patient(seconds):
    """A deadline; the sanitizers make everything slower."""
    return seconds * 3 if SAN else seconds


def equal_soon(what, get, wanted, seconds=10):
    """get() becomes `wanted`, or the last value is told."""
    last = [None]

    def is_so():
        try:
            last[0] = get()
        except Missing:  # the next document is on its way
            return False
        return last[0] == wanted
    try:
        wait_until(what, is_so, patient(seconds), 0.05)
    except Failed:
        check(False, f"{what}: wanted {wanted!r}, got {last[0]!r} after "
              f"{patient(seconds)} s")
