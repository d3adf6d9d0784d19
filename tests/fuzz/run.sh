#!/bin/sh
# run.sh FOLDER: each fuzzer that stands there (with K="mux usb": those only) for
# $T seconds, two at a time, from its corpus on. What is found lies in FOLDER; a
# table ends it.
set -u
bin=$1
corpus=$(dirname "$0")/corpus

one() {
	work=$bin/$1.work
	mkdir -p "$work"
	"$bin/$1" -max_total_time="${T:-600}" -print_final_stats=1 -timeout=20 \
		-rss_limit_mb=1024 -dict="${corpus%/*}/words.dict" \
		-close_fd_mask=2 -artifact_prefix="$bin/$1.found-" \
		"$work" "$corpus/$1" >"$work.log" 2>&1
	echo $? >"$work.rc"
}

wanted() {
	[ -z "${K:-}" ] && return
	for k in $K; do
		[ "$1" = "fuzz_$k" ] && return
	done
	return 1
}

rm -f "$bin"/*.work.log "$bin"/*.work.rc
running=''
for f in "$bin"/fuzz_*; do
	wanted "$(basename "$f")" || continue
	[ -x "$f" ] && [ -f "$f" ] || continue
	case $f in *.o | *.d | *.log | *.rc) continue ;; esac
	one "$(basename "$f")" &
	set -- $running $!
	running=$*
	[ $# -lt 2 ] && continue
	wait $running
	running=''
done
# shellcheck disable=SC2086
wait $running

failed=0
printf '%-16s %12s %8s %10s %s\n' fuzzer executions edges features result
for log in "$bin"/*.work.log; do
	name=$(basename "$log" .work.log)
	last=$(grep -a '^#.* cov: ' "$log" | tail -1)
	rc=$(cat "${log%.log}.rc")
	[ "$rc" -eq 0 ] || failed=$((failed + 1))
	printf '%-16s %12s %8s %10s %s\n' "$name" \
		"$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" \
		"$(echo "$last" | sed 's/.* cov: \([0-9]*\).*/\1/')" \
		"$(echo "$last" | sed 's/.* ft: \([0-9]*\).*/\1/')" \
		"$([ "$rc" -eq 0 ] && echo clean || echo "FAILED: $log")"
done
[ "$failed" -eq 0 ]
