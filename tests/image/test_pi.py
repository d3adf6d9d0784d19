"""The Raspberry Pi's own card and device tree, in QEMU's Pi 3B."""

import subprocess

import vm

GREEN, RED = 1 << 17, 1 << 27


def test_card_starts_and_blinks(rig):
    """From the SD card, with the LEDs and the memory of the overlays: no disk, three
    red blinks, green dark. It has no network here."""
    m = rig.vm(rig.card(board="rpi-arm64"))
    m.start_pi()
    m.wait_line(r"the card: /dev/mmcblk", 120)
    m.wait_line(r"LED status:green status:red", 120)
    m.wait_line(r"settings and ledger are kept", 120)
    m.wait_line(r"the run before ended reason=unknown .*memory=kept", 120)
    m.wait_line(r"nightstand [0-9.]+ begins", 120)
    m.sleep(8)
    seen = set()
    for _ in range(60):
        seen.add(m.pi_pins() & (GREEN | RED))
        m.sleep(0.1)
    assert seen == {0, RED}, f"pins seen: {seen}"


def test_memory_fits_each_tree(rig):
    """The overlay that config.txt names for a board, in each tree of that board: the
    cells are counted as the tree does, and the memory lies where it should."""
    card = vm.image_dir().parent / "rpi-arm64/card"
    out, seen = rig.dir / "with.dtb", 0

    def get(node, what):
        return subprocess.run(["fdtget", "-t", "x", str(out), f"/reserved-memory{node}", what],
                              check=True, capture_output=True, text=True).stdout.split()

    for chip, board in (("bcm2837", 3), ("bcm2711", 4), ("bcm2712", 5)):
        overlay = card / f"nightstand-memory-pi{board}.dtbo"
        for tree in sorted(card.glob(f"{chip}*.dtb")):
            subprocess.run(["fdtoverlay", "-i", str(tree), "-o", str(out), str(overlay)], check=True)
            high = ["0"] * (int(get("", "#address-cells")[0]) - 1)
            size = ["0"] * (int(get("", "#size-cells")[0]) - 1) + ["10000"]
            assert get("/ramoops@b000000", "reg") == [*high, "b000000", *size], tree
            assert get("/log@b010000", "reg") == [*high, "b010000", *size], tree
            seen += 1
    assert seen >= 10, seen
    return f"{seen} trees"
