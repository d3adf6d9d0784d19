"""A catalogue that is lost or broken: `nightstand repair`, and what the box
does by itself."""

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess

from harness import check, equal

DAMAGED = 41


def folder(t, phone):
    return t.dir / "Nightstand" / phone.udid


def catalog(t, phone):
    return folder(t, phone) / "catalog.db"


def three_nights(t, state=True):
    """A vault of three nights; what each held, by path, as `files` says."""
    sim = t.sim({"files": 150, "bytes": "3M"})
    phone = sim.phone()
    extra = ["--state", t.path("state")] if state else []
    t.path("state").mkdir(exist_ok=True)
    for night in range(3):
        if night:
            phone.ctl("mutate")
        t.backup(sim, phone, t.dir, *extra)
    return sim, phone, [held(t, phone, n) for n in (1, 2, 3)]


def held(t, phone, snapshot):
    """{path: (hash, size)} of one snapshot, and each file is really there."""
    out = t.nightstand("files", "--vault", t.dir, "--udid", phone.udid,
                       "--snapshot", snapshot, "--json").stdout
    files = {}
    for e in json.loads(out):
        if e["kind"] == "file":
            files[e["path"]] = (e["blake3"], e["size"])
            equal(os.stat(e["file"]).st_size, e["size"], e["path"])
    return files


def repair(t, *args, code=0, state=True):
    extra = ["--state", t.path("state")] if state else []
    r = t.nightstand("repair", "--vault", t.dir, *extra, "--json", *args,
                     ok=False)
    equal(r.returncode, code, f"repair's exit status: {r.stdout}{r.stderr}")
    reports = json.loads(r.stdout)
    equal(len(reports), 1, "phones")
    return reports[0]


def states(t, phone):
    rows = json.loads(t.nightstand(
        "snapshots", "--vault", t.dir, "--udid", phone.udid,
        "--json").stdout)
    return {r["id"]: r["state"] for r in rows}


def verify(t):
    t.nightstand("verify", "--vault", t.dir)


def copy_of(t):
    found = list((t.path("state") / "catalogs").glob("*.catalog.db"))
    equal(len(found), 1, "copies of the catalogue")
    return found[0]


def remove(path, rng):
    path.unlink()


def cut_to(length):
    def cut(path, rng):
        os.truncate(path, min(length, path.stat().st_size - 1))
    return cut


