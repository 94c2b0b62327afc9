//! Every column type with its edge values and random ones: into a target, and through the feed against what the
//! server itself prints.

use std::collections::BTreeMap;

use base64::Engine;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;

use super::harness::{Flavor, Replicate, Server, Session, compare_tables};
use super::workload::{prepare, seed, under_load};

pub(super) const MYSQL: &str = include_str!("../../../fixtures/types/mysql-9.7.sql");
pub(super) const MARIADB: &str = include_str!("../../../fixtures/types/mariadb-10.11.sql");

/// Makes the tables in database `e`; for a target with the changes, and without the tables that keep their history or
/// whose definition depends on a global variable.
pub(super) fn load(session: &mut Session, flavor: Flavor, target: bool) {
    let sql = if flavor == Flavor::MySql { MYSQL } else { MARIADB };
    let (tables, last) = sql.split_once("-- Changes.").expect("a part with changes");
    session.exec("CREATE DATABASE e; USE e");
    match tables.split_once("-- Columns that the log has") {
        Some((plain, rest)) if target => {
            session.exec(plain);
            session.exec(&rest[rest.find("CREATE TABLE t_keys").expect("a table after those")..]);
        }
        _ => session.exec(tables),
    }
    if target {
        session.exec(last);
    }
}

/// Tables in `e` with the names of the columns that can be written and are seen.
pub(super) fn tables(session: &mut Session) -> BTreeMap<String, Vec<String>> {
    let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let rows = session.query(
        "SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'e' \
         AND COALESCE(GENERATION_EXPRESSION, '') = '' AND EXTRA NOT LIKE '%INVISIBLE%' ORDER BY TABLE_NAME, ORDINAL_POSITION",
    );
    for row in rows {
        let mut row = row.into_iter().flatten();
        tables.entry(row.next().unwrap()).or_default().push(format!("`{}`", row.next().unwrap()));
    }
    tables
}

/// Changes and deletes rows of every table, and of a copy of it without a key.
pub(super) fn change_everything(session: &mut Session) {
    for (table, columns) in tables(session) {
        let quoted = format!("`{}`", table.replace('`', "``"));
        let copy = format!("`nk_{}`", table.replace('`', "``"));
        session.exec(&format!("CREATE TABLE {copy} SELECT * FROM {quoted}"));
        session.exec(&format!("INSERT INTO {copy} SELECT * FROM {copy}"));
        for name in [&quoted, &copy] {
            session.exec(&format!("ALTER TABLE {name} ADD COLUMN touched INT NOT NULL DEFAULT 0"));
            session.exec(&format!("UPDATE {name} SET touched = 1"));
        }
        if columns.iter().any(|column| column == "`id`") {
            let rest: Vec<String> = columns
                .iter()
                .filter(|column| *column != "`id`")
                .map(|column| format!("a.{column} = b.{column}"))
                .collect();
            for name in [&quoted, &copy] {
                let swap = rest.join(", ");
                session.exec(&format!("UPDATE {name} a JOIN {quoted} b ON b.id = a.id + 1 SET {swap}"));
                session.exec(&format!("DELETE FROM {name} WHERE id % 3 = 1"));
            }
            session.exec(&format!("UPDATE {quoted} SET id = id + 1000 ORDER BY id DESC"));
        }
        session.exec(&format!("DELETE FROM {copy} ORDER BY touched LIMIT 2"));
    }
}

fn into_target(flavor: Flavor, metadata: &str, images: &[&str]) {
    let option = format!("--binlog-row-metadata={metadata}");
    for image in images {
        let (source, target) = (Server::start(flavor, &[&option]), Server::start(flavor, &["--server-id=2"]));
        let mut session = source.session();
        session.exec(&format!("SET SESSION binlog_row_image = '{image}'"));
        load(&mut session, flavor, true);
        session.exec(&format!("SET SESSION binlog_row_image = '{image}'"));
        change_everything(&mut session);
        let mut args = Replicate::start_args(&source, &target);
        args.push("--until-caught-up".to_owned());
        let end = Replicate::new().run(&args);
        assert_eq!(end.code, 0, "{image}: {}", end.stderr);
        let same = compare_tables(&source, &target, &["e"]);
        same.assert_same();
        assert!(same.tables > 30 && same.rows > 100, "{same}");
    }
}

