//! The server as the oracle: random tables of every type are filled and changed through SQL, and every value of the feed
//! is compared with what the server printed for that row at that moment.
//!
//! `REPLICATE_ORACLE_SEED` repeats a run, `REPLICATE_ORACLE_ROUNDS` makes it longer.

mod columns;

use base64::Engine;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;

use self::columns::{Column, Family};
use super::harness::{Flavor, Replicate, Server, Session, compare_tables};
use super::types::{as_text, compact, same};

/// How many rounds; one in a normal run.
pub fn rounds() -> u64 {
    std::env::var("REPLICATE_ORACLE_ROUNDS")
        .map_or(1, |text| text.parse().expect("REPLICATE_ORACLE_ROUNDS is a number"))
}

fn seed() -> u64 {
    let named = std::env::var("REPLICATE_ORACLE_SEED").ok();
    let seed = named.map_or_else(rand::random, |text| text.parse().expect("REPLICATE_ORACLE_SEED is a number"));
    println!("REPLICATE_ORACLE_SEED={seed}");
    seed
}

/// What the server prints for a value: by type, and the bytes of text as stored.
#[derive(Debug, Clone, PartialEq)]
struct Printed {
    text: Option<String>,
    bytes: Option<String>,
}

/// A change that the feed must show.
struct Expected {
    table: usize,
    kind: &'static str,
    id: u64,
    before: Vec<Printed>,
    after: Vec<Printed>,
    sql: String,
}

/// A random table.
struct Table {
    name: String,
    columns: Vec<Column>,
    image: &'static str,
    /// The expressions that print a row.
    select: String,
}

impl Table {
    fn print(&self, session: &mut Session, id: u64) -> Vec<Printed> {
        let mut row = session.query(&format!("SELECT {} FROM {} WHERE id = {id}", self.select, self.name)).remove(0);
        row.chunks_mut(2).map(|pair| Printed { text: pair[0].take(), bytes: pair[1].take() }).collect()
    }
}

struct Oracle {
    flavor: Flavor,
    random: StdRng,
    session: Session,
    tables: Vec<Table>,
    expected: Vec<Expected>,
    deck: Vec<Column>,
    charsets: Vec<String>,
    /// Whether a MariaDB has VECTOR.
    vectors: bool,
    refused: usize,
}

impl Oracle {
    fn new(flavor: Flavor, seed: u64, server: &Server) -> Oracle {
        let mut session = server.session();
        session.exec("SET SESSION sql_mode = 'ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00'; CREATE DATABASE o; USE o");
        let names = session.query("SELECT CHARACTER_SET_NAME FROM information_schema.CHARACTER_SETS WHERE CHARACTER_SET_NAME <> 'binary' ORDER BY 1");
        let charsets = names.into_iter().filter_map(|mut row| row[0].take()).collect();
        let random = StdRng::seed_from_u64(seed);
        let vectors = server.version() >= (11, 7);
        Oracle {
            flavor,
            random,
            session,
            tables: vec![],
            expected: vec![],
            deck: vec![],
            charsets,
            vectors,
            refused: 0,
        }
    }

    /// One table for each combination of options.
    fn round(&mut self) {
        let partial: &[&str] = if self.flavor == Flavor::MySql { &["", "PARTIAL_JSON"] } else { &[""] };
        for metadata in [if self.flavor == Flavor::MySql { "MINIMAL" } else { "NO_LOG" }, "FULL"] {
            for image in ["FULL", "MINIMAL", "NOBLOB"] {
                for partial in partial {
                    self.session.exec(&format!(
                        "SET GLOBAL binlog_row_metadata = {metadata}; SET SESSION binlog_row_image = {image}"
                    ));
                    // Compressed and not, over the rounds with every other option.
                    let compressed = u8::from(self.random.random::<bool>());
                    self.session.exec(&match self.flavor {
                        Flavor::MySql => format!(
                            "SET SESSION binlog_row_value_options = '{partial}', binlog_transaction_compression = {compressed}"
                        ),
                        Flavor::MariaDb => {
                            format!("SET GLOBAL log_bin_compress_min_len = 10, GLOBAL log_bin_compress = {compressed}")
                        }
                    });
                    self.table(image);
                }
            }
        }
    }

