"""The vault on each file system that this machine can mount: what the probe
finds, a whole night, the next one, both checked, also after a new mount."""

import json
import pathlib
import shutil
import subprocess

from harness import check, equal

# name: mkfs, MiB, what a FUSE program mounts it (None: the kernel only),
# options
KINDS = {
    "ext4": (("mkfs.ext4", "-q", "-F", "-m", "0", "-b", "4096"), 320, None),
    "btrfs": (("mkfs.btrfs", "-q", "-f"), 256, None),
    "xfs": (("mkfs.xfs", "-q", "-f"), 320, None),
    "exfat": (("mkfs.exfat", "-c", "128K"), 320, "mount.exfat-fuse"),
    "vfat": (("mkfs.vfat", "-F", "32"), 64, None),
    "ntfs": (("mkfs.ntfs", "-q", "-Q", "-F"), 160, "ntfs-3g"),
}


def kernel_has(name):
    def listed():
        text = pathlib.Path("/proc/filesystems").read_text()
        return name in text.split()
    if not listed() and shutil.which("modprobe"):
        subprocess.run(["modprobe", "-q", name], check=False,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return listed()


class Disk:
    """An image with a file system, mounted at self.dir."""

    def __init__(self, t, kind, fuse, *options):
        mkfs, megabytes, program = KINDS[kind]
        self.t, self.kind, self.program = t, kind, program if fuse else None
        t.needs_root()
        if fuse and not pathlib.Path("/dev/fuse").exists():
            t.skip("this kernel has no FUSE")
        if not fuse and not kernel_has(kind):
            t.skip(f"this kernel has no {kind}")
        t.needs(mkfs[0], *([program] if fuse else []))
        image = t.path(f"{kind}.img")
        with open(image, "wb") as f:
            f.truncate(megabytes << 20)
        # Somebody else may take the free one first.
        for _ in range(5):
            r = t.run("losetup", "-f", "--show", image, ok=False)
            if r.returncode == 0:
                break
        equal(r.returncode, 0, f"losetup: {r.stderr}")
        self.loop = r.stdout.strip()
        t.cleanups.append(lambda: subprocess.run(
            ["losetup", "-d", self.loop], check=False))
        t.run(*mkfs, *options, self.loop)
        self.dir = t.path(kind)
        self.dir.mkdir()
        t.cleanups.append(lambda: subprocess.run(
            ["umount", "-l", str(self.dir)], check=False,
            stderr=subprocess.DEVNULL))
        self.mount()

    def mount(self):
        if self.program:
            self.t.run(self.program, self.loop, self.dir)
        else:
            self.t.run("mount", "-t", self.kind, self.loop, self.dir)

    def again(self):
        self.t.run("umount", self.dir)
        self.mount()


def probed(t, folder, ok=True):
    r = t.nightstand("disk", "--vault", folder, "--json", ok=False)
    p = json.loads(r.stdout)
    equal(r.returncode == 0, ok, f"exit {r.returncode}: {p}")
    equal(p["fit"], ok, "fit")
    check(not list(pathlib.Path(folder).rglob(".nightstand-probe*")),
          "the probe left something")
    return p


def two_nights(t, disk):
    """A night, a changed phone, the next one; all of it verified."""
    sim = t.sim({"files": 120, "bytes": "6M"})
    phone = sim.phone()
    t.backup(sim, phone, disk.dir)
    first = t.tree(t.latest(disk.dir, phone))
    t.compare_plain(t.latest(disk.dir, phone), phone.hashes())
    phone.ctl("mutate", "grow=3", "change=8", "remove=5", "rename=2", "add=4",
              "seed=5")
    sent = phone.status()["files_uploaded"]
    t.backup(sim, phone, disk.dir)
    sent = phone.status()["files_uploaded"] - sent
    check(15 <= sent <= 45, f"the second night sent {sent} files")
    t.compare_plain(t.latest(disk.dir, phone), phone.hashes())
    disk.again()
    r = t.nightstand("verify", "--vault", disk.dir, "--udid", phone.udid)
    equal(r.stdout.count("all as they were stored"), 1, r.stdout)
    t.compare_plain(t.latest(disk.dir, phone), phone.hashes())
    probed(t, disk.dir)
    return sim, phone, first


def whole(t, kind, fuse=False, **wanted):
    disk = Disk(t, kind, fuse)
    p = probed(t, disk.dir)
    for key, value in wanted.items():
        equal(p[key], value, f"{key} of {kind}")
    check(p["rename_over"] and p["long_names"] and p["syncs"], str(p))
    check(p["largest_file"] >= 1 << 32, str(p))
    two_nights(t, disk)


def test_ext4(t):
    whole(t, "ext4", case_sensitive=True, direct=True, piece_bytes=4096,
          rename_folder_over=True)


def test_btrfs(t):
    whole(t, "btrfs", fs="btrfs", case_sensitive=True, direct=True,
          rename_folder_over=True)


def test_xfs(t):
    whole(t, "xfs", case_sensitive=True, direct=True,
          rename_folder_over=True)


def test_exfat(t):
    whole(t, "exfat", case_sensitive=False, piece_bytes=128 << 10)


def test_exfat_by_fuse(t):
    whole(t, "exfat", fuse=True, case_sensitive=False,
          piece_bytes=128 << 10)


def test_ntfs_by_fuse(t):
    whole(t, "ntfs", fuse=True, piece_bytes=4096)


for fn in (test_ext4, test_btrfs, test_xfs, test_exfat, test_exfat_by_fuse,
           test_ntfs_by_fuse):
    fn.slow = 10


def test_vfat_is_refused_by_what_it_can_do(t):
    disk = Disk(t, "vfat", False)
    p = probed(t, disk.dir, ok=False)
    check("4 GiB" in p["why"], p["why"])
    check(p["largest_file"] < 1 << 32, str(p))
    r = t.nightstand("adopt", t.dir, "--vault", disk.dir, ok=False)
    check("4 GiB" in r.stderr, r.stderr)
    equal(list(disk.dir.iterdir()), [], "what is on the disk")


def test_large_pieces_are_told_before_the_first_night(t):
    disk = Disk(t, "exfat", not kernel_has("exfat"))
    r = t.nightstand("disk", "--vault", disk.dir)
    says = "pieces of 128 KiB: about 20 GB of it will be lost on 300,000"
    check(says in r.stdout, r.stdout)
    sim = t.sim({"files": 50})
    phone = sim.phone()
    r = t.backup(sim, phone, disk.dir)
    check(says in r.stdout, r.stdout)
    r = t.backup(sim, phone, disk.dir)
    check("pieces of" not in r.stdout, "told again")
    # From then on the phone's own number counts.
    snap, = json.loads(t.nightstand(
        "snapshots", "--vault", disk.dir, "--json").stdout)[:1]
    equal(probed(t, disk.dir)["expected_files"], snap["files"], "files")


test_large_pieces_are_told_before_the_first_night.slow = 8


def test_a_probe_that_was_cut_is_swept(t):
    """A rest of ours goes; what is not ours stays, with its folder."""
    left = t.path("v") / ".nightstand-probe"
    left.mkdir(parents=True)
    (left / "one").write_text("1")
    (left / "in").mkdir()
    (left / "in/file").write_text("1")
    probed(t, t.path("v"))
    left.mkdir()
    (left / "mine").write_text("mine")
    r = t.nightstand("disk", "--vault", t.path("v"), "--json")
    check(json.loads(r.stdout)["fit"], r.stdout)
    equal([p.name for p in left.iterdir()], ["mine"], "a stranger's file")


def test_probes_side_by_side(t):
    (t.path("v")).mkdir()
    ps = [t.start_nightstand("disk", "--vault", t.path("v"), "--json",
                             name=f"probe{i}") for i in range(8)]
    for p in ps:
        equal(p.wait(), 0, p.out + p.err)
    equal(list(t.path("v").iterdir()), [], "what they left")


def test_read_only_disk_is_told(t):
    disk = Disk(t, "ext4", False)
    t.run("mount", "-o", "remount,ro", disk.dir)
    p = probed(t, disk.dir, ok=False)
    check(p["read_only"] and "write-protected" in p["why"], str(p))


def test_few_inodes_are_told(t):
    disk = Disk(t, "ext4", False, "-i", "65536")
    r = t.nightstand("disk", "--vault", disk.dir)
    check("too few files for a phone" in r.stdout, r.stdout)


def test_a_vault_moves_between_file_systems(t):
    """cp -a to another disk: it opens, verifies, and the next night is an
    incremental one."""
    a = Disk(t, "ext4", False)
    sim, phone, _ = two_nights(t, a)
    for kind, fuse, flags in (("btrfs", False, "-a"), ("xfs", False, "-a"),
                              ("exfat", not kernel_has("exfat"), "-r")):
        b = Disk(t, kind, fuse)
        t.run("cp", flags, a.dir / "Nightstand", b.dir)
        t.nightstand("verify", "--vault", b.dir)
        phone.ctl("mutate", "change=4", "seed=8")
        sent = phone.status()["files_uploaded"]
        t.backup(sim, phone, b.dir)
        check(phone.status()["files_uploaded"] - sent < 30,
              f"not incremental on {kind}")
        t.compare_plain(t.latest(b.dir, phone), phone.hashes())
        r = t.nightstand("verify", "--vault", b.dir)
        check("all as they were stored" in r.stdout, r.stdout)
        shutil.rmtree(a.dir / "Nightstand")
        a = b


test_a_vault_moves_between_file_systems.slow = 20
