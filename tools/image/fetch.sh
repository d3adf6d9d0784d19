#!/bin/sh
# Brings the Debian packages that an image is made of (packages.txt):
#
#   fetch.sh CACHE [update]
#
# They come through the apt configuration of this machine, and apt checks them.
# CACHE/packages.lock lists what there is: set, package, version, SHA-256,
# file, suite, one a line. While it fits packages.txt, nothing is looked up
# again, so the same cache gives the same image; `update` takes the archive's
# newest.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
suite=trixie
arch=arm64

say() { echo "$*" >&2; }
die() {
	say "image: $*"
	exit 1
}

[ $# -ge 1 ] || die "usage: fetch.sh CACHE [update]"
cache=$1
lock=$cache/packages.lock
list=$here/packages.txt
stamp="# made for $(sha256sum <"$list" | cut -c1-64)"

# The files are checked whenever they are used (build.py).
fits() {
	[ -r "$lock" ] && [ "$(head -n 1 "$lock")" = "$stamp" ] || return 1
	while read -r _ _ _ _ file _; do
		[ -z "$file" ] || [ -r "$cache/$file" ] || return 1
	done <<END
$(grep -v '^#' "$lock")
END
}

[ "${2:-}" = update ] || ! fits || exit 0

mkdir -p "$cache"
tmp=$(mktemp -d "${TMPDIR:-/tmp}/image-fetch.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' HUP INT TERM
. "$here/../deps/apt-private.sh"

say "fetching the packages of an image (Debian $suite, $arch, about 150 MB)…"
parts='main non-free-firmware'
apt_private deb "$suite" "$parts" "$arch"
cp "$tmp/etc/sources.list" "$tmp/plain.list"
sources deb "$suite-backports" main >>"$tmp/etc/sources.list"
from=$suite-backports
if ! try apt-get -q update; then
	say "image: $suite-backports can't be reached; the kernel is $suite's" \
		"own, which does not know a Raspberry Pi 5"
	cp "$tmp/plain.list" "$tmp/etc/sources.list"
	from=$suite
	run apt-get -q update
fi

# The meta package names the one of its version, that one its parts.
kernel_parts() {
	APT_CONFIG=$tmp/apt.conf apt-cache -t "$from" depends "$1" |
		sed -n 's/^ *Depends: \(linux-[a-z]*-[0-9][^ ]*\)$/\1/p'
}

wanted() { # "SET PACKAGE SUITE" lines
	while read -r set name _; do
		case $set in '' | '#'*) continue ;; esac
		if [ "$set" != kernel ]; then
			echo "$set $name $suite"
			continue
		fi
		image=$(kernel_parts "$name" | sed -n '/^linux-image-/p')
		[ -n "$image" ] || die "$name names no kernel"
		echo "$set $image $from"
		kernel_parts "$image" | sed "s/.*/$set & $from/"
	done <"$list"
}

wanted >"$tmp/wanted"
[ -s "$tmp/wanted" ] || die "no packages"
# Security and updates of the suite come with its name: apt prefers them.
run apt-get -q download $(awk -v f="$from" -v s="$suite" \
	'{ print $2 ($3 != s ? "/" f : "") }' "$tmp/wanted")

{
	echo "$stamp"
	while read -r set name of; do
		deb=$(ls "$tmp/${name}_"*.deb) || die "$name did not come"
		file=${deb##*/}
		sum=$(sha256sum <"$deb" | cut -c1-64)
		version=$(dpkg-deb -f "$deb" Version)
		cp "$deb" "$cache/.part" && mv "$cache/.part" "$cache/$file"
		echo "$set $name $version $sum $file $of"
	done <"$tmp/wanted"
} >"$tmp/lock"
mv "$tmp/lock" "$lock.new"
mv "$lock.new" "$lock"
