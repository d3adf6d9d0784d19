"""`nightstand backup` against the simulated phone: what is on the disk
afterwards is compared with what the phone says it holds."""

import json
import signal

import mbformat
from harness import SAN, check, equal, sha256_file, wait_until

# Every named point of the protocol at which a backup is cut, in the order in
# which they pass: tools/phonesim/README.md.
POINTS = ["hello", "request", "passcode", "status-read", "scan", "space",
          "mkdir", "status-uploading", "upload", "upload-file:30", "manifest",
          "status-moving", "move", "move-manifest", "status-removing",
          "remove-snapshot", "status-finished", "verify", "response"]


def good_backup(t, sim, phone, vault, *args):
    r = t.backup(sim, phone, vault, *args)
    t.compare_plain(t.latest(vault, phone), phone.hashes())
    return r


def snapshots(t, vault, phone):
    r = t.nightstand("snapshots", "--vault", vault, "--udid", phone.udid,
                     "--json")
    return json.loads(r.stdout)


def test_first_backup_equals_the_phone(t):
    sim = t.sim({"files": 400, "bytes": "20M"})
    phone = sim.phone()
    good_backup(t, sim, phone, t.dir)
    files = mbformat.read_backup(str(t.latest(t.dir, phone)))
    equal(len(files),
          len([1 for i in phone.hashes().values()
               if i.sha != "-" and not i.encrypted_only]), "rows")
    snaps = snapshots(t, t.dir, phone)
    equal([s["state"] for s in snaps], ["good"], "snapshots")
    check(not (t.latest(t.dir, phone) / "Snapshot").exists(),
          "Snapshot/ is left over")


def test_layout_is_the_one_of_the_design(t):
    sim = t.sim()
    phone = sim.phone()
    good_backup(t, sim, phone, t.dir)
    root = t.dir / "Nightstand"
    equal(sorted(p.name for p in root.iterdir()),
          sorted(["VAULT", phone.udid]), "Nightstand/")
    names = {p.name for p in (root / phone.udid).iterdir()}
    check({"latest", "catalog.db"} <= names, f"{names}")
    check(names <= {"latest", "objects", "incoming", "catalog.db",
                    "catalog.db-journal"}, f"{names}")
    latest = t.latest(t.dir, phone)
    for name in ("Info.plist", "Manifest.plist", "Manifest.db",
                 "Status.plist"):
        check((latest / name).is_file(), f"{name} is missing")
    check(len([p for p in latest.iterdir() if p.is_dir()]) == 256,
          "the 256 folders")


def test_incremental_night_keeps_the_one_before(t):
    sim = t.sim({"files": 400, "bytes": "10M"})
    phone = sim.phone()
    good_backup(t, sim, phone, t.dir)
    first = {i.file_id: i.sha for i in phone.hashes().values()
             if i.sha != "-" and not i.encrypted_only}
    sent = phone.status()["files_uploaded"]
    phone.ctl("mutate", "grow=5", "change=10", "remove=8", "rename=3", "add=7",
              "seed=4")
    good_backup(t, sim, phone, t.dir)
    sent = phone.status()["files_uploaded"] - sent
    check(20 <= sent <= 60, f"an incremental night sent {sent} files")
    snaps = snapshots(t, t.dir, phone)
    equal(len(snaps), 2, "snapshots")
    r = t.nightstand("files", "--vault", t.dir, "--udid", phone.udid,
                     "--snapshot", snaps[-1]["id"], "--json")
    old, files = {}, {}
    for e in json.loads(r.stdout):
        name = e["path"].rsplit("/", 1)[-1]
        if e["kind"] == "file" and len(name) == 40:
            files[t.dir / e["file"]] = e["blake3"]
            old[name] = sha256_file(t.dir / e["file"])
    equal(old, first, "files of the first night")
    r = t.run("b3sum", "--", *files)
    theirs = dict(reversed(line.split("  ")) for line in r.stdout.splitlines())
    equal({str(f): b3 for f, b3 in files.items()}, theirs, "b3sum")
    t.nightstand("verify", "--vault", t.dir, "--udid", phone.udid)


def test_night_with_nothing_new(t):
    sim = t.sim({"files": 200})
    phone = sim.phone()
    good_backup(t, sim, phone, t.dir)
    sent = phone.status()["files_uploaded"]
    good_backup(t, sim, phone, t.dir)
    equal(phone.status()["files_uploaded"], sent, "files sent")


def test_full_backup_on_demand(t):
    sim = t.sim({"files": 150})
    phone = sim.phone()
    good_backup(t, sim, phone, t.dir)
    sent = phone.status()["files_uploaded"]
    good_backup(t, sim, phone, t.dir, "--full")
    check(phone.status()["files_uploaded"] - sent >= 150, "not a full backup")


