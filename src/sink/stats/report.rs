//! The sums, and the report that is made of them.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use ahash::AHashMap;

use super::{Piece, Record};
use crate::binlog::EventType;
use crate::change::TransactionMeta;
use crate::filter::Kind;
use crate::gtid::Gtid;
use crate::position::LogPosition;

/// How many of the largest are kept.
const LARGEST: usize = 10;

/// Seconds counted at once: a clock may go back this far.
const OPEN_SECONDS: usize = 4096;

/// Events of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventCount {
    /// The type.
    pub event_type: EventType,
    /// Events.
    pub count: u64,
    /// Their bytes; of those in payloads, unpacked.
    pub bytes: u64,
    /// Events that were inside payloads.
    pub in_payloads: u64,
}

impl EventCount {
    pub(super) fn new(event_type: EventType) -> Self {
        Self { event_type, count: 0, bytes: 0, in_payloads: 0 }
    }

    pub(super) fn add(&mut self, bytes: u64, in_payload: bool) {
        self.count = self.count.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
        self.in_payloads = self.in_payloads.saturating_add(u64::from(in_payload));
    }
}

/// Compressed transactions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Payloads {
    /// Payloads.
    pub count: u64,
    /// Their bytes in the log.
    pub packed: u64,
    /// What they unpack to.
    pub unpacked: u64,
}

impl Payloads {
    pub(super) fn add(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.packed = self.packed.saturating_add(other.packed);
        self.unpacked = self.unpacked.saturating_add(other.unpacked);
    }
}

/// Row changes of one table, or of all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableRows {
    /// Database; empty for the sum of all.
    pub database: String,
    /// Table; empty for the sum of all.
    pub table: String,
    /// New rows.
    pub inserts: u64,
    /// Changed rows.
    pub updates: u64,
    /// Removed rows.
    pub deletes: u64,
    /// Bytes of row images, unpacked.
    pub bytes: u64,
    /// Transactions that changed rows of it.
    pub transactions: u64,
}

impl TableRows {
    /// Row changes of all kinds.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.inserts.saturating_add(self.updates).saturating_add(self.deletes)
    }

    fn add(&mut self, kind: Kind, rows: u64, bytes: u64) {
        let counter = match kind {
            Kind::Insert => &mut self.inserts,
            Kind::Delete => &mut self.deletes,
            Kind::Update | Kind::Ddl => &mut self.updates,
        };
        *counter = counter.saturating_add(rows);
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

/// A large transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionSize {
    /// Where it begins.
    pub start: LogPosition,
    /// Its GTID.
    pub gtid: Option<Gtid>,
    /// Seconds since 1970 of its first event.
    pub timestamp: u32,
    /// Its bytes in the log.
    pub bytes: u64,
    /// Its row changes.
    pub rows: u64,
}

/// A busy second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Second {
    /// Seconds since 1970.
    pub timestamp: u32,
    /// Transactions that begin in it.
    pub transactions: u64,
    /// Their row changes.
    pub rows: u64,
    /// Their bytes in the log.
    pub bytes: u64,
}

/// All that was counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Tables, those with the most row changes first.
    pub tables: Vec<TableRows>,
    /// The sum of all tables. Its transactions are all there were.
    pub total: TableRows,
    /// Statements: definitions and what else is no row.
    pub statements: u64,
    /// Bytes of all transactions in the log.
    pub log_bytes: u64,
    /// Times of the first and the last transaction, by clock.
    pub span: Option<(u32, u32)>,
    /// The largest transactions, by bytes.
    pub largest: Vec<TransactionSize>,
    /// The busiest seconds, by row changes, then by transactions.
    pub busiest: Vec<Second>,
    /// Events in transactions, the most frequent first.
    pub events: Vec<EventCount>,
    /// Compressed transactions.
    pub payloads: Payloads,
}

