"""What is kept and what is let go: nights on different days, `prune` and its
dry run, a disk that fills up, and a phone that suddenly holds much less."""

import contextlib
import json
import os
import re
import sqlite3

from harness import check, equal, sha256_file, wait_until
from test_box import Box
from test_errors import exit_status

DAY = 86400


def catalog(vault, phone):
    return vault / "Nightstand" / phone.udid / "catalog.db"


def sql(vault, phone, text):
    with contextlib.closing(sqlite3.connect(catalog(vault, phone))) as db:
        rows = db.execute(text).fetchall()
        db.commit()
    return rows


def a_day_goes_by(vault, phone, days=1):
    """The nights so far were a day earlier: the box's clock can't be set."""
    sql(vault, phone, f"UPDATE snapshot SET started=started-{days * DAY}, "
        f"finished=finished-{days * DAY}")


def listed(t, vault, phone):
    r = t.nightstand("list", "--vault", vault, "--udid", phone.udid, "--json")
    return [s["id"] for s in json.loads(r.stdout)]


def content(t, vault, phone, snapshot):
    """{path: sha256 of the bytes where they lie now}"""
    r = t.nightstand("files", "--vault", vault, "--udid", phone.udid,
                     "--snapshot", snapshot, "--json")
    return {e["path"]: sha256_file(e["file"])
            for e in json.loads(r.stdout) if e["kind"] == "file"}


def check_objects(vault, phone):
    """Each object has a row and each row its object."""
    rows = {d.hex() for (d,) in sql(
        vault, phone, "SELECT DISTINCT digest FROM entry "
        "WHERE last IS NOT NULL AND kind=1")}
    root = vault / "Nightstand" / phone.udid / "objects"
    equal({f.name for f in root.glob("*/*")}, rows, "objects")
    equal(sql(vault, phone, "SELECT count(*) FROM doomed"), [(0,)], "doomed")


def config(t, name="keep.conf", **keys):
    path = t.path(name)
    path.write_text("[keep]\n" + "".join(
        f"{k} = {v}\n" for k, v in keys.items()))
    return path


def nights(t, sim, phone, vault, n, *args, change="change=25 add=5 remove=2"):
    for i in range(n):
        a_day_goes_by(vault, phone)
        phone.ctl("mutate", *change.split(), f"seed={100 + i}")
        t.backup(sim, phone, vault, *args)


def test_rules_let_old_nights_go(t):
    sim = t.sim({"files": 120, "bytes": "4M"})
    phone = sim.phone()
    keep_all = config(t, "all.conf", last=0, daily=0, weekly=0, monthly=0,
                      yearly=0)
    t.backup(sim, phone, t.dir, "--config", keep_all)
    nights(t, sim, phone, t.dir, 7, "--config", keep_all)
    equal(listed(t, t.dir, phone), [8, 7, 6, 5, 4, 3, 2, 1], "before")
    equal(t.nightstand("snapshots", "--vault", t.dir).stdout,
          t.nightstand("list", "--vault", t.dir).stdout, "the older name")
    before = {i: content(t, t.dir, phone, i) for i in range(1, 9)}
    sizes = os.stat(catalog(t.dir, phone)).st_size
    rules = config(t, last=1, daily=3, weekly=0, monthly=0, yearly=0)
    args = ("--vault", t.dir, "--config", rules)
    said = json.loads(t.nightstand("prune", *args, "--dry-run",
                                   "--json").stdout)
    equal(listed(t, t.dir, phone), [8, 7, 6, 5, 4, 3, 2, 1], "a dry run")
    equal(os.stat(catalog(t.dir, phone)).st_size, sizes, "the catalogue")
    text = t.nightstand("prune", *args, "--dry-run").stdout
    check("Would let go 5 of 8" in text, text)
    check(re.search(r"\n +8 .* kept +newest, last, daily\n", text), text)
    check(re.search(r"\n +3 .* dropped +no rule keeps it; frees \d", text),
          text)
    done = json.loads(t.nightstand("prune", *args, "--json").stdout)
    equal(done, said, "what was done against what was said")
    equal([f["id"] for f in done if f["kept"]], [8, 7, 6], "kept")
    check(sum(f["frees"] for f in done) > 0, "nothing was freed")
    equal(listed(t, t.dir, phone), [8, 7, 6], "after")
    for i in (6, 7, 8):
        equal(content(t, t.dir, phone, i), before[i], f"night {i}")
    check_objects(t.dir, phone)
    t.nightstand("verify", "--vault", t.dir)
    t.compare_plain(t.latest(t.dir, phone), phone.hashes())
    text = t.nightstand("prune", *args).stdout
    check("Nothing to let go: 3 kept" in text, text)
    # A backup does the same at its end.
    nights(t, sim, phone, t.dir, 1, "--config", rules)
    equal(listed(t, t.dir, phone), [9, 8, 7], "after the next night")
    check_objects(t.dir, phone)
    t.nightstand("verify", "--vault", t.dir)


