"""The box's own USB driver: simulated phones on a cable of sockets, whose
messages are the transfers of real USB, and Debian's own tools at the box's
usbmuxd socket. The simulated phone is strict: what the driver does wrong
becomes an event "usb host error"."""

import os
import pathlib
import plistlib
import signal
import socket
import struct
import time

import harness
import mbformat
from harness import Process, check, equal, wait_until
from test_box import Box, free_port
from test_jail import facts, role_pid


class Cable:
    """A phonesim that plugs its phones into a box's cable."""

    def __init__(self, t, *phones):
        self.t = t
        self.path = t.socket_path("cable")
        self.sim = t.sim(*phones, options=["--cable", self.path, "--verbose"])

    def errors(self):
        return [line for line in self.sim.process.err.splitlines()
                if "usb host error" in line]


def cable_box(t, cable, disk=True, **config):
    """A box with its own driver. Without a disk it asks no phone."""
    if not disk:
        config["box__vault"] = t.path("nothing")
    sock = t.socket_path("state-dir")
    config["box__state"] = sock
    box = Box(t, None, usb__cable=cable.path, **config)
    box.env = {"USBMUXD_SOCKET_ADDRESS": f"UNIX:{sock}/usbmux.sock"}
    return box


def listed(t, box):
    return t.run("idevice_id", "-l", env=box.env, ok=False).stdout.split()


def wait_listed(t, box, udids):
    wait_until("the phones", lambda: sorted(listed(t, box)) == sorted(udids),
               10)


def no_errors(cable):
    errors = cable.errors()
    check(not errors, f"{len(errors)} errors, the first: {errors[:3]}")


def test_a_night_through_our_own_driver(t):
    cable = Cable(t, {"plugged": "no"})
    phone = cable.sim.phone()
    box = cable_box(t, cable)
    box.wait_state("ready")
    began = time.monotonic()
    phone.ctl("plug")
    phone.wait_event("backup begin")
    print(f"    plug to the backup's begin: {time.monotonic() - began:.2f} s")
    box.wait_state("safe", phone=phone)
    t.compare_plain(t.latest(box.vault, phone), phone.hashes())
    no_errors(cable)


def test_backup_by_hand_needs_no_daemon(t):
    cable = Cable(t)
    phone = cable.sim.phone()
    conf = t.path("conf")
    env = dict(os.environ)
    env.pop("USBMUXD_SOCKET_ADDRESS", None)
    vault = t.path("vault")
    vault.mkdir()
    before = set(pathlib.Path("/run").glob("nightstand-*"))
    conf.write_text(f"[usb]\ncable = {cable.path}\n"
                    f"records = {t.path('records')}\n")
    t.nightstand("backup", "--config", conf, "--vault", vault, "--wait", 20,
                 env=env)
    t.compare_plain(t.latest(vault, phone), phone.hashes())
    equal(set(pathlib.Path("/run").glob("nightstand-*")), before,
          "folders left in /run")
    mode = (t.path("records") / f"{phone.udid}.plist").stat().st_mode & 0o777
    equal(mode, 0o600, "mode of the pair record")
    no_errors(cable)


def test_the_peers_work_through_our_socket(t):
    t.needs("iproxy")
    cable = Cable(t, {"files": 300, "bytes": "20M"})
    phone = cable.sim.phone()
    box = cable_box(t, cable, disk=False)
    wait_listed(t, box, [phone.udid])
    t.run("idevicepair", "-u", phone.udid, "pair", env=box.env)
    t.run("idevicepair", "-u", phone.udid, "validate", env=box.env)
    info = plistlib.loads(t.run(
        "ideviceinfo", "-u", phone.udid, "-x", env=box.env).stdout.encode())
    equal(info["UniqueDeviceID"], phone.udid, "UniqueDeviceID")
    folder = t.path("peer")
    folder.mkdir()
    began = time.monotonic()
    t.run("idevicebackup2", "-u", phone.udid, "backup", folder, env=box.env)
    print(f"    idevicebackup2: {time.monotonic() - began:.2f} s")
    files = mbformat.read_backup(str(folder / phone.udid), None)
    for name, item in phone.hashes().items():
        if item.sha != "-" and not item.encrypted_only:
            equal(files[name].sha256, item.sha, f"content of {name}")
    no_errors(cable)


