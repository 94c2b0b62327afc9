//! Log files without a server: the relay log as others read it, and `replicate decode` of relay files and of the
//! source's own, which must say what the live feed says.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::channel::{SOON, await_value, events, fails, start_args, status, terminate};
use super::harness::{Finished, Flavor, Replicate, Server, eventually};

/// A source that logs names, with some of everything.
fn source(flavor: Flavor) -> Server {
    let source = Server::start(flavor, &["--binlog-row-metadata=FULL"]);
    source.exec(
        "CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, v VARCHAR(40), n DECIMAL(10, 2), b BLOB, j JSON); \
         INSERT INTO d.t VALUES (1, 'one', 1.5, x'00ff', '{\"a\": 1}'), (2, NULL, -0.01, NULL, NULL); \
         UPDATE d.t SET v = 'zwei', n = n + 1 WHERE id = 2; \
         BEGIN; INSERT INTO d.t (id) VALUES (3), (4); DELETE FROM d.t WHERE id = 1; UPDATE d.t SET v = 'x'; COMMIT; \
         FLUSH BINARY LOGS; ALTER TABLE d.t ADD COLUMN c INT UNSIGNED DEFAULT 7; \
         INSERT INTO d.t (id, v) VALUES (5, 'ü')",
    );
    source
}

fn relay_files(replicate: &Replicate) -> Vec<PathBuf> {
    let channels = replicate.data_dir().join("channels");
    let relay = fs::read_dir(channels).unwrap().next().unwrap().unwrap().path().join("relay");
    let mut files: Vec<PathBuf> = fs::read_dir(relay).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension.to_string_lossy().parse::<u32>().is_ok()));
    files.sort();
    files
}

pub fn text(path: &Path) -> String {
    path.display().to_string()
}