def test_prune_waits_for_no_backup(t):
    sim = t.sim()
    phone = sim.phone()
    t.backup(sim, phone, t.dir)
    phone.ctl("at", "upload-file:30", "silence", 5000)
    p = t.start_nightstand("backup", "--vault", t.dir, "--full", sim=sim)
    incoming = t.dir / "Nightstand" / phone.udid / "incoming"
    wait_until("files to come", lambda: any(incoming.glob("*/*")))
    prune = ("prune", "--vault", t.dir)
    r = t.nightstand(*prune, ok=False)
    equal(r.returncode, exit_status(t, "busy"), r.stderr)
    t.nightstand(*prune, "--dry-run")
    equal(p.wait(), 0, "the backup")
    r = t.nightstand("prune", "--vault", t.path("nowhere"), ok=False)
    equal(r.returncode, exit_status(t, "no_disk"), r.stderr)


def test_config_names_bad_rules(t):
    for text, words in (
            ("[keep]\ndaily = -1\n", (":2", "keep.daily", "range")),
            ("[keep]\n\nfloor = lots\n", (":3", "keep.floor", "bytes")),
            ("[keep]\nhourly = 3\n", (":2", "keep.hourly", "no such key"))):
        conf = t.path("bad.conf")
        conf.write_text(text)
        r = t.nightstand("prune", "--config", conf, ok=False)
        equal(r.returncode, exit_status(t, "config"), r.stderr)
        for w in words:
            check(w in r.stderr, f"no {w!r} in: {r.stderr}")
    text = t.nightstand("help", "config").stdout
    for line in ("last = 3", "daily = 14", "weekly = 8", "monthly = 24",
                 "yearly = 10", "floor = 2G", "floor_percent = 3"):
        check(f"\n{line}\n" in text, f"no {line!r} in the help")


def free_bytes(disk):
    st = os.statvfs(disk)
    return st.f_bavail * st.f_frsize


class FullDisk:
    """Four nights of which hardly anything is the same, and then others' data
    up to where a fifth finds `room` bytes. A phone asks for what it has to
    send and 128 MiB more."""

    def __init__(self, t, room):
        self.t = t
        self.disk = t.small_disk(420)
        self.sim = t.sim({"files": 60, "bytes": "30M"})
        self.phone = self.sim.phone()
        t.backup(self.sim, self.phone, self.disk)
        nights(t, self.sim, self.phone, self.disk, 3, change="change=60")
        a_day_goes_by(self.disk, self.phone)
        self.phone.ctl("mutate", "change=60", "seed=7")
        self.before = {i: content(t, self.disk, self.phone, i)
                       for i in listed(t, self.disk, self.phone)}
        equal(sorted(self.before), [1, 2, 3, 4], "nights on the disk")
        filler = free_bytes(self.disk) - room
        check(filler > 0, "the disk is too small for this test")
        with open(self.disk / "films", "wb") as f:
            os.posix_fallocate(f.fileno(), 0, filler)
        os.sync()

    def check_kept(self, ids):
        equal(listed(self.t, self.disk, self.phone), ids, "kept")
        for i in ids:
            if i in self.before:
                equal(content(self.t, self.disk, self.phone, i),
                      self.before[i], f"night {i}")
        check_objects(self.disk, self.phone)
        self.t.nightstand("verify", "--vault", self.disk)


def test_a_phone_gets_room_from_the_oldest_nights(t):
    # 30 MB and 128 MiB are 165 MB: some 45 are missing, and each of the older
    # nights has about 30 of its own.
    d = FullDisk(t, 128_000_000)
    d.phone.mark()
    r = t.backup(d.sim, d.phone, d.disk, "--log", "info")
    d.phone.wait_event("purge answered 0", 1000)
    check("made room dropped=2" in r.stderr, r.stderr)
    d.check_kept([5, 4, 3])
    t.compare_plain(t.latest(d.disk, d.phone), d.phone.hashes())
    # Others' data still lies there as it was.
    check((d.disk / "films").stat().st_size > 0, "others' data")


def test_no_night_goes_for_nothing(t):
    d = FullDisk(t, 128_000_000)
    d.phone.ctl("set", "space_extra_bytes", 7_000_000_000)
    r = t.backup(d.sim, d.phone, d.disk, ok=False)
    equal(r.returncode, exit_status(t, "disk_full"), r.stderr)
    check(re.search(r"The disk needs 7\.[01] GB more", r.stderr), r.stderr)
    d.check_kept([4, 3, 2, 1])
    # Without a floor nothing that a rule keeps goes for room, be it little.
    d.phone.ctl("set", "space_extra_bytes", 0)
    conf = config(t, floor=0, floor_percent=0)
    r = t.backup(d.sim, d.phone, d.disk, "--config", conf, ok=False)
    equal(r.returncode, exit_status(t, "disk_full"), r.stderr)
    check(re.search(r"The disk needs [3-6]\d(\.\d)? MB more", r.stderr),
          r.stderr)
    d.check_kept([4, 3, 2, 1])


