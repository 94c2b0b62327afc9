//! Where changes go. REGISTER of sinks.
//!
//! A sink has two halves. A [`Renderer`], one a worker thread, turns decoded events into the sink's own bytes; it
//! is pure and runs in parallel. The [`Sink`] itself is one thread's property: it takes the rendered pieces in
//! source order and makes them durable. A sink says *accepted* or *durable*; only durable work moves a checkpoint.

pub mod json;
pub mod mysql;
pub mod null;
pub mod sql;
pub mod stats;

use crate::binlog::EventHeader;
use crate::binlog::event::{Event, IntvarEvent, QueryEvent, RandEvent, RowsEvent, UserVarEvent};
use crate::change::TransactionMeta;
use crate::disposition::Disposition;
use crate::position::LogPosition;
use crate::row::TablePlan;
use crate::schema::TableDef;

/// A row event with all that belongs to it.
#[derive(Debug, Clone, Copy)]
pub struct RowsContext<'a> {
    /// The transaction it is part of.
    pub transaction: &'a TransactionMeta,
    /// How to read it.
    pub plan: &'a TablePlan,
    /// The event.
    pub event: &'a RowsEvent<'a>,
    /// Header timestamp of the event, seconds since 1970.
    pub timestamp: u32,
    /// `server_id` of the event's header.
    pub server_id: u32,
    /// Number in the transaction of the event's first row, from 0.
    pub first_row: u64,
    /// Whether no further row event follows in this transaction.
    pub last_in_transaction: bool,
}

/// What a statement depends on besides its own text and session: events that came right before it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StatementInputs<'a> {
    /// INTVAR_EVENTs.
    pub intvars: Vec<IntvarEvent>,
    /// RAND_EVENT.
    pub rand: Option<RandEvent>,
    /// USER_VAR_EVENTs.
    pub user_vars: Vec<UserVarEvent<'a>>,
}

/// A statement with all that belongs to it.
#[derive(Debug, Clone, Copy)]
pub struct StatementContext<'a> {
    /// The transaction it is part of.
    pub transaction: &'a TransactionMeta,
    /// The statement and its session.
    pub query: &'a QueryEvent<'a>,
    /// Values it reads.
    pub inputs: &'a StatementInputs<'a>,
    /// Header timestamp of the event, seconds since 1970.
    pub timestamp: u32,
    /// `server_id` of the event's header.
    pub server_id: u32,
}

/// An event that is neither rows nor a plain statement, with all that belongs to it.
#[derive(Debug, Clone, Copy)]
pub struct EventContext<'a> {
    /// The transaction it is part of.
    pub transaction: &'a TransactionMeta,
    /// The event.
    pub event: &'a Event<'a>,
    /// Values that a statement in it reads.
    pub inputs: &'a StatementInputs<'a>,
    /// Header timestamp of the event, seconds since 1970.
    pub timestamp: u32,
    /// `server_id` of the event's header.
    pub server_id: u32,
}

/// What went wrong while rendering; the pipeline adds file, position, GTID and table.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{what}")]
pub struct RenderError {
    /// What is wrong, for a person.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Turns decoded events into a sink's own form. One a worker thread; must not depend on other transactions.
pub trait Renderer: Send {
    /// What the sink takes.
    type Output: Send + Default;

    /// Whether rows need their number in the transaction (`RowsContext::first_row`).
    const NUMBERS_ROWS: bool = true;

    /// Whether XA statements are taken as statements; else they stop the channel.
    const TAKES_XA: bool = false;

    /// Whether a statement stops the decoder if it cannot be told whether it is asked for; else it is taken.
    const NEEDS_CERTAINTY: bool = false;

    /// A transaction (or, if `continued`, a further piece of a large one) begins.
    fn begin(
        &mut self,
        transaction: &TransactionMeta,
        continued: bool,
        out: &mut Self::Output,
    ) -> Result<(), RenderError>;

    /// An event of the transaction, before anything else is made of it. Of interest to those who count.
    #[inline]
    fn seen(&mut self, _header: &EventHeader, _in_payload: bool, _out: &mut Self::Output) {}

    /// A compressed transaction (or, if not `first`, a further piece of one), and how many bytes it has in the log and
    /// unpacked.
    fn payload(&mut self, _packed: u64, _unpacked: u64, _first: bool, _out: &mut Self::Output) {}

