"""The virtual machine that the image is tried in: qemu-system-aarch64 -M virt.

The kernel and the initramfs are the image's own, the card is a copy of it. LEDs
are seen from outside: QEMU writes each change of a pin into a trace.
"""

import contextlib
import functools
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

import slices

TOP = pathlib.Path(__file__).resolve().parents[2]
CARD_BYTES = 512 << 20
FAT_END_MIB = 1 + 128  # where the box's own partition begins (tools/image/card.py)
MACHINE = ["-M", "virt", "-cpu", "cortex-a72", "-smp", "1"]
TCG = "tcg,thread=single"
# Where a second kernel runs (kexec, reset): what QEMU had translated of the first one
# makes each write to those pages slow, six times in all, until its cache is full.
SECOND_KERNEL = ",tb-size=40"
# kpti=off: the kernel has page tables of its own to hide where it lies. To change them costs a
# processor little, but QEMU forgets all addresses then: 15 us a system call in place of 1.3.
# notests: RSA and ECDSA by the kernel against what it knows, 1.4 of a start's 2.7 thousand
# million instructions. The Pi keeps both.
CMDLINE = ("console=ttyAMA0 panic=10 watchdog.stop_on_reboot=0 ipv6.disable=1 kpti=off "
           "cryptomgr.notests quiet")
PINS = {0: "green", 1: "red"}
# A machine that is slow, or has much else to do: every deadline grows.
SLOW = float(os.environ.get("NIGHTSTAND_SLOW", "1"))


class Failed(Exception):
    pass


class Skip(Exception):
    """Not tried, and why."""


def image_dir():
    default = TOP / "build/image/qemu-arm64"
    return pathlib.Path(os.environ.get("NIGHTSTAND_IMAGE", default))


def device_tree(folder, memory):
    out = folder / "led.dtb"
    out.write_bytes(device_tree_of(memory))
    return out


@functools.cache
def device_tree_of(memory):
    """QEMU's own, with LEDs and memory kept apart: the phandle of its GPIO differs by version."""
    with tempfile.TemporaryDirectory(prefix="nightstand-tree-") as folder:
        return make_device_tree(pathlib.Path(folder), memory)


def make_device_tree(folder, memory):
    plain, text, out = (folder / n for n in ("virt.dtb", "virt.dts", "led.dtb"))
    subprocess.run(["qemu-system-aarch64", "-M", f"virt,dumpdtb={plain}", *MACHINE[2:],
                    "-m", str(memory), "-nodefaults", "-display", "none"],
                   check=True, capture_output=True)
    dts = subprocess.run(["dtc", "-q", "-I", "dtb", "-O", "dts", str(plain)],
                         check=True, capture_output=True, text=True).stdout
    node = re.search(r"pl061@[0-9a-f]+ \{(.*?)\n\t\};", dts, re.S)
    handle = re.search(r"phandle = <(0x[0-9a-f]+)>", node.group(1)).group(1)
    more = "".join(f.read_text() for f in sorted((TOP / "board/qemu-arm64").glob("*.dtsi")))
    more = re.sub(r"/\*.*?\*/", "", more, flags=re.S).replace("GPIO", handle)
    at = dts.rstrip().rindex("};")
    text.write_text(dts[:at] + more + dts[at:])
    subprocess.run(["dtc", "-q", "-I", "dts", "-O", "dtb", "-o", str(out), str(text)],
                   check=True)
    return out.read_bytes()


def by_hand():
    """vm.py --run: the console here, the page on 127.0.0.1:8080."""
    import sys
    folder = pathlib.Path(tempfile.mkdtemp(prefix="nightstand-vm-"))
    machine = Vm(folder, Card(folder / "card.img"))
    machine.port = int(os.environ.get("PORT", "8080"))
    machine.start()
    print(f"page http://127.0.0.1:{machine.port}/, card and log in {folder}; Ctrl-C cuts the power")
    try:
        while not machine.has_ended():
            at = len(machine.serial)
            machine.read_serial(0.5)
            sys.stdout.write(machine.serial[at:])
            sys.stdout.flush()
    except KeyboardInterrupt:
        machine.cut()


def place(disk):
    """What QEMU opens: a server's address (lossy.py), or the file."""
    return getattr(disk, "url", getattr(disk, "path", disk))


