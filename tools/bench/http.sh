#!/usr/bin/env bash
# Measures three nodes on loopback through HTTP with wrk, and prints a markdown table.
#
#   tools/bench/http.sh          needs build/release/bin (tools/test or tools/quickstart builds it)
#
# Settings are the defaults: every write is synced on a majority before it is answered. The data is
# in build/bench, so on the disk of the source tree. Settings, as environment: SECONDS_EACH (10),
# HTTP_PORT (8101) and PEER_PORT (9101) of the first node, NULL_PORT (8190).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

seconds="${SECONDS_EACH:-10}"
null_port="${NULL_PORT:-8190}"
export HTTP_PORT="${HTTP_PORT:-8101}" PEER_PORT="${PEER_PORT:-9101}" CLUSTER_DIR="$PWD/build/bench"
bin=build/release/bin

die() { echo "tools/bench/http.sh: $*" >&2; exit 1; }

for program in sisyphusd sicli http_null; do
  [[ -x "$bin/$program" ]] || die "$bin/$program is not there; build it: cmake --preset release && cmake --build --preset release"
done
command -v wrk >/dev/null || die "wrk is missing; tools/setup installs it"

null_pid=""
clean_up() {
  [[ -z "$null_pid" ]] || kill "$null_pid" 2>/dev/null || true
  tools/cluster down >/dev/null || true
  rm -rf "$CLUSTER_DIR"
}

# Prints "requests/s p50_us p99_us". A failed request spoils the whole measurement.
measure() {
  local connections="$1" load="$2" address="$3" output result
  output="$(wrk -t1 -c"$connections" -d"${seconds}s" --timeout 10s -s tools/bench/kv.lua \
    "http://$address" -- "$load")"
  result="$(sed -n 's/^RESULT //p' <<<"$output")"
  [[ -n "$result" ]] || die "wrk said: $output"
  [[ "${result##* }" == 0 ]] || die "$load at $address: ${result##* } requests failed"
  echo "${result% *}"
}

row() {
  local name="$1" connections="$2" result="$3" null="$4" rate p50 p99
  read -r rate p50 p99 <<<"$result"
  awk -v name="$name" -v c="$connections" -v rate="$rate" -v p50="$p50" -v p99="$p99" \
    -v null="${null%% *}" 'BEGIN {
      printf "| %s | %d | %d | %.2f | %.2f | %s |\n", name, c, rate, p50 / 1000, p99 / 1000,
             null == "" ? "" : sprintf("%.2f", rate / null) }'
}

# What the disk costs: the median of 500 times 256 bytes and fdatasync, into a file that is there in
# full already, as a segment of the log is.
sync_microseconds() {
  python3 - "$CLUSTER_DIR/sync" <<'END'
import os, sys, time
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.write(fd, bytes(1 << 20))
os.fsync(fd)
times = []
for i in range(500):
    begin = time.perf_counter()
    os.pwrite(fd, b"x" * 256, i * 256)
    os.fdatasync(fd)
    times.append(time.perf_counter() - begin)
print(round(sorted(times)[250] * 1e6))
END
}

describe_machine() {
  echo "Machine: $(nproc) x $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)," \
    "$(awk '/MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo)," \
    "Linux $(uname -r), $(findmnt -no FSTYPE -T "$CLUSTER_DIR"); a small write and its fdatasync take" \
    "$(sync_microseconds) µs. wrk and the three nodes share it."
}

rm -rf "$CLUSTER_DIR"
mkdir -p "$CLUSTER_DIR"
trap clean_up EXIT
machine="$(describe_machine)"
tools/cluster up >&2
first="127.0.0.1:$HTTP_PORT"
leader_id="$("$bin/sicli" --addr "$first" status | awk '$2 == "leader" { print $1 }')"
[[ "$leader_id" =~ ^[123]$ ]] || die "no leader"
leader="127.0.0.1:$((HTTP_PORT + leader_id - 1))"
follower="127.0.0.1:$((HTTP_PORT + leader_id % 3))"

echo "measuring, $seconds s each" >&2
mkfifo "$CLUSTER_DIR/null"
exec 3<>"$CLUSTER_DIR/null"  # It runs until its standard input ends.
"$bin/http_null" "127.0.0.1:$null_port" <&3 >/dev/null &
null_pid="$!"
until curl -s -o /dev/null "http://127.0.0.1:$null_port/"; do
  kill -0 "$null_pid" 2>/dev/null || die "http_null ended"
done
null_put="$(measure 64 null-put "127.0.0.1:$null_port")"
null_put_1="$(measure 1 null-put "127.0.0.1:$null_port")"
null_get="$(measure 64 null-get "127.0.0.1:$null_port")"
kill "$null_pid"
wait "$null_pid" || true
null_pid=""

put_64="$(measure 64 put "$leader")"
put_1="$(measure 1 put "$leader")"
put_follower="$(measure 64 put "$follower")"
get_64="$(measure 64 get "$leader")"
get_1="$(measure 1 get "$leader")"
get_follower="$(measure 64 get "$follower")"

echo "$machine"
echo
echo "| Request | Connections | Requests/s | p50 ms | p99 ms | Ratio to the null handler |"
echo "|---|---:|---:|---:|---:|---:|"
row "PUT, 100 bytes, to the leader" 64 "$put_64" "$null_put"
row "PUT, 100 bytes, to the leader" 1 "$put_1" "$null_put_1"
row "PUT, 100 bytes, to a follower" 64 "$put_follower" "$null_put"
row "GET, linearizable, from the leader" 64 "$get_64" "$null_get"
row "GET, linearizable, from the leader" 1 "$get_1" ""
row "GET, linearizable, from a follower" 64 "$get_follower" "$null_get"
row "PUT, null handler" 64 "$null_put" ""
row "PUT, null handler" 1 "$null_put_1" ""
row "GET, null handler" 64 "$null_get" ""
