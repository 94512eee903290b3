# Shared by etcd and kafka: servers with a number each, in folders DIR/1 to DIR/N; DIR/NUMBER/pid names the process and its start
# time, DIR/NUMBER/log is what it said. Sourced; $DIR, $N and $cmd are set when a function is called, and launch and ready are there.

die() { echo "${0##*/}: $*" >&2; exit 1; }

process() {	# pid -> its state, number of threads and start time, all of one moment
	local s; s=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
	s=${s##*) }; set -- $s; echo "$1 ${18} ${20}"
}

note() {	# number and pid of what was started just now; with its start time, so that a recycled pid is never signalled
	disown "$2" 2>/dev/null
	sleep 0.05	# setsid execs in place when it is not a group leader, so the pid is the server's own
	local s; s=$(process "$2"); echo "$2 ${s##* }" >"$DIR/$1/pid"
}

alive() {	# number -> pid, if the process that we started still runs
	local p b state threads start
	[ -r "$DIR/$1/pid" ] && read -r p b <"$DIR/$1/pid" || return 1
	[ -n "$p" ] && read -r state threads start < <(process "$p") && [ "$start" = "$b" ] || return 1
	# A zombie is gone once no other thread of it holds its ports.
	{ [ "$state" != Z ] || [ "$threads" -gt 1 ]; } && echo "$p"
}

taken() { grep -qi 'address already in use' "$DIR/$1/log"; }	# by somebody who was given the port while it was free

wait_ready() {	# seconds [number]
	local end=$((SECONDS + $1)) again=$((SECONDS + 30)) i all
	while :; do
		all=1
		for i in ${2:-$(seq $N)}; do
			ready $i && continue
			all=0
			alive $i >/dev/null && continue
			[ "$cmd" = start ] && [ $SECONDS -lt $again ] && taken $i && { sleep 0.5; launch $i; continue; }
			echo "${0##*/}: $i ended:" >&2; grep -v INFO "$DIR/$i/log" | tail -5 >&2; return 1
		done
		[ $all = 1 ] && return 0
		[ $SECONDS -ge $end ] && { echo "${0##*/}: not ready after $1 s" >&2; return 1; }
		sleep 0.05
	done
}

end() {	# signal [number]: all or one; returns once they are gone
	local sig=$1 i p ended= end=$((SECONDS + 60))
	for i in ${2:-$(seq $N)}; do p=$(alive $i) && kill -$sig "$p" && ended="$ended $i"; done
	for i in $ended; do
		while p=$(alive $i); do
			[ $SECONDS -ge $end ] && { kill -KILL "$p"; end=$((SECONDS + 5)); }
			sleep 0.05
		done
	done
}
