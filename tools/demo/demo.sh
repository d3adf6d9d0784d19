#!/bin/bash
# Three nights in about a minute, with no hardware: a simulated iPhone is
# plugged in, paired, asked for its passcode, backed up, changed, unplugged in
# the middle and plugged in again. `nightstand run` is the real program; this
# script only plays the person and the phone.
#
# demo.sh [--nights N] [--size BYTES] [--port PORT] [--dir DIR]
# Ends with what the vault holds and with proof that it equals the phone. On a
# terminal the page stays up until Ctrl-C; without one the script ends by
# itself, with status 0 only when everything it claims was seen to be true.
set -u
set -o pipefail

here=$(cd "$(dirname "$0")" && pwd)
build=${NIGHTSTAND_BUILD:-$here/../../build/host}
nights=3 size=1G port=8080 dir=''
usage() {
	sed -n '2,12s/^# \{0,1\}//p' "$0"
	exit "$1"
}
while [ $# -gt 0 ]; do
	case $1 in
	--nights) nights=$2; shift 2 ;;
	--size) size=$2; shift 2 ;;
	--port) port=$2; shift 2 ;;
	--dir) dir=$2; shift 2 ;;
	-h | --help) usage 0 ;;
	*) usage 64 >&2 ;;
	esac
done
case $nights in
[1-9] | [1-9][0-9]) ;;
*) echo "demo: NIGHTS is a number from 1 to 99" >&2; exit 64 ;;
esac
case $size in
*[!0-9KMG]* | [!1-9]* | *[KMG]?*)
	echo "demo: SIZE is a number with K, M or G, e.g. 100M" >&2; exit 64 ;;
esac

made_dir=''
if [ -z "$dir" ]; then
	dir=$(mktemp -d "${TMPDIR:-/var/tmp}/nightstand-demo.XXXXXX")
	made_dir=$dir
fi
mkdir -p "$dir/disk"
sim_pid='' box_pid='' keys=''
cleanup() {
	[ -z "$keys" ] || stty "$keys"
	[ -z "$box_pid" ] || { kill "$box_pid" && wait "$box_pid"; } 2>/dev/null
	[ -z "$sim_pid" ] || { kill "$sim_pid" && wait "$sim_pid"; } 2>/dev/null
	[ -z "$made_dir" ] || rm -rf "$made_dir"
}
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

tty=''
[ -t 1 ] && tty=1
say() {
	# On a terminal the LED line is live: start below it.
	[ -z "$tty" ] || printf '\r\033[K'
	printf '%s\n' "$*"
}
title() {
	say ''
	if [ -n "$tty" ]; then
		printf '\033[1m%s\033[0m\n' "$*"
	else
		printf '%s\n' "$*"
	fi
}
fail() {
	say "demo: $*"
	[ -z "$box_pid" ] || say "the program's log: $dir/nightstand.log"
	[ ! -s "$dir/nightstand.log" ] || tail -n 15 "$dir/nightstand.log"
	made_dir=''
	exit 1
}
ctl() {
	"$build/phonesim" ctl "$dir/phone.ctl" "$@" >"$dir/ctl.out" 2>&1 ||
		fail "the simulated phone said: $(cat "$dir/ctl.out")"
}
# A field of the page's own status, as a neighbour on the LAN would read it.
status() {
	curl -sf --max-time 5 "http://127.0.0.1:$port/api/status" 2>/dev/null
}
wait_state() {
	local n=0
	until status | grep -q "\"state\":[[:space:]]*\"$1\""; do
		n=$((n + 1))
		[ "$n" -lt "$(($2 * 10))" ] ||
			fail "waited $2 s for the state '$1'; the page says: $(status | head -c 600)"
		kill -0 "$box_pid" 2>/dev/null || fail "nightstand ended"
		sleep 0.1
	done
}
snapshots() {
	"$build/nightstand" snapshots --vault "$dir/disk" --json |
		grep -o '"state":[[:space:]]*"good"' | wc -l
}
wait_snapshots() {
	local n=0
	until [ "$(snapshots)" -ge "$1" ]; do
		n=$((n + 1))
		[ "$n" -lt "$(($2 * 5))" ] || fail "waited $2 s for snapshot $1"
		sleep 0.2
	done
}

