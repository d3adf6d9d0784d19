"""`nightstand run`, the firmware: what it says on its page, its LEDs and in
its ledger while phones come and go."""

import json
import pathlib
import re
import socket
import time
import urllib.request

from harness import check, equal, wait_until


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Box:
    """A running box with its page, a LED folder and a state folder."""

    def __init__(self, t, sim, **config):
        self.t = t
        self.port = free_port()
        self.vault = t.path("disk")
        self.vault.mkdir(exist_ok=True)
        self.leds = t.path("leds")
        for led in ("ok", "alert"):
            (self.leds / led).mkdir(parents=True, exist_ok=True)
            (self.leds / led / "brightness").write_text("0\n")
            (self.leds / led / "max_brightness").write_text("255\n")
        sections = {
            "box": {"vault": self.vault, "state": t.path("state")},
            "web": {"port": self.port},
            "led": {"backend": "sysfs", "dir": self.leds, "ok": "ok",
                    "alert": "alert"},
            # A phone that was there first is asked at once, also at night.
            "policy": {"quiet_from": "00:00", "quiet_to": "00:00"},
        }
        for key, value in config.items():
            section, name = key.split("__")
            sections.setdefault(section, {})[name] = value
        self.conf = t.path("box.conf")
        self.conf.write_text("".join(
            f"[{s}]\n" + "".join(f"{k} = {v}\n" for k, v in keys.items())
            for s, keys in sections.items()))
        self.sim = sim
        self.start()

    def start(self):
        self.p = self.t.start_nightstand(
            "run", "--config", self.conf, sim=self.sim, name="box")
        wait_until("the page", self.is_up, 30)

    def is_up(self):
        st = self.status()
        return st and st["state"] != "starting"

    def get(self, path):
        with urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}{path}", timeout=10) as r:
            return r.read().decode()

    def status(self):
        try:
            return json.loads(self.get("/api/status"))
        except OSError:
            return None

    def wait_state(self, state, seconds=30, phone=None):
        def there():
            st = self.status()
            if not st:
                return None
            if phone is None:
                return st if st["state"] == state else None
            for p in st["phones"]:
                if p["udid"] == phone.udid and p["state"] == state:
                    return st
            return None
        return wait_until(f"state {state}", there, seconds)

    def nights(self, state):
        """How many lines of the ledger say so; one is written at the end."""
        ledger = self.t.path("state") / "nights.jsonl"
        lines = ledger.read_text().splitlines() if ledger.exists() else []
        return sum(json.loads(line)["state"] == state for line in lines)

    def levels(self, led):
        return int((self.leds / led / "brightness").read_text())


def test_a_night_on_page_led_and_ledger(t):
    sim = t.sim({"plugged": "no", "trusted": "no", "name": "Ana"})
    phone = sim.phone()
    phone.ctl("passcode", "wait")
    box = Box(t, sim)
    equal(box.wait_state("ready")["led"]["id"], "ready", "LED")
    phone.ctl("plug")
    st = box.wait_state("wants_trust")
    check("Ana" in st["headline"] and "Trust" in st["headline"],
          st["headline"])
    equal(st["led"]["id"], "look", "LED")
    phone.ctl("trust")
    st = box.wait_state("wants_passcode")
    check("passcode" in st["headline"], st["headline"])
    wait_until("the LED to blink", lambda: box.levels("ok") > 0)
    phone.ctl("passcode", "now", "entered")
    st = box.wait_state("safe")
    equal(st["led"]["id"], "safe", "LED")
    wait_until("a steady LED", lambda: box.levels("ok") == 255)
    equal(st["phones"][0]["versions"], 1, "versions")
    wait_until("the ledger", lambda: box.status()["nights"])
    equal(box.status()["nights"][0]["state"], "safe", "ledger")
    t.compare_plain(t.latest(box.vault, phone), phone.hashes())


def test_unplugged_then_plugged_again(t):
    sim = t.sim({"plugged": "no", "files": 200, "bytes": "4M"})
    phone = sim.phone()
    box = Box(t, sim)
    phone.ctl("at", "upload-file:80", "unplug")
    phone.ctl("plug")
    box.wait_state("unplugged", phone=phone)
    phone.ctl("plug")
    box.wait_state("safe", phone=phone)
    t.compare_plain(t.latest(box.vault, phone), phone.hashes())
    states = [n["state"] for n in box.status()["nights"]]
    equal(states, ["safe", "unplugged"], "ledger, newest first")


