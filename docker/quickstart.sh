#!/usr/bin/env bash
# quickstart.sh [--keep] [--servers local|docker]
#
# Shows replicate at work: starts a MySQL source and an empty target on free loopback ports, runs one
# `replicate` from the source's first binlog file into the target and a second one that prints the JSON feed,
# gives the source a small workload, shows some of the feed and `replicate status`, and compares source and
# target table by table. Ends with `quickstart: ok (...)` and exit 0, or says what differs or died and exits 1.
#
# Servers come from PATH or from Debian's packages, unpacked under target/servers (--servers local), else from
# the mysql image of a container engine (--servers docker). --keep leaves the servers up and prints how to go
# on playing. $REPLICATE_BINARY names a binary to use instead of building the release.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

keep=no servers=any
while [ $# -gt 0 ]; do
  case $1 in
    --keep) keep=yes; shift ;;
    --servers) servers=${2:-}; shift 2 ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
done
case $servers in any | local | docker) ;; *) die "--servers $servers: want local or docker" ;; esac

work=$(mktemp -d "${TMPDIR:-/tmp}/replicate-quickstart-XXXXXX")
name=mysql-9.7 image=${MYSQL_IMAGE:-mysql:9.7}
apply_pid='' feed_pid='' finished=no

main() {
  choose_servers
  build
  # The feed knows the columns of a table that is renamed or dropped later only if the log names them.
  start_server source --server-id=1 --binlog-row-metadata=FULL
  start_server target --server-id=2 --skip-log-bin
  create_accounts
  start_replicate
  run_workload
  wait_for_both
  show
  compare
}

# --- servers --------------------------------------------------------------------------------------------

choose_servers() {
  if [ "$servers" != docker ] && "$docker_dir/servers.sh" "$name"; then
    servers=local
  elif [ "$servers" != local ] && engine_answers; then
    servers=docker
    "$docker_dir/images.sh" "$image"
  else
    die "no MySQL server to be had: neither local binaries nor a container engine (see above)"
  fi
}

