"""A process of the box that hangs, and not its kernel (test_start.py): stopped by a
signal, it still is there, holds all it had open, and does nothing."""

import time

import hand
import vm


def test_part_is_begun_again(rig):
    """The page's part: within two minutes it is ended and serves again; the box runs on."""
    m = rig.vm(rig.card(), hand=True).start()
    m.wait_state("no_disk")
    began, since = time.time(), len(m.serial)
    hand.send(m, "STOP", "--role web")
    m.wait_line(r"the part web does not answer any more: it is ended", 120, since)
    took = time.time() - began
    m.wait_line(r"the box is nightstand\.local", since=since)
    m.wait_state("no_disk")
    assert "begins vault" not in m.serial[since:], "the box began anew"
    return f"ended after {took:.0f} s"


def test_box_is_restarted_by_the_watchdog(rig):
    """The process that kicks the watchdog: the machine restarts, and says why."""
    m = rig.vm(rig.card(), bites=True, cold=True, hand=True).start()
    m.wait_state("no_disk")
    began, since = time.time(), len(m.serial)
    hand.send(m, "STOP", "nightstand run")
    m.wait_event("WATCHDOG", 100)
    took = time.time() - began
    m.wait_line(r"the run before ended reason=watchdog", since=since)
    m.wait_state("no_disk")
    assert m.status()["box"]["last_reset"] == "watchdog", m.status()["box"]
    return f"bit after {took:.0f} s"


for test in (test_part_is_begun_again, test_box_is_restarted_by_the_watchdog):
    test.seconds = 150