def behind(path, own, second):
    """An initramfs at `path`: the image's own, and one of a test's that follows it."""
    own = pathlib.Path(own).read_bytes()
    path.write_bytes(own + bytes(-len(own) % 512) + second)
    return path


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def ask(s, command):
    """One exchange of the debugger's protocol; None: only its answer."""
    if command is not None:
        data = command.encode()
        s.sendall(b"$" + data + b"#%02x" % (sum(data) & 0xff))
    s.settimeout(10)
    text = b""
    while True:
        text += s.recv(4096)
        found = re.search(rb"\$([^#]*)#..", text)
        if found:
            s.sendall(b"+")
            return found.group(1)


class Card:
    """The SD card: a copy of the image's, as large as a small real one."""

    def __init__(self, path, settings=None, board="qemu-arm64", copy_of=None):
        self.path = pathlib.Path(path)
        subprocess.run(["cp", "--sparse=always", str(copy_of or image_dir().parent / board / "card.img"),
                        str(self.path)], check=True)
        os.truncate(self.path, CARD_BYTES)
        if settings is not None:
            self.put("SETTINGS.txt", settings)

    def put(self, name, data):
        data = data if isinstance(data, bytes) else data.encode()
        subprocess.run(["mcopy", "-o", "-i", f"{self.path}@@1M", "-", f"::{name}"],
                       input=data, check=True, env=dict(os.environ, MTOOLS_SKIP_CHECK="1"))

    def take(self, name):
        """The bytes of one of its files; None: it has none."""
        got = subprocess.run(["mtype", "-i", f"{self.path}@@1M", f"::{name}"],
                             capture_output=True, env=dict(os.environ, MTOOLS_SKIP_CHECK="1"))
        return got.stdout if got.returncode == 0 else None

    def slot(self):
        """"a" or "b", as a Pi's loader reads it: the last os_prefix counts."""
        text = (self.take("slot.txt") or b"").decode(errors="replace")
        found = re.findall(r"^os_prefix=([ab])/$", text, re.M)
        return found[-1] if found else "a"

    def boot_files(self, folder):
        """Kernel and initramfs of that slot; QEMU loads them in the loader's place."""
        paths = []
        for name in ("kernel8.img", "initrd.img"):
            paths.append(folder / f"boot-{name}")
            paths[-1].write_bytes(self.take(f"{self.slot()}/{name}") or b"")
        return paths

    def damage_data(self, at, size):
        """A part of the box's own partition becomes noise."""
        with open(self.path, "r+b") as f:
            f.seek((FAT_END_MIB << 20) + at)
            while size > 0:
                size -= f.write(os.urandom(min(size, 1 << 20)))


class Owner:
    """A session over HTTPS; nobody has signed the box's certificate."""

    def __init__(self, machine, pin):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.pin = pin
        self.home = f"https://127.0.0.1:{machine.tls_port}"
        self.opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=context),
            urllib.request.HTTPCookieProcessor())
        code, said = self.post("/api/login", pin=pin)
        if code != 200:
            raise Failed(f"the PIN of the card: {code} {said}")
        self.csrf = said["csrf"]

    def post(self, path, **fields):
        """(status, the JSON that came)"""
        try:
            r = self.opener.open(self.home + path, urllib.parse.urlencode(fields).encode(), 20)
        except urllib.error.HTTPError as e:
            r = e
        with r:
            return r.status, json.loads(r.read())

    def status(self):
        """With the words that only an owner reads."""
        with self.opener.open(self.home + "/api/status", timeout=20) as r:
            return json.loads(r.read())

    def do(self, action, **fields):
        return self.post("/api/do", csrf=self.csrf, action=action, **fields)[0]


