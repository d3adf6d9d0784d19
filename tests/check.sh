#!/bin/sh
# Runs the unit programs and then the end-to-end tests, and counts both:
# check.sh [--results FILE] [-k TEXT] UNIT-PROGRAM...
# The last line is "N passed, N failed, N skipped".
set -u
here=$(dirname "$0")
results='' only=''
while [ $# -gt 0 ]; do
	case $1 in
	--results) results=$2; shift 2 ;;
	-k) only=$2; shift 2 ;;
	*) break ;;
	esac
done

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
passed=0 failed=0 skipped=0

if [ -z "$only" ]; then
	for unit in "$@"; do
		name=$(basename "$unit")
		rc=0
		"$unit" >"$out/log" 2>&1 || rc=$?
		# cmocka counts in its closing lines.
		p=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p' "$out/log" |
			awk '{n += $1} END {print n + 0}')
		f=$(grep -c '^\[  FAILED  \] [^0-9]' "$out/log")
		s=$(sed -n 's/^\[  SKIPPED \] \([0-9]*\) test.*/\1/p' "$out/log" |
			awk '{n += $1} END {print n + 0}')
		if [ "$rc" -ne 0 ] && [ "$f" -eq 0 ]; then
			f=1 # it crashed, or a sanitizer spoke
		fi
		passed=$((passed + p)) failed=$((failed + f))
		skipped=$((skipped + s))
		if [ "$rc" -ne 0 ] || [ "$f" -gt 0 ]; then
			cat "$out/log"
			echo "FAIL unit $name"
		else
			echo "ok   unit $name ($p)"
			grep -E '^(# |failing calls: |power-cut states: )' "$out/log"
		fi
	done
fi

/usr/bin/python3 "$here/e2e/run.py" ${only:+-k "$only"} --results "$out/e2e" ||
	[ -s "$out/e2e" ] || failed=$((failed + 1))
if [ -s "$out/e2e" ]; then
	read -r p f s <"$out/e2e"
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
fi
# The firmware image, when it was built (make image BOARD=qemu-arm64).
if [ -z "$only" ] && [ "${NIGHTSTAND_SAN:-0}" != 1 ]; then
	"$here/image/run.py" --quick --results "$out/image" || [ -s "$out/image" ] ||
		failed=$((failed + 1))
	if [ -s "$out/image" ]; then
		read -r p f s <"$out/image"
		passed=$((passed + p)) failed=$((failed + f))
		skipped=$((skipped + s))
	fi
fi
# The driver on a real USB stack, in a virtual machine of its own.
if [ -z "$only" ] && [ "${NIGHTSTAND_SAN:-0}" != 1 ]; then
	python3 "$here/usb/check_usb.py" --quick --results "$out/usb" ||
		[ -s "$out/usb" ] || failed=$((failed + 1))
	if [ -s "$out/usb" ]; then
		read -r p f s <"$out/usb"
		passed=$((passed + p)) failed=$((failed + f))
		skipped=$((skipped + s))
	fi
fi
[ -z "$results" ] || echo "$passed $failed $skipped" >"$results"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
