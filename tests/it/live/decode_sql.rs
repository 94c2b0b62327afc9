//! `replicate decode --format sql` and `--format flashback`, proved by the servers' own clients: forward into an empty
//! server gives what the source has, and back again what it had.

use std::fs::File;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::harness::{Flavor, Server, Session, compare_tables};
use super::types;
use super::workload::seed;

/// Ends the source's log file; the number of the one that follows.
fn next_file(source: &Server) -> u32 {
    source.exec("FLUSH BINARY LOGS");
    source.log_position().0.rsplit('.').next().unwrap().parse().unwrap()
}

/// The source's log files of these numbers.
fn files(source: &Server, numbers: RangeInclusive<u32>) -> Vec<PathBuf> {
    numbers.map(|number| source.data_dir().join(format!("mysql-bin.{number:06}"))).collect()
}

/// `replicate decode` of the source's files from this number to the last, into a file.
#[track_caller]
fn script(source: &Server, first: u32, dir: &Path, args: &[&str]) -> PathBuf {
    let last = next_file(source) - 1;
    let (path, output) = decode(&files(source, first..=last), dir, args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    path
}

fn decode(files: &[PathBuf], dir: &Path, args: &[&str]) -> (PathBuf, Output) {
    let name: String = args.concat().chars().filter(char::is_ascii_alphanumeric).collect();
    let path = dir.join(format!("{name}.sql"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_replicate"));
    command.arg("decode").args(args).args(files).env_remove("RUST_LOG").stdin(Stdio::null());
    let output = command.stdout(File::create(&path).unwrap()).stderr(Stdio::piped()).output().unwrap();
    (path, output)
}

/// `replicate decode` of one file fails, says all of these, and prints nothing.
#[track_caller]
fn refuses(source: &Server, file: u32, args: &[&str], words: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let (path, output) = decode(&files(source, file..=file), dir.path(), args);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(words.iter().all(|word| said.contains(word)), "{said}");
    if args.contains(&"flashback") {
        assert_eq!(std::fs::read(path).unwrap().len(), 0);
    }
}

/// Feeds a script to the server's own client, as its documentation says.
fn try_feed(server: &Server, script: &Path) -> Output {
    feed_with(server, script, &[])
}

/// The same, with further options of the client.
fn feed_with(server: &Server, script: &Path, options: &[&str]) -> Output {
    client(server).args(options).stdin(File::open(script).unwrap()).output().unwrap()
}

/// The server's own client.
fn client(server: &Server) -> Command {
    let home = std::env::var("REPLICATE_SERVERS_DIR")
        .map_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/servers"), PathBuf::from);
    let (family, variable, version) = match server.flavor() {
        Flavor::MySql => ("mysql", "REPLICATE_TEST_MYSQL", "9.7"),
        Flavor::MariaDb => ("mariadb", "REPLICATE_TEST_MARIADB", "10.11"),
    };
    let version = std::env::var(variable).unwrap_or_else(|_| version.to_owned());
    let mut client = Command::new(home.join(format!("{family}-{version}/bin/{family}")));
    client
        .args(["--no-defaults", "--binary-mode", "--local-infile=1", "--max-allowed-packet=64M", "-uroot", "-S"])
        .arg(server.socket());
    client
}

#[track_caller]
fn feed(server: &Server, script: &Path) {
    let output = try_feed(server, script);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{}", context(script, &said));
}

/// The lines of the script around the one that an error names.
fn context(script: &Path, said: &str) -> String {
    let line = said.split("at line ").nth(1).and_then(|rest| rest.split(':').next()).and_then(|n| n.parse().ok());
    let text = String::from_utf8_lossy(&std::fs::read(script).unwrap()).into_owned();
    let line: usize = line.unwrap_or(1);
    let lines = text.lines().enumerate().skip(line.saturating_sub(4)).take(6);
    lines.map(|(at, line)| format!("{}: {:.600}\n", at + 1, line)).collect()
}

/// The tables of every type, but for those that keep their history.
fn load(session: &mut Session, flavor: Flavor) {
    let all = if flavor == Flavor::MySql { types::MYSQL } else { types::MARIADB };
    let (tables, changes) = all.split_once("-- Changes.").unwrap();
    let keys = tables.find("CREATE TABLE t_keys").unwrap();
    let head = &tables[..tables.find("-- Columns that the log has").unwrap_or(keys)];
    let tail = &tables[keys..];
    session.exec("CREATE DATABASE e; USE e");
    session.exec(head);
    session.exec(tail);
    session.exec(changes);
}

/// Row changes of every kind to every table.
fn scramble(session: &mut Session) {
    for (table, columns) in types::tables(session) {
        let quoted = format!("`{}`", table.replace('`', "``"));
        if columns.iter().any(|column| column == "`id`") {
            let rest = columns.iter().filter(|column| *column != "`id`").map(|c| format!("a.{c} = b.{c}"));
            let swap: Vec<String> = rest.collect();
            session.exec(&format!("UPDATE {quoted} a JOIN {quoted} b ON b.id = a.id + 1 SET {}", swap.join(", ")));
            session.exec(&format!("BEGIN; DELETE FROM {quoted} WHERE id % 3 = 1"));
            session.exec(&format!("UPDATE {quoted} SET id = id + 5000 ORDER BY id DESC; COMMIT"));
            session.exec(&format!("DELETE FROM {quoted} WHERE id % 5 = 1"));
        } else {
            session.exec(&format!("DELETE FROM {quoted} LIMIT 1"));
        }
    }
}

on_each_flavor! {
    fn every_type_is_replayed_into_an_empty_server_and_undone_again(flavor) {
        let (source, target) =
            (Server::start(flavor, &["--binlog-row-metadata=FULL"]), Server::start(flavor, &["--server-id=2"]));
        let dir = tempfile::tempdir().unwrap();
        let mut session = source.session();
        load(&mut session, flavor);
        types::change_everything(&mut session);
        feed(&target, &script(&source, 1, dir.path(), &["--format", "sql"]));
        let same = compare_tables(&source, &target, &["e"]);
        same.assert_same();
        assert!(same.tables > 30 && same.rows > 100, "{same}");
        for by_key in [&["--format", "flashback"][..], &["--format", "flashback", "--by-key"]] {
            let first = next_file(&source);
            scramble(&mut session);
            assert!(!compare_tables(&source, &target, &["e"]).is_same());
            feed(&source, &script(&source, first, dir.path(), by_key));
            compare_tables(&source, &target, &["e"]).assert_same();
        }
    }
}

/// Statements whose meaning is in their session, and texts that a client could take apart in the wrong places.
const SESSIONS: &str = r#"
    CREATE DATABASE d; USE d;
    SET SESSION binlog_format = 'STATEMENT';
    CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, a VARCHAR(60), b DOUBLE, c DATETIME(6), n INT) CHARACTER SET utf8mb4;
    INSERT INTO t (a) VALUES ('one'), ('tw;o'), ('$$'); INSERT INTO t (a, n) VALUES ('last', LAST_INSERT_ID());
    SET SESSION auto_increment_increment = 10, auto_increment_offset = 3;
    INSERT INTO t (a) VALUES ('ten'), ('more'); SET SESSION auto_increment_increment = 1, auto_increment_offset = 1;
    INSERT INTO t (b) VALUES (RAND());
    SET time_zone = '+05:30'; INSERT INTO t (c) VALUES (NOW(6)), (FROM_UNIXTIME(1000000000)); SET time_zone = 'SYSTEM';
    SET @a = 'it''s;', @`b c` = 1.50, @n = NULL, @i = -5; INSERT INTO t (a, b, n) VALUES (@a, @`b c`, @i), (@n, 1e-3, NULL);
    SET @u = _latin1 x'e4f6' COLLATE latin1_german1_ci; INSERT INTO t (a, n) SELECT @u, @u = _latin1'aeoe';
    SET sql_mode = 'ANSI_QUOTES'; INSERT INTO "t" ("a") VALUES ('"'); SET sql_mode = 'NO_BACKSLASH_ESCAPES';
    INSERT INTO t (a) VALUES ('back\slash; \'); SET sql_mode = DEFAULT; INSERT INTO t (a) VALUES ('quote\';"`');
    SET NAMES latin1; CREATE TABLE `l` (`ä` VARCHAR(9) DEFAULT 'ö') CHARACTER SET latin1; INSERT INTO l VALUES ('x'), (DEFAULT); SET NAMES utf8mb4;
    SET foreign_key_checks = 0; CREATE TABLE child (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES later (id)) ENGINE=InnoDB;
    CREATE TABLE later (id INT PRIMARY KEY) ENGINE=InnoDB; INSERT INTO child VALUES (1, 99); SET foreign_key_checks = 1;
    BEGIN; INSERT INTO t (a) VALUES ('before'); SAVEPOINT `s;p`; INSERT INTO t (a) VALUES ('behind'); ROLLBACK TO `s;p`; INSERT INTO t (a) VALUES ('after'); COMMIT;
    CREATE TABLE w (id INT PRIMARY KEY, n INT);
    CREATE TRIGGER tr BEFORE INSERT ON w FOR EACH ROW BEGIN SET NEW.n = NEW.id * 2; SET @x = ';$$'; /* ; */ END;
    INSERT INTO w (id) VALUES (1), (2);
    CREATE PROCEDURE p(IN x INT) BEGIN DECLARE y INT DEFAULT 0; -- it's a comment;
      SET y = x; INSERT INTO w (id) VALUES (y); IF y > 1 THEN SELECT 'x;' INTO @d; END IF; END;
    CALL p(7);
    CREATE FUNCTION f() RETURNS VARCHAR(20) DETERMINISTIC RETURN 'a;b$$c';
    CREATE EVENT ev ON SCHEDULE EVERY 1 YEAR STARTS '2037-01-01 00:00:00' DO BEGIN SET @y = 1; END;
    CREATE VIEW v AS SELECT a FROM t WHERE a <> ';' -- comment at the end
    ;
    SET SESSION binlog_format = 'ROW';
    CREATE TABLE copied (PRIMARY KEY (id)) AS SELECT id, a FROM t; ALTER TABLE copied ADD COLUMN `we;ird ``$$` INT DEFAULT 5;
    INSERT INTO copied (id, a) VALUES (1000, 'x'); DROP TRIGGER tr; INSERT INTO w VALUES (50, 50);
"#;

on_each_flavor! {
    fn statements_are_replayed_with_their_sessions(flavor) {
        let options = ["--binlog-row-metadata=FULL", "--log-bin-trust-function-creators=ON"];
        let (source, target) = (Server::start(flavor, &options), Server::start(flavor, &["--server-id=2"]));
        let dir = tempfile::tempdir().unwrap();
        // The client takes bodies apart, so each statement goes alone.
        let path = dir.path().join("sessions.sql");
        std::fs::write(&path, with_delimiters(SESSIONS)).unwrap();
        feed(&source, &path);
        feed(&target, &script(&source, 1, dir.path(), &["--format", "sql"]));
        let same = compare_tables(&source, &target, &["d"]);
        same.assert_same();
        assert!(same.rows > 40, "{same}");
        for what in ["PROCEDURE d.p", "FUNCTION d.f", "EVENT d.ev"] {
            let text = |server: &Server| server.query(&format!("SHOW CREATE {what}"))[0].clone();
            assert_eq!(text(&source), text(&target));
        }
        let values = "SELECT GROUP_CONCAT(CONCAT_WS('|', id, HEX(a), b, c, n) ORDER BY id SEPARATOR ' ') FROM d.t";
        assert_eq!(source.query(values), target.query(values));
        // What is committed by a statement cannot be undone, and nothing of the rest comes out.
        refuses(&source, 1, &["--format", "flashback"], &["CREATE DATABASE", "mysql-bin.000001:", "--start"]);
    }
}

/// The script with `//` after each statement that holds others.
fn with_delimiters(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let compound = line.contains(" BEGIN ") && line.trim_start().starts_with("CREATE");
        if compound {
            out.push_str("DELIMITER //\n");
        }
        let ends = (compound && line.trim_end().ends_with("END;")) || line.trim_end().ends_with("END IF; END;");
        match line.trim_end().strip_suffix(';').filter(|_| ends) {
            Some(line) => out.push_str(&format!("{line}\n//\nDELIMITER ;\n")),
            None => out.push_str(&format!("{line}\n")),
        }
    }
    out
}

on_each_flavor! {
    fn the_character_set_of_the_client_takes_no_value_apart(flavor) {
        let source = Server::start(flavor, &["--binlog-row-metadata=FULL"]);
        let target = Server::start(flavor, &["--server-id=2"]);
        let dir = tempfile::tempdir().unwrap();
        source.exec(
            r"CREATE DATABASE d; CREATE TABLE d.q (a INT); CREATE TABLE d.t (id INT PRIMARY KEY, a TEXT CHARACTER SET utf8mb4, b BLOB);
              INSERT INTO d.t VALUES (1, 'ё'';drop table d.q; -- ', x'8127'), (2, 'ё\\', x'815c27'), (3, 'x\'', x'fe5c')",
        );
        let path = script(&source, 1, dir.path(), &["--format", "sql"]);
        for charset in ["sjis", "gbk", "big5", "latin1"] {
            target.exec("DROP DATABASE IF EXISTS d");
            let output = feed_with(&target, &path, &[&format!("--default-character-set={charset}"), "--force"]);
            assert!(output.stderr.is_empty(), "{charset}: {}", String::from_utf8_lossy(&output.stderr));
            assert!(output.stdout.is_empty(), "{charset}: {}", String::from_utf8_lossy(&output.stdout));
            compare_tables(&source, &target, &["d"]).assert_same();
            assert_eq!(target.query_one("SELECT COUNT(*) FROM d.q"), "0");
        }
    }

    fn a_row_that_was_changed_since_is_noticed_and_left_alone(flavor) {
        let source = Server::start(flavor, &["--binlog-row-metadata=FULL"]);
        let dir = tempfile::tempdir().unwrap();
        source.exec(
            "CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, a INT, b VARCHAR(9), c FLOAT, at TIMESTAMP NOT NULL \
             DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP); INSERT INTO d.t VALUES (1, 1, 'x', 0.1, \
             '2001-01-01'), (2, 1, 'y', NULL, '2001-01-01')",
        );
        let rows = "SELECT GROUP_CONCAT(CONCAT_WS('|', id, a, b, c, at) ORDER BY id) FROM d.t";
        let before = source.query_one(rows);
        let bad = next_file(&source);
        source.exec("UPDATE d.t SET a = 2; DELETE FROM d.t WHERE id = 2; INSERT INTO d.t (id, b) VALUES (3, 'new')");
        let later = next_file(&source);
        source.exec("UPDATE d.t SET b = 'z', at = at WHERE id = 1");
        let after = source.query_one(rows);
        next_file(&source);
        let undo = |args: &[&str]| {
            let (path, output) = decode(&files(&source, bad..=bad), dir.path(), &[&["--format", "flashback"], args].concat());
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            try_feed(&source, &path)
        };
        let output = undo(&["--single-transaction"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains("replicate: the row is not as the log left it"), "{said}");
        assert_eq!(source.query_one(rows), after);
        // Once the later change is undone, too, the rest fits.
        let (path, _) = decode(&files(&source, later..=later), dir.path(), &["--format", "flashback"]);
        feed(&source, &path);
        let output = undo(&[]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(source.query_one(rows), before);
        source.exec("DELETE FROM d.t; INSERT INTO d.t SELECT 1, 2, 'w', 0.1, '2001-01-01'; INSERT INTO d.t (id) VALUES (3)");
        // By key a changed row is overwritten, but only in what the log says was changed.
        let output = undo(&["--by-key"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(source.query_one(rows), before.replacen("|x|", "|w|", 1));
    }

    fn what_a_log_does_not_hold_is_refused_by_name(flavor) {
        let source = Server::start(flavor, &["--binlog-row-metadata=FULL"]);
        source.exec("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, a INT, b TEXT, c TEXT); CREATE TABLE d.n (a INT, b INT)");
        source.exec("INSERT INTO d.t VALUES (1, 1, 'b', 'c'); INSERT INTO d.n VALUES (1, 1)");
        let flashback = ["--format", "flashback"];
        for (image, sql, words) in [
            ("MINIMAL", "UPDATE d.t SET a = 2 WHERE id = 1", &["d.t", "column a", "binlog_row_image"][..]),
            ("NOBLOB", "UPDATE d.t SET b = 'new' WHERE id = 1", &["d.t", "column b"]),
            ("NOBLOB", "DELETE FROM d.t WHERE id = 1", &["d.t", "column b, c"]),
            ("FULL", "TRUNCATE d.n", &["TRUNCATE", "--table"]),
        ] {
            let file = next_file(&source);
            source.exec(&format!("SET SESSION binlog_row_image = '{image}'; {sql}"));
            next_file(&source);
            let place = format!("mysql-bin.{file:06}:");
            refuses(&source, file, &flashback, &[&[place.as_str()], words].concat());
        }
        // A minimal image of an inserted row has its key, which is all that is needed.
        let dir = tempfile::tempdir().unwrap();
        let file = next_file(&source);
        source.exec("SET SESSION binlog_row_image = 'MINIMAL'; INSERT INTO d.t (id) VALUES (5); UPDATE d.t SET id = 6");
        let path = script(&source, file, dir.path(), &flashback);
        feed(&source, &path);
        assert_eq!(source.query_one("SELECT COUNT(*) FROM d.t"), "0");
        let file = next_file(&source);
        source.exec("SET SESSION binlog_row_image = 'FULL'; SET GLOBAL binlog_row_metadata = 'MINIMAL'; \
            INSERT INTO d.n VALUES (5, NULL)");
        let deleted = next_file(&source);
        source.exec("DELETE FROM d.n");
        next_file(&source);
        // Without names rows can be inserted, by place, and not be found.
        let (path, output) = decode(&files(&source, file..=file), dir.path(), &["--format", "sql"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        feed(&source, &path);
        assert_eq!(source.query_one("SELECT CONCAT(a, '|', b IS NULL) FROM d.n"), "5|1");
        refuses(&source, deleted, &["--format", "sql"], &["d.n", "--schema", "binlog_row_metadata=FULL"]);
        refuses(&source, file, &flashback, &["d.n", "--schema"]);
    }
}

/// Random changes of tables with keys, without, and that refer to one another; some rolled back.
fn random_changes(session: &mut Session, rng: &mut StdRng, statements: u32) {
    for _ in 0..statements {
        let (id, other, n) = (rng.random_range(0..60), rng.random_range(0..60), rng.random_range(0..5));
        let text = ["NULL", "''", "'a'", "'A '", "'\\'\\\\'", "x'00ff'"][rng.random_range(0..6)];
        let sql = match rng.random_range(0..13) {
            0 => format!("INSERT IGNORE INTO r.p VALUES ({id}, {n}, {text}, {n} / 7), ({other}, NULL, {text}, -0e0)"),
            1 => format!("UPDATE IGNORE r.p SET id = id + {n}, v = {text} WHERE id > {id} ORDER BY id DESC LIMIT 5"),
            2 => format!("DELETE FROM r.p WHERE id = {id} OR n = {n}"),
            3 => format!("INSERT INTO r.n VALUES ({n}, {text}, {n} / 3), ({n}, {text}, {n} / 3)"),
            4 => format!("UPDATE r.n SET v = {text} WHERE n = {n} LIMIT 2"),
            5 => format!("DELETE FROM r.n WHERE n = {n} LIMIT 2"),
            6 => format!("INSERT IGNORE INTO r.u VALUES ({id}, {n}), ({other}, NULL)"),
            7 => format!("UPDATE IGNORE r.u SET k = k + 1, n = {n} WHERE k > {id} ORDER BY k DESC"),
            8 => format!("REPLACE INTO r.p VALUES ({id}, {n}, {text}, 1)"),
            9 => format!(
                "INSERT IGNORE INTO r.parent VALUES ({id}, {n}); INSERT IGNORE INTO r.child VALUES ({other}, {id})"
            ),
            10 => format!("UPDATE IGNORE r.parent SET id = id + 100 WHERE id = {id}"),
            11 => format!("DELETE FROM r.parent WHERE id = {id}"),
            _ => ["BEGIN", "COMMIT", "ROLLBACK"][rng.random_range(0..3)].to_owned(),
        };
        session.exec(&sql);
    }
    session.exec("COMMIT");
}

on_each_flavor! {
    fn random_changes_are_replayed_and_undone(flavor) {
        let seed = seed();
        let mut rng = StdRng::seed_from_u64(seed);
        let (source, target) =
            (Server::start(flavor, &["--binlog-row-metadata=FULL"]), Server::start(flavor, &["--server-id=2"]));
        let dir = tempfile::tempdir().unwrap();
        // Only MySQL logs what foreign keys do to other rows.
        let action = if flavor == Flavor::MySql { "ON DELETE CASCADE ON UPDATE CASCADE" } else { "" };
        source.exec(&format!(
            "CREATE DATABASE r; CREATE TABLE r.p (id INT PRIMARY KEY, n INT, v VARCHAR(9) CHARACTER SET latin1, d DOUBLE); \
             CREATE TABLE r.n (n INT, v VARBINARY(9), f FLOAT); CREATE TABLE r.u (k INT NOT NULL, n INT, UNIQUE KEY (k)); \
             CREATE TABLE r.parent (id INT PRIMARY KEY, n INT); CREATE TABLE r.child (id INT PRIMARY KEY, p INT, \
             FOREIGN KEY (p) REFERENCES r.parent (id) {action})"));
        let mut session = source.session();
        session.exec("SET sql_mode = ''");
        if action.is_empty() {
            session.exec("SET foreign_key_checks = 0");
        }
        let mut first = 1;
        for _ in 0..4 {
            random_changes(&mut session, &mut rng, 200);
            feed(&target, &script(&source, first, dir.path(), &["--format", "sql"]));
            compare_tables(&source, &target, &["r"]).assert_same();
            first = next_file(&source);
            random_changes(&mut session, &mut rng, 200);
            assert!(!compare_tables(&source, &target, &["r"]).is_same());
            feed(&source, &script(&source, first, dir.path(), &["--format", "flashback"]));
            compare_tables(&source, &target, &["r"]).assert_same();
            first = next_file(&source);
        }
    }
}

/// The highest resident memory of a process in KiB while it runs, and whether it succeeded.
fn watch(command: &mut Command) -> (u64, bool) {
    let mut child = command.spawn().unwrap();
    let mut peak = 0;
    loop {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let now = line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|number| number.trim().parse().ok());
        peak = now.unwrap_or(0).max(peak);
        if let Some(ended) = child.try_wait().unwrap() {
            return (peak, ended.success());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn undoing_more_than_memory_holds_takes_little_of_it() {
    let source = Server::start(Flavor::MySql, &["--binlog-row-metadata=FULL"]);
    source.exec("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY AUTO_INCREMENT, a INT NOT NULL DEFAULT 0, v MEDIUMTEXT CHARACTER SET latin1)");
    source.exec("INSERT INTO d.t (v) VALUES (REPEAT('0123456789', 5000))");
    (0..10).for_each(|_| source.exec("INSERT INTO d.t (v) SELECT v FROM d.t"));
    let first = next_file(&source);
    // One transaction, then many.
    source.exec("UPDATE d.t SET v = REVERSE(v)");
    (0..16).for_each(|part| {
        source.exec(&format!("UPDATE d.t SET a = 1 WHERE id % 16 = {part}; DELETE FROM d.t WHERE id % 16 = {part}"))
    });
    let last = next_file(&source) - 1;
    let files = files(&source, first..=last);
    let size: u64 = files.iter().map(|file| std::fs::metadata(file).unwrap().len()).sum();
    assert!(size > 200 << 20, "{size}");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("undo.sql");
    let mut command = Command::new(env!("CARGO_BIN_EXE_replicate"));
    command.args(["decode", "--format", "flashback", "--temp-dir"]).arg(dir.path()).args(&files).stdin(Stdio::null());
    let (peak, success) = watch(command.stdout(File::create(&path).unwrap()));
    assert!(success && peak < 64 << 10, "{peak} KiB for {size} bytes");
    // Nothing is left beside the script.
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    println!(
        "{} MiB of log, {} MiB of script, {peak} KiB of memory",
        size >> 20,
        std::fs::metadata(&path).unwrap().len() >> 20
    );
    feed(&source, &path);
    assert_eq!(
        source.query_one("SELECT CONCAT(COUNT(*), ' ', MIN(LEFT(v, 10)), ' ', MAX(LEFT(v, 10)), ' ', SUM(a)) FROM d.t"),
        "1024 0123456789 0123456789 0"
    );
}

#[test]
fn mysql_documents_that_were_changed_in_part_are_replayed_and_undone() {
    let options = ["--binlog-row-metadata=FULL", "--binlog-row-value-options=PARTIAL_JSON"];
    let (source, target) = (Server::start(Flavor::MySql, &options), Server::start(Flavor::MySql, &["--server-id=2"]));
    let dir = tempfile::tempdir().unwrap();
    source.exec(
        r#"CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, j JSON, k JSON, n INT); CREATE TABLE d.n (j JSON, n INT);
        INSERT INTO d.t SELECT n, JSON_OBJECT('a', n, 'b', REPEAT('x', 200), 'c', JSON_ARRAY(1, 2.50, 'x')), JSON_OBJECT('k', n), n
            FROM (SELECT 1 n UNION SELECT 2 UNION SELECT 3) x;
        INSERT INTO d.n SELECT j, n FROM d.t; INSERT INTO d.n SELECT j, 1 FROM d.t"#,
    );
    feed(&target, &script(&source, 1, dir.path(), &["--format", "sql"]));
    let first = next_file(&source);
    source.exec(
        r#"UPDATE d.t SET j = JSON_SET(j, '$.a', 100), k = JSON_REPLACE(k, '$.k', 'v') WHERE id = 1;
        UPDATE d.t SET j = JSON_REMOVE(JSON_SET(j, '$.c[1]', CAST(1.25 AS DECIMAL(5,2))), '$.a'), n = 7 WHERE id = 2;
        UPDATE d.t SET j = JSON_REPLACE(j, '$.c', TRUE), k = NULL; UPDATE d.t SET j = '{}' WHERE id = 3;
        UPDATE d.n SET j = JSON_SET(j, '$.a', n + 40) WHERE n = 1; UPDATE d.n SET j = JSON_REMOVE(j, '$.b') LIMIT 4"#,
    );
    let log = script(&source, first, dir.path(), &["--format", "sql"]);
    assert!(std::fs::read_to_string(&log).unwrap().contains("JSON_REPLACE("));
    feed(&target, &log);
    compare_tables(&source, &target, &["d"]).assert_same();
    feed(&source, &script(&source, first, dir.path(), &["--format", "flashback"]));
    let empty = Server::start(Flavor::MySql, &["--server-id=3"]);
    feed(&empty, &{
        let (path, _) = decode(&files(&source, 1..=first - 1), dir.path(), &["--format", "sql", "--unchecked"]);
        path
    });
    compare_tables(&source, &empty, &["d"]).assert_same();
}

on_each_flavor! {
    fn files_that_statements_load_are_kept_beside_the_script(flavor) {
        let options = ["--binlog-row-metadata=FULL", "--local-infile=ON", "--secure-file-priv="];
        let (source, target) =
            (Server::start(flavor, &options), Server::start(flavor, &["--server-id=2", "--local-infile=ON"]));
        let dir = tempfile::tempdir().unwrap();
        let rows: String = (0..40_000).map(|n| format!("{n}\tit's; line {n}\n")).collect();
        let file = dir.path().join("rows.tsv");
        std::fs::write(&file, rows).unwrap();
        std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        source.exec(&format!(
            "CREATE DATABASE d; USE d; SET SESSION binlog_format = 'STATEMENT'; CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(40)); \
             INSERT INTO t VALUES (5, 'old'); BEGIN; LOAD DATA INFILE '{0}' REPLACE INTO TABLE t; UPDATE t SET v = 'x' WHERE id = 7; \
             COMMIT; CREATE TABLE u LIKE t; LOAD DATA INFILE '{0}' INTO TABLE u (id, @v) SET v = UPPER(@v)",
            file.display()
        ));
        refuses(&source, 1, &["--format", "sql"], &["LOAD DATA", "--load-dir", "mysql-bin.000001:"]);
        let blocks = dir.path().join("bl'ocks");
        std::fs::create_dir(&blocks).unwrap();
        let path = script(&source, 1, dir.path(), &["--format", "sql", "--load-dir", blocks.to_str().unwrap()]);
        feed(&target, &path);
        let same = compare_tables(&source, &target, &["d"]);
        same.assert_same();
        assert_eq!((same.rows, std::fs::read_dir(&blocks).unwrap().count()), (80_000, 2));
        refuses(&source, 1, &["--format", "flashback"], &["CREATE DATABASE"]);
    }

    fn transactions_keep_their_gtids_if_wanted(flavor) {
        let options: &[&str] = match flavor {
            Flavor::MySql => &["--binlog-row-metadata=FULL", "--gtid-mode=ON", "--enforce-gtid-consistency=ON"],
            Flavor::MariaDb => &["--binlog-row-metadata=FULL"],
        };
        let source = Server::start(flavor, options);
        let target = Server::start(flavor, &[options, &["--server-id=2"]].concat());
        let dir = tempfile::tempdir().unwrap();
        target.exec(if flavor == Flavor::MySql { "RESET BINARY LOGS AND GTIDS" } else { "RESET MASTER" });
        source.exec(
            "CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY); INSERT INTO d.t VALUES (1), (2); BEGIN; \
             INSERT INTO d.t VALUES (3); UPDATE d.t SET id = 30 WHERE id = 3; COMMIT; FLUSH TABLES; DROP TABLE IF EXISTS d.no",
        );
        feed(&target, &script(&source, 1, dir.path(), &["--format", "sql", "--preserve-gtids"]));
        let all = if flavor == Flavor::MySql { "SELECT @@GLOBAL.gtid_executed" } else { "SELECT @@GLOBAL.gtid_binlog_pos" };
        assert_eq!(source.query_one(all), target.query_one(all));
        assert_eq!(target.query_one("SELECT GROUP_CONCAT(id ORDER BY id) FROM d.t"), "1,2,30");
    }
}

#[test]
fn mysql_prepared_transactions_are_replayed_as_such() {
    let (source, target) = (
        Server::start(Flavor::MySql, &["--binlog-row-metadata=FULL"]),
        Server::start(Flavor::MySql, &["--server-id=2"]),
    );
    let dir = tempfile::tempdir().unwrap();
    source.exec("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, v INT)");
    for (name, end) in [("'a'", "COMMIT"), ("'b;','\\''", "ROLLBACK"), ("x'00ff','q',7", "COMMIT")] {
        let id = name.len();
        source.exec(&format!(
            "XA START {name}; INSERT INTO d.t VALUES ({id}, 1); UPDATE d.t SET v = 2 WHERE id = {id}; XA END {name}; XA PREPARE {name}"
        ));
        source.exec(&format!("INSERT INTO d.t VALUES ({id} + 100, 1); XA {end} {name}"));
    }
    source.exec("XA START 'one'; INSERT INTO d.t VALUES (50, 1); XA END 'one'; XA COMMIT 'one' ONE PHASE");
    let path = script(&source, 1, dir.path(), &["--format", "sql"]);
    feed(&target, &path);
    compare_tables(&source, &target, &["d"]).assert_same();
    assert_eq!(target.query_one("SELECT COUNT(*) FROM d.t"), "6");
    assert!(target.query("XA RECOVER").is_empty());
}

on_each_flavor! {
    fn definitions_from_a_file_or_from_the_log_itself_give_names_and_generated_columns(flavor) {
        let (source, target) =
            (Server::start(flavor, &["--binlog-row-metadata=MINIMAL"]), Server::start(flavor, &["--server-id=2"]));
        let dir = tempfile::tempdir().unwrap();
        let create = "CREATE TABLE t (id INT PRIMARY KEY, a INT, v INT AS (a + 1) VIRTUAL, s INT AS (a * 2) STORED, u BIGINT UNSIGNED, \
                      c VARCHAR(20) CHARACTER SET latin1, e ENUM('x', 'y'), j JSON)";
        source.exec(&format!("CREATE DATABASE d; USE d; {create}; INSERT INTO t (id, a, u, c, e, j) VALUES \
                     (1, 1, 18446744073709551615, 'ä', 'y', '[1]'), (2, NULL, 0, '', NULL, NULL)"));
        feed(&target, &script(&source, 1, dir.path(), &["--format", "sql"]));
        let first = next_file(&source);
        source.exec("USE d; UPDATE t SET a = 7, c = 'ö' WHERE id = 1; DELETE FROM t WHERE id = 2; INSERT INTO t (id, a) VALUES (3, 3)");
        let file = dir.path().join("schema.sql");
        std::fs::write(&file, format!("USE `d`;\n{create};\n")).unwrap();
        let schema = ["--schema", file.to_str().unwrap(), "--format"];
        feed(&source, &script(&source, first, dir.path(), &[&schema[..], &["flashback"]].concat()));
        compare_tables(&source, &target, &["d"]).assert_same();
        let (path, output) = decode(&files(&source, first..=first), dir.path(), &[&schema[..], &["sql"]].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        feed(&target, &path);
        feed(&source, &path);
        compare_tables(&source, &target, &["d"]).assert_same();
        assert_eq!(target.query_one("SELECT GROUP_CONCAT(CONCAT_WS('|', id, a, v, s) ORDER BY id) FROM d.t"), "1|7|8|14,3|3|4|6");
    }
}

/// Feeds a script to the server's client, told to go on after errors.
fn force(server: &Server, script: &Path) -> String {
    let output = client(server).arg("--force").stdin(File::open(script).unwrap()).output().unwrap();
    String::from_utf8_lossy(&output.stderr).into_owned()
}

on_each_flavor! {
    fn rows_never_fire_triggers_that_the_log_or_the_server_has(flavor) {
        let options = ["--binlog-row-metadata=FULL", "--log-bin-trust-function-creators=ON"];
        let (source, target) = (Server::start(flavor, &options), Server::start(flavor, &["--server-id=2"]));
        let dir = tempfile::tempdir().unwrap();
        source.exec(
            "CREATE DATABASE d; CREATE TABLE d.plain (id INT PRIMARY KEY, v INT); CREATE TABLE d.`A``ü` (id INT PRIMARY KEY, v INT); \
             INSERT INTO d.plain VALUES (1, 1); CREATE TRIGGER d.tr BEFORE INSERT ON d.`A``ü` FOR EACH ROW SET NEW.v = NEW.v + 1",
        );
        let rows = next_file(&source);
        source.exec("INSERT INTO d.`A``ü` VALUES (1, 1)");
        let path = script(&source, 1, dir.path(), &["--format", "sql"]);
        let said = String::from_utf8_lossy(&try_feed(&target, &path).stderr).into_owned();
        assert!(said.contains("replicate: the table has triggers"), "{said}");
        assert_eq!(target.query_one("SELECT COUNT(*) FROM d.plain"), "1");
        assert_eq!(target.query_one("SELECT COUNT(*) FROM d.`A``ü`"), "0");
        // The way out that the documentation names.
        let (path, _) = decode(&files(&source, rows..=rows), dir.path(), &["--format", "sql"]);
        assert!(force(&target, &path).contains("has triggers"));
        assert_eq!(target.query_one("SELECT COUNT(*) FROM d.`A``ü`"), "0");
        target.exec("DROP TRIGGER d.tr");
        feed(&target, &path);
        compare_tables(&source, &target, &["d"]).assert_same();
        // Undoing would fire them, too.
        let (path, _) = decode(&files(&source, rows..=rows), dir.path(), &["--format", "flashback"]);
        assert!(!try_feed(&source, &path).status.success());
        source.exec("DROP TRIGGER d.tr");
        feed(&source, &path);
        assert_eq!(source.query_one("SELECT COUNT(*) FROM d.`A``ü`"), "0");
    }

    fn a_client_that_goes_on_after_a_failed_check_commits_nothing_behind_it(flavor) {
        let source = Server::start(flavor, &["--binlog-row-metadata=FULL"]);
        let dir = tempfile::tempdir().unwrap();
        source.exec("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, v INT); INSERT INTO d.t VALUES (1, 1), (2, 2), (3, 3), (4, 4)");
        let bad = next_file(&source);
        source.exec("DELETE FROM d.t WHERE id = 4; UPDATE d.t SET v = v + 100; UPDATE d.t SET v = 200 WHERE id = 1");
        next_file(&source);
        source.exec("UPDATE d.t SET v = 7 WHERE id = 2");
        let rows = "SELECT GROUP_CONCAT(id, ':', v ORDER BY id) FROM d.t";
        let now = source.query_one(rows);
        let undo = |args: &[&str]| {
            let (path, output) = decode(&files(&source, bad..=bad), dir.path(), &[&["--format", "flashback"], args].concat());
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            path
        };
        assert!(force(&source, &undo(&["--single-transaction"])).contains("not as the log left it"));
        assert_eq!(source.query_one(rows), now);
        // The last transaction is undone first, and was as it should be; what comes behind the failure is not.
        assert!(force(&source, &undo(&[])).contains("not as the log left it"));
        assert_eq!(source.query_one(rows), "1:101,2:7,3:103");
        // A row that cannot be inserted again is a failure like any other.
        source.exec("UPDATE d.t SET v = 200 WHERE id = 1; UPDATE d.t SET v = 102 WHERE id = 2; INSERT INTO d.t VALUES (4, 0)");
        let now = source.query_one(rows);
        assert!(force(&source, &undo(&["--single-transaction"])).contains("Duplicate"));
        assert_eq!(source.query_one(rows), now);
        source.exec("DELETE FROM d.t WHERE id = 4");
        feed(&source, &undo(&["--single-transaction"]));
        assert_eq!(source.query_one(rows), "1:1,2:2,3:3,4:4");
    }
}

on_each_flavor! {
    fn a_statement_that_may_concern_what_is_asked_for_is_never_passed_over(flavor) {
        let options = ["--binlog-row-metadata=FULL", "--log-bin-trust-function-creators=ON", "--lower-case-table-names=1"];
        // MySQL takes the last one only where the data directory is made.
        let folds = flavor == Flavor::MariaDb;
        let source = Server::start(flavor, &options[..if folds { 3 } else { 2 }]);
        source.exec(
            "CREATE DATABASE shop; CREATE DATABASE x; USE shop; CREATE TABLE orders (id INT PRIMARY KEY, v INT); CREATE VIEW vw AS \
             SELECT * FROM orders; CREATE TABLE other (id INT PRIMARY KEY); CREATE TRIGGER tr AFTER INSERT ON other FOR EACH \
             ROW UPDATE orders SET v = v + 1; INSERT INTO orders VALUES (1, 1)",
        );
        let asked: &[&[&str]] = &[&["--table", "shop.orders"], &["--database", "shop"], &["--table", "orders", "--type", "update,ddl"]];
        for (statement, word) in [
            ("SET SESSION binlog_format = 'STATEMENT'; UPDATE shop.vw SET v = 99", "UPDATE"),
            ("SET SESSION binlog_format = 'STATEMENT'; USE x; INSERT INTO shop.other VALUES (1)", "INSERT"),
            (if folds { "TRUNCATE TABLE SHOP.ORDERS" } else { "RENAME TABLE shop.orders TO shop.`a b`" }, "TABLE"),
            (if folds { "DROP DATABASE SHOP" } else { "DROP DATABASE shop" }, "DROP DATABASE"),
        ] {
            let file = next_file(&source);
            source.exec(statement);
            next_file(&source);
            for asked in asked {
                let place = format!("mysql-bin.{file:06}:");
                refuses(&source, file, &[&["--format", "flashback"], *asked].concat(), &[&place, word]);
                // What names exactly what is asked for is replayed.
                if asked[0] != "--database" && !statement.starts_with("RENAME") {
                    refuses(&source, file, &[&["--format", "sql"], *asked].concat(), &[&place, word]);
                }
            }
        }
        // Of a definition it can be told.
        let dir = tempfile::tempdir().unwrap();
        let file = next_file(&source);
        source.exec("CREATE TABLE x.y (a INT); TRUNCATE x.y; DROP TABLE x.y; DROP DATABASE x");
        next_file(&source);
        for format in ["sql", "flashback"] {
            let (path, output) = decode(&files(&source, file..=file), dir.path(), &["--table", "shop.orders", "--format", format]);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            assert!(!std::fs::read_to_string(path).unwrap().contains("TABLE x.y"));
        }
    }
}

#[test]
fn mariadb_integers_of_unknown_sign_are_not_guessed() {
    let source = Server::start(Flavor::MariaDb, &["--binlog-row-metadata=NO_LOG"]);
    source.exec("CREATE DATABASE d; CREATE TABLE d.t (u TINYINT UNSIGNED, b BIGINT UNSIGNED, e ENUM('a', 'b'))");
    let file = next_file(&source);
    source.exec("INSERT INTO d.t VALUES (127, 5, 1)");
    let large = next_file(&source);
    source.exec("SET SESSION sql_mode = ''; INSERT INTO d.t VALUES (200, 18446744073709551615, 'zz')");
    next_file(&source);
    refuses(&source, large, &["--format", "sql"], &["@1 of d.t", "UNSIGNED", "--schema"]);
    let dir = tempfile::tempdir().unwrap();
    let (path, output) = decode(&files(&source, file..=file), dir.path(), &["--format", "sql"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    source.exec("TRUNCATE d.t");
    feed(&source, &path);
    assert_eq!(source.query_one("SELECT CONCAT_WS('|', u, b, e) FROM d.t"), "127|5|a");
}