/// The transaction under way.
#[derive(Debug)]
struct Open {
    meta: TransactionMeta,
    rows: u64,
    statements: u64,
    tables: Vec<usize>,
}

/// What was added up so far.
#[derive(Debug, Default)]
pub(super) struct Sum {
    touched: bool,
    by_name: AHashMap<(String, String), usize>,
    open: Option<Open>,
    seconds: BTreeMap<u32, Second>,
    report: Report,
}

impl Sum {
    pub(super) fn new(touched: bool) -> Self {
        Self { touched, ..Self::default() }
    }

    pub(super) fn add(&mut self, piece: &mut Piece) {
        let names: Vec<usize> = piece.tables.drain(..).map(|name| self.table(name)).collect();
        for record in piece.records.drain(..) {
            match record {
                Record::Begin(meta) => {
                    self.open = Some(Open { meta: *meta, rows: 0, statements: 0, tables: Vec::new() });
                }
                Record::Rows { table, kind, rows, bytes } => {
                    if let Some(table) = names.get(table) {
                        self.rows(*table, kind, rows, bytes);
                    }
                }
                Record::Statement => {
                    self.report.statements = self.report.statements.saturating_add(1);
                    if let Some(open) = &mut self.open {
                        open.statements = open.statements.saturating_add(1);
                    }
                }
                Record::End => self.end(),
            }
        }
        for event in piece.events.drain(..) {
            match self.report.events.iter_mut().find(|count| count.event_type == event.event_type) {
                Some(count) => {
                    count.count = count.count.saturating_add(event.count);
                    count.bytes = count.bytes.saturating_add(event.bytes);
                    count.in_payloads = count.in_payloads.saturating_add(event.in_payloads);
                }
                None => self.report.events.push(event),
            }
        }
        self.report.payloads.add(&piece.payloads);
    }

    fn table(&mut self, name: (String, String)) -> usize {
        let tables = &mut self.report.tables;
        *self.by_name.entry(name).or_insert_with_key(|(database, table)| {
            tables.push(TableRows { database: database.clone(), table: table.clone(), ..TableRows::default() });
            tables.len() - 1
        })
    }

    fn rows(&mut self, table: usize, kind: Kind, rows: u64, bytes: u64) {
        self.report.total.add(kind, rows, bytes);
        let Some(counts) = self.report.tables.get_mut(table) else { return };
        counts.add(kind, rows, bytes);
        let Some(open) = &mut self.open else { return };
        open.rows = open.rows.saturating_add(rows);
        if !open.tables.contains(&table) {
            open.tables.push(table);
            counts.transactions = counts.transactions.saturating_add(1);
        }
    }

    fn end(&mut self) {
        let Some(Open { meta, rows, statements, .. }) = self.open.take() else { return };
        if self.touched && rows == 0 && statements == 0 {
            return;
        }
        let TransactionMeta { start, end, gtid, timestamp, .. } = meta;
        let bytes = end.pos.saturating_sub(start.pos);
        let report = &mut self.report;
        report.total.transactions = report.total.transactions.saturating_add(1);
        report.log_bytes = report.log_bytes.saturating_add(bytes);
        if timestamp != 0 {
            let (first, last) = report.span.unwrap_or((timestamp, timestamp));
            report.span = Some((first.min(timestamp), last.max(timestamp)));
            self.second(timestamp, rows, bytes);
        }
        let size = TransactionSize { start, gtid, timestamp, bytes, rows };
        keep_largest(&mut self.report.largest, size, |size| size.bytes);
    }

    fn second(&mut self, timestamp: u32, rows: u64, bytes: u64) {
        let second = self.seconds.entry(timestamp).or_insert(Second { timestamp, ..Second::default() });
        second.transactions = second.transactions.saturating_add(1);
        second.rows = second.rows.saturating_add(rows);
        second.bytes = second.bytes.saturating_add(bytes);
        if self.seconds.len() > OPEN_SECONDS
            && let Some((_, second)) = self.seconds.pop_first()
        {
            keep_largest(&mut self.report.busiest, second, |second| (second.rows, second.transactions));
        }
    }