def test_iproxy_carries_a_stream_both_ways(t):
    t.needs("iproxy")
    cable = Cable(t)
    phone = cable.sim.phone()
    box = cable_box(t, cable, disk=False)
    wait_listed(t, box, [phone.udid])
    port = free_port()
    proxy = Process(t, "iproxy", ["iproxy", "-u", phone.udid,
                                  f"{port}:62078"], env=box.env)
    t.processes.append(proxy)

    def ask():
        try:
            s = socket.create_connection(("127.0.0.1", port), 5)
        except OSError:
            return None
        body = plistlib.dumps({"Request": "QueryType", "Label": "t"})
        s.sendall(struct.pack(">I", len(body)) + body)
        head = s.recv(4, socket.MSG_WAITALL)
        if len(head) < 4:
            return None
        return plistlib.loads(s.recv(struct.unpack(">I", head)[0],
                                     socket.MSG_WAITALL))

    reply = wait_until("an answer through iproxy", ask)
    equal(reply["Type"], "com.apple.mobile.lockdown", "Type")
    no_errors(cable)


def test_any_order_of_plugs(t):
    """The phone before the box, the box before the phone, two phones, and a
    simulator that is started anew, as a hub that loses its power."""
    cable = Cable(t, {"seed": 1}, {"seed": 2, "plugged": "no"})
    first, second = cable.sim.phones()
    box = cable_box(t, cable, disk=False)
    wait_listed(t, box, [first.udid])
    second.ctl("plug")
    wait_listed(t, box, [first.udid, second.udid])
    first.ctl("unplug")
    wait_listed(t, box, [second.udid])
    first.ctl("plug")
    wait_listed(t, box, [first.udid, second.udid])
    cable.sim.stop()
    wait_listed(t, box, [])
    cable.sim.start()
    wait_listed(t, box, [first.udid])
    no_errors(cable)


def test_a_driver_that_dies_is_started_again(t):
    cable = Cable(t)
    phone = cable.sim.phone()
    box = cable_box(t, cable, disk=False)
    wait_listed(t, box, [phone.udid])
    pid = role_pid(box, "usbmux")
    os.kill(int(pid.name), signal.SIGKILL)
    wait_until("another driver",
               lambda: (role_pid(box, "usbmux") or pid) != pid, 20)
    wait_listed(t, box, [phone.udid])
    no_errors(cable)


def test_the_driver_has_few_rights(t):
    cable = Cable(t)
    box = cable_box(t, cable, disk=False)
    wait_listed(t, box, [cable.sim.phone().udid])
    f = facts(role_pid(box, "usbmux"))
    equal(f["NoNewPrivs"].strip(), "1", "NoNewPrivs")
    if os.geteuid() == 0:
        check("0" not in f["Uid"].split(), f"Uid: {f['Uid']}")
        equal(int(f["CapEff"], 16), 1 << 1, "CapEff: CAP_DAC_OVERRIDE alone")
        equal(int(f["CapPrm"], 16), 1 << 1, "CapPrm")
    if not harness.SAN:
        equal(f["Seccomp"].strip(), "2", "Seccomp")


def descriptors(pid):
    return len(list((pid / "fd").iterdir()))


