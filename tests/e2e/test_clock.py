"""A box without a battery learns what time it is: from a time server, from a
phone, and after a power cut. The machine's own clock is never touched: a file
stands for it."""

import json
import os
import shutil
import time

import harness
from harness import check, equal, wait_until
from lan import NET, Lan, LanBox
from test_box import Box
from test_pin import Browser, pin_of

YEAR = 366 * 86400


def clock_file(t, ahead_s):
    path = t.path("clock")
    path.write_text(f"{int(ahead_s * 1000)}\n")
    return path


def ahead(t):
    """Seconds by which the box's clock is ahead of the truth."""
    return int(t.path("clock").read_text()) / 1000


def status(t, conf):
    r = t.nightstand("status", "--config", conf, "--json", ok=False)
    return json.loads(r.stdout) if r.returncode == 0 else None


def wait_source(t, conf, source, seconds=40):
    def there():
        st = status(t, conf)
        return st if st and st["clock"]["source"] == source else None
    return wait_until(f"a clock by {source}", there, seconds, 0.2)


class TimeServer:
    def __init__(self, lan, kind, *args):
        here = os.path.dirname(__file__)
        self.p = lan.start(f"sntp-{kind}", "python3",
                           os.path.join(here, "sntpserver.py"), f"{NET}.1",
                           kind, *args)
        wait_until("the time server", lambda: "ready" in self.p.out)

    @property
    def asked(self):
        return [line.split()[1:] for line in self.p.out.splitlines()
                if line.startswith("asked")]


def lan_box(t, lan, **keys):
    keys = {"box__set_clock": "yes", "time__file": clock_file(t, -30 * YEAR),
            **keys}
    return LanBox(lan, **keys)


def is_right(t, seconds=1.0):
    check(abs(ahead(t)) <= seconds, f"the clock is {ahead(t)} s ahead")


def test_server_of_dhcp(t):
    lan = Lan(t)
    server = TimeServer(lan, "honest")
    lan.dnsmasq(50, 90, f"--dhcp-option=42,{NET}.1")
    box = lan_box(t, lan)
    box.wait_said("nobody has told what time it is yet")
    check(ahead(t) > -YEAR, "it stands before the day it was built")
    st = wait_source(t, t.path("box.conf"), "sntp")
    is_right(t)
    check(abs(st["now"] - time.time()) < 5, f"it shows {st['now']}")
    check(abs(st["clock"]["since"] - time.time()) < 60, st["clock"])
    check(abs(st["box"]["started_at"] - time.time()) < 120,
          f"it began at {st['box']['started_at']}")
    box.wait_said("the clock was set by SNTP")
    equal(server.asked[0][0], "48", "bytes of the question")
    check(server.asked[0][1][:8] != f"{int(time.time()) + 2208988800:08x}",
          "the question tells our time")
    # The link goes and comes: it asks again, with other bits.
    lan.sh("ip", "link", "set", box.cable, "down")
    box.wait_said("link is down")
    lan.sh("ip", "link", "set", box.cable, "up")
    wait_until("another question", lambda: len(server.asked) > 1, 30)
    check(server.asked[0][1] != server.asked[1][1], "the same bits")


def test_server_by_name_and_an_unlucky_network(t):
    lan = Lan(t)
    server = TimeServer(lan, "crowd")
    lan.dnsmasq(50, 90, f"--address=/time.lan/{NET}.1", dns=53)
    lan_box(t, lan, time__server="time.lan")
    wait_source(t, t.path("box.conf"), "sntp")
    is_right(t)
    equal(len(server.asked), 1, "questions")


