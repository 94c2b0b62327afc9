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
pub(crate) fn split_number(file: &str) -> (&str, Option<u64>) {
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
/// and later inside a group). It is ahead of where the event's size leads where the source left events out of what it
/// sends. It is behind in early 5.1, which counts inside a transaction from the transaction's beginning, and then
/// says nothing. Transactions begin in the first gibibyte of a file (`max_binlog_size`), which tells the two apart.
/// The result is never behind `current`.
#[must_use]
pub fn widen_end(current: u64, event_size: u64, end: u32) -> u64 {
    let by_size = current.saturating_add(event_size);
    if end == 0 {
        return by_size;
    }
    let ahead = u64::from(end).wrapping_sub(by_size) & LOW_BITS;
    let behind = (LOW_BITS + 1).saturating_sub(ahead);
    if behind <= MOST_BEHIND { by_size } else { by_size.saturating_add(ahead) }
}

/// What headers say of an offset.
const LOW_BITS: u64 = 0xffff_ffff;

/// The largest `max_binlog_size`.
const MOST_BEHIND: u64 = 1 << 30;

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

    #[test]
    fn offsets_follow_a_file_of_many_gibibytes_event_by_event() {
        let (mut at, mut said) = (4_u64, 4_u32);
        // Sizes that never hit a multiple of 4 GiB exactly, and events of the largest size.
        for size in (0..60).map(|n| if n % 3 == 0 { 1 << 30 } else { 700_000_001 }) {
            said = said.wrapping_add(size);
            at += u64::from(size);
            assert_eq!(widen_end(at - u64::from(size), u64::from(size), said), at);
        }
        assert!(at > 40 << 30);
    }

    #[test]
    fn events_that_the_source_left_out_are_passed_also_across_four_gibibytes() {
        // Just less than 3 GiB left out at most.
        for left_out in [1_u64, 1000, 1 << 30, (3 << 30) - 1] {
            for current in [4, 0xffff_ff00, 0x1_0000_0000, 0x2_8000_0000] {
                let end = current + left_out + 31;
                if end & 0xffff_ffff != 0 {
                    assert_eq!(widen_end(current, 31, u32::try_from(end & 0xffff_ffff).unwrap()), end);
                }
            }
        }
    }

    #[test]
    fn ends_counted_from_the_transactions_beginning_say_nothing() {
        assert_eq!(widen_end(170, 108, 108), 278);
        assert_eq!(widen_end(278, 133, 241), 411);
        assert_eq!(widen_end(1 << 30, 50, 50), (1 << 30) + 50);
    }

    #[test]
    fn an_offset_that_is_not_said_follows_from_the_sizes_in_files_of_any_size() {
        assert_eq!(widen_end(824, 51, 0), 875);
        assert_eq!(widen_end(0x3_ffff_fff0, 0x20, 0), 0x4_0000_0010);
        // What is said next agrees with it.
        assert_eq!(widen_end(0x4_0000_0010, 31, 0x2f), 0x4_0000_002f);
    }

    #[test]
    fn file_numbers_grow_past_six_digits() {
        let names = ["b.999998", "b.999999", "b.1000000", "b.9999999", "b.10000000", "b.2147483647"];
        for pair in names.windows(2) {
            assert_eq!(compare_files(pair[0], pair[1]), Ordering::Less, "{pair:?}");
            assert!(LogPosition::new(pair[0], u64::MAX) < LogPosition::new(pair[1], 4));
        }
    }
}
