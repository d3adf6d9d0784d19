#!/bin/sh
# Brings the C sources of one dependency that is compiled, not linked:
#
#   fetch-source.sh lwip|llhttp|blake3|kernel|usbmuxd DEST CACHE
#
# ("kernel" and "usbmuxd" are not compiled: Debian's, for the virtual machine of
# the tests. usbmuxd is not installed here, where it would take the phones.)
#
# They come from Debian's archive through the apt configuration of this
# machine (mirror, proxy, keys), whatever release it runs, with or without
# root: apt works on private folders and checks the signatures. What was
# downloaded stays in CACHE, so that the next build needs no network. DEST
# appears whole or not at all.
set -eu

say() { echo "$*" >&2; }
die() {
	say "fetch-source: $*"
	exit 1
}

[ $# -eq 3 ] || die "usage: fetch-source.sh lwip|llhttp|blake3|kernel|usbmuxd DEST CACHE"
what=$1
dest=$2
cache=$3

# The upstream tar is pinned by its hash; Debian's revision on top may grow,
# as only the newest one stays in the archive, and apt has checked it.
lwip_suite=trixie
lwip_orig='lwip_2.2.1+dfsg1.orig.tar.xz'
lwip_sha256=83729c274c499d3348e9fbbe043a3113f3fa8953e7efddc7c21c7fcbb1f2b7b1

# The last release whose package holds the generated C files. Later ones
# hold only what they are generated from, or a library for one machine.
llhttp_suite=bookworm

# Rust's package holds upstream's C and assembler files; Debian has no library
# of its own in release 12.
blake3_suite=trixie

# What the firmware image is made of.
kernel_suite=trixie

mkdir -p "$cache" "$(dirname "$dest")"
tmp=$(mktemp -d "${TMPDIR:-/tmp}/fetch-source.XXXXXX")
trap 'rm -rf "$tmp" "$dest.new"' EXIT
trap 'exit 130' HUP INT TERM

need() {
	for tool in "$@"; do
		command -v "$tool" >/dev/null ||
			die "'$tool' is missing: apt-get install $tool"
	done
}

. "$(dirname "$0")/apt-private.sh"

keep() { # FILE...: into the cache, each whole or not at all
	for file in "$@"; do
		cp "$file" "$cache/.$$.part"
		mv "$cache/.$$.part" "$cache/${file##*/}"
	done
}

newest() { # PATTERN in the cache; apt's version order is sort -V's here
	find "$cache" -maxdepth 1 -name "$1" | sort -V | tail -n 1
}

is_lwip() {
	[ -r "$1" ] && echo "$lwip_sha256  $1" | sha256sum -c >/dev/null 2>&1
}

fetch_lwip() {
	say "fetching lwIP 2.2.1 (Debian source package)…"
	apt_private deb-src "$lwip_suite"
	run apt-get -q update
	run apt-get -q source --download-only lwip
	is_lwip "$tmp/$lwip_orig" ||
		die "$lwip_orig is missing or its SHA-256 is not the pinned one"
	keep "$tmp/$lwip_orig" "$tmp"/lwip_*.debian.tar.xz
}

unpack_lwip() {
	need tar xz patch sha256sum
	if ! is_lwip "$cache/$lwip_orig" || [ -z "$(newest 'lwip_*.debian.tar.xz')" ]; then
		fetch_lwip
	fi
	tar -xf "$cache/$lwip_orig" -C "$dest.new" --strip-components=1
	tar -xf "$(newest 'lwip_*.debian.tar.xz')" -C "$tmp"
	while read -r name _; do
		case $name in '' | '#'*) continue ;; esac
		patch -s -p1 -d "$dest.new" <"$tmp/debian/patches/$name" >&2 ||
			die "Debian's patch $name does not fit lwIP"
	done <"$tmp/debian/patches/series"
	[ -r "$dest.new/src/include/lwip/init.h" ] ||
		die "lwIP's package has changed its shape"
}

fetch_llhttp() {
	say "fetching llhttp (Debian package node-llhttp)…"
	apt_private deb "$llhttp_suite"
	run apt-get -q update
	run apt-get -q download node-llhttp
	keep "$tmp"/node-llhttp_*.deb
}

