# shellcheck shell=bash
# environment.sh: the place a benchmark runs in: processes pinned to their core,
# spinners, scratch directory, certificate, backend and proxies. Sourced by
# bench/peers, inside a network namespace of its own, which is why the ports can
# be fixed ones.

readonly BACKEND_PORT=8000 PROXY_PORT=8443
readonly PROXY_CORE=0 LOAD_CORE=1
readonly START_TRIES=200 STOP_TRIES=100 # of 0.05 s each

SCRATCH=          # directory, removed at the end
STARTED=()        # pids of everything that runs
STARTED_PID=      # pid of what start() started last

die() {
	echo "bench: $*" >&2
	exit 1
}

# start NAME CORE COMMAND...: in the background, its output in the scratch
# directory. Whatever becomes of this script, the kernel ends the process with it.
start() {
	local name=$1 core=$2
	shift 2
	setpriv --pdeathsig TERM taskset -c "$core" "$@" \
		</dev/null >>"$SCRATCH/$name.log" 2>&1 &
	STARTED_PID=$!
	STARTED+=("$STARTED_PID")
}

# stop PID: politely, then not; a killed master does not take its workers along.
stop() {
	local pid=$1 children try
	children=$(pgrep -P "$pid" || true)
	kill -TERM "$pid" 2>/dev/null || true
	for ((try = 0; try < STOP_TRIES; try++)); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.05
	done
	if kill -0 "$pid" 2>/dev/null; then
		# shellcheck disable=SC2086 # a list of pids
		kill -KILL "$pid" $children 2>/dev/null || true
	fi
	wait "$pid" 2>/dev/null || true
	local left=() other
	for other in "${STARTED[@]}"; do
		[[ $other == "$pid" ]] || left+=("$other")
	done
	STARTED=("${left[@]}")
}

stop_all() {
	while ((${#STARTED[@]} > 0)); do
		stop "${STARTED[-1]}"
	done
	[[ -z $SCRATCH ]] || rm -rf "$SCRATCH"
}

# await NAME PID PORT: until the port answers. Fails with the end of the log.
await() {
	local name=$1 pid=$2 port=$3 try
	for ((try = 0; try < START_TRIES; try++)); do
		kill -0 "$pid" 2>/dev/null || break
		(: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null && return 0
		sleep 0.05
	done
	echo "bench: $name does not start:" >&2
	tail -n 5 "$SCRATCH/$name.log" >&2
	return 1
}

# render TEMPLATE NAME: fills in a template of bench/conf, prints the result's path.
render() {
	local result="$SCRATCH/$2.conf"
	local mode=http
	[[ $2 != ferrule-tunnel ]] || mode=tunnel
	sed -e "s|@MODE@|$mode|g" -e "s|@SCRATCH@|$SCRATCH|g" -e "s|@CONF@|$BENCH/conf|g" -e "s|@PROXY@|$2|g" \
		-e "s|@PORT@|$PROXY_PORT|g" -e "s|@BACKEND_PORT@|$BACKEND_PORT|g" \
		"$BENCH/conf/$1" >"$result"
	echo "$result"
}

make_certificate() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
		-subj /CN=bench -addext subjectAltName=DNS:bench,IP:127.0.0.1 \
		-keyout "$SCRATCH/key.pem" -out "$SCRATCH/certificate.pem" 2>/dev/null ||
		die "openssl cannot make a certificate"
	cat "$SCRATCH/certificate.pem" "$SCRATCH/key.pem" >"$SCRATCH/bundle.pem"
	chmod 600 "$SCRATCH/key.pem" "$SCRATCH/bundle.pem"
}

make_scratch() {
	SCRATCH=$(mktemp -d /tmp/ferrule-bench.XXXXXX)
	# Workers that have dropped their privileges read files and write temporary ones.
	chmod 755 "$SCRATCH"
	mkdir -m 755 "$SCRATCH/files" "$SCRATCH/temp"
	mkdir -m 700 "$SCRATCH/ferrule-state" "$SCRATCH/ferrule-run"
	head -c 1K /dev/zero >"$SCRATCH/files/1k"
	head -c 1M /dev/zero >"$SCRATCH/files/1m"
	head -c 10M /dev/zero >"$SCRATCH/files/10m"
	make_certificate
}

# bbr, the default of some machines, paces loopback and so distorts it. The sysctl
# may not name cubic here unless the whole machine allows it; a route may, and
# holds for both ends of every connection.
set_up_network() {
	ip link set lo up
	ip route replace local 127.0.0.1 dev lo proto kernel scope host src 127.0.0.1 \
		table local congctl cubic || die "ip cannot set cubic for loopback"
	echo "10000 65535" >/proc/sys/net/ipv4/ip_local_port_range
}

# Keep the virtual processors from halting: waking one up costs more than a
# request. SCHED_IDLE gives way to everything else.
start_spinners() {
	local core
	for core in "$PROXY_CORE" "$LOAD_CORE"; do
		start "spinner-$core" "$core" chrt --idle 0 sh -c 'while :; do :; done'
	done
}

start_backend() {
	start backend "$LOAD_CORE" nginx -c "$(render backend.conf backend)" \
		-e "$SCRATCH/backend.log"
	await backend "$STARTED_PID" "$BACKEND_PORT" || exit 1
}

# start_proxy NAME: leaves its pid in STARTED_PID. Fails when it does not come up.
start_proxy() {
	local name=$1
	local run=(start "$name" "$PROXY_CORE")
	case $name in
	ferrule | ferrule-tunnel) "${run[@]}" "$FERRULE" run -c "$(render ferrule.conf "$name")" ;;
	nginx | nginx-buffers)
		"${run[@]}" nginx -c "$(render nginx.conf "$name")" -e "$SCRATCH/$name.log"
		;;
	haproxy-*) "${run[@]}" haproxy -db -f "$(render "$name.cfg" "$name")" ;;
	hitch) "${run[@]}" hitch --config="$(render hitch.conf "$name")" ;;
	stunnel) "${run[@]}" stunnel "$(render stunnel.conf "$name")" ;;
	splice) "${run[@]}" "$BUILD/splice_relay" "$PROXY_PORT" "$BACKEND_PORT" ;;
	esac
	await "$name" "$STARTED_PID" "$PROXY_PORT" || {
		stop "$STARTED_PID"
		return 1
	}
}
