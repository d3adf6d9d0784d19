#!/bin/sh
# Writes an image to a card, after it has shown which device that is and a
# person has typed its name: write-card.sh IMAGE DEVICE
set -eu

die() {
	echo "write-card: $*" >&2
	exit 1
}

[ $# -eq 2 ] || die "usage: write-card.sh IMAGE /dev/NAME"
image=$1
device=$2
[ -r "$image" ] || die "no image $image"
[ -b "$device" ] || die "$device is no disk"
name=$(basename "$(readlink -f "$device")")
sys=${SYS:-/sys}/class/block/$name
[ ! -e "$sys/partition" ] || die "$device is a part of a disk; name the whole one"

# A disk that is built in is never a card.
where=$(readlink -f "$sys")
case $where in
*/usb[0-9]*/* | */mmc_host/*) ;;
*) [ "$(cat "$sys/removable" 2>/dev/null)" = 1 ] ||
	die "$device neither comes over USB nor is it a card" ;;
esac
for part in "$sys" "$sys/$name"*; do
	grep -q "^/dev/$(basename "$part") " /proc/mounts &&
		die "/dev/$(basename "$part") is mounted; unmount it first"
done
bytes=$(($(cat "$sys/size") * 512))
[ "$bytes" -ge $((512 * 1024 * 1024)) ] || die "$device is smaller than 512 MiB"

lsblk -o NAME,SIZE,MODEL,TRAN,LABEL,FSTYPE "$device" 2>/dev/null || true
echo "Everything on $device ($((bytes / 1000000000)) GB) will be gone."
printf 'Type its name (%s) to go on: ' "$name"
read -r answer || answer=''
[ "$answer" = "$name" ] || die "nothing was written"
[ -w "$device" ] || die "$device can't be written to; as root: sudo $0 $image $device"
dd if="$image" of="$device" bs=4M conv=fsync status=progress
cmp -n "$(stat -c %s "$image")" "$image" "$device" || die "what was read back differs"
echo "Written and read back. Put it into the Pi."
