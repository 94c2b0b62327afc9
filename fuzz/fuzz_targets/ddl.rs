//! DDL statements, one after the other, on the tables that the first of them made.
#![no_main]

use libfuzzer_sys::fuzz_target;
use replicate::schema::Tables;
use replicate::schema::ddl::{self, DdlContext};

fuzz_target!(|data: &[u8]| {
    let Some((mode, text)) = data.split_first() else { return };
    let context = DdlContext {
        database: "d",
        sql_mode: if mode & 1 == 0 { 0 } else { 0x0014_0004 },
        charset_client: Some(if mode & 2 == 0 { 255 } else { 28 }),
        charset_server: Some(255),
        default_collation_for_utf8mb4: None,
        explicit_defaults_for_timestamp: Some(mode & 4 == 0),
        server_version: if mode & 8 == 0 { "9.7.4" } else { "10.11.8-MariaDB-log" },
        lower_case_names: mode & 16 != 0,
        collations_changed: mode & 32 != 0,
        failed: mode & 64 != 0,
        uses_temporary: mode & 128 != 0,
    };
    let mut tables = Tables::new();
    for statement in text.split(|byte| *byte == 0) {
        let _ = ddl::touches(statement, &context);
        tables.apply(statement, &context);
    }
});
