"""What happens at a port, other than a cable that is pulled: hubs, power,
suspend; and phones in each state in which they are plugged in."""

import cuts
from harness import check, equal, wait_until

HUB_PORT = "/sys/bus/usb/devices/1-3:1.0/1-3-port1"
BEHIND = "/sys/bus/usb/devices/1-3.1"
WAYS = (
    ("the hub is pulled",
     lambda b: b.guest.hub_out(), lambda b: b.guest.hub_in()),
    ("the hub's port loses its power",
     lambda b: b.run(f"echo 1 >{HUB_PORT}/disable"),
     lambda b: b.run(f"echo 0 >{HUB_PORT}/disable")),
    ("the phone is forbidden by the kernel",
     lambda b: b.run(f"echo 0 >{BEHIND}/authorized"),
     lambda b: b.run(f"echo 1 >{BEHIND}/authorized")),
)


def n_safe(b, phone):
    """How many nights of this phone the box has called safe."""
    return b.log().count(f"{phone.udid[-4:]}/session: backup is safe")


def wait_safe(b, phone, n):
    wait_until(f"night {n} of {phone.udid}", lambda: n_safe(b, phone) >= n,
               180, 0.3)


def is_running(b, pid_file):
    return "yes" in b.run(f"kill -0 $(cat {pid_file}) && echo yes", ok=False)


def begin_peer(b, phone):
    """idevicebackup2 of another phone, through the same driver."""
    b.run("rm -rf /disk/peer; mkdir /disk/peer")
    b.run("(USBMUXD_SOCKET_ADDRESS=UNIX:/disk/state/usbmux.sock idevicebackup2 "
          f"-u {phone.udid} backup --full /disk/peer; echo ended $?) "
          ">/tmp/peer.out 2>&1 & echo $! >/tmp/peer.pid")


def gone_with_the_hub(b, way, beside, phone, seed):
    name, off, on = way
    nights, kept = n_safe(b, phone), cuts.digest(b, phone)
    phone.ctl("mutate", "change=40", "add=3", f"seed={seed}")
    phone.mark()
    phone.ctl("plug")
    phone.wait_event("backup begin", 60000)
    begin_peer(b, beside)
    phone.wait_event("upload batch", 60000)
    off(b)
    b.wait_listed(beside)
    check(is_running(b, "/tmp/peer.pid"), f"{name}: the other backup had ended")
    cuts.wait_sessions(b)
    equal(n_safe(b, phone), nights, f"{name}: nights")
    equal(cuts.digest(b, phone), kept, f"{name}: the backup before")
    wait_until("the other phone's backup", lambda: "ended" in b.run(
        "cat /tmp/peer.out"), 120, 0.3)
    check("ended 0" in b.run("cat /tmp/peer.out"),
          f"{name}: the other backup:\n{b.run('tail -n 8 /tmp/peer.out')}")
    on(b)
    wait_safe(b, phone, nights + 1)
    cuts.compare(b, phone)
    print(f"    {name}: the other phone's backup went on, the next night is "
          "whole", flush=True)
    phone.ctl("unplug")
    b.wait_listed(beside)


def test_a_hub_that_goes_in_the_middle_of_a_backup(b):
    beside = b.phone(0, files=30, bytes="4M")
    phone = b.phone("hub", files=60, bytes="8M", seed=90)
    phone.ctl("set", "upload_batch", 5)
    b.guest.hub_in()
    b.box()
    for who in (phone, beside):
        who.ctl("plug")
    wait_safe(b, phone, 1)
    wait_safe(b, beside, 1)
    phone.ctl("unplug")
    b.wait_listed(beside)
    for i, way in enumerate(WAYS):
        gone_with_the_hub(b, way, beside, phone, 7 + i)
    b.guest.hub_out()


def test_a_port_that_is_suspended_in_the_middle_of_a_backup(b):
    """The kernel puts all devices to sleep and wakes them (its own test of
    that); and a port that may sleep does not while the driver has it."""
    phone = b.phone(files=60, bytes="8M")
    b.box()
    phone.ctl("plug")
    wait_safe(b, phone, 1)
    phone.ctl("unplug")
    b.wait_listed()
    kept = cuts.digest(b, phone)
    phone.ctl("mutate", "change=40", "add=3", "seed=5")
    phone.ctl("set", "upload_batch", 5)
    phone.mark()
    phone.ctl("plug")
    phone.wait_event("upload batch", 60000)
    slept = b.run("echo 1 >/sys/module/suspend/parameters/pm_test_delay; "
                  "echo devices >/sys/power/pm_test; "
                  "echo freeze >/sys/power/state && dmesg | tail -n 40",
                  seconds=300)
    check("suspend exit" in slept, f"it did not sleep: {slept[-2000:]}")
    now = cuts.digest(b, phone)
    if n_safe(b, phone) == 1:
        equal(now, kept, "the backup before")
    wait_safe(b, phone, 2)
    cuts.compare(b, phone)
    b.run("cd $(dirname $(grep -l 05ac /sys/bus/usb/devices/*/idVendor))/power"
          " && echo 0 >autosuspend_delay_ms && echo auto >control && sleep 3 "
          "&& grep active runtime_status")
    b.wait_listed(phone)


def test_a_locked_phone_in_every_order(b):
    phone = b.phone(trusted="no")
    phone.ctl("lock")
    phone.mark()
    phone.ctl("plug")  # phone first: locked, and never seen
    b.box()
    wait_until("locked", lambda: "on locked" in b.log(), 60, 0.3)
    phone.ctl("unlock")
    phone.wait_event("trust dialog shown", 60000)
    phone.ctl("trust")
    wait_safe(b, phone, 1)
    phone.ctl("unplug")
    b.wait_listed()
    phone.ctl("lock")  # box first: known, and locked
    phone.ctl("plug")
    b.wait_listed(phone)
    phone.ctl("unlock")
    wait_safe(b, phone, 2)
    phone.ctl("unplug")
    b.wait_listed()
    b.end_box()
    phone.mark()
    phone.ctl("plug")  # phone first: known, and unlocked
    b.box()
    b.wait_listed(phone)
    phone.ctl("unplug")  # its night is not due, but for one that comes anew
    b.wait_listed()
    phone.ctl("plug")
    wait_safe(b, phone, 1)
    asked = phone.ctl("wait-event", "trust dialog", 1, check_ok=False)
    check("trust dialog shown" not in asked,
          f"a phone that is paired was asked: {asked}")
