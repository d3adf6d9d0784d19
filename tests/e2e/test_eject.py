"""The disk is let go of: what runs on it ends, it is written and unmounted, and
not used again before it was away. Loop disks, as root."""

import os

from harness import check, equal, sha256_file, wait_until
from test_box import Box
from test_filesystems import Disk
from test_pin import Browser, pin_of


def phones_of(box):
    """[] also while the page does not answer."""
    return (box.status() or {}).get("phones", [])


def mounted(path):
    return any(line.split()[1] == str(path)
               for line in open("/proc/mounts", encoding="utf-8"))


def on_a_disk(t, sim, **config):
    """(box, its owner's browser, the disk): its loop stays when it is
    unmounted, as a stick stays in its port."""
    disk = Disk(t, "ext4", False)
    box = Box(t, sim, box__vault=disk.dir, **config)
    b = Browser(box)
    equal(b.sign_in(pin_of(t, box)), 200, "signing in")
    return box, b, disk


def test_ejected_and_plugged_in_again(t):
    sim = t.sim()
    phone = sim.phone()
    box, b, disk = on_a_disk(t, sim)
    box.wait_state("safe", phone=phone)
    check('value="eject"' in b.send("/")[1], "there is no button")
    equal(b.do("eject")[0], 200, "asked")
    st = box.wait_state("disk_ejected")
    check("may be unplugged" in st["headline"], st["headline"])
    check(not mounted(disk.dir), "it is still mounted")
    equal(st["disk"]["present"], False, "present")
    # Its bare place is nothing that could be used.
    check('value="use_disk"' not in b.send("/")[1], "there is a button")
    equal(b.do("use_disk")[0], 200, "asked for all the same")
    # Nobody is asked, and nothing is written at its empty place.
    phone.ctl("unplug")
    phone.ctl("plug")
    wait_until("the phone is there again",
               lambda: [p["attached"] for p in phones_of(box)] == [True])
    equal(b.do("backup", udid=phone.udid)[0], 200, "asked for a backup")
    box.wait_state("disk_ejected")
    # Nor by a box that begins anew.
    box.p.stop()
    box.start()
    box.wait_state("disk_ejected")
    wait_until("the phone is there again",
               lambda: [p["attached"] for p in phones_of(box)] == [True])
    equal(os.listdir(disk.dir), [], "at the empty mount point")
    disk.mount()
    # Who plugs a disk in is there, so the phone is asked at once: then there are two.
    wait_until("its backups",
               lambda: [p["versions"] for p in phones_of(box)] == [2], 40)
    check(box.status()["state"] != "disk_ejected", box.status()["state"])
    box.p.stop()
    box.start()
    check(box.status()["state"] != "disk_ejected", "it is still marked")


def test_a_backup_that_runs_ends_first(t):
    sim = t.sim({"bytes": "80M", "files": 800})
    phone = sim.phone()
    box, b, disk = on_a_disk(t, sim)
    box.wait_state("safe", phone=phone, seconds=60)
    before = t.tree(t.latest(disk.dir, phone))
    phone.ctl("mutate", "change=400", "seed=3")
    phone.ctl("at", "upload-file:100", "pause", 5000)
    equal(b.do("backup", udid=phone.udid)[0], 200, "asked for another")
    box.wait_state("receiving", phone=phone)
    equal(b.do("eject")[0], 200, "asked")
    box.wait_state("disk_ejected", 40)
    check(not mounted(disk.dir), "it is still mounted")
    equal(t.run("e2fsck", "-fn", disk.loop, ok=False).returncode, 0, "e2fsck")
    disk.mount()
    equal(t.tree(t.latest(disk.dir, phone)), before, "the backup before")
    wait_until("the disk is used again",
               lambda: (box.status() or {}).get("state", "disk_ejected")
               != "disk_ejected")
    equal(b.do("backup", udid=phone.udid)[0], 200, "and again")
    wait_until("the other one",
               lambda: [p["versions"] for p in phones_of(box)] == [2], 60)
    equal(t.nightstand("verify", "--vault", disk.dir).returncode, 0, "verify")


def test_in_use_by_another_program(t):
    sim = t.sim({"plugged": "no"})
    box, b, disk = on_a_disk(t, sim)
    (disk.dir / "held").write_text("x")
    with open(disk.dir / "held", encoding="utf-8"):
        equal(b.do("eject")[0], 200, "asked")
        st = box.wait_state("disk_held")
        check("Do not unplug" in st["headline"], st["headline"])
        check("python" in st["sentence"] and "uses it" in st["sentence"],
              st["sentence"])
        check(mounted(disk.dir), "it was torn away")
        check('value="use_disk"' in b.send("/")[1], "no way back")
        equal(b.do("use_disk")[0], 200, "used again")
        box.wait_state("ready")
        equal(b.do("eject")[0], 200, "asked again")
        box.wait_state("disk_held")
    # It ended: now it goes.
    check('value="eject"' in b.send("/")[1], "there is no button")
    equal(b.do("eject")[0], 200, "and again")
    box.wait_state("disk_ejected")
    check(not mounted(disk.dir), "it is still mounted")


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
    st = box.wait_state("disk_held")
    check("eject it there" in st["sentence"], st["sentence"])
    equal(sha256_file(newest), before, "the newest backup")
    equal(b.do("prepare", pin=pin_of(t, box))[0], 400, "nothing to prepare")
    equal(b.do("use_disk")[0], 200, "used again")
    wait_until("it is used", lambda: (box.status() or {}).get("state", "disk_held")
               != "disk_held")
    equal(b.do("backup", udid=phone.udid)[0], 200, "asked for a backup")
    wait_until("another backup",
               lambda: [p["versions"] for p in phones_of(box)] == [2], 40)
