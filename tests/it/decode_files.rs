//! `replicate decode` of files as they lie about: cut, still open, with what one format can show and another cannot, large.
//! No server is needed; the logs are those of `fixtures/binlog`, and one that is made up.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::corpus::{Case, cases, raw_events};
use super::payload::{log, peak, transaction};

const FORMATS: [&str; 4] = ["json", "events", "sql", "stats"];

struct Run {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Decodes these bytes as a file `a.000001`.
fn decode(bytes: &[u8], args: &[&str]) -> Run {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.000001");
    fs::write(&file, bytes).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_replicate"));
    let output = command.arg("decode").args(args).arg(&file).stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// The log of a folder, for each server that has one.
fn logs(name: &str) -> Vec<Vec<u8>> {
    let found: Vec<_> = cases().iter().filter(|case| case.name.ends_with(name)).map(Case::bytes).collect();
    assert!(found.len() >= 2, "{name}");
    found
}

#[test]
fn where_a_file_is_cut_is_told_once_all_before_it_came_out() {
    for bytes in logs("/nontransactional") {
        let (last, _) = *raw_events(&bytes).last().unwrap();
        for format in FORMATS {
            let args = ["--format", format];
            let before = decode(&bytes[..last], &args);
            assert_eq!(before.code, Some(0), "{format}: {}", before.stderr);
            for cut in [last + 1, last + 19, bytes.len() - 1] {
                let run = decode(&bytes[..cut], &args);
                assert_eq!(run.code, Some(1), "{format}: {}", run.stderr);
                let words = format!("the log ends inside an event: only {} bytes of it are there", cut - last);
                for word in [words.as_str(), &format!("at a.000001:{last}"), "everything before this place came out"] {
                    assert!(run.stderr.contains(word), "{format}: no {word:?} in {}", run.stderr);
                }
                let out = match format {
                    // A script says that it is not whole, and restores the session all the same.
                    "sql" => {
                        assert!(run.stdout.contains("This script is not complete"), "{}", run.stdout);
                        run.stdout
                            .replace("ROLLBACK;\n-- This script is not complete: decoding ended with an error.\n", "")
                    }
                    _ => run.stdout,
                };
                assert_eq!(out, before.stdout, "{format}");
            }
        }
    }
}

#[test]
fn a_file_that_its_server_has_still_open_is_no_error() {
    for bytes in logs("/nontransactional") {
        let mut open = bytes.clone();
        // LOG_EVENT_BINLOG_IN_USE_F in the description's header; its checksum does not cover it.
        open[4 + 17] |= 1;
        for format in FORMATS {
            let args = ["--format", format];
            let (run, closed) = (decode(&open, &args), decode(&bytes, &args));
            assert_eq!((run.code, closed.code), (Some(0), Some(0)), "{format}: {}", run.stderr);
            let flags = |text: &str| text.replacen("0x1", "0x0", 1);
            assert_eq!(flags(&run.stdout), flags(&closed.stdout), "{format}");
        }
    }
}

#[test]
fn load_data_that_was_logged_as_a_statement_stops_the_feed_and_is_listed_and_counted() {
    for bytes in logs("/load-data") {
        let feed = decode(&bytes, &[]);
        assert_eq!(feed.code, Some(1));
        for word in ["LOAD DATA in statement format cannot be shown as rows", "GTID", "set binlog_format=ROW"] {
            assert!(feed.stderr.contains(word), "{}", feed.stderr);
        }
        let events = decode(&bytes, &["--format", "events", "--json"]);
        assert_eq!(events.code, Some(0), "{}", events.stderr);
        let kinds: Vec<String> = events
            .stdout
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["event_type"].as_str().unwrap().to_owned())
            .collect();
        let loads = kinds.iter().filter(|kind| *kind == "Execute_load_query").count();
        let stats = decode(&bytes, &["--format", "stats", "--json"]);
        assert_eq!(stats.code, Some(0), "{}", stats.stderr);
        let stats: Value = serde_json::from_str(&stats.stdout).unwrap();
        // CREATE DATABASE and two CREATE TABLE.
        assert_eq!(stats["total"]["statements"], 3 + loads, "{stats}");
        assert!(loads >= 3, "{kinds:?}");
    }
}

/// More than 200 MB of transactions, small ones and one that does not fit a batch, again and again.
fn write_large(path: &Path) {
    let head = log(&[]);
    let (small, large) = (transaction(10_000, || b's'), transaction(1_000_000, || b'l'));
    let mut transactions = vec![small.as_slice(); 100];
    transactions.push(&large);
    let body = log(&transactions).split_off(head.len());
    let mut file = File::create(path).unwrap();
    file.write_all(&head).unwrap();
    let mut size = 0;
    while size < 200_000_000 {
        file.write_all(&body).unwrap();
        size += body.len();
    }
}

#[test]
fn a_log_of_200_megabytes_is_listed_and_counted_in_little_memory() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.000001");
    write_large(&file);
    for format in ["stats", "events"] {
        let peak = peak(format, &file);
        assert!(peak > 1 << 10 && peak < 64 << 10, "{format}: {peak} KiB");
    }
}
