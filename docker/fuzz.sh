#!/usr/bin/env bash
# fuzz.sh [SECONDS [TARGET...]]
#
# Fuzzes each target for so many seconds (default 60), one after the other, seeded from the fixtures. Takes
# `cargo install cargo-fuzz`; works on stable Rust. Ends with 1 if a target crashed: the input is then in
# fuzz/artifacts. A fixed crash goes to fixtures/malformed, so that the tests keep it.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
case ${1:-} in -h | --help) usage; exit ;; esac
seconds=${1:-60}
shift || :
cd "$repo_dir"
export RUSTC_BOOTSTRAP=1
[ $# -gt 0 ] || set -- $(cargo fuzz list)
crashed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

seed() {
  local corpus=fuzz/corpus/$1 file
  mkdir -p "$corpus"
  case $1 in
    file) for file in fixtures/binlog/*/*/events.bin fixtures/malformed/*.bin; do
        [ ! -f "$file" ] || cp "$file" "$corpus/$(tr / - <<<"${file#fixtures/}")"
      done ;;
    ddl) for file in fixtures/binlog/*/*/setup.sql fixtures/types/*.sql; do
        # One statement after the other, each ended by a zero byte; the first byte is the mode.
        { printf '\0'; tr ';' '\0' <"$file"; } >"$corpus/$(tr / - <<<"${file#fixtures/}")"
      done ;;
    statement) cat fixtures/binlog/*/*/setup.sql | split -l 1 -a 4 - "$corpus/line" ;;
    *) REPLICATE_SEED_TARGET=$1 REPLICATE_SEED_DIR=$PWD/$corpus \
        cargo test -q --test it fuzz_seeds::write_seeds -- --exact --ignored >/dev/null ;;
  esac
  [ ! -d "fixtures/malformed/$1" ] || cp "fixtures/malformed/$1"/* "$corpus"
}

for target in "$@"; do
  seed "$target"
  say "$target for $seconds s"
  status=0
  # The log is kept: what is printed of it is a choice, and a pipe would hide how the fuzzer ended.
  nice -n 19 cargo fuzz run -s none "$target" -- -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 \
    -print_final_stats=1 >"$log" 2>&1 || status=$?
  grep -E '^stat::(number|average|new_units)|ERROR|panicked|SUMMARY|Test unit written' "$log" || :
  [ "$status" = 0 ] || { say "$target crashed, or could not be run: status $status"; tail -n 20 "$log" >&2; crashed=1; }
done
exit "$crashed"
