"""An access point inside the virtual machine: the kernel's simulated radios
(mac80211_hwsim) and Debian's hostapd.

The image's own initramfs is followed by a second one, which brings a first
script. That loads the radios, waits at the gate (begun.py) for hostapd's config on
the console, leaves hostapd in a network of its own, bridged to the machine's second
network card, and becomes the image's own first process. Nothing of the image is
another; it sees a wlan0.
"""

import functools
import sys

import begun
import vm

sys.path.insert(0, str(vm.TOP / "tools/image"))
import cpio  # noqa: E402  (needs the path above)
import modules  # noqa: E402

RADIOS = "mac80211_hwsim"
# The last ones are ciphers, which the kernel would ask modprobe for.
WANTED = ("bridge", RADIOS, "ctr", "ccm", "gcm", "cmac")
TOLD = "the access point is told:"  # and how many bytes that were

FIRST = """#!/test/busybox sh
b=/test/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t devtmpfs dev /dev
for m in $($b cat /test/order); do
	case $m in *hwsim*) $b insmod $m radios=2;; *) $b insmod $m;; esac
done
# The password is not to stand in the console's log.
$b stty -echo
echo "%s"
while read -r line && [ -n "$line" ]; do echo "$line"; done >/test/hostapd.conf
echo "%s $($b wc -c </test/hostapd.conf)"
$b sh /test/ap </dev/null >/dev/null 2>/test/log &
$b umount /dev
$b umount /sys
$b umount /proc
exec /init
""" % (begun.SAYS, TOLD)

POINT = """b=/test/busybox
until [ -d /proc/self ] && [ -d /sys/class/net/eth1 ]; do $b sleep 0.2; done
$b unshare -n $b sleep 99999 &
$b sleep 1
p=$!
/test/iw phy phy1 set netns $p
$b ip link set eth1 netns $p
(
	until w=$($b pidof wpa_supplicant); do $b sleep 0.5; done
	$b sleep 3
	for f in Uid CapPrm CapEff CapBnd NoNewPrivs; do
		echo "supplicant $($b grep $f: /proc/$w/status | $b tr '\\t' ' ')"
	done
	echo "kernel's addresses: $($b ip -o addr | $b grep -v ' lo ' | $b grep -c inet)"
) >/dev/console &
$b nsenter -t $p -n $b sh /test/bridge
"""

BRIDGE = """b=/test/busybox
$b brctl addbr br0
$b brctl addif br0 eth1
$b ip link set eth1 up
$b ip link set br0 up
exec /test/hostapd /test/hostapd.conf
"""

CONFIG = """interface=wlan1
bridge=br0
driver=nl80211
ssid={name}
hw_mode=g
channel=1
country_code=DE
ieee80211n=1
"""
SECURE = """wpa=2
wpa_passphrase={password}
wpa_key_mgmt={keys}
rsn_pairwise=CCMP
ieee80211w={frames}
"""


def config(name, password, keys="WPA-PSK"):
    text = CONFIG.format(name=name)
    if password:
        text += SECURE.format(password=password, keys=keys, frames=2 if keys == "SAE" else 1)
    return text


def kernel():
    work = vm.image_dir().parent / "work"
    found = list((work / "kernel/usr/lib/modules").glob("*"))
    if len(found) != 1 or not (work / "test/usr/sbin/hostapd").exists():
        raise vm.Skip("no access point: make image")
    return work, modules.Kernel(str(found[0]))


def with_point(folder, own):
    """The image's initramfs and ours, one behind the other."""
    return vm.behind(folder / "ap-initrd.img", own, second())


@functools.cache
def second():
    work, k = kernel()
    root = cpio.Cpio()
    root.folder("test")
    names = k.closure([n for n in WANTED if n in k.files])
    if RADIOS not in names:
        raise vm.Skip(f"this kernel has no {RADIOS}")
    for name in names:
        root.file(f"test/{name}.ko", k.module(name)[0])
    files = begun.early_files() + [f"/test/{n}.ko" for n in names]
    root.file("test/order", "\n".join(files).encode())
    for name, data in (("init", FIRST), ("ap", POINT), ("bridge", BRIDGE)):
        root.file(f"test/{name}", data.encode(), 0o755)
    for name, place in (("hostapd", "usr/sbin/hostapd"), ("iw", "usr/sbin/iw"),
                        ("busybox", "usr/bin/busybox")):
        root.file(f"test/{name}", (work / "test" / place).read_bytes(), 0o755)
    return root.bytes()
