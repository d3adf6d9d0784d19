#!/usr/bin/env python3
"""The driver on a real USB stack: check_usb.py [-k TEXT] [--plugs N]
[--cuts N] [--seed N]. See README.md. Ends with "N passed, N failed"."""

import argparse
import json
import os
import pathlib
import random
import re
import shutil
import sys
import tempfile
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

from guest import Guest, missing  # noqa: E402
from harness import (BUILD, NIGHTSTAND, PHONESIM, Rig, Sim, check, equal,  # noqa: E402
                     wait_until)

PEERS = ("idevice_id", "ideviceinfo", "idevicepair", "idevicebackup2",
         "usbip")
CONF = """[box]
state = /disk/state
vault = /disk/v
log = info
[usb]
driver = own
[web]
on = no
[policy]
quiet_from = 03:00
quiet_to = 03:00
"""
ENV = "USBMUXD_SOCKET_ADDRESS=UNIX:/disk/state/usbmux.sock"


class Bench:
    """The guest, and a phonesim for each of its ports."""

    def __init__(self, folder, opts):
        self.opts = opts
        self.rig = Rig("usb", folder)
        self.guest = Guest(self.rig.dir, BUILD / "src" / "kernel",
                           [NIGHTSTAND, PHONESIM, *map(shutil.which, PEERS)])
        self.guest.run("mkdir -p /disk/state /disk/v /disk/nothing")
        self.sims = []
        self.n_sims = 0

    def phone(self, i=0, **options):
        """A phone at that port of the guest, unplugged, which trusts."""
        defaults = {"files": 60, "bytes": "2M", "plugged": "no",
                    "trusted": "yes", "seed": 10 + len(self.sims)}
        self.n_sims += 1
        sim = Sim(self.rig, f"sim{self.n_sims}", [{**defaults, **options}],
                  ["--usbredir", self.guest.phone_socket(i), "--verbose"])
        self.sims.append(sim)
        phone = sim.phone()
        phone.ctl("set", "dpic", 1000)
        phone.ctl("set", "tls_delay_ms", 0)
        phone.ctl("passcode", "entered", 0)
        return phone

    def run(self, command, **kw):
        return self.guest.run(command, **kw)

    def box(self, disk=True):
        """Starts the firmware in the guest, anew."""
        self.guest.write_file("/tmp/conf", CONF if disk else CONF.replace(
            "vault = /disk/v", "vault = /disk/none"))
        self.run("nightstand run --config /tmp/conf --led none "
                 ">/tmp/box.out 2>/tmp/box.err & echo $! >/tmp/box.pid")
        wait_until("the driver", lambda: self.driver(), 20)

    def driver(self):
        found = self.run("grep -l 'usbmu[x].sock' /proc/[0-9]*/cmdline",
                         ok=False)
        return re.findall(r"/proc/(\d+)/cmdline", found)

    def end_box(self):
        self.run("kill $(cat /tmp/box.pid) 2>/dev/null; sleep 1; true")

    def log(self):
        return self.run("cat /tmp/box.err", ok=False)

    def listed(self):
        return sorted(self.run(f"{ENV} idevice_id -l", ok=False).split())

    def wait_listed(self, *phones):
        want = sorted(p.udid for p in phones)
        wait_until(f"the list {want}", lambda: self.listed() == want, 30)

    def end_test(self):
        self.end_box()
        errors = []
        for sim in self.sims:
            errors += [line for line in sim.process.err.splitlines()
                       if "usb host error" in line]
            sim.stop()
        self.sims = []
        self.run("rm -rf /disk/state /disk/v; mkdir -p /disk/state /disk/v")
        # A driver of its own has nothing of the one before.
        check(not errors, f"{len(errors)} errors: {errors[:3]}")

    def stop(self):
        self.guest.stop()
        self.rig.end()


def stamp(line):
    h, m, s = line.split()[0].split(":")
    return int(h) * 3600 + int(m) * 60 + float(s)


def seen_after(sim):
    """Seconds from the plug to the answered VERSION, by phonesim's log: the
    guest kernel's enumeration is in it."""
    plugs, times = None, []
    for line in sim.process.err.splitlines():
        if "usb connected" in line:
            plugs = stamp(line)
        elif "usb multiplexer" in line and plugs is not None:
            times.append(stamp(line) - plugs)
            plugs = None
    return times


def sums(b, udid):
    """{path: sha256} of the guest's plain backup of a phone."""
    out = b.run(f"cd /disk/v/Nightstand/{udid}/latest/{udid} && "
                "find . -type f -exec sha256sum {} +")
    return dict(reversed(line.split(None, 1)) for line in out.splitlines())


def digest(b, udid):
    """The same as one line."""
    return b.run(f"cd /disk/v/Nightstand/{udid}/latest/{udid} && "
                 "find . -type f -exec sha256sum {} + | sort | sha256sum")


