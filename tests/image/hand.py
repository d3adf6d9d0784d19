"""A hand inside the virtual machine: a line on the console sends a signal to one of
the box's processes. A second initramfs brings it, with Debian's busybox, behind the
image's own; nothing of the image is another."""

import sys

import ap
import vm

sys.path.insert(0, str(vm.TOP / "tools/image"))
import cpio  # noqa: E402  (needs the path above)

DONE = "the hand has sent"

# A shell gives what runs beside it no console to read, hence 3. /proc is mounted by
# the image's own first process, before anybody sends a line.
FIRST = f"""#!/test/busybox sh
b=/test/busybox
$b mount -t devtmpfs dev /dev
exec 3<&0
while read -r signal who; do
	for p in /proc/[0-9]*; do
		$b tr '\\0' ' ' <$p/cmdline | $b grep -q -e "$who" || continue
		kill -$signal ${{p#/proc/}} && echo "{DONE} $signal"
	done
done <&3 &
exec 3<&-
$b umount /dev
exec /init
"""


def initrd(folder, own):
    work, _ = ap.kernel()
    root = cpio.Cpio()
    root.folder("test")
    root.file("test/init", FIRST.encode(), 0o755)
    root.file("test/busybox", (work / "test/usr/bin/busybox").read_bytes(), 0o755)
    return vm.behind(folder / "hand-initrd.img", own, root.bytes())


def send(machine, signal, who):
    """To each process whose command line has `who` in it."""
    machine.say(f"{signal} {who}", f"{DONE} {signal}")
