//! Logs of real servers decode to the feed that was reviewed, and there is one of everything a server can write.
//!
//! `fixtures/binlog/SERVER/CASE` holds a log as the server wrote it (made by `docker/fixtures.sh`) and `expected.json`:
//! the feed's lines, and, where the feed must stop, a last line with the key `$stopped`. `REPLICATE_UPDATE_GOLDENS=1`
//! rewrites them; `oracle.rs` holds the values against other decoders.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use replicate::binlog::EventType;
use replicate::binlog::event::Event;
use replicate::row::{ColumnKind, TablePlan};

use super::corpus::{Case, cases, decode, for_each_event, raw_events};

/// Event types without a folder: why, and the test that knows them instead.
const NOT_WRITTEN: &[(EventType, &str, &str)] = {
    const POLICY: &str = "types_that_change_data_are_never_passed_over";
    const BEATS: &str = "heartbeats_tell_the_position_in_both_versions";
    const OLD_LOAD: &str = "LOAD DATA as servers before 5.0.3 logged it";
    const V2_COMPRESSED: &str = "reserved by MariaDB for compressed rows of version 2, which it has never written";
    &[
        (EventType::START_V3, "opened logs before 5.0", POLICY),
        (EventType::LOAD, OLD_LOAD, POLICY),
        (EventType::CREATE_FILE, OLD_LOAD, POLICY),
        (EventType::EXEC_LOAD, OLD_LOAD, POLICY),
        (EventType::NEW_LOAD, OLD_LOAD, POLICY),
        (EventType::SLAVE, "never written since 3.23", POLICY),
        (EventType::WRITE_ROWS_V0, "5.1 before its release", POLICY),
        (EventType::UPDATE_ROWS_V0, "5.1 before its release", POLICY),
        (EventType::DELETE_ROWS_V0, "5.1 before its release", POLICY),
        (EventType::HEARTBEAT, "sent on connections, never in files", BEATS),
        (EventType::HEARTBEAT_V2, "sent on connections, never in files", BEATS),
        (
            EventType::IGNORABLE,
            "no server writes the bare type",
            "an_unknown_type_is_ignorable_only_if_its_writer_says_so",
        ),
        (EventType::TRANSACTION_CONTEXT, "sent between the members of a group, never in a binary log", POLICY),
        (EventType::VIEW_CHANGE, "a group of 9.7 logs none; those of 5.7 and 8.0 did", POLICY),
        (EventType::MARIA_WRITE_ROWS_COMPRESSED, V2_COMPRESSED, POLICY),
        (EventType::MARIA_UPDATE_ROWS_COMPRESSED, V2_COMPRESSED, POLICY),
        (EventType::MARIA_DELETE_ROWS_COMPRESSED, V2_COMPRESSED, POLICY),
    ]
};

/// Column types without a folder, likewise.
const NO_COLUMN: &[(&str, &str, &str)] =
    &[("Null", "a column of a table always has a type", "no_table_map_and_no_row_can_do_harm")];

/// The feed as `expected.json` has it.
fn feed(case: &Case) -> String {
    let decoded = decode("events.bin", &case.bytes());
    let mut text = String::from_utf8(decoded.feed).unwrap();
    if let Err(error) = decoded.result {
        text.push_str(&serde_json::json!({ "$stopped": error.to_string(), "hint": error.hint() }).to_string());
        text.push('\n');
    }
    text
}

#[test]
fn logs_of_real_servers_decode_to_the_expected_feed() {
    let update = std::env::var_os("REPLICATE_UPDATE_GOLDENS").is_some();
    let mut wrong = Vec::new();
    for case in cases() {
        let path = case.dir.join("expected.json");
        let feed = feed(&case);
        if update {
            fs::write(&path, feed).unwrap();
            continue;
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        if let Some((n, (ours, theirs))) =
            lines(&feed, &expected).enumerate().find(|(_, (ours, expected))| ours != expected)
        {
            wrong.push(format!("{}:{}\n  now      {ours:.400}\n  expected {theirs:.400}", path.display(), n + 1));
        }
    }
    assert!(wrong.is_empty(), "{}\n(REPLICATE_UPDATE_GOLDENS=1 rewrites them)", wrong.join("\n"));
}

/// Lines side by side; the shorter text has empty ones at its end.
fn lines<'a>(one: &'a str, other: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let count = one.lines().count().max(other.lines().count());
    let endless = |text: &'a str| text.lines().chain(std::iter::repeat(""));
    endless(one).zip(endless(other)).take(count)
}

