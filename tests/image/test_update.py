"""An update in the card's other slot: tried, taken or given up."""

import http.client
import json
import os
import pathlib
import random
import shutil
import ssl
import subprocess
import sys
import time

import vm

sys.path.insert(0, str(vm.TOP / "tools/image"))
import cpio  # noqa: E402  (needs the path above)

TOOL = vm.TOP / "tools/image/update.py"
KEY = os.environ.get("NIGHTSTAND_UPDATE_KEY", os.path.join(
    os.environ.get("XDG_CONFIG_HOME") or pathlib.Path.home() / ".config",
    "nightstand/update-key.pem"))
NEWER = 4102444800  # 2100
HEAD = "os_prefix=a/\n#board=qemu-arm64\n"


def wait_night(m, text):
    """m: a machine, or its owner, who sees the reasons."""
    end = time.time() + 20 * vm.SLOW
    while not any(text in n["text"] for n in m.status()["nights"]):
        assert time.time() < end, m.status()["nights"]
        time.sleep(1)


def put_ready(card, kernel=None, initrd=None, page="page"):
    """As the box leaves it when an update has arrived whole."""
    subprocess.run(["mmd", "-i", f"{card.path}@@1M", "::b"], check=True)
    card.put("b/kernel8.img", kernel or card.take("a/kernel8.img"))
    card.put("b/initrd.img", initrd or card.take("a/initrd.img"))
    text = HEAD + f"#try=ready {page} 4102444800 9.9\n"
    card.put("slot.txt", text.ljust(511) + "\n")


def state(card):
    text = card.take("slot.txt").decode()
    assert len(text) == 512, len(text)
    return text.split("\n")[0], text.split("\n")[2].split()[0]


def restart(rig, m, cold=True):
    """The machine has ended with its restart, as -no-reboot has it. What goes on
    by kexec takes this start's command line with it: it has to be a cold one."""
    m.wait_end(300)
    return rig.vm(m.card, disks=m.disks, cmdline=m.cmdline, cold=cold, second=cold).start()


def test_good(rig):
    """The other kernel runs, says that it is well, and from then on starts."""
    card, disk = rig.card(), rig.disk("backups", ["mkfs.ext4", "-q"])
    put_ready(card)
    m = rig.vm(card, disks=[disk], cold=True, second=True).start()
    m.wait_line(r"starting the update version=9\.9")
    m.wait_line(r"slot=b board=qemu-arm64, on trial", 180)
    m.wait_line(r"the update is well", 180)
    m.cut()
    assert state(card) == ("os_prefix=b/", "#try=none"), state(card)
    m = rig.vm(card, disks=[disk]).start()
    m.wait_line(r"slot=b board=qemu-arm64(?!, on)")
    m.wait_state("ready")


def make(rig, build, kernel=None, initrd=None, board="qemu-arm64", key=None):
    """A disk whose root holds an update; signed by the builder's key, or `key`."""
    image, parts = vm.image_dir(), []
    for name, data in (("kernel8.img", kernel), ("initrd.img", initrd)):
        path = image / name
        if data is not None:
            path = rig.dir / f"new-{name}"
            path.write_bytes(data)
        parts.append(f"{name}={path}")
    out = rig.dir / "nightstand.update"
    subprocess.run([TOOL, "make", "--key", key or KEY, "--board", board, "--version", "9.9",
                    "--build", str(build), "--out", out, *parts], check=True,
                   stdout=subprocess.DEVNULL)
    return out


def disk_with(rig, update):
    root = rig.dir / "root"
    root.mkdir(exist_ok=True)
    shutil.copyfile(update, root / "nightstand.update")
    return rig.disk("backups", ["mkfs.ext4", "-q", "-d", str(root)])


def offer(m):
    """What the status says of it, once the file was looked at."""
    end = time.time() + 60 * vm.SLOW
    while time.time() < end:
        got = m.status()["box"]["update"]
        if got and (got["version"] or got["why"]):
            return got
        m.sleep(1)
    raise vm.Failed(f"no offer\n{m.serial[-2000:]}")


