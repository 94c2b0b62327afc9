//! The coordinator: cuts the log into batches of whole transactions.
//!
//! It looks at headers, GTIDs, table maps and commit marks only; rows are the workers' business. A transaction
//! larger than a batch is scanned to its end first (headers only; see `large`), then handed on in pieces, so that no
//! row of a transaction without a commit ever reaches a sink and memory stays flat. Design: `ARCHITECTURE.md`,
//! "A transaction is a range of the log".

mod frame;
mod hand_over;
mod large;
mod packed;
mod payload;
mod pieces;
mod place;
mod select;
mod xa;

use std::sync::Arc;
use std::time::Duration;

use xa::{Decision, Prepared};

use super::batch::{At, Item, Payload};
use super::dispatch::{Dispatch, Gone};
use super::error::{ApplyError, Place};
use super::ignored::Ignored;
use super::input::{LogInput, More};
use super::plans::PlanCache;
use crate::binlog::event::{self, FormatDescription};
use crate::binlog::group::Grouper;
use crate::binlog::payload::Unpacker;
use crate::binlog::{ChecksumAlgorithm, EventHeader};
use crate::change::{GroupEnd, TransactionMeta};
use crate::filter::Selection;
use crate::gtid::Gtid;
use crate::position::{FIRST_EVENT, LogPosition};
use crate::row::TablePlan;

/// Bytes a batch aims at: large enough to keep workers busy, small enough to stay in the second-level cache.
pub const BATCH_BYTES: usize = 256 << 10;

/// How long one wait for more input lasts before the stop flag is looked at again.
const POLL: Duration = Duration::from_millis(100);

/// Why the coordinator came to an end without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The input has ended.
    Input,
    /// It was told to stop.
    Stopped,
    /// The sequencer or the workers are gone; they know why.
    Gone,
}

/// Why work cannot go on.
pub(super) enum Halt {
    Gone,
    Error(ApplyError),
}

impl From<Gone> for Halt {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl From<ApplyError> for Halt {
    fn from(error: ApplyError) -> Self {
        Self::Error(error)
    }
}

/// The transaction whose end has not been seen yet.
#[derive(Debug)]
pub(super) struct Open {
    /// Offset of its first event in the buffer.
    pub at: usize,
    pub start: LogPosition,
    pub gtid: Option<Gtid>,
    server_id: u32,
    timestamp: u32,
    original_commit_timestamp: u64,
    /// Its last row event so far, in the buffer.
    pub last_rows: Option<At>,
    pub changes_schema: bool,
    /// How it ends, where a payload says so.
    pub end: Option<GroupEnd>,
    /// It is not in the range that is wanted.
    pub passed_over: bool,
    /// It is an XA transaction, and goes through `large` to be put aside.
    pub xa: bool,
    /// A statement was in it.
    pub statements: bool,
    /// It is `XA COMMIT` or `XA ROLLBACK`.
    pub decides: Option<Box<Decision>>,
}

impl Open {
    fn begin(header: &EventHeader, at: usize, start: LogPosition) -> Self {
        Self {
            at,
            start,
            gtid: None,
            server_id: header.server_id,
            timestamp: header.timestamp,
            original_commit_timestamp: 0,
            last_rows: None,
            changes_schema: false,
            end: None,
            passed_over: false,
            xa: false,
            statements: false,
            decides: None,
        }
    }