def cut_half(path, rng):
    os.truncate(path, path.stat().st_size // 2)


def zero_pages(path, rng):
    pages = path.stat().st_size // 4096
    with open(path, "r+b") as f:
        for page in rng.sample(range(pages), (pages + 1) // 2):
            f.seek(page * 4096)
            f.write(bytes(4096))


def garbage(path, rng):
    path.write_bytes(rng.randbytes(path.stat().st_size))


HARM = {"removed": remove, "empty": cut_to(0), "100 bytes": cut_to(100),
        "a page": cut_to(4096), "two and a half": cut_to(10240),
        "half": cut_half, "pages": zero_pages,
        "garbage": garbage}


def harmed(t, name, phone, rng, kept):
    """The vault as it was, then harmed."""
    shutil.rmtree(t.dir / "Nightstand")
    shutil.copytree(kept, t.dir / "Nightstand", symlinks=True)
    HARM[name](catalog(t, phone), rng)
    if catalog(t, phone).exists():
        return catalog(t, phone).read_bytes()
    return None


def test_with_the_copy_nothing_is_lost(t):
    _, phone, nights = three_nights(t)
    before = t.tree(t.latest(t.dir, phone))
    kept = t.path("kept")
    shutil.copytree(t.dir / "Nightstand", kept)
    rng = random.Random(1)
    for name in HARM:
        broken = harmed(t, name, phone, rng, kept)
        r = t.nightstand("snapshots", "--vault", t.dir, ok=False)
        if name in ("removed", "empty", "100 bytes", "garbage"):
            equal(r.returncode, DAMAGED, f"{name}: snapshots' exit status")
            check("nightstand repair" in r.stderr, f"{name}: {r.stderr}")
        rep = repair(t)
        equal(rep["base"], "copy", name)
        check(rep["repaired"] and rep["latest_is_whole"], f"{name}: {rep}")
        equal((rep["good"], rep["damaged"], rep["new_snapshot"]), (3, 0, 0),
              f"{name}: snapshots")
        for n in (1, 2, 3):
            equal(held(t, phone, n), nights[n - 1], f"{name}: night {n}")
        verify(t)
        equal(t.tree(t.latest(t.dir, phone)), before, f"{name}: latest/")
        if broken:
            aside = folder(t, phone) / rep["kept_as"]
            equal(aside.read_bytes(), broken, f"{name}: the broken one")
        else:
            equal(rep["kept_as"], "", "nothing to keep")
        equal(repair(t)["found"], "whole", f"{name}: asked again")


def test_an_old_copy_and_a_newer_night(t):
    sim, phone, nights = three_nights(t)
    old = t.path("old-copy")
    shutil.copy(copy_of(t), old)
    phone.ctl("mutate")
    t.backup(sim, phone, t.dir, "--state", t.path("state"))
    fourth = held(t, phone, 4)
    shutil.copy(old, copy_of(t))
    catalog(t, phone).unlink()
    dry = repair(t, "--dry-run", code=DAMAGED)
    check(not dry["repaired"] and not catalog(t, phone).exists(), f"{dry}")
    rep = repair(t)
    equal(rep["new_snapshot"], 4, f"{rep}")
    check(rep["changed"] > 0 and rep["latest_is_whole"], f"{rep}")
    equal(states(t, phone), {n: "good" for n in (1, 2, 3, 4)}, "states")
    for n, night in enumerate(nights + [fourth], 1):
        equal(held(t, phone, n), night, f"night {n}")
    verify(t)
    # The phone goes on from there.
    phone.ctl("mutate")
    t.backup(sim, phone, t.dir, "--state", t.path("state"))
    t.compare_plain(t.latest(t.dir, phone), phone.hashes())
    equal(states(t, phone)[5], "good", "the next night")
    verify(t)


def test_without_a_copy_the_newest_night_is_whole(t):
    sim, phone, nights = three_nights(t, state=False)
    kept = t.path("kept")
    shutil.copytree(t.dir / "Nightstand", kept)
    objects = {p.name: p.read_bytes() for p in
               (folder(t, phone) / "objects").glob("*/*")}
    check(objects, "older nights left nothing in objects/")
    rng = random.Random(2)
    for name in HARM:
        harmed(t, name, phone, rng, kept)
        r = t.nightstand("repair", "--vault", t.dir, "--json", ok=False)
        rep = json.loads(r.stdout)[0]
        check(r.returncode in (0, DAMAGED), f"{name}: {r.stderr}")
        check(rep["repaired"] and rep["latest_is_whole"], f"{name}: {rep}")
        newest = max(states(t, phone))
        equal(states(t, phone)[newest], "good", f"{name}: the newest")
        equal(held(t, phone, newest), nights[2], f"{name}: its files")
        t.nightstand("verify", "--vault", t.dir, "--snapshot", newest)
        for hex_name, data in objects.items():
            path = folder(t, phone) / "objects" / hex_name[:2] / hex_name
            equal(path.read_bytes(), data, f"{name}: an object")
        if rep["base"] == "disk":
            equal(rep["lost_objects"], len(objects), f"{name}: kept objects")
            equal(rep["lost_damaged"], 0, f"{name}: their bytes")
        for n, state in states(t, phone).items():
            if state == "good" and n < newest and rep["base"] == "rows":
                equal(held(t, phone, n), nights[n - 1],
                      f"{name}: a night that is called good")
    # A night on top of what the disk alone gave.
    harmed(t, "removed", phone, rng, kept)
    repair(t, state=False)
    phone.ctl("mutate")
    t.backup(sim, phone, t.dir)
    t.compare_plain(t.latest(t.dir, phone), phone.hashes())
    verify(t)


def test_the_names_come_back_from_the_disk(t):
    _, phone, _ = three_nights(t, state=False)
    before = json.loads(t.nightstand("snapshots", "--vault", t.dir,
                                     "--json").stdout)[0]
    catalog(t, phone).unlink()
    repair(t, state=False)
    after = json.loads(t.nightstand("snapshots", "--vault", t.dir,
                                    "--json").stdout)[0]
    for key in ("name", "product_type", "ios", "encrypted", "files", "bytes"):
        equal(after[key], before[key], key)
    check(abs(after["finished_at"] - before["finished_at"]) < 60, "its time")


def test_a_latest_that_is_not_whole_is_said(t):
    sim, phone, _ = three_nights(t, state=False)
    catalog(t, phone).unlink()
    victim = next(p for p in t.latest(t.dir, phone).glob("*/*")
                  if p.stat().st_size)
    victim.unlink()
    rep = repair(t, state=False, code=DAMAGED)
    check(not rep["latest_is_whole"] and rep["why"], f"{rep}")
    equal(list(states(t, phone).values()), ["damaged"], "states")
    r = t.nightstand("repair", "--vault", t.dir, "--force", ok=False)
    equal(r.returncode, DAMAGED, "said again")
    check("not whole" in r.stdout, r.stdout)
    # A full backup heals it.
    t.backup(sim, phone, t.dir, "--full")
    t.compare_plain(t.latest(t.dir, phone), phone.hashes())


def test_a_copy_of_another_disk_is_not_taken(t):
    _, phone, nights = three_nights(t)
    other = t.path("other")
    other.mkdir()
    shutil.copytree(t.dir / "Nightstand", other / "Nightstand")
    text = (other / "Nightstand/VAULT").read_text()
    (other / "Nightstand/VAULT").write_text(
        text.replace(text.split()[-1], "0" * 32))
    (other / "Nightstand" / phone.udid / "catalog.db").unlink()
    r = t.nightstand("repair", "--vault", other, "--state", t.path("state"),
                     "--json", ok=False)
    rep = json.loads(r.stdout)[0]
    equal((rep["base"], rep["has_copy"]), ("disk", False), f"{rep}")


def test_a_good_catalogue_is_left_alone(t):
    _, phone, _ = three_nights(t)
    before = catalog(t, phone).read_bytes()
    rep = repair(t)
    equal((rep["found"], rep["repaired"]), ("whole", False), f"{rep}")
    equal(catalog(t, phone).read_bytes(), before, "the catalogue")
    (t.latest(t.dir, phone) / ".DS_Store").write_text("a Mac was here")
    rep = repair(t, "--force")
    equal((rep["changed"], rep["added"], rep["gone"], rep["new_snapshot"],
           rep["strangers"]), (0, 0, 0, 0, 1), f"{rep}")
    check(rep["to_read_files"] > 100, "force reads every file")
    verify(t)


def test_an_empty_vault_needs_no_repair(t):
    sim = t.sim()
    phone = sim.phone()
    root = t.dir / "Nightstand"
    root.mkdir()
    (root / "VAULT").write_text("nightstand-vault 1\nid " + "0" * 32 + "\n")
    r = t.nightstand("repair", "--vault", t.dir, ok=False)
    equal(r.returncode, 32, "no phone")
    (root / phone.udid / "latest" / phone.udid).mkdir(parents=True)
    equal(repair(t)["found"], "not needed yet", "a phone without a backup")
    r = t.nightstand("repair", "--vault", t.dir / "nowhere", ok=False)
    equal(r.returncode, 32, "no disk")


def test_the_box_mends_what_has_one_answer(t):
    sim, phone, nights = three_nights(t)
    catalog(t, phone).write_bytes(b"garbage" * 1000)
    phone.ctl("mutate")
    t.backup(sim, phone, t.dir, "--state", t.path("state"))
    equal(states(t, phone), {n: "good" for n in (1, 2, 3, 4)}, "states")
    for n, night in enumerate(nights, 1):
        equal(held(t, phone, n), night, f"night {n}")
    verify(t)


def test_what_needs_a_person_is_not_mended(t):
    sim, phone, _ = three_nights(t, state=False)
    catalog(t, phone).write_bytes(b"garbage" * 1000)
    before = t.tree(folder(t, phone))
    r = t.backup(sim, phone, t.dir, "--state", t.path("state"), ok=False)
    equal(r.returncode, DAMAGED, r.stderr)
    check("nightstand repair" in r.stderr, r.stderr)
    equal(t.tree(folder(t, phone)), before, "nothing has changed")


def test_a_page_that_is_broken_is_met_in_the_night(t):
    """A catalogue that opens and breaks off later: no backup, the words."""
    sim, phone, nights = three_nights(t, state=False)
    path = catalog(t, phone)
    pages = path.stat().st_size // 4096
    db = sqlite3.connect(path)
    roots = {r for (r,) in db.execute("SELECT rootpage FROM sqlite_master")}
    db.close()
    check(pages > len(roots) + 4, "a catalogue of roots alone")
    with open(path, "r+b") as f:
        for page in set(range(2, pages + 1)) - roots:
            f.seek((page - 1) * 4096)
            f.write(bytes(4096))
    before = t.tree(t.latest(t.dir, phone))
    phone.ctl("mutate")
    r = t.backup(sim, phone, t.dir, ok=False)
    equal(r.returncode, DAMAGED, r.stderr)
    check("nightstand repair" in r.stderr, r.stderr)
    equal(t.tree(t.latest(t.dir, phone)), before, "latest/")
    t.nightstand("repair", "--vault", t.dir, ok=False)
    newest = max(states(t, phone))
    equal(held(t, phone, newest), nights[2], "the newest night")
    t.backup(sim, phone, t.dir)
    t.compare_plain(t.latest(t.dir, phone), phone.hashes())


def test_killed_in_the_middle_and_run_again(t):
    sim = t.sim({"files": 3000, "bytes": "300M"})
    phone = sim.phone()
    t.backup(sim, phone, t.dir)
    night = held(t, phone, 1)
    before = t.tree(t.latest(t.dir, phone))
    catalog(t, phone).write_bytes(b"garbage" * 1000)
    killed = 0
    for n in range(12):
        p = t.start_nightstand("repair", "--vault", t.dir, name=f"r{n}")
        try:
            p.p.wait(0.02 + 0.03 * n)
        except subprocess.TimeoutExpired:
            p.p.send_signal(signal.SIGKILL)
            p.p.wait()
            killed += 1
        broken = catalog(t, phone).read_bytes() == b"garbage" * 1000
        if not broken:
            equal(sqlite3.connect(catalog(t, phone)).execute(
                "PRAGMA integrity_check").fetchone()[0], "ok", "repaired")
    check(killed > 2, f"only {killed} were killed")
    r = t.nightstand("repair", "--vault", t.dir)
    equal(states(t, phone), {1: "good"}, "states")
    equal(held(t, phone, 1), night, "the night")
    equal(t.tree(t.latest(t.dir, phone)), before, "latest/")
    rests = [p.name for p in folder(t, phone).iterdir()
             if p.name.startswith("catalog.db.")
             and "broken" not in p.name]
    equal(rests, [], "rests of killed repairs")


def test_the_old_journal_is_not_rolled_into_the_new_one(t):
    _, phone, nights = three_nights(t)
    path = catalog(t, phone)
    # A hot journal as a cut in a commit leaves one, of a file that is then
    # broken beyond its help.
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA cache_size=1")
    db.execute("PRAGMA journal_mode=TRUNCATE")
    db.execute("BEGIN IMMEDIATE")
    db.execute("UPDATE entry SET mtime=mtime+1")
    journal = path.with_name("catalog.db-journal")
    hot = journal.read_bytes()
    check(len(hot) > 4096, "the journal is not hot")
    db.execute("ROLLBACK")
    db.close()
    path.write_bytes(b"garbage" * 3000)
    journal.write_bytes(hot)
    rep = repair(t)
    check(rep["repaired"], f"{rep}")
    for n in (1, 2, 3):
        equal(held(t, phone, n), nights[n - 1], f"night {n}")
    verify(t)
    path.unlink()
    journal.write_bytes(hot)
    check(repair(t)["repaired"], "the second time")
    for n in (1, 2, 3):
        equal(held(t, phone, n), nights[n - 1], f"night {n}, again")
