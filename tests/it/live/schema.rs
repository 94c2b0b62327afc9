//! Column names where the source logs none (`binlog_row_metadata=MINIMAL`, the default of both servers): right at each
//! position however tables have changed since, or a stop that keeps the position.
//!
//! Columns hold their own names: a row that comes out as `{"id": 1, "a": "a", "b": "b"}` was read rightly, and one with
//! `"a": "b"` was not, whatever else happened.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use super::channel::{SOON, await_rows, checkpoint, fails, start_args, start_at, status, stops, terminate};
use super::harness::{Flavor, Replicate, Server};

fn source(flavor: Flavor) -> Server {
    Server::start(flavor, &["--binlog-row-metadata=MINIMAL"])
}

/// Asserts that every value is its column's name, and returns how many rows there are.
#[track_caller]
pub fn named_rightly(lines: &[String]) -> usize {
    let mut count = 0;
    for line in lines {
        let change: Value = serde_json::from_str(line).expect(line);
        if change["type"] == "ddl" {
            continue;
        }
        count += 1;
        for image in ["data", "old"] {
            for (name, value) in change[image].as_object().into_iter().flatten() {
                assert!(name == "id" || value.is_null() || value == name.as_str(), "{line}");
            }
        }
    }
    count
}

/// The columns of each row in short: `1 id,a,b`.
pub fn columns(lines: &[String]) -> Vec<String> {
    let lines = lines.iter().map(|line| serde_json::from_str::<Value>(line).expect(line));
    lines
        .filter(|line| line["type"] != "ddl")
        .map(|line| {
            let names: Vec<_> = line["data"].as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
            format!("{} {}", line["data"]["id"], names.join(","))
        })
        .collect()
}

/// What happens to tables, with a row after each change; ids are in order.
const HISTORY: &[(&str, &str)] = &[
    ("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, a VARCHAR(20), b VARCHAR(20))", "id,a,b"),
    ("ALTER TABLE d.t RENAME COLUMN a TO c", "id,c,b"),
    ("ALTER TABLE d.t ADD COLUMN e VARCHAR(20) AFTER c", "id,c,e,b"),
    ("ALTER TABLE d.t ADD f VARCHAR(20) FIRST, DROP COLUMN e", "f,id,c,b"),
    ("ALTER TABLE d.t CHANGE f g VARCHAR(20) AFTER id", "id,g,c,b"),
    ("ALTER TABLE d.t MODIFY b VARCHAR(30) AFTER id, ADD KEY (b)", "id,b,g,c"),
    ("ALTER TABLE d.t RENAME COLUMN b TO g, RENAME COLUMN g TO b", "id,g,b,c"),
    // gh-ost.
    (
        "CREATE TABLE d._t_gho LIKE d.t; ALTER TABLE d._t_gho CHANGE c h VARCHAR(20); \
         RENAME TABLE d.t TO d._t_del, d._t_gho TO d.t; DROP TABLE d._t_del",
        "id,g,b,h",
    ),
    // pt-online-schema-change.
    (
        "CREATE TABLE d._t_new LIKE d.t; ALTER TABLE d._t_new DROP COLUMN g, ADD COLUMN i VARCHAR(20) FIRST; \
         RENAME TABLE d.t TO d._t_old, d._t_new TO d.t; DROP TABLE IF EXISTS d._t_old",
        "i,id,b,h",
    ),
    ("DROP TABLE d.t; CREATE TABLE d.t (id INT PRIMARY KEY, h VARCHAR(20), i VARCHAR(20))", "id,h,i"),
    (
        "CREATE TABLE d.u LIKE d.t; DROP TABLE d.t; ALTER TABLE d.u RENAME COLUMN h TO j; RENAME TABLE d.u TO d.t",
        "id,j,i",
    ),
    ("USE d; ALTER TABLE t RENAME TO v; ALTER TABLE v RENAME COLUMN i TO k; ALTER TABLE v RENAME TO t", "id,j,k"),
];

/// Changes tables and adds a row after each change, each column of which holds its own name.
pub fn write_history(source: &Server, mut done: impl FnMut(usize)) {
    for (number, (change, names)) in HISTORY.iter().enumerate() {
        let values = names.split(',').map(|name| if name == "id" { number.to_string() } else { format!("'{name}'") });
        source.exec(change);
        source.exec(&format!("INSERT INTO d.t VALUES ({})", values.collect::<Vec<_>>().join(", ")));
        done(number);
    }
}

pub fn history_columns() -> Vec<String> {
    HISTORY.iter().enumerate().map(|(number, (_, names))| format!("{number} {names}")).collect()
}