    pub(super) fn meta(&self, end: LogPosition, group_end: GroupEnd) -> TransactionMeta {
        TransactionMeta {
            start: self.start.clone(),
            end,
            gtid: self.gtid.clone(),
            group_end,
            server_id: self.server_id,
            timestamp: self.timestamp,
            original_commit_timestamp: self.original_commit_timestamp,
        }
    }
}

/// Why framing stopped.
pub(super) enum Framed {
    /// The buffer ends inside an event.
    NeedMore,
    /// What is complete so far must be handed over first: the batch is full, or the format changes.
    HandOver,
    /// A table definition changed: what is complete must be applied first.
    Barrier,
    /// The open transaction and all after it are not wanted.
    Past,
    /// The open transaction goes through in pieces: rows in it follow a definition of its own, which must be applied
    /// before the rows' tables can be looked up, its payload is too large for a batch, or it is an XA transaction.
    Apart,
    /// An XA transaction is decided.
    Decided(Box<Decision>),
}

/// Cuts an input into batches.
pub struct Coordinator<'a, O> {
    pub(super) input: &'a mut dyn LogInput,
    /// Base name of the file that the buffer is from.
    pub(super) reading: Arc<str>,
    /// The file before this one ended inside a transaction: the error, unless this one says that its server restarted.
    pub(super) torn: Option<ApplyError>,
    pub(super) plans: PlanCache,
    pub(super) dispatch: Dispatch<O>,
    pub(super) format: Arc<FormatDescription>,
    /// The same without checksum, for events inside payloads.
    pub(super) plain_format: Arc<FormatDescription>,
    pub(super) grouper: Grouper,
    /// The source's position of the next event.
    pub(super) source: LogPosition,
    /// While an event is looked at, its own offset there: `source` is behind it then.
    pub(super) event_start: Option<u64>,
    /// The source's position behind the last complete transaction or event outside of any.
    pub(super) complete: LogPosition,
    sent: LogPosition,
    pub(super) buffer: Vec<u8>,
    /// Offset in the file of the buffer's first byte.
    pub(super) buffer_at: u64,
    /// Bytes of the buffer that were looked at.
    pub(super) framed: usize,
    items: Vec<Item>,
    pub(super) ignored: Ignored,
    pub(super) maps: Vec<(At, Arc<TablePlan>)>,
    pub(super) unpacker: Option<Unpacker>,
    /// What payloads in the buffer unpack to, one after the other.
    pub(super) unpacked: Vec<u8>,
    pub(super) payloads: Vec<Payload>,
    pub(super) open: Option<Open>,
    pub(super) selection: Selection,
    /// Number of the file.
    pub(super) file: usize,
    past: bool,
    /// Bytes of transactions passed over since this was told.
    pub(super) passed: u64,
    pub(super) prepared: Prepared,
    /// What was put aside is read, from this file: `plans`, formats and `buffer_at` are its own.
    pub(super) replayed: Option<Arc<str>>,
    pub(super) decided: Option<Box<Decision>>,
    resume: Option<LogPosition>,
    /// The input held the resume point: what comes now follows what was done before without a gap.
    resumed: bool,
}

impl<'a, O> Coordinator<'a, O> {
    /// Reads `input` from the beginning of its first file; what ends at or before `resume` is passed over.
    #[must_use]
    pub fn new(
        input: &'a mut dyn LogInput,
        plans: PlanCache,
        dispatch: Dispatch<O>,
        resume: Option<LogPosition>,
    ) -> Self {
        let reading = input.file_name();
        let source = LogPosition::new(Arc::clone(&reading), FIRST_EVENT);
        Self {
            input,
            reading,
            torn: None,
            plans,
            dispatch,
            format: Arc::new(FormatDescription::preliminary(ChecksumAlgorithm::Off)),
            plain_format: Arc::new(FormatDescription::preliminary(ChecksumAlgorithm::Off)),
            grouper: Grouper::new(),
            complete: source.clone(),
            sent: source.clone(),
            source,
            buffer: Vec::new(),
            buffer_at: 0,
            framed: 0,
            items: Vec::new(),
            event_start: None,
            ignored: Ignored::default(),
            maps: Vec::new(),
            unpacker: None,
            unpacked: Vec::new(),
            payloads: Vec::new(),
            open: None,
            selection: Selection::default(),
            file: 0,
            past: false,
            passed: 0,
            prepared: Prepared::default(),
            replayed: None,
            decided: None,
            resumed: resume.is_none(),
            resume,
        }
    }