def test_a_night(b):
    phone = b.phone(files=100, bytes="8M")
    b.box()
    phone.ctl("plug")
    phone.wait_event("backup end 0", 120000)
    wait_until("safe", lambda: "backup is safe" in b.log(), 60)
    got = {os.path.basename(k): v for k, v in sums(b, phone.udid).items()}
    for name, item in phone.hashes().items():
        if item.sha != "-" and not item.encrypted_only:
            equal(got.get(item.file_id), item.sha, name)
    print(f"    plug to VERSION: {seen_after(b.sims[0])[0]:.2f} s")


def test_every_order_of_plugs(b):
    one, two = b.phone(0), b.phone(1)
    one.ctl("plug")  # the phone first, then the box
    time.sleep(2)
    b.box(disk=False)
    b.wait_listed(one)
    two.ctl("plug")
    b.wait_listed(one, two)
    one.ctl("unplug")
    b.wait_listed(two)
    one.ctl("plug")
    b.wait_listed(one, two)
    b.run(f"kill -9 {b.driver()[0]}")  # and a driver that dies
    b.wait_listed(one, two)
    one.ctl("unplug")
    two.ctl("unplug")
    b.wait_listed()


def test_seen_within_a_second(b):
    phone = b.phone()
    b.box(disk=False)
    for _ in range(10):
        phone.ctl("plug")
        b.wait_listed(phone)
        phone.ctl("unplug")
        b.wait_listed()
    times = sorted(seen_after(b.sims[0]))
    equal(len(times), 10, "plugs that were answered")
    print(f"    plug to VERSION: {times[0]:.2f} to {times[-1]:.2f} s, "
          f"median {times[5]:.2f}")
    # A busy machine slows the guest now and then, not half of the time.
    check(times[5] < 1.0, f"it took {times[5]:.2f} s")


def test_plugs_leave_nothing_behind(b):
    phone = b.phone(files=5, bytes="100K")
    b.box(disk=False)
    pid = b.driver()[0]

    def held():
        fds = int(b.run(f"ls /proc/{pid}/fd | wc -l"))
        rss = int(re.search(r"VmRSS:\s+(\d+)",
                            b.run(f"cat /proc/{pid}/status")).group(1))
        return fds, rss

    # The first few are all that the driver will ever need.
    for _ in range(5):
        phone.ctl("plug")
        b.wait_listed(phone)
        phone.ctl("unplug")
    b.wait_listed()
    fds, rss = held()
    dice = random.Random(b.opts.seed)
    for i in range(b.opts.plugs):
        phone.ctl("plug")
        if i % 5 == 0:
            b.wait_listed(phone)
        else:  # at any point of the kernel's or our own first steps
            time.sleep(dice.uniform(0, 0.9))
        phone.ctl("unplug")
    b.wait_listed()
    phone.ctl("plug")
    b.wait_listed(phone)
    phone.ctl("unplug")
    b.wait_listed()
    now_fds, now_rss = held()
    print(f"    {b.opts.plugs} plugs: descriptors {fds} -> {now_fds}, "
          f"memory {rss} -> {now_rss} KiB")
    equal(b.driver()[0], pid, "the driver's process")
    check(now_fds <= fds, f"descriptors: {fds} -> {now_fds}")
    check(now_rss - rss < 1024, f"memory: {rss} -> {now_rss} KiB")


def test_pulled_in_the_middle_of_a_backup(b):
    phone = b.phone(files=60, bytes="3M")
    b.box()
    phone.ctl("plug")
    wait_until("safe", lambda: "backup is safe" in b.log(), 120)
    kept = digest(b, phone.udid)
    dice = random.Random(b.opts.seed)
    for i in range(b.opts.cuts):
        cut = int(2 ** dice.uniform(0, 21))
        phone.ctl("unplug")
        b.wait_listed()
        phone.ctl("mutate", "change=10", "add=3", f"seed={i + 2}")
        phone.mark()
        phone.ctl("cut", cut)
        phone.ctl("plug")
        phone.ctl("cut", cut)
        phone.wait_event("detached", 60000)
        b.wait_listed()
        if b.run("grep -c 'backup is safe' /tmp/box.err").strip() != "1":
            # A small night fits below the cut; then it is the new one.
            kept = digest(b, phone.udid)
            b.run("sed -i 's/backup is safe/was safe/' /tmp/box.err; "
                  "echo backup is safe >>/tmp/box.err")
        equal(digest(b, phone.udid), kept, f"the backup after a cut at {cut}")
    phone.mark()
    phone.ctl("plug")
    phone.wait_event("backup end 0", 120000)


