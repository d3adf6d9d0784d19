"""What can go wrong in a night. Each test ends with the earlier snapshot
byte-identical, an exit status of its own, words that help, and a good backup
once the trouble is over."""

import os
import re

from harness import SAN, check, equal, wait_until


def exit_status(t, name):
    """The number that `nightstand help exit` documents for an id."""
    text = t.nightstand("help", "exit").stdout
    m = re.search(rf"^\s*(\d+)\s+{re.escape(name)}\b", text, re.M)
    check(m, f"no exit status {name} in:\n{text}")
    return int(m.group(1))


class Trouble:
    """A good first night and a changed phone; end() does the checks."""

    def __init__(self, t, sim=None, vault=None, **knobs):
        self.t = t
        self.sim = sim or t.sim({"files": 80, "bytes": "2M"})
        self.phone = self.sim.phone()
        for k, v in knobs.items():
            self.phone.ctl("set", k, v)
        self.vault = vault or t.dir
        self.vault.mkdir(exist_ok=True)
        t.backup(self.sim, self.phone, self.vault)
        self.latest = t.latest(self.vault, self.phone)
        self.tomorrow()

    def tomorrow(self, seed=8):
        """The phone changes; what lies on the disk now must stay."""
        self.phone.ctl("mutate", "grow=10", "change=20", "add=20", "remove=3",
                       f"seed={seed}")
        self.before = self.t.tree(self.latest)

    def fails(self, wanted, *words, args=()):
        r = self.t.backup(self.sim, self.phone, self.vault, *args, ok=False)
        text = r.stdout + r.stderr
        equal(r.returncode, exit_status(self.t, wanted),
              f"exit status of {wanted}; it said:\n{text[-1500:]}\n")
        for w in words:
            check(w.lower() in text.lower(), f"no word of {w!r} in:\n{text}")
        check("error occurred" not in text.lower(), text)
        equal(self.t.tree(self.latest), self.before, "the earlier night")
        return text

    def end(self):
        t = self.t
        self.phone.ctl("plug", check_ok=False)
        t.backup(self.sim, self.phone, self.vault)
        t.compare_plain(self.latest, self.phone.hashes())
        t.nightstand("verify", "--vault", self.vault, "--udid",
                     self.phone.udid)


def test_locked_phone_is_asked_for_and_then_goes_on(t):
    sim = t.sim({"trusted": "no", "locked": "yes"})
    phone = sim.phone()
    p = t.start_nightstand("backup", "--vault", t.dir, "--udid", phone.udid,
                           sim=sim)
    wait_until("the unlock words", lambda: "Unlock" in p.out + p.err)
    phone.ctl("unlock")
    wait_until("the Trust words", lambda: "Trust" in p.out + p.err)
    phone.ctl("trust")
    equal(p.wait(), 0, "exit status")
    t.compare_plain(t.latest(t.dir, phone), phone.hashes())


def test_phone_that_stays_locked(t):
    sim = t.sim({"trusted": "no", "locked": "yes"})
    conf = t.path("c.conf")
    conf.write_text("[phone]\nunlock_wait_s = 2\n")
    r = t.backup(sim, sim.phone(), t.dir, "--config", conf, ok=False)
    equal(r.returncode, exit_status(t, "locked"), r.stderr)


def test_trust_refused(t):
    sim = t.sim({"trusted": "no"})
    phone = sim.phone()
    phone.ctl("deny")
    r = t.backup(sim, phone, t.dir, ok=False)
    equal(r.returncode, exit_status(t, "trust_refused"), r.stderr)
    check("plug it in again" in r.stdout + r.stderr, r.stderr)
    phone.ctl("unplug")
    phone.ctl("plug")
    phone.ctl("trust")
    t.backup(sim, phone, t.dir)
    t.compare_plain(t.latest(t.dir, phone), phone.hashes())


def test_nobody_taps_trust(t):
    sim = t.sim({"trusted": "no"})
    conf = t.path("c.conf")
    conf.write_text("[phone]\ntrust_wait_s = 2\n")
    r = t.backup(sim, sim.phone(), t.dir, "--config", conf, ok=False)
    equal(r.returncode, exit_status(t, "trust_wait"), r.stderr)


def test_no_phone_comes(t):
    sim = t.sim({"plugged": "no"})
    r = t.nightstand("backup", "--vault", t.dir, "--wait", 1, sim=sim,
                     ok=False)
    equal(r.returncode, exit_status(t, "no_phone"), r.stderr)


def test_phone_forgot_the_pairing(t):
    x = Trouble(t)
    x.phone.ctl("forget")
    x.phone.ctl("trust")
    x.end()


def test_passcode_ignored(t):
    x = Trouble(t)
    x.phone.ctl("passcode", "ignored", 500)
    x.fails("passcode", "passcode", "208")
    x.phone.ctl("passcode", "entered", 0)
    x.end()


