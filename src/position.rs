//! A place in the source's binary log: file name and byte offset.
//!
//! Files are ordered by the number at the end of the name, not by the text: after `binlog.999999` comes
//! `binlog.1000000`. Offsets are 64-bit; the 32-bit `end_log_pos` of event headers wraps in files over 4 GiB.
//! Manual: "The Binary Log".

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The offset of the first event: a binary log opens with four magic bytes.
pub const FIRST_EVENT: u64 = 4;

/// A file of the source's binary log and an offset in it. Cloning is cheap.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LogPosition {
    /// Base name of the file, as `SHOW BINARY LOGS` lists it.
    pub file: Arc<str>,
    /// Offset in bytes from the start of the file.
    pub pos: u64,
}

impl LogPosition {
    /// A position in the named file.
    #[must_use]
    pub fn new(file: impl Into<Arc<str>>, pos: u64) -> Self {
        Self { file: file.into(), pos }
    }

    /// The same file at another offset.
    #[must_use]
    pub fn at(&self, pos: u64) -> Self {
        Self { file: Arc::clone(&self.file), pos }
    }
}

/// The running number at the end of a log file's name, and what stands before it.
fn split_number(file: &str) -> (&str, Option<u64>) {
    match file.rsplit_once('.') {
        Some((base, digits)) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
            (base, digits.parse().ok())
        }
        _ => (file, None),
    }
}

/// Orders file names of one log: by number when both have one and the same base, else by text.
#[must_use]
pub fn compare_files(a: &str, b: &str) -> Ordering {
    match (split_number(a), split_number(b)) {
        ((base_a, Some(x)), (base_b, Some(y))) if base_a == base_b => x.cmp(&y),
        _ => a.cmp(b),
    }
}

impl PartialOrd for LogPosition {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for LogPosition {
    fn cmp(&self, other: &Self) -> Ordering {
        compare_files(&self.file, &other.file).then(self.pos.cmp(&other.pos))
    }
}

impl fmt::Display for LogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.pos)
    }
}

/// The text was not `file:offset`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a log position; write it as file:offset, for example mysql-bin.000001:4")]
pub struct PositionTextError(String);

impl FromStr for LogPosition {
    type Err = PositionTextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.rsplit_once(':') {
            Some((file, pos)) if !file.is_empty() => match pos.parse() {
                Ok(pos) => Ok(Self::new(file, pos)),
                Err(_) => Err(PositionTextError(text.to_owned())),
            },
            _ => Err(PositionTextError(text.to_owned())),
        }
    }
}

/// Follows the 64-bit offset through a file whose events carry only its low 32 bits.
///
/// `end` is the event's `end_log_pos`: 0 means "not said" (artificial events, and most events of MariaDB 11.4
/// and later inside a group). The result is never behind `current`.
#[must_use]
pub fn widen_end(current: u64, event_size: u64, end: u32) -> u64 {
    let by_size = current.saturating_add(event_size);
    if end == 0 {
        return by_size;
    }
    let low = u64::from(end);
    let base = by_size & !0xffff_ffff;
    let candidate = base | low;
    if candidate >= current { candidate } else { candidate.saturating_add(1 << 32) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn file_one_million_comes_after_file_999999() {
        assert_eq!(compare_files("binlog.999999", "binlog.1000000"), Ordering::Less);
        assert_eq!(compare_files("binlog.000002", "binlog.000010"), Ordering::Less);
        assert!(LogPosition::new("b.000009", 900) < LogPosition::new("b.000010", 4));
    }

    #[test]
    fn position_text_round_trips_and_rejects_nonsense() {
        let position: LogPosition = "mysql-bin.000001:107".parse().unwrap();
        assert_eq!(position.to_string(), "mysql-bin.000001:107");
        for bad in ["", "x", ":4", "x:", "x:-1", "x:4a"] {
            assert!(bad.parse::<LogPosition>().is_err(), "{bad}");
        }
    }

    #[test]
    fn offsets_go_on_past_four_gibibytes() {
        assert_eq!(widen_end(100, 50, 150), 150);
        assert_eq!(widen_end(0xffff_fff0, 0x20, 0x10), 0x1_0000_0010);
        assert_eq!(widen_end(0x1_0000_0010, 0x20, 0), 0x1_0000_0030);
        assert_eq!(widen_end(100, 50, 9000), 9000);
    }
}
