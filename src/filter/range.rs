//! Where to begin and where to end, decided for whole transactions.
//!
//! | by | start | stop |
//! |---|---|---|
//! | position | transactions that begin there or behind | transactions that begin before |
//! | time | from the first transaction that is of that second or later | up to the first that is |
//! | GTIDs | transactions that are not among them | until all of them were seen, the last included |
//!
//! A transaction's time is its first event's. Clocks go back and forth; logs are cut where a time is reached first, as
//! `mysqlbinlog` does. What lies before a file, as its head says, counts as seen.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::bound::{Bound, Gtids};
use crate::gtid::{Gtid, GtidPos, GtidSet};
use crate::position::{LogPosition, compare_files};

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Range {
    /// Where to begin.
    pub start: Option<Bound>,
    /// Where to end.
    pub stop: Option<Bound>,
    /// Only these transactions.
    pub include: Option<Gtids>,
    /// Not these.
    pub exclude: Option<Gtids>,
}

/// What becomes of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is wanted.
    Wanted,
    /// It is not; later ones may be.
    PassedOver,
    /// Neither it nor any after it.
    Past,
}

/// The start position is at no event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misplaced {
    /// It is inside of one.
    #[error("the start position {asked} is inside an event: events begin at {before} and at {after}")]
    Inside {
        /// What was asked for.
        asked: LogPosition,
        /// The event around it.
        before: u64,
        /// The next event.
        after: u64,
    },
    /// It is behind the file's last.
    #[error("the start position {asked} is behind the end of the file, which ends at {end}")]
    Behind {
        /// What was asked for.
        asked: LogPosition,
        /// Where the file ends.
        end: u64,
    },
    /// No such file was read.
    #[error("the start position is in {0}, and no such file was read")]
    NoFile(String),
}

/// What of a stop has not been seen yet.
#[derive(Debug, Clone)]
enum Awaited {
    MySql(GtidSet),
    MariaDb(BTreeMap<u32, u64>),
}

/// Decides along the log, in order.
#[derive(Debug, Clone)]
pub struct Selection {
    range: Range,
    /// Number of the last file.
    last_file: usize,
    /// A start by time has been reached.
    started: bool,
    awaited: Option<Awaited>,
    /// How far the start position's file was read.
    start_file: Option<LogPosition>,
    /// The start position was at an event.
    placed: bool,
    begun: bool,
}

impl Default for Selection {
    fn default() -> Self {
        Self::new(Range::default(), 1)
    }
}

impl Selection {
    /// For a log of so many files.
    #[must_use]
    pub fn new(range: Range, files: usize) -> Self {
        let awaited = match &range.stop {
            Some(Bound::Gtids(Gtids::MySql(set))) => Some(Awaited::MySql(set.clone())),
            Some(Bound::Gtids(Gtids::MariaDb(position))) => Some(Awaited::MariaDb(sequences(position))),
            _ => None,
        };
        let placed = !matches!(range.start, Some(Bound::Position { .. }));
        let started = !matches!(range.start, Some(Bound::Time(_)));
        let last_file = files.saturating_sub(1);
        Self { range, last_file, started, awaited, start_file: None, placed, begun: false }
    }

    /// An event stands at `at` of the `index`th file and ends at `end`.
    ///
    /// # Errors
    /// When that shows the start position to be at no event.
    #[inline]
    pub fn event(&mut self, index: usize, at: &LogPosition, end: u64) -> Result<(), Misplaced> {
        if self.placed { Ok(()) } else { self.place(index, at, end) }
    }

