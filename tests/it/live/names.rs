//! Column names that the log leaves out, where they are harder to come by: from the dumps of the servers' own tools, for
//! a transaction that is larger than a batch and the first of its file, through definitions that are compressed.

use std::fs;

use serde_json::Value;

use super::channel::{SOON, events, start_args, start_at};
use super::decoding::tool;
use super::harness::{Flavor, Replicate, Server};
use super::schema::{columns, history_columns, named_rightly, write_history};

/// What a dump has to carry: many ways in which a column may look, and statements around the tables that define none.
const TABLES: &[&str] = &[
    "CREATE DATABASE d CHARACTER SET latin1",
    "USE d",
    "CREATE TABLE parent (id INT PRIMARY KEY) COMMENT 'a; ''quoted'' -- comment'",
    "CREATE TABLE t (id INT UNSIGNED NOT NULL AUTO_INCREMENT, `back``tick` VARCHAR(20) DEFAULT 'it''s;', \
     s CHAR(5) CHARACTER SET utf8mb4 NOT NULL DEFAULT '', e ENUM('x','y;','z''') DEFAULT 'x', f SET('p','q'), \
     n DECIMAL(10,2) UNSIGNED, b BIT(9), ts TIMESTAMP(3) NULL DEFAULT CURRENT_TIMESTAMP(3), bin VARBINARY(8), \
     g INT GENERATED ALWAYS AS (n + 1) VIRTUAL, h INT GENERATED ALWAYS AS (n * 2) STORED, p POINT, j JSON, \
     l LONGTEXT, r INT, PRIMARY KEY (id), UNIQUE KEY u (s, e), KEY k (`back``tick`(3)), \
     CONSTRAINT c FOREIGN KEY (r) REFERENCES parent (id) ON DELETE CASCADE) AUTO_INCREMENT=7",
    "CREATE TABLE parts (id INT, at DATE, PRIMARY KEY (id, at)) PARTITION BY RANGE (YEAR(at)) \
     (PARTITION a VALUES LESS THAN (2000), PARTITION z VALUES LESS THAN MAXVALUE)",
    "CREATE VIEW v AS SELECT id, s FROM t",
    "CREATE TRIGGER tr BEFORE INSERT ON parent FOR EACH ROW SET NEW.id = NEW.id + 0",
    "CREATE PROCEDURE pr() BEGIN SELECT 1; CREATE TEMPORARY TABLE inside (i INT); END",
    "CREATE EVENT ev ON SCHEDULE EVERY 1 YEAR DO DELETE FROM parent WHERE id < 0",
];

const ROWS: &[&str] = &[
    "INSERT INTO parent VALUES (8)",
    "INSERT INTO t (id, `back``tick`, s, e, f, n, b, ts, bin, p, j, l) VALUES (4, 'a', 'ä', 'z''', 'p,q', 1.5, 257, \
     '2020-01-02 03:04:05.678', x'00ff', ST_GeomFromText('POINT(1 2)'), '{\"a\": [1]}', 'long')",
    "INSERT INTO parts VALUES (1, '1999-12-31')",
];