def test_a_server_that_lies(t):
    for kind, args, said in (
            ("ahead", [str(30 * YEAR)], "not believed, that can't be"),
            ("behind", [str(-30 * YEAR)], "not believed, that can't be"),
            ("zero", [], "an answer is of no use"),
            ("late", ["2"], "an answer is of no use")):
        lan = Lan(t)
        server = TimeServer(lan, kind, *args)
        box = lan_box(t, lan, name=kind, address=f"{NET}.20/24",
                      time__server=f"{NET}.1")
        box.wait_said(said)
        st = status(t, t.path(f"{kind}.conf"))
        check(not st["clock"]["known"], f"{kind}: {st['clock']}")
        box.must_answer(f"{NET}.20")
        box.p.stop()
        server.p.stop()


def test_years_from_what_was_known(t):
    """Once SNTP has set it, the next run is not thrown by ten years."""
    lan = Lan(t)
    server = TimeServer(lan, "honest")
    box = lan_box(t, lan, address=f"{NET}.20/24", time__server=f"{NET}.1")
    conf = t.path("box.conf")
    wait_source(t, conf, "sntp")
    box.p.stop()
    kept = int((box.state / "clock").read_text().split()[0])
    check(abs(kept - time.time()) < 10, f"kept: {kept}")
    server.p.stop()
    liar = TimeServer(lan, "ahead", str(10 * YEAR))
    # Without power: the clock begins at its beginning.
    clock_file(t, -40 * YEAR)
    again = lan.start("again", harness.NIGHTSTAND, "run", "--config", conf,
                      ns=box.ns)
    wait_until("the lie", lambda: liar.asked)
    wait_until("the doubt", lambda: "not believed, it is too far from what is "
               "known more_often=2" in again.err)
    st = status(t, conf)
    equal(st["clock"], {"source": "kept", "known": False, "since": None},
          "the clock")
    check(abs(st["now"] - kept) < 60, f"it shows {st['now']}")


def test_chrony(t):
    """Debian's chrony; not on every machine, as it takes the place of the
    machine's own time daemon."""
    if not shutil.which("chronyd"):
        t.skip("chronyd is not installed")
    lan = Lan(t)
    conf = t.path("chrony.conf")
    conf.write_text(f"local stratum 8\nallow {NET}.0/24\ncmdport 0\n"
                    f"bindaddress {NET}.1\npidfile {t.path('chrony.pid')}\n")
    # -x: it never touches the clock.
    lan.start("chrony", "chronyd", "-x", "-d", "-u", "root", "-f", conf)
    lan_box(t, lan, address=f"{NET}.20/24", time__server=f"{NET}.1")
    wait_source(t, t.path("box.conf"), "sntp", 60)
    is_right(t)


def shown(box):
    """The page's role begins anew with a phone's zone: there may be none."""
    return wait_until("the page", box.status)


def page_says(box, words):
    try:
        return words in box.get("/")
    except OSError:
        return False


def test_a_phone_tells_the_time(t):
    sim = t.sim({"plugged": "no", "name": "Ana"})
    phone = sim.phone()
    box = Box(t, sim, box__set_clock="yes", time__file=clock_file(
        t, -50 * YEAR))
    st = box.status()
    equal(st["clock"], {"source": "unknown", "known": False, "since": None},
          "before")
    check("not known yet" in box.get("/"), "the page")
    phone.ctl("plug")
    box.wait_state("safe", phone=phone)
    st = shown(box)
    equal(st["clock"]["source"], "phone", "source")
    is_right(t, 2.5)
    wait_until("the page's words", lambda: page_says(box, "from a phone"))
    night = wait_until("the ledger", lambda: shown(box)["nights"])[0]
    check(abs(night["at"] - time.time()) < 30, f"the night's time: {night}")
    # A power cut; the phone lies there, its backup is fresh: it is not asked
    # for another one, but for the time.
    box.p.stop()
    kept = int((t.path("state") / "clock").read_text().split()[0])
    clock_file(t, -50 * YEAR)
    box.start()
    st = wait_until("the phone's time", lambda: (
        lambda s: s if s["clock"]["source"] == "phone" else None)(
            shown(box)))
    is_right(t, 2.5)
    check(st["now"] >= kept, "the clock went back")
    equal(st["phones"][0]["versions"], 1, "versions")
    check("session ended" not in box.p.err.split("begins")[-1],
          "it began a session")


