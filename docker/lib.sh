# Functions shared by the scripts of this directory: messages, directories, free ports, the container engine,
# starting and stopping one server from local binaries. Sourced, never run. Everything a script starts is
# meant to be stopped by the trap that the script sets; nothing here sets traps.
# shellcheck shell=bash

docker_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo_dir=$(dirname "$docker_dir")
servers_dir=${REPLICATE_SERVERS_DIR:-$repo_dir/target/servers}
case $servers_dir in /*) ;; *) servers_dir=$PWD/$servers_dir ;; esac

# --- messages -------------------------------------------------------------------------------------------

say() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2; }
die() { say "$*"; exit 1; }

# Where cargo builds.
target_directory() {
  (cd "$repo_dir" && cargo metadata --no-deps --format-version 1) | sed 's/.*"target_directory":"\([^"]*\)".*/\1/'
}

# The usage text of a script is its opening comment.
usage() { sed -n '2,/^[^#]/{/^#/!d;s/^# \{0,1\}//;p;}' "$0"; }

# --- names ----------------------------------------------------------------------------------------------

# What a server's programs are called, by the family in its name (mysql-9.7, mariadb-10.11).
server_daemon() { case $1 in mariadb*) echo mariadbd ;; *) echo mysqld ;; esac; }
server_client() { case $1 in mariadb*) echo mariadb ;; *) echo mysql ;; esac; }

# --- ports and waiting ----------------------------------------------------------------------------------

# A loopback port nobody listens on now. Another process may take it before the caller does: callers retry.
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
}

# wait_until SECONDS COMMAND...: runs the command until it succeeds; fails when the time is up.
wait_until() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < deadline)) || return 1
    sleep 0.1
  done
}

# --- one server from local binaries ---------------------------------------------------------------------

