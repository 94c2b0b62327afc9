#!/usr/bin/env bash
# charset-tables.sh
#
# Makes src/row/charset/differences.rs anew: where the servers read multi-byte text otherwise than the tables of
# encoding_rs do. Asks a real MySQL 9.7 for every sequence; the diff shows what changed. `cargo test --test it charsets`
# holds MariaDB against the same tables.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
docker/servers.sh mysql-9.7
REPLICATE_UPDATE_GOLDENS=1 cargo test --test it live::charsets::the_tables_of_differences
