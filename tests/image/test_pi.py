"""The Raspberry Pi's own card and device tree, in QEMU's Pi 3B."""

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