def test_first_pairing_waits_for_trust(t):
    sim = t.sim({"trusted": "no"})
    phone = sim.phone()
    p = t.start_nightstand("backup", "--vault", t.dir, "--udid", phone.udid,
                           sim=sim)
    wait_until("the Trust words", lambda: "Trust" in p.out + p.err)
    phone.ctl("trust")
    equal(p.wait(), 0, "exit status")
    t.compare_plain(t.latest(t.dir, phone), phone.hashes())


def test_waits_for_a_phone_that_comes_later(t):
    sim = t.sim({"plugged": "no"})
    phone = sim.phone()
    p = t.start_nightstand("backup", "--vault", t.dir, sim=sim)
    wait_until("the plug-in words", lambda: "Plug in" in p.out + p.err)
    phone.ctl("plug")
    equal(p.wait(), 0, "exit status")
    t.compare_plain(t.latest(t.dir, phone), phone.hashes())


def test_passcode_words_are_shown(t):
    sim = t.sim()
    phone = sim.phone()
    phone.ctl("passcode", "wait")
    p = t.start_nightstand("backup", "--vault", t.dir, "--udid", phone.udid,
                           sim=sim)
    wait_until("the passcode words",
               lambda: "passcode" in (p.out + p.err).lower())
    phone.ctl("passcode", "now", "entered")
    equal(p.wait(), 0, "exit status")


def test_encrypted_backup_opens_with_the_password(t):
    sim = t.sim({"files": 150, "bytes": "4M"})
    phone = sim.phone()
    t.run("idevicepair", "-u", phone.udid, "pair", env=sim.env)
    t.run("idevicebackup2", "-u", phone.udid, "encryption", "on", "geheim",
          t.dir, env=sim.env, ok=False)
    t.backup(sim, phone, t.dir)
    items = phone.hashes()
    files = mbformat.read_backup(str(t.latest(t.dir, phone)), "geheim")
    for name, item in items.items():
        if item.sha != "-":
            equal(files[name].sha256, item.sha, f"content of {name}")
    check(snapshots(t, t.dir, phone)[0]["encrypted"], "not marked encrypted")
    phone.ctl("mutate", "change=5", "add=5", "seed=2")
    t.backup(sim, phone, t.dir)
    files = mbformat.read_backup(str(t.latest(t.dir, phone)), "geheim")
    for name, item in phone.hashes().items():
        if item.sha != "-":
            equal(files[name].sha256, item.sha, f"content of {name}")


def test_restore_by_idevicebackup2_from_latest(t):
    sim = t.sim({"files": 300, "bytes": "10M"})
    phone = sim.phone()
    good_backup(t, sim, phone, t.dir)
    phone.ctl("mutate", "grow=3", "change=5", "add=3", "remove=2", "seed=7")
    good_backup(t, sim, phone, t.dir)
    items = {n: i.key() for n, i in phone.hashes().items()
             if not i.encrypted_only}
    phone.ctl("wipe")
    t.run("idevicebackup2", "-u", phone.udid, "restore", "--system",
          "--settings", t.latest(t.dir, phone).parent, env=sim.env)
    wait_until("the phone's restart", lambda: phone.status()["plugged"])
    equal({n: i.key() for n, i in phone.hashes().items()}, items,
          "what the phone holds after the restore")


test_restore_by_idevicebackup2_from_latest.slow = 8


def test_file_above_4_gib(t):
    sim = t.sim({"files": 5, "bytes": "1M", "big-file": "4300M"})
    phone = sim.phone()
    good_backup(t, sim, phone, t.dir)


test_file_above_4_gib.slow = 50


def test_odd_chunks_and_empty_chunks(t):
    sim = t.sim({"files": 40, "bytes": "6M"})
    phone = sim.phone()
    phone.ctl("set", "chunk", 7777)
    phone.ctl("set", "empty_chunks", 1)
    good_backup(t, sim, phone, t.dir)


def test_huge_chunks(t):
    sim = t.sim({"files": 8, "bytes": "60M"})
    phone = sim.phone()
    phone.ctl("set", "chunk", 16 << 20)
    good_backup(t, sim, phone, t.dir)


def test_many_rows(t):
    sim = t.sim({"files": 500, "rows": 20000})
    phone = sim.phone()
    peak = t.peak_of_backup(sim, phone, t.dir)
    t.compare_plain(t.latest(t.dir, phone), phone.hashes())
    check(SAN or peak < 48 * 1024, f"peak memory {peak} KiB")


def test_two_phones_into_one_vault_at_once(t):
    sim = t.sim({"seed": 1, "files": 200, "bytes": "8M"},
                {"seed": 2, "files": 200, "bytes": "8M"})
    a, b = sim.phone(0), sim.phone(1)
    pa = t.start_nightstand("backup", "--vault", t.dir, "--udid", a.udid,
                            sim=sim, name="na")
    pb = t.start_nightstand("backup", "--vault", t.dir, "--udid", b.udid,
                            sim=sim, name="nb")
    equal([pa.wait(), pb.wait()], [0, 0], "exit statuses")
    for p in (a, b):
        t.compare_plain(t.latest(t.dir, p), p.hashes())


