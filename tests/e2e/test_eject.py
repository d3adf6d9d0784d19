"""The disk is let go of: what runs on it ends, it is written and unmounted, and
not used again before it was away. Loop disks, as root."""

import os

from harness import check, equal, sha256_file, wait_until
from test_box import Box
from test_pin import Browser, pin_of


def mounted(path):
    return any(line.split()[1] == str(path)
               for line in open("/proc/mounts", encoding="utf-8"))


def on_a_disk(t, sim, **config):
    """(box, its owner's browser, the loop disk's folder)"""
    disk = t.small_disk(300)
    box = Box(t, sim, box__vault=disk, **config)
    b = Browser(box)
    equal(b.sign_in(pin_of(t, box)), 200, "signing in")
    return box, b, disk


def device_of(path):
    return next(line.split()[0] for line in
                open("/proc/mounts", encoding="utf-8")
                if line.split()[1] == str(path))


def test_ejected_and_plugged_in_again(t):
    t.needs_root()
    sim = t.sim()
    phone = sim.phone()
    box, b, disk = on_a_disk(t, sim)
    box.wait_state("safe", phone=phone)
    device = device_of(disk)
    check('value="eject"' in b.send("/")[1], "there is no button")
    equal(b.do("eject")[0], 200, "asked")
    st = box.wait_state("disk_ejected")
    check("may be unplugged" in st["headline"], st["headline"])
    check(not mounted(disk), "it is still mounted")
    check('value="use_disk"' in b.send("/")[1], "no way back")
    # Nobody is asked, and nothing is written at its empty place.
    phone.ctl("unplug")
    phone.ctl("plug")
    wait_until("the phone is there again",
               lambda: box.status()["phones"][0]["attached"])
    equal(b.do("backup", udid=phone.udid)[0], 200, "asked for a backup")
    box.wait_state("disk_ejected")
    equal(os.listdir(disk), [], "at the empty mount point")
    t.run("mount", device, disk)
    box.wait_state("safe", phone=phone, seconds=40)
    check(box.status()["phones"][0]["versions"] >= 1, "no backups there")


def test_a_backup_that_runs_ends_first(t):
    t.needs_root()
    sim = t.sim({"bytes": "80M", "files": 800})
    phone = sim.phone()
    box, b, disk = on_a_disk(t, sim)
    device = device_of(disk)
    box.wait_state("receiving", phone=phone)
    equal(b.do("eject")[0], 200, "asked")
    box.wait_state("disk_ejected", 40)
    check(not mounted(disk), "it is still mounted")
    equal(t.run("e2fsck", "-fn", device, ok=False).returncode, 0, "e2fsck")
    t.run("mount", device, disk)
    box.wait_state("safe", phone=phone, seconds=60)
    equal(t.nightstand("verify", "--vault", disk).returncode, 0, "verify")


def test_in_use_by_another_program(t):
    t.needs_root()
    sim = t.sim({"plugged": "no"})
    box, b, disk = on_a_disk(t, sim)
    (disk / "held").write_text("x")
    with open(disk / "held", encoding="utf-8"):
        equal(b.do("eject")[0], 200, "asked")
        st = box.wait_state("disk_ejected")
        check("python" in st["sentence"] and "uses it" in st["sentence"],
              st["sentence"])
        check(mounted(disk), "it was torn away")
    equal(b.do("use_disk")[0], 200, "used again")
    box.wait_state("ready")


def test_a_folder_of_a_computer(t):
    """No mount point: written, and the computer has to eject it."""
    sim = t.sim()
    phone = sim.phone()
    box = Box(t, sim)
    box.wait_state("safe", phone=phone)
    b = Browser(box)
    equal(b.do("eject")[0], 401, "without a session")
    b.sign_in(pin_of(t, box))
    newest = t.latest(box.vault, phone) / "Manifest.db"
    before = sha256_file(newest)
    equal(b.do("eject")[0], 200, "asked")
    st = box.wait_state("disk_ejected")
    check("eject it there" in st["sentence"], st["sentence"])
    equal(sha256_file(newest), before, "the newest backup")
    equal(b.do("prepare", pin=pin_of(t, box))[0], 400, "nothing to prepare")
    equal(b.do("use_disk")[0], 200, "used again")
    wait_until("it is used", lambda: box.status()["state"] != "disk_ejected")
    equal(b.do("backup", udid=phone.udid)[0], 200, "asked for a backup")
    wait_until("another backup",
               lambda: box.status()["phones"][0]["versions"] == 2, 40)
