"""Disks that come and go."""

import struct
import subprocess

import vm  # noqa: F401  (its failures are this module's)


def begin(rig, **options):
    m = rig.vm(rig.card(), **options).start()
    m.wait_line(r"nightstand [0-9.]+ begins")
    return m


def is_clean(path):
    """After the journal: -n alone would call what waits in it an error."""
    subprocess.run(["e2fsck", "-p", str(path)], capture_output=True)
    return subprocess.run(["e2fsck", "-fn", str(path)], capture_output=True).returncode == 0


def test_ext4_is_mounted_and_left(rig):
    disk = rig.disk("mine", ["mkfs.ext4", "-q", "-L", "mine"])
    m = begin(rig)
    m.wait_state("no_disk")
    m.plug_disk(disk)
    m.wait_state("ready")
    m.pull_disk()
    m.wait_line(r"the disk was pulled")
    m.wait_state("no_disk")
    assert is_clean(disk)
    m.plug_disk(disk)
    m.wait_state("ready")


def test_exfat_is_mounted(rig):
    """As most disks come from the shop: in the one partition of a table."""
    disk = rig.disk("shop")
    whole = rig.disk("part", ["mkfs.exfat"], mib=200).read_bytes()
    write(disk, 446, bytes((0, 0, 2, 0, 7, 0, 0, 0, 0, 8, 0, 0)) + (200 * 2048).to_bytes(4, "little"))
    write(disk, 510, b"\x55\xaa")
    write(disk, 2048 * 512, whole)
    m = begin(rig)
    m.plug_disk(disk)
    m.wait_line(r"fs=exfat")
    m.wait_state("ready")
    m.pull_disk()
    m.wait_state("no_disk")


def test_empty_disk_is_prepared(rig):
    disk = rig.disk("empty")
    m = begin(rig)
    m.plug_disk(disk)
    m.wait_line(r"an empty disk is prepared")
    m.wait_state("ready")
    m.cut()
    assert is_clean(disk)


def test_data_is_never_overwritten(rig):
    """What is not empty is told, and not a byte of it changes."""
    disks = [("fat", ["mkfs.vfat", "-F", "32"]), ("btrfs", ["mkfs.btrfs", "-q"]), ("table", None),
             ("text", None), ("late", None)]
    m = begin(rig)
    for name, make in disks:
        path = rig.disk(name, make)
        if name == "table":
            write(path, 446, b"\x00\x00\x02\x00\x0c\x00\x00\x00\x00\x08\x00\x00\x00\x00\x04\x00")
            write(path, 510, b"\x55\xaa")
        if name == "text":
            write(path, 5 << 20, b"somebody's only copy")
        if name == "late":
            write(path, 200 << 20, b"x" * 300000)
        before = path.read_bytes()
        m.plug_disk(path, name)
        m.wait_state("disk_unfit")
        assert path.read_bytes() == before, f"{name} was written to"
        m.pull_disk(name)
        m.wait_state("no_disk")


def write(path, at, data):
    with open(path, "r+b") as f:
        f.seek(at)
        f.write(data)


def test_damaged_disk_is_told(rig):
    """What a check can't mend without a choice: a person is to see to it."""
    disk = rig.disk("broken", ["mkfs.ext4", "-q"])
    for inode in ("<2>", "<8>"):
        subprocess.run(["debugfs", "-w", "-R", f"sif {inode} mode 0", str(disk)], check=True,
                       capture_output=True)
    m = begin(rig)
    m.plug_disk(disk)
    st = m.wait_state("disk_readonly")
    assert st["led"]["id"] == "no_disk", st["led"]


def test_readonly_disk_is_told(rig):
    disk = rig.disk("switch", ["mkfs.ext4", "-q"])
    m = begin(rig)
    m.plug_disk(disk, readonly=True)
    m.wait_state("disk_readonly")


def test_second_disk_while_the_first_is_bad(rig):
    m = begin(rig)
    m.plug_disk(rig.disk("fat", ["mkfs.vfat", "-F", "32"]), "one")
    m.wait_state("disk_unfit")
    m.plug_disk(rig.disk("good", ["mkfs.ext4", "-q"]), "two")
    m.wait_state("ready")


def two_parts(rig):
    """Two partitions of ext4 on one disk, and where each begins."""
    disk = rig.disk("two", mib=300)
    starts = (1 << 20, 150 << 20)
    table = b"".join(struct.pack("<4xB3xII", 0x83, start >> 9, (147 << 20) >> 9)
                     for start in starts)
    write(disk, 446, table + bytes(32) + b"\x55\xaa")
    for start in starts:
        subprocess.run(["mkfs.ext4", "-q", "-E", f"offset={start}", str(disk), "140M"],
                       check=True, capture_output=True)
    return disk, starts


def test_ejected_until_it_comes_again(rig):
    """All of it: the other partition is not mounted in its place."""
    disk, starts = two_parts(rig)
    m = begin(rig)
    m.plug_disk(disk)
    m.wait_state("ready")
    owner = m.owner()
    assert owner.do("eject") == 200
    m.wait_state("disk_ejected")
    for _ in range(4):  # looks of the box pass
        m.sleep(3)
        st = m.status()
        assert st["state"] == "disk_ejected", st["state"]
    for start in starts:
        r = subprocess.run(["e2fsck", "-fn", f"{disk}?offset={start}"], capture_output=True)
        assert r.returncode == 0, r.stdout
    assert owner.do("use_disk") == 200
    m.wait_state("ready")
    assert owner.do("eject") == 200
    m.wait_state("disk_ejected")
    m.pull_disk()
    m.wait_state("no_disk")
    m.plug_disk(disk)
    m.wait_state("ready")


def test_prepared_by_its_owner_only(rig):
    disk = rig.disk("fat", ["mkfs.vfat", "-F", "32"])
    m = begin(rig)
    m.plug_disk(disk)
    offer = m.wait_state("disk_unfit")["disk"]["offer"]
    before = disk.read_bytes()
    owner = m.owner()
    assert owner.do("prepare", disk=offer, pin="000000") == 403
    assert owner.do("prepare", disk="another", pin=owner.pin) == 400
    m.sleep(3)
    assert disk.read_bytes() == before, "it was written to"
    assert owner.do("prepare", disk=offer, pin=owner.pin) == 200
    m.wait_state("ready")
    m.cut()
    assert is_clean(disk)
