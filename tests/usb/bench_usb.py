#!/usr/bin/env python3
"""Our USB driver against Debian's usbmuxd: bench_usb.py [--runs N] [--mb N]
[--small N]. In one virtual machine, with one phone, in turn; what backs up is
Debian's idevicebackup2 each time, so that only the driver differs. See README.md.

Ends with 1 when ours is slower, or takes more of the processor, in any case.
"""

import argparse
import pathlib
import re
import shutil
import statistics
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

import check_usb  # noqa: E402
from guest import Guest, missing  # noqa: E402
from harness import BUILD, NIGHTSTAND, Rig, wait_until  # noqa: E402

OURS = "UNIX:/disk/state/usbmux.sock"
PEERS = "UNIX:/var/run/usbmuxd"
# Medians of runs in turn on a machine that has more to do.
TOLERANCE = 1.05


class Bench(check_usb.Bench):
    def __init__(self, folder, opts):
        self.opts = opts
        self.rig = Rig("usb", folder)
        src = BUILD / "src" / "usbmuxd"
        self.guest = Guest(self.rig.dir, BUILD / "src" / "kernel",
                           [NIGHTSTAND, src / "usbmuxd", src / "udevadm",
                            *map(shutil.which, ("idevicebackup2", "idevice_id", "idevicepair"))])
        # What tells libusb, in usbmuxd, of a plug.
        self.run("mkdir -p /disk/state /disk/none /disk/peer /run/udev /etc/udev/rules.d "
                 "/var/lib/lockdown; ln -s /bin/udevadm /bin/systemd-udevd; "
                 "systemd-udevd --daemon >/tmp/udevd 2>&1")
        self.sims, self.n_sims = [], 0
        self.address = None

    # --- one driver at a time

    def begin(self, which):
        self.address = OURS if which == "ours" else PEERS
        if which == "ours":
            self.guest.write_file("/tmp/conf", check_usb.CONF.replace(
                "vault = /disk/v", "vault = /disk/none/none").replace("info", "note"))
            self.run("nightstand run --config /tmp/conf --led none >/tmp/d.out 2>/tmp/d.err &"
                     " echo $! >/tmp/d.pid")
            wait_until("our driver", self.driver, 20)
            self.pid = self.driver()[0]
        else:
            # No look of its own at the phone first: that costs it time.
            self.run("usbmuxd -f -p >/tmp/d.out 2>/tmp/d.err & echo $! >/tmp/d.pid")
            wait_until("usbmuxd", lambda: self.run(
                "test -S /var/run/usbmuxd && echo yes", ok=False).strip(), 20)
            self.pid = self.run("cat /tmp/d.pid").strip()

    def end(self):
        self.run("kill $(cat /tmp/d.pid); sleep 1; rm -f /var/run/usbmuxd*; true")

    def listed(self):
        return sorted(self.run(f"USBMUXD_SOCKET_ADDRESS={self.address} idevice_id -l",
                               ok=False).split())

    # --- what is measured

    def driver_s(self):
        """Seconds of processor of the driver's process."""
        fields = self.run(f"cat /proc/{self.pid}/stat").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / 100

    def guest_s(self):
        """… and of all that runs in the guest."""
        fields = [int(n) for n in self.run("head -n 1 /proc/stat").split()[1:9]]
        return (sum(fields) - fields[3] - fields[4]) / 100

    def backup(self, phone):
        """(seconds, the driver's, the guest's seconds of processor)"""
        self.run("rm -rf /disk/peer; mkdir /disk/peer")
        cpu, all_cpu = self.driver_s(), self.guest_s()
        took = self.run(f"""a=$(cut -d' ' -f1 /proc/uptime)
            USBMUXD_SOCKET_ADDRESS={self.address} idevicebackup2 -u {phone.udid} backup \
                --full /disk/peer >/tmp/b.out 2>&1 || {{ tail -n 5 /tmp/b.out; exit 1; }}
            echo took $a $(cut -d' ' -f1 /proc/uptime)""".replace("exit 1", "false"),
                        seconds=600)
        found = re.search(r"took ([\d.]+) ([\d.]+)", took)
        if not found:
            raise RuntimeError(f"idevicebackup2: {took}")
        return (float(found[2]) - float(found[1]), self.driver_s() - cpu,
                self.guest_s() - all_cpu)


