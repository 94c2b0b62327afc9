//! One end of a range as it is typed: a position, a date and time, or GTIDs.

use std::str::FromStr;

use crate::gtid::{Gtid, GtidPos, GtidSet};
use crate::position::LogPosition;

/// Transactions named by GTID, in the form of either server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gtids {
    /// Exactly these.
    MySql(GtidSet),
    /// In each domain that is named, everything up to the number.
    MariaDb(GtidPos),
}

impl Gtids {
    /// Whether the transaction is among them.
    #[must_use]
    pub fn contains(&self, gtid: &Gtid) -> bool {
        match (self, gtid) {
            (Self::MySql(set), _) => set.contains(gtid),
            (Self::MariaDb(position), Gtid::MariaDb { domain, sequence, .. }) => position
                .get(*domain)
                .is_some_and(|last| matches!(last, Gtid::MariaDb { sequence: last, .. } if *sequence <= last)),
            (Self::MariaDb(_), Gtid::MySql { .. }) => false,
        }
    }
}

impl FromStr for Gtids {
    type Err = BoundError;

    fn from_str(text: &str) -> Result<Self, BoundError> {
        if let Ok(set) = text.parse::<GtidSet>()
            && !set.is_empty()
        {
            return Ok(Self::MySql(set));
        }
        match text.parse::<GtidPos>() {
            Ok(position) if !position.is_empty() => Ok(Self::MariaDb(position)),
            _ => Err(BoundError(text.to_owned())),
        }
    }
}

/// Where a range begins or ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bound {
    /// An offset; without a file, in the first file for a start, in the last for a stop.
    Position {
        /// Base name of the file.
        file: Option<String>,
        /// Offset in it.
        pos: u64,
    },
    /// Seconds since 1970.
    Time(u64),
    /// GTIDs.
    Gtids(Gtids),
}

/// The text is no position, date or GTID set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no place in a log; write an offset (4), a file and an offset (mysql-bin.000001:4), a date and time in UTC \
     ('2026-11-22 10:00:00', 2026-11-22T10:00:00+01:00) or GTIDs (UUID:1-5, 0-1-5)"
)]
pub struct BoundError(String);

impl FromStr for Bound {
    type Err = BoundError;

    /// A date wins over MariaDB's GTID of the same form (`2026-11-22`).
    fn from_str(text: &str) -> Result<Self, BoundError> {
        let text = text.trim();
        if let Ok(pos) = text.parse() {
            return Ok(Self::Position { file: None, pos });
        }
        if let Some(time) = parse_datetime(text) {
            return Ok(Self::Time(time));
        }
        if let Ok(gtids) = text.parse() {
            return Ok(Self::Gtids(gtids));
        }
        match text.parse::<LogPosition>() {
            Ok(LogPosition { file, pos }) => Ok(Self::Position { file: Some(file.to_string()), pos }),
            Err(_) => Err(BoundError(text.to_owned())),
        }
    }
}

/// Seconds since 1970 of `YYYY-MM-DD[ HH:MM[:SS[.fraction]]][Z|+HH:MM]`; `T` may stand for the blank. Without an
/// offset it is UTC. A fraction is dropped: logs count seconds.
#[must_use]
pub fn parse_datetime(text: &str) -> Option<u64> {
    let (date, rest) = text.split_at_checked(10)?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let (time, offset) = match rest.strip_prefix([' ', 'T', 't']) {
        None if rest.is_empty() => (0, 0),
        None => return None,
        Some(rest) => {
            let end = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
            let (time, offset) = rest.split_at_checked(end)?;
            (time_of_day(time.trim_end())?, offset_seconds(offset)?)
        }
    };
    let seconds = days(year, month, day)?.checked_mul(86_400)?.checked_add(time)?.checked_sub(offset)?;
    u64::try_from(seconds).ok()
}

fn time_of_day(text: &str) -> Option<i64> {
    let whole = match text.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() && fraction.bytes().all(|b| b.is_ascii_digit()) => whole,
        Some(_) => return None,
        None => text,
    };
    let [hour, minute, second] = match whole.len() {
        5 => {
            let [hour, minute] = numbers(whole, ':', [2, 2])?;
            [hour, minute, 0]
        }
        _ => numbers(whole, ':', [2, 2, 2])?,
    };
    (hour < 24 && minute < 60 && second < 60).then(|| hour * 3600 + minute * 60 + second)
}

