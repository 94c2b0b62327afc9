//! `replicate decode --format events` against `SHOW BINLOG EVENTS` of the server that wrote the files, and the selection
//! of transactions against `mysqlbinlog`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

use super::channel::fails;
use super::decoding::{text, tool};
use super::harness::{Flavor, Replicate, Server};

/// Statements that make events of many kinds in both servers; each must succeed.
const COMMON: &[&str] = &[
    "CREATE DATABASE d",
    "CREATE DATABASE `we``ird`",
    "CREATE TABLE d.t (id INT PRIMARY KEY AUTO_INCREMENT, v TEXT, b BLOB)",
    "USE d",
    "INSERT INTO t (v) VALUES ('one'), ('zwei ü')",
    "UPDATE t SET v = 'x\ny' WHERE id = 1",
    "DELETE FROM t WHERE id = 2",
    "USE `we``ird`",
    "CREATE TABLE `a b` (i INT)",
    "INSERT INTO `a b` VALUES (1)",
    "USE d",
    "SET binlog_format = STATEMENT",
    "SET @s = 'text', @l = _latin1'caf', @i = -5, @u = CAST(18446744073709551615 AS UNSIGNED), @r = 1.5e0, \
     @r2 = 1e100 / 3, @r3 = 123456789012345678e0, @r4 = 1e-7, @r5 = 0e0, @r6 = -1e14, @r7 = 1e15, @r8 = 1.0 / 3e0, \
     @r9 = -2.5e-300, @d = CAST(-12.340 AS DECIMAL(20, 3)), @d2 = CAST(0.5 AS DECIMAL(5, 5)), \
     @d3 = CAST(123456789012345678901234567890.123 AS DECIMAL(40, 3)), @n = NULL, @bin = x'00ff', @e = '', \
     @dt = CAST('2020-01-02 03:04:05.6' AS DATETIME(3)), @tm = CAST('10:11:12' AS TIME), @sj = _sjis x'8140', \
     @big = _utf8mb4 x'c3a4' COLLATE utf8mb4_bin, @`we``ird` = 0, @g = ST_GeomFromText('POINT(1 1)')",
    "INSERT INTO t (b) VALUES (@s), (@l), (@i), (@u), (@r), (@r2), (@r3), (@r4), (@r5), (@r6), (@r7), (@r8), (@r9), \
     (@d), (@d2), (@d3), (@n), (@bin), (@e), (@dt), (@tm), (@sj), (@big), (@`we``ird`), (@g)",
    "INSERT INTO t (v) VALUES (RAND())",
    "INSERT INTO t (v) VALUES (LAST_INSERT_ID())",
    "SET binlog_format = ROW",
    "BEGIN; INSERT INTO t (v) VALUES ('a'); SAVEPOINT sp; INSERT INTO t (v) VALUES ('b'); ROLLBACK TO sp; \
     INSERT INTO t (v) VALUES ('c'); COMMIT",
    "XA START 'gt', 'bq', 7; INSERT INTO t (v) VALUES ('xa'); XA END 'gt', 'bq', 7; XA PREPARE 'gt', 'bq', 7; \
     XA COMMIT 'gt', 'bq', 7",
    "XA START 'one'; INSERT INTO t (v) VALUES ('xa'); XA END 'one'; XA COMMIT 'one' ONE PHASE",
    "CREATE TABLE m (id INT) ENGINE=MyISAM",
    "INSERT INTO m VALUES (1)",
    "CREATE TABLE sel ENGINE=InnoDB AS SELECT * FROM t",
    "CREATE TABLE `umläut` (i INT) COMMENT 'ü'",
    "DROP TABLE sel, m",
    "SET foreign_key_checks = 0, unique_checks = 0",
    "INSERT INTO t (v) VALUES ('unchecked')",
    "SET foreign_key_checks = 1, unique_checks = 1",
    "CREATE TABLE p (i INT PRIMARY KEY) PARTITION BY HASH (i) PARTITIONS 2",
    "INSERT INTO p VALUES (1), (2)",
];

const MYSQL: &[&str] = &[
    "SET binlog_transaction_compression = ON",
    "INSERT INTO t (v) VALUES (REPEAT('y', 1000))",
    "UPDATE t SET v = 'q' WHERE id < 3",
    "SET binlog_transaction_compression = OFF",
    "SET GTID_NEXT = 'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa:my_tag:5'",
    "INSERT INTO t (v) VALUES ('tagged')",
    "SET GTID_NEXT = AUTOMATIC",
    "CREATE TABLE j (id INT PRIMARY KEY, d JSON)",
    "INSERT INTO j VALUES (1, JSON_OBJECT('a', REPEAT('z', 500)))",
    "SET binlog_row_value_options = PARTIAL_JSON",
    "UPDATE j SET d = JSON_SET(d, '$.a', 'b')",
];

