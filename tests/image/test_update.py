"""An update in the card's other slot: tried, taken or given up."""

import re
import subprocess

import vm

HEAD = "os_prefix=a/\n#board=qemu-arm64\n"


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


def restart(rig, m):
    """The machine has ended with its restart, as -no-reboot has it."""
    m.wait_end(300)
    return rig.vm(m.card, disks=m.disks, cmdline=m.cmdline).start()


def test_good(rig):
    """The other kernel runs, says that it is well, and from then on starts."""
    card, disk = rig.card(), rig.disk("backups", ["mkfs.ext4", "-q"])
    put_ready(card)
    m = rig.vm(card, disks=[disk]).start()
    m.wait_line(r"starting the update version=9\.9")
    m.wait_line(r"slot=b board=qemu-arm64, on trial", 180)
    m.wait_line(r"the update is well", 180)
    m.cut()
    assert state(card) == ("os_prefix=b/", "#try=none"), state(card)
    m = rig.vm(card, disks=[disk]).start()
    m.wait_line(r"slot=b board=qemu-arm64\n")
    m.wait_state("ready")
