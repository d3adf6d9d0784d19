"""The button: a key of the virtual machine, pressed from outside."""

import time

import test_phone

KEYBOARD = "[button]\ndevice = QEMU Virtio Keyboard\nkey = 60\n"  # F2


def hold(m, down):
    m.do("input-send-event", events=[{"type": "key", "data": {
        "down": down, "key": {"type": "qcode", "data": "f2"}}}])


def press(m, seconds):
    hold(m, True)
    m.sleep(seconds)
    hold(m, False)


def flickers(m, since):
    """The light goes on and off ten times a second: so many edges."""
    edges = [t for t, _, _ in m.led_edges() if t > since]
    return sum(1 for a, b in zip(edges, edges[1:]) if b - a < 0.3)


def wait_nights(m, wanted):
    """The ledger has its line a moment after the phone is called safe; it has others, too."""
    end = time.time() + 120 * test_phone.vm.SLOW
    while (have := sum(n["state"] == "safe" for n in m.status()["nights"])) != wanted:
        assert time.time() < end, f"{have} nights, not {wanted}: {m.serial[-2000:]}"
        m.sleep(1)


def test_power_button_backs_up(rig):
    """The key on the machine's own pin, found by itself: a backup begins for a
    phone that was not to be asked before tomorrow."""
    if not (test_phone.BUILD / "phonesim").exists():
        raise test_phone.vm.Skip("no phonesim: make all")
    disk = rig.disk("backups", ["mkfs.ext4", "-q"], mib=512)
    m = rig.running()
    m.wait_line(r"the button is key 116 of gpio-keys")
    m.plug_disk(disk)
    m.wait_state("ready")
    phone = test_phone.Phone(rig, trusted="yes", files=20, bytes="1M", plugged="no")
    phone.ask(f"@{phone.udid} plug")
    m.wait_state("safe", 240)
    wait_nights(m, 1)
    at, since = len(m.serial), time.time()
    m.do("system_powerdown")  # QEMU holds it for 0.1 s
    m.wait_line(r"the button: back up now", since=at)
    wait_nights(m, 2)
    m.sleep(1)
    assert flickers(m, since) >= 3, [e for e in m.led_edges() if e[0] > since][:12]


def test_held_ejects_the_disk(rig):
    """By name, another key; a press of two seconds is neither."""
    disk = rig.disk("backups", ["mkfs.ext4", "-q"])
    m = rig.vm(rig.card(KEYBOARD), disks=[disk], keyboard=True).start()
    m.wait_line(r"the button is key 60 of QEMU Virtio Keyboard")
    m.wait_state("ready")
    press(m, 2.2)
    m.sleep(3)
    assert "the button: " not in m.serial, m.serial[-500:]
    press(m, 4)
    m.wait_line(r"the button: eject the disk")
    m.wait_line(r"the disk is ejected")
    m.wait_state("disk_ejected")


def test_held_at_the_start_resets_settings(rig):
    """What was set on the page goes; let go too early, nothing does."""
    card = rig.card(KEYBOARD)
    m = rig.vm(card, keyboard=True).start()
    m.wait_state("no_disk")
    owner = m.owner()
    code, said = owner.post("/api/settings", **{"csrf": owner.csrf, "box.name": "Attic"})
    assert code == 200, (code, said)
    end = time.time() + 60
    while m.status()["box"]["name"] != "Attic" and time.time() < end:
        m.sleep(0.5)
    m.cut()
    for seconds, name in ((2, "Attic"), (25, "nightstand")):
        m = rig.vm(card, keyboard=True).start()
        at = len(m.serial)
        end = time.time() + 120
        # Until the kernel has its driver, a press is lost.
        while "the button is held" not in m.serial[at:] and time.time() < end:
            hold(m, True)
            m.read_serial(0.05)
        m.sleep(seconds)
        hold(m, False)
        m.wait_line(r"it was let go" if seconds < 10 else r"the button was held", since=at)
        m.wait_state("no_disk")
        assert m.status()["box"]["name"] == name, m.status()["box"]
        m.cut()