def test_from_the_disk(rig):
    """Offered, installed by its owner, tried, confirmed; the PIN stays."""
    card, disk = rig.card(), disk_with(rig, make(rig, NEWER))
    m = rig.vm(card, disks=[disk]).start()
    m.wait_state("ready", 180)
    got = offer(m)
    assert (got["version"], got["older"], got["why"]) == ("9.9", False, ""), got
    owner = m.owner()
    pin = owner.pin
    assert owner.do("update", version="9.9", pin="000000") == 403
    assert owner.do("update", version="9.8", pin=pin) == 400
    assert owner.do("update", version="9.9", pin=pin) == 200
    m.wait_line(r"the update is on the card version=9\.9: restarting", 300)
    m = restart(rig, m)
    m.wait_line(r"starting the update version=9\.9")
    m.wait_line(r"the update is well version=9\.9", 300)
    wait_night(m, "updated to version")
    assert m.owner().pin == pin
    m.cut()
    assert state(card) == ("os_prefix=b/", "#try=none"), state(card)
    m = rig.vm(card, disks=[disk]).start()
    m.wait_line(r"slot=b board=qemu-arm64")
    m.wait_state("ready", 180)


def test_refused(rig):
    """Another board, another key, an older one, a changed one: in words."""
    stranger = rig.dir / "stranger.pem"
    subprocess.run([TOOL, "key", "--key", stranger], check=True, stdout=subprocess.DEVNULL)
    m = rig.running()
    card = m.card
    m.plug_disk(rig.disk("plain", ["mkfs.ext4", "-q"]), "plain")
    m.wait_state("ready", 180)
    owner = m.owner()
    assert owner.do("update", version="9.9", pin=owner.pin) == 400
    cases = [({"build": NEWER, "board": "rpi-arm64"}, "another kind of box"),
             ({"build": NEWER, "key": stranger}, "nobody has signed it"),
             ({"build": 1}, "")]
    m.pull_disk("plain")
    m.wait_state("no_disk")
    for n, (how, why) in enumerate(cases):
        disk = disk_with(rig, make(rig, kernel=b"k", initrd=b"i", **how))
        m.plug_disk(disk, f"d{n}")
        m.wait_state("ready", 60)
        got = offer(m)
        assert why in got["why"] and bool(why) == bool(got["why"]), got
        code = owner.do("update", version=got["version"] or "9.9", pin=owner.pin)
        assert code == 400 or why, code
        m.sleep(1)
        assert m.status()["state"] == "ready"
        m.pull_disk(f"d{n}")
        m.wait_state("no_disk")
    assert got["older"], got
    m.cut()
    assert state(card) == ("os_prefix=a/", "#try=none"), state(card)
    assert card.take("b/kernel8.img") is None


def send(owner, path, part=1.0, hold=None):
    """Through the page's API; (status, JSON). `hold`: called when that part of it
    was sent, and then the line is cut."""
    data = path.read_bytes()
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    c = http.client.HTTPSConnection(owner.home.split("/")[2], timeout=600, context=context)
    jar = next(h.cookiejar for h in owner.opener.handlers if hasattr(h, "cookiejar"))
    cookie = next(iter(jar))
    c.putrequest("POST", "/api/update")
    for name, value in (("Cookie", f"{cookie.name}={cookie.value}"), ("X-CSRF", owner.csrf),
                        ("Content-Length", str(len(data)))):
        c.putheader(name, value)
    c.endheaders()
    c.send(data[:int(len(data) * part)])
    if hold:
        hold()
        c.close()
        return None
    with c.getresponse() as r:
        return r.status, json.loads(r.read())


