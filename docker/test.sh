#!/usr/bin/env bash
# test.sh [--lane all|local|docker]
#
# The gate: provides what the tests need, then checks the format, runs clippy with warnings denied, and runs
# all tests. Lane `local` is that: unit, integration and live tests on servers from local binaries, and the
# quickstart. Lane `docker` runs the compose file and the live tests named lane_... on containers, with
# replicate in a container of its own. Without --lane both run, and where no container engine answers it says
# that the second did not; asked for by name, it then fails. What it starts it removes, also when it fails.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

lane=all
while [ $# -gt 0 ]; do
  case $1 in
    --lane) lane=${2:-}; shift 2 ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
done
case $lane in all | local | docker) ;; *) die "--lane $lane: want all, local or docker" ;; esac

cd "$repo_dir"
exec </dev/null
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-never} REPLICATE_SERVERS_DIR=$servers_dir
# Marks the containers, volumes and networks of this run.
export REPLICATE_TEST_RUN=$$-$RANDOM
project=replicate-test-$REPLICATE_TEST_RUN
logs=$(mktemp -d)
timings='' notes='' current='' started=$SECONDS

main() {
  stage tools need_tools
  if [ "$lane" != docker ]; then local_lane; fi
  if [ "$lane" != local ]; then
    if engine_answers; then
      docker_lane
    elif [ "$lane" = docker ]; then
      die "the container lane was asked for, and no container engine answers to \`docker version\`"
    else
      notes+="The container lane did NOT run: no container engine answers to \`docker version\`."$'\n'
    fi
  fi
  current=''
}

# stage NAME COMMAND...: runs it, with its time for the summary.
stage() {
  local from=$SECONDS
  current=$1
  printf '\n=== %s\n' "$1"
  "${@:2}"
  timings+=$(printf '%6d s  %s' $((SECONDS - from)) "$1")$'\n'
}

# --- lanes ----------------------------------------------------------------------------------------------

local_lane() {
  stage format cargo fmt --all --check
  stage clippy cargo clippy --all-targets --locked --quiet -- -D warnings
  stage "local servers" "$docker_dir/servers.sh" mysql-9.7 mariadb-10.11
  stage "build tests" build_tests
  stage "tests, local servers" run_tests local
  stage quickstart env REPLICATE_BINARY="$(target_directory)/debug/replicate" "$docker_dir/quickstart.sh" --servers local
}

docker_lane() {
  stage "build tests" build_tests
  stage images env REPLICATE_BINARY="$(target_directory)/debug/replicate" "$docker_dir/images.sh"
  stage "compose file" compose_lane
  stage "compose file, MariaDB" compose_lane -f "$docker_dir/compose.mariadb.yml"
  stage "tests, containers" run_tests docker
}

# --- tools ----------------------------------------------------------------------------------------------

need_tools() {
  command -v cargo >/dev/null 2>&1 || die "no cargo: install Rust first"
  { cargo fmt --version && cargo clippy --version; } || die "rustfmt or clippy is missing: rustup component add rustfmt clippy"
  install_packages flock setsid
  if [ "$lane" != local ] && engine_answers && ! docker compose version >/dev/null 2>&1; then
    install_packages docker-compose
  fi
  if cargo nextest --version >/dev/null 2>&1; then runner='nextest'; else runner='test'; fi
}

build_tests() {
  cargo build --locked --quiet
  if [ "$runner" = nextest ]; then cargo nextest run --locked --no-run --cargo-quiet; else cargo test --locked --no-run --quiet; fi
}

# run_tests local|docker: all tests, or those of the container lane.
run_tests() {
  local command filter=() log=$logs/$1
  if [ "$runner" = nextest ]; then
    [ "$1" = local ] || filter=(-E 'test(/::lane_/)')
    command=(cargo nextest run --locked --no-fail-fast ${filter[@]+"${filter[@]}"})
  else
    [ "$1" = local ] || filter=(--test it -- lane_)
    command=(cargo test --locked --no-fail-fast ${filter[@]+"${filter[@]}"})
    [ "$1" = docker ] || command+=(--)
    command+=(--test-threads=2)
  fi
  REPLICATE_TEST_SERVERS=$1 "${command[@]}" 2>&1 | tee "$log"
}

# --- the compose file -----------------------------------------------------------------------------------

# Source, target and replicate as compose.yml has them: the quickstart's workload has to reach the target.
compose_lane() {
  export REPLICATE_IMAGE=replicate:test
  compose_files=(-p "$project" -f "$docker_dir/compose.yml" "$@")
  compose "${compose_files[@]}" up -d --no-build
  compose_sql source <"$docker_dir/quickstart.sql"
  compose_sql source <<<"CREATE TABLE shop.finished (id INT PRIMARY KEY); INSERT INTO shop.finished VALUES (1)"
  if ! wait_until 90 compose_finished; then
    compose "${compose_files[@]}" logs --tail 40 replicate
    die "the workload did not reach the target of the compose file"
  fi
  compose_inside replicate replicate status
  compare_servers 'compose_sql source' 'compose_sql target'
  say "compose: $compared_tables tables, $compared_rows rows, $differences differences"
  compose "${compose_files[@]}" stop --timeout 20 replicate
  local code
  code=$(docker inspect -f '{{.State.ExitCode}}' "$(compose "${compose_files[@]}" ps -aq replicate)")
  compose "${compose_files[@]}" down -v --timeout 20
  [ "$code" = 0 ] || die "replicate ended with exit code $code when its container was stopped"
  ((differences == 0)) || die "source and target of the compose file differ"
}

compose_finished() { [ "$(compose_sql target <<<'SELECT COUNT(*) FROM shop.finished' 2>/dev/null)" = 1 ]; }

compose_inside() { docker exec -i "$(compose "${compose_files[@]}" ps -q "$1")" "${@:2}"; }

# shellcheck disable=SC2016 # the container's variable and its client, whichever it has
compose_sql() {
  compose_inside "$1" sh -c 'client=mysql; command -v mysql >/dev/null || client=mariadb
    MYSQL_PWD=$MYSQL_ROOT_PASSWORD exec $client --default-character-set=utf8mb4 -uroot -h127.0.0.1 -N -r'
}

# --- the end --------------------------------------------------------------------------------------------

clean_up() {
  local code=$? kind
  trap - EXIT INT TERM
  if [ "$lane" != local ] && engine_answers; then
    [ -z "${compose_files+x}" ] || compose "${compose_files[@]}" down -v --timeout 5 >/dev/null 2>&1 || :
    docker ps -aq --filter label=replicate-test="$REPLICATE_TEST_RUN" | xargs -r docker rm -f -v >/dev/null || :
    for kind in network volume; do
      docker $kind ls -q --filter label=replicate-test="$REPLICATE_TEST_RUN" | xargs -r docker $kind rm >/dev/null || :
    done
  fi
  printf '\n=== time\n%s%6d s  in all\n' "$timings" $((SECONDS - started))
  [ -z "$current" ] || printf '\nFAILED in: %s\n' "$current"
  [ -z "$notes" ] || printf '\n%s' "$notes"
  summaries
  rm -rf "$logs"
  exit "$code"
}

# What the runner said last of each lane, with the tests that failed.
summaries() {
  local log
  for log in "$logs"/*; do
    [ -f "$log" ] || continue
    printf '\n--- tests, %s\n' "${log##*/}"
    sed -n -e '/^ *Summary \[/,$p' -e '/^test result:/p' "$log"
  done
}

trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

main