    fn place(&mut self, index: usize, at: &LogPosition, end: u64) -> Result<(), Misplaced> {
        let Some(Bound::Position { file, pos }) = &self.range.start else { return Ok(()) };
        let here = match file {
            None => index == 0,
            Some(file) => **file == *at.file,
        };
        if !here {
            let behind = self.start_file.as_ref().map(|read| Misplaced::Behind { asked: read.at(*pos), end: read.pos });
            // A later file than the one asked for: all of it is wanted.
            self.placed |= file.as_ref().is_some_and(|file| compare_files(&at.file, file) == Ordering::Greater);
            return behind.map_or(Ok(()), Err);
        }
        self.start_file = Some(at.at(end));
        if at.pos >= *pos || end == *pos {
            self.placed = true;
        } else if end > *pos {
            return Err(Misplaced::Inside { asked: at.at(*pos), before: at.pos, after: end });
        }
        Ok(())
    }

    /// Whether GTIDs say where to stop: then what lies before the first file must be known.
    #[must_use]
    pub fn awaits_gtids(&self) -> bool {
        self.awaited.is_some()
    }

    /// The head of a file says what lies before it. Only the first file's is of interest.
    pub fn previous_gtids(&mut self, before: &GtidSet) {
        if let (Some(Awaited::MySql(set)), false) = (&mut self.awaited, self.begun) {
            set.subtract(before);
        }
    }

    /// As [`Selection::previous_gtids`], for MariaDB's list.
    pub fn gtid_list(&mut self, before: &GtidPos) {
        if !self.begun {
            before.iter().for_each(|gtid| self.seen(&gtid));
        }
    }

    /// What becomes of the transaction that begins here. To be asked once for each, in order.
    pub fn transaction(&mut self, index: usize, at: &LogPosition, timestamp: u32, gtid: Option<&Gtid>) -> Verdict {
        self.begun = true;
        if self.is_past(index, at, timestamp) {
            return Verdict::Past;
        }
        if let Some(gtid) = gtid {
            self.seen(gtid);
        }
        if self.is_started(index, at, timestamp, gtid) && self.is_listed(gtid) {
            Verdict::Wanted
        } else {
            Verdict::PassedOver
        }
    }

    /// Whether an event that belongs to no transaction is in the range.
    #[must_use]
    pub fn wants_outside(&self, index: usize, at: &LogPosition, timestamp: u32) -> bool {
        let started = match &self.range.start {
            Some(Bound::Time(time)) => self.started || u64::from(timestamp) >= *time,
            Some(Bound::Position { file, pos }) => is_at(file.as_deref(), *pos, index, at),
            None | Some(Bound::Gtids(_)) => true,
        };
        started && !self.is_past(index, at, timestamp)
    }

    fn is_past(&self, index: usize, at: &LogPosition, timestamp: u32) -> bool {
        match &self.range.stop {
            None => false,
            Some(Bound::Position { file: None, pos }) => index >= self.last_file && at.pos >= *pos,
            Some(Bound::Position { file: Some(file), pos }) => {
                compare_files(&at.file, file).then(at.pos.cmp(pos)) != Ordering::Less
            }
            Some(Bound::Time(time)) => timestamp != 0 && u64::from(timestamp) >= *time,
            Some(Bound::Gtids(_)) => match &self.awaited {
                Some(Awaited::MySql(set)) => set.is_empty(),
                Some(Awaited::MariaDb(domains)) => domains.is_empty(),
                None => false,
            },
        }
    }

    fn is_started(&mut self, index: usize, at: &LogPosition, timestamp: u32, gtid: Option<&Gtid>) -> bool {
        match &self.range.start {
            None => true,
            Some(Bound::Position { file, pos }) => is_at(file.as_deref(), *pos, index, at),
            Some(Bound::Time(time)) => {
                self.started |= u64::from(timestamp) >= *time;
                self.started
            }
            Some(Bound::Gtids(gtids)) => !gtid.is_some_and(|gtid| gtids.contains(gtid)),
        }
    }

    fn is_listed(&self, gtid: Option<&Gtid>) -> bool {
        let among = |gtids: &Gtids| gtid.is_some_and(|gtid| gtids.contains(gtid));
        self.range.include.as_ref().is_none_or(among) && !self.range.exclude.as_ref().is_some_and(among)
    }

