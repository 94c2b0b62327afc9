//! Counts what is in a log: rows by table, transactions, seconds, events. What `replicate decode --format stats` shows.
//!
//! Workers count rows without reading values; the sink adds up in the source's order, because a large transaction comes
//! in pieces. Memory is that of the tables there are: of transactions and seconds only the largest are kept.

mod report;

pub use report::{EventCount, Payloads, Report, Second, TableRows, TransactionSize};

use report::Sum;

use super::{Ack, EventContext, Progress, RenderError, Renderer, RowsContext, Sink, SinkError, StatementContext};
use crate::binlog::event::Event;
use crate::binlog::{EventHeader, EventType};
use crate::change::TransactionMeta;
use crate::filter::Kind;
use crate::row::{self, Cell, TablePlan};

/// Something in a transaction, in order.
#[derive(Debug)]
pub(super) enum Record {
    Begin(Box<TransactionMeta>),
    Rows { table: usize, kind: Kind, rows: u64, bytes: u64 },
    Statement,
    End,
}

/// What a worker has counted.
#[derive(Debug, Default)]
pub struct Piece {
    tables: Vec<(String, String)>,
    records: Vec<Record>,
    events: Vec<EventCount>,
    payloads: Payloads,
}

/// Counts rows; their values are stepped over.
#[derive(Debug, Default)]
pub struct StatsRenderer {
    before: Vec<Cell>,
    after: Vec<Cell>,
}

impl Piece {
    fn table(&mut self, plan: &TablePlan) -> usize {
        // Rows of one table come together, so it is mostly the last.
        let found =
            self.tables.iter().rposition(|(database, table)| *table == plan.table && *database == plan.database);
        found.unwrap_or_else(|| {
            self.tables.push((plan.database.clone(), plan.table.clone()));
            self.tables.len() - 1
        })
    }

    fn event(&mut self, event_type: EventType) -> Option<&mut EventCount> {
        let at = match self.events.iter().position(|count| count.event_type == event_type) {
            Some(at) => at,
            None => {
                self.events.push(EventCount::new(event_type));
                self.events.len() - 1
            }
        };
        self.events.get_mut(at)
    }
}

impl Renderer for StatsRenderer {
    type Output = Piece;

    const NUMBERS_ROWS: bool = false;

    fn begin(&mut self, transaction: &TransactionMeta, continued: bool, out: &mut Piece) -> Result<(), RenderError> {
        if !continued {
            out.records.push(Record::Begin(Box::new(transaction.clone())));
        }
        Ok(())
    }

    fn seen(&mut self, header: &EventHeader, in_payload: bool, out: &mut Piece) {
        if let Some(count) = out.event(header.event_type) {
            count.add(u64::from(header.event_size), in_payload);
        }
    }

    fn payload(&mut self, packed: u64, unpacked: u64, first: bool, out: &mut Piece) {
        out.payloads.add(&Payloads { count: u64::from(first), packed, unpacked });
    }

    fn rows(&mut self, context: &RowsContext<'_>, out: &mut Piece) -> Result<u64, RenderError> {
        let count = row::count(context.plan, context.event, &mut self.before, &mut self.after)
            .map_err(|error| RenderError { what: error.to_string(), hint: None })?;
        let size = u64::try_from(context.event.rows.len()).unwrap_or(u64::MAX);
        let (this, this_kind) = (out.table(context.plan), Kind::from(context.event.kind));
        match out.records.last_mut() {
            Some(Record::Rows { table, kind, rows, bytes }) if *table == this && *kind == this_kind => {
                *rows = rows.saturating_add(count);
                *bytes = bytes.saturating_add(size);
            }
            _ => out.records.push(Record::Rows { table: this, kind: this_kind, rows: count, bytes: size }),
        }
        Ok(count)
    }

    fn statement(&mut self, _context: &StatementContext<'_>, out: &mut Piece) -> Result<(), RenderError> {
        out.records.push(Record::Statement);
        Ok(())
    }

    fn event(&mut self, context: &EventContext<'_>, out: &mut Piece) -> Result<bool, RenderError> {
        match context.event {
            Event::ExecuteLoadQuery(_) | Event::ExecLoad(_) => out.records.push(Record::Statement),
            // The file of such a statement.
            Event::BeginLoadQuery(_) | Event::AppendBlock(_) | Event::DeleteFile(_) | Event::Load(_) => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn end(&mut self, _transaction: &TransactionMeta, out: &mut Piece) -> Result<(), RenderError> {
        out.records.push(Record::End);
        Ok(())
    }

    fn size(out: &Piece) -> usize {
        out.records.len().saturating_mul(std::mem::size_of::<Record>())
    }

    fn clear(out: &mut Piece) {
        out.tables.clear();
        out.records.clear();
        out.events.clear();
        out.payloads = Payloads::default();
    }
}

/// Adds up.
#[derive(Debug, Default)]
pub struct StatsSink {
    sum: Sum,
}

impl StatsSink {
    /// Counts everything; with `touched`, only transactions that have something left after selection.
    #[must_use]
    pub fn new(touched: bool) -> Self {
        Self { sum: Sum::new(touched) }
    }

    /// What was counted so far.
    #[must_use]
    pub fn report(self) -> Report {
        self.sum.report()
    }
}

impl Sink for StatsSink {
    type Output = Piece;
    type Renderer = StatsRenderer;

    fn renderer(&self) -> StatsRenderer {
        StatsRenderer::default()
    }

    fn open(&mut self) -> Result<Option<Progress>, SinkError> {
        Ok(None)
    }

    fn apply(&mut self, piece: &mut Piece, _upto: Option<&Progress>) -> Result<Ack, SinkError> {
        self.sum.add(piece);
        Ok(Ack::Durable)
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}