def test_the_peers(b):
    phone = b.phone(files=200, bytes="10M")
    b.box(disk=False)
    phone.ctl("plug")
    b.wait_listed(phone)
    b.run(f"{ENV} idevicepair -u {phone.udid} pair")
    info = b.run(f"{ENV} ideviceinfo -u {phone.udid}")
    check(f"UniqueDeviceID: {phone.udid}" in info, "ideviceinfo")
    b.run("mkdir -p /disk/peer")
    began = time.monotonic()
    b.run(f"{ENV} idevicebackup2 -u {phone.udid} backup /disk/peer "
          ">/tmp/peer.out 2>&1", seconds=200)
    print(f"    idevicebackup2, 10 MB: {time.monotonic() - began:.1f} s")
    out = b.run(f"cd /disk/peer/{phone.udid} && "
                "find . -type f -exec sha256sum {} +")
    got = {os.path.basename(line.split()[1]): line.split()[0]
           for line in out.splitlines()}
    for name, item in phone.hashes().items():
        if item.sha != "-" and not item.encrypted_only:
            equal(got.get(item.file_id), item.sha, name)
    b.run("rm -rf /disk/peer")


def test_a_phone_that_is_not_one(b):
    """Nothing of the driver's own hangs on a phone that never answers."""
    silent, phone = b.phone(0), b.phone(1)
    silent.ctl("set", "usb_silent", 1)
    b.box(disk=False)
    silent.ctl("plug")
    phone.ctl("plug")
    b.wait_listed(phone)
    wait_until("that it is told of", lambda:
               "it does not answer" in b.log(), 30)
    phone.ctl("unplug")
    b.wait_listed()
    silent.ctl("set", "usb_silent", "0")
    b.wait_listed(silent)


def shown(b, conf="/tmp/conf", run=""):
    """{state: phone} of the box's status."""
    out = b.run(f"{run} nightstand status --config {conf} --json", ok=False)
    try:
        return {p["state"]: p for p in json.loads(out)["phones"]}
    except ValueError:
        return {}


def wait_shown(b, state, seconds=40, **kw):
    return wait_until(f"a phone that is {state}",
                      lambda: shown(b, **kw).get(state), seconds)


def test_why_a_phone_does_not_talk(b):
    """Each reason is told apart, beside a phone that works all the time."""
    odd, phone = b.phone(0, locked="yes"), b.phone(1)
    b.box(disk=False)
    phone.ctl("plug")
    b.wait_listed(phone)
    for mode, state in (("recovery", "recovery_mode"), ("dfu", "dfu_mode"),
                        ("charging", "charges_only"),
                        ("refuses", "usb_refused"), ("stalls", "usb_errors"),
                        ("restricted", "usb_restricted")):
        odd.ctl("set", "usb", mode)
        odd.ctl("plug")
        began = time.monotonic()
        p = wait_shown(b, state)
        print(f"    {mode}: {state} after {time.monotonic() - began:.1f} s, "
              f"{p['port']['text']}")
        equal(p["udid"], None, f"udid in {mode}")
        equal(b.listed(), [phone.udid], "the phone beside it")
        if mode != "restricted":
            odd.ctl("unplug")
            wait_until("that it is gone",
                       lambda: list(shown(b)) and state not in shown(b), 20)
    odd.ctl("unlock")
    b.wait_listed(odd, phone)
    check("usb_restricted" not in shown(b), "it talks, and is shown silent")
    odd.ctl("unplug")
    phone.ctl("unplug")


def test_a_phone_that_another_program_holds(b):
    phone = b.phone()
    b.box(disk=False)
    phone.ctl("plug")
    b.wait_listed(phone)
    b.run("mkdir -p /tmp/state2; sed 's,/disk/state,/tmp/state2,' /tmp/conf "
          ">/tmp/conf2; env -u USBMUXD_SOCKET_ADDRESS nightstand run --config "
          "/tmp/conf2 --led none >/tmp/box2.out 2>/tmp/box2.err & "
          "echo $! >/tmp/box2.pid")
    try:
        p = wait_shown(b, "usb_held", conf="/tmp/conf2")
        check("Another program holds" in p["headline"], p["headline"])
        equal(b.listed(), [phone.udid], "its holder's list")
        b.end_box()  # and the other one goes on by itself
        wait_until("that it is had", lambda: "usb_held" not in
                   shown(b, "/tmp/conf2") and phone.udid in b.run(
                       "USBMUXD_SOCKET_ADDRESS=UNIX:/tmp/state2/usbmux.sock "
                       "idevice_id -l", ok=False), 90)
    finally:
        b.run("kill $(cat /tmp/box2.pid); sleep 1; rm -rf /tmp/state2",
              ok=False)