    /// Works until the input ends, the stop flag is set, or an error.
    ///
    /// # Errors
    /// When the log cannot be read, framed or understood.
    pub fn run(&mut self) -> Result<Ended, ApplyError> {
        match self.work() {
            Ok(ended) => Ok(ended),
            Err(Halt::Gone) => Ok(Ended::Gone),
            Err(Halt::Error(error)) => {
                // What came before the error is good and goes out first.
                match self.hand_over() {
                    Ok(()) | Err(_) => Err(error),
                }
            }
        }
    }

    /// Whether some table was read without knowing its column names.
    #[must_use]
    pub fn saw_unnamed(&self) -> bool {
        self.plans.saw_unnamed()
    }

    fn work(&mut self) -> Result<Ended, Halt> {
        loop {
            if self.dispatch.stopping() {
                self.hand_over()?;
                return Ok(Ended::Stopped);
            }
            match self.frame()? {
                Framed::HandOver => {
                    self.hand_over()?;
                    continue;
                }
                Framed::Past => {
                    self.hand_over()?;
                    self.tell_prepared();
                    return Ok(Ended::Input);
                }
                Framed::Barrier => {
                    self.hand_over()?;
                    self.dispatch.barrier()?;
                    continue;
                }
                Framed::Apart => {
                    self.hand_over()?;
                    self.large()?;
                    continue;
                }
                Framed::Decided(decision) => {
                    self.hand_over()?;
                    self.decide(*decision)?;
                    continue;
                }
                Framed::NeedMore => {}
            }
            if self.open.as_ref().is_some_and(|open| self.buffer.len().saturating_sub(open.at) >= BATCH_BYTES) {
                self.hand_over()?;
                self.large()?;
                continue;
            }
            let got = self.input.read(&mut self.buffer, BATCH_BYTES).map_err(|error| self.read_error(error))?;
            if got == 0 {
                self.hand_over()?;
                match self.input.wait(POLL).map_err(|error| self.read_error(error))? {
                    More::Bytes | More::Nothing => {}
                    More::NextFile(name) => {
                        // A source that crashed inside a transaction says so at the beginning of its next file.
                        self.torn = self.end_file().err();
                        self.begin_file(name);
                    }
                    More::End => {
                        self.end_file()?;
                        self.tell_prepared();
                        super::decode::finish(&self.selection)?;
                        return Ok(Ended::Input);
                    }
                }
            }
        }
    }

    fn begin_file(&mut self, name: Arc<str>) {
        self.source = LogPosition::new(Arc::clone(&name), FIRST_EVENT);
        self.reading = name;
        self.file = self.file.saturating_add(1);
        self.format = Arc::new(FormatDescription::preliminary(ChecksumAlgorithm::Off));
        self.buffer.clear();
        self.buffer_at = 0;
        self.framed = 0;
    }

    /// A file may only end between two transactions, or where its server crashed.
    fn end_file(&mut self) -> Result<(), ApplyError> {
        if let Some(error) = self.torn.take() {
            return Err(error);
        }
        let rest = self.buffer.len().saturating_sub(self.framed);
        let what = if self.buffer_at == 0 && self.framed == 0 {
            return Err(super::decode::not_a_log(&self.reading));
        } else if rest > 0 {
            format!("the log ends inside an event: only {rest} bytes of it are there")
        } else if let Some(open) = &self.open {
            let place =
                Box::new(Place { source: Some(open.start.clone()), gtid: open.gtid.clone(), ..Place::default() });
            let what = "the log ends inside a transaction, before its commit".to_owned();
            return Err(ApplyError::Truncated { what, place });
        } else {
            return Ok(());
        };
        Err(ApplyError::Truncated { what, place: Box::new(self.place(self.framed)) })
    }

    /// Counts the event if it is passed over; the source's position is behind it, and it begins at `start`.
    pub(super) fn pass_over(&mut self, header: &EventHeader, start: u64) {
        if event::is_passed_over(header) && !self.done_before(&self.source) {
            self.ignored.see(header, &self.source.at(start));
        }
    }
}
