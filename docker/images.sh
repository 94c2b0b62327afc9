#!/usr/bin/env bash
# images.sh [IMAGE...]: makes sure that the images the container lane needs are there.
#
# IMAGE is debian:trixie-slim, mysql:TAG, mariadb:TAG or replicate (default: mysql:9.7 mariadb:10.11
# replicate). What the engine has is kept; else it is pulled; where no registry answers, a stand-in is built
# under the official name from Debian's packages: mysql:9 and mysql:9.7, mariadb:10.11, mariadb:11 and
# mariadb:11.8. They take what the official images take (see stand-in/). `replicate` is always built, as
# replicate:test, from the runtime stage of the Dockerfile and a binary of this machine: $REPLICATE_BINARY,
# else target/debug/replicate.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

main() {
  case ${1:-} in -h | --help) usage; exit 0 ;; esac
  [ $# -gt 0 ] || set -- mysql:9.7 mariadb:10.11 replicate
  engine_answers || die "no container engine answers to \`docker version\`"
  local image
  for image in "$@"; do
    case $image in
      replicate) replicate_image ;;
      *) have "$image" || pull "$image" || stand_in "$image" ;;
    esac
  done
}

# docker build, silent unless it fails: the legacy builder complains of its age each time.
build() {
  local said
  said=$(docker build --quiet "$@" 2>&1) || { printf '%s\n' "$said" >&2; die "docker build failed"; }
}

have() { docker image inspect "$1" >/dev/null 2>&1; }

pull() {
  timeout 600 docker pull --quiet "$1" >/dev/null 2>&1 || return 1
  say "$1: pulled"
}

stand_in() {
  local started=$SECONDS
  case $1 in
    debian:trixie-slim) debian_image trixie "$1" ;;
    mysql:9 | mysql:9.7) server_image mysql-9.7 "$1" ;;
    mariadb:10.11) server_image mariadb-10.11 "$1" ;;
    mariadb:11 | mariadb:11.8) server_image mariadb-11.8 "$1" ;;
    *) die "$1: not in the engine, no registry has it, and there is no stand-in for it" ;;
  esac
  say "$1: stand-in built in $((SECONDS - started)) s"
}

# A Debian from the machine's own mirror, with the machine's apt settings, since what apt needs to get through
# to the mirror here it needs in a container as well.
debian_image() {
  local suite=$1 image=$2 mirror root
  [ "$(id -u)" = 0 ] || die "$image: making a base image takes root (debootstrap)"
  mirror=$(debian_mirror)
  [ -n "$mirror" ] || die "$image: this machine's apt knows no Debian mirror"
  install_packages debootstrap
  root=$(mktemp -d)
  debootstrap --variant=minbase "$suite" "$root" "$mirror" >"$root.log" 2>&1 ||
    { tail -n 20 "$root.log" >&2; rm -rf "$root" "$root.log"; die "$image: debootstrap failed"; }
  find /etc/apt/apt.conf.d -name '99*' -exec cp -t "$root/etc/apt/apt.conf.d" {} +
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale}/*
  tar -C "$root" --one-file-system -c . | docker import - "$image" >/dev/null
  rm -rf "$root" "$root.log"
}

server_image() {
  local name=$1 image=$2 home=$servers_dir/$1
  have debian:trixie-slim || pull debian:trixie-slim || stand_in debian:trixie-slim
  "$docker_dir/servers.sh" "$name"
  if [ ! -d "$home/prefix" ]; then
    # The machine's own server was taken there; an image needs one that is complete in itself.
    REPLICATE_SERVERS_DIR=$servers_dir/unpacked "$docker_dir/servers.sh" --unpack "$name"
    home=$servers_dir/unpacked/$name
  fi
  tar -c --exclude=.git -C "$home" bin prefix pristine -C "$docker_dir/stand-in" Dockerfile entrypoint.sh |
    build --build-arg DAEMON="$(server_daemon "$name")" -t "$image" -
}

replicate_image() {
  local binary=${REPLICATE_BINARY:-$repo_dir/target/debug/replicate}
  [ -x "$binary" ] || die "no binary $binary: cargo build"
  have debian:trixie-slim || pull debian:trixie-slim || stand_in debian:trixie-slim
  build --target runtime -t replicate:runtime - <"$docker_dir/Dockerfile"
  local context
  context=$(mktemp -d)
  cp "$binary" "$context/replicate"
  printf 'FROM replicate:runtime\nCOPY replicate /usr/local/bin/replicate\n' >"$context/Dockerfile"
  build -t replicate:test "$context"
  rm -rf "$context"
  say "replicate:test: built from $binary"
}

main "$@"