on_each_flavor! {
    fn every_type_arrives_in_a_target(flavor) {
        into_target(flavor, "MINIMAL", &["FULL", "MINIMAL", "NOBLOB"]);
    }

    fn every_type_arrives_in_a_target_with_full_metadata(flavor) {
        into_target(flavor, "FULL", &["FULL", "MINIMAL"]);
    }

    fn the_feed_shows_what_the_server_prints(flavor) {
        for metadata in ["MINIMAL", "FULL"] {
            let source = Server::start(flavor, &[&format!("--binlog-row-metadata={metadata}")]);
            let mut session = source.session();
            load(&mut session, flavor, false);
            random_rows(&mut session, flavor);
            let mut args = vec!["start".to_owned(), "--until-caught-up".to_owned()];
            args.extend(source.master_args());
            args.extend(["--log-file", "mysql-bin.000001", "--pos", "4"].map(str::to_owned));
            let end = Replicate::new().run(&args);
            assert_eq!(end.code, 0, "{}", end.stderr);
            let rows = rows_by_id(&end.stdout);
            let mut compared = 0;
            let columns = session.query(
                "SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'e' AND \
                 TABLE_NAME IN (SELECT TABLE_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'e' AND COLUMN_NAME = 'id') \
                 AND TABLE_NAME <> 't_versioned'",
            );
            session.exec("SET SESSION sql_mode = '', time_zone = '+00:00'");
            let mut wrong = Vec::new();
            for row in columns {
                let row: Vec<String> = row.into_iter().flatten().collect();
                let (table, column, kind) = (&row[0], &row[1], row[2].to_lowercase());
                let sql = format!(
                    "SELECT id, {} FROM e.`{}`",
                    as_text(&kind, flavor).replace('@', &format!("`{column}`")),
                    table.replace('`', "``")
                );
                for printed in session.query(&sql) {
                    let id: i64 = printed[0].as_ref().unwrap().parse().unwrap();
                    let line = &rows[&(table.clone(), id)];
                    let value = &line.0["data"][column.as_str()];
                    compared += 1;
                    // The log of MariaDB shows these as BINARY, and full metadata asks no catalog.
                    if metadata == "FULL" && matches!(kind.as_str(), "inet4" | "inet6" | "uuid") {
                        continue;
                    }
                    if !same(flavor, &kind, value, printed[1].as_deref(), &line.1) {
                        let shown = |text: String| text.chars().take(200).collect::<String>();
                        wrong.push(format!("{table} {id} {column}: feed {} server {}", shown(value.to_string()), shown(format!("{:?}", printed[1]))));
                    }
                }
            }
            assert!(wrong.is_empty(), "{} of {compared}, metadata {metadata}:\n{}", wrong.len(), wrong.join("\n"));
            assert!(compared > 1000, "{compared}");
        }
    }
}

#[test]
fn mariadb_tables_with_history_stop_the_target() {
    let (source, target) = (Server::start(Flavor::MariaDb, &[]), Server::start(Flavor::MariaDb, &["--server-id=2"]));
    source.exec("CREATE DATABASE e; CREATE TABLE e.t (a INT) WITH SYSTEM VERSIONING; INSERT INTO e.t VALUES (1)");
    let mut args = Replicate::start_args(&source, &target);
    args.push("--until-caught-up".to_owned());
    let end = Replicate::new().run(&args);
    assert_eq!(end.code, 1);
    assert!(end.stderr.contains("e.t keeps its history") && end.stderr.contains("hint: "), "{}", end.stderr);
    assert!(target.query("SELECT * FROM e.t").is_empty());
}

/// The feed's last line of every row with a column `id`, parsed and as it is.
fn rows_by_id(feed: &str) -> BTreeMap<(String, i64), (Value, String)> {
    let mut rows = BTreeMap::new();
    for line in feed.lines() {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        if let (Some(table), Some(id)) = (value["table"].as_str(), value["data"]["id"].as_i64()) {
            let key = (table.to_owned(), id);
            rows.insert(key, (value, line.to_owned()));
        }
    }
    rows
}

/// How the server is asked for a column `@`.
pub(super) fn as_text(kind: &str, flavor: Flavor) -> &'static str {
    match kind {
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "year" => "CAST(@ + 0 AS CHAR)",
        "float" | "double" => "CAST(@ + 0e0 AS CHAR)",
        "bit" => "CAST(CAST(@ AS UNSIGNED) AS CHAR)",
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "enum" | "set" => {
            "HEX(CONVERT(@ USING utf8mb4))"
        }
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" | "vector" => "HEX(@)",
        "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring" | "multipolygon"
        | "geometrycollection" | "geomcollection" => match flavor {
            Flavor::MySql => {
                "CONCAT(IF(ST_SRID(@) = 0, '', CONCAT('SRID=', ST_SRID(@), ';')), ST_AsText(@, 'axis-order=long-lat'))"
            }
            Flavor::MariaDb => "CONCAT(IF(ST_SRID(@) = 0, '', CONCAT('SRID=', ST_SRID(@), ';')), ST_AsText(@))",
        },
        _ => "CAST(@ AS CHAR)",
    }
}

