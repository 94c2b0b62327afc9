//! What tests of a channel share: command lines, its status, the feed's lines, the source's list of events.

use std::time::Duration;

use serde_json::Value;

use super::harness::{Finished, Process, Replicate, Server, eventually};

/// Long enough for anything that happens at all.
pub const SOON: Duration = Duration::from_secs(40);

/// `start` at a place of the source, with more options behind.
pub fn start_at(source: &Server, file: &str, pos: u64, more: &[&str]) -> Vec<String> {
    let mut args = vec!["start".to_owned()];
    args.extend(source.master_args());
    args.extend(["--log-file", file, "--pos", &pos.to_string()].map(str::to_owned));
    args.extend(more.iter().map(|option| (*option).to_owned()));
    args
}

/// `start` at the source's very beginning.
pub fn start_args(source: &Server, more: &[&str]) -> Vec<String> {
    start_at(source, "mysql-bin.000001", 4, more)
}

/// Where a durable checkpoint stands.
pub fn checkpoint(status: &Value) -> (String, u64) {
    (status["sink_log_file"].as_str().unwrap_or_default().to_owned(), status["sink_log_pos"].as_u64().unwrap_or(0))
}

/// `status --json`.
#[track_caller]
pub fn status(replicate: &Replicate) -> Value {
    let run = replicate.run(&["status", "--json"]);
    assert_eq!(run.code, 0, "{run:?}");
    serde_json::from_str(&run.stdout).expect("a JSON object")
}

/// Asserts how a command ended and what it said, a hint among it.
#[track_caller]
pub fn fails(run: &Finished, code: i32, words: &[&str]) {
    assert_eq!(run.code, code, "{}", run.stderr);
    let told = run.stderr.lines().filter(|line| line.starts_with("replicate: ")).count();
    assert_eq!(told, 1, "one error is told once:\n{}", run.stderr);
    let message = run.stderr.split_once("replicate: ").map_or("", |(_, message)| message);
    for word in words {
        assert!(message.contains(word), "no {word:?} in:\n{}", run.stderr);
    }
}

/// Waits for the end and asserts how it came, as [`fails`] does.
#[track_caller]
pub fn stops(process: &mut Process, words: &[&str]) -> Finished {
    process.wait_exit(SOON);
    let run = process.finished();
    fails(&run, 1, words);
    run
}

/// SIGTERM, and an end with 0.
#[track_caller]
pub fn terminate(mut process: Process) -> Process {
    process.terminate();
    assert_eq!(process.wait_exit(SOON), 0, "{}", process.stderr());
    process
}

/// The rows of a feed so far, in short: `insert 1`, by the column `id`.
#[track_caller]
pub fn rows(lines: &[String]) -> Vec<String> {
    let lines = lines.iter().map(|line| serde_json::from_str::<Value>(line).expect(line));
    lines
        .filter(|line| line["type"] != "ddl")
        .map(|line| format!("{} {}", line["type"].as_str().unwrap_or_default(), line["data"]["id"]))
        .collect()
}

/// Waits for so many row changes in the feed.
#[track_caller]
pub fn await_rows(process: &mut Process, count: usize) -> Vec<String> {
    eventually(SOON, || {
        assert!(process.is_running(), "replicate ended: {}", process.stderr());
        rows(&process.stdout_lines()).len() >= count
    });
    rows(&process.stdout_lines())
}

/// Waits until a statement on the target gives this first value; errors count as another.
#[track_caller]
pub fn await_value(target: &Server, sql: &str, value: &str) {
    let mut session = target.session();
    eventually(SOON, || {
        let rows = session.try_query(sql).unwrap_or_default();
        rows.first().and_then(|row| row.first().cloned().flatten()).as_deref() == Some(value)
    });
}

/// Start, type and end of each event of a file of the source.
pub fn events(source: &Server, file: &str) -> Vec<(u64, String, u64)> {
    let rows = source.query(&format!("SHOW BINLOG EVENTS IN '{file}'"));
    let number = |value: &Option<String>| value.as_deref().unwrap_or_default().parse().expect("an offset");
    rows.iter().map(|row| (number(&row[1]), row[2].clone().unwrap_or_default(), number(&row[4]))).collect()
}
