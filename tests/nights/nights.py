#!/usr/bin/env python3
"""A thousand nights: a simulated phone grows and changes, each night goes wrong
in a way drawn by lot, and after each one every kept snapshot is compared with
what the phone held when it was taken.

nights.py [-n N] [--seed S] [--keep] [--verbose]

As root the vault lies on an ext4 of its own on a loop device, and two kinds of
fault more are drawn: a power cut (the kernel's FS_IOC_SHUTDOWN: what was not
on the medium is lost, the mount is dead, and the journal is replayed by the
next one), and a full disk. The clock is moved by Debian's libfaketime, a day a
night, so that retention has something to do. The same seed draws the same
nights; how far a cut or killed backup gets still depends on the machine.

Ends with a table and status 0 only if no snapshot was lost and no damage went
unnoticed.
"""

import argparse
import collections
import contextlib
import fcntl
import glob
import json
import os
import pathlib
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "e2e"))
import harness  # noqa: E402  (needs the path above)
import mbformat  # noqa: E402

FS_IOC_SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32)
SHUTDOWN_NOLOGFLUSH = 2
DISK_GIB = 16  # sparse: only what is used takes room below
MIB = 1 << 20

# kind: weight. The first column of the closing table.
KINDS = {
    "normal": 30, "unplugged at a byte": 14, "killed process": 10,
    "power cut": 10, "disk full": 5, "flipped bit": 6, "file removed": 4,
    "clock jumped": 6, "two phones": 6, "forced full": 4,
    "encryption switched": 5,
}
NEEDS_DISK = {"power cut", "disk full"}


class Disk:
    """Where the vault lies. Without root: a folder."""

    def __init__(self, rig):
        self.rig = rig
        self.path = rig.path("disk")
        self.path.mkdir()
        self.image = None
        if os.geteuid() != 0:
            return
        self.image = rig.path("disk.img")
        with open(self.image, "wb") as f:
            f.truncate(DISK_GIB << 30)
        rig.run("mkfs.ext4", "-q", "-F", "-m", "0", self.image)
        self.mount()
        rig.cleanups.append(self.umount)

    def mount(self):
        # A loop device of its own each time: a dead mount that somebody still
        # holds keeps the old one, on a file that has no name any more.
        self.loop = self.rig.run("losetup", "-f", "--show",
                                 self.image).stdout.strip()
        self.rig.run("mount", self.loop, self.path)

    def umount(self):
        for args in ([], [], [], ["-l"]):
            r = subprocess.run(["umount", *args, str(self.path)],
                               check=False, capture_output=True)
            if r.returncode == 0:
                break
            time.sleep(0.5)
        # Gone at once, or with its last user.
        subprocess.run(["losetup", "-d", self.loop], check=False)

    def cut_power(self):
        fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(fd, FS_IOC_SHUTDOWN,
                        struct.pack("I", SHUTDOWN_NOLOGFLUSH))
        finally:
            os.close(fd)
        # What the medium holds now is all that the next boot may see. The
        # dead mount lives on while anybody has a file of it open, and its
        # buffers may still be written: a disk without power takes no more.
        medium = self.image.with_suffix(".medium")
        self.rig.run("cp", "--sparse=always", self.image, medium)
        self.image.unlink()
        medium.rename(self.image)

    @contextlib.contextmanager
    def filled(self, leave):
        """All but `leave` bytes are taken by somebody else."""
        sv = os.statvfs(self.path)
        filler = self.path / "somebody-else"
        want = sv.f_bavail * sv.f_frsize - leave
        with open(filler, "wb") as f:
            if want > 0:
                os.posix_fallocate(f.fileno(), 0, want)
        try:
            yield
        finally:
            filler.unlink()
            os.sync()  # else a power cut brings it back

    def used(self):
        sv = os.statvfs(self.path)
        return (sv.f_blocks - sv.f_bfree) * sv.f_frsize