on_each_flavor! {
    fn names_follow_the_changes_of_a_table_while_it_is_followed(flavor) {
        let source = source(flavor);
        let replicate = Replicate::new();
        let mut process = replicate.spawn(&start_args(&source, &[]));
        write_history(&source, |number| {
            await_rows(&mut process, number + 1);
        });
        named_rightly(&process.stdout_lines());
        assert_eq!(columns(&process.stdout_lines()), history_columns());
        terminate(process);
    }

    fn an_old_log_gives_the_old_names_where_it_holds_the_definition(flavor) {
        let source = source(flavor);
        write_history(&source, |_| {});
        source.exec("DROP TABLE d.t");
        let replicate = Replicate::new();
        let mut process = replicate.spawn(&start_args(&source, &["--until-caught-up"]));
        assert_eq!(process.wait_exit(SOON), 0, "{}", process.stderr());
        named_rightly(&process.stdout_lines());
        assert_eq!(columns(&process.stdout_lines()), history_columns());
    }

    fn names_that_cannot_be_known_stop_the_feed_until_they_are_told(flavor) {
        let source = source(flavor);
        source.exec("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, a VARCHAR(20), b VARCHAR(20))");
        source.exec("CREATE TABLE d.other (id INT PRIMARY KEY, x VARCHAR(20))");
        let (file, start) = source.log_position();
        source.exec("INSERT INTO d.other VALUES (1, 'x')");
        let (_, before) = source.log_position();
        source.exec("INSERT INTO d.t VALUES (2, 'a', 'b')");
        // Both columns are of one type: nothing in the table map tells that the names have changed places.
        source.exec("ALTER TABLE d.t RENAME COLUMN a TO b, RENAME COLUMN b TO a");
        let (_, changed) = source.log_position();
        source.exec("INSERT INTO d.t VALUES (3, 'b', 'a'); INSERT INTO d.other VALUES (4, 'x')");
        let replicate = Replicate::new();
        let args = start_at(&source, &file, start, &[]);
        let named = format!("ALTER TABLE at {file}:{changed}");
        for _ in 0..2 {
            let mut process = replicate.spawn(&args);
            let run = stops(&mut process, &["d.t", &named, "hint:", "schema import", "binlog_row_metadata=FULL"]);
            assert!(named_rightly(&process.stdout_lines()) <= 1, "{}", run.stderr);
            assert_eq!(checkpoint(&status(&replicate)), (file.clone(), before), "{}", run.stderr);
        }
        let dump = replicate.data_dir().join("old.sql");
        fs::write(&dump, "CREATE TABLE `d`.`t` (`id` int NOT NULL, `a` varchar(20), `b` varchar(20), PRIMARY KEY (`id`));")
            .unwrap();
        let run = replicate.run(&["schema", "import", &dump.display().to_string()]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        assert!(run.stdout.contains("d.t") && run.stdout.contains(&format!("{file}:{before}")), "{}", run.stdout);
        let mut process = replicate.spawn(&args);
        assert_eq!(await_rows(&mut process, 3), ["insert 2", "insert 3", "insert 4"]);
        assert_eq!(named_rightly(&process.stdout_lines()), 3);
        terminate(process);
    }

    fn what_is_told_before_the_source_is_met_holds(flavor) {
        let source = source(flavor);
        source.exec("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, a VARCHAR(20), b VARCHAR(20))");
        let (file, start) = source.log_position();
        source.exec("INSERT INTO d.t VALUES (1, 'a', 'b')");
        source.exec("ALTER TABLE d.t RENAME COLUMN a TO b, RENAME COLUMN b TO a; INSERT INTO d.t VALUES (2, 'b', 'a')");
        let replicate = Replicate::new();
        let mut change = start_at(&source, &file, start, &[]);
        change[0] = "change-master".to_owned();
        let args: Vec<&str> = change.iter().map(String::as_str).collect();
        assert_eq!(replicate.run(&args).code, 0);
        let dump = replicate.data_dir().join("old.sql");
        fs::write(&dump, "CREATE TABLE d.t (id INT PRIMARY KEY, a VARCHAR(20), b VARCHAR(20));").unwrap();
        let run = replicate.run(&["schema", "import", &dump.display().to_string()]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        let mut process = replicate.spawn(&["start", "--until-caught-up"].map(str::to_owned));
        assert_eq!(process.wait_exit(SOON), 0, "{}", process.stderr());
        assert_eq!(columns(&process.stdout_lines()), ["1 id,a,b", "2 id,b,a"]);
        let shown = replicate.run(&["schema", "show"]).stdout;
        assert!(shown.contains(&format!("since {file}:{start}  from import")), "{shown}");
    }

    fn what_was_learned_outlives_the_table_and_the_process(flavor) {
        let source = source(flavor);
        let replicate = Replicate::new();
        let mut process = replicate.spawn(&start_args(&source, &[]));
        source.exec("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, a VARCHAR(20), b VARCHAR(20))");
        source.exec("INSERT INTO d.t VALUES (1, 'a', 'b')");
        await_rows(&mut process, 1);
        terminate(process);
        source.exec("INSERT INTO d.t VALUES (2, 'a', 'b')");
        source.exec("ALTER TABLE d.t RENAME COLUMN a TO c; INSERT INTO d.t VALUES (3, 'c', 'b')");
        source.exec("DROP TABLE d.t; CREATE TABLE d.t (id INT PRIMARY KEY, b VARCHAR(20), c VARCHAR(20))");
        source.exec("INSERT INTO d.t VALUES (4, 'b', 'c'); DROP DATABASE d");
        let mut process = replicate.spawn(&start_args(&source, &[]));
        assert_eq!(await_rows(&mut process, 3), ["insert 2", "insert 3", "insert 4"]);
        assert_eq!(named_rightly(&process.stdout_lines()), 3);
        terminate(process);
    }

    fn names_stay_right_through_kills_while_tables_change_under_load(flavor) {
        let source = source(flavor);
        source.exec("CREATE DATABASE d; CREATE TABLE d.t (id INT AUTO_INCREMENT PRIMARY KEY, a VARCHAR(20), b VARCHAR(20))");
        let replicate = Replicate::new();
        let out = replicate.data_dir().with_file_name("feed.json");
        let sink = format!("file:{}", out.display());
        let args = start_args(&source, &["--sink", &sink]);
        let finished = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let mut session = source.session();
                for round in 0..60 {
                    let (one, two) = if round % 2 == 0 { ("a", "b") } else { ("b", "a") };
                    for _ in 0..10 {
                        session.exec(&format!("INSERT INTO d.t VALUES (NULL, '{one}', '{two}')"));
                    }
                    session.exec(match round % 3 {
                        0 => "ALTER TABLE d.t RENAME COLUMN a TO b, RENAME COLUMN b TO a",
                        1 => {
                            "CREATE TABLE d.n LIKE d.t; ALTER TABLE d.n RENAME COLUMN a TO b, RENAME COLUMN b TO a; \
                             ALTER TABLE d.n AUTO_INCREMENT = 10000; RENAME TABLE d.t TO d.o, d.n TO d.t; DROP TABLE d.o"
                        }
                        _ if round % 2 == 0 => {
                            "DROP TABLE d.t; CREATE TABLE d.t (id INT AUTO_INCREMENT PRIMARY KEY, b VARCHAR(20), a VARCHAR(20))"
                        }
                        _ => "DROP TABLE d.t; CREATE TABLE d.t (id INT AUTO_INCREMENT PRIMARY KEY, a VARCHAR(20), b VARCHAR(20))",
                    });
                }
                finished.store(true, Ordering::Relaxed);
            });
            while !finished.load(Ordering::Relaxed) {
                let mut process = replicate.spawn(&args);
                std::thread::sleep(std::time::Duration::from_millis(400));
                assert!(process.is_running(), "{}", process.stderr());
                process.kill9();
            }
            writer.join().unwrap();
        });
        let mut process = replicate.spawn(&start_args(&source, &["--sink", &sink, "--until-caught-up"]));
        assert_eq!(process.wait_exit(SOON), 0, "{}", process.stderr());
        let lines: Vec<String> = fs::read_to_string(&out).unwrap().lines().map(str::to_owned).collect();
        assert!(named_rightly(&lines) >= 600, "{} lines", lines.len());
    }

    fn what_is_known_is_shown_and_forgotten_on_demand(flavor) {
        let source = source(flavor);
        let replicate = Replicate::new();
        let mut process = replicate.spawn(&start_args(&source, &[]));
        source.exec("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, a VARCHAR(20)); INSERT INTO d.t VALUES (1, 'a')");
        await_rows(&mut process, 1);
        let run = replicate.run(&["schema", "refresh"]);
        fails(&run, 1, &["is run by another process", "hint:"]);
        let run = replicate.run(&["schema", "show", "d.t", "--json"]);
        let shown: Value = serde_json::from_str(&run.stdout).expect(&run.stderr);
        assert_eq!(shown[0]["columns"][1]["name"], "a", "{shown}");
        assert_eq!((&shown[0]["state"], &shown[0]["origin"]), (&"known".into(), &"ddl".into()), "{shown}");
        terminate(process);
        let text = replicate.run(&["schema", "show"]).stdout;
        assert!(text.starts_with("d.t  2 columns  since mysql-bin.000001:"), "{text}");
        // A change that the log does not hold: only a refresh brings it to light.
        source.exec("SET SESSION sql_log_bin = 0; ALTER TABLE d.t RENAME COLUMN a TO b; SET SESSION sql_log_bin = 1");
        source.exec("INSERT INTO d.t VALUES (2, 'b')");
        assert_eq!(replicate.run(&["schema", "refresh", "d.t"]).code, 0);
        fails(&replicate.run(&["schema", "show", "d.t"]), 1, &["nothing is known", "hint:"]);
        let mut process = replicate.spawn(&start_args(&source, &[]));
        assert_eq!(await_rows(&mut process, 1), ["insert 2"]);
        assert_eq!(named_rightly(&process.stdout_lines()), 1);
        terminate(process);
    }

    fn a_statement_about_a_temporary_table_is_not_about_the_one_that_it_hides(flavor) {
        let source = source(flavor);
        let mut session = source.session();
        session.exec("CREATE DATABASE d; USE d");
        session.exec("CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(20), b VARCHAR(20))");
        // Here definitions of temporary tables are logged.
        session.exec(if flavor == Flavor::MySql { "SET binlog_format = STATEMENT" } else { "SET binlog_format = MIXED" });
        session.exec("CREATE TEMPORARY TABLE t (id INT, b VARCHAR(20), a VARCHAR(20))");
        let replicate = Replicate::new();
        let mut process = replicate.spawn(&start_args(&source, &[]));
        source.exec("INSERT INTO d.t VALUES (1, 'a', 'b')");
        await_rows(&mut process, 1);
        terminate(process);
        session.exec("ALTER TABLE t CHANGE b q VARCHAR(20); CREATE TABLE u LIKE t");
        if flavor == Flavor::MySql {
            session.exec("ALTER TABLE t RENAME TO v");
        } else {
            session.exec("RENAME TABLE t TO v");
        }
        let mut process = replicate.spawn(&start_args(&source, &[]));
        source.exec("INSERT INTO d.t VALUES (2, 'a', 'b'); INSERT INTO d.u VALUES (3, 'q', 'a')");
        source.exec("CREATE TABLE IF NOT EXISTS d.v (id INT PRIMARY KEY, x VARCHAR(20), y VARCHAR(20))");
        source.exec("INSERT INTO d.v VALUES (4, 'x', 'y')");
        await_rows(&mut process, 3);
        assert_eq!(named_rightly(&process.stdout_lines()), 3);
        terminate(process);
    }

    fn a_log_that_leaves_statements_out_is_not_followed(flavor) {
        let source = Server::start(flavor, &["--binlog-row-metadata=MINIMAL", "--binlog-do-db=d"]);
        source.exec("CREATE DATABASE o; CREATE DATABASE d");
        let mut session = source.session();
        session.exec("USE d; CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(20), b VARCHAR(20))");
        session.exec("USE o; ALTER TABLE d.t RENAME COLUMN a TO z; INSERT INTO d.t VALUES (1, 'z', 'b')");
        let replicate = Replicate::new();
        let mut process = replicate.spawn(&start_args(&source, &[]));
        stops(&mut process, &["d.t", "binlog_do_db", "hint:", "binlog_row_metadata=FULL"]);
        assert_eq!(named_rightly(&process.stdout_lines()), 0);
    }

    fn an_import_before_the_source_was_met_counts(flavor) {
        let source = source(flavor);
        source.exec("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, a VARCHAR(20), b VARCHAR(20))");
        let (file, start) = source.log_position();
        source.exec("INSERT INTO d.t VALUES (1, 'a', 'b'); ALTER TABLE d.t RENAME COLUMN a TO c");
        let replicate = Replicate::new();
        let dump = replicate.data_dir().with_file_name("old.sql");
        fs::write(&dump, "CREATE TABLE d.t (id int PRIMARY KEY, a varchar(20), b varchar(20));").unwrap();
        let mut change = vec!["change-master".to_owned()];
        let start = start_at(&source, &file, start, &[]);
        change.extend_from_slice(&start[1..]);
        let change: Vec<&str> = change.iter().map(String::as_str).collect();
        assert_eq!(replicate.run(&change).code, 0);
        let run = replicate.run(&["schema", "import", &dump.display().to_string()]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        let mut process = replicate.spawn(&start);
        await_rows(&mut process, 1);
        assert_eq!(named_rightly(&process.stdout_lines()), 1);
        terminate(process);
    }

    fn a_table_that_changed_without_a_trace_is_noticed_where_its_columns_do_not_fit(flavor) {
        let source = source(flavor);
        let replicate = Replicate::new();
        let mut process = replicate.spawn(&start_args(&source, &[]));
        source.exec("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, a VARCHAR(20)); INSERT INTO d.t VALUES (1, 'a')");
        await_rows(&mut process, 1);
        source.exec("SET SESSION sql_log_bin = 0; ALTER TABLE d.t ADD COLUMN b VARCHAR(20) AFTER id; SET SESSION sql_log_bin = 1");
        source.exec("INSERT INTO d.t VALUES (2, 'b', 'a')");
        assert_eq!(await_rows(&mut process, 2), ["insert 1", "insert 2"]);
        assert_eq!(named_rightly(&process.stdout_lines()), 2);
        terminate(process);
    }
}

