"""Damage: files of finished backups that rot, vanish or shrink are found,
named, repaired from another copy or fetched again from the phone."""

import json
import os
import pathlib
import sqlite3

from harness import check, equal, sha256_file, wait_until
from test_box import Box

DAMAGED = 41  # EXIT_DAMAGED


def root(t, phone, vault=None):
    return pathlib.Path(vault or t.dir) / "Nightstand" / phone.udid


def flip(path):
    """One bit, the file's time kept, as a disk does it."""
    st = path.stat()
    with open(path, "r+b") as f:
        f.seek(st.st_size // 2)
        b = f.read(1)
        f.seek(st.st_size // 2)
        f.write(bytes([b[0] ^ 4]))
        os.fsync(f.fileno())
    os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns))


def some_file(t, phone, nth=0, least=1000):
    """A file of the phone's in latest/ whose content stands there once."""
    latest = t.latest(t.dir, phone)
    files = sorted(f for d in latest.iterdir()
                   if d.is_dir() and len(d.name) == 2 for f in d.iterdir())
    large = [f for f in files if f.stat().st_size >= least]
    return large[nth]


def verify(t, phone, *args, code=None):
    r = t.nightstand("verify", "--vault", t.dir, "--udid", phone.udid,
                     "--json", *args, ok=False)
    out = json.loads(r.stdout)[0]
    if code is None:
        code = 0 if out["ok"] else r.returncode
    equal(r.returncode, code, f"exit status: {out} {r.stderr}")
    return out


def scrub(t, phone, *args):
    r = t.nightstand("scrub", "--vault", t.dir, "--udid", phone.udid,
                     "--json", *args, ok=False)
    out = json.loads(r.stdout)[0]
    equal(r.returncode == 0, out["ok"], f"exit status {r.returncode}: {out}")
    return out


def states(t, phone):
    r = t.nightstand("snapshots", "--vault", t.dir, "--udid", phone.udid,
                     "--json")
    return {s["id"]: s["state"] for s in json.loads(r.stdout)}


def nights(t, n=1, **options):
    """A phone with n snapshots."""
    sim = t.sim({"files": 200, "bytes": "4M", **options})
    phone = sim.phone()
    for i in range(n):
        if i:
            phone.ctl("mutate", "change=12", "add=4", "remove=3",
                      f"seed={i + 3}")
        t.backup(sim, phone, t.dir)
    return sim, phone


def uploads(phone):
    return phone.status()["files_uploaded"]


def night_heals(t, sim, phone, at_most):
    """A backup after damage: how many files the phone sent; all is whole."""
    sent = uploads(phone)
    t.backup(sim, phone, t.dir)
    sent = uploads(phone) - sent
    check(1 <= sent <= at_most, f"{sent} files were sent, not 1..{at_most}")
    t.compare_plain(t.latest(t.dir, phone), phone.hashes())
    verify(t, phone, code=0)
    equal(set(states(t, phone).values()), {"good"}, "snapshots")
    return sent


def test_a_flipped_bit_in_latest_is_named_and_sent_again(t):
    sim, phone = nights(t, 2)
    for command in ("verify", "scrub"):  # whole: no word of complaint
        r = t.nightstand(command, "--vault", t.dir)
        check(not r.stderr and phone.udid in r.stdout, r.stderr + r.stdout)
    victim = some_file(t, phone)
    size = victim.stat().st_size
    flip(victim)
    verify(t, phone, "--quick", code=0)  # of the same size still
    out = verify(t, phone, code=DAMAGED)
    equal([d["file"] for d in out["damaged"]], [str(victim)], "damaged")
    d = out["damaged"][0]
    check(d["newest"] and 2 in d["snapshots"] and d["whole_at"] > 0, f"{d}")
    # In words, too, and in a pipe without a meter.
    r = t.nightstand("verify", "--vault", t.dir, ok=False)
    check(victim.name in r.stderr and "snapshot" in r.stderr and
          "last seen whole" in r.stderr and "\r" not in r.stderr, r.stderr)
    # It was written down: nobody is offered that snapshot.
    equal(states(t, phone)[2], "damaged", "snapshot 2")
    equal(victim.stat().st_size, size, "latest/ stays as it is")
    night_heals(t, sim, phone, 1)