    fn table(&mut self, image: &'static str) {
        let mut columns = vec![column("id", "INT UNSIGNED"), column("n", "INT")];
        for number in 0..28 {
            if self.deck.is_empty() {
                self.deck = columns::deck(&mut self.random, self.flavor, self.vectors, &self.charsets);
            }
            let mut column = self.deck.pop().unwrap();
            column.name = format!("c{number}");
            columns.push(column);
        }
        if self.flavor == Flavor::MySql {
            columns.push(Column { name: "doc".into(), kind: "json".into(), sql: "JSON".into(), family: Family::Json });
        }
        let name = format!("t{}", self.tables.len());
        let definitions: Vec<String> =
            columns.iter().map(|column| format!("`{}` {}", column.name, column.sql)).collect();
        self.session
            .exec(&format!("CREATE TABLE {name} ({}, PRIMARY KEY (id)) ROW_FORMAT=DYNAMIC", definitions.join(", ")));
        let print = |column: &Column| {
            let quoted = format!("`{}`", column.name);
            let bytes = if column.is_text() { format!("HEX({quoted})") } else { "NULL".to_owned() };
            format!("{}, {bytes}", as_text(&column.kind, self.flavor).replace('@', &quoted))
        };
        let select = columns.iter().map(print).collect::<Vec<_>>().join(", ");
        self.tables.push(Table { name, columns, image, select });
        let at = self.tables.len() - 1;
        let mut rows: Vec<(u64, Vec<Printed>)> = Vec::new();
        for change in 0..40 {
            match self.random.random_range(0..10) {
                0 if !rows.is_empty() => {
                    let (id, before) = rows.swap_remove(self.random.random_range(0..rows.len()));
                    let sql = format!("DELETE FROM t{at} WHERE id = {id}");
                    self.session.exec(&sql);
                    self.expected.push(Expected { table: at, kind: "delete", id, before, after: vec![], sql });
                }
                1..4 if !rows.is_empty() => {
                    let row = self.random.random_range(0..rows.len());
                    self.update(at, &mut rows[row]);
                }
                _ => self.insert(at, change, &mut rows),
            }
        }
    }

    /// Assignments of random values to some or all columns.
    fn values(&mut self, at: usize, all: bool) -> Vec<(String, String)> {
        let mut values = Vec::new();
        for column in &self.tables[at].columns[2..] {
            if !matches!(column.family, Family::Generated) && (all || self.random.random_range(0..4) == 0) {
                values.push((format!("`{}`", column.name), column.value(&mut self.random, self.flavor)));
            }
        }
        values
    }

    fn insert(&mut self, at: usize, id: u64, rows: &mut Vec<(u64, Vec<Printed>)>) {
        let all = self.random.random_range(0..4) > 0;
        let (names, values): (Vec<_>, Vec<_>) = self.values(at, all).into_iter().unzip();
        let comma = if names.is_empty() { "" } else { ", " };
        let sql = format!(
            "INSERT INTO t{at} (id, n{comma}{}) VALUES ({id}, 0{comma}{})",
            names.join(", "),
            values.join(", ")
        );
        if !self.done(&sql) {
            return;
        }
        let after = self.tables[at].print(&mut self.session, id);
        rows.push((id, after.clone()));
        self.expected.push(Expected { table: at, kind: "insert", id, before: vec![], after, sql });
    }

    fn update(&mut self, at: usize, row: &mut (u64, Vec<Printed>)) {
        let mut assignments: Vec<String> =
            self.values(at, false).into_iter().map(|(name, value)| format!("{name} = {value}")).collect();
        for column in &self.tables[at].columns {
            let name = format!("`{}`", column.name);
            if matches!(column.family, Family::Json)
                && !assignments.iter().any(|assignment| assignment.starts_with(&name))
            {
                let (path, value) = (columns::json_path(&mut self.random), columns::json_scalar(&mut self.random));
                assignments.push(match self.random.random_range(0..4) {
                    0 => format!("{name} = JSON_REMOVE({name}, '{path}')"),
                    1 => format!("{name} = JSON_REPLACE({name}, '{path}', {value})"),
                    _ => format!("{name} = JSON_SET({name}, '{path}', {value})"),
                });
            }
        }
        assignments.push("n = n + 1".to_owned());
        let sql = format!("UPDATE t{at} SET {} WHERE id = {}", assignments.join(", "), row.0);
        if self.done(&sql) {
            let after = self.tables[at].print(&mut self.session, row.0);
            let before = std::mem::replace(&mut row.1, after.clone());
            self.expected.push(Expected { table: at, kind: "update", id: row.0, before, after, sql });
        }
    }

