//! XA transactions: the feed has their rows where they are committed, once, and nothing of those that are rolled back or
//! not decided.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::channel::{SOON, checkpoint, fails, start_args, status, stops};
use super::harness::{Finished, Flavor, Replicate, Server, Session, eventually};

fn source(flavor: Flavor) -> Server {
    let source = Server::start(flavor, &["--binlog-row-metadata=FULL"]);
    source.exec("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, v LONGTEXT)");
    source
}

/// A session that has prepared a transaction of these statements.
fn prepared(source: &Server, name: &str, statements: &[&str]) -> Session {
    prepared_on(source.session(), name, statements)
}

fn prepared_on(mut session: Session, name: &str, statements: &[&str]) -> Session {
    session.exec(&format!("XA START '{name}', 'q', 7"));
    statements.iter().for_each(|statement| session.exec(statement));
    session.exec(&format!("XA END '{name}', 'q', 7"));
    session.exec(&format!("XA PREPARE '{name}', 'q', 7"));
    session
}

fn decide(session: &mut Session, verb: &str, name: &str) {
    session.exec(&format!("XA {verb} '{name}', 'q', 7"));
}

/// The key of each row of the feed, in order.
fn ids(feed: &str) -> Vec<i64> {
    let lines = feed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["type"] == "insert").map(|line| line["data"]["id"].as_i64().unwrap()).collect()
}

fn logs(source: &Server) -> [PathBuf; 2] {
    ["mysql-bin.000001", "mysql-bin.000002"].map(|name| source.data_dir().join(name))
}

fn decode(files: &[PathBuf], more: &[&str]) -> Finished {
    let files = files.iter().map(|file| file.display().to_string());
    let args: Vec<String> = ["decode"].iter().chain(more).map(|arg| (*arg).to_owned()).chain(files).collect();
    Replicate::new().run(&args)
}

/// Transactions of all fates, in two log files. What is left prepared stays so for as long as the sessions live.
fn of_all_fates(source: &Server) -> Vec<Session> {
    source.exec("XA START 'one'; INSERT INTO d.t VALUES (1, 'a'); XA END 'one'; XA COMMIT 'one' ONE PHASE");
    let mut a = prepared(source, "a", &["INSERT INTO d.t VALUES (10, 'a')", "INSERT INTO d.t VALUES (11, 'a')"]);
    source.exec("INSERT INTO d.t VALUES (2, 'b')");
    let mut packed = source.session();
    if source.flavor() == Flavor::MySql {
        packed.exec("SET SESSION binlog_transaction_compression = ON");
    }
    let mut b = prepared_on(packed, "b", &["INSERT INTO d.t VALUES (20, REPEAT('b', 5000))"]);
    let large: Vec<String> =
        (30..36).map(|id| format!("INSERT INTO d.t VALUES ({id}, REPEAT('{id}', 200000)), ({id} + 100, '')")).collect();
    let large: Vec<&str> = large.iter().map(String::as_str).collect();
    let mut c = prepared(source, "c", &large);
    source.exec("INSERT INTO d.t VALUES (3, 'c')");
    decide(&mut b, "COMMIT", "b");
    let large = [large.join(";").replace("(3", "(5").replace("('3", "('7")];
    let large: Vec<&str> = large.iter().flat_map(|text| text.split(';')).collect();
    let mut z = prepared_on(b, "z", &large);
    decide(&mut a, "ROLLBACK", "a");
    source.exec("FLUSH BINARY LOGS; INSERT INTO d.t VALUES (4, 'd')");
    decide(&mut c, "COMMIT", "c");
    decide(&mut z, "COMMIT", "z");
    // A name may be used again once it is decided.
    let mut again = prepared_on(a, "a", &["INSERT INTO d.t VALUES (12, 'again')"]);
    decide(&mut again, "COMMIT", "a");
    let left = prepared(source, "left", &["INSERT INTO d.t VALUES (60, 'left')"]);
    source.exec("INSERT INTO d.t VALUES (5, 'e')");
    vec![left]
}

const COMMITTED: &[i64] = &[
    1, 2, 3, 20, 4, 30, 130, 31, 131, 32, 132, 33, 133, 34, 134, 35, 135, 50, 150, 51, 151, 52, 152, 53, 153, 54, 154,
    55, 155, 12, 5,
];