const MARIADB: &[&str] = &[
    "SET gtid_domain_id = 3",
    "INSERT INTO t (v) VALUES ('domain')",
    "SET gtid_domain_id = 0",
    "SET GLOBAL log_bin_compress_min_len = 10",
    "SET GLOBAL log_bin_compress = ON",
    "INSERT INTO t (v) VALUES (REPEAT('y', 1000))",
    "UPDATE t SET v = REPEAT('q', 100) WHERE id < 3",
    "DELETE FROM t WHERE id < 20",
    "CREATE TABLE cc (i INT) COMMENT 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'",
    "SET GLOBAL log_bin_compress = OFF",
    "CREATE SEQUENCE sq",
    "SELECT NEXTVAL(sq)",
    "SET binlog_alter_two_phase = ON",
    "ALTER TABLE t ADD COLUMN zz INT",
];

fn source(flavor: Flavor) -> Server {
    match flavor {
        Flavor::MySql => {
            let options = ["--gtid-mode=ON", "--enforce-gtid-consistency=ON", "--binlog-rows-query-log-events=ON"];
            Server::start(flavor, &[&options[..], &["--local-infile=ON"]].concat())
        }
        Flavor::MariaDb => Server::start(flavor, &["--binlog-annotate-row-events=ON", "--local-infile=ON"]),
    }
}

fn file(source: &Server, number: u32) -> PathBuf {
    source.data_dir().join(format!("mysql-bin.{number:06}"))
}