/// Whether the feed's value is what the server printed.
pub(super) fn same(flavor: Flavor, kind: &str, value: &Value, printed: Option<&str>, line: &str) -> bool {
    let strict = flavor == Flavor::MySql;
    let Some(printed) = printed else { return value.is_null() };
    let bytes = |value: &Value| base64::engine::general_purpose::STANDARD.decode(value.as_str()?).ok();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>();
    match kind {
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "year" | "bit" => {
            value.as_number().is_some_and(|number| number.to_string() == printed)
        }
        "float" => value.as_f64().zip(printed.parse::<f64>().ok()).is_some_and(|(a, b)| a as f32 == b as f32),
        "double" => {
            let near = |a: f64, b: f64| a == b || ((a - b) / b).abs() < 1e-14;
            value.as_f64().zip(printed.parse::<f64>().ok()).is_some_and(|(a, b)| near(a, b))
        }
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "enum" | "set" => {
            value.as_str().is_some_and(|text| hex(text.as_bytes()) == printed)
        }
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => {
            bytes(value).is_some_and(|bytes| hex(&bytes) == printed)
        }
        "vector" => {
            let numbers = value.as_array().map(Vec::as_slice).unwrap_or_default();
            let floats: Vec<u8> =
                numbers.iter().flat_map(|number| (number.as_f64().unwrap() as f32).to_le_bytes()).collect();
            hex(&floats) == printed
        }
        // The digits of numbers are part of the value: the text is compared, without the blanks between tokens.
        "json" => line.contains(&format!(":{}", compact(printed))),
        "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring" | "multipolygon"
        | "geometrycollection" | "geomcollection" => {
            // MariaDB leaves out the inner parentheses of a MULTIPOINT.
            // And it has its own form of small numbers.
            let plain = |text: &str| -> Vec<String> {
                let words = text.split([',', ' ', ';', '(', ')']).filter(|word| !word.is_empty());
                words.map(|word| word.parse::<f64>().map_or(word.to_owned(), |n| n.to_string())).collect()
            };
            value.as_str().is_some_and(|text| text == printed || !strict && plain(text) == plain(printed))
        }
        _ => value.as_str() == Some(printed),
    }
}

/// JSON text without blanks outside of strings.
pub(super) fn compact(json: &str) -> String {
    let (mut out, mut inside, mut escaped) = (String::new(), false, false);
    for c in json.chars() {
        if inside || c != ' ' {
            out.push(c);
        }
        inside ^= c == '"' && !escaped;
        escaped = inside && c == '\\' && !escaped;
    }
    out
}