def test_removed_and_truncated_files_are_sent_again(t):
    sim, phone = nights(t)
    some_file(t, phone, 0).unlink()
    with open(some_file(t, phone, 4), "r+b") as f:
        f.truncate(10)
    out = verify(t, phone, "--quick", code=DAMAGED)
    equal(sorted(d["what"] for d in out["damaged"]), ["damaged", "missing"],
          "what it was")
    night_heals(t, sim, phone, 2)


def test_damage_that_only_a_scrub_has_seen_is_sent_again(t):
    sim, phone = nights(t)
    flip(some_file(t, phone, 2))
    out = scrub(t, phone)
    equal((len(out["damaged"]), out["all"]), (1, True), f"{out}")
    phone.ctl("mutate", "change=3", "seed=9")
    night_heals(t, sim, phone, 8)


def test_a_changed_file_of_a_damaged_one_leaves_the_older_snapshot_damaged(t):
    sim, phone = nights(t)
    for i in range(30):
        flip(some_file(t, phone, i))
    scrub(t, phone)
    phone.ctl("mutate", "change=60", "seed=9")
    t.backup(sim, phone, t.dir)
    t.compare_plain(t.latest(t.dir, phone), phone.hashes())
    equal(states(t, phone), {1: "damaged", 2: "good"}, "snapshots")
    out = verify(t, phone, code=DAMAGED)
    check(all(d["snapshots"] == [1] and not d["newest"]
              for d in out["damaged"]), f"{out}")
    verify(t, phone, "--snapshot", "2", code=0)
    verify(t, phone, "--snapshot", "1", code=DAMAGED)


def test_a_damaged_object_names_its_snapshots(t):
    sim, phone = nights(t, 3)
    objects = [f for f in (root(t, phone) / "objects").rglob("*")
               if f.is_file() and f.stat().st_size > 500]
    victim = objects[0]
    flip(victim)
    out = verify(t, phone, code=DAMAGED)
    equal([d["file"] for d in out["damaged"]], [str(victim)], "damaged")
    d = out["damaged"][0]
    check(not d["newest"] and 3 not in d["snapshots"], f"{d}")
    verify(t, phone, "--snapshot", "3", code=0)
    equal(states(t, phone)[3], "good", "the newest")
    for s in d["snapshots"]:
        equal(states(t, phone)[s], "damaged", f"snapshot {s}")
    # No night can bring it back; the newest ones go on.
    t.backup(sim, phone, t.dir)
    equal(states(t, phone)[4], "good", "the night after")


def contents(t, phone, snapshot):
    """{hash: [files]} of a snapshot, empty ones left out."""
    r = t.nightstand("files", "--vault", t.dir, "--udid", phone.udid,
                     "--snapshot", snapshot, "--json")
    out = {}
    for e in json.loads(r.stdout):
        if e["kind"] == "file" and e["size"] > 0:
            out.setdefault(e["blake3"], []).append(pathlib.Path(e["file"]))
    return out


def test_repaired_from_another_copy(t):
    """A file that was renamed on the phone: its content is an object of the
    first night and a file of the second. Each heals the other."""
    sim, phone = nights(t)
    phone.ctl("mutate", "rename=3", "seed=5")
    t.backup(sim, phone, t.dir)
    old, new = contents(t, phone, 1), contents(t, phone, 2)
    twins = [(old[h][0], new[h][0]) for h in old
             if h in new and old[h][0] != new[h][0]]
    check(twins, "no content stands in both nights at two places")
    for broken, sound in (twins[0], twins[0][::-1]):
        before = sha256_file(broken)
        flip(broken)
        verify(t, phone, code=DAMAGED)
        check("damaged" in states(t, phone).values(), "not written down")
        out = scrub(t, phone)
        equal((out["ok"], out["healed"]), (True, 1), f"{out}")
        equal(sha256_file(broken), before, "the repaired file")
        equal(sha256_file(sound), before, "the other copy")
        broken.unlink()  # … and one that is gone
        out = scrub(t, phone)
        equal((out["ok"], out["healed"]), (True, 1), f"{out}")
        equal(sha256_file(broken), before, "the repaired file")
    verify(t, phone, code=0)
    equal(set(states(t, phone).values()), {"good"}, "snapshots")
    # Both gone: nothing to heal with, but the phone has it still.
    for f in twins[0]:
        flip(f)
    out = scrub(t, phone)
    equal((len(out["damaged"]), out["healed"]), (2, 0), f"{out}")
    conf = t.path("keep.conf")  # the rules would let the damaged night go
    conf.write_text("[keep]\n" + "".join(
        f"{k} = 0\n" for k in ("last", "daily", "weekly", "monthly",
                               "yearly")))
    t.backup(sim, phone, t.dir, "--config", conf)
    out = scrub(t, phone)  # the file that came again heals the object
    equal((out["ok"], out["healed"]), (True, 1), f"{out}")
    equal(set(states(t, phone).values()), {"good"}, "snapshots")