    fn seen(&mut self, gtid: &Gtid) {
        match (&mut self.awaited, gtid) {
            (Some(Awaited::MySql(set)), _) => {
                let mut one = GtidSet::new();
                one.insert(gtid);
                set.subtract(&one);
            }
            (Some(Awaited::MariaDb(domains)), Gtid::MariaDb { domain, sequence, .. }) => {
                domains.retain(|awaited, last| awaited != domain || sequence < last);
            }
            _ => {}
        }
    }

    /// The log has ended.
    ///
    /// # Errors
    /// When the start position was never come to.
    pub fn finish(&self) -> Result<(), Misplaced> {
        match (&self.range.start, &self.start_file) {
            _ if self.placed => Ok(()),
            (Some(Bound::Position { pos, .. }), Some(read)) => {
                Err(Misplaced::Behind { asked: read.at(*pos), end: read.pos })
            }
            (Some(Bound::Position { file: Some(file), .. }), None) => Err(Misplaced::NoFile(file.clone())),
            _ => Ok(()),
        }
    }

    /// Whether a stop by GTIDs waits for more.
    #[must_use]
    pub fn awaits_more(&self) -> bool {
        match &self.awaited {
            None => false,
            Some(Awaited::MySql(set)) => !set.is_empty(),
            Some(Awaited::MariaDb(domains)) => !domains.is_empty(),
        }
    }
}

/// Whether an event of the `index`th file is at the start position or behind it.
fn is_at(file: Option<&str>, pos: u64, index: usize, at: &LogPosition) -> bool {
    match file {
        None => index > 0 || at.pos >= pos,
        Some(file) => compare_files(&at.file, file).then(at.pos.cmp(&pos)) != Ordering::Less,
    }
}