    /// A row event. Returns how many rows it held.
    fn rows(&mut self, context: &RowsContext<'_>, out: &mut Self::Output) -> Result<u64, RenderError>;

    /// A statement that is not `BEGIN`, `COMMIT` or `ROLLBACK` of the whole group.
    fn statement(&mut self, context: &StatementContext<'_>, out: &mut Self::Output) -> Result<(), RenderError>;

    /// An event that carries data in a way of its own. `false`: it is not taken, and stops the channel.
    fn event(&mut self, _context: &EventContext<'_>, _out: &mut Self::Output) -> Result<bool, RenderError> {
        Ok(false)
    }

    /// The transaction is complete.
    fn end(&mut self, transaction: &TransactionMeta, out: &mut Self::Output) -> Result<(), RenderError>;

    /// Bytes waiting in `out`: past a bound the worker hands over a piece before it goes on.
    fn size(out: &Self::Output) -> usize;

    /// Empties `out` and keeps its memory.
    fn clear(out: &mut Self::Output);
}

/// The end of the last complete transaction of a rendered piece: where to resume once it is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Offset in the source's log.
    pub position: LogPosition,
    /// UUID of the source, where it has one.
    pub source_uuid: Option<String>,
}

/// What a sink has done with a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ack {
    /// Taken; a crash may still lose it. [`Sink::flush`] makes it durable.
    Accepted,
    /// Will survive a crash.
    Durable,
}

/// Why a sink failed.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The sink cannot be reached or refuses for now.
    #[error("{what}")]
    Unavailable {
        /// What happened, without secrets or row values.
        what: String,
    },
    /// The reader of a pipe went away: a normal end.
    #[error("the reader of the output is gone (broken pipe)")]
    BrokenPipe,
    /// Applying this transaction can never work as things are.
    #[error("{what}")]
    Rejected {
        /// The server's error number where there is one.
        code: Option<u16>,
        /// What happened, without secrets.
        what: String,
        /// `database.table`, where one is meant.
        table: Option<String>,
        /// What to do about it.
        hint: Option<String>,
        /// The transaction it was applying.
        at: Option<Box<TransactionMeta>>,
    },
    /// Shutdown was asked for and the transaction under way was given up (and rolled back).
    #[error("stopped")]
    Cancelled,
}

impl SinkError {
    /// Whether trying again may help.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Unavailable { .. } => Disposition::Retry,
            Self::BrokenPipe | Self::Rejected { .. } | Self::Cancelled => Disposition::Stop,
        }
    }
}

/// A server's catalog, asked for tables whose table map does not say everything.
pub trait Catalog: Send {
    /// The table as it is now; `None` if there is none of that name.
    ///
    /// # Errors
    /// When the server cannot be asked.
    fn table(&mut self, database: &str, table: &str) -> Result<Option<TableDef>, SinkError>;
}

/// Takes rendered pieces in source order.
pub trait Sink: Send {
    /// What the renderers make.
    type Output: Send + Default;
    /// The other half.
    type Renderer: Renderer<Output = Self::Output> + 'static;

    /// The sink keeps its own progress, next to its data: once it has taken note of any, [`Sink::open`] returns some,
    /// and one that returns `None` later is not the sink that the progress was made with.
    const KEEPS_PROGRESS: bool = false;

    /// A renderer for one more worker.
    fn renderer(&self) -> Self::Renderer;

    /// Opens (or reopens after an error) and says where the sink itself stands, if it knows.
    ///
    /// # Errors
    /// When the sink cannot be used.
    fn open(&mut self) -> Result<Option<Progress>, SinkError>;

    /// The catalog that table maps must be read with, if the sink has one of its own (a target database). Plans are
    /// then made against it, and no plan outlives a DDL statement that has not been applied yet.
    fn catalog(&self) -> Option<Box<dyn Catalog>> {
        None
    }

    /// Takes a piece. `upto` is the end of the last transaction that is complete with this piece, if any.
    ///
    /// # Errors
    /// When the piece was not taken; the caller reopens and starts again from durable progress, or stops.
    fn apply(&mut self, piece: &mut Self::Output, upto: Option<&Progress>) -> Result<Ack, SinkError>;

    /// Makes everything accepted durable.
    ///
    /// # Errors
    /// When it cannot.
    fn flush(&mut self) -> Result<(), SinkError>;
}
