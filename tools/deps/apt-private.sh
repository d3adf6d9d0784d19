# Sourced, not run. apt on folders of its own, with the archive, the proxy and
# the keys of this machine's apt, whatever release it runs, with or without
# root; apt checks the signatures. Whoever sources this sets $tmp (a folder to
# throw away) and die().

# Where this machine's apt finds Debian: "main URI" and "security URI" lines.
# Without release info it says so also where no list was ever fetched.
archives() {
	apt-get indextargets --no-release-info --format \
		'$(REPO_URI)|$(RELEASE)|$(COMPONENT)' 'Created-By: Packages' |
		awk -F '|' '
			$3 != "main" || $1 ~ /^cdrom:/ { next }
			$2 ~ /-security$/ { if (!s++) print "security", $1; next }
			$2 !~ /[-\/]/ { if (!m++) print "main", $1 }'
}

# sources TYPE SUITE COMPONENTS: an apt list of TYPE (deb, deb-src) for one
# suite with its updates; a suite of backports has none.
sources() {
	key=
	for ring in /usr/share/keyrings/debian-archive-keyring.pgp \
		/usr/share/keyrings/debian-archive-keyring.gpg; do
		[ -r "$ring" ] && key="[signed-by=$ring] " && break
	done
	archives | while read -r kind uri; do
		case $kind,$2 in
		main,*-backports) echo "$1 $key$uri $2 $3" ;;
		main,*)
			echo "$1 $key$uri $2 $3"
			echo "$1 $key$uri $2-updates $3"
			;;
		security,*-backports) ;;
		security,*) echo "$1 $key$uri $2-security $3" ;;
		esac
	done
}

# apt_private TYPE SUITE [COMPONENTS [ARCHITECTURE]]
# Dir::Etc::parts stays the machine's: a proxy may be set there. Another suite
# may be added to $tmp/etc/sources.list by sources().
apt_private() {
	mkdir -p "$tmp/etc/parts" "$tmp/lists/partial" "$tmp/archives/partial"
	sources "$1" "$2" "${3:-main}" >"$tmp/etc/sources.list"
	grep -q " $2 main" "$tmp/etc/sources.list" ||
		die "apt knows no Debian archive (apt-get indextargets is empty)"
	: >"$tmp/status"
	cat >"$tmp/apt.conf" <<END
Dir::State "$tmp";
Dir::State::lists "$tmp/lists";
Dir::State::status "$tmp/status";
Dir::Cache "$tmp";
Dir::Cache::archives "$tmp/archives";
Dir::Etc::sourcelist "$tmp/etc/sources.list";
Dir::Etc::sourceparts "$tmp/etc/parts";
Dir::Etc::main "/dev/null";
Acquire::Languages "none";
Acquire::Retries "3";
APT::Sandbox::User "root";
END
	[ -z "${4:-}" ] || cat >>"$tmp/apt.conf" <<END
APT::Architecture "$4";
APT::Architectures { "$4"; };
END
}

# try COMMAND...: quiet, three tries, with the private configuration.
try() {
	for pause in 2 5 0; do
		if (cd "$tmp" && APT_CONFIG="$tmp/apt.conf" "$@" >"$tmp/log" 2>&1); then
			return 0
		fi
		sleep $pause
	done
	return 1
}

# run COMMAND...: the same; what it said is shown when all failed.
run() {
	try "$@" && return 0
	cat "$tmp/log" >&2
	die "'$*' failed; is there a network?"
}