/// Runs a command of the server's own.
pub fn tool(flavor: Flavor, name: &str, args: &[&str]) -> (bool, String) {
    let home = std::env::var("REPLICATE_SERVERS_DIR")
        .map_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/servers"), PathBuf::from);
    let version = match flavor {
        Flavor::MySql => std::env::var("REPLICATE_TEST_MYSQL").unwrap_or_else(|_| "9.7".to_owned()),
        Flavor::MariaDb => std::env::var("REPLICATE_TEST_MARIADB").unwrap_or_else(|_| "10.11".to_owned()),
    };
    let family = if flavor == Flavor::MySql { "mysql" } else { "mariadb" };
    let program = home.join(format!("{family}-{version}/bin/{name}"));
    let output = Command::new(&program)
        .args(args)
        .env("TZ", "UTC")
        .output()
        .unwrap_or_else(|error| panic!("{program:?}: {error}"));
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[track_caller]
fn decode(replicate: &Replicate, files: &[PathBuf]) -> Finished {
    let args: Vec<String> = ["decode".to_owned()].into_iter().chain(files.iter().map(|file| text(file))).collect();
    replicate.run(&args)
}

/// `replicate decode -` with this input.
fn decode_input(input: Stdio) -> std::process::Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_replicate"));
    command.args(["decode", "-"]).stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// What the feed printed, the whole log.
#[track_caller]
fn live_feed(source: &Server, more: &[&str]) -> String {
    let run = Replicate::new().run(&start_args(source, &[&["--until-caught-up"], more].concat()));
    assert_eq!(run.code, 0, "{}", run.stderr);
    run.stdout
}

on_each_flavor! {
    fn decode_says_what_the_feed_says(flavor) {
        let source = source(flavor);
        let feed = live_feed(&source, &[]);
        assert_eq!(feed.lines().count(), 13, "{feed}");
        let line: Value = serde_json::from_str(feed.lines().last().unwrap()).unwrap();
        assert_eq!(line["data"], serde_json::json!({"id": 5, "v": "ü", "n": null, "b": null, "j": null, "c": 7}));
        // The source's own files.
        let replicate = Replicate::new();
        let files = ["mysql-bin.000001", "mysql-bin.000002"].map(|name| source.data_dir().join(name));
        let run = decode(&replicate, &files);
        assert_eq!((run.code, run.stdout.as_str()), (0, feed.as_str()), "{}", run.stderr);
        // Redirected, and through a pipe.
        let first = decode(&replicate, &files[..1]).stdout;
        assert!(feed.starts_with(&first) && !first.is_empty());
        let whole = decode_input(fs::File::open(&files[0]).unwrap().into()).wait_with_output().unwrap();
        assert!(whole.status.success(), "{}", String::from_utf8_lossy(&whole.stderr));
        let positions = |text: &str| text.replace("\"mysql-bin.000001:", "\"-:");
        assert_eq!(positions(&String::from_utf8(whole.stdout).unwrap()), positions(&first));
        let bytes = fs::read(&files[0]).unwrap();
        let mut piped = decode_input(Stdio::piped());
        let mut pipe = piped.stdin.take().unwrap();
        // In pieces that end anywhere.
        bytes.chunks(777).for_each(|chunk| pipe.write_all(chunk).unwrap());
        drop(pipe);
        let piped = piped.wait_with_output().unwrap();
        assert!(piped.status.success(), "{}", String::from_utf8_lossy(&piped.stderr));
        assert_eq!(positions(&String::from_utf8(piped.stdout).unwrap()), positions(&first));
    }

    fn relay_files_are_binary_logs_to_everybody(flavor) {
        let source = source(flavor);
        let feed = live_feed(&source, &[]);
        // Received and not applied: the target is away.
        let target = Server::start(flavor, &["--server-id=2"]);
        let replicate = Replicate::new();
        let mut args = Replicate::start_args(&source, &target);
        args.extend(["--max-relay-log-size", "4096"].map(str::to_owned));
        let mut lock = target.session();
        let process = replicate.spawn(&args);
        await_value(&target, "SELECT COUNT(*) FROM d.t", "4");
        lock.exec("LOCK TABLES d.t WRITE");
        for burst in 1..8 {
            for id in burst * 20..(burst + 1) * 20 {
                source.exec(&format!("INSERT INTO d.t (id, v) VALUES ({id}, 'row {id}')"));
            }
            let (_, end) = source.log_position();
            eventually(SOON, || status(&replicate)["read_source_log_pos"] == end);
        }
        let files = relay_files(&replicate);
        // A file may grow over its size by what arrives at once.
        assert!(files.len() > 2, "{files:?}");
        for file in &files {
            let name = if flavor == Flavor::MySql { "mysqlbinlog" } else { "mariadb-binlog" };
            let (ok, said) = tool(flavor, name, &["--verify-binlog-checksum", &text(file)]);
            let errors: Vec<&str> = said.lines().filter(|line| line.contains("ERROR")).collect();
            assert!(ok && errors.is_empty(), "{}: {errors:?}", file.display());
        }
        // Every line is one of the feed's, positions of the source included.
        let run = decode(&replicate, &files);
        assert_eq!(run.code, 0, "{}", run.stderr);
        let whole = live_feed(&source, &[]);
        assert!(whole.starts_with(&feed));
        assert_eq!(run.stdout, whole[whole.len() - run.stdout.len()..]);
        assert!(run.stdout.lines().count() >= 140);
        // What is applied is removed.
        lock.exec("UNLOCK TABLES");
        await_value(&target, "SELECT COUNT(*) FROM d.t", "144");
        eventually(SOON, || relay_files(&replicate).len() <= 2);
        terminate(process);
    }

    fn what_is_cut_off_or_no_log_is_named_and_what_stands_before_comes_out(flavor) {
        let source = source(flavor);
        let replicate = Replicate::new();
        let file = source.data_dir().join("mysql-bin.000001");
        let bytes = fs::read(&file).unwrap();
        let whole = decode(&replicate, std::slice::from_ref(&file)).stdout;
        let dir = tempfile::tempdir().unwrap();
        let cut = dir.path().join("mysql-bin.000001");
        let (_, end) = events(&source, "mysql-bin.000001")
            .into_iter()
            .filter(|(_, kind, _)| kind == "Xid")
            .map(|(start, _, end)| (start, end))
            .nth(1)
            .unwrap();
        let end = usize::try_from(end).unwrap();
        let before = {
            fs::write(&cut, &bytes[..end]).unwrap();
            let run = decode(&replicate, std::slice::from_ref(&cut));
            assert_eq!(run.code, 0, "{}", run.stderr);
            run.stdout
        };
        assert!(whole.starts_with(&before) && before.lines().count() >= 4 && before.len() < whole.len());
        // Inside an event, and between two events of a transaction.
        for len in [end + 1, end + 30, bytes.len() - 60] {
            fs::write(&cut, &bytes[..len]).unwrap();
            let run = decode(&replicate, std::slice::from_ref(&cut));
            fails(&run, 1, &["mysql-bin.000001:", "inside", "hint:"]);
            assert!(whole.starts_with(&run.stdout) && run.stdout.len() >= before.len(), "{}", run.stdout);
        }
        // A flipped bit.
        let mut bad = bytes.clone();
        bad[end + 25] ^= 1;
        fs::write(&cut, &bad).unwrap();
        let run = decode(&replicate, std::slice::from_ref(&cut));
        fails(&run, 1, &[&format!("mysql-bin.000001:{end}"), "checksum", "hint:"]);
        assert_eq!(run.stdout, before);
        // No log at all.
        for text in ["", "\u{fe}b", "#!/bin/sh\necho no log\n", "\u{fe}bin is not enough"] {
            let other = dir.path().join("other");
            fs::write(&other, text).unwrap();
            let run = decode(&replicate, std::slice::from_ref(&other));
            fails(&run, 1, &["other"]);
            assert_eq!(run.stdout, "");
        }
        fails(&decode(&replicate, &[dir.path().join("missing")]), 1, &["missing", "o such file"]);
        fails(&decode(&replicate, &[dir.path().to_owned()]), 1, &["directory"]);
        // One good file before a missing one.
        let run = decode(&replicate, &[file, dir.path().join("missing")]);
        fails(&run, 1, &["missing", "o such file"]);
        assert_eq!(run.stdout, whole);
    }

    fn one_large_transaction_comes_out_whole_in_every_way(flavor) {
        let source = Server::start(flavor, &["--binlog-row-metadata=FULL"]);
        source.exec("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY AUTO_INCREMENT, v MEDIUMTEXT)");
        source.exec("INSERT INTO d.t (v) VALUES (REPEAT('x', 10000))");
        source.exec("BEGIN");
        (0..11).for_each(|_| source.exec("INSERT INTO d.t (v) SELECT CONCAT(v, id) FROM d.t"));
        source.exec("UPDATE d.t SET v = 'small' WHERE id > 2000; COMMIT; INSERT INTO d.t (v) VALUES ('behind')");
        let file = source.data_dir().join("mysql-bin.000001");
        assert!(fs::metadata(&file).unwrap().len() > 20 << 20);
        let replicate = Replicate::new();
        let run = decode(&replicate, std::slice::from_ref(&file));
        assert_eq!(run.code, 0, "{}", run.stderr);
        let rows = run.stdout.lines().filter(|line| line.contains("\"type\":\"insert\"")).count();
        assert_eq!(rows, 2049);
        let last: Value = serde_json::from_str(run.stdout.lines().rev().nth(1).unwrap()).unwrap();
        assert_eq!((&last["commit"], &last["type"]), (&true.into(), &"update".into()));
        // Live, where it passes through the relay log, and through a pipe.
        assert!(live_feed(&source, &[]) == run.stdout, "the feed differs");
        let mut cat = Command::new("cat").arg(&file).stdout(Stdio::piped()).spawn().unwrap();
        let piped = decode_input(cat.stdout.take().unwrap().into()).wait_with_output().unwrap();
        cat.wait().unwrap();
        assert!(piped.status.success(), "{}", String::from_utf8_lossy(&piped.stderr));
        let piped = String::from_utf8(piped.stdout).unwrap().replace("\"-:", "\"mysql-bin.000001:");
        assert!(piped == run.stdout, "the pipe differs");
        // Cut before its end nothing of it comes out.
        let bytes = fs::read(&file).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let cut = dir.path().join("mysql-bin.000001");
        fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
        let cut = decode(&replicate, &[cut]);
        fails(&cut, 1, &["mysql-bin.000001:", "hint:"]);
        assert_eq!(cut.stdout.lines().count(), 3, "{:.500}", cut.stdout);
    }
}
