"""`nightstand adopt`: what Debian's idevicebackup2 has made of the simulated
phone becomes the vault's first night."""

import json
import plistlib
import shutil
import subprocess

from harness import NIGHTSTAND, check, equal


def made(t, sim, phone, parent="old", *extra):
    """A backup by idevicebackup2: its folder."""
    folder = t.path(parent)
    folder.mkdir(exist_ok=True)
    t.run("idevicepair", "-u", phone.udid, "pair", env=sim.env)
    t.run("idevicebackup2", "-u", phone.udid, "backup", *extra, folder,
          env=sim.env)
    return folder / phone.udid


def adopt(t, folder, *extra, vault=None, ok=True, **kw):
    return t.nightstand("adopt", folder, "--vault", vault or t.dir, *extra,
                        ok=ok, **kw)


def status_of(t, name):
    for line in t.nightstand("help", "exit").stdout.splitlines():
        words = line.split()
        if words[1] == name:
            return int(words[0])
    raise KeyError(name)


def snapshots(t, vault, phone):
    return json.loads(t.nightstand("snapshots", "--vault", vault, "--udid",
                                   phone.udid, "--json").stdout)


def refused(t, folder, name, *extra, says="", **kw):
    """Adopting ends with that exit status, and the folder is as it was."""
    before = t.tree(folder)
    r = adopt(t, folder, *extra, ok=False, **kw)
    equal(r.returncode, status_of(t, name), r.stdout + r.stderr)
    check(says in r.stderr, f"{says!r} is not in {r.stderr!r}")
    equal(t.tree(folder), before, "the folder after a refusal")
    return r


def next_night(t, sim, phone, vault):
    """The phone changes, and sends what has changed."""
    sent = phone.status()["files_uploaded"]
    phone.ctl("mutate", "grow=3", "change=6", "remove=4", "rename=2", "add=5",
              "seed=3")
    t.backup(sim, phone, vault)
    sent = phone.status()["files_uploaded"] - sent
    check(16 <= sent <= 45, f"the night after the adoption sent {sent} files")
    t.compare_plain(t.latest(vault, phone), phone.hashes())
    t.nightstand("verify", "--vault", vault, "--udid", phone.udid)
    equal([s["state"] for s in snapshots(t, vault, phone)], ["good"] * 2,
          "snapshots")


def test_folder_becomes_the_first_night(t):
    sim = t.sim({"files": 300, "bytes": "10M"})
    phone = sim.phone()
    folder = made(t, sim, phone)
    before = t.tree(folder)
    items = phone.hashes()
    inode = (folder / "Manifest.db").stat().st_ino
    date = plistlib.loads((folder / "Status.plist").read_bytes())["Date"]
    name = plistlib.loads((folder / "Info.plist").read_bytes())["Device Name"]
    r = adopt(t, folder)
    check(name in r.stdout, r.stdout)
    latest = t.latest(t.dir, phone)
    equal(t.tree(latest), before, "what was adopted")
    equal((latest / "Manifest.db").stat().st_ino, inode, "it was moved")
    check(not folder.exists(), "the empty folder stayed")
    t.compare_plain(latest, items)
    snap, = snapshots(t, t.dir, phone)
    equal(snap["state"], "good", "state")
    equal(snap["name"], name, "name")
    equal(snap["files"], len([v for v in before.values() if v]), "files")
    # The phone's own date, and not today's: it is as old as it is.
    equal(snap["finished_at"], int((date - date.__class__(1970, 1, 1))
                                   .total_seconds()), "date")
    t.nightstand("verify", "--vault", t.dir)
    next_night(t, sim, phone, t.dir)


test_folder_becomes_the_first_night.slow = 15


def test_copy_leaves_the_folder_as_it_was(t):
    sim = t.sim({"files": 200, "bytes": "6M"})
    phone = sim.phone()
    folder = made(t, sim, phone)
    (folder / "notes.txt").write_text("mine")
    before = t.tree(folder)
    r = adopt(t, folder, "--copy")
    check("notes.txt" in r.stdout, r.stdout)
    equal(t.tree(folder), before, "the folder")
    del before["notes.txt"]
    equal(t.tree(t.latest(t.dir, phone)), before, "the copy")
    t.nightstand("verify", "--vault", t.dir)
    next_night(t, sim, phone, t.dir)


test_copy_leaves_the_folder_as_it_was.slow = 15


