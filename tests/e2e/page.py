"""The page as the browser tests look at it: what it says, whether it fits,
whether it can be reached by keyboard, what axe-core finds."""

import os
import pathlib
import subprocess

from harness import Failed, ROOT, check, equal
from webdriver import SHIFT, TAB, Chromium, equal_soon

CACHE = pathlib.Path(os.environ.get("NIGHTSTAND_CACHE") or pathlib.Path(
    os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    / "nightstand")
NO_NPM = "axe-core is not here and there is no npm to fetch it"

# What the page said, one entry a change, written down by the page itself:
# looking from outside would miss what is short.
RECORDER = """
window.told = [];
function tell() {
  var live = document.getElementById("live");
  var bar = document.querySelector(".hero [role=progressbar]");
  var led = document.querySelector(".hero .led");
  var now = {
    state: live.dataset.state, title: document.title,
    headline: document.querySelector("h1").textContent,
    said: document.getElementById("say").textContent,
    led: led.className.replace("led led-", ""),
    shines: getComputedStyle(led.firstChild).animationName,
    progress: bar ? bar.getAttribute("aria-valuenow") : null,
    connection: document.getElementById("conn").textContent,
    stale: live.classList.contains("stale")};
  if (JSON.stringify(now) !== JSON.stringify(told[told.length - 1]))
    told.push(now);
}
new MutationObserver(tell).observe(document,
  {subtree: true, childList: true, characterData: true, attributes: true});
tell();
"""

# What is wider than the window, or has text that its box hides.
CLIPPED = """
var out = [], wide = document.documentElement.clientWidth;
document.querySelectorAll("body *").forEach(function (e) {
  var r = e.getBoundingClientRect(), s = getComputedStyle(e);
  if (!r.width || !r.height || e.closest(".vh,[aria-hidden=true],svg"))
    return;
  if (r.left < -0.5 || r.right > wide + 0.5)
    out.push("outside the window: " + e.outerHTML.slice(0, 90));
  if (s.overflowX !== "visible" && e.scrollWidth > e.clientWidth + 1)
    out.push("cut: " + e.outerHTML.slice(0, 90));
});
if (document.documentElement.scrollWidth > wide)
  out.push("the page scrolls sideways");
return out;
"""

# All that a keyboard has to reach, in the order of the document.
REACHABLE = """
return Array.from(document.querySelectorAll(
  "a[href],button,input,select,textarea,summary,[tabindex]"))
  .filter(function (e) {
    return e.type !== "hidden" && !e.disabled && e.tabIndex >= 0 &&
      e.checkVisibility();
  }).map(NAME);
"""
NAME = """
function (e) {
  return e.nodeName + " " + (e.name || "") + " " +
    (e.textContent || e.id).trim();
}"""
FOCUSED = """
var e = document.activeElement, r = e.getBoundingClientRect();
var s = getComputedStyle(e);
return {name: NAME(e), top: r.top + scrollY, left: r.left,
  height: r.height, width: r.width,
  ring: s.outlineStyle === "none" ? 0 : parseFloat(s.outlineWidth),
  body: e === document.body};
"""


class Page(Chromium):
    """A browser at the page of a box."""

    def __init__(self, t, box, path="/", origin=None):
        super().__init__(t)
        self.box = box
        self.origin = origin or f"http://127.0.0.1:{box.port}"
        try:
            self.go(path)
        except BaseException:
            self.end()
            raise

    def go(self, path="/"):
        self.open(f"{self.origin}{path}")

    def sign_in(self, pin):
        self.go("/login")
        self.type("#pin", pin)
        self.submit("form button")
        equal_soon("the owner's page", lambda: self.there(".sign form"), True)

    def wait_live(self):
        equal_soon("the live connection", lambda: self.text("#conn"), "Live")

    def wait_headline(self, text, seconds=30):
        equal_soon("the headline", lambda: self.text("h1"), text, seconds)

    def open_all(self):
        """Unfolds what is folded."""
        self.js("document.querySelectorAll('details').forEach("
                "function (d) { d.open = true; })")

    # -- the whole night ----------------------------------------------------
    def record(self):
        self.js(RECORDER)

    def told(self):
        return self.js("return told")

    # -- does it fit --------------------------------------------------------
    def check_fits(self, where):
        bad = self.js(CLIPPED)
        check(not bad, f"{where}: " + "; ".join(bad[:5]))

    # -- by keyboard --------------------------------------------------------
    def walk(self):
        """Where Tab leads from the top of the page to its end."""
        self.js("document.activeElement.blur(); scrollTo(0, 0)")
        out = []
        for _ in range(100):
            self.press(TAB)
            at = self.js(FOCUSED.replace("NAME", f"({NAME})"))
            if at["body"] or (len(out) > 1 and at == out[0]):
                return out
            out.append(at)
        raise Failed("Tab does not come to an end")

    def reachable(self):
        return self.js(REACHABLE.replace("NAME", NAME))

    def back(self):
        self.press(SHIFT, TAB)

    # -- what axe finds -----------------------------------------------------
    def axe(self, where, rules=()):
        """No violation of the grades serious and critical."""
        if not self.js("return !!window.axe"):
            self.js(axe_source(self.t))
        only = {"runOnly": list(rules)} if rules else {}
        found = self.js_async(
            "var done = arguments[1];"
            "axe.run(document, arguments[0]).then(function (r) {"
            " done({ran: r.passes.length, bad: r.violations.map("
            "  function (v) { return {id: v.id, impact: v.impact,"
            "   help: v.help, nodes: v.nodes.map(function (n) {"
            "    return n.html.slice(0, 140) + ' ' + n.failureSummary;"
            "   })}; })}); },"
            " function (e) { done({error: String(e)}); });",
            {**only, "resultTypes": ["violations", "passes"]})
        check("error" not in found, f"axe: {found.get('error')}")
        check(found["ran"] > 0, f"{where}: axe has looked at nothing")
        bad = [v for v in found["bad"]
               if v["impact"] in ("serious", "critical")]
        for v in found["bad"]:
            print(f"    axe, {where}: {v['impact']} {v['id']}: {v['help']}")
        check(not bad, f"{where}: " + "\n".join(
            f"{v['impact']} {v['id']}: {v['help']}\n  "
            + "\n  ".join(v["nodes"][:4]) for v in bad))
        return found["ran"]

    # -- what it must not do ------------------------------------------------
    def check_quiet(self):
        """No error, no breach of the policy, nothing from elsewhere."""
        loud = [m["message"] for m in self.log("browser")
                if m["level"] in ("SEVERE", "WARNING")]
        check(not loud, f"the console says: {loud}")
        home = f"{self.origin}/"
        asked = [p["request"]["url"] for m, p in self.network()
                 if m == "Network.requestWillBeSent"]
        # The browser's own first tab is no request of the page.
        asked = [u for u in asked if not u.startswith(("data:", "chrome:"))]
        check(len(asked) >= 2, f"no request was seen: {asked}")
        strange = [u for u in asked if not u.startswith(home)]
        equal(strange, [], "requests to elsewhere")
        return asked


_axe = []


def axe_source(t):
    """The text of axe-core, fetched once and checked by its hash."""
    if not _axe:
        r = subprocess.run([ROOT / "tools/deps/fetch-axe.sh", CACHE],
                           capture_output=True, text=True, timeout=120)
        if r.returncode == 2:
            t.skip(NO_NPM)
        if r.returncode:
            t.skip(f"no axe-core: {r.stderr.strip()[-300:]}")
        _axe.append(pathlib.Path(r.stdout.strip()).read_text())
    return _axe[0]