    /// Whether the server took the statement.
    fn done(&mut self, sql: &str) -> bool {
        match self.session.try_exec(sql) {
            Ok(()) => true,
            Err(mysql_async::Error::Server(error)) => {
                self.refused += 1;
                if self.refused <= 3 {
                    println!("refused: {error}: {}", sql.chars().take(3000).collect::<String>());
                }
                false
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Compares the feed with what was printed; how many rows and values.
    fn compare(&self, feed: &str) -> (usize, usize) {
        let (mut values, mut wrong) = (0, Vec::new());
        let mut expected = self.expected.iter();
        for text in feed.lines() {
            let line: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
            if line["type"] == "ddl" {
                continue;
            }
            let expected = expected.next().unwrap_or_else(|| panic!("one line more: {text}"));
            let table = &self.tables[expected.table];
            assert_eq!(
                (line["table"].as_str(), line["type"].as_str(), line["data"]["id"].as_u64()),
                (Some(table.name.as_str()), Some(expected.kind), Some(expected.id)),
                "{}",
                expected.sql
            );
            let (data, old) = text.split_once(r#","old":{"#).unwrap_or((text, ""));
            let now = if expected.kind == "delete" { &expected.before } else { &expected.after };
            let seen = |values: &Value, list: &[Printed], text: &str, wrong: &mut Vec<String>| {
                let mut compared = 0;
                for (column, printed) in table.columns.iter().zip(list) {
                    let Some(value) = values.get(&column.name) else { continue };
                    compared += 1;
                    if !self.equal(table, column, value, printed, text) {
                        let cut = |text: String| text.chars().take(300).collect::<String>();
                        wrong.push(format!(
                            "{} {} {} {}: feed {} server {} image {}",
                            table.name,
                            expected.id,
                            expected.kind,
                            column.sql,
                            cut(value.to_string()),
                            cut(format!("{printed:?}")),
                            table.image
                        ));
                    }
                }
                compared
            };
            values += seen(&line["data"], now, data, &mut wrong);
            values += seen(&line["old"], &expected.before, old, &mut wrong);
            if table.image == "FULL" {
                assert_eq!(line["data"].as_object().unwrap().len(), table.columns.len(), "{text}");
                for (column, (before, after)) in table.columns.iter().zip(expected.before.iter().zip(&expected.after)) {
                    let shown = before == after || line["old"].get(&column.name).is_some();
                    assert!(shown, "{} changed from {before:?} to {after:?}: {text}", column.sql);
                }
            }
        }
        assert!(expected.next().is_none(), "a line is missing");
        assert!(wrong.is_empty(), "{} of {values}:\n{}", wrong.len(), wrong[..wrong.len().min(40)].join("\n"));
        (self.expected.len(), values)
    }

    fn equal(&self, table: &Table, column: &Column, value: &Value, printed: &Printed, text: &str) -> bool {
        let Some(shown) = &printed.text else { return value.is_null() };
        if let Some(marked) = value.get("$base64") {
            // Only what the server cannot convert either.
            let bytes = base64::engine::general_purpose::STANDARD.decode(marked.as_str().unwrap()).unwrap();
            let hex: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
            // At half of a pair of ucs2 the server stops in silence.
            let half = |unit: &[u8]| matches!(unit, [0xd8..=0xdf, _]);
            let ends_early = column.sql.ends_with("ucs2") && bytes.chunks(2).any(half);
            let unknown = ends_early || shown.contains("3F") || shown.contains("EFBFBD");
            return column.is_text() && printed.bytes.as_ref() == Some(&hex) && unknown;
        }
        if column.kind == "json" {
            // Only the operations, where the image has no document.
            return value.get("$json_diff").is_some() && table.image == "MINIMAL"
                || text.contains(&format!(r#""{}":{}"#, column.name, compact(shown)));
        }
        same(self.flavor, &column.kind, value, Some(shown), text)
    }
}

fn column(name: &str, sql: &str) -> Column {
    Column { name: name.into(), kind: "int".into(), sql: sql.into(), family: Family::Integer }
}

on_each_flavor! {
    fn the_feed_and_a_target_show_what_the_server_shows(flavor) {
        let (source, target) = (Server::start(flavor, &[]), Server::start(flavor, &["--server-id=2"]));
        let seed = seed();
        let (mut rows, mut values) = (0, 0);
        for round in 0..rounds() {
            let mut oracle = Oracle::new(flavor, seed.wrapping_add(round), &source);
            let (file, pos) = source.log_position();
            oracle.round();
            let mut args = vec!["start".to_owned(), "--until-caught-up".to_owned()];
            args.extend(source.master_args());
            args.extend(["--log-file".to_owned(), file, "--pos".to_owned(), pos.to_string()]);
            let end = Replicate::new().run(&args);
            assert_eq!(end.code, 0, "round {round}: {}", end.stderr);
            let compared = oracle.compare(&end.stdout);
            (rows, values) = (rows + compared.0, values + compared.1);
            assert!(oracle.refused * 10 < compared.0, "{} of {} statements refused", oracle.refused, compared.0);
            if round == 0 {
                let mut args = Replicate::start_args(&source, &target);
                args.push("--until-caught-up".to_owned());
                let end = Replicate::new().run(&args);
                assert_eq!(end.code, 0, "{}", end.stderr);
                compare_tables(&source, &target, &["o"]).assert_same();
            }
            oracle.session.exec("DROP DATABASE o");
        }
        println!("{rows} rows and {values} values compared");
        assert!(values > 5000, "{values}");
    }
}
