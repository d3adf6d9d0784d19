"""The PIN, sessions and what they may ask the box for, by curl with a jar of
cookies as a browser has one."""

import json
import re
import stat
import time

from harness import check, equal, wait_until
from test_box import Box


class Browser:
    """curl with cookies."""

    def __init__(self, box):
        self.box = box
        self.jar = box.t.path(f"jar-{time.monotonic_ns()}")

    def send(self, path, *args, ok=True, **fields):
        form = [a for k, v in fields.items()
                for a in ("--data-urlencode", f"{k}={v}")]
        r = self.box.t.run(
            "curl", "-sS", "--max-time", 10, "-b", self.jar, "-c", self.jar,
            "-w", "\n%{http_code}", *form, *args,
            f"http://127.0.0.1:{self.box.port}{path}")
        body, code = r.stdout.rsplit("\n", 1)
        return int(code), body

    def sign_in(self, pin):
        return self.send("/api/login", pin=pin)[0]

    def csrf(self):
        return json.loads(self.send("/api/session")[1]).get("csrf", "")

    def do(self, action, **fields):
        return self.send("/api/do", csrf=self.csrf(), action=action, **fields)


def pin_of(t, box):
    return t.nightstand("pin", "--config", box.conf).stdout.strip()


def test_the_pin_is_made_once_and_only_for_who_is_there(t):
    box = Box(t, t.sim({"plugged": "no"}), web__open="glance")
    pin = pin_of(t, box)
    check(re.fullmatch(r"\d{6}", pin), f"a PIN: {pin}")
    mode = (t.path("state") / "PIN.txt").stat().st_mode
    equal(stat.S_IMODE(mode), 0o600, "rights of the file")
    check(pin not in box.p.err, "the PIN is in the log")
    box.p.stop()
    box.start()
    equal(pin_of(t, box), pin, "the PIN after a new start")
    equal(Browser(box).sign_in(pin), 200, "signing in")


def test_the_glance_names_nobody(t):
    sim = t.sim({"name": "Ana Maria"})
    phone = sim.phone()
    box = Box(t, sim, web__open="glance")
    b = Browser(box)
    wait_until("safe", lambda: "safe" in b.send("/api/status")[1], 40)
    for path in ("/", "/api/status"):
        code, body = b.send(path)
        equal(code, 200, path)
        for secret in ("Ana Maria", phone.udid, str(box.vault)):
            check(secret not in body, f"{path} tells {secret}")
    equal(b.sign_in(pin_of(t, box)), 200, "signing in")
    for secret in ("Ana Maria", phone.udid):
        check(secret in b.send("/")[1], f"the owner does not see {secret}")


def test_back_up_now_and_stop(t):
    sim = t.sim({"name": "Ana", "bytes": "40M", "files": 400})
    phone = sim.phone()
    box = Box(t, sim, policy__again_hours=0)
    box.wait_state("safe", phone=phone)
    b = Browser(box)
    equal(b.do("backup", udid=phone.udid)[0], 401, "without a session")
    equal(b.sign_in(pin_of(t, box)), 200, "signing in")
    equal(b.send("/api/do", action="backup", udid=phone.udid)[0], 403,
          "without a token")
    equal(b.do("backup", udid="nobody")[0], 400, "an unknown phone")
    phone.ctl("mutate", "change=200", "seed=5")
    phone.ctl("at", "upload-file:50", "pause", 20000)
    equal(b.do("backup", udid=phone.udid)[0], 200, "back up now")
    box.wait_state("receiving", phone=phone)
    equal(b.do("stop", udid=phone.udid)[0], 200, "stop")
    st = box.wait_state("stopped", phone=phone)
    check("was stopped" in st["phones"][0]["headline"], f"{st['headline']}")
    equal(box.nights("safe"), 1, "good nights")
    equal(b.do("backup", udid=phone.udid)[0], 200, "and again")
    wait_until("the second night", lambda: box.nights("safe") == 2, 40)
    t.compare_plain(t.latest(box.vault, phone), phone.hashes())


def test_a_warning_is_dismissed(t):
    sim = t.sim({"files": 200, "bytes": "4M"})
    phone = sim.phone()
    box = Box(t, sim, keep__loss_files=10, policy__again_hours=0)
    box.wait_state("safe", phone=phone)
    b = Browser(box)
    equal(b.sign_in(pin_of(t, box)), 200, "signing in")
    phone.ctl("mutate", "remove=120", "seed=3")
    equal(b.do("backup", udid=phone.udid)[0], 200, "back up now")
    box.wait_state("shrunk", phone=phone)
    check("I deleted them myself" in b.send("/")[1], "no button")
    equal(b.do("dismiss", udid=phone.udid)[0], 200, "dismissing")
    wait_until("no warning", lambda: not json.loads(
        b.send("/api/status")[1])["state"] == "shrunk", 20)


def test_wrong_tries_are_slowed(t):
    box = Box(t, t.sim({"plugged": "no"}))
    pin = pin_of(t, box)
    wrong = "0" * 6 if pin != "0" * 6 else "1" * 6
    b = Browser(box)
    codes = [b.sign_in(wrong) for _ in range(4)]
    equal(codes, [401, 401, 401, 429], "four wrong tries")
    equal(b.sign_in(pin), 429, "the right one, too early")
    wait_until("its time", lambda: b.sign_in(pin) == 200, 10, 0.5)
    check(wrong not in box.p.err, "a try is in the log")


def test_another_pin(t):
    box = Box(t, t.sim({"plugged": "no"}))
    pin = pin_of(t, box)
    b = Browser(box)
    b.sign_in(pin)
    equal(b.do("pin", pin="999", new="24681357")[0], 403, "wrong old PIN")
    equal(b.do("pin", pin=pin, new="24681357")[0], 200, "another PIN")
    wait_until("it in the file", lambda: pin_of(t, box) == "24681357")
    equal(b.csrf(), "", "the old session")
    equal(b.sign_in("24681357"), 200, "signing in with it")
    box.p.stop()
    box.start()
    equal(Browser(box).sign_in("24681357"), 200, "after a new start")


def test_a_form_of_another_page_is_refused(t):
    sim = t.sim()
    box = Box(t, sim)
    box.wait_state("safe", phone=sim.phone())
    b = Browser(box)
    b.sign_in(pin_of(t, box))
    for origin in ("http://evil.example", "null", "https://127.0.0.1"):
        code, _ = b.send("/do", "-H", f"Origin: {origin}", csrf=b.csrf(),
                         action="backup", udid=sim.phone().udid)
        equal(code, 403, origin)
