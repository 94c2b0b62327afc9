//! Sources that compress their log: MySQL packs whole transactions, MariaDB statements and rows. Feed, decoder and
//! target must not notice.

use std::collections::BTreeMap;

use serde_json::Value;

use super::channel::{await_value, events, start_args, terminate};
use super::harness::{Flavor, Replicate, Server, compare_tables};

/// A source that compresses what it logs, and has done some of everything.
fn source(flavor: Flavor) -> Server {
    let options: &[&str] = match flavor {
        Flavor::MySql => &["--binlog-transaction-compression=ON", "--binlog-row-metadata=FULL"],
        Flavor::MariaDb => &["--log-bin-compress=ON", "--log-bin-compress-min-len=10", "--binlog-row-metadata=FULL"],
    };
    let source = Server::start(flavor, options);
    source.exec(
        "CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(600)); \
         CREATE TABLE d.m (id INT PRIMARY KEY, v VARCHAR(600)) ENGINE=MyISAM; \
         INSERT INTO d.t VALUES (1, 'one'), (2, REPEAT('zwei', 100)), (3, NULL); \
         UPDATE d.t SET v = CONCAT(v, '!') WHERE id < 3; DELETE FROM d.t WHERE id = 3; \
         INSERT INTO d.m VALUES (1, REPEAT('m', 300)), (2, ''); UPDATE d.m SET v = REPEAT('n', 200)",
    );
    for id in 10..60 {
        source.exec(&format!("INSERT INTO d.t VALUES ({id}, REPEAT('x', {id})); UPDATE d.m SET v = {id}"));
    }
    source.exec(
        "ALTER TABLE d.t ADD COLUMN n INT DEFAULT 7 COMMENT 'a definition long enough to be compressed'; \
         INSERT INTO d.t (id, v) VALUES (100, 'after the definition, with a default'); \
         CREATE TABLE d.c SELECT * FROM d.t WHERE id < 20; \
         BEGIN; INSERT INTO d.t (id) VALUES (101); SAVEPOINT a; INSERT INTO d.t (id) VALUES (102); ROLLBACK TO a; \
         INSERT INTO d.t (id) VALUES (103); COMMIT",
    );
    // Plain and packed in turn.
    let (off, on) = match flavor {
        Flavor::MySql => ("SET binlog_transaction_compression = OFF", "SET binlog_transaction_compression = ON"),
        Flavor::MariaDb => ("SET GLOBAL log_bin_compress = OFF", "SET GLOBAL log_bin_compress = ON"),
    };
    let mut session = source.session();
    for id in (110..130).step_by(2) {
        let plain = format!("{off}; INSERT INTO d.t (id, v) VALUES ({id}, REPEAT('plain', 40))");
        session.exec(&format!("{plain}; {on}; INSERT INTO d.t (id, v) VALUES ({id} + 1, REPEAT('packed', 40))"));
    }
    // One transaction of more than 16 MiB.
    let double = "INSERT INTO d.t (v) SELECT REPEAT(SHA2(id, 256), 8) FROM d.t; ".repeat(9);
    session.exec("USE d");
    session.exec(&format!("BEGIN; INSERT INTO d.t (id, v) VALUES (1000, 'large'); {double} COMMIT"));
    session.exec("INSERT INTO d.t (id, v) VALUES (1000000, 'the last')");
    source
}

/// The rows of `d.t` after all changes of a feed.
fn state(feed: &str) -> BTreeMap<i64, Option<String>> {
    let mut rows = BTreeMap::new();
    for line in feed.lines() {
        let line: Value = serde_json::from_str(line).expect(line);
        if line["table"] != "t" {
            continue;
        }
        let row = &line["data"];
        let id = row["id"].as_i64().expect("an id");
        match line["type"].as_str() {
            Some("insert") => {
                assert!(rows.insert(id, row["v"].as_str().map(str::to_owned)).is_none(), "{id} came twice")
            }
            Some("update") => {
                assert!(rows.insert(id, row["v"].as_str().map(str::to_owned)).is_some(), "{id} was not there")
            }
            Some("delete") => assert!(rows.remove(&id).is_some(), "{id} was not there"),
            other => panic!("{other:?}"),
        }
    }
    rows
}

on_each_flavor! {
    fn feed_and_decoder_say_what_a_compressing_source_has(flavor) {
        let source = source(flavor);
        let kinds: Vec<String> = events(&source, "mysql-bin.000001").into_iter().map(|(_, kind, _)| kind).collect();
        let packed = match flavor {
            Flavor::MySql => kinds.iter().filter(|kind| *kind == "Transaction_payload").count(),
            Flavor::MariaDb => kinds.iter().filter(|kind| kind.ends_with("_compressed_v1") || *kind == "Query_compressed").count(),
        };
        assert!(packed > 60, "{packed} of {kinds:?}");
        let replicate = Replicate::new();
        let run = replicate.run(&start_args(&source, &["--until-caught-up"]));
        assert_eq!(run.code, 0, "{}", run.stderr);
        let rows = source.query("SELECT id, v FROM d.t");
        assert!(rows.len() > 35_000, "{} rows", rows.len());
        let wanted: BTreeMap<i64, Option<String>> =
            rows.into_iter().map(|row| (row[0].as_deref().unwrap().parse().unwrap(), row[1].clone())).collect();
        assert!(state(&run.stdout) == wanted);
        let decoded = replicate.run(&["decode".to_owned(), source.data_dir().join("mysql-bin.000001").display().to_string()]);
        assert_eq!(decoded.code, 0, "{}", decoded.stderr);
        assert!(decoded.stdout == run.stdout);
    }

    fn a_target_equals_a_compressing_source(flavor) {
        let source = source(flavor);
        let target = Server::start(flavor, &["--server-id=2"]);
        let replicate = Replicate::new();
        let mut process = replicate.spawn(&Replicate::start_args(&source, &target));
        let last = "SELECT v FROM d.t WHERE id = 1000000";
        await_value(&target, last, "the last");
        compare_tables(&source, &target, &["d"]).assert_same();
        assert!(process.is_running(), "{}", process.stderr());
        terminate(process);
    }
}
