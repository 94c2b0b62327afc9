//! The coordinator: cuts the log into batches of whole transactions.
//!
//! It looks at headers, GTIDs, table maps and commit marks only; rows are the workers' business. A transaction
//! larger than a batch is scanned to its end first (headers only; see `large`), then handed on in pieces, so that no
//! row of a transaction without a commit ever reaches a sink and memory stays flat. Design: `ARCHITECTURE.md`,
//! "A transaction is a range of the log".

use std::sync::Arc;
use std::time::Duration;

use super::batch::{At, Batch, Item, Payload, Plans};
use super::dispatch::{Counts, Dispatch, Gone};
use super::error::{ApplyError, Place};
use super::ignored::Ignored;
use super::input::{LogInput, More};
use super::plans::{PlanCache, ResolveError};
use super::tracker::Spot;
use crate::binlog::compressed::with_query;
use crate::binlog::event::{self, Event, FormatDescription};
use crate::binlog::group::{Fed, Grouper, Step};
use crate::binlog::payload::Unpacker;
use crate::binlog::{
    ChecksumAlgorithm, EventError, EventFlags, EventHeader, EventType, HEADER_LEN, MAGIC, MAX_EVENT_SIZE, RawEvent,
};
use crate::change::{GroupEnd, TransactionMeta};
use crate::gtid::Gtid;
use crate::position::{FIRST_EVENT, LogPosition, widen_end};
use crate::row::TablePlan;
use crate::sink::SinkError;
use crate::statement::StatementKind;

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
enum Framed {
    /// The buffer ends inside an event.
    NeedMore,
    /// What is complete so far must be handed over first: the batch is full, or the format changes.
    HandOver,
    /// A table definition changed: what is complete must be applied first.
    Barrier,
    /// The open transaction goes through in pieces: rows in it follow a definition of its own, which must be applied
    /// before the rows' tables can be looked up, or its payload is too large for a batch.
    Apart,
}

/// Why a table map has no plan, or a statement cannot be followed.
pub(super) enum Unresolved {
    Event(EventError),
    NoTableMap,
    Undescribed,
    Table { table: Option<String>, error: ResolveError },
}

impl Unresolved {
    /// What is known of tables cannot be kept.
    pub(super) fn failed(error: SinkError) -> Self {
        Self::Table { table: None, error: ResolveError::Catalog(error) }
    }

    /// Says where.
    pub(super) fn at(self, place: Place) -> Halt {
        let undecodable = |what, place, hint| ApplyError::Undecodable { what, place: Box::new(place), hint };
        Halt::Error(match self {
            Self::Event(error) => ApplyError::event(&error, place),
            Self::NoTableMap => undecodable("a table map does not parse as one".to_owned(), place, None),
            Self::Undescribed => {
                let hint = event::stop_hint(EventType::WRITE_ROWS_V0).to_owned();
                undecodable("a table map does not describe its columns".to_owned(), place, Some(hint))
            }
            Self::Table { table, error } => {
                let place = Place { table, ..place };
                match error {
                    ResolveError::Unfit { what, hint } => undecodable(what, place, hint),
                    ResolveError::Names { what, hint } => ApplyError::Names { what, place: Box::new(place), hint },
                    ResolveError::Catalog(error) => ApplyError::Sink { error, place: Some(Box::new(place)) },
                }
            }
        })
    }
}

/// Whether a statement may change tables: whatever is not known to leave them as they are.
pub(super) fn changes_schema(raw: &RawEvent<'_>, format: &FormatDescription) -> Result<bool, EventError> {
    let kind = event::statement_kind(raw.header.event_type, raw.body(format.checksum)?, format)?;
    Ok(matches!(kind, StatementKind::Ddl | StatementKind::Other))
}

