#!/bin/bash
# No server, but the quickest secondary there can be: on NOTIFY it sends an
# IXFR over a connection that is open already, and has at once what comes.
# What bench prop measures with it is the primary's part.
. "$(dirname "$0")/_lib.sh"
features="udp secondary nocheck"
available() { have python3; }
version() { echo probe; }
setup() { :; }
run() { exec python3 "$LIB_HERE/_probe.py" "$B_PORT" "$B_PRIMARY_PORT" "$B_ZONE"; }
main "$@"