def test_a_phone_tells_the_time_zone(t):
    """Where nobody has set one; it holds after a new start, too."""
    sim = t.sim({"plugged": "no", "name": "Ana"})
    phone = sim.phone()
    phone.ctl("zone", "Asia/Tokyo")
    box = Box(t, sim, box__set_clock="yes", time__file=clock_file(t, 0))
    phone.ctl("plug")
    box.wait_state("safe", phone=phone)
    kept = t.path("state") / "zone"
    wait_until("the zone", kept.exists)
    equal(kept.read_text(), "Asia/Tokyo\n", "the zone that is kept")
    check("the time zone is Asia/Tokyo" in box.p.err, "the log")

    def first_phone():
        return next(iter((box.status() or {}).get("phones", [])), None)

    def shows_tokyo():
        good = (first_phone() or {}).get("last_good")
        if not good:
            return False
        at = good["at"]
        hour = time.strftime("%H:%M", time.gmtime(at + 9 * 3600))
        return page_says(box, f"today {hour}")
    wait_until("hours of Tokyo", shows_tokyo)
    box.p.stop()
    box.start()
    wait_until("hours of Tokyo again", shows_tokyo)

    def another_backup(n):
        wait_until("the phone", lambda: (first_phone() or {}).get("attached"))
        b = Browser(box)
        b.sign_in(pin_of(t, box))
        equal(b.do("backup", udid=phone.udid)[0], 200, "asked")
        wait_until(f"{n} versions",
                   lambda: (first_phone() or {}).get("versions") == n, 40)
    # What is no zone changes nothing, and comes near no file.
    for n, name in enumerate(("Nowhere/City", "../../../etc/passwd")):
        phone.ctl("zone", name)
        another_backup(n + 2)
        equal(kept.read_text(), "Asia/Tokyo\n", name)
    box.p.stop()
    # Who has set one is right.
    phone.ctl("zone", "Europe/Berlin")
    box.conf.write_text(box.conf.read_text() + "[box]\nzone = America/New_York\n")
    box.start()
    another_backup(4)
    equal(kept.read_text(), "Asia/Tokyo\n", "a zone that is not asked for")


def test_a_phone_that_lies_by_years(t):
    sim = t.sim({"plugged": "no"})
    phone = sim.phone()
    box = Box(t, sim, box__set_clock="yes", time__file=clock_file(
        t, -50 * YEAR))
    phone.ctl("plug")
    box.wait_state("safe", phone=phone)
    box.p.stop()
    phone.ctl("unplug")
    for lie in (10 * YEAR, -2 * 86400, 40 * YEAR, -40 * YEAR):
        clock_file(t, -50 * YEAR)
        phone.ctl("set", "clock_ahead_s", lie)
        box.start()
        phone.ctl("plug")
        wait_until("the doubt", lambda: "not believed" in
                   box.p.err.split("begins")[-1])
        phone.ctl("unplug")
        equal(box.status()["clock"]["source"], "kept", f"clock after {lie}")
        check(abs(ahead(t)) < 120, f"the clock is {ahead(t)} s ahead")
        box.p.stop()
    lines = [json.loads(line)["at"] for line in (
        t.path("state") / "nights.jsonl").read_text().splitlines()]
    equal(lines, sorted(lines), "times of the ledger")


def test_a_pc_keeps_its_own_clock(t):
    sim = t.sim()
    phone = sim.phone()
    phone.ctl("set", "clock_ahead_s", 3600)
    box = Box(t, sim, time__file=clock_file(t, 100))
    box.wait_state("safe", phone=phone)
    equal(box.status()["clock"]["source"], "system", "source")
    equal(ahead(t), 100, "the clock")
    check(not (t.path("state") / "clock").exists(), "a moment was kept")
