#!/usr/bin/env bash
# servers.sh [--unpack] [NAME...]: provides local server binaries without installing anything into the system.
#
# NAME is mysql-9.7, mariadb-10.11 or mariadb-11.8 (default: the first two). Each ends up in
# ${REPLICATE_SERVERS_DIR:-target/servers}/NAME/ as
#     bin/        mysqld, mysql, mysqlbinlog, ... (mariadbd, mariadb, mariadb-binlog, ...), ready to execute
#     pristine/   an initialised data directory (root without password) to copy for each server
#     version     what the server says of itself
# A server of the right version on PATH is used where there is one (for mysql-9.7 any MySQL from 8.0 on) unless
# --unpack is given; else the packages of the Debian suite that has it are unpacked under prefix/, C library included, and run
# through their own loader. Running this again is quick, and several may run at once.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

main() {
  unpack=no
  case ${1:-} in
    -h | --help) usage; exit 0 ;;
    --unpack) unpack=yes; shift ;;
  esac
  [ $# -gt 0 ] || set -- mysql-9.7 mariadb-10.11
  mkdir -p "$servers_dir"
  local name
  for name in "$@"; do
    case $name in
      mysql-9.7) suite=sid packages="mysql-server-core mysql-client-core" ;;
      mariadb-10.11) suite=bookworm packages="mariadb-server-core mariadb-client-core mariadb-client" ;;
      mariadb-11.8) suite=trixie packages="mariadb-server-core mariadb-client-core mariadb-client" ;;
      *) die "unknown server $name (known: mysql-9.7 mariadb-10.11 mariadb-11.8)" ;;
    esac
    [ -f "$servers_dir/$name/version" ] || (
      flock 9
      [ -f "$servers_dir/$name/version" ] || provide "$name"
    ) 9>"$servers_dir/.$name.lock"
    say "$name: $(cat "$servers_dir/$name/version") in $servers_dir/$name"
  done
}

# Builds the server in place; the version file, written last, says that it is complete.
provide() {
  local name=$1 home=$servers_dir/$1 started=$SECONDS
  rm -rf "$home"
  mkdir -p "$home/bin"
  if [ $unpack = no ] && server_on_path "$name"; then
    wrap_path "$name" "$home"
  else
    unpack_debian "$name" "$home"
    wrap_prefix "$name" "$home"
  fi
  initialise "$name" "$home"
  "$home/bin/$(server_daemon "$name")" --version | sed 's/.*Ver *//' >"$home/version.new"
  mv "$home/version.new" "$home/version"
  say "$name: provided in $((SECONDS - started)) s"
}

# --- a server on PATH -----------------------------------------------------------------------------------

server_on_path() {
  local said
  said=$(PATH=$PATH:/usr/sbin "$(server_daemon "$1")" --version 2>/dev/null) || return 1
  case $1:$said in
    mysql-*:*MariaDB*) return 1 ;;
    mysql-*) [[ $said =~ Ver\ ([0-9]+)\. ]] && ((BASH_REMATCH[1] >= 8)) ;;
    mariadb-*) [[ $said == *"Ver ${1#mariadb-}."* ]] ;;
  esac
}

wrap_path() {
  local name=$1 home=$2 tool real
  for tool in $(tools "$name"); do
    real=$(PATH=$PATH:/usr/sbin command -v "$tool") || continue
    if [ "$tool" = "$(server_daemon "$name")" ]; then
      # Paths under /var and /etc belong to the installed server, not to ours.
      wrapper "$home/bin/$tool" "$(daemon_command "$name" "$real" '')"
    else
      wrapper "$home/bin/$tool" "exec $real \"\$@\""
    fi
  done
}

# --- a server from Debian's packages --------------------------------------------------------------------

unpack_debian() {
  local name=$1 home=$2 mirror keyring deb
  mirror=$(debian_mirror) keyring=$(debian_keyring)
  { [ -n "$mirror" ] && [ -n "$keyring" ]; } || die "$name: no server of this kind on PATH, and this machine
  is not a Debian that could unpack one (it takes apt-get with a Debian mirror in its configuration and the
  package debian-archive-keyring). Either put such a server on PATH, or use
  containers: REPLICATE_TEST_SERVERS=docker for the tests, docker/quickstart.sh --servers docker."
  local apt=$home/apt
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
  : >"$apt/status"
  echo "deb [signed-by=$keyring] $mirror $suite main" >"$apt/sources.list"
  # An apt of its own: it sees one suite and a system on which nothing is installed, so that it fetches
  # everything down to the C library.
  local options=(-qq -oDir::Etc::SourceList="$apt/sources.list" -oDir::Etc::SourceParts=/dev/null
    -oDir::State::Lists="$apt/lists" -oDir::Cache="$apt/cache" -oDir::State::status="$apt/status"
    -oDir::State::extended_states="$apt/extended_states" -oDir::Log="$apt" -oAPT::Sandbox::User="$(id -un)"
    -oDebug::NoLocking=1 -oAcquire::Languages=none -oAcquire::IndexTargets::deb::DEP-11::DefaultEnabled=false
    -oAcquire::Retries=3 -oDpkg::Use-Pty=0)
  say "$name: fetching packages of $suite"
  apt-get "${options[@]}" update >&2
  # shellcheck disable=SC2086 # a list of packages
  apt-get "${options[@]}" -y install --download-only --no-install-recommends $packages >&2
  local prefix=$home/prefix link
  mkdir -p "$prefix"
  for link in bin sbin lib lib64; do
    mkdir -p "$prefix/usr/$link"
    ln -s "usr/$link" "$prefix/$link"
  done
  for deb in "$apt"/cache/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$prefix"
  done
  rm -rf "$apt" "$prefix/usr/share/doc" "$prefix/usr/share/man" "$prefix/usr/share/locale"
}