def test_passcode_refused(t):
    x = Trouble(t)
    x.phone.ctl("passcode", "refused", 200)
    x.fails("passcode", "passcode")
    x.phone.ctl("passcode", "entered", 0)
    x.end()


def test_unplugged(t):
    x = Trouble(t)
    x.phone.ctl("at", "upload-file:10", "unplug")
    x.fails("unplugged", "unplugged", "earlier backup")
    x.end()


def _code(code, wanted, *words):
    def test(t):
        x = Trouble(t, sim=t.sim({"files": 60, "bytes": "1M"}))
        # The sanitizers' run takes one point a code, each in its turn.
        points = ("scan", "upload", "response")
        if SAN:
            points = points[code % 3:][:1]
        for night, point in enumerate(points):
            x.tomorrow(seed=night)
            x.phone.ctl("at", point, "error", code)
            x.fails(wanted, str(code), *words)
            x.end()
    test.slow = 6
    return test


for _n, _w, _words in (
        (1, "phone_other", ()),
        (3, "restart_phone", ("restart",)),
        (102, "phone_full", ("space",)),
        (104, "phone_files", ("restart",)),
        (105, "disk_full", ()),
        (106, "disk_full", ()),
        (202, "cancelled", ("cancelled",)),
        (205, "broken_backup", ()),
        (207, "password", ("password",)),
        (208, "passcode", ("passcode",)),
        (211, "find_my", ("Find My",)),
        (212, "setup", ("setup",))):
    globals()[f"test_error_code_{_n}"] = _code(_n, _w, *_words)


def test_cancel_on_the_phone(t):
    x = Trouble(t)
    x.phone.ctl("at", "upload", "cancel")
    x.fails("cancelled")
    x.end()


def test_setup_assistant_is_open(t):
    x = Trouble(t)
    x.phone.ctl("set", "setup_done", 0)
    x.fails("setup", "setup")
    x.phone.ctl("set", "setup_done", 1)
    x.end()


def test_a_file_that_the_phone_cannot_read(t):
    x = Trouble(t)
    items = x.phone.hashes()
    name = next(n for n, i in sorted(items.items())
                if i.size > 2000 and not i.encrypted_only)
    x.phone.ctl("set", "fail_file", items[name].file_id)
    x.fails("phone_files", "104", args=("--full",))
    x.phone.ctl("set", "fail_file", "-")
    x.end()


def test_a_silent_phone(t):
    x = Trouble(t)
    conf = t.path("c.conf")
    conf.write_text("[phone]\nfirst_wait_s = 2\nnext_wait_s = 2\n")
    x.phone.ctl("at", "upload:1", "silence", 8000)
    x.fails("silent", args=("--config", conf))
    wait_until("the phone's end of it", lambda: not x.phone.status()["links"])
    x.end()


test_a_silent_phone.slow = 11


def test_long_silence_is_waited_for(t):
    x = Trouble(t)
    x.phone.ctl("set", "scan_ms", 8000)
    x.end()


test_long_silence_is_waited_for.slow = 10


def test_disk_full_in_the_middle(t):
    disk = t.small_disk(48)
    sim = t.sim({"files": 60, "bytes": "8M"})
    # A phone that does not ask for room first: the disk fills anyway.
    x = Trouble(t, sim=sim, vault=disk, purge_rule=0)
    filler = disk / "other people's data"
    free = os.statvfs(disk)
    filler.write_bytes(b"x" * (free.f_bavail * free.f_frsize - (3 << 20)))
    x.fails("disk_full", args=("--full",))
    t.nightstand("verify", "--vault", disk, "--udid", x.phone.udid)
    filler.unlink()
    x.end()


def test_disk_too_small_is_said_in_gb(t):
    disk = t.small_disk(180)
    sim = t.sim({"files": 60, "bytes": "100M"})
    phone = sim.phone()
    r = t.backup(sim, phone, disk, ok=False)
    equal(r.returncode, exit_status(t, "disk_full"), r.stderr)
    check(re.search(r"\d+(\.\d+)? (GB|MB) more", r.stdout + r.stderr),
          r.stdout + r.stderr)


def test_read_only_disk(t):
    disk = t.small_disk(64)
    x = Trouble(t, vault=disk, purge_rule=0)
    t.run("mount", "-o", "remount,ro", disk)
    r = t.backup(x.sim, x.phone, disk, ok=False)
    check(r.returncode != 0, "a backup onto a read-only disk")
    check("read" in r.stderr, r.stderr)
    equal(t.tree(x.latest), x.before, "the earlier night")
    t.run("mount", "-o", "remount,rw", disk)
    x.end()


