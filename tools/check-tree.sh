#!/bin/sh
# The rules of style that a compiler does not see. Exit status 1 when any is
# broken; each line says which and where.
set -u
cd "$(dirname "$0")/.." || exit 1
bad=0
complain() {
	echo "check-tree: $*"
	bad=1
}

files=$(git ls-files '*.c' '*.h')

# Formatting (clang-format 14 decides; other versions differ in details).
if clang-format --version 2>/dev/null | grep -q 'version 14'; then
	# One run over all files: a start costs more than a file.
	for f in $(clang-format --dry-run -Werror $files 2>&1 |
		sed -n 's/^\([^: ]*\):[0-9].*/\1/p' | sort -u); do
		complain "$f: not formatted (make format)"
	done
fi

for f in $files; do
	n=$(wc -l <"$f")
	case $f in
	tests/*) most=1200 ;; # many small cases beside each other
	*) most=800 ;;
	esac
	[ "$n" -le "$most" ] || complain "$f: $n lines; cut it"
done

# Each big dependency has one door.
door() {
	header=$1 shift_to=$2
	found=$(git grep -lE "#include <$header" -- '*.c' '*.h' |
		grep -vE "$shift_to")
	[ -z "$found" ] || complain "<$header> outside its door:" $found
}
door 'sqlite3\.h' '^(lib/vault/(db|dbvfs)\.c$|tools/|tests/)'
door 'plist/' '^(lib/phone/(pl|device)[^/]*|lib/vault/plistread\.c|drivers/usbmux/mux_re[^/]*|tools/|tests/)'
door 'libimobiledevice/' '^(lib/phone/(device|pairing)[^/]*|tests/)'
door 'cJSON' '^(lib/web/|lib/util/json|firmware/|tools/vaultdump/|tests/)'
door 'libslirp' '^drivers/nic/'
door 'libusb-1\.0' '^drivers/usbmux/usb_port\.c$'
door 'ini\.h' '^firmware/config'

# lib/ never includes what stands left of it; phonesim shares no protocol code.
for layer in phone vault web update; do
	for other in phone vault web update; do
		[ "$layer" = "$other" ] && continue
		for h in $(cd "lib/$other" && ls ./*.h 2>/dev/null); do
			h=${h#./}
			git grep -nE "#include \"$h\"" -- "lib/$layer" &&
				complain "lib/$layer includes lib/$other/$h"
		done
	done
done

# No unfinished work, no machine's own paths.
git grep -nE '\b(TODO|FIXME|XXX)\b' -- '*.c' '*.h' '*.sh' '*.py' Makefile |
	grep -v 'tools/check-tree.sh' && complain "unfinished work (above)"

for d in firmware board drivers/* lib/* tests tools tools/*; do
	[ -d "$d" ] || continue
	[ -n "$(git ls-files "$d")" ] || continue
	[ -f "$d/README.md" ] || complain "$d has no README.md"
done
[ "$bad" -eq 0 ] && echo "check-tree: fine"
exit $bad
