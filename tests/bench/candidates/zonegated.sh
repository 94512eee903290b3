#!/bin/bash
# zonegated on its embedded store.  ZONEGATED names the binary; by default the
# one that was built in the checkout, then the one on the PATH.
. "$(dirname "$0")/_lib.sh"
features="udp tcp dot many axfr update"
if [ -z "${ZONEGATED:-}" ]; then
	ZONEGATED=$LIB_HERE/../../../zonegated
	[ -x "$ZONEGATED" ] || ZONEGATED=$(command -v zonegated || echo none)
fi
available() { [ -x "$ZONEGATED" ]; }
version() { "$ZONEGATED" -V | head -1; }
setup() {
	cd "$B_DIR"
	{
		echo "server:"
		echo "  listen: [\"127.0.0.1@$B_PORT\"${B_ADDRESS:+, \"$B_ADDRESS@$B_PORT\"}]"
		# zonegated:native and zonegated:generic are AF_XDP (./xdp).
		case ${B_VARIANT:-} in native | generic) echo "  xdp: [{interface: $B_INTERFACE, mode: $B_VARIANT}]" ;; esac
		if [ -n "${B_TLS_PORT:-}" ]; then
			echo "  listen-tls: [\"127.0.0.1@$B_TLS_PORT\"]"
			echo "  tls: {certificate: \"$B_TLS_CERT\", key: \"$B_TLS_KEY\"}"
		fi
		echo "  threads: $B_THREADS"
		echo "  state-dir: state"
		# zonegated:dnstap copies each message, to nobody.
		[ "${B_VARIANT:-}" != dnstap ] || echo "  dnstap: {file: /dev/null}"
		echo "  control-socket: zonegate.sock"
		echo "log: {level: warning}"
		echo "keys:"
		echo "  - {name: \"$B_KEY\", algorithm: hmac-sha256, secret: \"$B_SECRET\"}"
		echo "zones:"
		zone_list | while read -r z f; do
			echo "  - name: \"$z.\""
			echo "    file: \"$f\""
			echo "    allow-transfer: [127.0.0.1]"
			if [ -z "${B_MANY:-}" ]; then
				echo "    allow-update: [key \"$B_KEY\"]" | sed 's/key "\(.*\)"/"key \1"/'
			fi
			if [ -n "${B_NOTIFY_PORT:-}" ]; then
				echo "    notify: [\"127.0.0.1@$B_NOTIFY_PORT\"]"
			fi
		done
	} >zonegated.yaml
}
run() {
	cd "$B_DIR"
	exec $B_WRAP "$ZONEGATED" -c "$B_DIR/zonegated.yaml"
}
main "$@"