    pub(super) fn report(mut self) -> Report {
        while let Some((_, second)) = self.seconds.pop_first() {
            keep_largest(&mut self.report.busiest, second, |second| (second.rows, second.transactions));
        }
        let mut report = self.report;
        report.tables.retain(|table| table.transactions > 0);
        report.tables.sort_by_cached_key(|table| (Reverse(table.rows()), table.database.clone(), table.table.clone()));
        report.events.sort_by_key(|count| (Reverse(count.count), count.event_type.0));
        report
    }
}

/// Keeps the largest in falling order; of equal ones those that came first.
fn keep_largest<T, K: Ord>(list: &mut Vec<T>, item: T, key: impl Fn(&T) -> K) {
    let at = list.partition_point(|other| key(other) >= key(&item));
    if at < LARGEST {
        list.insert(at, item);
        list.truncate(LARGEST);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::change::GroupEnd;

    fn begin(pos: u64, len: u64, timestamp: u32) -> Record {
        Record::Begin(Box::new(TransactionMeta {
            start: LogPosition::new("b.000001", pos),
            end: LogPosition::new("b.000001", pos + len),
            gtid: None,
            group_end: GroupEnd::Xid(1),
            server_id: 1,
            timestamp,
            original_commit_timestamp: 0,
        }))
    }

    fn rows(table: usize, kind: Kind, rows: u64) -> Record {
        Record::Rows { table, kind, rows, bytes: rows * 10 }
    }

    fn piece(records: Vec<Record>) -> Piece {
        let tables = vec![("d".to_owned(), "t".to_owned()), ("d".to_owned(), "u".to_owned())];
        Piece { tables, records, ..Piece::default() }
    }

    #[test]
    fn a_transaction_in_pieces_is_counted_once() {
        let mut sum = Sum::new(false);
        sum.add(&mut piece(vec![begin(4, 100, 50), rows(0, Kind::Insert, 2)]));
        sum.add(&mut piece(vec![rows(0, Kind::Update, 3), rows(1, Kind::Delete, 1), Record::End]));
        let report = sum.report();
        assert_eq!(report.total.transactions, 1);
        assert_eq!((report.total.rows(), report.total.bytes, report.log_bytes), (6, 60, 100));
        let table = &report.tables[0];
        assert_eq!((table.table.as_str(), table.inserts, table.updates, table.transactions), ("t", 2, 3, 1));
        assert_eq!(report.largest[0].rows, 6);
    }

    #[test]
    fn only_the_largest_are_kept_and_seconds_may_come_out_of_order() {
        let mut sum = Sum::new(false);
        for n in 0..30_u32 {
            let size = u64::from(n * 7 % 30 + 1);
            // Two clocks, one second apart.
            sum.add(&mut piece(vec![begin(4, size, 100 + n / 4 - n % 2), rows(0, Kind::Insert, size), Record::End]));
        }
        let report = sum.report();
        assert_eq!(report.largest.len(), LARGEST);
        assert_eq!(
            report.largest.iter().map(|size| size.bytes).collect::<Vec<_>>(),
            (21..=30).rev().collect::<Vec<_>>()
        );
        assert_eq!(report.busiest.iter().map(|second| second.transactions).sum::<u64>(), 30);
        assert!(report.busiest.is_sorted_by_key(|second| Reverse(second.rows)));
        assert_eq!(report.span, Some((99, 107)));
    }

    #[test]
    fn what_selection_left_empty_is_not_counted() {
        let mut sum = Sum::new(true);
        sum.add(&mut piece(vec![begin(4, 9, 1), Record::End, begin(13, 9, 2), Record::Statement, Record::End]));
        let report = sum.report();
        assert_eq!((report.total.transactions, report.statements, report.span), (1, 1, Some((2, 2))));
        assert_eq!(report.tables, []);
    }
}
