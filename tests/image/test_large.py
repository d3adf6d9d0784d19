"""A phone with very many files, on a machine with little memory."""

import re
import time

import test_phone

FILES = 50000


def test_fifty_thousand_files(rig):
    """The first backup of a phone with 50,000 files on 512 MiB: it is safe, nothing
    runs out, and how much memory it took."""
    disk = rig.disk("backups", ["mkfs.ext4", "-q", "-N", "200000"], mib=2048)
    m = rig.vm(rig.card(), disks=[disk]).start()
    m.wait_state("ready")
    m.wait_line(r"memory total_kb=\d+ available_kb=\d+")
    phone = test_phone.Phone(rig, trusted="yes", files=FILES, bytes="100M", plugged="no")
    phone.ask(f"@{phone.udid} plug")
    began = time.time()
    m.wait_state("safe", 1500)
    took = time.time() - began
    assert "Out of memory" not in m.serial
    told = [tuple(map(int, t)) for t in re.findall(r"total_kb=(\d+) available_kb=(\d+)", m.serial)]
    total, idle = told[0]
    least = min(free for _, free in told)
    kept = max(p["versions"] for p in m.status()["phones"])
    assert kept == 1, f"{kept} backups"
    return (f"safe after {took:.0f} s; of {total >> 10} MiB {(total - idle) >> 10} taken before, "
            f"{(total - least) >> 10} at most while it ran")


test_fifty_thousand_files.seconds = 250
