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
# pristine data directory if absent), detached from this shell, and waits until it answers. Its pid is in
# DIR/pid, what it says in DIR/log.
start_local() {
  local name=$1 dir=$2 port=$3 socket=$4 home=$servers_dir/$1
  shift 4
  ((${#socket} < 104)) || die "socket path too long for the kernel (${#socket} bytes): $socket"
  mkdir -p "$dir"
  if [ ! -d "$dir/data" ]; then
    cp -a --reflink=auto "$home/pristine" "$dir/data.new"
    mv "$dir/data.new" "$dir/data"
  fi
  local as_root=()
  [ "$(id -u)" != 0 ] || as_root=(--user=root)
  setsid nohup "$home/bin/$(server_daemon "$name")" --defaults-file="$docker_dir/server.cnf" \
    --datadir="$dir/data" --port="$port" --socket="$socket" --bind-address=127.0.0.1 \
    --pid-file="$dir/server.pid" ${as_root[@]+"${as_root[@]}"} "$@" </dev/null >>"$dir/log" 2>&1 &
  echo $! >"$dir/pid"
  wait_until 60 local_answers_or_died "$name" "$dir" "$socket" || { tail -n 20 "$dir/log" >&2; return 1; }
  kill -0 "$(cat "$dir/pid")" 2>/dev/null || { tail -n 20 "$dir/log" >&2; return 1; }
}

local_answers_or_died() {
  kill -0 "$(cat "$2/pid")" 2>/dev/null || return 0
  "$servers_dir/$1/bin/$(server_client "$1")" --no-defaults -uroot -S "$3" -e 'DO 1' >/dev/null 2>&1
}

# stop_local DIR: asks the server of this directory to end, kills it after 20 seconds.
stop_local() {
  local pid
  pid=$(cat "$1/pid" 2>/dev/null) || return 0
  kill "$pid" 2>/dev/null || { rm -f "$1/pid"; return 0; }
  wait_until 20 process_gone "$pid" || kill -9 "$pid" 2>/dev/null || :
  rm -f "$1/pid"
}

process_gone() { ! kill -0 "$1" 2>/dev/null; }

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
  command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ] || die "missing on this machine: ${missing[*]}"
  say "installing ${missing[*]}"
  { apt-get -qq update && apt-get -qq -y install --no-install-recommends "${missing[@]}"; } >/dev/null 2>&1 </dev/null ||
    die "cannot install ${missing[*]}"
}

# --- packages of Debian suites --------------------------------------------------------------------------

# The machine's own Debian mirror, from its apt configuration; empty on any other distribution.
debian_mirror() {
  command -v apt-get >/dev/null 2>&1 || return 0
  apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    sed -n 's/^Debian|Debian|//p' | head -n 1
}

debian_keyring() {
  local file
  for file in /usr/share/keyrings/debian-archive-keyring.gpg /usr/share/keyrings/debian-archive-keyring.pgp; do
    [ ! -f "$file" ] || { echo "$file"; return; }
  done
}
