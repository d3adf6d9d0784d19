"""The image as a file."""

import json
import os
import struct
import subprocess
import sys

import vm

sys.path.insert(0, str(vm.TOP / "tools/image"))
import modules  # noqa: E402  (needs the path above)


def test_same_bytes_in_another_folder(rig):
    """All of it built again elsewhere: every file is the same."""
    level = os.environ.get("LEVEL", "19")
    subprocess.run(["make", "-s", "-j2", "-C", str(vm.TOP), "image", "BOARD=qemu-arm64",
                    f"O={rig.dir / 'other'}", f"LEVEL={level}", "NO_DEPS=1"],
                   check=True, capture_output=True)
    for name in ("kernel8.img", "initrd.img", "card.img", "packages.spdx.json", "LICENCES.txt"):
        one = (vm.image_dir() / name).read_bytes()
        other = (rig.dir / "other/image/qemu-arm64" / name).read_bytes()
        assert one == other, f"{name} differs"


def test_card_is_written_only_when_asked(rig):
    """A loop device plays the card; /sys is a folder that calls it USB."""
    if os.geteuid() != 0:
        raise vm.Skip("loop devices need root")
    image, path = vm.image_dir() / "card.img", rig.disk("card", mib=600)
    loop = subprocess.run(["losetup", "-f", "--show", str(path)], check=True, text=True,
                          capture_output=True).stdout.strip()
    name = os.path.basename(loop)

    def write(where, answer):
        """The writer's exit status; the device lies at `where` in /sys."""
        sys = rig.dir / where
        real = sys / "devices" / where / "block" / name
        real.mkdir(parents=True, exist_ok=True)
        (real / "size").write_text(f"{(600 << 20) // 512}\n")
        (sys / "class/block").mkdir(parents=True, exist_ok=True)
        link = sys / "class/block" / name
        link.unlink(missing_ok=True)
        link.symlink_to(real)
        return subprocess.run([str(vm.TOP / "tools/image/write-card.sh"), str(image), loop],
                              input=answer + "\n", text=True, capture_output=True,
                              env=dict(os.environ, SYS=str(sys))).returncode

    try:
        size = image.stat().st_size
        assert write("pci0", name) != 0, "a disk that is built in was taken"
        assert write("usb1", "yes") != 0, "another answer did"
        with open(path, "rb") as f:
            assert not any(f.read(size)), "something was written unasked"
        assert write("usb1", name) == 0
        with open(path, "rb") as f:
            assert f.read(size) == image.read_bytes()
    finally:
        subprocess.run(["losetup", "-d", loop], check=True)


def test_card_says_what_is_in_it(rig):
    """Each library and module has a package in the list, each a licence; the
    image is small enough."""
    image = vm.image_dir()
    size = (image / "card.img").stat().st_size
    assert size <= 64 << 20, size
    spdx = json.loads((image / "packages.spdx.json").read_text())
    names = {p["name"] for p in spdx["packages"]}
    for name in ("nightstand", "libc6", "libssl3t64", "e2fsprogs", "lwip", "node-llhttp",
                 "librust-blake3-dev"):
        assert name in names, f"{name} is not in the list"
    assert any(n.startswith("linux-modules-") or n.startswith("linux-image-") for n in names)
    text = (image / "LICENCES.txt").read_text()
    assert "GPL-2" in text and "(the package has no copyright file)" not in text
    return f"{size / 2**20:.1f} MiB, {len(names)} packages"


def test_modules_carry_no_signature(rig):
    """It would be checked at each start and keeps nothing out (tools/image/modules.py);
    whatever else is appended ends the build."""
    packed = (vm.image_dir() / "initrd.img").read_bytes()
    plain = subprocess.run(["zstd", "-dc"], input=packed, check=True, capture_output=True).stdout
    assert plain.count(b"\x7fELF") > 80 and modules.SIGNED not in plain
    module = b"\x7fELF and so on"
    info = struct.pack(">2xB5xI", 2, 7)
    assert modules.without_signature(module + b"their 7" + info + modules.SIGNED) == module
    assert modules.without_signature(module) == module
    for bad in (module + struct.pack(">2xB5xI", 1, 7), module + struct.pack(">2xB5xI", 2, 1000), b""):
        try:
            modules.without_signature(bad + modules.SIGNED)
        except modules.BadModules:
            continue
        raise AssertionError(bad)


PROGRAMS = {"nightstand", "e2fsck", "mke2fs", "fsck.exfat", "cryptsetup", "wpa_supplicant",
            "kexec"}


def test_programs_inside_are_known(rig):
    """No shell and no other server: what can be run is known by name; all of it is
    root's, nobody else may change it, and nothing gains rights."""
    packed = (vm.image_dir() / "initrd.img").read_bytes()
    plain = subprocess.run(["zstd", "-dc"], input=packed, check=True, capture_output=True).stdout
    listing = subprocess.run(["cpio", "--quiet", "-tvn"], input=plain, check=True,
                             capture_output=True).stdout.decode()
    programs = set()
    for line in listing.splitlines():
        mode, _, user, group = line.split()[:4]
        name = line.split(" -> ")[0].split()[-1]
        assert (user, group) == ("0", "0"), line
        assert mode[0] in "lc" or mode[8] != "w", f"anybody may change it: {line}"
        assert "s" not in mode, f"it gains rights: {line}"
        if name.startswith("usr/") and "bin/" in name or (
                mode[0] == "-" and "x" in mode and ".so" not in name):
            programs.add(os.path.basename(name))
    assert programs == PROGRAMS, programs ^ PROGRAMS


test_same_bytes_in_another_folder.seconds = 90
