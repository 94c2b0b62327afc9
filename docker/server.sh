#!/usr/bin/env bash
# server.sh start NAME [--port P] [--dir D] [--socket S] [-- SERVER-OPTION...]
# server.sh stop NAME|DIR
#
# Starts one server to play with: NAME as in servers.sh (provided first where it is missing), settings of
# server.cnf, a binary log, root without password on 127.0.0.1 and on its Unix socket. Waits until it answers
# and prints port, socket, pid and how to talk to it. It runs until `stop`, which also removes its directory
# unless --dir named one; starting it again on the same --dir keeps the data. Without --dir there is one
# server of a name, in ${REPLICATE_SERVERS_DIR:-target/servers}/run/NAME.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

start() {
  local name=${1:?which server} dir='' port='' socket=''
  shift
  while [ $# -gt 0 ]; do
    case $1 in
      --port) port=$2; shift 2 ;;
      --dir) dir=$2; shift 2 ;;
      --socket) socket=$2; shift 2 ;;
      --) shift; break ;;
      *) die "unknown option $1" ;;
    esac
  done
  "$docker_dir/servers.sh" "$name"
  dir=${dir:-$servers_dir/run/$name}
  mkdir -p "$dir"
  dir=$(cd "$dir" && pwd)
  [ ! -f "$dir/pid" ] || process_gone "$(cat "$dir/pid")" || die "$name runs already in $dir"
  [ -n "$socket" ] || socket=$dir/server.sock
  # A socket's path has to fit into 108 bytes.
  ((${#socket} < 104)) || socket=$(mktemp -d "${TMPDIR:-/tmp}/replicate-XXXXXX")/server.sock
  start_local "$name" "$dir" "$port" "$socket" "$@" || die "$name did not start"
  cat <<TEXT
port    $(cat "$dir/port")
socket  $socket
pid     $(cat "$dir/pid")
log     $dir/log
client  $servers_dir/$name/bin/$(server_client "$name") -uroot -h127.0.0.1 -P$(cat "$dir/port")
stop    $0 stop $dir
TEXT
}

stop() {
  local dir=${1:?which server or directory}
  case $dir in */*) ;; *) dir=$servers_dir/run/$dir ;; esac
  [ -d "$dir" ] || die "no server in $dir"
  stop_local "$dir"
  case $dir in "$servers_dir/run/"*) rm -rf "$dir" ;; esac
}

case ${1:-} in
  start | stop) "$@" ;;
  -h | --help) usage ;;
  *) usage >&2; exit 2 ;;
esac