on_each_flavor! {
    fn the_feed_has_what_is_committed_where_it_is_committed_and_decode_says_the_same(flavor) {
        let source = source(flavor);
        let sessions = of_all_fates(&source);
        // It ends, whatever is left prepared.
        let run = Replicate::new().run(&start_args(&source, &["--until-caught-up"]));
        assert_eq!((run.code, ids(&run.stdout)), (0, COMMITTED.to_vec()), "{}", run.stderr);
        let decoded = decode(&logs(&source), &[]);
        assert_eq!((decoded.code, decoded.stdout == run.stdout), (0, true), "{}", decoded.stderr);
        let told: Vec<&str> = decoded.stderr.lines().filter(|line| line.contains("not decided")).collect();
        assert_eq!(told.len(), 1, "{}", decoded.stderr);
        // A transaction's rows are numbered through and have the place where it was prepared; the last is marked.
        let lines: Vec<Value> = run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let of_c: Vec<&Value> = lines.iter().filter(|line| line["data"]["id"].as_i64().is_some_and(|id| [3, 13].contains(&(id / 10)))).collect();
        assert_eq!(of_c.len(), 12);
        for (n, line) in of_c.iter().enumerate() {
            assert_eq!(line["xoffset"], n);
            assert_eq!(line["position"], of_c[0]["position"]);
            assert_eq!(line["commit"] == true, n == 11);
            assert!(line["position"].as_str().unwrap().starts_with("mysql-bin.000001:"));
            assert!(line["gtid"].is_string() && line["xid"].is_null());
        }
        let stats = decode(&logs(&source), &["--format", "stats"]);
        assert!(stats.code == 0 && stats.stdout.contains(&COMMITTED.len().to_string()), "{}{}", stats.stdout, stats.stderr);
        drop(sessions);
    }

    fn a_commit_whose_beginning_is_not_in_the_log_stops_unless_that_part_is_not_wanted(flavor) {
        let source = source(flavor);
        let sessions = of_all_fates(&source);
        let second = decode(&logs(&source)[1..], &[]);
        fails(&second, 1, &["XA COMMIT of a transaction whose XA PREPARE was not read", "start before", "mysql-bin.000002:"]);
        assert_eq!(ids(&second.stdout), [4]);
        let second = decode(&logs(&source), &["--start", "mysql-bin.000002:4"]);
        assert_eq!((second.code, ids(&second.stdout)), (0, vec![4, 12, 5]), "{}", second.stderr);
        let first = decode(&logs(&source)[..1], &[]);
        assert_eq!((first.code, ids(&first.stdout)), (0, vec![1, 2, 3, 20]), "{}", first.stderr);
        assert_eq!(first.stderr.lines().filter(|line| line.contains("not decided")).count(), 2, "{}", first.stderr);
        drop(sessions);
    }

    fn a_prepared_transaction_is_committed_after_a_crash_of_replicate(flavor) {
        let source = source(flavor);
        let (file, start) = source.log_position();
        let mut a = prepared(&source, "a", &["INSERT INTO d.t VALUES (10, 'a'), (11, 'a')"]);
        source.exec("INSERT INTO d.t VALUES (2, 'b')");
        let mut b = prepared(&source, "b", &["INSERT INTO d.t VALUES (20, 'b')"]);
        source.exec("INSERT INTO d.t VALUES (3, 'c')");
        let replicate = Replicate::new();
        let dir = tempfile::tempdir().unwrap();
        let feed = dir.path().join("feed");
        let mut args = start_args(&source, &["--sink"]);
        args.push(format!("file:{}", feed.display()));
        let read = || fs::read_to_string(&feed).unwrap_or_default();
        let mut process = replicate.spawn(&args);
        eventually(SOON, || ids(&read()) == [2, 3]);
        // The checkpoint waits at the oldest one; all is read nevertheless.
        eventually(SOON, || checkpoint(&status(&replicate)) == (file.clone(), start));
        eventually(SOON, || status(&replicate)["seconds_behind_source"] == 0);
        process.kill9();
        decide(&mut a, "COMMIT", "a");
        source.exec("INSERT INTO d.t VALUES (4, 'd')");
        let mut process = replicate.spawn(&args);
        eventually(SOON, || ids(&read()).contains(&4));
        process.kill9();
        decide(&mut b, "ROLLBACK", "b");
        args.push("--until-caught-up".to_owned());
        let run = replicate.run(&args);
        assert_eq!(run.code, 0, "{}", run.stderr);
        assert_eq!(checkpoint(&status(&replicate)), source.log_position());
        let mut lines = BTreeMap::new();
        for line in read().lines() {
            let value: Value = serde_json::from_str(line).unwrap();
            let place = (value["position"].to_string(), value["xoffset"].to_string());
            let known = lines.insert(place, line.to_owned());
            assert!(known.as_ref().is_none_or(|known| known == line), "{known:?} {line}");
        }
        let mut once: Vec<i64> = lines.values().flat_map(|line| ids(line)).collect();
        once.sort_unstable();
        assert_eq!(once, [2, 3, 4, 10, 11], "{}", read());
    }

    fn a_target_takes_transactions_of_one_phase_and_stops_at_prepared_ones(flavor) {
        let (source, target) = (source(flavor), Server::start(flavor, &["--server-id=2"]));
        source.exec("XA START 'one'; INSERT INTO d.t VALUES (1, 'a'); XA END 'one'; XA COMMIT 'one' ONE PHASE");
        let mut session = prepared(&source, "a", &["INSERT INTO d.t VALUES (10, 'a')"]);
        let replicate = Replicate::new();
        let mut process = replicate.spawn(&Replicate::start_args(&source, &target));
        stops(&mut process, &["XA", "ONE PHASE"]);
        assert_eq!(target.query_one("SELECT GROUP_CONCAT(id) FROM d.t"), "1");
        decide(&mut session, "ROLLBACK", "a");
    }
}
