#!/bin/bash
# Starts the server of a stand-in image the way the official images do: an empty data directory is filled
# first, with the root password, database and user of the environment and the files of
# /docker-entrypoint-initdb.d, by a server that does not listen on TCP. A command that is no server option is
# run instead. MARIADB_... and MYSQL_... variables count alike, and NAME_FILE names a file that holds NAME.
set -eu

client=mysql
[ "$DAEMON" = mysqld ] || client=mariadb
data=/var/lib/mysql
socket=/var/run/mysqld/mysqld.sock

case ${1:--} in
  mysqld | mariadbd) shift ;;
  -*) ;;
  *) exec "$@" ;;
esac

setting() {
  local prefix file
  for prefix in MARIADB MYSQL; do
    local plain=${prefix}_$1 from_file=${prefix}_$1_FILE
    [ -z "${!plain:-}" ] || { printf %s "${!plain}"; return; }
    file=${!from_file:-}
    [ -z "$file" ] || { cat "$file"; return; }
  done
}

server=(setpriv --reuid=mysql --regid=mysql --clear-groups
  "$DAEMON" --defaults-file=/etc/mysql/my.cnf --datadir=$data)
quoted() { printf "'%s'" "$(printf %s "$1" | sed "s/\\\\/\\\\\\\\/g; s/'/''/g")"; }

initialise() {
  local root_password database user password file
  root_password=$(setting ROOT_PASSWORD)
  if [ -z "$root_password$(setting ALLOW_EMPTY_PASSWORD)$(setting ALLOW_EMPTY_ROOT_PASSWORD)" ]; then
    echo "no root password: set MYSQL_ROOT_PASSWORD (MARIADB_ROOT_PASSWORD) or MYSQL_ALLOW_EMPTY_PASSWORD" >&2
    exit 1
  fi
  cp -a /opt/server/pristine/. $data/
  chown -R mysql:mysql $data
  "${server[@]}" "$@" --skip-networking --socket=$socket &
  local temporary=$! sql=("$client" --no-defaults --protocol=socket -S $socket -uroot)
  until "${sql[@]}" -e 'DO 1' 2>/dev/null; do
    kill -0 $temporary || exit 1
    sleep 0.2
  done
  # Root may come from anywhere, and none of this is for replicas.
  "${sql[@]}" <<SQL
SET SESSION sql_log_bin = 0;
CREATE USER IF NOT EXISTS 'root'@'%' IDENTIFIED BY $(quoted "$root_password");
GRANT ALL ON *.* TO 'root'@'%' WITH GRANT OPTION;
ALTER USER 'root'@'localhost' IDENTIFIED BY $(quoted "$root_password");
SQL
  export MYSQL_PWD=$root_password
  database=$(setting DATABASE) user=$(setting USER) password=$(setting PASSWORD)
  [ -z "$database" ] || "${sql[@]}" -e "CREATE DATABASE IF NOT EXISTS \`$database\`"
  if [ -n "$user" ]; then
    "${sql[@]}" -e "CREATE USER $(quoted "$user")@'%' IDENTIFIED BY $(quoted "$password")"
    [ -z "$database" ] || "${sql[@]}" -e "GRANT ALL ON \`${database//_/\\_}\`.* TO $(quoted "$user")@'%'"
  fi
  [ -z "$database" ] || sql+=("$database")
  for file in /docker-entrypoint-initdb.d/*; do
    case $file in
      *.sh) if [ -x "$file" ]; then "$file"; else . "$file"; fi ;;
      *.sql) "${sql[@]}" <"$file" ;;
      *.sql.gz) gunzip -c "$file" | "${sql[@]}" ;;
    esac
  done
  unset MYSQL_PWD
  kill $temporary
  wait $temporary
}

chown mysql:mysql $data
if [ ! -d $data/mysql ]; then initialise "$@"; fi
exec "${server[@]}" --socket=$socket "$@"