/// Cuts an input into batches.
pub struct Coordinator<'a, O> {
    pub(super) input: &'a mut dyn LogInput,
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
        let source = LogPosition::new(input.file_name(), FIRST_EVENT);
        Self {
            input,
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
                        self.end_file()?;
                        self.begin_file(name);
                    }
                    More::End => {
                        self.end_file()?;
                        return Ok(Ended::Input);
                    }
                }
            }
        }
    }

    fn begin_file(&mut self, name: Arc<str>) {
        self.source = LogPosition::new(name, FIRST_EVENT);
        self.format = Arc::new(FormatDescription::preliminary(ChecksumAlgorithm::Off));
        self.buffer.clear();
        self.buffer_at = 0;
        self.framed = 0;
    }

    /// A file may only end between two transactions.
    fn end_file(&mut self) -> Result<(), Halt> {
        let rest = self.buffer.len().saturating_sub(self.framed);
        let what = if self.buffer_at == 0 && self.framed == 0 {
            return Err(self.not_a_log());
        } else if rest > 0 {
            format!("the log ends inside an event: only {rest} bytes of it are there")
        } else if let Some(open) = &self.open {
            let place =
                Box::new(Place { source: Some(open.start.clone()), gtid: open.gtid.clone(), ..Place::default() });
            let what = "the log ends inside a transaction, before its commit".to_owned();
            return Err(ApplyError::Truncated { what, place }.into());
        } else {
            return Ok(());
        };
        Err(ApplyError::Truncated { what, place: Box::new(self.place(self.framed)) }.into())
    }

    fn frame(&mut self) -> Result<Framed, Halt> {
        let buffer = std::mem::take(&mut self.buffer);
        let result = self.frame_events(&buffer);
        self.buffer = buffer;
        result
    }

    fn frame_events(&mut self, buffer: &[u8]) -> Result<Framed, Halt> {
        if self.buffer_at == 0 && self.framed == 0 {
            match buffer.first_chunk() {
                None => return Ok(Framed::NeedMore),
                Some(&MAGIC) => self.framed = MAGIC.len(),
                Some(_) => return Err(self.not_a_log()),
            }
        }
        loop {
            if self.framed.saturating_add(self.unpacked.len()) >= BATCH_BYTES && !self.items.is_empty() {
                return Ok(Framed::HandOver);
            }
            let Some(raw) = self.cut(buffer, self.framed)? else { return Ok(Framed::NeedMore) };
            if raw.header.event_type == EventType::FORMAT_DESCRIPTION && !self.items.is_empty() {
                return Ok(Framed::HandOver);
            }
            if raw.header.event_type == EventType::TABLE_MAP && self.tables_to_come() {
                return Ok(Framed::Apart);
            }
            let at = self.framed;
            if raw.header.event_type == EventType::TRANSACTION_PAYLOAD
                && !self.passing_over()
                && !self.payload(&raw, at)?
            {
                return Ok(Framed::Apart);
            }
            let barrier = self.event(&raw, at)?;
            self.framed = at.saturating_add(raw.bytes.len());
            if barrier {
                return Ok(Framed::Barrier);
            }
        }
    }

    /// The event at `at` of `buffer`; `None` if it is not there in full.
    pub(super) fn cut<'b>(&self, buffer: &'b [u8], at: usize) -> Result<Option<RawEvent<'b>>, Halt> {
        let Some(rest) = buffer.get(at..) else { return Ok(None) };
        let Some(header) = self.header(rest) else { return Ok(None) };
        let size = self.event_size(&header, at)?;
        Ok(rest.get(..size).map(|bytes| RawEvent { header, bytes }))
    }

    /// The header at the beginning of `bytes`, its type named as released servers number them.
    pub(super) fn header(&self, bytes: &[u8]) -> Option<EventHeader> {
        let header = EventHeader::read(bytes)?;
        Some(EventHeader { event_type: self.format.event_type(header.event_type), ..header })
    }

    /// The event's size, if it is a possible one.
    pub(super) fn event_size(&self, header: &EventHeader, at: usize) -> Result<usize, Halt> {
        match usize::try_from(header.event_size) {
            Ok(size) if size >= HEADER_LEN && header.event_size <= MAX_EVENT_SIZE => Ok(size),
            _ => Err(self.undecodable(
                at,
                format!("an event of type {} claims the impossible size {}", header.event_type, header.event_size),
                Some("the log is damaged here, or the position is not the start of an event".to_owned()),
            )),
        }
    }

    /// Looks at one event. True if a table definition changed and the target's catalog is what plans are made with.
    fn event(&mut self, raw: &RawEvent<'_>, at: usize) -> Result<bool, Halt> {
        if raw.header.event_type == EventType::FORMAT_DESCRIPTION {
            self.new_format(raw, at)?;
        }
        let body = raw.body(self.format.checksum).map_err(|error| self.event_error(at, &error))?;
        self.resumed |= self.resume.as_ref() == Some(&self.source);
        let before = self.source.pos;
        self.event_start = Some(before);
        if !raw.header.is_artificial() && !raw.header.flags.has(EventFlags::RELAY_LOG) {
            self.source.pos = widen_end(before, u64::from(raw.header.event_size), raw.header.log_pos);
        }
        let fed = self.grouper.feed(&raw.header, body, &self.format);
        let Fed { step, abandoned } = fed.map_err(|error| self.event_error(at, &error))?;
        if abandoned {
            // The source crashed while it wrote this transaction and rolled it back when it came up again.
            tracing::warn!(position = %self.source, "the source crashed inside a transaction, which never committed");
            if self.open.take().is_some_and(|open| open.changes_schema) {
                let at = self.source.clone();
                self.plans.abandoned(&at).map_err(|error| Unresolved::failed(error).at(self.place(self.framed)))?;
            }
            self.maps.retain(|(map, _)| self.items.last().is_some_and(|item| map.offset < item.range.end));
        }
        self.pass_over(&raw.header, before);
        if let Step::Inside { first: true } | Step::Ends { first: true, .. } = step {
            self.open = Some(Open::begin(&raw.header, at, self.source.at(before)));
        }
        self.look_at(raw, body, at)?;
        self.event_start = None;
        match step {
            Step::Outside => {
                if !raw.header.flags.has(EventFlags::RELAY_LOG) {
                    self.complete = self.source.clone();
                }
                Ok(false)
            }
            Step::Inside { .. } => Ok(false),
            Step::Ends { end, .. } => self.close(end, at.saturating_add(raw.bytes.len())),
        }
    }

    /// Counts the event if it is passed over; the source's position is behind it, and it begins at `start`.
    pub(super) fn pass_over(&mut self, header: &EventHeader, start: u64) {
        if event::is_passed_over(header) && !self.done_before(&self.source) {
            self.ignored.see(header, &self.source.at(start));
        }
    }

    fn new_format(&mut self, raw: &RawEvent<'_>, at: usize) -> Result<(), Halt> {
        let format = FormatDescription::parse(raw).map_err(|error| self.event_error(at, &error))?;
        if *self.format != format {
            self.plain_format = Arc::new(FormatDescription { checksum: ChecksumAlgorithm::Off, ..format.clone() });
            self.format = Arc::new(format);
        }
        Ok(())
    }

    /// Takes from an event what the coordinator must know: positions, GTID, table maps.
    pub(super) fn look_at(&mut self, raw: &RawEvent<'_>, body: &[u8], at: usize) -> Result<(), Halt> {
        match raw.header.event_type {
            EventType::ROTATE
            | EventType::GTID
            | EventType::ANONYMOUS_GTID
            | EventType::GTID_TAGGED
            | EventType::MARIA_GTID => match event::parse(raw, &self.format) {
                Ok(Event::Rotate(rotate)) => {
                    let Ok(file) = std::str::from_utf8(rotate.file) else {
                        return Err(self.undecodable(at, "the next log file's name is not UTF-8".to_owned(), None));
                    };
                    self.source = LogPosition::new(file, rotate.pos);
                }
                Ok(Event::Gtid(gtid)) => {
                    if let Some(open) = &mut self.open {
                        open.gtid = gtid.gtid;
                        open.original_commit_timestamp = gtid.original_commit_timestamp;
                    }
                }
                Ok(_) => {}
                Err(error) => return Err(self.event_error(at, &error)),
            },
            // Found out here, before the bytes after them are taken for events.
            EventType::MARIA_START_ENCRYPTION | EventType::START_V3 => {
                event::parse(raw, &self.format).map_err(|error| self.event_error(at, &error))?;
            }
            EventType::TABLE_MAP if !self.passing_over() => {
                let plan = self.resolve(raw, body).map_err(|error| error.at(self.place(at)))?;
                self.maps.push((at.into(), plan));
            }
            kind if kind.is_query() => {
                let format = Arc::clone(&self.format);
                let changes = self.statement(raw, &format).map_err(|error| error.at(self.place(at)))?;
                if let Some(open) = &mut self.open {
                    open.changes_schema |= changes;
                }
            }
            kind if kind.is_row_event() => {
                if let Some(open) = &mut self.open {
                    open.last_rows = Some(at.into());
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether a statement may change tables. What is known of them follows it.
    pub(super) fn statement(&mut self, raw: &RawEvent<'_>, format: &FormatDescription) -> Result<bool, Unresolved> {
        let changes = changes_schema(raw, format).map_err(Unresolved::Event)?;
        if changes && self.plans.follows_log() && !self.done_before(&self.source) {
            let boundary = self.open.as_ref().map_or(&self.complete, |open| &open.start);
            let spot = Spot { boundary, position: &self.source };
            let version = &self.format.server_version;
            let followed = with_query(raw, format, |query| self.plans.statement(query, version, spot));
            if let Some(Err(error)) = followed.map_err(Unresolved::Event)? {
                return Err(Unresolved::Table { table: None, error });
            }
        }
        Ok(changes)
    }

    /// Whether the open transaction's tables are on the target only once its own definitions are applied.
    pub(super) fn tables_to_come(&self) -> bool {
        let changed = self.open.as_ref().is_some_and(|open| open.changes_schema);
        changed && self.plans.follows_target() && !self.passing_over()
    }

    /// The open transaction ends at `end_at` of the buffer.
    fn close(&mut self, end: GroupEnd, end_at: usize) -> Result<bool, Halt> {
        self.complete = self.source.clone();
        let Some(open) = self.open.take() else { return Ok(false) };
        if self.done_before(&self.complete) {
            return Ok(false);
        }
        self.require_resumed(&open)?;
        self.items.push(Item {
            transaction: open.meta(self.source.clone(), open.end.unwrap_or(end)),
            range: open.at..end_at,
            source_pos: open.start.pos,
            continued: false,
            complete: true,
            last_rows: open.last_rows,
        });
        if open.changes_schema {
            self.plans.clear();
        }
        Ok(open.changes_schema && self.plans.follows_target())
    }

    /// The first transaction to hand on must follow what was done before: a log that begins behind the resume point, or
    /// has a transaction across it, is not the log that was being read.
    pub(super) fn require_resumed(&self, open: &Open) -> Result<(), Halt> {
        let Some(resume) = self.resume.as_ref().filter(|_| !self.resumed) else { return Ok(()) };
        let place = Place { source: Some(open.start.clone()), gtid: open.gtid.clone(), ..Place::default() };
        Err(Halt::Error(ApplyError::Undecodable {
            what: format!("the relay log does not go on from {resume}, where the sink is"),
            place: Box::new(place),
            hint: Some("start the channel again: what is missing is fetched from the source".to_owned()),
        }))
    }

    /// Whether everything up to `end` was done before this run.
    pub(super) fn done_before(&self, end: &LogPosition) -> bool {
        self.resume.as_ref().is_some_and(|resume| end <= resume)
    }

    /// Whether the open transaction was done before.
    pub(super) fn passing_over(&self) -> bool {
        match (&self.resume, &self.open) {
            (Some(resume), Some(open)) => open.start < *resume,
            _ => false,
        }
    }

    /// The plan of a table map, whose body is `body`.
    pub(super) fn resolve(&mut self, raw: &RawEvent<'_>, body: &[u8]) -> Result<Arc<TablePlan>, Unresolved> {
        // The layout of a table map does not depend on the checksum once the body is cut out.
        let plain =
            RawEvent { header: raw.header, bytes: raw.bytes.get(..HEADER_LEN + body.len()).unwrap_or_default() };
        let map = match event::parse(&plain, &self.plain_format).map_err(Unresolved::Event)? {
            Event::TableMap(map) => map,
            _ => return Err(Unresolved::NoTableMap),
        };
        if !map.describes_columns() {
            return Err(Unresolved::Undescribed);
        }
        let boundary = self.open.as_ref().map_or(&self.complete, |open| &open.start);
        let spot = Spot { boundary, position: &self.source };
        self.plans.resolve(&map, body, spot).map_err(|error| Unresolved::Table {
            table: Some(format!("{}.{}", String::from_utf8_lossy(map.database), String::from_utf8_lossy(map.table))),
            error,
        })
    }

    /// Gives out what is complete and keeps the rest.
    pub(super) fn hand_over(&mut self) -> Result<(), Halt> {
        self.keep_definitions()?;
        let split = self.open.as_ref().map_or(self.framed, |open| open.at);
        if split > 0 {
            let mut rest = self.dispatch.buffer();
            rest.extend_from_slice(self.buffer.get(split..).unwrap_or_default());
            self.buffer.truncate(split);
            let bytes = std::mem::replace(&mut self.buffer, rest);
            let read_from = LogPosition::new(self.input.file_name(), self.buffer_at);
            self.buffer_at = self.buffer_at.saturating_add(u64::try_from(split).unwrap_or(0));
            self.framed = self.framed.saturating_sub(split);
            let kept = self.maps.partition_point(|(at, _)| at.offset < split);
            let mut later = self.maps.split_off(kept);
            later.iter_mut().for_each(|(at, _)| at.offset = at.offset.saturating_sub(split));
            let maps = std::mem::replace(&mut self.maps, later);
            if let Some(open) = &mut self.open {
                open.at = 0;
                open.last_rows = open.last_rows.map(|at| At { offset: at.offset.saturating_sub(split), ..at });
            }
            // A payload ends its transaction: none is kept.
            let payloads = std::mem::take(&mut self.payloads);
            let unpacked = if payloads.is_empty() {
                Vec::new()
            } else {
                std::mem::replace(&mut self.unpacked, self.dispatch.buffer())
            };
            if !self.items.is_empty() {
                self.sent = self.complete.clone();
                self.dispatch.send(Batch {
                    bytes,
                    read_from,
                    format: Arc::clone(&self.format),
                    plain_format: Arc::clone(&self.plain_format),
                    items: std::mem::take(&mut self.items),
                    unpacked,
                    payloads,
                    maps,
                    open_maps: Plans::default(),
                    end: self.complete.clone(),
                    row_count: None,
                    ignored: self.ignored.take(),
                    inside: None,
                })?;
            }
        }
        if self.sent != self.complete && !self.done_before(&self.complete) {
            self.sent = self.complete.clone();
            let counts = Counts { ignored: self.ignored.take(), ..Counts::default() };
            self.dispatch.progress(self.complete.clone(), counts)?;
        }
        Ok(())
    }

    /// What was learned about tables is durable before any checkpoint behind it.
    pub(super) fn keep_definitions(&mut self) -> Result<(), Halt> {
        self.plans.flush().map_err(|error| Unresolved::failed(error).at(self.place(self.framed)))
    }

    /// Records that the sequencer was told about everything complete.
    pub(super) fn mark_sent(&mut self) {
        self.sent = self.complete.clone();
    }

    /// Where the event at `at` of the buffer stands.
    pub(super) fn place(&self, at: impl Into<At>) -> Place {
        let At { offset, inside } = at.into();
        let offset = self.buffer_at.saturating_add(u64::try_from(offset).unwrap_or(0));
        Place {
            read: Some(LogPosition::new(self.input.file_name(), offset)),
            source: Some(self.event_start.map_or_else(|| self.source.clone(), |start| self.source.at(start))),
            inside,
            gtid: self.open.as_ref().and_then(|open| open.gtid.clone()),
            table: None,
        }
    }

    pub(super) fn undecodable(&self, at: impl Into<At>, what: String, hint: Option<String>) -> Halt {
        Halt::Error(ApplyError::Undecodable { what, place: Box::new(self.place(at)), hint })
    }

    pub(super) fn event_error(&self, at: impl Into<At>, error: &EventError) -> Halt {
        Halt::Error(ApplyError::event(error, self.place(at)))
    }

    fn not_a_log(&self) -> Halt {
        super::decode::not_a_log(&self.input.file_name()).into()
    }

    pub(super) fn read_error(&self, error: std::io::Error) -> Halt {
        Halt::Error(ApplyError::Read { file: self.input.file_name().to_string(), error })
    }
}