def test_passcode_missed_is_asked_for_again_when_unlocked(t):
    """The night of a phone that lies there locked and plugged in: nobody
    enters the passcode, the box waits, and in the morning's first unlock it
    asks again, with no hand on the cable."""
    sim = t.sim({"plugged": "no"})
    phone = sim.phone()
    box = Box(t, sim, policy__quiet_from="00:00", policy__quiet_to="00:00")
    phone.ctl("plug")
    box.wait_state("safe", phone=phone)
    phone.ctl("unplug")
    phone.ctl("lock")
    phone.ctl("mutate", "change=10", "add=5", "seed=6")
    before = t.tree(t.latest(box.vault, phone))
    phone.ctl("passcode", "ignored", 300)
    phone.mark()
    phone.ctl("plug")
    box.wait_state("passcode_missed", phone=phone)
    equal(t.tree(t.latest(box.vault, phone)), before, "the earlier night")
    phone.ctl("passcode", "entered", 0)
    # Long enough for a look at the lock: that alone must not ask.
    time.sleep(3)
    equal([p["state"] for p in box.status()["phones"]], ["passcode_missed"],
          "states before the unlock")
    phone.ctl("unlock")
    box.wait_state("safe", phone=phone)
    equal([n["state"] for n in box.status()["nights"]],
          ["safe", "passcode_missed", "safe"], "ledger, newest first")
    t.compare_plain(t.latest(box.vault, phone), phone.hashes())


def test_passcode_missed_then_plugged_again(t):
    sim = t.sim({"plugged": "no"})
    phone = sim.phone()
    phone.ctl("passcode", "ignored", 400)
    box = Box(t, sim)
    phone.ctl("plug")
    box.wait_state("passcode_missed", phone=phone)
    phone.ctl("passcode", "entered", 0)
    phone.ctl("unplug")
    phone.ctl("plug")
    box.wait_state("safe", phone=phone)


def test_two_phones_do_not_wait_for_each_other(t):
    sim = t.sim({"seed": 1, "plugged": "no", "trusted": "no"},
                {"seed": 2, "plugged": "no"})
    a, b = sim.phones()
    box = Box(t, sim)
    a.ctl("plug")
    box.wait_state("wants_trust", phone=a)
    b.ctl("plug")
    box.wait_state("safe", phone=b)
    box.wait_state("wants_trust", phone=a)
    a.ctl("trust")
    box.wait_state("safe", phone=a)
    for p in (a, b):
        t.compare_plain(t.latest(box.vault, p), p.hashes())


def test_restart_remembers_nights_and_snapshots(t):
    sim = t.sim({"plugged": "no"})
    phone = sim.phone()
    box = Box(t, sim)
    phone.ctl("plug")
    box.wait_state("safe", phone=phone)
    wait_until("the ledger", lambda: box.status()["nights"])
    phone.ctl("unplug")
    equal(box.p.stop(), 0, "exit status of the box")
    box.start()
    st = wait_until("the phone's card", lambda: (
        box.status()["phones"] and box.status()))
    equal(st["phones"][0]["versions"], 1, "versions")
    check(st["phones"][0]["last_good"]["at"] > 0, "last good backup")
    equal(st["nights"][0]["state"], "safe", "ledger")


def session_pids(box):
    out = []
    for p in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            stat = (p / "stat").read_text()
            words = (p / "cmdline").read_text().split("\0")
        except OSError:
            continue
        if int(stat.rsplit(")", 1)[1].split()[1]) == box.p.p.pid:
            out.append((int(p.name), words))
    return out


def kill_role(box, role):
    import os
    import signal
    # A process that has just been forked still bears the box's words.
    pids = wait_until(f"a process of role {role}", lambda: [
        pid for pid, words in session_pids(box) if role in words])
    os.kill(pids[0], signal.SIGKILL)


def test_a_dead_session_costs_one_session(t):
    sim = t.sim({"plugged": "no", "files": 200, "bytes": "4M"})
    phone = sim.phone()
    box = Box(t, sim)
    phone.mark()
    phone.ctl("at", "upload-file:50", "pause", 5000)
    phone.ctl("plug")
    phone.wait_event("point upload-file")
    kill_role(box, "session")
    check(box.status() is not None, "the page is gone")
    wait_until("the phone to notice", lambda: not phone.status()["links"])
    phone.ctl("unplug")
    phone.ctl("plug")
    box.wait_state("safe", 60, phone=phone)
    t.compare_plain(t.latest(box.vault, phone), phone.hashes())


def test_a_dead_page_comes_back_and_stops_no_backup(t):
    sim = t.sim({"plugged": "no", "files": 100})
    phone = sim.phone()
    box = Box(t, sim)
    phone.mark()
    phone.ctl("at", "upload:1", "pause", 2000)
    phone.ctl("plug")
    phone.wait_event("point upload")
    kill_role(box, "web")
    box.wait_state("safe", 60, phone=phone)


def test_a_dead_watcher_comes_back(t):
    sim = t.sim({"plugged": "no"})
    phone = sim.phone()
    box = Box(t, sim)
    kill_role(box, "usbmux")
    phone.ctl("plug")
    box.wait_state("safe", 60, phone=phone)


