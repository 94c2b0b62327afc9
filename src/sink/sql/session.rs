//! The session of the client that a script runs in: what is set at its beginning, before each change, and put back.
//!
//! Rows are written under UTC, without character set conversion, and under a strict `sql_mode` without the NO_ZERO
//! modes: a value is stored exactly or not at all.
//!
//! Each check counts itself in a variable of the session, in the same SET that fails if something is wrong. A transaction
//! is committed only if all checks so far have counted: so also a client that goes on after errors (`source`, `--force`),
//! or that connects anew, commits nothing behind a failed check.

use std::fmt::Write;

use ahash::AHashSet;

use crate::binlog::event::RowsEvent;
use crate::change::TransactionMeta;
use crate::sink::mysql::output::RowsMark;
use crate::sink::mysql::{literal, statement};

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

/// What the check before a table's first change says; it stands in an error message of the server.
const HAS_TRIGGERS: &str = "replicate: the table has triggers";

/// What the client's session has, as far as the script has set it.
#[derive(Debug, Default)]
pub(super) struct Session {
    flags: u16,
    lenient: bool,
    /// Nothing is checked.
    unchecked: bool,
    /// Checks written.
    checks: u64,
    /// Databases and tables that were checked for triggers.
    tables: AHashSet<(Vec<u8>, Vec<u8>)>,
}

impl Session {
    pub(super) fn new(unchecked: bool) -> Self {
        Self { unchecked, ..Self::default() }
    }

    /// How a script begins.
    pub(super) fn preamble(out: &mut Vec<u8>, title: &str) {
        out.extend_from_slice(format!("-- {title}\nSET ").as_bytes());
        for (at, name) in KEPT.iter().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            out.extend_from_slice(format!("{comma}@replicate_{name} = @@SESSION.{name}").as_bytes());
        }
        line(out, b", @replicate_checks = 0");
        // A client's own command: with sjis, gbk or big5 for its character set it would take a byte of a value and the
        // backslash or quote behind it for one character. It stands alone on its line, and has no end.
        out.extend_from_slice(b"\\C binary\n");
        line(out, &statement::row_session());
    }

    /// How it ends.
    pub(super) fn epilogue(&self, out: &mut Vec<u8>) {
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
        (self.flags, self.lenient) = (0, false);
    }

    /// Definitions may have changed.
    pub(super) fn defined(&mut self) {
        self.tables.clear();
    }

    /// Before a change of a table: a check that no trigger would fire for it, once a table. What triggers did at the
    /// source is in the log, and a trigger may change the very row that is written.
    pub(super) fn for_table(&mut self, out: &mut Vec<u8>, change: &[u8]) {
        if self.unchecked {
            return;
        }
        let Some(names) = table_of(change).filter(|names| !self.tables.contains(names)) else { return };
        let (database, table) = &names;
        let mut found = b"EXISTS(SELECT 1 FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = ".to_vec();
        any_case(&mut found, database);
        found.extend_from_slice(b" AND EVENT_OBJECT_TABLE = ");
        any_case(&mut found, table);
        found.push(b')');
        self.tables.insert(names);
        self.expect(out, &[b"NOT ", found.as_slice()].concat(), HAS_TRIGGERS);
    }

    /// Behind a change: a check that it was one of so many rows.
    pub(super) fn check(&mut self, out: &mut Vec<u8>, rows: u64, complaint: &str) {
        if !self.unchecked {
            self.expect(out, format!("ROW_COUNT() = {rows}").as_bytes(), complaint);
        }
    }

    /// An error that says what is wrong, unless the condition holds. `sql_mode` takes no such value, and every server
    /// says in its error which value it does not take; then it sets none of the variables.
    fn expect(&mut self, out: &mut Vec<u8>, condition: &[u8], complaint: &str) {
        self.checks = self.checks.saturating_add(1);
        out.extend_from_slice(b"SET @replicate_checks = @replicate_checks + 1, sql_mode = IF(");
        out.extend_from_slice(condition);
        line(out, format!(", @@sql_mode, '{complaint}')").as_bytes());
    }

    /// Commits, if all checks before have counted.
    pub(super) fn commit(&self, out: &mut Vec<u8>) {
        if self.checks == 0 {
            return line(out, b"COMMIT");
        }
        let end = format!("SET @replicate_end = IF(@replicate_checks = {}, 'COMMIT', 'ROLLBACK')", self.checks);
        line(out, end.as_bytes());
        line(out, b"PREPARE replicate_end FROM @replicate_end");
        line(out, b"EXECUTE replicate_end");
    }
}

/// Database and table of a change of rows: it begins with words and has them next, in backticks.
fn table_of(change: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let start = change.iter().position(|byte| *byte == b'`')?;
    let (database, rest) = name(change.get(start..)?)?;
    let (table, _) = name(rest.strip_prefix(b".")?)?;
    Some((database, table))
}

/// A name in backticks, and what follows it.
fn name(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut rest = text.strip_prefix(b"`")?;
    let mut name = Vec::new();
    loop {
        match rest {
            [b'`', b'`', tail @ ..] => {
                name.push(b'`');
                rest = tail;
            }
            [b'`', tail @ ..] => return Some((name, tail)),
            [byte, tail @ ..] => {
                name.push(*byte);
                rest = tail;
            }
            [] => return None,
        }
    }
}

/// A name as text that is compared in any case: servers differ in how they keep names.
fn any_case(out: &mut Vec<u8>, name: &[u8]) {
    out.extend_from_slice(b"_utf8mb4 ");
    if name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'-' | b' ')) {
        out.push(b'\'');
        out.extend_from_slice(name);
        out.push(b'\'');
    } else {
        literal::hex(out, name);
    }
    out.extend_from_slice(b" COLLATE utf8mb4_general_ci");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_a_change_is_found_whatever_its_name() {
        for (change, names) in [
            ("INSERT INTO `d`.`t` (`a`) VALUES (1)", Some(("d", "t"))),
            ("UPDATE `d`.`t` SET `x`.`y` = 1", Some(("d", "t"))),
            ("DELETE FROM `a``.``b`.`c``` WHERE 1", Some(("a`.`b", "c`"))),
            ("INSERT INTO `a.b`.`c d`(`e`)", Some(("a.b", "c d"))),
            ("INSERT INTO t VALUES (1)", None),
        ] {
            let expected = names.map(|(database, table)| (database.as_bytes().to_vec(), table.as_bytes().to_vec()));
            assert_eq!(table_of(change.as_bytes()), expected, "{change}");
        }
    }
}