def test_a_small_budget_goes_on_where_it_stopped(t):
    sim, phone = nights(t, 1, files=60, bytes="2M")
    # Two files of a GiB each would be slow: damage tells what was read.
    r = t.nightstand("scrub", "--vault", t.dir, "--minutes", "0", "--gib",
                     "0", "--json")
    everything = json.loads(r.stdout)[0]
    check(everything["all"], f"{everything}")
    total = everything["files"]
    db = root(t, phone) / "catalog.db"
    with sqlite3.connect(db) as h:
        runs = h.execute("SELECT pass, stage FROM scrub_run").fetchall()
    equal(runs, [(1, 2)], "one run, at its end")
    p = t.start_nightstand("scrub", "--vault", t.dir)
    equal(p.wait(), 0, "exit status")
    with sqlite3.connect(db) as h:
        runs = h.execute("SELECT pass, stage FROM scrub_run").fetchall()
        equal(runs, [(1, 2), (2, 2)], "a second pass")
        # As a budget leaves it, or a power cut: half of latest/ was read.
        path = h.execute("SELECT path FROM entry WHERE kind=1 AND last IS"
                         " NULL ORDER BY path LIMIT 1 OFFSET 40").fetchone()
        h.execute("UPDATE scrub_run SET stage=0, key=CAST(? AS BLOB) WHERE"
                  " pass=2", path)
    out = scrub(t, phone)
    equal((out["all"], out["files"]), (True, total - 41), f"{out}")


def test_encrypted_damage_makes_the_next_night_a_full_backup(t):
    sim, phone = nights(t)
    t.run("idevicebackup2", "-u", phone.udid, "encryption", "on", "secret",
          t.dir, env=sim.env)
    t.backup(sim, phone, t.dir)
    flip(some_file(t, phone))
    verify(t, phone, code=DAMAGED)
    sent = uploads(phone)
    t.backup(sim, phone, t.dir)
    check(uploads(phone) - sent >= 200, "not a full backup")
    verify(t, phone, "--snapshot", "3", code=0)
    equal(states(t, phone)[3], "good", "snapshot 3")
    # … and the one after that is a small one again.
    sent = uploads(phone)
    t.backup(sim, phone, t.dir)
    equal(uploads(phone) - sent, 0, "files sent")


def test_a_damaged_manifest_makes_the_next_night_a_full_backup(t):
    sim, phone = nights(t)
    names = ("Manifest.db", "Status.plist", "Manifest.plist")
    for night, name in enumerate(names, 2):
        flip(t.latest(t.dir, phone) / name)
        verify(t, phone, code=DAMAGED)
        sent = uploads(phone)
        t.backup(sim, phone, t.dir)
        check(uploads(phone) - sent >= 200, f"{name}: not a full backup")
        t.compare_plain(t.latest(t.dir, phone), phone.hashes())
        verify(t, phone, "--snapshot", str(night), code=0)
        equal(states(t, phone)[night], "good", name)


