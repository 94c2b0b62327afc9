#!/usr/bin/env bash
# fixtures.sh [SERVER[/CASE]...]
#
# Makes fixtures/binlog/SERVER/CASE/{events.bin, mysqlbinlog.txt} from the setup.sql and server.cnf beside them, on a
# fresh server for each case; without arguments all cases of all servers. A new case is a folder with these two files.
# Then `REPLICATE_UPDATE_GOLDENS=1 cargo test fixtures` writes expected.json, and the diff shows what changed.
#
# server.cnf has one server option a line. Comments that mean something:
#   # log N          events.bin is the N-th log file; the first, if not said
#   # types FILE     setup.sql is made here from fixtures/types/FILE, with long values cut short
#   # errors         statements of setup.sql are expected to fail
#   # needs LIBRARY  a plugin that the server's core package lacks, taken from the machine's mariadb-server package
#
# What varies from run to run: the time in the format description and in commit timestamps (the statements' own are
# set by setup.sql), how long statements took, connection and transaction numbers, keys of encryption, and checksums
# with all of them. Server ids, UUIDs, names and values do not vary.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

fixtures=$repo_dir/fixtures
work=$(mktemp -d "${TMPDIR:-/tmp}/replicate-fixtures-XXXXXX")
trap 'kill_local "$work/server"; rm -rf "$work"' EXIT

# said CASE WORD: the value of a comment of server.cnf.
said() { sed -n "s/^# $2 *\(.*\)/\1/p" "$1/server.cnf"; }
has() { grep -q "^# $2" "$1/server.cnf"; }

# plugins VERSION LIBRARY: unpacks a plugin of the installed distribution's own server package; prints where.
plugins() {
  local dir=$work/plugins
  if [ ! -d "$dir" ]; then
    mkdir -p "$work/package"
    (cd "$work/package" && apt-get -qq download mariadb-server >&2) || return 1
    dpkg-deb -x "$work/package"/mariadb-server_*.deb "$work/package/root"
    mv "$work/package/root/usr/lib/mysql/plugin" "$dir"
  fi
  [ -f "$dir/$1" ] && echo "$dir"
}

# Values that are long only to be long make a fixture large and prove nothing more.
shorten() { sed -E "s/REPEAT\(([^()]*), (65535|[0-9]{5,}|3000|1000)\)/REPEAT(\1, 300)/g"; }

make_case() {
  local name=$1 case=$2 options=() library dir=$work/server client log
  say "$name/$(basename "$case")"
  if has "$case" types; then
    {
      printf '%s\n' "-- Made by docker/fixtures.sh from fixtures/types/$(said "$case" types)." \
        "SET TIMESTAMP = 1700000000;" "CREATE DATABASE d;" "USE d;"
      shorten <"$fixtures/types/$(said "$case" types)"
    } >"$case/setup.sql"
  fi
  while read -r option; do options+=("--$option"); done < <(grep -v -e '^#' -e '^\[' -e '^$' "$case/server.cnf" || :)
  library=$(said "$case" needs)
  [ -z "$library" ] || options+=("--plugin-dir=$(plugins "$library")") || die "cannot get $library"
  rm -rf "$dir"
  mkdir -p "$dir"
  cp -a --reflink=auto "$servers_dir/$name/pristine" "$dir/data"
  case $name in mysql*) printf '[auto]\nserver-uuid=6f28f2dd-0000-11f1-8000-000000000001\n' >"$dir/data/auto.cnf" ;; esac
  cp "$case"/*.key "$dir/data" 2>/dev/null || :
  (cd "$dir" && start_local "$name" "$dir" '' "$dir/sock" ${options[@]+"${options[@]}"}) ||
    die "$name does not start with $case/server.cnf"
  client=("$servers_dir/$name/bin/$(server_client "$name")" --no-defaults -uroot -S "$dir/sock" --local-infile=1
    --default-character-set=utf8mb4 --comments)
  ! has "$case" errors || client+=(--force)
  (cd "$case" && "${client[@]}" <setup.sql >"$dir/said" 2>&1) || has "$case" errors ||
    { cat "$dir/said" >&2; die "$case/setup.sql failed"; }
  stop_local "$dir"
  log=$(said "$case" log)
  cp "$dir/data/$(printf 'mysql-bin.%06d' "${log:-1}")" "$case/events.bin"
  chmod 644 "$case/events.bin"
  as_text "$name" "$case" >"$case/mysqlbinlog.txt"
}

# The server's own tool. What it says of the time of its run, and of temporary files, is not of the log.
as_text() {
  local tool=mysqlbinlog
  case $1 in mariadb*) tool=mariadb-binlog ;; esac
  mkdir -p "$work/load"
  { "$servers_dir/$1/bin/$tool" --no-defaults -vv --base64-output=DECODE-ROWS --local-load="$work/load" \
    "$2/events.bin" 2>&1 || :; } | sed -e "s,$2/,,g" -e "s,$work/,,g"
}

selected() {
  local path
  for path in "$fixtures"/binlog/*/*/server.cnf; do
    path=${path%/server.cnf}
    [ $# -gt 0 ] || { echo "$path"; continue; }
    local wanted
    for wanted in "$@"; do
      case ${path#"$fixtures/binlog/"} in "$wanted" | "$wanted"/*) echo "$path" ;; esac
    done
  done
}

case ${1:-} in
  -h | --help) usage; exit ;;
  -*) usage >&2; exit 2 ;;
esac
mapfile -t cases < <(selected "$@")
((${#cases[@]} > 0)) || die "no such case: $*"
for path in "${cases[@]}"; do
  server=$(basename "$(dirname "$path")")
  [ -x "$servers_dir/$server/bin/$(server_daemon "$server")" ] || "$docker_dir/servers.sh" "$server"
  make_case "$server" "$path"
done
du -sh "$fixtures/binlog" >&2