/// Rows of random values.
fn random_rows(session: &mut Session, flavor: Flavor) {
    let mut random = StdRng::seed_from_u64(seed());
    const SETS: &[(&str, &[(u32, u32)])] = &[
        ("utf8mb4", &[(0x20, 0x7e), (0xa0, 0x2ff), (0x4e00, 0x9fff), (0x1f600, 0x1f64f), (0x20000, 0x2a6d6)]),
        ("latin1", &[(0, 0x7f), (0xa0, 0xff)]),
        ("gbk", &[(0x20, 0x7e), (0x4e00, 0x9fa5)]),
        ("utf16", &[(0x20, 0x7e), (0x400, 0x45f), (0x1f600, 0x1f64f)]),
        ("utf32", &[(0x20, 0x7e), (0x20000, 0x2a6d6)]),
        ("ucs2", &[(0x20, 0x7e), (0x3041, 0x3096)]),
        ("cp1251", &[(0x20, 0x7e), (0x410, 0x44f)]),
        ("koi8r", &[(0x20, 0x7e), (0x410, 0x44f)]),
        ("greek", &[(0x20, 0x7e), (0x3b1, 0x3c9)]),
        ("hebrew", &[(0x20, 0x7e), (0x5d0, 0x5ea)]),
        ("sjis", &[(0x20, 0x5b), (0x3041, 0x3093), (0x30a1, 0x30f6)]),
        ("ujis", &[(0x20, 0x5b), (0x3041, 0x3093), (0x30a1, 0x30f6)]),
        ("euckr", &[(0x20, 0x7e), (0xac00, 0xac01), (0x3041, 0x3093)]),
        ("big5", &[(0x20, 0x7e), (0x4e00, 0x4e03), (0x4e2d, 0x4e2d)]),
    ];
    let columns: Vec<String> =
        SETS.iter().map(|(name, _)| format!("c_{name} VARCHAR(300) CHARACTER SET {name}")).collect();
    session.exec(&format!(
        "SET SESSION sql_mode = ''; CREATE TABLE r_random (id INT PRIMARY KEY, {}, de DECIMAL(30,12), ti TIME(6), \
         dt DATETIME(3), ts TIMESTAMP(6) NULL, d DOUBLE, f FLOAT, b BIGINT UNSIGNED, bl BLOB, bi BIT(37)); \
         CREATE TABLE r_json (id INT PRIMARY KEY, j JSON)",
        columns.join(", ")
    ));
    for id in 0..60 {
        let mut values = vec![id.to_string()];
        for (_, ranges) in SETS {
            let text: String = (0..random.random_range(0..90))
                .filter_map(|_| {
                    let (from, to) = ranges[random.random_range(0..ranges.len())];
                    char::from_u32(random.random_range(from..=to))
                })
                .collect();
            let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
            values.push(format!("CONVERT(x'{hex}' USING utf8mb4)"));
        }
        let sign = if random.random() { "-" } else { "" };
        values.push(format!(
            "{sign}{}.{:012}",
            random.random_range(0..10_u64.pow(18)),
            random.random_range(0..10_u64.pow(12))
        ));
        let (h, m, s, us) = (
            random.random_range(0..838),
            random.random_range(0..60),
            random.random_range(0..60),
            random.random_range(0..1_000_000),
        );
        values.push(format!("'{sign}{h}:{m:02}:{s:02}.{us:06}'"));
        values.push(format!(
            "'{:04}-{:02}-{:02} {:02}:{m:02}:{s:02}.{:03}'",
            random.random_range(0..10000),
            random.random_range(1..13),
            random.random_range(1..29),
            h % 24,
            us / 1000
        ));
        values.push(format!("FROM_UNIXTIME({}.{us:06})", random.random_range(1..i32::MAX)));
        let double = loop {
            let double = f64::from_bits(random.random());
            if double.is_normal() {
                break double;
            }
        };
        values.push(format!("{double:e}"));
        values.push(format!("{:e}", random.random_range(-1e30_f32..1e30_f32)));
        values.push(random.random::<u64>().to_string());
        values.push(format!(
            "x'{}'",
            (0..random.random_range(0..50)).map(|_| format!("{:02x}", random.random::<u8>())).collect::<String>()
        ));
        values.push(random.random_range(0..1_u64 << 37).to_string());
        session.exec(&format!("INSERT INTO r_random VALUES ({})", values.join(",")));
        if flavor == Flavor::MySql {
            let json = random_json(&mut random, 0).to_string().replace('\\', "\\\\").replace('\'', "\\'");
            session.exec(&format!("INSERT INTO r_json VALUES ({id}, '{json}')"));
        }
    }
}

fn random_json(random: &mut StdRng, depth: u32) -> Value {
    let text = |random: &mut StdRng| -> String {
        (0..random.random_range(0..20)).filter_map(|_| char::from_u32(random.random_range(0x20..0x3000))).collect()
    };
    match random.random_range(0..if depth > 3 { 6 } else { 8 }) {
        0 => Value::Null,
        1 => random.random::<bool>().into(),
        2 => (random.random::<i64>() >> random.random_range(0..63)).into(),
        3 => random.random::<u64>().into(),
        4 => (random.random_range(-1e6..1e6_f64)).into(),
        5 => text(random).into(),
        6 => (0..random.random_range(0..6)).map(|_| random_json(random, depth + 1)).collect(),
        _ => Value::Object(
            (0..random.random_range(0..6)).map(|_| (text(random), random_json(random, depth + 1))).collect(),
        ),
    }
}

/// Rows by table and kind of change.
type Counts = BTreeMap<(String, String), u64>;

