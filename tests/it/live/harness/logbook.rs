//! What the processes of this test said, and waiting: a wait that fails shows the tails of all of it, so that
//! a failure in CI can be read without a second run.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::engine;

/// Where a process's words are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Log {
    /// A file it writes.
    File(PathBuf),
    /// The engine keeps them for this container.
    Container(String),
}

impl Log {
    /// All of it; empty if there is nothing (yet).
    pub fn text(&self) -> String {
        match self {
            Log::File(path) => read_lossy(path),
            Log::Container(name) => engine::logs(name),
        }
    }
}

static BOOK: Mutex<Vec<(String, Log)>> = Mutex::new(Vec::new());

/// Adds a log to those that a failed wait shows.
pub fn register(label: impl Into<String>, log: Log) {
    let mut book = BOOK.lock().expect("logbook");
    book.retain(|(_, known)| *known != log);
    book.push((label.into(), log));
}

/// The last lines of every log of this process.
pub fn tails() -> String {
    const LINES: usize = 25;
    let book = BOOK.lock().expect("logbook").clone();
    let mut text = String::new();
    for (label, log) in book {
        let whole = log.text();
        let lines: Vec<&str> = whole.lines().collect();
        let tail = lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default();
        text.push_str(&format!("\n--- {label} ({} lines)\n{}", lines.len(), tail.join("\n")));
    }
    text
}

/// Waits until `condition` holds; panics with the tails of all logs when the time is up.
#[track_caller]
pub fn eventually(timeout: Duration, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(
            started.elapsed() < timeout,
            "still not so after {:.1} s\n{}",
            started.elapsed().as_secs_f32(),
            tails()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A file as text, broken characters replaced; empty if it is not there.
pub fn read_lossy(path: &Path) -> String {
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}