def interrupt(t, point, night):
    """A good night, a second one that is cut at `point`, a third."""
    sim = t.sim({"files": 120, "bytes": "3M"})
    phone = sim.phone()
    if night == "incremental":
        good_backup(t, sim, phone, t.dir)
        phone.ctl("mutate", "grow=40", "change=40", "remove=10", "rename=5",
                  "add=40", "seed=3")
    before = t.tree(t.latest(t.dir, phone)) if night == "incremental" else None
    phone.ctl("at", point, "unplug")
    r = t.backup(sim, phone, t.dir, ok=False)
    if r.returncode == 0:
        # After the last status the backup is whole; no last word is needed.
        check(point in ("verify", "response"), f"cut at {point}: exit 0")
    else:
        if before is not None:
            equal(t.tree(t.latest(t.dir, phone)), before,
                  f"the earlier night after a cut at {point}")
            t.nightstand("verify", "--vault", t.dir, "--udid", phone.udid)
        else:
            latest = t.latest(t.dir, phone)
            check(not latest.exists() or not any(latest.iterdir()),
                  "half a backup in latest/")
    phone.ctl("plug")
    good_backup(t, sim, phone, t.dir)
    t.nightstand("verify", "--vault", t.dir, "--udid", phone.udid)
    # And once more with nothing new: the state on both sides is settled.
    good_backup(t, sim, phone, t.dir)


def _make(point, night):
    def test(t):
        interrupt(t, point, night)
    test.slow = 3
    return test


for _i, _p in enumerate(POINTS):
    # The sanitizers' run takes each point once, full and incremental in turn.
    for _n in ("full", "incremental")[_i % 2:1 + _i % 2] if SAN else \
            ("full", "incremental"):
        _name = _p.replace("-", "_").replace(":", "_")
        globals()[f"test_cut_{_n}_at_{_name}"] = _make(_p, _n)
globals()["test_cut_incremental_at_remove"] = _make("remove", "incremental")


def test_cut_at_many_byte_counts(t):
    sim = t.sim({"files": 60, "bytes": "1M"})
    phone = sim.phone()
    good_backup(t, sim, phone, t.dir)
    tried = 0
    for n in range(2000, 900000, 180000 if SAN else 90000):
        phone.ctl("mutate", "change=20", "add=4", f"seed={n}")
        before = t.tree(t.latest(t.dir, phone))
        phone.ctl("cut", n)
        r = t.backup(sim, phone, t.dir, ok=False)
        if r.returncode:
            equal(t.tree(t.latest(t.dir, phone)), before,
                  f"the earlier night after a cut at byte {n}")
            tried += 1
        phone.ctl("cut", 0)
        phone.ctl("plug")
        good_backup(t, sim, phone, t.dir)
    check(tried >= 3, f"only {tried} cuts happened")


test_cut_at_many_byte_counts.slow = 13


def test_killed_session_loses_nothing(t):
    sim = t.sim({"files": 200, "bytes": "8M"})
    phone = sim.phone()
    good_backup(t, sim, phone, t.dir)
    before = t.tree(t.latest(t.dir, phone))
    phone.ctl("mutate", "change=150", "seed=5")
    phone.mark()
    phone.ctl("at", "upload-file:100", "pause", 4000)
    p = t.start_nightstand("backup", "--vault", t.dir, "--udid", phone.udid,
                           sim=sim)
    phone.wait_event("point upload-file")
    p.p.kill()
    p.p.wait()
    equal(t.tree(t.latest(t.dir, phone)), before, "the earlier night")
    wait_until("the phone to notice", lambda: not phone.status()["links"])
    good_backup(t, sim, phone, t.dir)


def test_ctrl_c_cancels_cleanly(t):
    sim = t.sim({"files": 200, "bytes": "8M"})
    phone = sim.phone()
    phone.mark()
    phone.ctl("at", "upload:1", "pause", 3000)
    p = t.start_nightstand("backup", "--vault", t.dir, "--udid", phone.udid,
                           sim=sim)
    phone.wait_event("point upload")
    code = p.stop(signal.SIGINT)
    check(code not in (0, None) and code > 0, f"exit status {code}")
    good_backup(t, sim, phone, t.dir)


def test_second_backup_of_the_same_phone_is_told_who_is_busy(t):
    sim = t.sim({"files": 100})
    phone = sim.phone()
    phone.mark()
    phone.ctl("at", "upload:1", "pause", 3000)
    p = t.start_nightstand("backup", "--vault", t.dir, "--udid", phone.udid,
                           sim=sim)
    phone.wait_event("point upload")
    r = t.backup(sim, phone, t.dir, ok=False)
    check(r.returncode != 0, "two backups of one phone at once")
    check("use" in r.stderr or "busy" in r.stderr, r.stderr)
    equal(p.wait(), 0, "the first one's exit status")