class Vm:
    def __init__(self, folder, card=None, memory=512, cmdline=CMDLINE, disks=(), sata=(),
                 cable=False, bites=False, keyboard=False, point=None, cold=False,
                 second=False, hand=False):
        self.dir = pathlib.Path(folder)
        self.card = card
        self.memory = memory
        self.cmdline = cmdline
        self.disks = list(disks)
        self.keyboard = keyboard
        self.point = point  # hostapd's config, or None: an access point in the machine (ap.py)
        self.ap_port = free_port()
        self.sata = list(sata)
        self.cable = cable  # raw frames at the socket "cable" in place of slirp
        self.bites = bites  # its watchdog restarts it; else that is only told
        self.hand = hand  # signals to its processes, by the console (hand.py)
        self.cold = cold  # it starts from nothing, as a real one; else see begun.py
        self.second = second or bites  # another kernel follows the first one
        self.nice = []  # what is written before QEMU's command
        self.port, self.tls_port = free_port(), free_port()
        self.serial = ""
        self.proc = self.qmp = None
        self.log = self.dir / "serial.log"  # of all machines of this folder
        self.log_at = self.log.stat().st_size if self.log.exists() else 0
        self.events = []
        self.began = 0.0
        self.cpu = 0.0  # seconds of the host's processor, of all that have ended
        self.plugs = 0

    # --- begin and end

    def _clear(self):
        for name in ("qmp", "gdb", "cable", "phone", "console", "leds.log"):
            (self.dir / name).unlink(missing_ok=True)

    def start(self):
        self._clear()
        kernel, initrd = (self.card.boot_files(self.dir) if self.card else
                          (image_dir() / "kernel8.img", image_dir() / "initrd.img"))
        if not (self.cold or self.bites or self.sata or self.hand) and self.card:
            return self._start_begun(kernel, initrd)
        cmdline = self.cmdline
        if self.hand:
            import hand
            initrd = hand.initrd(self.dir, initrd)
            cmdline += " rdinit=/test/init"
        args = self._args(kernel, initrd, cmdline)
        for number in range(len(self.disks)):
            args += ["-device", f"usb-storage,drive=start{number},id=disk{number},bus=xhci.0"]
        return self.begin(args)

    def _start_begun(self, kernel, initrd):
        """With a kernel that is up already (begun.py)."""
        import begun
        key = (self.memory, self.cmdline, self.cable, self.keyboard, self.point is None,
               begun.digest(kernel, initrd))
        if self.point is None:
            initrd, first = begun.with_gate(self.dir, initrd), "gate"
        else:
            import ap
            initrd, first = ap.with_point(self.dir, initrd), "init"
        args = self._args(kernel, initrd, f"{self.cmdline} rdinit=/test/{first}")
        self._go_on(args, begun.at_gate(self, key, args))
        # As if they had been in from the first: the kernel has not looked yet.
        for number in range(len(self.disks)):
            self.do("device_add", driver="usb-storage", drive=f"start{number}",
                    id=f"disk{number}", bus="xhci.0")
        self.do("cont")
        if self.point is None:
            self.say("")
        else:
            self.say(self.point, rf"{ap.TOLD} {len(self.point)}\s")
        return self

    def go_on_from(self, folder):
        """As the machine that was kept there (begun.at_page), with a copy of its card."""
        import begun
        self._clear()
        shutil.copyfile(folder / "serial.log", self.log)
        self.log_at = 0
        kernel, initrd = self.card.boot_files(self.dir)
        self._go_on(self._args(kernel, begun.with_gate(self.dir, initrd),
                               self.cmdline + " rdinit=/test/gate"), folder / "state")
        self.do("cont")
        return self

    def _go_on(self, args, state):
        """Until it has taken the state; it stands still then."""
        with open(state, "rb") as f:
            self.begin([*args, "-S", "-incoming", f"fd:{f.fileno()}"], (f.fileno(),))
        end = time.time() + 60 * SLOW
        while self.do("query-status")["status"] == "inmigrate":
            if time.time() > end:
                raise Failed("the machine does not take its state")
            time.sleep(0.02)

    def _args(self, kernel, initrd, cmdline):
        """All but the disks on USB, whose bytes only are named here."""
        args = ["qemu-system-aarch64", *MACHINE, "-accel", TCG + SECOND_KERNEL * self.second,
                "-m", str(self.memory), "-kernel", str(kernel),
                "-initrd", str(initrd), "-dtb", str(device_tree(self.dir, self.memory)),
                "-append", cmdline, "-device", "qemu-xhci,id=xhci",
                "-netdev", f"stream,id=n,server=on,addr.type=unix,addr.path={self.dir}/cable"
                if self.cable else
                f"user,id=n,hostfwd=tcp:127.0.0.1:{self.port}-10.0.2.15:80"
                f",hostfwd=tcp:127.0.0.1:{self.tls_port}-10.0.2.15:443",
                "-device", "virtio-net-pci,netdev=n,romfile=",
                "-chardev", f"socket,id=phone,path={self.dir}/phone,server=on,wait=off",
                "-device", "usb-redir,chardev=phone,id=iphone,bus=xhci.0",
                "-device", "i6300esb", "-action",
                "watchdog=reset" if self.bites else "watchdog=none",
                *self.serial_line(),
                "-qmp", f"unix:{self.dir}/qmp,server=on,wait=off",
                "-gdb", f"unix:{self.dir}/gdb,server=on,wait=off",
                "-display", "none", *([] if self.bites else ["-no-reboot"]), "-nodefaults",
                "-trace", "pl061_set_output", "-D", str(self.dir / "leds.log"),
                "-msg", "timestamp=on"]
        if self.point is not None:
            args += ["-netdev", "user,id=ap,net=10.0.3.0/24,"
                     f"hostfwd=tcp:127.0.0.1:{self.ap_port}-10.0.3.15:80",
                     # In one piece: the kernel's software cipher loses frames that
                     # a bridge brings it in several.
                     "-device", "virtio-net-pci,netdev=ap,romfile=,mrg_rxbuf=off"]
        if self.keyboard:
            args += ["-device", "virtio-keyboard-pci"]
        if self.card:
            args += ["-drive", f"if=none,id=card,format=raw,file={place(self.card)}",
                     "-device", "virtio-blk-pci,drive=card"]
        for number, path in enumerate(self.disks):
            args += ["-drive", f"if=none,id=start{number},format=raw,file={place(path)}"]
        if self.sata:
            args += ["-device", "ich9-ahci,id=ahci"]
        for number, path in enumerate(self.sata):
            args += ["-drive", f"if=none,id=sata{number},format=raw,file={path}", "-device",
                     f"ide-hd,drive=sata{number},bus=ahci.{number}"]
        return args

    def begin(self, args, files=()):
        self.began = time.time()
        turns = slices.long() if self.nice else contextlib.nullcontext()
        with open(self.dir / "qemu.log", "ab") as log, turns:
            self.proc = subprocess.Popen([*self.nice, *args], stdin=subprocess.DEVNULL,
                                         stdout=log, stderr=log, pass_fds=files)
        self.qmp = self._connect("qmp")
        self._qmp_read(lambda m: "QMP" in m)
        self.do("qmp_capabilities")
        return self

    def serial_line(self):
        """Into a file. A socket of QEMU's is full after 300 characters that
        nobody has read yet, and then the whole machine stands still; to this
        one somebody connects for one line only."""
        return ("-chardev", f"socket,id=serial,path={self.dir}/console,server=on,wait=off,"
                f"logfile={self.log},logappend=on", "-serial", "chardev:serial")

    def start_pi(self):
        """The Pi's own card in QEMU's Pi 3B: its device tree, its SD controller,
        its command line. The loader is QEMU; one USB device at most."""
        image = image_dir().parent / "rpi-arm64"
        tree = self.dir / "pi.dtb"
        files = image / "card"
        subprocess.run(["fdtoverlay", "-i", str(files / "bcm2837-rpi-3-b.dtb"), "-o", str(tree),
                        str(files / "nightstand-leds.dtbo"),
                        str(files / "nightstand-memory-pi3.dtbo")], check=True)
        # QEMU's Pi restarts at once when its watchdog is merely started.
        line = (files / "cmdline.txt").read_text().strip() + " nightstand.watchdog=off"
        args = ["qemu-system-aarch64", "-M", "raspi3b", "-accel", TCG,
                "-m", "1024", "-kernel", str(image / "kernel8.img"),
                "-initrd", str(image / "initrd.img"), "-dtb", str(tree), "-append", line,
                "-drive", f"if=sd,format=raw,file={self.card.path}", "-serial", "null",
                *self.serial_line(),
                "-qmp", f"unix:{self.dir}/qmp,server=on,wait=off",
                "-display", "none", "-no-reboot", "-monitor", "none"]
        return self.begin(args)

    def pi_pins(self):
        """The levels of the Pi's first 32 pins."""
        text = self.do("human-monitor-command", **{"command-line": "xp /1wx 0x3f200034"})
        return int(text.split()[-1], 16)

    def _connect(self, name):
        end = time.time() + 20 * SLOW
        while True:
            s = socket.socket(socket.AF_UNIX)
            try:
                s.connect(str(self.dir / name))
                return s
            except OSError as e:
                s.close()
                if self.has_ended() or time.time() > end:
                    log = (self.dir / "qemu.log").read_text()
                    raise Failed(f"the machine did not start: {log}") from e
                time.sleep(0.02)

    def say(self, text, answer=None):
        """To its console, which takes 32 characters at a time: until it has answered."""
        with self._connect("console") as s:
            s.sendall(text.encode() + b"\n")
            s.settimeout(30 * SLOW)
            heard = ""
            while answer and not re.search(answer, heard):
                part = s.recv(4096)
                if not part:
                    raise Failed(f"the console went before it said {answer!r}: {heard}")
                heard += part.decode(errors="replace")

    def has_ended(self):
        """Looks only: _gone() takes its end, with the time that it used."""
        return os.waitid(os.P_PID, self.proc.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def cut(self):
        """The power goes, now."""
        if self.proc:
            self.proc.send_signal(signal.SIGKILL)
        self._gone()

    def _gone(self):
        if self.proc:
            _, status, used = os.wait4(self.proc.pid, 0)
            self.proc.returncode = os.waitstatus_to_exitcode(status)
            self.cpu += used.ru_utime + used.ru_stime
        self.read_serial(0)
        if self.qmp:
            self.qmp.close()
        self.qmp = self.proc = None
        self.events = []

    def wait_end(self, timeout=30):
        end = time.time() + timeout * SLOW
        while not self.has_ended():
            self.read_serial(0.1)
            if time.time() > end:
                raise Failed("the machine goes on")
        proc = self.proc
        self._gone()
        return proc.returncode

    # --- its serial line

    def read_serial(self, wait):
        end = time.time() + wait
        self.log.touch()
        while True:
            with open(self.log, "rb") as f:
                f.seek(self.log_at)
                data = f.read()
            self.log_at += len(data)
            self.serial += data.decode(errors="replace")
            if data or time.time() >= end:
                return
            time.sleep(0.05)

    def wait_line(self, pattern, timeout=120, since=0):
        """Until the console has said it; returns the match."""
        end = time.time() + timeout * SLOW
        while True:
            self.read_serial(0)
            found = re.search(pattern, self.serial[since:])
            if found:
                return found
            if time.time() > end or self.has_ended():
                raise Failed(f"the console did not say {pattern!r}; its end:\n"
                             + self.serial[-3000:])
            self.read_serial(0.2)

    # --- QMP

    def _qmp_read(self, wanted, timeout=20):
        end = time.time() + timeout * SLOW
        buffer = getattr(self, "_rest", b"")
        while True:
            while b"\n" in buffer:
                line, buffer = buffer.split(b"\n", 1)
                message = json.loads(line)
                if "event" in message:
                    self.events.append(message)
                if wanted(message):
                    self._rest = buffer
                    return message
            self._rest = buffer
            if not select.select([self.qmp], [], [], max(0, end - time.time()))[0]:
                raise Failed("QEMU does not answer")
            data = self.qmp.recv(65536)
            if not data:
                raise Failed("QEMU has ended")
            buffer += data

    def do(self, command, **arguments):
        self.qmp.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())
        answer = self._qmp_read(lambda m: "return" in m or "error" in m)
        if "error" in answer:
            raise Failed(f"{command}: {answer['error']['desc']}")
        return answer["return"]

    def wait_event(self, name, timeout=60):
        for message in self.events:
            if message["event"] == name:
                return message
        return self._qmp_read(lambda m: m.get("event") == name, timeout)

    def hang(self):
        """The kernel does nothing any more, by way of QEMU's stub for debuggers."""
        with self._connect("gdb") as s:
            s.sendall(b"\x03")
            ask(s, None)
            regs = bytearray.fromhex(ask(s, "g").decode())  # x0..x30, sp, pc, cpsr
            pc = int.from_bytes(regs[256:264], "little")
            cpsr = int.from_bytes(regs[264:268], "little")
            regs[264:268] = (cpsr | 0x3c0).to_bytes(4, "little")
            # The kernel has PSCI switch its one processor off (hvc #0), which costs the
            # host nothing; a program, which may not do that, goes in a circle.
            regs[0:8] = (0x84000002).to_bytes(8, "little")
            code = "020000d4" if cpsr & 0xc else "00000014"
            for command in (f"M{pc:x},4:{code}", "G" + regs.hex()):
                answer = ask(s, command)
                if answer != b"OK":
                    raise Failed(f"the debugger's stub says {answer} to {command[:20]}")
            ask(s, "D")

    def panic(self, timeout=30):
        """The idle kernel meets an instruction that there is none of."""
        end = time.time() + timeout * SLOW
        idle = False
        while not idle:
            with self._connect("gdb") as s:
                s.sendall(b"\x03")
                ask(s, None)
                pc = int.from_bytes(bytes.fromhex(ask(s, "g").decode())[256:264], "little")
                # Behind the WFI in which a kernel waits: no process is hit.
                idle = ask(s, f"m{pc - 4:x},4") == b"7f2003d5"
                if idle and ask(s, f"M{pc:x},4:00000000") != b"OK":
                    raise Failed("the debugger's stub writes no memory")
                ask(s, "D")
            if not idle and time.time() > end:
                raise Failed("the kernel is never idle")

    def report(self):
        """What an owner saves to send it to whoever helps."""
        owner = self.owner()
        if owner.do("report") != 200:
            raise Failed("no report")
        end = time.time() + 20 * SLOW
        while True:
            try:
                with owner.opener.open(owner.home + "/report", timeout=20) as r:
                    return r.read().decode()
            except urllib.error.HTTPError as e:
                if time.time() > end:
                    raise Failed(f"no report: {e}") from e
                self.read_serial(0.2)

    def plug_disk(self, path, name="d", readonly=False, port=None, via=None):
        """`via`: a filter of QEMU's that sits above the bytes, as blockdev-add
        takes it, without its child."""
        # A disk that was pulled while it was in use keeps its node for ever.
        self.plugs += 1
        node = {"driver": "raw", "read-only": readonly,
                "file": {"driver": "file", "filename": str(path)}}
        if via:
            child = "image" if via["driver"] == "blkdebug" else "file"
            node = dict(via, **{child: node})
        self.do("blockdev-add", **{"node-name": f"b{self.plugs}"}, **node)
        self.do("device_add", driver="usb-storage", drive=f"b{self.plugs}", id=name, bus="xhci.0",
                **({"port": str(port)} if port else {}))

    def slow_writes(self, per_second):
        """What plug_disk(via=...) takes for a disk that is so slow."""
        self.do("object-add", **{"qom-type": "throttle-group", "id": f"t{self.plugs}",
                                 "limits": {"iops-write": per_second}})
        return {"driver": "throttle", "throttle-group": f"t{self.plugs}"}

    def pull_disk(self, name="d"):
        self.do("device_del", id=name)

    # --- what a person sees

    def get(self, path="/", timeout=10):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=timeout) as r:
            return r.read()

    def owner(self):
        """Signed in with the PIN that stands on the card."""
        return Owner(self, subprocess.run(
            ["mtype", "-i", f"{self.card.path}@@1M", "::PIN.txt"], check=True,
            capture_output=True).stdout.split()[0].decode())

    def wait_page(self, path="/api/status", timeout=120):
        end = time.time() + timeout * SLOW
        while True:
            try:
                return self.get(path, 8)
            except (OSError, urllib.error.URLError) as e:
                if time.time() > end:
                    raise Failed(f"no page: {e}; console:\n{self.serial[-3000:]}") from e
                self.read_serial(0.3)

    def status(self):
        return json.loads(self.wait_page())

    def wait_state(self, state, timeout=120):
        """Looks more seldom as time goes by: to be asked costs the machine, too."""
        began = time.time()
        end = began + timeout * SLOW
        while True:
            st = self.status()
            if st["state"] == state:
                return st
            if time.time() > end:
                raise Failed(f"state {st['state']}, not {state}; {json.dumps(st)[:600]}\n"
                             + self.serial[-3000:])
            self.read_serial(min(0.5 + (time.time() - began) / 20, 3))

    def sleep(self, seconds):
        """Lets the machine go on; its console is read meanwhile."""
        end = time.time() + seconds
        while time.time() < end:
            self.read_serial(0.1)

    def led_edges(self):
        """(host time, "green"/"red", on) of each change of a pin."""
        edges, last = [], {}
        try:
            text = (self.dir / "leds.log").read_text()
        except OSError:
            return edges
        for found in re.finditer(r"@(\d+\.\d+):pl061_set_output.*?setting output (\d+) to (\d)", text):
            pin, on = int(found.group(2)), found.group(3) == "1"
            if pin in PINS and last.get(pin) != on:
                last[pin] = on
                edges.append((float(found.group(1)), PINS[pin], on))
        return edges


if __name__ == "__main__":
    by_hand()
