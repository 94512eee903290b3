# Shared by contrib/quickstart and tests/run: packages and the build. Sourced, with $top set to the checkout's top.

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }
die() { printf '%s\n' "$*" >&2; exit 1; }

# install LIST…: what is missing of the named lists of contrib/packages, with apt-get.
install() {
	local list missing=() package sudo=()
	for list in "$@"; do
		for package in $(sed -n "s/^$list: //p" "$top/contrib/packages"); do
			dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
		done
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	command -v apt-get >/dev/null || die "Please install: ${missing[*]} (their names on Debian 12)."
	[ "$(id -u)" = 0 ] || sudo=(sudo)
	say "Installing ${missing[*]}"
	# No service of a package is started: the tests start what they need themselves.
	${sudo[@]+"${sudo[@]}"} env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y --no-install-recommends "${missing[@]}" >"$log" 2>&1 ||
		{ ${sudo[@]+"${sudo[@]}"} apt-get update >"$log" 2>&1 &&
		${sudo[@]+"${sudo[@]}"} env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y --no-install-recommends "${missing[@]}" >>"$log" 2>&1; } ||
		{ tail -5 "$log" >&2; die "apt-get failed, see $log"; }
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
