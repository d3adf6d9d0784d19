"""Machines whose kernel is up already.

Most of a start is the kernel's own, its modules included, and the same each time: at
its end nothing of the card or of a disk has been read. That state is kept once per kind
of machine, just before the image's first process begins, and tests about other things
than the start go on from there. All that is ours runs in each of them, from its first
instruction, but finds modules loaded; what was kept has this very run's kernel and
initramfs.

Where a test begins with a disk or a phone that comes to a running box, it goes on from
a box that serves its page; its card is a copy of that box's.

A second initramfs, behind the image's own, brings a program that loads them, says that
it is there, waits for a line on the console, and becomes the image's first process.
"""

import functools
import hashlib
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import vm

sys.path.insert(0, str(vm.TOP / "tools/image"))
import cpio  # noqa: E402  (needs the path above)
import modules  # noqa: E402

SAYS = "the kernel is up"
# What every start loads, without what looks at card and disks.
EARLY = ("xhci_pci", "virtio_net", "i6300esb", "leds_gpio", "gpio_keys", "virtio_input", "evdev")
GATE = """
static long call(long n, long a, long b, long c)
{
	register long x8 asm("x8") = n, x0 asm("x0") = a, x1 asm("x1") = b, x2 asm("x2") = c;
	asm volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
	return x0;
}
static const char says[] = "%s\\n", init[] = "/init";
static const char *const early[] = { %s };
static const char *const args[] = { init, 0 }, *const env[] = { "HOME=/", "TERM=linux", 0 };
void _start(void)
{
	char line[8];
	for (unsigned long i = 0; i < sizeof(early) / sizeof(early[0]); i++) {
		long fd = call(56, -100, (long)early[i], 02000000); /* openat, O_CLOEXEC */
		if (fd >= 0)
			call(273, fd, (long)"", 0); /* finit_module */
	}
	call(64, 1, (long)says, sizeof(says) - 1);
	call(63, 0, (long)line, sizeof(line));
	call(221, (long)init, (long)args, (long)env);
	call(93, 1, 0, 0);
}
"""

_lock = threading.Lock()
_kept = {}  # what makes machines alike: (lock, [folder])


def early_files():
    """Those modules, each after what it needs; [] where their kernel is not at hand."""
    found = list((vm.image_dir().parent / "work/kernel/usr/lib/modules").glob("*"))
    always, _, _ = modules.read_list(vm.TOP / "board/arm64/modules.txt")
    names = modules.Kernel(str(found[0])).closure(always + list(EARLY)) if len(found) == 1 else []
    return [f"/usr/lib/modules/{name}.ko" for name in names]


@functools.cache
def gate():
    """An initramfs with that program; the compiler is the one of `make image`."""
    with tempfile.TemporaryDirectory(prefix="nightstand-begun-") as folder:
        return gate_in(pathlib.Path(folder))


def gate_in(folder):
    source, program = folder / "gate.c", folder / "gate"
    names = ", ".join(f'"{name}"' for name in early_files()) or "init"
    source.write_text(GATE % (SAYS, names))
    subprocess.run(["aarch64-linux-gnu-gcc", "-Os", "-static", "-nostdlib", "-fno-builtin",
                    "-fno-stack-protector", "-o", str(program), str(source)], check=True)
    root = cpio.Cpio()
    root.folder("test")
    root.file("test/gate", program.read_bytes(), 0o755)
    return root.bytes()


def with_gate(folder, initrd):
    return vm.behind(folder / "gate-initrd.img", initrd, gate())


def digest(*paths):
    h = hashlib.sha256()
    for path in paths:
        h.update(pathlib.Path(path).read_bytes())
    return h.hexdigest()


def write_state(machine, out):
    machine.do("stop")
    machine.do("migrate", uri=f"exec:cat > '{out}'")
    end = time.time() + 60 * vm.SLOW
    while (state := machine.do("query-migrate")["status"]) != "completed":
        if state == "failed" or time.time() > end:
            raise vm.Failed(f"the machine's state could not be kept: {state}")
        time.sleep(0.05)
    machine.cut()


def kept(key, make):
    """The folder of what is kept of machines of that kind; the first one that
    asks has it made, by make(folder)."""
    with _lock:
        lock, folders = _kept.setdefault(key, (threading.Lock(), []))
    with lock:
        if not folders:
            folder = pathlib.Path(tempfile.mkdtemp(prefix="nightstand-begun-"))
            try:
                make(folder)
            except BaseException:
                shutil.rmtree(folder)
                raise
            folders.append(folder)
    return folders[0]


def at_gate(machine, key, args):
    """The file of its state before the first process; kept by itself if need be."""
    def make(folder):
        machine.begin(args)
        machine.wait_line(SAYS)
        write_state(machine, folder / "state")
    return kept(key, make) / "state"


def at_page(rig):
    """The folder of a machine that serves its page, with no disk: state, card,
    and what its console has said."""
    def make(folder):
        machine = rig.vm(vm.Card(folder / "card.img")).start()
        machine.wait_state("no_disk")
        log = machine.log
        write_state(machine, folder / "state")
        shutil.copyfile(log, folder / "serial.log")
    return kept("page", make)


def forget():
    for _, folders in _kept.values():
        for folder in folders:
            shutil.rmtree(folder)
    _kept.clear()