fn offset_seconds(text: &str) -> Option<i64> {
    let (sign, digits) = match text.split_at_checked(1) {
        None => return Some(0),
        Some(("Z" | "z", "")) => return Some(0),
        Some(("+", digits)) => (1, digits),
        Some(("-", digits)) => (-1, digits),
        Some(_) => return None,
    };
    let [hours, minutes] = match digits.len() {
        2 => numbers(digits, ':', [2]).map(|[hours]| [hours, 0])?,
        _ => numbers(digits, ':', [2, 2])?,
    };
    (hours < 15 && minutes < 60).then(|| sign * (hours * 3600 + minutes * 60))
}

/// Exactly `N` numbers of these many digits.
fn numbers<const N: usize>(text: &str, separator: char, digits: [usize; N]) -> Option<[i64; N]> {
    let mut found = [0; N];
    let mut parts = text.split(separator);
    for (slot, digits) in found.iter_mut().zip(digits) {
        let part = parts.next().filter(|part| part.len() == digits && part.bytes().all(|b| b.is_ascii_digit()))?;
        *slot = part.parse().ok()?;
    }
    parts.next().is_none().then_some(found)
}

/// Days from 1970-01-01 of a date that there is. Years count from March, so that leap days come last.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        1..=12 => 31,
        _ => return None,
    };
    if day < 1 || day > length {
        return None;
    }
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + (153 * month + 2) / 5 + day - 1 - 719_468)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_utc_unless_an_offset_says_otherwise() {
        for (text, seconds) in [
            ("1970-01-01", 0),
            ("1970-01-01 00:00:01", 1),
            ("2000-02-29 00:00:00", 951_782_400),
            ("2024-02-29T00:00:00Z", 1_709_164_800),
            ("2024-02-29 01:00:00+01:00", 1_709_164_800),
            ("2024-02-28T19:00:00.999-05", 1_709_164_800),
            ("2026-11-22 10:00", 1_795_341_600),
        ] {
            assert_eq!(parse_datetime(text), Some(seconds), "{text}");
        }
        for text in [
            "",
            "2026-02-29",
            "2026-13-01",
            "2026-11-00",
            "2026-11-22 24:00:00",
            "2026-11-22 10:61:00",
            "2026-11-22 1:00:00",
            "2026-11-2210:00:00",
            "2026-11-22 10:00:00+1",
            "1969-12-31 23:59:59",
            "2026-11-22 10:00:00 CET",
        ] {
            assert_eq!(parse_datetime(text), None, "{text}");
        }
    }

    #[test]
    fn a_bound_is_told_by_its_form() {
        let uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
        assert_eq!("4".parse(), Ok(Bound::Position { file: None, pos: 4 }));
        assert_eq!("b.000001:4".parse(), Ok(Bound::Position { file: Some("b.000001".to_owned()), pos: 4 }));
        assert_eq!("2024-02-29".parse(), Ok(Bound::Time(1_709_164_800)));
        assert!(matches!(format!("{uuid}:1-5").parse(), Ok(Bound::Gtids(Gtids::MySql(_)))));
        assert!(matches!(format!("{uuid}:5").parse(), Ok(Bound::Gtids(Gtids::MySql(_)))));
        assert!(matches!("0-1-5,1-1-7".parse(), Ok(Bound::Gtids(Gtids::MariaDb(_)))));
        for text in ["", "here", "x:", "2026-11-22 25:00:00", "0-1"] {
            assert!(text.parse::<Bound>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_mariadb_position_stands_for_all_before_it_in_its_domain() {
        let gtids: Gtids = "0-1-5".parse().unwrap();
        for (gtid, inside) in [("0-1-5", true), ("0-2-1", true), ("0-1-6", false), ("1-1-1", false)] {
            assert_eq!(gtids.contains(&gtid.parse().unwrap()), inside, "{gtid}");
        }
    }
}