unpack_llhttp() {
	need dpkg-deb
	[ -n "$(newest 'node-llhttp_*.deb')" ] || fetch_llhttp
	dpkg-deb -x "$(newest 'node-llhttp_*.deb')" "$tmp/deb"
	for file in share/llhttp/llhttp.c share/llhttp/api.c \
		share/llhttp/http.c share/include/llhttp/llhttp.h; do
		cp "$tmp/deb/usr/$file" "$dest.new/" ||
			die "llhttp's package has changed its shape"
	done
}

fetch_blake3() {
	say "fetching BLAKE3 (Debian package librust-blake3-dev)…"
	apt_private deb "$blake3_suite"
	run apt-get -q update
	run apt-get -q download librust-blake3-dev
	keep "$tmp"/librust-blake3-dev_*.deb
}

unpack_blake3() {
	need dpkg-deb
	[ -n "$(newest 'librust-blake3-dev_*.deb')" ] || fetch_blake3
	dpkg-deb -x "$(newest 'librust-blake3-dev_*.deb')" "$tmp/deb"
	cp "$tmp"/deb/usr/share/cargo/registry/blake3-*/c/blake3*.[chS] \
		"$dest.new/" && [ -r "$dest.new/blake3_dispatch.c" ] ||
		die "BLAKE3's package has changed its shape"
}

fetch_kernel() {
	say "fetching Debian's kernel for $arch…"
	apt_private deb "$kernel_suite"
	run apt-get -q update
	# The name behind "the newest one" of that suite, not of this machine's.
	name=$(APT_CONFIG="$tmp/apt.conf" apt-cache depends "linux-image-$arch" |
		sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
	[ -n "$name" ] || die "no kernel is named by linux-image-$arch"
	run apt-get -q download "$name"
	keep "$tmp/$name"_*.deb
}

# The kernel and the drivers of USB alone: all of them are 400 MB.
unpack_kernel() {
	need dpkg dpkg-deb tar
	arch=$(dpkg --print-architecture)
	[ -n "$(newest "linux-image-*_$arch.deb")" ] || fetch_kernel
	dpkg-deb --fsys-tarfile "$(newest "linux-image-*_$arch.deb")" |
		tar -x -C "$dest.new" --wildcards './boot/vmlinu*' \
			'*/kernel/drivers/usb/*' '*/kernel/drivers/net/usb/*' \
			'*/kernel/drivers/net/mii.ko*' ||
		die "the kernel's package has changed its shape"
}

fetch_usbmuxd() {
	say "fetching Debian's usbmuxd and udev for $arch…"
	# That of this machine's own release: it has the libraries for it.
	apt_private deb "$(. /etc/os-release && echo "$VERSION_CODENAME")"
	run apt-get -q update
	run apt-get -q download usbmuxd udev
	keep "$tmp"/usbmuxd_*.deb "$tmp"/udev_*.deb
}

unpack_usbmuxd() {
	need dpkg dpkg-deb
	arch=$(dpkg --print-architecture)
	if [ -z "$(newest "usbmuxd_*_$arch.deb")" ] ||
		[ -z "$(newest "udev_*_$arch.deb")" ]; then
		fetch_usbmuxd
	fi
	dpkg-deb -x "$(newest "usbmuxd_*_$arch.deb")" "$tmp/deb"
	dpkg-deb -x "$(newest "udev_*_$arch.deb")" "$tmp/deb"
	cp "$tmp/deb/usr/sbin/usbmuxd" "$dest.new/" &&
		cp "$(find "$tmp/deb" -path '*bin/udevadm' -type f)" "$dest.new/" ||
		die "the package of usbmuxd or udev has changed its shape"
}

rm -rf "$dest.new"
mkdir -p "$dest.new"
case $what in
lwip) unpack_lwip ;;
llhttp) unpack_llhttp ;;
blake3) unpack_blake3 ;;
kernel) unpack_kernel ;;
usbmuxd) unpack_usbmuxd ;;
*) die "no such dependency: $what" ;;
esac
rm -rf "$dest"
mv "$dest.new" "$dest"
