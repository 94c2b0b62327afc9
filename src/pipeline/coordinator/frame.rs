//! Framing: cuts events out of the buffer, one after the other, and takes from each what the coordinator must know.

use std::sync::Arc;

use super::place::Unresolved;
use super::{BATCH_BYTES, Coordinator, Framed, Halt, Open};
use crate::binlog::compressed::with_query;
use crate::binlog::event::{self, Event, FormatDescription};
use crate::binlog::group::{Fed, Step};
use crate::binlog::{
    ChecksumAlgorithm, EventError, EventFlags, EventHeader, EventType, HEADER_LEN, MAGIC, MAX_EVENT_SIZE, RawEvent,
};
use crate::change::GroupEnd;
use crate::pipeline::batch::Item;
use crate::pipeline::tracker::Spot;
use crate::position::{LogPosition, widen_end};
use crate::row::TablePlan;
use crate::statement::StatementKind;

/// Whether a statement may change tables: whatever is not known to leave them as they are.
pub(super) fn changes_schema(raw: &RawEvent<'_>, format: &FormatDescription) -> Result<bool, EventError> {
    kind_of(raw, format).map(may_change_tables)
}

/// Whether a statement of this kind may change tables.
pub(super) fn may_change_tables(kind: StatementKind) -> bool {
    matches!(kind, StatementKind::Ddl | StatementKind::Other)
}

fn kind_of(raw: &RawEvent<'_>, format: &FormatDescription) -> Result<StatementKind, EventError> {
    event::statement_kind(raw.header.event_type, raw.body(format.checksum)?, format)
}

impl<O> Coordinator<'_, O> {
    pub(super) fn frame(&mut self) -> Result<Framed, Halt> {
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
            if self.past {
                return Ok(Framed::Past);
            }
            self.framed = at.saturating_add(raw.bytes.len());
            if barrier {
                return Ok(Framed::Barrier);
            }
            if let Some(decision) = self.decided.take() {
                return Ok(Framed::Decided(decision));
            }
            if self.prepared.on && self.open.as_ref().is_some_and(|open| open.xa) {
                return Ok(Framed::Apart);
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
            self.place_of_event(before)?;
        }
        self.settle_torn_file(raw, body)?;
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
            if !raw.header.event_type.is_gtid() {
                self.judge();
            }
        }
        self.look_at(raw, body, at)?;
        self.event_start = None;
        if raw.header.event_type.is_gtid() {
            self.judge();
        }
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

    /// What the end of the last file was missing is an error, unless its server crashed there and says so now.
    fn settle_torn_file(&mut self, raw: &RawEvent<'_>, body: &[u8]) -> Result<(), Halt> {
        let Some(error) = self.torn.take() else { return Ok(()) };
        if raw.header.event_type != EventType::FORMAT_DESCRIPTION || !event::is_restart(body) {
            return Err(error.into());
        }
        tracing::warn!(file = %self.reading, "the file before this one ends where its server crashed");
        Ok(())
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
            EventType::PREVIOUS_GTIDS | EventType::MARIA_GTID_LIST => {
                self.gtids_before(raw.header.event_type, body, at)?
            }
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
                        open.xa = gtid.prepared_xa;
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
                let kind = self.statement(raw, &format).map_err(|error| error.at(self.place(at)))?;
                let decides = self.decision(kind, raw, at).map_err(|error| self.event_error(at, &error))?;
                if let Some(open) = &mut self.open {
                    open.changes_schema |= may_change_tables(kind);
                    open.xa |= kind == StatementKind::XaStart;
                    // With anything else in its group it is left to the worker, which stops there.
                    open.decides = decides.filter(|_| !open.statements && open.last_rows.is_none());
                    open.statements = true;
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

    /// The kind of a statement. What is known of tables follows it.
    pub(super) fn statement(
        &mut self,
        raw: &RawEvent<'_>,
        format: &FormatDescription,
    ) -> Result<StatementKind, Unresolved> {
        let kind = kind_of(raw, format).map_err(Unresolved::Event)?;
        if may_change_tables(kind) && self.plans.follows_log() && !self.done_before(&self.source) {
            let boundary = self.open.as_ref().map_or(&self.complete, |open| &open.start);
            let spot = Spot { boundary, position: &self.source };
            let version = &self.format.server_version;
            let flags = raw.header.flags;
            let followed = with_query(raw, format, |query| self.plans.statement(query, flags, version, spot));
            if let Some(Err(error)) = followed.map_err(Unresolved::Event)? {
                return Err(Unresolved::Table { table: None, error });
            }
        }
        Ok(kind)
    }

    /// Whether the open transaction's tables are on the target only once its own definitions are applied.
    pub(super) fn tables_to_come(&self) -> bool {
        let changed = self.open.as_ref().is_some_and(|open| open.changes_schema);
        changed && self.plans.follows_target() && !self.passing_over()
    }

    /// The open transaction ends at `end_at` of the buffer.
    fn close(&mut self, end: GroupEnd, end_at: usize) -> Result<bool, Halt> {
        let Some(mut open) = self.open.take() else { return Ok(false) };
        if let Some(mut decision) = open.decides.take()
            && !self.done_before(&self.source)
        {
            // It is complete once that is done which it decides.
            self.require_resumed(&open)?;
            decision.len = u64::try_from(end_at.saturating_sub(open.at)).unwrap_or(0);
            self.decided = Some(decision);
            return Ok(false);
        }
        self.complete = self.source.clone();
        if open.passed_over {
            self.passed = self.passed.saturating_add(u64::try_from(end_at.saturating_sub(open.at)).unwrap_or(0));
            return Ok(false);
        }
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
            upto: self.source.clone().into(),
        });
        if open.changes_schema {
            self.plans.clear();
        }
        Ok(open.changes_schema && self.plans.follows_target())
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
}
