"""The power goes while a backup runs, or while the box starts, and both card and
disk lose what was not flushed (lossy.py). After each cut what is on the disk is one whole night of the
phone, the one before or the one that was on its way; after the last one the
box goes on as if nothing had been."""

import os
import random
import shutil
import subprocess
import time

import test_phone
import test_power
import vm
from lossy import LossyDisk

CUTS = int(os.environ.get("CUTS", "50"))
BOXES = 2 if CUTS < 20 else 3  # the cuts are shared among so many, side by side
SEED = int(os.environ.get("SEED", "1"))
# Where in a night: the phone's own steps, then what the box does alone.
POINTS = ("hello", "passcode", "upload-file:2", "upload-file:15", "upload-file:25", "manifest",
          "status-moving", "status-finished", "response")


class LossyCard:
    """A card behind lossy.py, read on this side as a file."""

    def __init__(self, card, lot):
        self.path = card.path
        self.disk = LossyDisk(card.path, lot)
        self.url = self.disk.url
        self.boot_files = card.boot_files


class House:
    """The box, its disks, its phone, and what the phone held on which night."""

    def __init__(self, rig, lot):
        self.rig, self.lot = rig, lot
        self.card = LossyCard(rig.card(), lot)
        self.disk = LossyDisk(rig.disk("backups", ["mkfs.ext4", "-q"], mib=256), lot)
        rig.ends += [self.card.disk.close, self.disk.close]
        self.machine = None
        self.phone = None
        self.nights = []  # {file id: sha256}, the newest last

    def start(self):
        self.machine = self.rig.vm(self.card, disks=[self.disk]).start()
        return self.machine

    def wait_ready(self):
        """The box, with its disk. Its page needs 7 s more, and is of no matter here."""
        self.machine.wait_line(r"box: disk /disk/backups state=0", 180)

    def versions(self):
        return max((p["versions"] for p in self.machine.status()["phones"]), default=0)

    def wait_for(self, what, is_so):
        end = time.time() + 180 * vm.SLOW
        while not is_so():
            if time.time() > end:
                raise vm.Failed(f"{what}: in vain; {self.machine.serial[-3000:]}")
            self.machine.read_serial(0.3)

    def plug(self, change=None):
        self.phone.ask(f"@{self.phone.udid} unplug")
        if change:
            self.phone.ask(f"@{self.phone.udid} mutate change=25 add=4 remove=2 seed={change}")
            self.nights.append(self.held())
        self.phone.ask(f"@{self.phone.udid} plug")

    def held(self):
        listing = self.rig.dir / "hashes"
        self.phone.ask(f"@{self.phone.udid} hashes {listing}")
        files = {}
        for line in listing.read_text().splitlines():
            sha, _, _, _, encrypted_only, fid, _ = line.split(" ", 6)
            if len(sha) == 64 and encrypted_only != "e":
                files[fid] = sha
        return files

    def cut(self):
        self.phone.ask(f"@{self.phone.udid} at clear")
        self.machine.cut()
        self.card.disk.cut()
        self.disk.cut()

    def look(self, where):
        """Is what the disk holds now one of the nights, and whole?"""
        image, out = self.rig.dir / "copy", self.rig.dir / "vault"
        subprocess.run(["cp", "--sparse=always", self.disk.path, image], check=True)
        mended = subprocess.run(["e2fsck", "-p", image], capture_output=True, text=True)
        assert mended.returncode in (0, 1), f"{where}: {mended.stdout}"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        subprocess.run(["debugfs", "-R", f"rdump /Nightstand {out}", image], check=True,
                       capture_output=True)
        for command in (["scrub", "--minutes", "0"], ["verify"]):
            done = subprocess.run([test_phone.BUILD / "nightstand", *command, "--vault", out],
                                  capture_output=True, text=True)
            assert done.returncode == 0, f"{where}: {command}: {done.stdout}{done.stderr}"
        latest = next(out.glob(f"**/{self.phone.udid}/latest/{self.phone.udid}"))
        for at in reversed(range(len(self.nights))):
            if test_phone.is_night(latest, self.nights[at]):
                # A later one may be all there, and only its end missing: the next
                # session goes on with it, and it is a backup of its own.
                del self.nights[:at]
                return
        raise AssertionError(f"{where}: the newest backup is no night of the phone")


def wait_point(h):
    """A phone that the driver has found at once was there before the box, which
    then does not ask for its passcode: it is plugged in again."""
    for again in (True, True, False):
        try:
            h.phone.ask(f"@{h.phone.udid} wait-event point {int(60000 * vm.SLOW)}")
            return
        except vm.Failed:
            if not again:
                raise
        h.plug()


def one_cut(h, n, seed):
    """Where it happened, in words."""
    m = h.start()
    if h.lot.random() < 0.2:
        after = h.lot.uniform(0.2, 8)
        m.sleep(after)
        where = f"{after:.1f} s after the kernel's start"
    else:
        h.wait_ready()
        m.sleep(2)
        h.plug(change=n + 2)
        where = h.lot.choice(POINTS)
        h.phone.ask(f"@{h.phone.udid} mark")
        h.phone.ask(f"@{h.phone.udid} at {where} pause 1")
        wait_point(h)
        delay = h.lot.choice((0, h.lot.uniform(0, 0.3), h.lot.uniform(0, 2)))
        m.sleep(delay)
        where = f"{delay:.2f} s after {where}"
    h.cut()
    return f"cut {n} (seed {seed}), {where}"


def cuts(rig, seed, count):
    lot = random.Random(seed)
    h = House(rig, lot)
    m = h.start()
    m.wait_state("ready")
    h.phone = test_phone.Phone(rig, files=60, bytes="3M", plugged="no")
    h.phone.ask(f"@{h.phone.udid} trust")
    h.nights.append(h.held())
    h.plug()
    m.wait_state("safe", 240)
    first_pin = test_power.pin(h.card)
    began = time.time()
    for n in range(count):
        if n:
            where = one_cut(h, n, seed)
        else:  # right behind the first word that it is safe
            where = "cut 0, once it is safe"
            h.cut()
        test_power.fine(h.machine.serial, where)
        h.look(where)
    m = h.start()
    h.wait_ready()
    kept = h.versions()
    h.plug(change=count + 2)
    h.wait_for("one more backup", lambda: h.versions() > kept)
    h.cut()
    h.nights = h.nights[-1:]
    h.look("the night after all of them")
    assert test_power.pin(h.card) == first_pin, "another PIN"
    return (f"{count} cuts, {(time.time() - began) / count:.0f} s each; disk: {h.disk.flushes} flushes, "
            f"{h.disk.lost} writes lost, {h.disk.torn} torn, {h.disk.kept} kept; card: "
            f"{h.card.disk.lost} lost, {h.card.disk.torn} torn, {h.card.disk.kept} kept")


def of_box(number):
    def test(rig):
        return cuts(rig, SEED * BOXES + number, -(-(CUTS - number) // BOXES))
    test.seconds = 100 + 30 * CUTS / BOXES
    return test


for number in range(BOXES):
    globals()[f"test_box_{number + 1}"] = of_box(number)
