"""A simulated iPhone on the box's USB port, by way of usbredir."""

import hashlib
import os
import pathlib
import socket
import subprocess
import time

import vm

# At whatever hour this runs: between one and six a phone that was there first is left to sleep.
ALWAYS_ASKS = "[policy]\nquiet_from = 00:00\nquiet_to = 00:00\n"
BUILD = pathlib.Path(os.environ.get("NIGHTSTAND_BUILD", vm.TOP / "build/host"))


class Phone:
    """phonesim at the machine's port; trusts, and its passcode is entered."""

    def __init__(self, rig, name="", port=None, **options):
        """`name` before that of its files, `port` in place of the machine's."""
        self.control = rig.dir / f"{name}ctl"
        port = port or ("--usbredir", str(rig.dir / "phone"))
        args = [str(BUILD / "phonesim"), *port, "--control",
                str(self.control), "--state", str(rig.dir / f"{name}sim"), "--phone",
                ",".join(f"{k}={v}" for k, v in options.items())]
        with open(rig.dir / "sim.log", "ab") as log:
            self.proc = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        rig.ends.append(self.proc.kill)
        end = time.time() + 30
        while not self.control.exists() and time.time() < end:
            time.sleep(0.05)
        self.udid = self.ask("list").split()[0]
        self.ask(f"@{self.udid} passcode entered 0")

    def ask(self, line):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(300)
            s.connect(str(self.control))
            s.sendall(line.encode() + b"\n")
            text = b""
            while not text.endswith(b"\n"):
                part = s.recv(65536)
                if not part:
                    break
                text += part
        text = text.decode().strip()
        if not text.startswith("ok"):
            raise vm.Failed(f"phonesim {line}: {text}")
        return text[3:]


def test_backup_to_a_usb_disk(rig):
    """Phone and disk on USB, the backup runs, the power goes; what is on the
    disk equals the phone, file by file, and the program on this machine calls it whole."""
    if not (BUILD / "phonesim").exists():
        raise vm.Skip("no phonesim: make all")
    disk = rig.disk("backups", ["mkfs.ext4", "-q"], mib=512)
    m = rig.vm(rig.card(), disks=[disk]).start()
    m.wait_state("ready")
    phone = Phone(rig, trusted="yes", files=60, bytes="8M", plugged="no")
    phone.ask(f"@{phone.udid} plug")
    began = time.time()
    m.wait_state("safe", 240)
    took = time.time() - began
    phone.ask(f"@{phone.udid} hashes {rig.dir / 'hashes'}")
    m.cut()
    subprocess.run(["e2fsck", "-p", str(disk)], capture_output=True)
    out = rig.dir / "vault"
    out.mkdir()
    subprocess.run(["debugfs", "-R", f"rdump /Nightstand {out}", str(disk)], check=True,
                   capture_output=True)
    for command in ("verify", "list"):
        done = subprocess.run([str(BUILD / "nightstand"), command, "--vault", str(out)],
                              capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    files = same_as_phone(rig.dir / "hashes", out, phone.udid)
    return f"backup of 8 MB in {took:.0f} s after the plug, {files} files as on the phone"


test_backup_to_a_usb_disk.quick = True


def test_phone_first_box_later(rig):
    """The power comes when all lies ready: nobody plugs anything in, and it is safe."""
    disk = rig.disk("backups", ["mkfs.ext4", "-q"])
    m = rig.vm(rig.card(ALWAYS_ASKS), disks=[disk], cold=True).start()
    # The kernel needs seconds to look at its USB port.
    Phone(rig, trusted="yes", files=20, bytes="1M")
    m.read_serial(0)
    assert not m.serial, m.serial
    m.wait_state("safe", 240)
    return f"safe {time.time() - m.began:.0f} s after the power came"


def is_night(folder, files):
    """Is that backup what the phone held: {file id: sha256}, no more, no less."""
    there = {f.name: f for f in folder.glob("[0-9a-f][0-9a-f]/*")}
    return there.keys() == files.keys() and all(
        hashlib.sha256(there[fid].read_bytes()).hexdigest() == sha for fid, sha in files.items())


def same_as_phone(listing, vault, udid):
    """Every file of the phone's own list, by its SHA-256; how many."""
    folder = next(vault.glob(f"**/{udid}/latest/{udid}"))
    compared = 0
    for line in listing.read_text().splitlines():
        sha, _, _, _, encrypted_only, fid, name = line.split(" ", 6)
        if len(sha) != 64 or encrypted_only == "e":
            continue  # a folder, or not in a plain backup
        data = (folder / fid[:2] / fid).read_bytes()
        assert hashlib.sha256(data).hexdigest() == sha, f"{name} differs"
        compared += 1
    assert compared >= 50, f"only {compared} files"
    return compared
