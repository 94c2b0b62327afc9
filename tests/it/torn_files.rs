//! Several files as one log: where one of them ends as no log should.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use replicate::binlog::{EventType, HEADER_LEN, RawEvent};

const MAGIC_LEN: usize = 4;

fn fixture(case: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/binlog").join(case).join("events.bin")).unwrap()
}

/// Where the last XID event begins, and where it ends.
fn last_xid(log: &[u8]) -> (usize, usize) {
    let (mut at, mut found) = (MAGIC_LEN, None);
    while at < log.len() {
        let (raw, _) = RawEvent::cut(&log[at..]).unwrap();
        let end = at + raw.bytes.len();
        if raw.header.event_type == EventType::XID {
            found = Some((at, end));
        }
        at = end;
    }
    found.unwrap()
}

struct Files(tempfile::TempDir);

impl Files {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            fs::write(dir.path().join(name), bytes).unwrap();
        }
        Self(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn decode(&self, names: &[&str]) -> Output {
        let files = names.iter().map(|name| self.path(name));
        Command::new(env!("CARGO_BIN_EXE_replicate")).arg("decode").args(files).output().unwrap()
    }

    /// The lines of one whole file; positions name the file they were read from.
    fn lines(&self, name: &str) -> Vec<String> {
        let output = self.decode(&[name]);
        assert!(output.status.success(), "{output:?}");
        lines(&output)
    }
}

fn lines(output: &Output) -> Vec<String> {
    String::from_utf8(output.stdout.clone()).unwrap().lines().map(str::to_owned).collect()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_transaction_that_a_crashed_source_left_unfinished_is_passed_over() {
    let log = fixture("mariadb-10.11/row-images");
    let (xid, end) = last_xid(&log);
    let before = &log[..end];
    for (cut, what) in [(xid, "before its commit"), (xid - 7, "inside an event")] {
        let files = Files::new(&[("b.000001", &log[..cut]), ("whole.000001", before), ("b.000002", &log)]);
        let whole = files.lines("whole.000001");
        let output = files.decode(&["b.000001", "b.000002"]);
        assert!(output.status.success(), "{what}: {output:?}");
        assert!(stderr(&output).contains("crashed"), "{what}: {}", stderr(&output));
        let seen = lines(&output);
        let rest = files.lines("b.000002");
        assert_eq!(seen[seen.len() - rest.len()..], rest[..], "{what}");
        let first: Vec<_> =
            seen[..seen.len() - rest.len()].iter().map(|l| l.replace("b.000001", "whole.000001")).collect();
        assert!(!first.is_empty() && first.len() < whole.len(), "{what}: {} of {}", first.len(), whole.len());
        assert_eq!(first[..], whole[..first.len()], "{what}");
    }
}

#[test]
fn a_file_that_ends_inside_a_transaction_is_an_error_where_the_next_one_merely_goes_on() {
    let log = fixture("mariadb-10.11/row-images");
    let (xid, _) = last_xid(&log);
    let mut next = log.clone();
    // The creation time in the format description: 0 says that the log goes on.
    next[MAGIC_LEN + HEADER_LEN + 52..][..4].fill(0);
    let files = Files::new(&[("b.000001", &log[..xid]), ("b.000002", &next)]);
    let output = files.decode(&["b.000001", "b.000002"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(stderr(&output).contains("ends inside a transaction"), "{}", stderr(&output));
    assert!(!lines(&output).is_empty());
}

#[test]
fn the_error_about_a_cut_file_names_that_file() {
    let log = fixture("mariadb-10.11/row-images");
    let (xid, _) = last_xid(&log);
    let files = Files::new(&[("b.000001", &log[..xid + 5]), ("b.000002", &log[..MAGIC_LEN + 1])]);
    let output = files.decode(&["b.000001", "b.000002"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(stderr(&output).contains(&format!("b.000001:{xid}")), "{}", stderr(&output));
}

#[test]
fn what_lies_before_a_file_is_read_where_gtids_say_where_to_stop() {
    let mut log = fixture("mysql-9.7/no-checksum");
    let mut at = MAGIC_LEN;
    loop {
        let (raw, _) = RawEvent::cut(&log[at..]).unwrap();
        if raw.header.event_type == EventType::PREVIOUS_GTIDS {
            break;
        }
        at += raw.bytes.len();
    }
    // More servers than the event has room for.
    log[at + HEADER_LEN] = 9;
    let files = Files::new(&[("b.000001", &log)]);
    assert!(files.decode(&["b.000001"]).status.success());
    for format in ["json", "events"] {
        let output = Command::new(env!("CARGO_BIN_EXE_replicate"))
            .args(["decode", "--format", format, "--stop", "6f28f2dd-0000-11f1-8000-000000000001:1-3"])
            .arg(files.path("b.000001"))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{format}: {output:?}");
        assert!(stderr(&output).contains("Previous_gtids does not parse"), "{format}: {}", stderr(&output));
    }
}