# start_local NAME DIR PORT SOCKET [OPTION...]: starts a server whose data is DIR/data (copied from the
# pristine data directory if absent), detached from this shell, and waits until it answers. PORT may be empty:
# a free one then, and another if somebody else was quicker. DIR/pid, DIR/port and DIR/log tell of it.
start_local() {
  local name=$1 dir=$2 port=$3 socket=$4 tries=1
  shift 4
  ((${#socket} < 104)) || die "socket path too long for the kernel (${#socket} bytes): $socket"
  [ -n "$port" ] || tries=5
  mkdir -p "$dir"
  if [ ! -d "$dir/data" ]; then
    cp -a --reflink=auto "$servers_dir/$name/pristine" "$dir/data.new"
    mv "$dir/data.new" "$dir/data"
  fi
  local try
  for ((try = 0; try < tries; try++)); do
    echo "${port:-$(free_port)}" >"$dir/port"
    launch_local "$name" "$dir" "$socket" "$@" && return 0
  done
  tail -n 20 "$dir/log" >&2
  return 1
}

launch_local() {
  local name=$1 dir=$2 socket=$3 as_root=()
  shift 3
  [ "$(id -u)" != 0 ] || as_root=(--user=root)
  # Not shared: MariaDB removes what it takes for its own leftovers there.
  mkdir -p "$dir/tmp"
  setsid nohup "$servers_dir/$name/bin/$(server_daemon "$name")" --defaults-file="$docker_dir/server.cnf" \
    --datadir="$dir/data" --port="$(cat "$dir/port")" --socket="$socket" --bind-address=127.0.0.1 \
    --pid-file="$dir/server.pid" --tmpdir="$dir/tmp" ${as_root[@]+"${as_root[@]}"} "$@" </dev/null >>"$dir/log" 2>&1 &
  echo $! >"$dir/pid"
  # The shell shall not report its end.
  disown
  wait_until 60 local_answers_or_died "$name" "$dir" "$socket" && ! process_gone "$(cat "$dir/pid")"
}

local_answers_or_died() {
  ! process_gone "$(cat "$2/pid")" || return 0
  "$servers_dir/$1/bin/$(server_client "$1")" --no-defaults -uroot -S "$3" -e 'DO 1' >/dev/null 2>&1
}

# stop_local DIR: asks the server of this directory to end, kills it after 20 seconds.
stop_local() {
  local pid
  pid=$(cat "$1/pid" 2>/dev/null) || return 0
  stop_process "$pid"
  rm -f "$1/pid"
}

# kill_local DIR: ends the server of this directory at once, for data that goes with it.
kill_local() {
  local pid
  pid=$(cat "$1/pid" 2>/dev/null) || return 0
  kill -9 "$pid" 2>/dev/null || return 0
  wait_until 20 process_gone "$pid" || :
}

# stop_process PID: SIGTERM, and SIGKILL after 20 seconds.
stop_process() {
  kill "$1" 2>/dev/null || return 0
  wait_until 20 process_gone "$1" || kill -9 "$1" 2>/dev/null || :
}

process_gone() { ! kill -0 "$1" 2>/dev/null; }

# --- comparing two servers --------------------------------------------------------------------------------

# compare_servers SOURCE TARGET: SOURCE and TARGET are commands that take SQL on their input and print rows
# without headers. Compares every table of the source's own databases: definition, number of rows, checksum.
# Prints each difference on stderr; sets compared_tables, compared_rows and differences.
compare_servers() {
  local list table row source_says target_says
  list=$($1 <"$docker_dir/row-expressions.sql") || die "the source does not answer"
  [ -n "$list" ] || die "no tables to compare in the source"
  compared_tables=0 compared_rows=0 differences=0
  while IFS=$'\t' read -r table row; do
    compared_tables=$((compared_tables + 1))
    # The next AUTO_INCREMENT is no difference: rolled back rows move it on one side only.
    source_says=$(table_state "$table" "$row" | $1 | sed 's/ AUTO_INCREMENT=[0-9]*//')
    target_says=$(table_state "$table" "$row" | $2 2>&1 | sed 's/ AUTO_INCREMENT=[0-9]*//') || :
    compared_rows=$((compared_rows + $(head -n 1 <<<"$source_says" | cut -f 1)))
    [ "$source_says" != "$target_says" ] || continue
    differences=$((differences + 1))
    say "$table differs"
    diff <(echo "$source_says") <(echo "$target_says") >&2 || :
  done <<<"$list"
}

table_state() {
  cat <<SQL
SET SESSION sql_mode = '', time_zone = '+00:00';
SELECT COUNT(*), COALESCE(SUM(CAST(CONV(LEFT(SHA2($2, 256), 12), 16, 10) AS UNSIGNED)), 0) FROM $1;
SHOW CREATE TABLE $1;
SQL
}

# --- container engine -----------------------------------------------------------------------------------

engine_answers() { command -v docker >/dev/null 2>&1 && docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

# `docker compose` where it exists, else docker-compose 1.29.
compose() {
  if docker compose version >/dev/null 2>&1; then docker compose "$@"; else docker-compose "$@"; fi
}

# install_packages NAME...: Debian packages (named as the program they bring) that are missing, if root.
install_packages() {
  local package missing=()
  for package in "$@"; do command -v "$package" >/dev/null 2>&1 || missing+=("$package"); done
  ((${#missing[@]} > 0)) || return 0
  { command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; } || die "missing on this machine: ${missing[*]}"
  say "installing ${missing[*]}"
  { apt-get -qq update && apt-get -qq -y install --no-install-recommends "${missing[@]}"; } >/dev/null 2>&1 </dev/null ||
    die "cannot install ${missing[*]}"
}

# --- packages of Debian suites --------------------------------------------------------------------------

# The machine's own Debian mirror, from its apt configuration; empty on any other distribution.
debian_mirror() {
  command -v apt-get >/dev/null 2>&1 || return 0
  # shellcheck disable=SC2016 # apt's own variables
  apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    sed -n 's/^Debian|Debian|//p' | head -n 1
}

debian_keyring() {
  local file
  for file in /usr/share/keyrings/debian-archive-keyring.gpg /usr/share/keyrings/debian-archive-keyring.pgp; do
    [ ! -f "$file" ] || { echo "$file"; return; }
  done
}