def resident_kib(pid):
    for line in (pid / "status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def test_many_plugs_leave_nothing_behind(t):
    cable = Cable(t, {"plugged": "no", "files": 5, "bytes": "100K"})
    phone = cable.sim.phone()
    box = cable_box(t, cable, disk=False)
    pid = role_pid(box, "usbmux")
    wait_listed(t, box, [])
    before = descriptors(pid)
    memory = 0
    for i in range(1000):
        phone.ctl("plug")
        if i % 10 == 0:
            wait_listed(t, box, [phone.udid])
            t.run("ideviceinfo", "-s", "-u", phone.udid, env=box.env,
                  ok=i % 50 == 0)
        elif i % 10 == 5:
            time.sleep(0.005)  # in the middle of its introduction
        phone.ctl("unplug")
        if i == 100:
            memory = resident_kib(pid)
    wait_listed(t, box, [])
    equal(role_pid(box, "usbmux"), pid, "the driver's process")
    wait_until("the descriptors to be closed",
               lambda: descriptors(pid) <= before, 5)
    grown = resident_kib(pid) - memory
    print(f"    1000 plugs: {grown} KiB more than after 100")
    check(harness.SAN or grown < 1024,
          f"it grew by {grown} KiB")
    no_errors(cable)


def test_pulled_at_any_byte_the_last_backup_stays(t):
    cable = Cable(t, {"files": 80, "bytes": "4M"})
    phone = cable.sim.phone()
    box = cable_box(t, cable, policy__quiet_from="03:00",
                    policy__quiet_to="03:00")
    box.wait_state("safe", phone=phone)
    kept = t.tree(t.latest(box.vault, phone))
    for i, cut in enumerate((1, 700, 20000, 300000, 1500000)):
        phone.ctl("unplug")
        wait_listed(t, box, [])
        phone.ctl("mutate", "change=20", "add=5", f"seed={i + 2}")
        phone.mark()
        phone.ctl("plug")
        phone.ctl("cut", cut)
        phone.wait_event("detached")
        wait_listed(t, box, [])
        equal(t.tree(t.latest(box.vault, phone)), kept,
              f"the backup after a cut at byte {cut}")
    phone.mark()
    phone.ctl("plug")
    phone.wait_event("backup end 0", 60000)
    box.wait_state("safe", phone=phone)
    t.compare_plain(t.latest(box.vault, phone), phone.hashes())
    no_errors(cable)


class UsbIp:
    """A USB/IP host in a few lines: one attached device."""

    SUBMIT, UNLINK = 1, 2

    def __init__(self, port):
        self.s = socket.create_connection(("127.0.0.1", port), 10)
        self.seq = 0

    def read(self, n):
        data = self.s.recv(n, socket.MSG_WAITALL)
        check(len(data) == n, f"{n} bytes wanted, got {len(data)}")
        return data

    def ask(self, code, rest=b""):
        self.s.sendall(struct.pack(">HHI", 0x111, code, 0) + rest)
        version, reply, status = struct.unpack(">HHI", self.read(8))
        equal((version, reply), (0x111, code & 0xff), "answer")
        return status

    def device(self):
        return struct.unpack(">256s32sIIIHHH6B", self.read(312))

    def submit(self, ep, is_in, length, data=b"", setup=bytes(8)):
        self.seq += 1
        self.s.sendall(struct.pack(
            ">IIIIIIIIII8s", self.SUBMIT, self.seq, 0x10001, int(is_in), ep,
            0, length, 0, 0, 0, setup) + data)
        return self.seq

    def answer(self, has_data):
        """(kind, seq, status, data) of the next message."""
        kind, seq, _, _, _, status, length = struct.unpack(
            ">IIIIIiI20x", self.read(48))
        return kind, seq, status, self.read(length if has_data else 0)

    def control(self, kind, request, value, index, length):
        is_in = bool(kind & 0x80)
        self.submit(0, is_in, length, setup=struct.pack(
            "<BBHHH", kind, request, value, index, length))
        return self.answer(is_in)[2:]


def test_usbip_is_the_same_phone(t):
    port = free_port()
    sim = t.sim(options=["--usbip", f"127.0.0.1:{port}", "--verbose"])
    phone = sim.phone()
    one = UsbIp(port)
    equal(one.ask(0x8005), 0, "status of the list")
    equal(struct.unpack(">I", one.read(4))[0], 1, "devices")
    fields = one.device()
    busid = fields[1]
    equal(fields[5:7], (0x05ac, 0x12a8), "vendor and product")

    host = UsbIp(port)
    equal(host.ask(0x8003, busid), 0, "status of the import")
    host.device()
    status, data = host.control(0x80, 6, 0x0100, 0, 18)
    equal((status, data[8:12].hex()), (0, "ac05a812"), "descriptor")
    status, data = host.control(0x80, 6, 0x0303, 0x409, 255)
    equal(len(data), 82, "bytes of the serial string")
    equal(data[2:].decode("utf-16-le").rstrip("\0"),
          phone.udid.replace("-", ""), "serial")
    equal(host.control(0x80, 6, 0x0600, 0, 10)[0], -32, "a stall")
    equal(host.control(0x00, 9, 4, 0, 0)[0], 0, "SET_CONFIGURATION")

    read = host.submit(5, True, 16384)  # before there is anything
    hello = struct.pack(">IIIII", 0, 20, 2, 0, 0)
    sent = host.submit(4, False, len(hello), hello)
    equal(host.answer(False)[:3], (3, sent, 0), "the write")
    kind, seq, status, data = host.answer(True)
    equal((kind, seq, status, data), (3, read, 0, hello), "VERSION")
    read = host.submit(5, True, 16384)
    host.seq += 1
    host.s.sendall(struct.pack(">IIIIII24x", host.UNLINK, host.seq, 0x10001,
                               0, 0, read))
    equal(host.answer(False)[:3], (4, host.seq, -104), "the unlink")
    phone.ctl("unplug")
    equal(host.s.recv(1), b"", "the end at the unplug")
    two = UsbIp(port)
    equal(two.ask(0x8003, busid), 1, "an import of what is gone")


def on_page(st, state):
    """The phone of the status that is in this state; None."""
    found = [p for p in (st or {"phones": []})["phones"]
             if p["state"] == state]
    return found[0] if found else None


def wait_on_page(box, state, seconds=20):
    return wait_until(f"a phone that is {state}",
                      lambda: on_page(box.status(), state), seconds)


def test_a_phone_in_another_mode_is_shown_and_goes(t):
    cable = Cable(t, {"seed": 1, "plugged": "no"},
                  {"seed": 2, "plugged": "no"})
    odd, phone = cable.sim.phones()
    box = cable_box(t, cable)
    box.wait_state("ready")
    phone.ctl("plug")
    box.wait_state("safe", phone=phone)
    for mode, state in (("recovery", "recovery_mode"), ("dfu", "dfu_mode"),
                        ("charging", "charges_only")):
        odd.ctl("set", "usb", mode)
        odd.ctl("plug")
        p = wait_on_page(box, state)
        equal(p["udid"], None, "udid")
        equal(p["led"]["id"], "look" if mode == "charging" else "failed",
              "LED")
        check(p["port"] and p["port"]["mbit_per_s"] == 480, f"{p['port']}")
        st = box.status()
        equal(st["state"], state, "the box's state")
        equal(st["phone"], None, "the phone that it is about")
        check(p["headline"] in box.get("/"), "the page does not say it")
        said = t.nightstand("status", "--config", box.conf).stdout
        check(p["headline"] in said, f"the terminal says {said}")
        equal(listed(t, box), [phone.udid], "the phone beside it")
        odd.ctl("unplug")
        wait_until("that it is gone",
                   lambda: len(box.status()["phones"]) == 1, 10)
        equal(box.status()["state"], "safe", "the box's state")
    # It never was a phone to be kept: no line of the ledger, no entity.
    equal({n["udid"] for n in box.status()["nights"]}, {phone.udid}, "nights")
    no_errors(cable)


def test_a_restricted_phone_hides_no_other(t):
    cable = Cable(t, {"seed": 1, "plugged": "no", "locked": "yes"},
                  {"seed": 2, "plugged": "no"})
    shut, phone = cable.sim.phones()
    shut.ctl("set", "usb", "restricted")
    box = cable_box(t, cable)
    box.wait_state("ready")
    shut.ctl("plug")
    p = wait_on_page(box, "usb_restricted")
    equal(p["udid"], None, "udid of one that was never here")
    equal(p["headline"], "Unlock iPhone 15 once, then it may talk",
          "headline")
    equal(box.status()["led"]["id"], "look", "LED")
    phone.ctl("plug")
    box.wait_state("safe", phone=phone)
    check(on_page(box.status(), "usb_restricted"), "it is not shown any more")
    shut.ctl("unlock")
    shut.ctl("trust", "always")
    box.wait_state("safe", phone=shut)
    equal(len(box.status()["phones"]), 2, "phones")
    t.compare_plain(t.latest(box.vault, shut), shut.hashes())
    # Known now: silent again, it is shown as the one that it is.
    shut.ctl("unplug")
    shut.ctl("lock")
    shut.ctl("plug")
    p = wait_on_page(box, "usb_restricted")
    equal(p["udid"], shut.udid, "udid")
    check(p["last_good"], "its backup is not told of")
    equal(len(box.status()["phones"]), 2, "phones")
    shut.ctl("unplug")
    wait_until("that it is gone", lambda: not on_page(
        box.status(), "usb_restricted"), 10)
    no_errors(cable)


def test_backup_by_hand_says_why_a_phone_is_silent(t):
    cable = Cable(t, {"locked": "yes"})
    phone = cable.sim.phone()
    phone.ctl("set", "usb", "restricted")
    conf = t.path("conf")
    env = dict(os.environ)
    env.pop("USBMUXD_SOCKET_ADDRESS", None)
    t.path("vault").mkdir()
    conf.write_text(f"[usb]\ncable = {cable.path}\n"
                    f"records = {t.path('records')}\n")
    r = t.nightstand("backup", "--config", conf, "--vault", t.path("vault"),
                     "--wait", 9, env=env, ok=False)
    equal(r.returncode, 14, "exit status")
    check("once, then it may talk" in r.stdout, f"it says {r.stdout}")


def test_a_weak_supply_is_the_reason_of_a_drop(t):
    cable = Cable(t, {"files": 80, "bytes": "4M", "plugged": "no"})
    phone = cable.sim.phone()
    alarm = t.path("sys/class/hwmon/hwmon0/in0_lcrit_alarm")
    alarm.parent.mkdir(parents=True)
    (alarm.parent / "name").write_text("rpi_volt\n")
    alarm.write_text("0\n")
    box = cable_box(t, cable, box__sys=t.path("sys"))
    box.wait_state("ready")
    phone.ctl("at", "upload-file:30", "pause", "60000")
    phone.ctl("plug")
    phone.wait_event("point upload-file", 30000)
    alarm.write_text("1\n")
    phone.ctl("unplug")
    p = wait_on_page(box, "power_drop")
    equal(p["udid"], phone.udid, "udid")
    check("power was too weak" in p["headline"], p["headline"])
    night = box.status()["nights"][0]
    equal(night["state"], "power_drop", "the ledger's line")
    check("too weak" in night["text"], night["text"])
    # A cable that is pulled by hand is just that.
    alarm.write_text("0\n")
    time.sleep(21)
    phone.ctl("at", "upload-file:60", "pause", "60000")
    phone.mark()
    phone.ctl("plug")
    phone.wait_event("point upload-file", 30000)
    phone.ctl("unplug")
    wait_on_page(box, "unplugged")
    time.sleep(6)
    check(on_page(box.status(), "unplugged"), "it is called another thing")
    # The kernel tells of a dip some seconds late.
    alarm.write_text("1\n")
    wait_on_page(box, "power_drop", 8)