on_each_flavor! {
    fn decode_takes_names_from_what_the_servers_own_tools_dump(flavor) {
        let source = Server::start(flavor, &["--binlog-row-metadata=MINIMAL"]);
        let mut session = source.session();
        TABLES.iter().for_each(|sql| session.exec(sql));
        if flavor == Flavor::MariaDb {
            session.exec("CREATE TABLE own (a INET6, b UUID, c INT INVISIBLE, d TEXT COMPRESSED) WITH SYSTEM VERSIONING");
        }
        session.exec("FLUSH BINARY LOGS");
        ROWS.iter().for_each(|sql| session.exec(sql));
        if flavor == Flavor::MariaDb {
            session.exec("INSERT INTO own (a, b, d) VALUES ('::1', '123e4567-e89b-12d3-a456-426655440000', 'text')");
        }
        let run = Replicate::new().run(&start_at(&source, "mysql-bin.000002", 4, &["--until-caught-up"]));
        assert_eq!(run.code, 0, "{}", run.stderr);
        let expected = run.stdout;
        assert_eq!(expected.lines().count(), if flavor == Flavor::MariaDb { 4 } else { 3 }, "{expected}");
        assert!(expected.contains(r#""back`tick":"a","s":"ä","e":"z'","f":"p,q","n":"1.50","b":257"#), "{expected}");
        let (host, port) = source.addr();
        let port = port.to_string();
        let program = if flavor == Flavor::MySql { "mysqldump" } else { "mariadb-dump" };
        let dir = tempfile::tempdir().unwrap();
        for what in [
            &["--databases", "d"][..],
            &["d"],
            &["--all-databases"],
            &["--databases", "d", "--routines", "--events", "--triggers", "--compact"],
            &["--databases", "d", "--skip-opt"],
        ] {
            let options = ["--no-data", "-uroot", "-h", &host, "-P", &port];
            let (ok, dump) = tool(flavor, program, &[&options[..], what].concat());
            assert!(ok, "{what:?}: {dump}");
            let schema = dir.path().join("schema.sql");
            fs::write(&schema, &dump).unwrap();
            let (schema, file) = (schema.display().to_string(), source.data_dir().join("mysql-bin.000002"));
            let run = Replicate::new().run(&["decode", "--schema", &schema, &file.display().to_string()]);
            assert_eq!((run.code, run.stdout.as_str()), (0, expected.as_str()), "{what:?}: {}", run.stderr);
            assert!(!run.stderr.contains("@1"), "{}", run.stderr);
        }
    }

    fn a_transaction_larger_than_a_batch_has_names_also_where_it_is_the_first(flavor) {
        let source = Server::start(flavor, &["--binlog-row-metadata=MINIMAL"]);
        source.exec("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, a VARCHAR(20), b MEDIUMTEXT)");
        let (file, pos) = source.log_position();
        let rows = (0..40).map(|id| format!("INSERT INTO d.t VALUES ({id}, 'a', REPEAT('b', 20000))"));
        source.exec(&format!("BEGIN; {}; COMMIT", rows.collect::<Vec<_>>().join("; ")));
        let (_, end) = source.log_position();
        assert!(end - pos > 512 << 10, "{pos} to {end}");
        let run = Replicate::new().run(&start_at(&source, &file, pos, &["--until-caught-up"]));
        assert_eq!(run.code, 0, "{}", run.stderr);
        let lines: Vec<Value> = run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 40);
        assert!(lines.iter().all(|line| line["data"]["a"] == "a"));
        assert!(lines.iter().all(|line| line["data"]["b"].as_str().is_some_and(|text| text.len() == 20000)));
    }
}

#[test]
fn names_follow_definitions_that_mariadb_compresses() {
    let options = ["--binlog-row-metadata=MINIMAL", "--log-bin-compress=ON", "--log-bin-compress-min-len=10"];
    let source = Server::start(Flavor::MariaDb, &options);
    write_history(&source, |_| {});
    // Nobody could ask for it any more.
    source.exec("DROP TABLE d.t");
    let packed = events(&source, "mysql-bin.000001").iter().filter(|(_, kind, _)| kind == "Query_compressed").count();
    assert!(packed >= 12, "{packed}");
    let replicate = Replicate::new();
    let mut process = replicate.spawn(&start_args(&source, &["--until-caught-up"]));
    assert_eq!(process.wait_exit(SOON), 0, "{}", process.stderr());
    named_rightly(&process.stdout_lines());
    assert_eq!(columns(&process.stdout_lines()), history_columns());
    let file = source.data_dir().join("mysql-bin.000001").display().to_string();
    let run = replicate.run(&["decode", &file]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let lines: Vec<String> = run.stdout.lines().map(str::to_owned).collect();
    assert_eq!(columns(&lines), history_columns());
}
