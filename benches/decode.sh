#!/usr/bin/env bash
# decode.sh [--size MB] [--runs N] [--binary FILE]
#
# How fast `replicate decode` is beside `mysqlbinlog -v --base64-output=DECODE-ROWS`, on the same files in the same
# run. Makes two binary logs of at least --size MB (300) with a real MySQL 9.7, once, under target/bench: `oltp`, small
# transactions shaped like sysbench's oltp_write_only (4 row changes each), and `wide`, multi-row inserts and updates of
# a table with 24 columns of mixed types. Each program reads each file --runs times (3) and writes to /dev/null; the
# median counts. Prints MB of log a second, the ratio, and the largest resident memory. Exits 1 below 5 times the
# speed of mysqlbinlog, or above 64 MiB.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../docker/lib.sh"

size=300 runs=3 binary=''
while [ $# -gt 0 ]; do
  case $1 in
    --size) size=$2; shift 2 ;;
    --runs) runs=$2; shift 2 ;;
    --binary) binary=$2; shift 2 ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
done

cd "$repo_dir"
name=mysql-9.7
bench_dir=$(target_directory)/bench
mkdir -p "$bench_dir"

main() {
  "$docker_dir/servers.sh" "$name"
  if [ -z "$binary" ]; then
    cargo build --release --locked --quiet
    binary=$(target_directory)/release/replicate
  fi
  local shape worst=0
  for shape in oltp wide; do
    [ -f "$bench_dir/$shape-$size.binlog" ] || make_log "$shape"
  done
  printf '%-6s %8s %14s %14s %8s %12s\n' log MB 'mysqlbinlog' 'replicate' ratio 'peak memory'
  for shape in oltp wide; do measure "$shape" || worst=1; done
  return "$worst"
}

# --- measuring ------------------------------------------------------------------------------------------

measure() {
  local file=$bench_dir/$1-$size.binlog megabytes peer ours
  megabytes=$(($(stat -c %s "$file") / 1000000))
  cat "$file" >/dev/null
  peer=$(median "$servers_dir/$name/bin/mysqlbinlog" -v --base64-output=DECODE-ROWS "$file")
  ours=$(median "$binary" -q decode "$file")
  awk -v log_name="$1" -v mb="$megabytes" -v peer="${peer% *}" -v ours="${ours% *}" -v kb="${ours#* }" 'BEGIN {
    ratio = peer / ours
    printf "%-6s %8d %9.0f MB/s %9.0f MB/s %7.1fx %8.0f MiB\n", log_name, mb, mb / peer, mb / ours, ratio, kb / 1024
    exit ratio < 5 || kb > 65536
  }'
}

# median COMMAND...: seconds of the median run, and the largest resident memory in KiB of all.
median() {
  local run
  for ((run = 0; run < runs; run++)); do
    timed "$@"
  done | sort -n | awk '{ seconds[NR] = $1; if ($2 > kb) kb = $2 } END { print seconds[int((NR + 1) / 2)], kb }'
}

# Runs a command into /dev/null; prints its seconds and its resident memory in KiB.
timed() {
  python3 - "$@" <<'PY'
import resource, subprocess, sys, time
start = time.monotonic()
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(f"{time.monotonic() - start:.3f}", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
PY
}

# --- making the logs ------------------------------------------------------------------------------------

make_log() {
  local shape=$1
  dir=$bench_dir/server
  say "making the $shape log of $size MB (once)"
  rm -rf "$dir"
  trap 'kill_local "$dir"' EXIT
  start_local "$name" "$dir" '' "$dir/s" --log-bin=mysql-bin --server-id=1 --max-binlog-size=1G \
    --innodb-flush-log-at-trx-commit=0 --sync-binlog=0 --innodb-buffer-pool-size=512M --innodb-redo-log-capacity=1G
  client <"$repo_dir/benches/decode-$shape.sql"
  client bench <<<'SET SESSION sql_log_bin = 1; FLUSH BINARY LOGS'
  local file
  file=$(client <<<'SHOW BINARY LOG STATUS' | cut -f 1)
  local worker workers
  while (($(stat -c %s "$dir/data/$file") < size * 1000000)); do
    # The server is a child of this shell as well: only the workers are waited for.
    workers=()
    for worker in 1 2 3 4; do
      client bench <<<"CALL work($worker)" &
      workers+=($!)
    done
    wait "${workers[@]}"
  done
  stop_local "$dir"
  mv "$dir/data/$file" "$bench_dir/$shape-$size.binlog"
  rm -rf "$dir"
  trap - EXIT
}

client() { "$servers_dir/$name/bin/mysql" --no-defaults -uroot -S "$bench_dir/server/s" -N "$@"; }

main