def test_a_file_that_is_lost_in_a_commit_is_sent_again(t):
    """The power went in the commit, and the disk lost a file that had been
    received: the catalogue says where it was to go, and it is nowhere."""
    sim, phone = nights(t)
    victim = some_file(t, phone, 3)
    rel = f"{victim.parent.name}/{victim.name}"
    victim.unlink()
    with sqlite3.connect(root(t, phone) / "catalog.db") as h:
        h.execute("UPDATE snapshot SET state=1, placing=1")
        h.execute("INSERT INTO move(what, path, staged, size) SELECT 4, path,"
                  " 77777, size FROM entry WHERE path=?", (rel,))
    night_heals(t, sim, phone, 1)


def test_the_box_does_it_by_itself(t):
    """A file of the night before has rotted: after the next backup the box
    reads all again, says so on page and in the ledger, and has the file
    fetched when the phone comes back."""
    sim = t.sim({"files": 150, "bytes": "3M", "plugged": "no", "name": "Ana"})
    phone = sim.phone()
    box = Box(t, sim)
    phone.ctl("plug")
    box.wait_state("safe", phone=phone)
    latest = t.latest(box.vault, phone)
    victim = sorted(f for f in latest.rglob("*")
                    if len(f.name) == 40 and f.stat().st_size > 1000)[3]
    flip(victim)
    st = box.wait_state("damaged", 60, phone=phone)
    p = st["phones"][0]
    check("file of Ana's newest backup" in p["headline"], p["headline"])
    equal((p["damage"]["newest"], p["damage"]["wants_full"]), (1, False),
          "damage")
    equal(p["damage"]["some"], [f"{victim.parent.name}/{victim.name}"],
          "which")
    check(victim.name in p["small"], p["small"])
    equal(st["led"]["id"], "overdue", "LED")
    wait_until("the ledger", lambda: box.status()["nights"][0]["state"] ==
               "damaged")
    check("1" in box.status()["nights"][0]["text"], "the ledger's words")
    r = t.nightstand("status", "--config", box.conf)
    check(victim.name in r.stdout, r.stdout)
    sent = phone.status()["files_uploaded"]
    phone.ctl("unplug")
    phone.ctl("plug")
    box.wait_state("safe", phone=phone)
    equal(phone.status()["files_uploaded"] - sent, 1, "files sent")
    t.compare_plain(latest, phone.hashes())
    t.nightstand("verify", "--vault", box.vault)
    equal(box.status()["phones"][0]["damage"]["newest"], 0, "damage")


def grow_a_file(t, box, phone):
    """One of the backup's takes minutes to read: sparse, so that it costs no room."""
    with sqlite3.connect(box.vault / "Nightstand" / phone.udid /
                         "catalog.db") as h:
        path, = h.execute("SELECT path FROM entry WHERE kind=1 AND last IS"
                          " NULL ORDER BY path LIMIT 1").fetchone()
        h.execute("UPDATE entry SET size=? WHERE path=?", (1 << 40, path))
    with open(t.latest(box.vault, phone) / path, "r+b") as f:
        f.truncate(1 << 40)


def test_a_plug_stops_a_scrub_at_once(t):
    """The box reads back what is large when a phone comes: the phone does not
    wait, and the reading goes on afterwards."""
    sim = t.sim({"files": 40, "bytes": "1M", "plugged": "no"})
    phone = sim.phone()
    box = Box(t, sim)
    phone.ctl("plug")
    box.wait_state("safe", phone=phone)
    grow_a_file(t, box, phone)
    wait_until("the scrub", lambda: children(box, "scrub"), 60)
    phone.ctl("unplug")
    phone.mark()
    phone.ctl("plug")
    phone.wait_event("backup request", 10000)
    wait_until("its end", lambda: not children(box, "scrub"), 10)
    box.wait_state("safe", phone=phone)
    wait_until("the scrub again", lambda: children(box, "scrub"), 60)


def children(box, role):
    """Pids of the box's children that play this role."""
    pid = box.p.p.pid
    out = []
    for task in pathlib.Path(f"/proc/{pid}/task/{pid}/children") \
            .read_text().split():
        try:
            argv = pathlib.Path(f"/proc/{task}/cmdline").read_bytes()
        except OSError:
            continue
        if argv.split(b"\0")[1:3] == [b"--role", role.encode()]:
            out.append(int(task))
    return out
