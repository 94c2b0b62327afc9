//! The session of the client that a script runs in: what is set at its beginning, before each change, and put back.
//!
//! Rows are written under UTC, without character set conversion, and under a strict `sql_mode` without the NO_ZERO
//! modes: a value is stored exactly or not at all.

use std::fmt::Write;

use crate::binlog::event::RowsEvent;
use crate::change::TransactionMeta;
use crate::sink::mysql::output::RowsMark;
use crate::sink::mysql::statement;

/// Session variables that the script changes, by the user variable that keeps each.
const KEPT: &[&str] = &[
    "character_set_client",
    "character_set_results",
    "collation_connection",
    "sql_mode",
    "time_zone",
    "foreign_key_checks",
    "unique_checks",
    "sql_auto_is_null",
];

/// What the client's session has, as far as the script has set it.
#[derive(Debug, Default)]
pub(super) struct Session {
    flags: u16,
    lenient: bool,
}

impl Session {
    /// How a script begins.
    pub(super) fn preamble(out: &mut Vec<u8>, title: &str) {
        out.extend_from_slice(format!("-- {title}\nSET ").as_bytes());
        for (at, name) in KEPT.iter().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            out.extend_from_slice(format!("{comma}@replicate_{name} = @@SESSION.{name}").as_bytes());
        }
        line(out, b"");
        // A client's own command: with sjis, gbk or big5 for its character set it would take a byte of a value and the
        // backslash or quote behind it for one character. It stands alone on its line, and has no end.
        out.extend_from_slice(b"\\C binary\n");
        line(out, &statement::row_session());
    }

    /// How it ends.
    pub(super) fn epilogue(out: &mut Vec<u8>) {
        out.extend_from_slice(b"SET ");
        for (at, name) in KEPT.iter().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            out.extend_from_slice(format!("{comma}{name} = @replicate_{name}").as_bytes());
        }
        line(out, b"");
    }

    /// Sets what a change of rows needs, if it is not set.
    pub(super) fn for_rows(&mut self, out: &mut Vec<u8>, flags: u16, lenient: bool) {
        if flags != self.flags {
            let foreign_keys = u8::from(flags & RowsEvent::NO_FOREIGN_KEY_CHECKS == 0);
            let unique = u8::from(flags & RowsEvent::RELAXED_UNIQUE_CHECKS == 0);
            line(out, format!("SET foreign_key_checks = {foreign_keys}, unique_checks = {unique}").as_bytes());
            self.flags = flags;
        }
        if lenient != self.lenient {
            line(out, &if lenient { statement::lenient_mode() } else { statement::strict_mode() });
            self.lenient = lenient;
        }
    }

    /// The session was set back to the one for rows.
    pub(super) fn restored(&mut self) {
        *self = Self::default();
    }
}

/// Whether a change needs the lenient `sql_mode`: it raises warnings although it is exact.
pub(super) fn is_lenient(mark: &RowsMark) -> bool {
    mark.warnings > 0
}

/// Appends a statement and its end.
pub(super) fn line(out: &mut Vec<u8>, statement: &[u8]) {
    out.extend_from_slice(statement);
    out.extend_from_slice(b";\n");
}

/// Appends a check of the change before it: an error that says what is wrong, unless it changed so many rows.
/// `sql_mode` takes no such value, and every server says in its error which value it does not take.
pub(super) fn check(out: &mut Vec<u8>, rows: u64, complaint: &str) {
    line(out, format!("SET sql_mode = IF(ROW_COUNT() = {rows}, @@sql_mode, '{complaint}')").as_bytes());
}

/// Appends a line that says which transaction it is.
pub(super) fn comment(out: &mut Vec<u8>, what: &str, meta: &TransactionMeta) {
    let mut text = format!("-- {what}{} to {}", meta.start, meta.end.pos);
    if let Some(gtid) = &meta.gtid {
        let _ = write!(text, ", {gtid}");
    }
    let moment = crate::row::value::Timestamp { seconds: meta.timestamp, micros: 0, digits: 0 };
    let mut when = Vec::new();
    moment.write_text(&mut when);
    let _ = write!(text, ", {} UTC", String::from_utf8_lossy(&when));
    // File names come from the command line and from the log.
    let text: String = text.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    out.extend_from_slice(text.as_bytes());
    out.push(b'\n');
}