/// What `mysqlbinlog` prints as pseudo-SQL: the counts, and the numbers of every image of `w.account` in order.
fn printed_by_mysqlbinlog(flavor: Flavor, log: &str) -> (Counts, Vec<(String, String)>) {
    let name = if flavor == Flavor::MySql { "mysqlbinlog" } else { "mariadb-binlog" };
    let home = std::env::var("REPLICATE_SERVERS_DIR").unwrap_or_else(|_| "target/servers".to_owned());
    let named = match flavor {
        Flavor::MySql => std::env::var("REPLICATE_TEST_MYSQL").unwrap_or_else(|_| "mysql-9.7".to_owned()),
        Flavor::MariaDb => std::env::var("REPLICATE_TEST_MARIADB").unwrap_or_else(|_| "mariadb-10.11".to_owned()),
    };
    let program =
        format!("{}/{named}/bin/{name}", std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(home).display());
    let out = std::process::Command::new(&program)
        .args(["--no-defaults", "-v", "--base64-output=DECODE-ROWS", log])
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let (mut counts, mut images) = (Counts::new(), Vec::new());
    let mut account = false;
    for line in text.lines().filter_map(|line| line.strip_prefix("### ")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (kind, table) = match words.as_slice() {
            ["INSERT", "INTO", table] => ("insert", *table),
            ["UPDATE", table] => ("update", *table),
            ["DELETE", "FROM", table] => ("delete", *table),
            [value] if account => {
                if let Some(id) = value.strip_prefix("@1=") {
                    images.push((id.to_owned(), String::new()));
                } else if let (Some(amount), Some(last)) = (value.strip_prefix("@2="), images.last_mut()) {
                    last.1 = amount.to_owned();
                }
                continue;
            }
            _ => continue,
        };
        account = table == "`w`.`account`";
        *counts.entry((table.replace('`', ""), kind.to_owned())).or_default() += 1;
    }
    (counts, images)
}

/// What `mysql_common` reads from the same file.
fn counted_by_mysql_common(log: &std::path::Path) -> Counts {
    use mysql_common::binlog::consts::BinlogVersion;
    use mysql_common::binlog::events::{EventData, RowsEventData};
    let mut counts = Counts::new();
    let mut file = mysql_common::binlog::BinlogFile::new(
        BinlogVersion::Version4,
        std::io::BufReader::new(std::fs::File::open(log).unwrap()),
    )
    .unwrap();
    while let Some(event) = file.next() {
        let event = event.unwrap();
        let Ok(Some(EventData::RowsEvent(rows))) = event.read_data() else { continue };
        let kind = match rows {
            RowsEventData::WriteRowsEvent(_) | RowsEventData::WriteRowsEventV1(_) => "insert",
            RowsEventData::UpdateRowsEvent(_) | RowsEventData::UpdateRowsEventV1(_) => "update",
            RowsEventData::DeleteRowsEvent(_) | RowsEventData::DeleteRowsEventV1(_) => "delete",
            _ => panic!("{rows:?}"),
        };
        let map = file.reader().get_tme(rows.table_id()).expect("a table map");
        let table = format!("{}.{}", map.database_name(), map.table_name());
        let count = rows.rows(map).inspect(|row| assert!(row.is_ok())).count();
        *counts.entry((table, kind.to_owned())).or_default() += count as u64;
    }
    counts
}

on_each_flavor! {
    fn decode_finds_the_rows_that_other_readers_find(flavor) {
        let source = Server::start(flavor, &["--binlog-row-metadata=FULL"]);
        prepare(&source);
        let ((), committed) = under_load(&source, seed(), 3, || {
            std::thread::sleep(std::time::Duration::from_secs(2));
        });
        assert!(committed > 50);
        let log = source.data_dir().join("mysql-bin.000001");
        let end = Replicate::new().run(&["decode", &log.display().to_string()]);
        assert_eq!(end.code, 0, "{}", end.stderr);
        let (mut counts, mut images) = (Counts::new(), Vec::new());
        for line in end.stdout.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let Some(table) = line["table"].as_str() else { continue };
            let (database, kind) = (line["database"].as_str().unwrap(), line["type"].as_str().unwrap());
            *counts.entry((format!("{database}.{table}"), kind.to_owned())).or_default() += 1;
            if table == "account" {
                let (id, amount) = (line["data"]["id"].to_string(), line["data"]["amount"].to_string());
                if kind == "update" {
                    images.push((id.clone(), line["old"]["amount"].to_string()));
                }
                images.push((id, amount));
            }
        }
        let (printed, theirs) = printed_by_mysqlbinlog(flavor, &log.display().to_string());
        assert_eq!(counts, printed);
        assert_eq!(counts, counted_by_mysql_common(&log));
        assert!(images.len() > 100);
        assert_eq!(images, theirs);
    }
}
