# Shared by contrib/quickstart and tests/run: packages and the build. Sourced, with $top set to the checkout's top.

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }
die() { printf '%s\n' "$*" >&2; exit 1; }

# apt_install PACKAGE…: with apt-get; no service of a package is started (policy-rc.d, removed at the end, says so): the tests
# start what they need themselves.
apt_install() (
	sudo=() policy=/usr/sbin/policy-rc.d
	[ "$(id -u)" = 0 ] || sudo=(sudo)
	if [ ! -e $policy ]; then
		trap '"${sudo[@]}" rm -f $policy' EXIT
		trap 'exit 1' INT TERM
		printf '#!/bin/sh\nexit 101\n' | "${sudo[@]}" tee $policy >/dev/null
		"${sudo[@]}" chmod 755 $policy
	fi
	get() { "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 "$@" >>"$log" 2>&1; }
	for pause in 0 10 30; do	# a mirror may not answer for a moment; `update` does not say so
		get install -y --no-install-recommends "$@" && exit
		sleep $pause
		get update
	done
	get install -y --no-install-recommends "$@"
)

# install LIST…: what is missing of the named lists of contrib/packages.
install() {
	local list missing=() package
	for list in "$@"; do
		for package in $(sed -n "s/^$list: //p" "$top/contrib/packages"); do
			dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
		done
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	command -v apt-get >/dev/null || die "Please install: ${missing[*]} (their names on Debian 12)."
	say "Installing ${missing[*]}"
	apt_install "${missing[@]}" || { tail -5 "$log" >&2; die "apt-get failed, see $log"; }
}

# build DIRECTORY [CONFIGURE-ARGUMENT…]: out of tree unless DIRECTORY is the checkout itself.
build() {
	local directory=$1 source
	shift
	source=$(cd "$top" && pwd)
	[ -x "$source/configure" ] && [ "$source/configure" -nt "$source/configure.ac" ] ||
		(cd "$source" && autoreconf -i) >"$log" 2>&1 || { tail -5 "$log" >&2; die "autoreconf failed, see $log"; }
	mkdir -p "$directory"
	(
		cd "$directory"
		[ -e config.status ] || "$source/configure" -q "$@"
		make -j"$(nproc)"
	) >"$log" 2>&1 || { grep -m5 -iE 'error|cannot|no such' "$log" >&2; die "the build failed, see $log"; }
}