/// The events of our list.
#[track_caller]
fn listed(args: &[&str], files: &[PathBuf]) -> Vec<Value> {
    let files: Vec<String> = files.iter().map(|file| text(file)).collect();
    let fixed = ["decode", "--format", "events", "--json"].map(str::to_owned);
    let args: Vec<String> = fixed.into_iter().chain(args.iter().map(|arg| (*arg).to_owned())).chain(files).collect();
    let run = Replicate::new().run(&args);
    assert_eq!(run.code, 0, "{args:?}\n{}", run.stderr);
    run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn load_data(source: &Server) {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("rows");
    std::fs::write(&data, "line\n").unwrap();
    let (host, port) = source.addr();
    let client = if source.flavor() == Flavor::MySql { "mysql" } else { "mariadb" };
    let sql = format!("SET binlog_format = STATEMENT; LOAD DATA LOCAL INFILE '{}' INTO TABLE t (v)", text(&data));
    let port = port.to_string();
    let args = ["-uroot", "-h", &host, "-P", &port, "--local-infile=1", "-e", &sql, "d"];
    let (ok, said) = tool(source.flavor(), client, &args);
    assert!(ok, "{said}");
}

/// Transactions in four files, one a minute from 2036-07-18 13:20 on: behind the
/// heads of the files, whose time `mysqlbinlog` looks at too. Returns where each begins.
fn minutes(source: &Server) -> Vec<(u32, u64)> {
    source.exec("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY); CREATE TABLE d.u (id INT PRIMARY KEY)");
    let mut session = source.session();
    let mut starts = Vec::new();
    for file in 1..=4 {
        for n in 0..5 {
            let id = file * 5 + n;
            starts.push((u32::try_from(file).unwrap(), source.log_position().1));
            session.exec(&format!("SET TIMESTAMP = {}", 2_100_000_000 + 60 * id));
            session.exec(&format!("BEGIN; INSERT INTO d.t VALUES ({id}); INSERT INTO d.u VALUES ({id}); COMMIT"));
        }
        source.exec("FLUSH BINARY LOGS");
    }
    starts
}

/// Where the transactions begin that a list has, by file and offset.
fn begun(events: &[Value]) -> BTreeSet<(String, u64)> {
    let gtids = events.iter().filter(|event| event["event_type"] == "Gtid");
    gtids.map(|event| (event["log_name"].as_str().unwrap().to_owned(), event["pos"].as_u64().unwrap())).collect()
}

on_each_flavor! {
    fn events_are_listed_as_the_server_lists_them(flavor) {
        let source = source(flavor);
        let mut session = source.session();
        let own = if flavor == Flavor::MySql { MYSQL } else { MARIADB };
        for sql in COMMON.iter().chain(own) {
            session.exec(sql);
        }
        load_data(&source);
        source.exec("FLUSH BINARY LOGS; INSERT INTO d.t (v) VALUES ('last')");
        let mut kinds = BTreeSet::new();
        for number in 1..=2 {
            let name = format!("mysql-bin.{number:06}");
            let expected = source.query(&format!("SHOW BINLOG EVENTS IN '{name}'"));
            let events = listed(&[], &[file(&source, number)]);
            for (event, row) in events.iter().zip(&expected) {
                let columns = ["log_name", "pos", "event_type", "server_id", "end_log_pos", "info"];
                let ours = columns.map(|column| match &event[column] {
                    Value::String(text) => Some(text.clone()),
                    other => Some(other.to_string()),
                });
                assert_eq!(ours.as_slice(), row.as_slice(), "{event}");
                let unpacked = event["in_payload"] == true;
                assert_eq!(event["checksum"].as_str(), (!unpacked).then_some("ok"), "{event}");
                kinds.insert(event["event_type"].as_str().unwrap().to_owned());
            }
            assert_eq!(events.len(), expected.len());
        }
        let count = if flavor == Flavor::MySql { 20 } else { 21 };
        assert!(kinds.len() >= count, "{}: {kinds:?}", kinds.len());
    }

    fn the_same_transactions_are_selected_as_mysqlbinlog_selects(flavor) {
        let source = source(flavor);
        let starts = minutes(&source);
        let files: Vec<PathBuf> = (1..=4).map(|number| file(&source, number)).collect();
        let gtids: BTreeSet<u64> = begun(&listed(&[], &files[1..2])).into_iter().map(|(_, pos)| pos).collect();
        assert_eq!(gtids.len(), 5);
        let program = if flavor == Flavor::MySql { "mysqlbinlog" } else { "mariadb-binlog" };
        // In one file, where the tool names offsets.
        let one = |args: &[&str], theirs: &[&str], count: usize| {
            let path = text(&files[1]);
            let (ok, said) = tool(flavor, program, &[theirs, &[&path]].concat());
            assert!(ok, "{said}");
            // An offset is also told of what is only looked at; of what is shown, the event follows.
            let lines: Vec<&str> = said.lines().collect();
            let shown = lines.windows(2).filter(|pair| pair[1].contains("GTID"));
            let at = shown.filter_map(|pair| pair[0].strip_prefix("# at ")?.parse::<u64>().ok());
            let expected: BTreeSet<u64> = at.filter(|at| gtids.contains(at)).collect();
            let ours: BTreeSet<u64> = begun(&listed(args, &files[1..2])).into_iter().map(|(_, pos)| pos).collect();
            assert_eq!(ours, expected, "{args:?}");
            assert_eq!(ours.len(), count, "{args:?}");
        };
        let third = starts[7].1.to_string();
        let inside = (starts[7].1 + 100).to_string();
        let named = format!("mysql-bin.000002:{third}");
        one(&["--start", &third], &["--start-position", &third], 3);
        one(&["--start-position", &third], &["--start-position", &third], 3);
        one(&["--start", &named], &["--start-position", &third], 3);
        one(&["--stop", &third], &["--stop-position", &third], 2);
        one(&["--stop", &named], &["--stop-position", &third], 2);
        one(&["--stop-position", &inside], &["--stop-position", &inside], 3);
        // The 13th minute is the third transaction of the second file.
        for (time, same) in [("2036-07-18 13:32:00", "2036-07-18T14:32:00+01:00"), ("2036-07-18 13:31:59", "2036-07-18 13:31:59Z")] {
            one(&["--start", time], &["--start-datetime", time], 3);
            one(&["--start-datetime", time], &["--start-datetime", time], 3);
            one(&["--start", same], &["--start-datetime", time], 3);
            one(&["--stop", time], &["--stop-datetime", time], 2);
            one(&["--stop-datetime", time], &["--stop-datetime", time], 2);
        }
        let all = listed(&[], &files);
        let of = |index: usize| {
            let (file, pos) = starts[index];
            let here = |event: &&Value| event["pos"] == pos && event["log_name"] == format!("mysql-bin.{file:06}").as_str();
            all.iter().find(here).unwrap()["gtid"].as_str().unwrap().to_owned()
        };
        let range = |from: usize, to: usize| match of(from).rsplit_once(':') {
            Some((uuid, first)) => format!("{uuid}:{first}-{}", of(to).rsplit_once(':').unwrap().1),
            None => of(to),
        };
        let some = range(5, 6);
        if flavor == Flavor::MySql {
            one(&["--start", &some], &["--exclude-gtids", &some], 3);
            one(&["--exclude-gtids", &some], &["--exclude-gtids", &some], 3);
            one(&["--include-gtids", &some], &["--include-gtids", &some], 2);
        } else {
            one(&["--start", &some], &["--start-position", &some], 3);
            one(&["--stop", &some], &["--stop-position", &some], 2);
        }
        // Over all files.
        let ours = |args: &[&str]| begun(&listed(args, &files)).len();
        let whole = ours(&[]);
        assert_eq!(whole, 23);
        assert_eq!(ours(&["--start", &named]), 13);
        assert_eq!(ours(&["--stop", &named]), 10);
        assert_eq!(ours(&["--start", &named, "--stop", &format!("mysql-bin.000004:{}", starts[16].1)]), 9);
        assert_eq!(ours(&["--start", "2036-07-18 13:32:00", "--stop", "2036-07-18T13:35:00Z"]), 3);
        assert_eq!(ours(&["--stop", &range(5, 8)]), 12);
        assert_eq!(ours(&["--start", &range(5, 8), "--stop", &range(5, 9)]), if flavor == Flavor::MySql { 9 } else { 1 });
    }

    fn what_is_selected_comes_out_alike_in_every_format(flavor) {
        let source = source(flavor);
        let starts = minutes(&source);
        let files: Vec<String> = (1..=4).map(|number| text(&file(&source, number))).collect();
        let decode = |args: &[&str]| {
            let files = files.iter().map(String::as_str);
            let args: Vec<&str> = ["decode"].into_iter().chain(args.iter().copied()).chain(files).collect();
            Replicate::new().run(&args)
        };
        let lines = |args: &[&str]| {
            let run = decode(args);
            assert_eq!(run.code, 0, "{args:?}\n{}", run.stderr);
            run.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>()
        };
        let named = format!("mysql-bin.000002:{}", starts[7].1);
        let all = lines(&[]);
        assert_eq!(all.len(), 43);
        for (args, rows, transactions) in [
            (vec!["--start", &named], 26, 13),
            (vec!["--start", &named, "--table", "d.t"], 13, 13),
            (vec!["--database", "d", "--table", "u", "--type", "insert"], 20, 20),
            (vec!["--database", "x*"], 0, 0),
            (vec!["--type", "ddl"], 3, 3),
            (vec!["--table", "t", "--table", "?.u", "--type", "insert,ddl", "--stop", &named], 16, 9),
        ] {
            let json = lines(&args);
            assert_eq!(json.len(), rows, "{args:?} {json:?}");
            // What is left of a transaction is as it was.
            let commit = |line: &Value| {
                let mut line = line.clone();
                line.as_object_mut().unwrap().remove("commit");
                line
            };
            assert!(json.iter().all(|line| all.iter().any(|other| commit(other) == commit(line))), "{json:?}");
            let stats = lines(&[&args[..], &["--format", "stats", "--json"]].concat()).remove(0);
            assert_eq!(stats["total"]["transactions"], transactions, "{args:?} {stats}");
            let counted = stats["total"]["rows"].as_u64().unwrap() + stats["total"]["statements"].as_u64().unwrap();
            assert_eq!(counted, u64::try_from(rows).unwrap(), "{args:?} {stats}");
            let events = lines(&[&args[..], &["--format", "events", "--json"]].concat());
            assert_eq!(begun(&events).len(), transactions, "{args:?}");
        }
        // Places that are none.
        for format in ["json", "events", "stats"] {
            let at = |place: &str| decode(&["--format", format, "--start", place]);
            let (before, after) = (starts[7].1.to_string(), starts[7].1 + 1);
            fails(&at(&format!("mysql-bin.000002:{after}")), 1, &["inside an event", &before, "hint:"]);
            fails(&at("mysql-bin.000002:99999999"), 1, &["behind the end of the file"]);
            fails(&at("mysql-bin.000009:4"), 1, &["mysql-bin.000009", "no such file was read"]);
            let nowhere = at("here");
            assert_eq!(nowhere.code, 2, "{}", nowhere.stderr);
        }
    }
}
