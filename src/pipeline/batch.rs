//! What the coordinator hands to a worker: complete transactions, or a piece of a large one.

use std::ops::Range;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender};

use crate::binlog::event::FormatDescription;
use crate::change::TransactionMeta;
use crate::position::LogPosition;
use crate::row::TablePlan;

/// A stretch of one log file with everything needed to decode it apart from all others.
#[derive(Debug)]
pub struct Batch {
    /// The events' bytes.
    pub bytes: Vec<u8>,
    /// The file they were read from, and where in it `bytes` begins: for error messages.
    pub read_from: LogPosition,
    /// How the events are laid out.
    pub format: Arc<FormatDescription>,
    /// The same without checksum: how events inside payloads are laid out.
    pub plain_format: Arc<FormatDescription>,
    /// The transactions, in order.
    pub items: Vec<Item>,
    /// What the payloads among the events unpack to, one after the other.
    pub unpacked: Vec<u8>,
    /// The payloads, in order.
    pub payloads: Vec<Payload>,
    /// The plan of each table map, in order.
    pub maps: Vec<(At, Arc<TablePlan>)>,
    /// Plans in force where the batch begins: not empty only in a further piece of a large transaction.
    pub open_maps: Plans,
    /// The source's position after everything in this batch that is complete.
    pub end: Reached,
    /// Links the pieces of a large transaction.
    pub row_count: Option<RowCount>,
    /// Set where `bytes` are a piece of a large payload; `read_from` is then the payload's event.
    pub inside: Option<Inside>,
    /// Events passed over since the batch before, as [`super::dispatch::Counts`] counts them.
    pub ignored: u64,
}

/// How far the log has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// Where to go on after a crash: not behind the beginning of a transaction that is put aside.
    pub resume: LogPosition,
    /// Where reading is: what lies before is with the sink, or put aside.
    pub read: LogPosition,
}

impl From<LogPosition> for Reached {
    fn from(position: LogPosition) -> Self {
        Self { resume: position.clone(), read: position }
    }
}

/// Where an event stands: in the bytes of the log, or in a payload there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    /// Offset of the event, or of the payload that holds it.
    pub offset: usize,
    /// Offset in what the payload unpacks to.
    pub inside: Option<u64>,
}

impl From<usize> for At {
    fn from(offset: usize) -> Self {
        Self { offset, inside: None }
    }
}

/// An unpacked TRANSACTION_PAYLOAD_EVENT.
#[derive(Debug)]
pub struct Payload {
    /// Offset of the event in [`Batch::bytes`].
    pub at: usize,
    /// Its events in [`Batch::unpacked`].
    pub range: Range<usize>,
}

/// A piece of what a large payload unpacks to.
#[derive(Debug, Clone, Copy)]
pub struct Inside {
    /// Where in it the piece begins.
    pub offset: u64,
    /// Bytes of the log that the piece stands for.
    pub log_bytes: u64,
}

/// One transaction, or one piece of it, in a batch.
#[derive(Debug)]
pub struct Item {
    /// The transaction.
    pub transaction: TransactionMeta,
    /// Its events in [`Batch::bytes`].
    pub range: Range<usize>,
    /// The source's offset of the first event in the range.
    pub source_pos: u64,
    /// A further piece of a transaction that an earlier batch began.
    pub continued: bool,
    /// The transaction ends here.
    pub complete: bool,
    /// How far the log has come with it, if it is complete.
    pub upto: Reached,
    /// The transaction's last row event, where it is in this item.
    pub last_rows: Option<At>,
}

/// Numbers the rows across the pieces of one transaction: each piece is told how many came before it, and tells the
/// next as soon as it has counted its own, before it renders them.
#[derive(Debug)]
pub struct RowCount {
    /// Rows before this piece.
    pub before: Receiver<u64>,
    /// Rows up to and including this piece.
    pub after: Sender<u64>,
}

/// The plans in force, by table id. A statement maps few tables, so a list beats a map.
#[derive(Debug, Clone, Default)]
pub struct Plans(Vec<(u64, Arc<TablePlan>)>);

impl Plans {
    /// The plan of a table id.
    #[must_use]
    pub fn get(&self, table_id: u64) -> Option<&Arc<TablePlan>> {
        self.0.iter().rev().find(|(id, _)| *id == table_id).map(|(_, plan)| plan)
    }

    /// Adds a plan, or replaces that of the same id.
    pub fn set(&mut self, table_id: u64, plan: &Arc<TablePlan>) {
        match self.0.iter_mut().find(|(id, _)| *id == table_id) {
            Some(entry) => entry.1 = Arc::clone(plan),
            None => self.0.push((table_id, Arc::clone(plan))),
        }
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}