# Until Ctrl-C is typed. It is read as a key and not taken as the signal: that
# would end make, too, which then calls a good end an error.
wait_ctrl_c() {
	local key=''

	if ! [ -t 0 ] || ! keys=$(stty -g) || ! stty intr undef; then
		keys=''
		wait "$box_pid"
		fail "nightstand ended"
	fi
	while [ "$key" != $'\003' ]; do
		kill -0 "$box_pid" 2>/dev/null || fail "nightstand ended"
		key=''
		IFS= read -rsn1 -t 1 key
	done
}

title "Nightstand, with a simulated iPhone on a simulated cable"
say "The vault is in $dir/disk. The page: http://127.0.0.1:$port/"

"$build/phonesim" --socket "$dir/usbmuxd" --control "$dir/phone.ctl" \
	--state "$dir/phone" --phone \
	"name=Ana's iPhone,seed=7,files=4000,bytes=$size,plugged=no,trusted=no" \
	>"$dir/phonesim.log" 2>&1 &
sim_pid=$!
n=0
until grep -q ready "$dir/phonesim.log"; do
	n=$((n + 1))
	kill -0 "$sim_pid" 2>/dev/null && [ "$n" -lt 600 ] ||
		fail "the simulated phone did not start: $(cat "$dir/phonesim.log")"
	sleep 0.1
done
ctl passcode wait

cat >"$dir/nightstand.conf" <<EOF
[box]
vault = $dir/disk
state = $dir/state
[web]
port = $port
[keep]
; a demo's nights are all of one day
last = $((nights + 1))
[policy]
; … and begin at any hour
quiet_from = 00:00
quiet_to = 00:00
EOF
USBMUXD_SOCKET_ADDRESS="UNIX:$dir/usbmuxd" "$build/nightstand" run \
	--config "$dir/nightstand.conf" 2>"$dir/nightstand.log" &
box_pid=$!
n=0
until status >/dev/null; do
	n=$((n + 1))
	kill -0 "$box_pid" 2>/dev/null && [ "$n" -lt 150 ] ||
		fail "the page did not come up on port $port"
	sleep 0.1
done

night=1
while [ "$night" -le "$nights" ]; do
	case $((night % 3)) in
	1) title "Night $night: the phone is plugged in" ;;
	2)
		title "Night $night: a day of photos and messages later"
		ctl mutate "grow=40" "change=120" "remove=30" "rename=10" \
			"add=80" "seed=$night"
		;;
	0)
		title "Night $night: someone unplugs the phone in the middle"
		ctl mutate "grow=200" "change=900" "remove=20" "add=300" \
			"seed=$night"
		ctl at upload-file:300 unplug
		;;
	esac
	ctl plug
	if [ "$night" -eq 1 ]; then
		wait_state wants_trust 20
		sleep 1.5
		say "  Ana taps Trust."
		ctl trust
	fi
	wait_state wants_passcode 20
	sleep 1.5
	say "  Ana enters her passcode and goes to sleep."
	ctl passcode now entered
	if [ $((night % 3)) -eq 0 ]; then
		wait_state unplugged 60
		say "  Unplugged. The earlier nights stay as they are: $(snapshots) good."
		sleep 2.5
		say "  Plugged in again."
		ctl plug
		wait_state wants_passcode 20
		ctl passcode now entered
	fi
	wait_snapshots "$night" 300
	wait_state safe 20
	sleep 2.5
	ctl unplug
	sleep 0.5
	night=$((night + 1))
done

title "What the vault holds"
"$build/nightstand" snapshots --vault "$dir/disk" || fail "no list"

title "Proof"
ctl hashes "$dir/hashes"
latest=$(echo "$dir"/disk/Nightstand/*/latest/*)
# The phone's own SHA-256 of each file against the bytes on the disk, by
# sha256sum: none of our code computes this side.
awk '$1 != "-" && $5 != "e" { print $1 "  " substr($6, 1, 2) "/" $6 }' \
	"$dir/hashes" >"$dir/sums"
want=$(wc -l <"$dir/sums")
have=$(find "$latest" -mindepth 2 -type f | wc -l)
if (cd "$latest" && sha256sum --quiet -c "$dir/sums") && [ "$want" = "$have" ]; then
	say "  $want files on the phone, $have in the newest snapshot: every SHA-256 is equal."
else
	fail "the newest snapshot differs from the phone ($want files there, $have here)"
fi
"$build/nightstand" verify --vault "$dir/disk" || fail "the vault's own check"

if [ -n "$tty" ]; then
	say ''
	say "The page stays up: http://127.0.0.1:$port/   (Ctrl-C ends the demo)"
	trap 'say ""; exit 0' INT
	wait_ctrl_c
	say ''
fi
exit 0
