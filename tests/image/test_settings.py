"""SETTINGS.txt and PIN.txt on the card."""

import re
import subprocess

import vm

GOOD = "[box]\r\nname = bedside\r\n[policy]\r\noverdue_days = 9\r\n"
BAD = GOOD + "[keep]\r\ndaly = 3\r\nweekly = many\r\n[box]\r\nvault = /etc\r\nnonsense\r\n"


def fat(card, *command):
    return subprocess.run([command[0], "-i", f"{card.path}@@1M", *command[1:]], check=True,
                          capture_output=True, text=True).stdout


def test_are_used(rig):
    m = rig.vm(rig.card(GOOD)).start()
    assert m.wait_state("no_disk")["box"]["name"] == "bedside"
    assert "SETTINGS" not in m.serial, m.serial


def test_mistakes_are_told_by_line(rig):
    """On the console, by the state and so the light; the good lines count."""
    disk = rig.disk("backups", ["mkfs.ext4", "-q"])
    m = rig.vm(rig.card(BAD), disks=[disk]).start()
    for line in (r"SETTINGS\.txt:6: key keep\.daly: no such key",
                 r"SETTINGS\.txt:7: key keep\.weekly: must be a number",
                 r"SETTINGS\.txt:9: key box\.vault: the box finds this out by itself",
                 r"SETTINGS\.txt:10: neither \[section\] nor key = value"):
        m.wait_line(line)
    st = m.wait_state("box_notice")
    assert st["box"]["name"] == "bedside"
    assert st["led"]["id"] == "fault", st["led"]


def test_every_line_of_the_template_counts(rig):
    """With its signs taken away: no mistake in what owners begin with."""
    text = (vm.TOP / "board/arm64/card/SETTINGS.txt").read_text()
    text = re.sub(r"^#(\w+ =)", r"\1", text, flags=re.M).replace("zone = UTC", "zone = Asia/Tokyo")
    m = rig.vm(rig.card(text)).start()
    m.wait_line(r"nightstand [0-9.]+ begins")
    assert "SETTINGS.txt" not in m.serial, m.serial
    early, late = (int(m.wait_line(p).group(1)) for p in
                   (r"(\d\d):\d\d:\d\d\.\d+ \w init/init: kernel",
                    r"(\d\d):\d\d:\d\d\.\d+ \w box: nightstand"))
    assert (late - early) % 24 in (9, 10), f"{early} h, then {late} h in Tokyo"


test_mistakes_are_told_by_line.quick = True


def test_garbage_for_settings(rig):
    """Bytes of any kind: told, and the box starts."""
    disk = rig.disk("backups", ["mkfs.ext4", "-q"])
    m = rig.vm(rig.card(bytes(range(256)) * 300), disks=[disk]).start()
    m.wait_state("box_notice")


def test_pin_stands_on_the_card(rig):
    """Made once, kept over a restart, made anew when its file was deleted."""
    card = rig.card()
    pins = []
    for again in (False, False, True):
        if again:
            fat(card, "mdel", "::PIN.txt")
        m = rig.vm(card).start()
        m.wait_line(r"nightstand [0-9.]+ begins")
        m.cut()
        pin = fat(card, "mtype", "::PIN.txt").split()[0]
        assert pin.isdigit() and len(pin) == 6, pin
        assert pin not in m.serial, "the console tells the PIN"
        pins.append(pin)
    assert pins[0] == pins[1] != pins[2], pins
    fat_image = rig.dir / "fat"
    fat_image.write_bytes(part(card, 1, vm.FAT_END_MIB - 1))
    checked = subprocess.run(["fsck.vfat", "-n", str(fat_image)], capture_output=True)
    assert checked.returncode == 0, checked.stdout


def part(card, at, mib):
    with open(card.path, "rb") as f:
        f.seek(at << 20)
        return f.read(mib << 20)
