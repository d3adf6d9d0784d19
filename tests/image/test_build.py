"""The image as a file."""

import json
import os
import subprocess

import vm


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