def test_usbmuxd_that_comes_later(t):
    sim = t.sim({"plugged": "yes"})
    phone = sim.phone()
    sim.stop()
    box = Box(t, sim)
    sim.start()
    phone.ctl("passcode", "entered", 0)
    box.wait_state("safe", 60, phone=phone)


def test_no_disk_is_said(t):
    sim = t.sim({"plugged": "no"})
    box = Box(t, sim, box__vault=t.path("not mounted"))
    st = box.wait_state("no_disk")
    equal(st["led"]["id"], "no_disk", "LED")
    wait_until("the red LED", lambda: box.levels("alert") > 0)


def test_foreign_phone_is_left_alone(t):
    sim = t.sim({"seed": 1, "plugged": "no"}, {"seed": 2, "plugged": "no"})
    a, b = sim.phones()
    box = Box(t, sim, phone__allow=b.udid)
    a.ctl("plug")
    b.ctl("plug")
    box.wait_state("safe", phone=b)
    equal(a.status()["hosts"], 0, "hosts that phone a was paired with")
    check(not (box.vault / "Nightstand" / a.udid).exists(), "a folder for a")


def test_hostile_names_stay_words(t):
    sim = t.sim({"plugged": "no",
                 "name": "<script>alert(1)</script>\u202eevil"})
    phone = sim.phone()
    box = Box(t, sim)
    phone.ctl("plug")
    box.wait_state("safe", phone=phone)
    page = box.get("/")
    check("<script>alert" not in page, "markup from a phone's name")
    check("\u202e" not in page and "\u202e" not in box.get("/api/status"),
          "a direction override from a phone's name")


def test_config_errors_name_line_and_key(t):
    for text, words in (
            ("[box]\nvault = /x\nfroup = 1\n", (":3", "froup")),
            ("[web]\nport = 99999\n", (":2", "port")),
            ("[web]\nport = many\n", (":2", "port")),
            ("[nowhere]\na = b\n", (":2", "a")),
            ("[policy]\noverdue_days = 0\n", (":2", "overdue_days"))):
        conf = t.path("bad.conf")
        conf.write_text(text)
        r = t.nightstand("run", "--config", conf, ok=False)
        equal(r.returncode, 78, f"exit status for {text!r}")
        for w in words:
            check(w in r.stderr, f"no {w!r} in: {r.stderr}")


def test_two_phones_on_a_new_disk_at_once(t):
    sim = t.sim({"seed": 1, "files": 200, "bytes": "4M"},
                {"seed": 2, "files": 200, "bytes": "4M"})
    box = Box(t, sim)
    for p in sim.phones():
        box.wait_state("safe", phone=p)
        t.compare_plain(t.latest(box.vault, p), p.hashes())


def test_disk_full_is_said_with_what_is_missing(t):
    disk = t.small_disk(180)
    sim = t.sim({"files": 60, "bytes": "100M", "plugged": "no"})
    phone = sim.phone()
    box = Box(t, sim, box__vault=disk)
    phone.ctl("plug")
    st = box.wait_state("disk_full", phone=phone)
    check(re.search(r"\d (GB|MB)", json.dumps(st["phones"])), st["sentence"])
    wait_until("the red LED", lambda: box.levels("alert") > 0)


def test_every_command_tells_its_help(t):
    names = re.findall(r"^  (\w+) ", t.nightstand("--help").stdout, re.M)
    check({"run", "backup", "verify"} <= set(names), f"{names}")
    for name in names:
        for word in ("--help", "-h"):
            r = t.nightstand(name, word)
            check(r.stdout.startswith(f"usage: nightstand {name}"), r.stdout)
    r = t.nightstand("backup", "--no-such", ok=False)
    check(r.returncode == 2 or r.returncode == 64, f"{r.returncode}")
    check("help backup" in r.stderr, r.stderr)


def test_led_in_the_terminal(t):
    sim = t.sim({"plugged": "no"})
    phone = sim.phone()
    box = Box(t, sim, led__backend="terminal")
    phone.ctl("plug")
    box.wait_state("safe", phone=phone)
    wait_until("words beside the LED", lambda: "safe" in box.p.out)


def test_print_config_parses_back_to_itself(t):
    first = t.nightstand("run", "--print-config").stdout
    conf = t.path("a.conf")
    conf.write_text(first)
    equal(t.nightstand("run", "--config", conf, "--print-config").stdout,
          first, "config printed from its own print")


def test_state_diagram_and_legend_are_printed(t):
    check("stateDiagram" in t.nightstand("states").stdout, "no diagram")
    words = t.nightstand("states", "--words").stdout
    check("| `usb_restricted` | Unlock {phone} once" in words, words)
    text = t.nightstand("legend").stdout
    check("double blink" in text, text)
    check(t.nightstand("legend", "--svg").stdout.startswith("<svg"), "no svg")
    # A label: as large as a Pi's lid, dark on white.
    label = t.nightstand("legend", "--label").stdout
    check('width="83.0mm"' in label and 'fill="#ffffff"' in label, label[:300])
