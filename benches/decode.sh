#!/usr/bin/env bash
# decode.sh [--size MB] [--runs N] [--binary FILE] [--make-only] [SHAPE...]
#
# How fast `replicate decode` is beside `mysqlbinlog -v --base64-output=DECODE-ROWS`, on the same files in the same
# run. Makes binary logs of at least --size MB (300) with a real MySQL 9.7, once, under target/bench:
#   oltp    small transactions shaped like sysbench's oltp_write_only, 4 row changes each
#   wide    multi-row inserts and updates of a table with 24 columns of mixed types
#   full    the same with binlog_row_metadata=FULL
#   single  the same as one transaction, of 500 MB where --size is 300
#   zstd    the same with binlog_transaction_compression=ON, a third of the size packed
# Each program reads each file --runs times (3) and writes to /dev/null; the median counts. Prints MB of log a second,
# the ratio, and the largest resident memory. Exits 1 below 8 times the speed of mysqlbinlog, or above 64 MiB.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../docker/lib.sh"

size=300 runs=3 binary='' make_only=no shapes=()
while [ $# -gt 0 ]; do
  case $1 in
    --size) size=$2; shift 2 ;;
    --runs) runs=$2; shift 2 ;;
    --binary) binary=$2; shift 2 ;;
    --make-only) make_only=yes; shift ;;
    -h | --help) usage; exit 0 ;;
    oltp | wide | full | single | zstd) shapes+=("$1"); shift ;;
    *) usage >&2; exit 2 ;;
  esac
done
[ ${#shapes[@]} -gt 0 ] || shapes=(oltp wide full single zstd)

cd "$repo_dir"
name=mysql-9.7
bench_dir=$(target_directory)/bench
mkdir -p "$bench_dir"

main() {
  "$docker_dir/servers.sh" "$name"
  local shape worst=0
  for shape in "${shapes[@]}"; do
    [ -f "$(log_of "$shape")" ] || make_log "$shape"
  done
  [ "$make_only" = no ] || return 0
  if [ -z "$binary" ]; then
    cargo build --release --locked --quiet
    binary=$(target_directory)/release/replicate
  fi
  printf '%-6s %8s %14s %14s %8s %12s\n' log MB 'mysqlbinlog' 'replicate' ratio 'peak memory'
  for shape in "${shapes[@]}"; do measure "$shape" || worst=1; done
  return "$worst"
}

# --- measuring ------------------------------------------------------------------------------------------

measure() {
  local file megabytes peer ours
  file=$(log_of "$1")
  megabytes=$(($(stat -c %s "$file") / 1000000))
  cat "$file" >/dev/null
  peer=$(median "$servers_dir/$name/bin/mysqlbinlog" -v --base64-output=DECODE-ROWS "$file")
  ours=$(median "$binary" -q decode "$file")
  awk -v log_name="$1" -v mb="$megabytes" -v peer="${peer% *}" -v ours="${ours% *}" -v kb="${ours#* }" 'BEGIN {
    ratio = peer / ours
    printf "%-6s %8d %9.0f MB/s %9.0f MB/s %7.1fx %8.0f MiB\n", log_name, mb, mb / peer, mb / ours, ratio, kb / 1024
    exit ratio < 8 || kb > 65536
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

# The file of a shape's log.
log_of() { echo "$bench_dir/$1-$size.binlog"; }

make_log() {
  local shape=$1 tables=wide bytes=$((size * 1000000)) options=()
  case $shape in
    oltp) tables=oltp ;;
    full) options=(--binlog-row-metadata=FULL) ;;
    single) bytes=$((bytes * 5 / 3)) ;;
    zstd) options=(--binlog-transaction-compression=ON) bytes=$((bytes / 3)) ;;
  esac
  dir=$bench_dir/server
  say "making the $shape log of $((bytes / 1000000)) MB (once)"
  rm -rf "$dir"
  trap 'kill_local "$dir"' EXIT
  start_local "$name" "$dir" '' "$dir/s" --log-bin=mysql-bin --server-id=1 --max-binlog-size=1G \
    --innodb-flush-log-at-trx-commit=0 --sync-binlog=0 --innodb-buffer-pool-size=512M --innodb-redo-log-capacity=1G \
    "${options[@]}"
  client <"$repo_dir/benches/decode-$tables.sql"
  client bench <<<'SET SESSION sql_log_bin = 1; FLUSH BINARY LOGS'
  local file
  file=$dir/data/$(client <<<'SHOW BINARY LOG STATUS' | cut -f 1)
  if [ "$shape" = single ]; then
    one_transaction "$bytes"
  else
    many_transactions "$bytes" "$file"
  fi
  stop_local "$dir"
  mv "$file" "$(log_of "$shape")"
  rm -rf "$dir"
  trap - EXIT
}

# Lets four sessions work until the log has so many bytes.
many_transactions() {
  local worker workers
  while (($(stat -c %s "$2") < $1)); do
    # The server is a child of this shell as well: only the workers are waited for.
    workers=()
    for worker in 1 2 3 4; do
      client bench <<<"CALL work($worker)" &
      workers+=($!)
    done
    wait "${workers[@]}"
  done
}

# One call of `work` writes 10 MB at least.
one_transaction() {
  local calls
  calls=$(printf 'CALL work(1); %.0s' $(seq $(($1 / 10000000))))
  client bench <<<"BEGIN; $calls COMMIT"
}

client() { "$servers_dir/$name/bin/mysql" --no-defaults -uroot -S "$bench_dir/server/s" -N "$@"; }

main