#[test]
fn every_line_of_an_expected_feed_is_a_json_object() {
    for case in cases() {
        let text = fs::read_to_string(case.dir.join("expected.json")).unwrap();
        for line in text.lines() {
            let value: serde_json::Value =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{}: {error}: {line}", case.name));
            assert!(value.is_object());
        }
        let bytes: u64 = fs::read_dir(&case.dir).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
        assert!(bytes < 600_000, "{} has {bytes} bytes: fixtures are small", case.name);
    }
}

#[test]
fn every_event_type_has_a_fixture_or_a_reason() {
    let mut seen = BTreeMap::new();
    for case in cases() {
        for (_, raw) in raw_events(&case.bytes()) {
            seen.entry(raw.header.event_type.0).or_insert_with(|| case.name.clone());
        }
    }
    let mut wrong = Vec::new();
    for event_type in (0..=u8::MAX).map(EventType).filter(|event_type| event_type.name().is_some()) {
        let excuse = NOT_WRITTEN.iter().find(|(excused, ..)| *excused == event_type);
        match (seen.get(&event_type.0), excuse) {
            (None, None) => wrong.push(format!("{event_type} ({}) is in no fixture", event_type.0)),
            (Some(case), Some(_)) => wrong.push(format!("{event_type} is in {case}: it needs no excuse")),
            (None, Some((_, reason, test))) => wrong.extend(unproved(&event_type.to_string(), reason, test)),
            (Some(_), None) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The names of all kinds of columns; a new kind does not compile until it is listed.
macro_rules! kinds {
    ($($name:ident)*) => {
        const KINDS: &[&str] = &[$(stringify!($name)),*];

        fn kind_name(kind: ColumnKind) -> &'static str {
            match kind {
                $(ColumnKind::$name { .. } => stringify!($name),)*
            }
        }
    };
}

kinds! {
    Tiny Short Int24 Long LongLong Float Double Decimal Year Date OldTime Time OldDateTime DateTime OldTimestamp Timestamp
    Bit Enum Set Text Blob Compressed Json Geometry Vector Null
}

#[test]
fn every_column_type_has_a_fixture_or_a_reason() {
    let mut seen = BTreeSet::new();
    for case in cases() {
        for_each_event(&case.bytes(), |_, _, _, event| {
            if let Event::TableMap(map) = event
                && let Ok(plan) = TablePlan::compile(&map, None)
            {
                seen.extend(plan.columns.iter().map(|column| kind_name(column.kind)));
            }
        });
    }
    let mut wrong = Vec::new();
    for kind in KINDS {
        match (seen.contains(kind), NO_COLUMN.iter().find(|(excused, ..)| excused == kind)) {
            (false, None) => wrong.push(format!("{kind} is in no fixture")),
            (true, Some(_)) => wrong.push(format!("{kind} is in a fixture: it needs no excuse")),
            (false, Some((_, reason, test))) => wrong.extend(unproved(kind, reason, test)),
            (true, None) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is wrong with an excuse: no reason, or a test that is not there.
fn unproved(what: &str, reason: &str, test: &str) -> Option<String> {
    if reason.is_empty() {
        return Some(format!("{what}: no reason"));
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let there = ["src", "tests"].iter().any(|dir| has_test(&root.join(dir), &format!("fn {test}(")));
    (!there).then(|| format!("{what}: there is no test {test}"))
}

fn has_test(path: &Path, words: &str) -> bool {
    if path.is_dir() {
        return fs::read_dir(path).unwrap().any(|entry| has_test(&entry.unwrap().path(), words));
    }
    path.extension().is_some_and(|extension| extension == "rs") && fs::read_to_string(path).unwrap().contains(words)
}

#[test]
fn every_fixture_is_whole() {
    for case in cases() {
        for file in ["setup.sql", "server.cnf", "events.bin", "mysqlbinlog.txt", "expected.json"] {
            assert!(case.dir.join(file).is_file(), "{} has no {file}", case.name);
        }
    }
}