start_server() {
  local role=$1 container=${work##*/}-$1
  shift
  if [ "$servers" = local ]; then
    start_local "$name" "$work/$role" '' "$work/$role.sock" "$@" || die "the $role server did not start"
  else
    mkdir "$work/$role"
    docker run -d --name "$container" -p 127.0.0.1::3306 -e MYSQL_ALLOW_EMPTY_PASSWORD=yes \
      -v "$docker_dir/server.cnf:/etc/mysql/conf.d/replicate.cnf:ro" "$image" "$@" >/dev/null
    docker port "$container" 3306/tcp | sed -n '1s/.*://p' >"$work/$role/port"
    # Only the final server, not the one that initialises, listens on TCP.
    wait_until 90 server_ready "$role" || { docker logs --tail 20 "$container" >&2; die "the $role server did not start"; }
  fi
  say "$role: MySQL on 127.0.0.1:$(port "$role")"
}

port() { cat "$work/$1/port"; }
server_ready() { sql "$1" <<<'DO 1' >/dev/null 2>&1; }

# sql ROLE: executes the SQL of its input as root, prints rows without headers.
sql() {
  if [ "$servers" = local ]; then
    "$servers_dir/$name/bin/mysql" --no-defaults --default-character-set=utf8mb4 -uroot -h127.0.0.1 -P"$(port "$1")" -N -r
  else
    docker exec -i "${work##*/}-$1" mysql --default-character-set=utf8mb4 -uroot -h127.0.0.1 -N -r
  fi
}

server_alive() {
  if [ "$servers" = local ]; then
    kill -0 "$(cat "$work/$1/pid")" 2>/dev/null
  else
    [ "$(docker inspect -f '{{.State.Running}}' "${work##*/}-$1")" = true ]
  fi
}

# None of this enters the log of the source.
create_accounts() {
  sql source <<<"SET sql_log_bin = 0; CREATE USER repl@'%' IDENTIFIED BY 'repl-secret';
    GRANT REPLICATION SLAVE, REPLICATION CLIENT, SELECT ON *.* TO repl@'%'"
  sql target <<<"CREATE USER sink@'%' IDENTIFIED BY 'sink-secret'; GRANT ALL ON *.* TO sink@'%'"
}

# --- replicate ------------------------------------------------------------------------------------------

build() {
  binary=${REPLICATE_BINARY:-}
  [ -z "$binary" ] || return 0
  command -v cargo >/dev/null 2>&1 || die "no cargo: install Rust first"
  say "building the release binary"
  (cd "$repo_dir" && cargo build --release --locked --quiet)
  binary=$(target_directory)/release/replicate
}

# replicate_on STATE ARGUMENT...: runs replicate with this data directory.
replicate_on() {
  REPLICATE_DATA_DIR=$work/$1 REPLICATE_MASTER_PASSWORD=repl-secret REPLICATE_SINK_PASSWORD=sink-secret \
    exec "$binary" "${@:2}"
}

start_replicate() {
  local from=(start --master-host 127.0.0.1 --master-port "$(port source)" --master-user repl
    --log-file mysql-bin.000001 --pos 4)
  replicate_on state "${from[@]}" --sink "mysql://sink@127.0.0.1:$(port target)/" >"$work/apply.log" 2>&1 &
  apply_pid=$!
  replicate_on feed "${from[@]}" --sink stdout >"$work/feed.json" 2>"$work/feed.log" &
  feed_pid=$!
}

check_alive() {
  local role
  for role in source target; do server_alive $role || die "the $role server died"; done
  process_gone "$apply_pid" && { cat "$work/apply.log" >&2; die "replicate (into the target) died"; }
  process_gone "$feed_pid" && { cat "$work/feed.log" >&2; die "replicate (the JSON feed) died"; }
  return 0
}

# --- the show -------------------------------------------------------------------------------------------

run_workload() {
  say "workload"
  sql source <"$docker_dir/quickstart.sql"
  local i
  for ((i = 1; i <= 200; i++)); do
    echo "INSERT INTO shop.page_views VALUES ('/page/$i', '2024-05-05 05:05:05');"
    echo "UPDATE shop.customers SET balance = balance + $i WHERE id = $i;"
  done | sql source
  # The last change there is: whoever has it has everything.
  sql source <<<"CREATE TABLE shop.finished (id INT PRIMARY KEY); INSERT INTO shop.finished VALUES (1)"
}

wait_for_both() {
  wait_until 120 both_have_everything || {
    tail -n 20 "$work/apply.log" "$work/feed.log" >&2
    die "the end of the workload did not arrive within 120 s"
  }
}

both_have_everything() {
  check_alive
  grep -q '"table":"finished"' "$work/feed.json" &&
    [ "$(sql target <<<'SELECT COUNT(*) FROM shop.finished' 2>/dev/null)" = 1 ]
}

show() {
  say "some of the feed ($(wc -l <"$work/feed.json") lines)"
  sed -n '1,3p' "$work/feed.json" | cut -c 1-240
  grep '"table":"customers"' "$work/feed.json" | sed -n '1p;600,601p' | cut -c 1-400
  tail -n 1 "$work/feed.json"
  say "replicate status"
  (replicate_on state status)
}

compare() {
  check_alive
  compare_servers 'sql source' 'sql target'
  local transactions
  transactions=$(grep -c -e '"commit":true' -e '"type":"ddl"' "$work/feed.json")
  ((differences == 0)) || die "$differences of $compared_tables tables differ"
  stop_replicate
  finished=yes
  [ "$keep" = no ] || how_to_go_on
  echo "quickstart: ok ($transactions transactions, $compared_rows rows, $differences differences)"
}

how_to_go_on() {
  local client="mysql -h127.0.0.1 -uroot"
  [ "$servers" = docker ] || client="$servers_dir/$name/bin/$client"
  cat <<TEXT
The servers stay up. Go on with
  source:  $client -P$(port source)
  target:  $client -P$(port target)
  apply:   REPLICATE_DATA_DIR=$work/state REPLICATE_MASTER_PASSWORD=repl-secret REPLICATE_SINK_PASSWORD=sink-secret $binary start
  feed:    REPLICATE_DATA_DIR=$work/feed REPLICATE_MASTER_PASSWORD=repl-secret $binary start
  status:  REPLICATE_DATA_DIR=$work/state $binary status
and at last
TEXT
  if [ "$servers" = local ]; then
    echo "  $docker_dir/server.sh stop $work/source; $docker_dir/server.sh stop $work/target; rm -r $work"
  else
    echo "  docker rm -f -v ${work##*/}-source ${work##*/}-target; rm -r $work"
  fi
}

# --- the end --------------------------------------------------------------------------------------------

# Both end by themselves on SIGTERM, with exit code 0.
stop_replicate() {
  local pid
  for pid in $apply_pid $feed_pid; do
    kill "$pid" 2>/dev/null || die "replicate died before its end"
    wait "$pid" || die "replicate ended with exit code $?"
  done
  apply_pid='' feed_pid=''
}

clean_up() {
  local code=$? pid role
  trap - EXIT INT TERM
  for pid in $apply_pid $feed_pid; do stop_process "$pid"; done
  if [ "$finished" = no ] || [ "$keep" = no ]; then
    for role in source target; do
      if [ "$servers" = docker ]; then docker rm -f -v "${work##*/}-$role" >/dev/null 2>&1 || :; fi
      if [ "$servers" = local ]; then kill_local "$work/$role"; fi
    done
    rm -rf "$work"
  fi
  exit "$code"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

main