def measure(b, phone, runs):
    """{driver: [(seconds, driver's, guest's processor), …]}, in turn."""
    got = {"ours": [], "usbmuxd": []}
    for which in got:  # each keeps records of its own
        b.begin(which)
        phone.ctl("plug")
        b.wait_listed(phone)
        b.run(f"USBMUXD_SOCKET_ADDRESS={b.address} idevicepair -u {phone.udid} pair")
        phone.ctl("unplug")
        b.end()
    for _ in range(runs):
        for which in got:
            b.begin(which)
            phone.ctl("plug")
            b.wait_listed(phone)
            got[which].append(b.backup(phone))
            phone.ctl("unplug")
            b.end()
    return got


def measure_plugs(b, phone, runs):
    """{driver: [seconds from the plug to the answered VERSION, …]}"""
    got = {"ours": [], "usbmuxd": []}
    for which in got:
        b.begin(which)
        for _ in range(runs):
            before = len(check_usb.seen_after(b.sims[-1]))
            phone.ctl("plug")
            b.wait_listed(phone)
            got[which] += check_usb.seen_after(b.sims[-1])[before:]
            phone.ctl("unplug")
            wait_until("nobody", lambda: b.listed() == [], 30)
        b.end()
    return got


def median(rows, i):
    return statistics.median(row[i] for row in rows)


class Verdict:
    def __init__(self):
        self.is_worse = False

    def row(self, what, ours, theirs, unit="s"):
        ratio = ours / theirs if theirs else 1.0
        worse = ratio > TOLERANCE
        self.is_worse |= worse
        print(f"{what:<44} {ours:8.2f} {theirs:8.2f} {unit}  {ratio:5.2f}"
              f"{'  worse' if worse else ''}", flush=True)

    def backups(self, what, got):
        for i, name in ((0, "until it ends"), (1, "processor, the driver's"),
                        (2, "processor, all of the guest")):
            self.row(f"{what}: {name}", median(got["ours"], i), median(got["usbmuxd"], i))


def run(opts, folder):
    b = Bench(folder, opts)
    v = Verdict()
    try:
        print(f"{'':<44} {'ours':>8} {'usbmuxd':>8}    ratio")
        large = b.phone(files=20, bytes=f"{opts.mb}M")
        got = measure(b, large, opts.runs)
        v.backups(f"{opts.mb} MB in 20 files", got)
        print(f"{'':<44} {opts.mb / median(got['ours'], 0):8.1f} "
              f"{opts.mb / median(got['usbmuxd'], 0):8.1f} MB/s")
        b.sims[-1].stop()
        small = b.phone(files=opts.small, bytes=f"{opts.small}K")
        v.backups(f"{opts.small} files of 1 KB", measure(b, small, opts.runs))
        plugs = measure_plugs(b, small, opts.plugs)
        v.row("plug to the phone's first answer",
              statistics.median(plugs["ours"]), statistics.median(plugs["usbmuxd"]))
    except Exception:
        print(b.run("tail -n 20 /tmp/d.err", ok=False))
        raise
    finally:
        b.stop()
    return v.is_worse


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--plugs", type=int, default=15)
    p.add_argument("--mb", type=int, default=64)
    p.add_argument("--small", type=int, default=2000)
    opts = p.parse_args()
    why = missing()
    if why:
        print(f"bench-usb: {why}", file=sys.stderr)
        return 1
    base = tempfile.mkdtemp(prefix="nightstand-usb-", dir="/tmp")
    began = time.monotonic()
    worse = run(opts, f"{base}/bench")
    shutil.rmtree(base)
    print(f"{'worse than usbmuxd somewhere' if worse else 'nowhere worse than usbmuxd'} "
          f"({time.monotonic() - began:.0f} s)")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