def test_fat32_is_refused_with_the_reason(t):
    if "vfat" not in open("/proc/filesystems").read():
        t.skip("this kernel has no vfat")
    disk = t.small_disk(40, ("mkfs.vfat", "-F", "32"))
    sim = t.sim()
    r = t.backup(sim, sim.phone(), disk, ok=False)
    check(r.returncode != 0, "FAT32 was taken")
    check("4 GB" in r.stdout + r.stderr, r.stderr)


def test_vault_folder_that_is_not_ours(t):
    (t.dir / "Nightstand").mkdir()
    (t.dir / "Nightstand/VAULT").write_text("somebody else's\n")
    sim = t.sim()
    r = t.backup(sim, sim.phone(), t.dir, ok=False)
    check(r.returncode != 0, "a foreign folder was taken")
    equal((t.dir / "Nightstand/VAULT").read_text(), "somebody else's\n",
          "the foreign file")


def test_missing_folder(t):
    sim = t.sim()
    r = t.backup(sim, sim.phone(), t.path("nowhere"), ok=False)
    check(r.returncode != 0, "a folder that is not there was taken")
    check("nowhere" in r.stderr, r.stderr)


def _hostile(path, where):
    def test(t):
        x = Trouble(t)
        # Something that is there to be taken, whichever folder it is from.
        root = t.dir / "Nightstand"
        baits = [d / "evil" for d in (t.dir, root, root / x.phone.udid)
                 if where != "upload"]
        for bait in baits:
            bait.write_text("not the phone's\n")
        outside = t.tree(t.dir)
        x.phone.ctl("set", "hostile_where", where)
        x.phone.ctl("set", "hostile_path", path.replace("%T", str(t.dir)))
        x.phone.mark()
        r = t.backup(x.sim, x.phone, x.vault, ok=False)
        said = x.phone.wait_event(f"hostile {where} answered", 100)
        check(int(said.split()[-1]) < 0, f"{where} {path}: {said}")
        check(r.returncode > 0, f"{path} was taken:\n{r.stdout}")
        equal(t.tree(x.latest), x.before, "the earlier night")
        check(all(b.exists() for b in baits), "it took what was not its own")
        new = {k for k in t.tree(t.dir) if k not in outside
               and "/incoming" not in k
               and not k.startswith(("sim", "hashes"))
               and "catalog.db" not in k}
        check(not new, f"files outside: {new}")
        check(not (t.dir.parent / "evil").exists(), "it got out")
        x.phone.ctl("set", "hostile_path", "-")
        for bait in baits:
            bait.unlink()
        x.end()
    return test


for _name, _path in (
        ("parent", "%U/../../evil"), ("absolute", "/tmp/evil-nightstand"),
        ("other_device", "0123456789012345678901234567890123456789/evil"),
        ("dots", "%U/./evil"), ("empty_part", "%U//evil"),
        ("nul", "%U/e%00vil"), ("long", "%U/%L"),
        ("top", "evil"), ("backslash", "%U/..%5cevil")):
    globals()[f"test_hostile_upload_{_name}"] = _hostile(_path, "upload")
for _where in ("download", "list", "mkdir", "move-from", "move-to", "remove"):
    for _name, _path in (("parent", "%U/../../evil"),
                         ("absolute", "%T/evil")):
        globals()[f"test_hostile_{_where.replace('-', '_')}_{_name}"] = \
            _hostile(_path, _where)


def _garbage(*what):
    def test(t):
        x = Trouble(t)
        x.phone.mark()
        x.phone.ctl(*what)
        r = t.backup(x.sim, x.phone, x.vault, ok=False, seconds=60)
        x.phone.wait_event("fault ", 100)
        check(r.returncode > 0, f"{what}: exit status {r.returncode}")
        equal(t.tree(x.latest), x.before, "the earlier night")
        x.end()
    return test


for _name, _what in (
        ("bytes_before_hello", ("at", "hello", "garbage", 64)),
        ("bytes_in_the_scan", ("at", "scan", "garbage", 4000)),
        ("bytes_before_a_batch", ("at", "upload:1", "garbage", 64)),
        ("bytes_inside_a_batch", ("at", "upload-file:5", "garbage", 700)),
        ("bytes_at_the_end", ("at", "response", "garbage", 64))):
    globals()[f"test_garbage_{_name}"] = _garbage(*_what)
for _kind in ("name-length", "name-max", "dest-length", "dest-empty",
              "dest-nul", "chunk-length", "chunk-max", "chunk-zero", "tag",
              "end-text"):
    globals()[f"test_stream_with_{_kind.replace('-', '_')}"] = \
        _garbage("at", "upload-file:3", "insane", _kind)
for _kind in ("unknown", "short", "types", "deep", "not-array", "name-long",
              "plist-length", "plist-zero", "plist-junk"):
    globals()[f"test_message_{_kind.replace('-', '_')}"] = \
        _garbage("at", "space", "insane", _kind)