def test_encrypted_backup(t):
    sim = t.sim({"files": 80, "bytes": "2M"})
    phone = sim.phone()
    t.run("idevicepair", "-u", phone.udid, "pair", env=sim.env)
    t.path("old").mkdir()
    t.run("idevicebackup2", "-u", phone.udid, "encryption", "on", "word",
          t.path("old"), env=sim.env, ok=False)
    folder = made(t, sim, phone)
    before = t.tree(folder)
    adopt(t, folder)
    equal(t.tree(t.latest(t.dir, phone)), before, "what was adopted")
    equal([s["encrypted"] for s in snapshots(t, t.dir, phone)], [True],
          "encrypted")
    sent = phone.status()["files_uploaded"]
    phone.ctl("mutate", "change=5", "seed=3")
    t.backup(sim, phone, t.dir)
    check(phone.status()["files_uploaded"] - sent < 30, "not incremental")


test_encrypted_backup.slow = 15


def test_what_is_not_of_a_backup_stays(t):
    sim = t.sim({"files": 120, "bytes": "3M"})
    phone = sim.phone()
    folder = made(t, sim, phone)
    before = t.tree(folder)
    two = next(f for f in sorted(folder.iterdir())
               if f.is_dir() and any(f.iterdir()))
    strange = {
        folder / ".DS_Store": b"finder",
        folder / "Manifest.db-wal": b"",
        folder / "photos" / "a.jpg": b"jpeg",
        two / "._abc": b"resource fork",
        two / ("00" if two.name != "00" else "11").ljust(40, "0"): b"?",
    }
    for path, data in strange.items():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    (folder / "zz-link").symlink_to("/etc/passwd")
    r = adopt(t, folder)
    for name in (".DS_Store", "Manifest.db-wal", "photos", "._abc", "zz-link"):
        check(name in r.stdout, f"{name}: {r.stdout}")
    for path, data in strange.items():
        equal(path.read_bytes(), data, path)
    check((folder / "zz-link").is_symlink(), "the link")
    equal(t.tree(t.latest(t.dir, phone)), before, "what was adopted")
    next_night(t, sim, phone, t.dir)


test_what_is_not_of_a_backup_stays.slow = 15


def test_damaged_and_unfinished_folders_are_refused(t):
    sim = t.sim({"files": 60, "bytes": "2M"})
    phone = sim.phone()
    good = made(t, sim, phone)
    vault = t.path("vault")
    vault.mkdir()

    def broken(name):
        folder = t.path(name)
        shutil.copytree(good, folder)
        return folder

    f = broken("a-file-is-missing")
    victim = next(p for p in f.glob("??/*") if p.stat().st_size)
    victim.unlink()
    refused(t, f, "check", says=victim.name, vault=vault)

    f = broken("manifest-damaged")
    with open(f / "Manifest.db", "r+b") as db:
        db.seek(4096)
        db.write(b"\xee" * 8192)
    refused(t, f, "check", says="Manifest.db", vault=vault)

    f = broken("unfinished")
    status = plistlib.loads((f / "Status.plist").read_bytes())
    status["SnapshotState"] = "uploading"
    (f / "Status.plist").write_bytes(plistlib.dumps(status))
    refused(t, f, "check", says="uploading", vault=vault)

    f = broken("snapshot-left")
    (f / "Snapshot").mkdir()
    refused(t, f, "check", says="Snapshot", vault=vault)

    f = broken("no-manifest-plist")
    (f / "Manifest.plist").unlink()
    refused(t, f, "check", says="Manifest.plist", vault=vault)

    f = broken("ios-9")
    (f / "Manifest.db").rename(f / "Manifest.mbdb")
    refused(t, f, "disk_unfit", says="iOS 9", vault=vault)

    f = t.path("nothing")
    f.mkdir()
    refused(t, f, "usage", says="no iPhone backup", vault=vault)
    # None of them keeps the good one from being taken.
    adopt(t, good, vault=vault)


test_damaged_and_unfinished_folders_are_refused.slow = 10


def test_only_the_first_backup_can_be_adopted(t):
    sim = t.sim({"files": 60, "bytes": "2M"})
    phone = sim.phone()
    folder = made(t, sim, phone)
    t.backup(sim, phone, t.dir)
    before = t.tree(t.dir / "Nightstand")
    refused(t, folder, "usage", says="already")
    refused(t, folder, "usage", "--copy", says="already")
    refused(t, t.latest(t.dir, phone), "usage", says="part of the vault")
    after = t.tree(t.dir / "Nightstand")
    equal(set(after) ^ set(before), set(), "names in the vault")