wrap_prefix() {
  local name=$1 home=$2 loader tool dir libs run share
  share=$(share_directory "$home/prefix" | sed "s,^$home/prefix/,,")
  loader=$(cd "$home/prefix" && find usr/lib -path '*-linux-gnu*' -name 'ld-linux*.so.*' | head -n 1)
  libs="\$here/prefix/${loader%/*}:\$here/prefix/usr/lib/mysql/private"
  for tool in $(tools "$name"); do
    for dir in usr/sbin usr/bin; do
      [ -x "$home/prefix/$dir/$tool" ] || continue
      run="\"\$here/prefix/$loader\" --library-path \"$libs\" \"\$here/prefix/$dir/$tool\""
      if [ "$tool" = "$(server_daemon "$name")" ]; then
        wrapper "$home/bin/$tool" "$(daemon_command "$name" "$run" "--basedir=\"\$here/prefix/usr\" \
--lc-messages-dir=\"\$here/prefix/$share\" --character-sets-dir=\"\$here/prefix/$share/charsets\" \
--plugin-dir=\"\$here/prefix/usr/lib/mysql/plugin\"")"
      else
        wrapper "$home/bin/$tool" "export LIBMYSQL_PLUGIN_DIR=\"\$here/prefix/usr/lib/mysql/plugin\"
exec $run \"\$@\""
      fi
      break
    done
  done
}

# --- both -----------------------------------------------------------------------------------------------

# Where a server keeps its messages and system tables: the name changed between versions.
share_directory() {
  local dir
  for dir in "$1/usr/share/mysql" "$1/usr/share/mariadb"; do
    [ ! -d "$dir/charsets" ] || { echo "$dir"; return 0; }
  done
  return 1
}

tools() {
  case $1 in
    mariadb*) echo mariadbd mariadb mariadb-admin mariadb-binlog mariadb-dump mariadb-slap mariadb-check \
      mariadb-tzinfo-to-sql my_print_defaults ;;
    *) echo mysqld mysql mysqladmin mysqlbinlog mysqldump mysqlslap mysqlcheck mysql_tzinfo_to_sql \
      mysql_config_editor my_print_defaults ;;
  esac
}

wrapper() {
  # $here is found without a fork: these are on the path of every test.
  printf '#!/bin/sh\nhere=${0%%/*}/..\ncase $here in /*) ;; *) here=$PWD/$here ;; esac\n%s\n' "$2" >"$1"
  chmod 755 "$1"
}

# The daemon reads no option file of the system; a --defaults-file given by the caller has to come first.
daemon_command() {
  local name=$1 run=$2 paths=$3 more=--secure-file-priv=NULL
  case $name in mariadb*) more="" ;; esac
  cat <<WRAPPER
defaults=--no-defaults
case \${1:-} in --defaults-file=* | --no-defaults) defaults=\$1; shift ;; esac
exec $run "\$defaults" $paths $more "\$@"
WRAPPER
}

# Makes the data directory that every server starts from.
initialise() {
  local name=$1 home=$2 as_root=() daemon
  daemon=$home/bin/$(server_daemon "$name")
  [ "$(id -u)" != 0 ] || as_root=(--user=root)
  say "$name: initialising a data directory"
  case $name in
    mysql*)
      "$daemon" --defaults-file="$docker_dir/server.cnf" --skip-log-bin --initialize-insecure \
        --datadir="$home/pristine" ${as_root[@]+"${as_root[@]}"} >"$home/initialise.log" 2>&1 ||
        { cat "$home/initialise.log" >&2; die "$name: cannot initialise"; } ;;
    mariadb*)
      # What mariadb-install-db does, without its search for programs: neither anonymous users nor a root
      # that the socket authenticates.
      local share sql=mysql
      share=$(share_directory "$home/prefix" || share_directory "")
      [ -f "$share/mysql_system_tables.sql" ] || sql=mariadb
      mkdir -p "$home/pristine/mysql"
      {
        # One statement a line: bootstrap mode asks for it.
        printf '%s;\n' "create database if not exists mysql" "use mysql" "set @auth_root_socket=NULL" \
          "set @skip_auth_anonymous=1"
        cat "$share/${sql}_system_tables.sql" "$share/${sql}_performance_tables.sql" \
          "$share/${sql}_system_tables_data.sql" "$share/fill_help_tables.sql" \
          "$share"/maria_add_gis_sp_bootstrap.sql "$share/${sql}_sys_schema.sql"
      } | "$daemon" --defaults-file="$docker_dir/server.cnf" --skip-log-bin --bootstrap \
        --datadir="$home/pristine" --enforce-storage-engine= ${as_root[@]+"${as_root[@]}"} \
        >"$home/initialise.log" 2>&1 || { cat "$home/initialise.log" >&2; die "$name: cannot initialise"; } ;;
  esac
  # No two servers may share a UUID; the redo spares would only make each copy longer.
  rm -f "$home/pristine/auto.cnf" "$home/pristine/#innodb_redo/"*_tmp
}

main "$@"