def test_uploaded(rig):
    """Sent through the page, offered, installed by its owner, confirmed. The role
    that writes to the card is root no more, and what is no update changes nothing."""
    card, disk = rig.card(), rig.disk("backups", ["mkfs.ext4", "-q"])
    m = rig.vm(card, disks=[disk]).start()
    m.wait_state("ready", 180)
    owner = m.owner()
    other = make(rig, NEWER, kernel=b"k", initrd=b"i", board="rpi-arm64")
    code, said = send(owner, other)
    assert code == 400 and "another kind of box" in said["error"], (code, said)
    update = make(rig, NEWER)
    began = time.time()
    code, said = send(owner, update)
    took = time.time() - began
    assert code == 200, (code, said)
    got = m.status()["box"]["update"]
    assert (got["version"], got["sent"], got["older"], got["why"]) == ("9.9", True, False, ""), got
    m.wait_line(r"an update has arrived, whole and genuine version=9\.9")
    assert "it stays root" not in m.serial and "more of root's rights" not in m.serial
    assert owner.do("update", version="9.9", pin="000000") == 403
    assert owner.do("update", version="9.9", pin=owner.pin) == 200
    m.wait_line(r"the update is on the card version=9\.9: restarting", 300)
    m = restart(rig, m)
    m.wait_line(r"starting the update version=9\.9")
    m.wait_line(r"the update is well version=9\.9", 300)
    wait_night(m, "updated to version")
    m.cut()
    assert state(card) == ("os_prefix=b/", "#try=none"), state(card)
    return f"{update.stat().st_size / 1e6:.1f} MB in {took:.0f} s"


def test_upload_cut(rig):
    """The line, then the power, goes in the middle: the former version stays, and
    starts; what came is not offered."""
    card, disk = rig.card(), rig.disk("backups", ["mkfs.ext4", "-q"])
    update = make(rig, NEWER)
    m = rig.vm(card, disks=[disk]).start()
    m.wait_state("ready", 180)
    owner = m.owner()
    send(owner, update, 0.4, lambda: m.wait_state("update_comes"))
    wait_night(owner, "cut off at")
    got = m.status()["box"]["update"]
    assert got["version"] is None and "send it again" in got["why"], got
    send(owner, update, 0.5, lambda: (m.wait_state("update_comes"), m.cut()))
    assert state(card) == ("os_prefix=a/", "#try=none"), state(card)
    m = rig.vm(card, disks=[disk]).start()
    m.wait_line(r"slot=a board=qemu-arm64")
    m.wait_state("ready", 180)
    got = m.status()["box"]["update"]
    assert (got["version"], got["why"], got["trial"]) == (None, "", False), got
    # It arrives, and the power goes before it is installed: likewise.
    owner = m.owner()
    assert send(owner, update)[0] == 200
    m.cut()
    assert state(card) == ("os_prefix=a/", "#try=none"), state(card)
    m = rig.vm(card, disks=[disk]).start()
    m.wait_line(r"slot=a board=qemu-arm64")
    m.wait_state("ready", 180)


def comes_back(rig, kernel=None, initrd=None, why="did not start", cmdline=vm.CMDLINE,
               restarts=True):
    card, disk = rig.card(), rig.disk("backups", ["mkfs.ext4", "-q"])
    put_ready(card, kernel, initrd)
    m = rig.vm(card, disks=[disk], cmdline=cmdline, cold=True, second=True).start()
    m.wait_line(r"slot=a board=qemu-arm64")
    if restarts:
        m = restart(rig, m, cold=False)
    m.wait_line(f"The update to version 9.9 {why}.*; the former version runs again")
    m.wait_state("box_notice", 180)
    wait_night(m, "update not taken")
    m.cut()
    assert state(card) == ("os_prefix=a/", "#try=none"), state(card)


def test_kernel_is_none(rig):
    """It can't even be loaded: the start simply goes on."""
    comes_back(rig, kernel=b"no kernel at all" * 1000, restarts=False)


def test_kernel_without_init(rig):
    """It starts, finds no first process, and panics."""
    comes_back(rig, initrd=b"no initramfs at all" * 1000)


