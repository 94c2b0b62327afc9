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
                if domains.get(domain).is_some_and(|last| sequence >= last) {
                    domains.remove(domain);
                }
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
