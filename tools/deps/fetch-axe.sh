#!/bin/sh
# Brings axe-core, the accessibility checker that the browser tests run on
# the page: fetch-axe.sh CACHE prints where its one file lies.
#
# It comes from npm by name, through the npm configuration of this machine,
# and is pinned by the hash of its package; none of it is run by npm. It stays
# in CACHE, so that the next time needs no network. Exit status 2: no npm.
set -eu

version=4.14.1
sha512=1477dafa598d8d065f273d6af302aa203c02e83131707b7fa648cd41bd3d6b734f8c22a0dab86ee6a6f64b8afbe804b214d36db85a2826965edfb3a0b9d546b5

[ $# -eq 1 ] || { echo "usage: fetch-axe.sh CACHE" >&2; exit 1; }
cache=$1
package=axe-core-$version.tgz
file=$cache/axe-core-$version.min.js

is_axe() {
	[ -r "$1" ] && echo "$sha512  $1" | sha512sum -c >/dev/null 2>&1
}

mkdir -p "$cache"
tmp=$(mktemp -d "$cache/axe.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' HUP INT TERM

if ! is_axe "$cache/$package"; then
	command -v npm >/dev/null 2>&1 || { echo "npm is missing" >&2; exit 2; }
	(cd "$tmp" && npm pack --silent --ignore-scripts "axe-core@$version" \
		>log 2>&1) || { cat "$tmp/log" >&2; exit 1; }
	is_axe "$tmp/$package" || {
		echo "fetch-axe: the SHA-512 of $package is not the pinned one" >&2
		exit 1
	}
	mv "$tmp/$package" "$cache/$package"
fi
# From the package each time: only that one is checked.
tar -xzf "$cache/$package" -C "$tmp" package/axe.min.js
mv "$tmp/package/axe.min.js" "$file"
echo "$file"