def test_room_is_made_before_a_night(t):
    """A phone that does not ask: it would find a full disk."""
    d = FullDisk(t, 20_000_000)
    d.phone.ctl("set", "purge_rule", 0)
    r = t.backup(d.sim, d.phone, d.disk, "--log", "info")
    check("made room for this night dropped=1" in r.stderr, r.stderr)
    kept = listed(t, d.disk, d.phone)
    check(kept[:3] == [5, 4, 3] and 1 not in kept, f"{kept}")
    d.check_kept(kept)
    t.compare_plain(t.latest(d.disk, d.phone), d.phone.hashes())


def test_floor_is_kept_free(t):
    # A tenth of the disk, some 40 MB: after this night there are about 30.
    d = FullDisk(t, 60_000_000)
    d.phone.ctl("set", "purge_rule", 0)
    t.backup(d.sim, d.phone, d.disk)
    kept = listed(t, d.disk, d.phone)
    check(kept[:3] == [5, 4, 3] and 1 not in kept, f"{kept}")
    total = os.statvfs(d.disk)
    check(free_bytes(d.disk) >= total.f_blocks * total.f_frsize // 10,
          f"{free_bytes(d.disk)} bytes are free")
    d.check_kept(kept)


def test_a_phone_that_holds_much_less(t):
    sim = t.sim({"files": 200, "bytes": "4M", "plugged": "no"})
    phone = sim.phone()
    box = Box(t, sim, keep__loss_files=10, keep__last=1, keep__daily=0,
              keep__weekly=0, keep__monthly=0, keep__yearly=0)
    phone.ctl("plug")
    box.wait_state("safe", phone=phone)
    phone.ctl("unplug")
    first = content(t, box.vault, phone, 1)
    a_day_goes_by(box.vault, phone)
    phone.ctl("mutate", "remove=120", "seed=3")
    phone.ctl("plug")
    st = box.wait_state("shrunk", phone=phone)
    said = st["phones"][0]
    check(re.search(r"holds \d\d % fewer ", said["headline"]), said["headline"])
    check("backup of yesterday" in said["sentence"], said["sentence"])
    equal(st["led"]["id"], "overdue", "LED")
    check("fewer" in box.get("/"), "the page does not say it")
    phone.ctl("unplug")
    # Two more nights: the rules keep one, and the pin the first.
    for i in range(2):
        a_day_goes_by(box.vault, phone)
        phone.ctl("mutate", "change=5", f"seed={10 + i}")
        phone.ctl("plug")
        wait_until("the night", lambda: box.nights("safe") == 3 + i)
        t.nightstand("prune", "--vault", box.vault, "--config", box.conf)
        phone.ctl("unplug")
    equal(listed(t, box.vault, phone), [4, 3, 1], "kept")
    equal(content(t, box.vault, phone, 1), first, "the pinned night")
    out = t.nightstand("status", "--config", box.conf).stdout
    check("fewer" in out and "nightstand dismiss" in out, out)
    check("pinned" in t.nightstand("list", "--vault", box.vault).stdout, "pin")
    out = t.nightstand("dismiss", "--config", box.conf).stdout
    check("stays pinned" in out, out)
    wait_until("the box to say so", lambda: "fewer" not in t.nightstand(
        "status", "--config", box.conf).stdout)
    out = t.nightstand("dismiss", "--unpin", "--config", box.conf).stdout
    check("1 backup is given back" in out, out)
    t.nightstand("prune", "--config", box.conf)
    equal(listed(t, box.vault, phone), [4, 3], "kept")
    check_objects(box.vault, phone)
    out = t.nightstand("dismiss", "--config", box.conf).stdout
    check("nothing to dismiss" in out, out)


test_a_phone_gets_room_from_the_oldest_nights.slow = 12
test_no_night_goes_for_nothing.slow = 12
test_floor_is_kept_free.slow = 12
test_room_is_made_before_a_night.slow = 12


def test_a_backup_by_hand_tells_of_the_loss(t):
    sim = t.sim({"files": 200, "bytes": "4M"})
    phone = sim.phone()
    conf = config(t, loss_files=10)
    t.backup(sim, phone, t.dir, "--config", conf)
    phone.ctl("mutate", "remove=120", "seed=3")
    r = t.backup(sim, phone, t.dir, "--config", conf)
    check(re.search(r"holds \d\d % fewer .* kept until you say otherwise",
                    r.stderr), r.stderr)
    out = t.nightstand("status", "--vault", t.dir, "--json").stdout
    equal(json.loads(out)["state"], "shrunk", "status")