def test_several_phones_in_one_folder(t):
    sim = t.sim({"files": 40, "seed": 1}, {"files": 40, "seed": 2,
                                            "format": "hex40"})
    one, two = sim.phones()
    parent = made(t, sim, one).parent
    made(t, sim, two)
    # As Finder puts an older one aside.
    shutil.copytree(parent / one.udid, parent / f"{one.udid}-20250101-120000")
    r = refused(t, parent, "usage")
    check(one.udid in r.stderr and two.udid in r.stderr, r.stderr)
    # In either case, with or without the dash.
    adopt(t, parent, "--udid", one.udid.lower())
    check(not (parent / one.udid).exists(), "the wrong one was taken")
    equal(len(snapshots(t, t.dir, one)), 1, "snapshots")
    adopt(t, parent, "--udid", two.udid.upper())
    equal(len(snapshots(t, t.dir, two)), 1, "snapshots")


test_several_phones_in_one_folder.slow = 8


def test_another_file_system(t):
    disk = t.small_disk(160)
    sim = t.sim({"files": 100, "bytes": "4M"})
    phone = sim.phone()
    folder = made(t, sim, phone)
    before = t.tree(folder)
    refused(t, folder, "disk_unfit", says="--copy", vault=disk)
    adopt(t, folder, "--copy", vault=disk)
    equal(t.tree(folder), before, "the folder")
    equal(t.tree(t.latest(disk, phone)), before, "the copy")
    next_night(t, sim, phone, disk)
    # The same disk, seen through another mount: a rename is refused there.
    (disk / "here").mkdir()
    other = t.path("bind")
    other.mkdir()
    t.run("mount", "--bind", disk, other)
    t.cleanups.append(
        lambda: subprocess.run(["umount", "-l", str(other)], check=False))
    shutil.copytree(folder, disk / "here" / phone.udid)
    vault = disk / "second"
    vault.mkdir()
    refused(t, other / "here" / phone.udid, "disk_unfit", says="--copy",
            vault=vault)
    adopt(t, disk / "here" / phone.udid, vault=vault)


test_another_file_system.slow = 12


def test_a_copy_that_has_no_room(t):
    disk = t.small_disk(16)
    sim = t.sim({"files": 30, "bytes": "20M"})
    folder = made(t, sim, sim.phone())
    refused(t, folder, "disk_full", "--copy", says="room", vault=disk)


def kill_at(t, folder, vault, n):
    """Runs an adoption whose n-th rename kills it; False: it came through."""
    r = t.run("strace", "-f", "-qq", "-o", t.path("strace.out"), "-e",
              "trace=renameat,renameat2", "-e",
              f"inject=renameat,renameat2:signal=SIGKILL:when={n}",
              NIGHTSTAND, "adopt", folder, "--vault", vault, ok=False)
    return r.returncode != 0


def test_killed_at_points(t):
    """SIGKILL at the n-th rename: the next open puts all of it back, or finds
    it adopted."""
    t.needs("strace")
    sim = t.sim({"files": 150, "bytes": "2M"})
    phone = sim.phone()
    folder = made(t, sim, phone)
    (folder / "stranger").write_text("stays")
    before = t.tree(folder)
    halves = ends = 0
    for n in (1, 2, 3, 4, 40, 150, 255, 262, 300, 500):
        vault = t.path(f"vault-{n}")
        vault.mkdir()
        copy = t.path(f"old-{n}")
        shutil.copytree(folder, copy)
        if not kill_at(t, copy, vault, n):
            break
        halves += 1 < len(t.tree(copy)) < len(before)
        # A second adoption opens the phone's part first: it finds a whole
        # folder again, or the vault that has it already.
        r = adopt(t, copy, vault=vault, ok=False)
        if r.returncode:
            ends += 1
            check("already" in r.stderr or "no iPhone backup" in r.stderr,
                  r.stderr)
        wanted = {k: v for k, v in before.items() if k != "stranger"}
        check(t.tree(t.latest(vault, phone)) == wanted,
              f"kill at rename {n}: something is missing")
        equal((copy / "stranger").read_text(), "stays", "the stranger")
        equal([s["state"] for s in snapshots(t, vault, phone)], ["good"],
              "snapshots")
        t.nightstand("verify", "--vault", vault)
    check(halves >= 4, f"{halves} kills were in the middle of the renames")
    check(ends >= 1, "no kill was after the commit point")


test_killed_at_points.slow = 12