def test_a_program_without_rights_says_so(b):
    phone = b.phone()
    phone.ctl("plug")
    b.run("mkdir -p /tmp/state3; chown nobody /tmp/state3")
    b.guest.write_file("/tmp/conf3", CONF.replace(
        "/disk/state", "/tmp/state3").replace("/disk/v", "/disk/none"))
    b.run("su -s /bin/sh nobody -c 'exec nightstand run --config /tmp/conf3 "
          "--led none >/tmp/state3/out 2>/tmp/state3/err' & "
          "echo $! >/tmp/box3.pid")
    try:
        p = wait_shown(b, "usb_no_rights", conf="/tmp/conf3")
        check("may not use" in p["headline"], p["headline"])
    finally:
        print(b.run("tail -3 /tmp/state3/err", ok=False))
        b.run("kill $(cat /tmp/box3.pid); sleep 1; rm -rf /tmp/state3",
              ok=False)


def test_a_pc_with_nothing_else_installed(b):
    """As README says it: root, a phone, a folder; no config, no usbmuxd, no
    udev."""
    phone = b.phone()
    b.run("mkdir -p /disk/pc; cd /; nightstand run --vault /disk/pc --log "
          "note >/tmp/pc.out 2>/tmp/pc.err & echo $! >/tmp/pc.pid")
    try:
        wait_until("the page", lambda: "Plug in an iPhone" in b.run(
            "wget -qO- http://127.0.0.1:8080/", ok=False), 30)
        phone.ctl("plug")
        # A page drawn again and again would take the guest's time away.
        wait_until("safe", lambda: "backup is safe" in b.run(
            "cat /tmp/pc.err"), 240)
        wait_until("the page to say so", lambda: "is safe" in b.run(
            "wget -qO- http://127.0.0.1:8080/", ok=False), 20)
        record = f"/var/lib/lockdown/{phone.udid}.plist"
        equal(b.run(f"stat -c %a {record}").strip(), "600",
              "mode of the pair record")
        check("latest" in b.run(f"ls /disk/pc/Nightstand/{phone.udid}"),
              "no backup")
    finally:
        print(b.run("tail -5 /tmp/pc.err", ok=False))
        b.run("kill $(cat /tmp/pc.pid); sleep 1; rm -rf /disk/pc "
              "/var/lib/lockdown", ok=False)


def test_usbip_through_the_kernel(b):
    """The simulator as a USB/IP device, attached by the guest's own kernel
    (vhci_hcd) with Debian's tool, all within the guest."""
    b.box()
    b.run("phonesim --usbip 127.0.0.1:3240 --control /tmp/ctl --state "
          "/disk/sim --phone files=20,bytes=500K,trusted=yes --verbose "
          ">/tmp/sim.out 2>/tmp/sim.err &")
    wait_until("phonesim", lambda: "ready" in b.run("cat /tmp/sim.out"), 60)
    udid = b.run("phonesim ctl /tmp/ctl list").split()[-1]
    b.run("usbip attach -r 127.0.0.1 -b 1-1")
    wait_until("safe", lambda: "backup is safe" in b.log(), 120)
    b.run("phonesim ctl /tmp/ctl unplug")
    wait_until("nobody", lambda: b.listed() == [], 20)
    check(udid in b.log(), "the phone's name in the log")
    errors = b.run("grep 'usb host error' /tmp/sim.err", ok=False)
    equal(errors.strip(), "", "errors of the host")
    b.run("phonesim ctl /tmp/ctl quit; rm -rf /disk/sim")


TESTS = [f for n, f in sorted(globals().items()) if n.startswith("test_")]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("-k", default="")
    p.add_argument("--plugs", type=int, default=50)
    p.add_argument("--cuts", type=int, default=10)
    p.add_argument("--seed", type=int, default=1)
    opts = p.parse_args()
    why = missing()
    if why:
        print(f"check-usb: {why}", file=sys.stderr)
        return 1
    base = tempfile.mkdtemp(prefix="nightstand-usb-", dir="/tmp")
    passed, failed, b = 0, [], None
    for test in TESTS:
        if opts.k not in test.__name__:
            continue
        began = time.monotonic()
        try:
            b = b or Bench(f"{base}/{test.__name__}", opts)
            test(b)
            b.end_test()
            passed += 1
            print(f"ok   {test.__name__[5:]} "
                  f"({time.monotonic() - began:.1f} s)", flush=True)
        except Exception as e:
            failed.append(test.__name__)
            print(f"FAIL {test.__name__[5:]}: {e}", flush=True)
            traceback.print_exc()
            if b:  # what it left may disturb the next one
                print(b.guest.console_text()[-2000:])
                try:
                    print(b.log()[-4000:])
                except Exception:
                    pass
                for sim in b.sims:
                    sim.stop()
                b.sims = []
                b.stop()
                b = None
    if b:
        b.stop()
    if not failed:
        shutil.rmtree(base)
    else:
        print(f"what the failed tests left is in {base}")
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