class Book:
    """What is known of one phone's nights, independent of the vault."""

    def __init__(self, phone):
        self.phone = phone
        self.password = None
        self.truth = {}  # snapshot: {path: sha256 of the bytes as stored}
        self.tainted = set()  # snapshots that a fault of the disk touched
        self.sizes = {}  # sha256: bytes, of all contents that are kept


class Nights:
    def __init__(self, rig, seed, verbose):
        self.rig = rig
        self.dice = random.Random(seed)
        self.verbose = verbose
        self.disk = Disk(rig)
        self.sim = rig.sim(
            {"files": 90, "bytes": "3M", "seed": seed % 1000 + 1},
            {"files": 40, "bytes": "1M", "seed": seed % 1000 + 2,
             "format": "hex40"})
        self.books = [Book(p) for p in self.sim.phones()]
        for b in self.books:
            rig.run("idevicepair", "-u", b.phone.udid, "pair",
                    env=self.sim.env)
        self.clock = 0  # seconds ahead of the real one
        self.count = collections.Counter()
        self.outcome = collections.Counter()
        self.lost, self.unnoticed, self.healed = [], [], 0
        self.hashes = {}
        self.config = rig.path("nights.conf")
        self.config.write_text("[keep]\nlast = 3\ndaily = 7\nweekly = 4\n"
                               "monthly = 3\nyearly = 1\n")

    # -- the program ----------------------------------------------------------
    def env(self):
        lib = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
        harness.check(lib, "faketime is not installed")
        return {**self.sim.env, "LD_PRELOAD": lib[0],
                "FAKETIME": f"{self.clock:+d}", "FAKETIME_NO_CACHE": "1",
                "DONT_FAKE_MONOTONIC": "1"}

    def run(self, *args, ok=True):
        return self.rig.nightstand(*args, "--config", self.config,
                                   env=self.env(), ok=ok)

    def start(self, book, *args):
        full = {**os.environ, **self.env()}
        return subprocess.Popen(
            [str(a) for a in (harness.NIGHTSTAND, "backup", "--vault",
                              self.disk.path, "--udid", book.phone.udid,
                              "--config", self.config, *args)],
            env=full, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=open(self.rig.path("nightstand.err"), "ab"))

    def backup(self, book, *args):
        p = self.start(book, *args)
        try:
            return p.wait(180)
        except subprocess.TimeoutExpired:
            p.kill()
            raise harness.Failed("a backup took more than 180 s") from None

    # -- the world --------------------------------------------------------------
    def day(self, book):
        d = self.dice
        if d.random() < 0.85:
            # Files double: in a thousand nights some would fill any disk.
            grows = d.randint(0, 2)
            if book.phone.status()["bytes"] > 100 * MIB:
                grows = 0
            book.phone.ctl("mutate", f"change={d.randint(0, 8)}",
                           f"add={d.randint(0, 5)}",
                           f"remove={d.randint(0, 5)}",
                           f"rename={d.randint(0, 2)}",
                           f"grow={grows}",
                           f"seed={d.randint(1, 10**6)}")

    def draw(self):
        kinds = {k: w for k, w in KINDS.items()
                 if self.disk.image or k not in NEEDS_DISK}
        return self.dice.choices(list(kinds), list(kinds.values()))[0]

    # -- the faults -------------------------------------------------------------
    def night_normal(self, book):
        return self.backup(book)

    night_forced_full = lambda self, book: self.backup(book, "--full")

    def night_unplugged_at_a_byte(self, book):
        top = self.dice.choice((20_000, 200_000, 4_000_000))
        book.phone.ctl("cut", self.dice.randint(1, top))
        code = self.backup(book)
        book.phone.ctl("cut", 0)
        book.phone.ctl("plug")
        return code

    def night_killed_process(self, book):
        p = self.start(book)
        time.sleep(self.dice.random() * 0.9)
        p.send_signal(signal.SIGKILL)
        return p.wait()

    def night_power_cut(self, book):
        p = self.start(book)
        time.sleep(self.dice.random() * 0.9)
        self.disk.cut_power()
        p.send_signal(signal.SIGKILL)
        code = p.wait()
        self.disk.umount()
        self.disk.mount()
        return code

    def night_disk_full(self, book):
        leave = 64 * MIB + self.dice.choice((0, 200_000, 2 * MIB))
        with self.disk.filled(leave):
            return self.backup(book)

    def night_clock_jumped(self, book):
        days = self.dice.choice((-400, -40, -2, 3, 35, 370))
        self.clock += days * 86400
        return self.backup(book)

    def night_two_phones(self, _):
        started = [self.start(b) for b in self.books]
        return max(p.wait(180) for p in started)

    def night_encryption_switched(self, book):
        new = None if book.password else f"pw{self.dice.randint(1, 99)}"
        book.phone.ctl("password", book.password or "-", new or "-")
        book.password = new
        return self.backup(book)

    def victim(self, book):
        """A file of the vault that some snapshot needs, and those."""
        need = collections.defaultdict(list)
        for snap in self.snapshots(book):
            if snap["state"] != "good":
                continue
            for e in self.files(book, snap["id"]):
                if e["kind"] == "file" and e["size"] > 0:
                    need[e["file"]].append(snap["id"])
        return self.dice.choice(sorted(need.items())) if need else (None, [])

    def hurt(self, book, how):
        path, snaps = self.victim(book)
        if not path:
            return self.backup(book)
        how(pathlib.Path(path))
        book.tainted.update(snaps)
        r = self.run("verify", "--vault", self.disk.path, "--udid",
                     book.phone.udid, ok=False)
        if r.returncode != 41:
            self.unnoticed.append(f"{path}: verify ended with {r.returncode}")
        return self.backup(book)

    def night_flipped_bit(self, book):
        def flip(path):
            with open(path, "r+b") as f:
                data = bytearray(f.read())
                data[self.dice.randrange(len(data))] ^= \
                    1 << self.dice.randrange(8)
                f.seek(0)
                f.write(data)
        return self.hurt(book, flip)

    def night_file_removed(self, book):
        return self.hurt(book, lambda path: path.unlink())

    # -- what the vault says ------------------------------------------------------
    def snapshots(self, book):
        r = self.run("snapshots", "--vault", self.disk.path, "--udid",
                     book.phone.udid, "--json", ok=False)
        if r.returncode != 0:
            if book.truth:
                self.lost.append(f"list ended with {r.returncode}: {r.stderr}")
            return []
        return json.loads(r.stdout)

    def files(self, book, snapshot):
        r = self.run("files", "--vault", self.disk.path, "--udid",
                     book.phone.udid, "--snapshot", snapshot, "--json")
        return json.loads(r.stdout)

    def sha(self, path):
        """Of a file's bytes; read again when its inode has changed."""
        try:
            st = os.stat(path)
        except OSError:
            return "missing"
        key = (st.st_ino, st.st_ctime_ns, st.st_size)
        if key not in self.hashes:
            self.hashes[key] = harness.sha256_file(path)
        return self.hashes[key]

    def stored(self, book, snapshot):
        return {e["path"]: self.sha(e["file"])
                for e in self.files(book, snapshot) if e["kind"] == "file"}

    # -- the judgement ------------------------------------------------------------
    def take_into_book(self, book, snapshot):
        """A new snapshot must be what the phone holds at this moment."""
        latest = self.rig.latest(self.disk.path, book.phone)
        listing = self.rig.path("hashes-now")
        book.phone.ctl("hashes", listing)
        wanted = {name: e for name, e in mbformat.read_hashes(
            listing, bool(book.password)).items() if e.sha256 != "-"}
        have = mbformat.read_backup(latest, book.password)
        diff = mbformat.differences(have, wanted)
        if diff:
            self.lost.append(f"snapshot {snapshot} is not the phone: {diff}")
        book.truth[snapshot] = self.stored(book, snapshot)
        for e in self.files(book, snapshot):
            if e["kind"] == "file":
                book.sizes[book.truth[snapshot][e["path"]]] = e["size"]

    def judge(self, book):
        snaps = self.snapshots(book)
        if any(s["state"] == "committing" for s in snaps):
            # The next one that opens the vault to write ends the commit.
            self.run("prune", "--vault", self.disk.path, ok=False)
            snaps = self.snapshots(book)
        good = [s["id"] for s in snaps if s["state"] == "good"]
        there = {s["id"] for s in snaps if s["state"] in ("good", "damaged")}
        for snap in good:
            if snap not in book.truth:
                self.take_into_book(book, snap)
            elif self.stored(book, snap) != book.truth[snap]:
                self.unnoticed.append(
                    f"{book.phone.udid}: snapshot {snap} is called good")
            elif snap in book.tainted:
                book.tainted.discard(snap)
                self.healed += 1
        for snap in there - set(good) - book.tainted:
            self.lost.append(f"snapshot {snap} is damaged by nobody")
        # The two newest are never pruned; others go only by the rules.
        for snap in sorted(book.truth)[-2:]:
            if snap not in there:
                self.lost.append(f"snapshot {snap} is gone")
        for snap in set(book.truth) - there:
            del book.truth[snap]
            book.tainted.discard(snap)

    def night(self, number):
        self.clock += 86400
        kind = self.draw()
        book = self.books[0] if self.dice.random() < 0.8 else self.books[1]
        for b in self.books:
            self.day(b)
        code = getattr(self, "night_" + kind.replace(" ", "_"))(book)
        self.count[kind] += 1
        self.outcome[kind, code] += 1
        for b in self.books:
            self.judge(b)
        if self.verbose or self.lost or self.unnoticed:
            print(f"night {number}: {kind}, {book.phone.udid[:8]}: status "
                  f"{code}; kept "
                  f"{'+'.join(str(len(b.truth)) for b in self.books)}",
                  flush=True)
        if self.lost or self.unnoticed:
            raise harness.Failed("\n".join(self.lost + self.unnoticed))

    def table(self, nights, seconds):
        print(f"{nights} nights in {seconds:.0f} s")
        for kind in KINDS:
            if not self.count[kind]:
                continue
            ends = ", ".join(
                f"{code}: {n}" for (k, code), n in sorted(
                    self.outcome.items(), key=lambda kv: kv[0][1])
                if k == kind)
            print(f"  {kind:22} {self.count[kind]:5}   exit {ends}")
        kept = sum(len(b.truth) for b in self.books)
        need = sum(sum(b.sizes[s] for s in {s for t in b.truth.values()
                                            for s in t.values()})
                   for b in self.books)
        print(f"  snapshots kept {kept}, of them damaged by a fault and told "
              f"{sum(len(b.tainted) for b in self.books)}, healed "
              f"{self.healed}")
        print(f"  snapshots lost {len(self.lost)}, damage not noticed "
              f"{len(self.unnoticed)}")
        if self.disk.image:
            print(f"  disk used {self.disk.used() / MIB:.1f} MiB, bytes "
                  f"needed {need / MIB:.1f} MiB")


def main():
    ap = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("-n", type=int, default=30, help="nights (30)")
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--keep", action="store_true",
                    help="leave the vault where it was")
    ap.add_argument("--verbose", action="store_true")
    a = ap.parse_args()
    base = tempfile.mkdtemp(prefix="nightstand-nights-",
                            dir=os.environ.get("TMPDIR", "/var/tmp"))
    rig = harness.Rig("nights", base)
    nights = None
    done, start = 0, time.monotonic()
    try:
        nights = Nights(rig, a.seed, a.verbose)
        for done in range(1, a.n + 1):
            nights.night(done)
            if done % 50 == 0 and not a.verbose:
                print(f"{done} nights, {time.monotonic() - start:.0f} s",
                      flush=True)
    except harness.Failed as e:
        print(f"night {done} of seed {a.seed}: {e}")
    finally:
        if nights:
            nights.table(done, time.monotonic() - start)
        if not a.keep:
            rig.end()
            subprocess.run(["rm", "-rf", base], check=False)
    good = nights and not nights.lost and not nights.unnoticed and done == a.n
    print("all nights are accounted for" if good else "SOMETHING IS WRONG")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