#[test]
fn types_of_mariadb_that_travel_as_binary_are_shown_with_full_metadata_too() {
    let source = Server::start(Flavor::MariaDb, &["--binlog-row-metadata=FULL"]);
    let make = |name: &str, id: &str| {
        source.exec(&format!("CREATE TABLE d.{name} (id INT PRIMARY KEY, v4 INET4, v6 INET6, u {id}, b BINARY(16))"));
    };
    let insert = |name: &str, number: u32| {
        let values = "'10.0.0.1', '2001:db8::1', '123e4567-e89b-12d3-a456-426655440000', REPEAT('x', 16)";
        source.exec(&format!("INSERT INTO d.{name} VALUES ({number}, {values})"));
    };
    source.exec("CREATE DATABASE d");
    for name in ["asked", "followed", "gone", "changed"] {
        make(name, if name == "changed" { "CHAR(36)" } else { "UUID" });
    }
    let (file, pos) = source.log_position();
    insert("asked", 1);
    make("seen", "UUID");
    insert("seen", 2);
    source.exec("ALTER TABLE d.followed ADD COLUMN w INET4 FIRST, DROP COLUMN v4");
    source.exec("INSERT INTO d.followed VALUES ('10.0.0.1', 3, '::', '123e4567-e89b-12d3-a456-426655440000', '')");
    insert("gone", 4);
    source.exec("DROP TABLE d.gone");
    insert("changed", 5);
    source.exec("ALTER TABLE d.changed MODIFY u UUID");
    insert("changed", 6);
    insert("asked", 7);
    let replicate = Replicate::new();
    let mut process = replicate.spawn(&start_at(&source, &file, pos, &["--until-caught-up"]));
    assert_eq!(process.wait_exit(SOON), 0, "{}", process.stderr());
    let lines = process.stdout_lines();
    let row = |id: u32| {
        let lines = lines.iter().map(|line| serde_json::from_str::<Value>(line).expect(line));
        lines.map(|line| line["data"].clone()).find(|data| data["id"] == id).expect("a row of each number")
    };
    let (v4, v6, u) = ("10.0.0.1", "2001:db8::1", "123e4567-e89b-12d3-a456-426655440000");
    for number in [1, 2, 6, 7] {
        let expected = serde_json::json!({"id": number, "v4": v4, "v6": v6, "u": u, "b": "eHh4eHh4eHh4eHh4eHh4eA=="});
        assert_eq!(row(number), expected);
    }
    assert_eq!((&row(3)["w"], &row(3)["v6"], &row(3)["u"]), (&v4.into(), &"::".into(), &u.into()));
    // What these were cannot be known any more: the bytes, and a word about it. No metadata of text is lost.
    assert_eq!((&row(4)["v4"], &row(4)["u"]), (&"CgAAAQ==".into(), &"Ej5FZ+ibEtOkVkJmVUQAAA==".into()));
    assert_eq!((&row(5)["v4"], &row(5)["u"]), (&"CgAAAQ==".into(), &u.into()));
    let warned = |table: &str| {
        process
            .stderr()
            .lines()
            .filter(|line| line.contains("come out as base64") && line.contains(&format!("table=d.{table} ")))
            .count()
    };
    assert_eq!(["asked", "followed", "gone", "changed"].map(warned), [0, 0, 1, 1], "{}", process.stderr());
}
