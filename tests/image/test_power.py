"""The power goes at any moment; QEMU is killed, so what the machine has written
to its disks is there, and nothing else."""

import os
import random
import re
import subprocess

CUTS = max(6, int(os.environ.get("CUTS", "50")) // 8)
SEED = int(os.environ.get("SEED", "1"))


def test_cuts_while_it_starts(rig):
    """From the kernel's first moment until the box is ready; each time it starts again, with
    the same PIN, the same partition, the same disk."""
    lot = random.Random(SEED)
    card, disk = rig.card(), rig.disk("backups", ["mkfs.ext4", "-q"])
    times = []
    for n in range(CUTS):
        m = rig.vm(card, disks=[disk], cold=True).start()
        after = lot.uniform(1.5, 14)
        times.append(round(after, 1))
        m.sleep(after)
        m.cut()
        fine(m.serial, f"cut {n} after {after:.1f} s, seed {SEED}")
    m = rig.vm(card, disks=[disk], cold=True).start()
    m.wait_state("ready", 180)
    m.cut()
    fine(m.serial, "last start")
    first = pin(card)
    m = rig.vm(card, disks=[disk], cold=True).start()
    m.wait_state("ready", 180)
    m.cut()
    assert pin(card) == first, "another PIN"
    return f"cut after {times} s"


test_cuts_while_it_starts.seconds = 90


def fine(console, where):
    # Made anew: the power may go while the partition is made for the first time.
    for bad in ("can't be used", "and is mended", "can't be read", "Kernel panic", "segfault",
                "the box ended"):
        assert bad not in console, f"{where}: {re.search('.*' + bad + '.*', console).group(0)}"


def pin(card):
    return subprocess.run(["mtype", "-i", f"{card.path}@@1M", "::PIN.txt"], check=True,
                          capture_output=True, text=True).stdout.split()[0]