def test_kernel_hangs(rig):
    """Stopped before its first process: the watchdog that the former version
    armed bites. (QEMU only tells of it here; a power cut plays its part.)"""
    card = rig.card()
    put_ready(card)
    m = rig.vm(card, cmdline=vm.CMDLINE.replace(" quiet", ""), cold=True, second=True).start()
    m.wait_line(r"starting the update version=9\.9", 180)
    m.wait_line(r"Booting Linux on physical", 180, since=len(m.serial))
    m.hang()
    m.wait_event("WATCHDOG", 100)
    assert "on trial" not in m.serial
    m.cut()
    m = rig.vm(card).start()
    m.wait_line(r"did not start; the former version runs again", 180)


def test_unhealthy(rig):
    """It starts, but has no driver for the network: no page, so it is not well."""
    image = (vm.image_dir() / "initrd.img").read_bytes()
    modules = subprocess.run(["sh", "-c", "zstd -dqc | cpio -i --quiet --to-stdout "
                              "usr/lib/modules/modules.txt"], input=image, check=True,
                             capture_output=True).stdout
    root = cpio.Cpio()
    root.folder("usr")
    root.folder("usr/lib")
    root.folder("usr/lib/modules")
    root.file("usr/lib/modules/modules.txt",
              b"".join(line for line in modules.splitlines(True) if b"virtio_net" not in line))
    comes_back(rig, initrd=image + b"\0" * (-len(image) % 4) + root.bytes(),
               why="started, but did not report",
               cmdline=vm.CMDLINE + " nightstand.trial_s=40")


def test_cut_while_written(rig):
    """The power goes at moments of the installation: the former one starts, and
    what is to be tried is whole."""
    lot = random.Random(1)
    card, disk = rig.card(), disk_with(rig, make(rig, NEWER))
    seen = []
    while len(seen) < 3 and "#try=ready" not in seen:
        m = rig.vm(card, disks=[disk]).start()
        m.wait_state("ready", 180)
        offer(m)
        owner = m.owner()
        assert owner.do("update", version="9.9", pin=owner.pin) == 200
        m.wait_line(r"an update is installed")
        m.sleep(lot.uniform(0.05, 0.8))
        m.cut()
        slot, noted = state(card)
        assert slot == "os_prefix=a/", slot
        assert noted in ("#try=none", "#try=ready"), noted
        seen.append(noted)
    if seen[-1] == "#try=ready":
        for name in ("kernel8.img", "initrd.img"):
            assert card.take(f"b/{name}") == card.take(f"a/{name}"), f"b/{name} is not whole"
    m = rig.vm(card, disks=[disk]).start()
    m.wait_line(r"slot=a board=qemu-arm64")
    if seen[-1] == "#try=none":
        m.wait_state("ready", 180)
    return " ".join(seen)


def test_settings_are_reset(rig):
    """What was set on the page goes, with the PIN only; the PIN itself stays."""
    m = rig.running()
    m.plug_disk(rig.disk("backups", ["mkfs.ext4", "-q"]))
    m.wait_state("ready", 180)
    owner = m.owner()
    code, said = owner.post("/api/settings", csrf=owner.csrf, **{"policy.overdue_days": "9"})
    assert code == 200, said
    assert owner.do("reset", pin="000000") == 403
    assert owner.do("reset", pin=owner.pin) == 200
    m.wait_line(r"the settings are reset")
    m = restart(rig, m, cold=False)
    m.wait_state("no_disk", 180)
    again = m.owner()
    assert again.pin == owner.pin
    got = json.loads(again.opener.open(again.home + "/api/settings", timeout=20).read())
    days = [s["value"] for s in got["settings"] if s["key"] == "policy.overdue_days"]
    assert days == ["3"], days


for test in (test_good, test_from_the_disk, test_uploaded, test_upload_cut, test_kernel_hangs,
             test_unhealthy, test_cut_while_written):
    test.seconds = 90
