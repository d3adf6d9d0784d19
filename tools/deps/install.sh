#!/bin/sh
# Sees to it that the Debian packages of the named sets (packages.txt) are
# there: `install.sh build check`. Says in one line what it installs; silent
# and quick when nothing is missing, so every make target may call it.
set -eu
here=$(dirname "$0")

arch=$(dpkg --print-architecture 2>/dev/null || true)
wanted=''
for set in "$@"; do
	wanted="$wanted $(awk -v s="$set" -v a="$arch" \
		'$1 == s && (NF < 3 || $3 == a) { print $2 }' "$here/packages.txt")"
done

if ! command -v dpkg-query >/dev/null 2>&1; then
	echo "nightstand: not a Debian system; it needs what these packages hold:"
	echo "$wanted" | tr '\n' ' '
	echo
	exit 0
fi

missing=''
for p in $wanted; do
	s=$(dpkg-query -W -f '${db:Status-Status}\n' "$p" 2>/dev/null || true)
	# A line an architecture; "not-installed" and "config-files" are not it.
	echo "$s" | grep -qx installed || missing="$missing $p"
done
[ -n "$missing" ] || exit 0

as_root=''
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null 2>&1; then
		echo "nightstand: please install as root, then run this again:" >&2
		echo "    apt-get install$missing" >&2
		exit 1
	fi
	as_root=sudo
fi

echo "nightstand: installing Debian packages${as_root:+ (through sudo)}:$missing"
run() {
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq \
		-o Dpkg::Use-Pty=0 "$@" >"$log" 2>&1
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# A list that is old or absent makes the first try fail: then update, again.
if ! run install -y --no-install-recommends $missing; then
	if ! run update ||
	    ! run install -y --no-install-recommends $missing; then
		cat "$log" >&2
		echo "nightstand: apt-get could not install them (above is why);" \
			"is this machine online?" >&2
		exit 1
	fi
fi
