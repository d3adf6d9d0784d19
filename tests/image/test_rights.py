"""Who each process of the running box is, and what it may do: by the report that
its owner saves, which in the image names every one but the kernel's own."""

import time
import urllib.error

import vm
from test_phone import ALWAYS_ASKS, Phone

DAC = 1 << 1
DISK = 1 << 21 | 1 << 17 | DAC | 1 << 27 | 1 << 14

# part: (real, effective, saved user, and the one in files), capabilities (None: all
# of root's), whether its system calls are limited. firmware/README.md says why.
MAY = {
    "init": ((0, 0, 0, 0), None, False),
    "box": ((0, 0, 0, 0), None, False),
    "disk": ((0, 0, 0, 0), DISK, False),
    "web": ((100, 100, 100, 100), 0, True),
    "usbmux": ((102, 102, 102, 102), DAC, True),
    "session": ((103, 103, 103, 0), DAC, True),
    "scrub": ((103, 103, 103, 0), DAC, True),
    "watch": ((104, 104, 104, 0), 0, True),
}


def parts(m, owner):
    """{name: [fields]} of the processes that the report names."""
    owner.do("report")
    end = time.time() + 60 * vm.SLOW
    while True:
        m.read_serial(0.5)
        try:
            with owner.opener.open(owner.home + "/report", timeout=20) as r:
                text = r.read().decode()
            break
        except urllib.error.HTTPError as e:
            if time.time() > end:
                raise vm.Failed(f"no report: {e}") from e
    lines = text.split("== parts ==\n")[1].split("\n\n")[0].splitlines()
    return {line.split()[0]: dict(f.split("=") for f in line.split()[1:]) for line in lines}


def is_as_told(name, f):
    assert name in MAY, f"{name} is in no table: {f}"
    uid, caps, limited = MAY[name]
    return (tuple(int(u) for u in f["uid"].split(",")) == uid
            and (caps is None or int(f["caps"], 16) == caps) and (f["seccomp"] == "2") == limited)


def look(m, wanted):
    """All that run are as the table says, and these are among them."""
    owner = m.owner()  # the page begins again when a phone tells the time zone
    end = time.time() + 60 * vm.SLOW
    before = {}
    while True:
        found = parts(m, owner)
        # What has only just begun has all rights until it has given them up.
        bad = {name: f for name, f in found.items() if not is_as_told(name, f)}
        for name, f in bad.items():
            assert before.get(name, {}).get("pid") != f["pid"], f"{name}: {f}"
        # The role update looks at a disk for a moment.
        if wanted <= found.keys() and "update" not in found and not bad:
            return
        if time.time() > end:
            raise vm.Failed(f"{wanted} do not all run as told: {found}")
        before = bad
        m.sleep(1)


def test_each_process_has_the_rights_it_needs(rig):
    disk = rig.disk("backups", ["mkfs.ext4", "-q"], mib=512)
    m = rig.vm(rig.card(ALWAYS_ASKS), disks=[disk]).start()
    m.wait_state("ready")
    always = {"init", "box", "disk", "web", "usbmux"}
    look(m, always)
    phone = Phone(rig, trusted="yes", files=60, bytes="8M", plugged="no")
    phone.ask(f"@{phone.udid} passcode entered 60000")
    phone.ask(f"@{phone.udid} plug")
    m.wait_state("wants_passcode", 240)
    m.wait_line("the page begins again", 60)
    m.wait_page()
    look(m, always | {"session"})
    m.wait_state("safe", 240)
    # Asked again, and nobody answers.
    phone.ask(f"@{phone.udid} unplug")
    m.wait_state("ready", 60)
    phone.ask(f"@{phone.udid} passcode ignored 300")
    phone.ask(f"@{phone.udid} lock")
    phone.ask(f"@{phone.udid} plug")
    m.wait_state("passcode_missed", 240)
    look(m, always | {"watch"})
    phone.ask(f"@{phone.udid} passcode entered 0")
    m.sleep(8)  # it must have seen the phone locked, every 2 s it looks
    phone.ask(f"@{phone.udid} unlock")
    m.wait_state("safe", 240)
    m.read_serial(0.5)
    refused = [line for line in m.serial.splitlines() if "no need of this system call" in line]
    assert not refused, f"{refused}"
    return "init, box, disk, web, usbmux, session, watch are as the table says"


def test_a_session_writes_where_nothing_has_an_owner(rig):
    """exFAT: all is root's, and so is what the session is in files."""
    whole = rig.disk("part", ["mkfs.exfat"], mib=300)
    m = rig.vm(rig.card(), disks=[whole]).start()
    m.wait_state("ready")
    phone = Phone(rig, trusted="yes", files=60, bytes="4M", plugged="no")
    for _ in range(2):
        phone.ask(f"@{phone.udid} plug")
        m.wait_state("safe", 240)
        phone.ask(f"@{phone.udid} unplug")
        m.wait_state("ready", 60)
        phone.ask(f"@{phone.udid} mutate change=10 add=5")
    nights = [n["state"] for n in m.status()["nights"]]
    assert nights.count("safe") == 2, nights
    m.read_serial(0.5)
    assert "fs=exfat" in m.serial, m.serial[-2000:]
    assert "no need of this system call" not in m.serial, m.serial[-2000:]
    return "two nights on exFAT"


test_each_process_has_the_rights_it_needs.seconds = 120