fn sequences(position: &GtidPos) -> BTreeMap<u32, u64> {
    let of = |gtid| match gtid {
        Gtid::MariaDb { domain, sequence, .. } => Some((domain, sequence)),
        Gtid::MySql { .. } => None,
    };
    position.iter().filter_map(of).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    const UUID: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

    fn range(start: Option<&str>, stop: Option<&str>) -> Range {
        let bound = |text: Option<&str>| text.map(|text| text.replace("U:", &format!("{UUID}:")).parse().unwrap());
        Range { start: bound(start), stop: bound(stop), ..Range::default() }
    }

    /// Twelve transactions in three files, at 100 to 400 of each, of seconds 1000, 1010, ..., numbered from 1.
    fn wanted(range: Range, mariadb: bool) -> Vec<usize> {
        let mut selection = Selection::new(range, 3);
        let mut wanted = Vec::new();
        for n in 0..12_usize {
            let at = LogPosition::new(format!("b.{:06}", n / 4 + 1), (n as u64 % 4 + 1) * 100);
            let gtid = if mariadb { format!("{}-1-{}", n % 2, n + 1) } else { format!("{UUID}:{}", n + 1) };
            selection.event(n / 4, &at, at.pos + 100).unwrap();
            match selection.transaction(n / 4, &at, 1000 + n as u32 * 10, Some(&gtid.parse().unwrap())) {
                Verdict::Wanted => wanted.push(n + 1),
                Verdict::PassedOver => {}
                Verdict::Past => break,
            }
        }
        wanted
    }

    #[test]
    fn a_range_begins_with_its_start_and_ends_before_its_stop() {
        for (start, stop, expected) in [
            (None, None, 1..=12),
            (Some("200"), None, 2..=12),
            (None, Some("200"), 1..=9),
            (Some("b.000002:300"), Some("b.000003:100"), 7..=8),
            (Some("b.000002:500"), None, 9..=12),
            (None, Some("b.000002:301"), 1..=7),
            (None, Some("b.000009:4"), 1..=12),
            (Some("1970-01-01 00:17:00"), Some("1970-01-01 00:17:20"), 3..=4),
            (Some("1970-01-01 00:16:51"), None, 3..=12),
            (Some("U:1-5"), None, 6..=12),
            (None, Some("U:1-5"), 1..=5),
            (Some("U:1-5"), Some("U:7"), 6..=7),
        ] {
            assert_eq!(wanted(range(start, stop), false), expected.collect::<Vec<_>>(), "{start:?} {stop:?}");
        }
        assert_eq!(wanted(range(Some("U:2-3:5-11"), None), false), [1, 4, 12]);
        assert_eq!(wanted(range(Some("0-1-3,1-1-8"), None), true), [5, 7, 9, 10, 11, 12]);
        assert_eq!(wanted(range(None, Some("0-1-3,1-1-8")), true), (1..=8).collect::<Vec<_>>());
    }

    #[test]
    fn only_what_is_listed_and_not_excluded_is_wanted() {
        let set = |text: &str| Some(format!("{UUID}:{text}").parse().unwrap());
        assert_eq!(wanted(Range { include: set("3-5"), ..Range::default() }, false), [3, 4, 5]);
        assert_eq!(wanted(Range { include: set("3-5"), exclude: set("4"), ..Range::default() }, false), [3, 5]);
    }

    #[test]
    fn a_clock_that_goes_back_neither_begins_nor_ends_a_range_twice() {
        let mut selection = Selection::new(range(Some("1970-01-01 00:00:20"), Some("1970-01-01 00:00:30")), 1);
        let at = LogPosition::new("b", 4);
        let verdicts: Vec<Verdict> =
            [10, 20, 15, 29, 30].map(|timestamp| selection.transaction(0, &at, timestamp, None)).to_vec();
        let (over, wanted) = (Verdict::PassedOver, Verdict::Wanted);
        assert_eq!(verdicts, [over, wanted, wanted, wanted, Verdict::Past]);
    }

    #[test]
    fn what_lies_before_the_first_file_counts_as_seen() {
        let mut selection = Selection::new(range(None, Some("U:1-3")), 1);
        selection.previous_gtids(&format!("{UUID}:1-2").parse().unwrap());
        let at = LogPosition::new("b", 4);
        let next = |selection: &mut Selection, gno| {
            selection.transaction(0, &at, 1, Some(&format!("{UUID}:{gno}").parse().unwrap()))
        };
        assert!(selection.awaits_more());
        assert_eq!(next(&mut selection, 3), Verdict::Wanted);
        assert!(!selection.awaits_more());
        assert_eq!(next(&mut selection, 4), Verdict::Past);
    }

    #[test]
    fn a_start_at_no_event_is_named_with_its_neighbours() {
        let at = |file: &str, pos| LogPosition::new(file, pos);
        let mut inside = Selection::new(range(Some("150"), None), 1);
        inside.event(0, &at("b.000001", 4), 100).unwrap();
        let error = inside.event(0, &at("b.000001", 100), 200).unwrap_err();
        assert_eq!(error, Misplaced::Inside { asked: at("b.000001", 150), before: 100, after: 200 });
        let mut behind = Selection::new(range(Some("b.000001:250"), None), 2);
        behind.event(0, &at("b.000001", 100), 200).unwrap();
        assert_eq!(behind.finish(), Err(Misplaced::Behind { asked: at("b.000001", 250), end: 200 }));
        assert!(behind.event(1, &at("b.000002", 4), 100).is_err());
        let mut other = Selection::new(range(Some("b.000009:4"), None), 1);
        other.event(0, &at("b.000001", 4), 100).unwrap();
        assert_eq!(other.finish(), Err(Misplaced::NoFile("b.000009".to_owned())));
        let mut end = Selection::new(range(Some("200"), None), 1);
        end.event(0, &at("b.000001", 100), 200).unwrap();
        assert_eq!(end.finish(), Ok(()));
    }
}
