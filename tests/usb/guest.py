"""A small virtual machine with Debian's kernel, a real USB stack, and the
program under test; simulated phones are plugged into it through usbredir.

Its first file system is made here, without root: a program by itself
(busybox), the drivers of USB, and each tested program with its libraries. The
guest has this machine's own architecture, so that the very bytes are tested
that were built.
"""

import gzip
import lzma
import os
import pathlib
import platform
import re
import shutil
import socket
import stat
import struct
import subprocess
import time

MACHINES = {
    # name: QEMU, machine, kernel's console, guest's end of the shell
    "x86_64": ("qemu-system-x86_64", ["-M", "q35", "-cpu", "max"],
               "ttyS0", "ttyS1"),
    "aarch64": ("qemu-system-aarch64", ["-M", "virt", "-cpu", "cortex-a72"],
                "ttyAMA0", "ttyS0"),
}
MODULES = ("xhci_pci", "ipheth", "vhci_hcd")
PORTS = 2

INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mount -t tmpfs -o size=60% none /disk
mount -t tmpfs none /tmp
mount -t tmpfs none /run
for m in {modules}; do insmod /mod/$m; done
ifconfig lo up
exec </dev/{shell} >/dev/{shell} 2>&1
stty 115200 -echo -onlcr
echo "guest: ready $(cut -d' ' -f1 /proc/uptime)" >/dev/console
exec sh -s
"""


class Cpio:
    """An archive in the kernel's "newc" form; all files are root's."""

    def __init__(self):
        self.out = bytearray()
        self.inode = 0
        self.seen = set()

    def add(self, name, mode, data=b""):
        self.inode += 1
        head = "070701" + "".join(f"{n:08X}" for n in (
            self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0,
            len(name) + 1, 0))
        self.out += head.encode() + name.encode() + b"\0"
        self.out += b"\0" * (-len(self.out) % 4) + data
        self.out += b"\0" * (-len(self.out) % 4)

    def folder(self, name):
        if name in self.seen or not name or name == ".":
            return
        self.folder(os.path.dirname(name))
        self.seen.add(name)
        self.add(name, stat.S_IFDIR | 0o755)

    def file(self, name, data, mode=0o755):
        name = name.lstrip("/")
        if name in self.seen:
            return
        self.folder(os.path.dirname(name))
        self.seen.add(name)
        self.add(name, stat.S_IFREG | mode, data)

    def end(self):
        self.add("TRAILER!!!", 0)
        return gzip.compress(bytes(self.out), 1, mtime=0)


def libraries(program):
    out = subprocess.run(["ldd", program], capture_output=True, text=True,
                         check=True).stdout
    return re.findall(r"(/\S+) \(0x", out)


def module_files(kernel):
    """{name: path} of all kernel modules, compressed or not."""
    files = {}
    for path in kernel.rglob("*.ko*"):
        files[path.name.split(".ko")[0].replace("-", "_")] = path
    return files


def in_order(files, wanted):
    """Modules, each behind those that it needs. Those that are not there are
    built into the kernel."""
    done = []

    def take(name):
        if name in done or name not in files:
            return
        needs = subprocess.run(["modinfo", "-F", "depends", files[name]],
                               capture_output=True, text=True, check=True)
        for n in filter(None, needs.stdout.strip().split(",")):
            take(n.replace("-", "_"))
        done.append(name)

    for name in wanted:
        take(name)
    return done


def read_module(path):
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def make_initrd(kernel, programs, shell, out):
    files = module_files(kernel)
    names = in_order(files, MODULES)
    if "xhci_pci" not in names:
        raise RuntimeError(f"no USB drivers in {kernel}")
    cpio = Cpio()
    for folder in ("proc", "sys", "dev", "disk", "tmp", "run", "var/lib",
                   "var/run"):
        cpio.folder(folder)
    cpio.file("bin/busybox", pathlib.Path("/bin/busybox").read_bytes())
    for name in names:
        cpio.file(f"mod/{name}.ko", read_module(files[name]))
    for program in programs:
        cpio.file(f"bin/{pathlib.Path(program).name}",
                  pathlib.Path(program).read_bytes())
        for lib in libraries(program):
            cpio.file(lib, pathlib.Path(lib).read_bytes())
    cpio.file("etc/passwd", b"root:x:0:0::/:/bin/sh\n"
              b"nobody:x:65534:65534::/:/bin/sh\n", 0o644)
    cpio.file("init", INIT.format(
        modules=" ".join(f"{n}.ko" for n in names), shell=shell).encode())
    out.write_bytes(cpio.end())


class Guest:
    """A running machine. `phone_socket(i)` is where a phone is plugged in."""

    def __init__(self, folder, kernel, programs):
        self.dir = pathlib.Path(folder)
        arch = platform.machine()
        if arch not in MACHINES:
            raise RuntimeError(f"no virtual machine for {arch}")
        self.qemu, self.machine, self.console, self.tty = MACHINES[arch]
        self.initrd = self.dir / "initrd.gz"
        make_initrd(kernel, programs, self.tty, self.initrd)
        self.vmlinuz = next(kernel.glob("boot/vmlinu*"))
        self.start()

    def phone_socket(self, i):
        return self.dir / f"port{i}"

    def start(self):
        args = [self.qemu, *self.machine, "-accel", "tcg,thread=single",
                "-smp", "1", "-m", "1024", "-nodefaults", "-display", "none",
                "-no-reboot", "-kernel", self.vmlinuz, "-initrd", self.initrd,
                # A busy machine makes the kernel doubt its own timer.
                "-append", f"console={self.console} panic=-1 quiet no_timer_check",
                "-device", "qemu-xhci,id=xhci",
                "-serial", f"file:{self.dir / 'console'}",
                "-qmp", f"unix:{self.dir / 'qmp'},server=on,wait=off"]
        for i in range(PORTS):
            args += ["-chardev", f"socket,id=phone{i},server=on,wait=off,"
                     f"path={self.phone_socket(i)}",
                     "-device", f"usb-redir,chardev=phone{i},bus=xhci.0"]
        shell = f"unix:{self.dir / 'shell'},server=on,wait=off"
        if self.tty == "ttyS1":
            args += ["-serial", shell]
        else:
            args += ["-chardev", f"socket,id=sh,path={self.dir / 'shell'},"
                     "server=on,wait=off", "-device", "pci-serial,chardev=sh"]
        self.log = open(self.dir / "qemu.log", "ab")
        self.p = subprocess.Popen([str(a) for a in args],
                                  stdin=subprocess.DEVNULL, stdout=self.log,
                                  stderr=self.log)
        self.wait_console("guest: ready", 120)
        self.shell = socket.socket(socket.AF_UNIX)
        self.shell.connect(str(self.dir / "shell"))
        # A shell on a terminal prompts, and tells of jobs that end.
        self.run("PS1= PS2=; set +m")

    def console_text(self):
        try:
            return (self.dir / "console").read_text(errors="replace")
        except OSError:
            return ""

    def wait_console(self, text, seconds):
        end = time.monotonic() + seconds
        while text not in self.console_text():
            if self.p.poll() is not None or time.monotonic() > end:
                raise RuntimeError(
                    f"the guest did not say {text!r}:\n{self.console_text()}"
                    f"\n{(self.dir / 'qemu.log').read_text()}")
            time.sleep(0.05)

    def run(self, command, seconds=120, ok=True):
        """Runs it in the guest's shell; what it printed."""
        tag = f"end-{time.monotonic_ns()}"
        self.shell.settimeout(seconds)
        self.shell.sendall(
            f"{{ {command}\n}} </dev/null 2>&1; echo {tag} $?\n".encode())
        got, at = b"", -1
        while at < 0 or not got.endswith(b"\n"):
            part = self.shell.recv(65536)
            if not part:
                raise RuntimeError("the guest is gone")
            got += part
            at = got.rfind(tag.encode())
        text = got[:at].decode(errors="replace").replace("\r\n", "\n")
        status = int(got[at:].split()[1])
        if ok and status != 0:
            raise RuntimeError(
                f"{command!r} ended with {status}:\n{text[-3000:]}")
        return text

    def write_file(self, path, text):
        self.run(f"cat >{path} <<'END'\n{text}\nEND")

    def qmp(self, **command):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(self.dir / "qmp"))
            f = s.makefile("rw")
            f.readline()
            import json
            for c in ({"execute": "qmp_capabilities"}, command):
                f.write(json.dumps(c) + "\n")
                f.flush()
                reply = json.loads(f.readline())
                while "event" in reply:
                    reply = json.loads(f.readline())
                if "error" in reply:
                    raise RuntimeError(f"{c}: {reply['error']}")
            return reply["return"]

    def stop(self):
        self.p.kill()
        self.p.wait()
        self.shell.close()
        self.log.close()


def missing():
    """What this machine lacks, as a sentence; None when it has all."""
    arch = platform.machine()
    if arch not in MACHINES:
        return f"no virtual machine for {arch}"
    for program in (MACHINES[arch][0], "busybox", "modinfo", "usbip"):
        if not shutil.which(program):
            return f"{program} is not installed"
    return None
