//! Transactions larger than a batch: first the end is found, by headers, then pieces are handed on. So are those that
//! define a table and fill it (`CREATE TABLE ... SELECT`), where the target's catalog is what rows are read with: the
//! definition is a piece of its own, and is applied before the rows' tables are looked up.

use std::sync::Arc;

use crossbeam_channel::bounded;

use super::batch::{Batch, Item, Plans, RowCount};
use super::coordinator::{BATCH_BYTES, Coordinator, Halt};
use super::error::ApplyError;
use super::input::Spool;
use crate::binlog::group::{Fed, Step};
use crate::binlog::{EventHeader, EventType, HEADER_LEN};
use crate::change::{GroupEnd, TransactionMeta};
use crate::position::{LogPosition, widen_end};
use crate::row::TablePlan;

/// What the scan to the end of a large transaction found.
struct Extent {
    /// Bytes of the transaction.
    len: u64,
    /// Offset of its last row event.
    last_rows: Option<u64>,
    end: GroupEnd,
}

impl<O> Coordinator<'_, O> {
    /// The buffer begins with the open transaction and holds no end of it: hands it on in pieces.
    pub(super) fn large(&mut self) -> Result<(), Halt> {
        let mut spool = self.input.spool(&self.buffer).map_err(|error| self.read_error(error))?;
        let extent = self.find_end(&mut spool)?;
        let Some(open) = self.open.take() else { return Ok(()) };
        let end = self.source.clone();
        let transaction = open.meta(end.clone(), extent.end);
        let skip = self.done_before(&end);
        if !skip {
            self.require_resumed(&open)?;
        }
        self.buffer.clear();
        self.maps.clear();
        if !skip {
            self.pieces(&spool, &transaction, &extent)?;
        }
        self.input.resume_after(spool, extent.len).map_err(|error| self.read_error(error))?;
        self.buffer.clear();
        self.buffer_at = self.buffer_at.saturating_add(extent.len);
        self.framed = 0;
        self.complete = end;
        if !skip {
            self.mark_sent();
        }
        if open.changes_schema {
            self.plans.clear();
            if self.plans.follows_target() {
                self.dispatch.barrier()?;
            }
        }
        Ok(())
    }

    /// Goes on from the last event looked at, header by header, to the end of the transaction.
    fn find_end(&mut self, spool: &mut Spool) -> Result<Extent, Halt> {
        let to_u64 = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let mut offset = to_u64(self.framed);
        let mut last_rows = self.open.as_ref().and_then(|open| open.last_rows).map(to_u64);
        let mut bytes = vec![0; HEADER_LEN];
        loop {
            bytes.resize(HEADER_LEN, 0);
            self.fetch(spool, &mut bytes, offset)?;
            let at = usize::try_from(offset).unwrap_or(usize::MAX);
            let Some(header) = EventHeader::read(&bytes) else { return Err(self.cut_short(offset)) };
            let size = self.event_size(&header, at)?;
            let kind = header.event_type;
            // Before memory is taken for it: the size is only a claim.
            if !self.reaches(spool, offset.saturating_add(to_u64(size)))? {
                return Err(self.cut_short(offset));
            }
            if self.grouper.needs_body(kind) || kind == EventType::QUERY {
                bytes.resize(size, 0);
                self.fetch(spool, &mut bytes, offset)?;
            }
            if kind.is_row_event() {
                last_rows = Some(offset);
            }
            self.source.pos = widen_end(self.source.pos, u64::from(header.event_size), header.log_pos);
            let Fed { step, abandoned } = self.scan_event(&header, &bytes, at)?;
            if abandoned {
                return Err(self.no_end(kind, at));
            }
            offset = offset.saturating_add(to_u64(size));
            match step {
                Step::Inside { first: false } => {}
                Step::Ends { first: false, end } => return Ok(Extent { len: offset, last_rows, end }),
                Step::Outside | Step::Inside { first: true } | Step::Ends { first: true, .. } => {
                    return Err(self.no_end(kind, at));
                }
            }
        }
    }

    /// Feeds one event of the scan; `bytes` is the whole event, or its header alone where no more is needed.
    fn scan_event(&mut self, header: &EventHeader, bytes: &[u8], at: usize) -> Result<Fed, Halt> {
        let raw = crate::binlog::RawEvent { header: *header, bytes };
        let whole = u64::from(header.event_size) == u64::try_from(bytes.len()).unwrap_or(0);
        let body =
            if whole { raw.body(self.format.checksum).map_err(|error| self.event_error(at, &error))? } else { &[] };
        if whole && header.event_type == EventType::QUERY {
            self.look_at(&raw, body, at)?;
        }
        self.grouper.feed(header, body, &self.format).map_err(|error| self.event_error(at, &error))
    }

    fn no_end(&self, kind: EventType, at: usize) -> Halt {
        self.undecodable(at, format!("a transaction has no end: {kind} comes before its commit"), None)
    }

    fn reaches(&mut self, spool: &mut Spool, len: u64) -> Result<bool, Halt> {
        if len <= spool.len() {
            return Ok(true);
        }
        self.input.extend(spool, len).map_err(|error| self.read_error(error))
    }

    fn fetch(&mut self, spool: &mut Spool, out: &mut [u8], offset: u64) -> Result<(), Halt> {
        let end = offset.saturating_add(u64::try_from(out.len()).unwrap_or(u64::MAX));
        if !self.reaches(spool, end)? {
            return Err(self.cut_short(offset));
        }
        spool.read_exact_at(out, offset).map_err(|error| self.read_error(error))
    }

    fn cut_short(&self, offset: u64) -> Halt {
        let place = Box::new(self.place(usize::try_from(offset).unwrap_or(usize::MAX)));
        let what = "the log ends inside a transaction, before its commit".to_owned();
        Halt::Error(ApplyError::Truncated { what, place })
    }

    /// Hands on the transaction in pieces of whole events.
    fn pieces(&mut self, spool: &Spool, transaction: &TransactionMeta, extent: &Extent) -> Result<(), Halt> {
        let mut offset = 0_u64;
        let mut source_pos = transaction.start.pos;
        let mut open_maps = Plans::default();
        let (first, mut before) = bounded(1);
        first.send(0).map_err(|_| Halt::Gone)?;
        let mut defined = false;
        while offset < extent.len {
            let mut bytes = self.read_piece(spool, offset, extent.len)?;
            if self.plans.follows_target() {
                self.end_at_new_tables(&mut bytes, &mut defined)?;
            }
            let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            let (after, next_before) = bounded(1);
            let maps = self.maps_of_piece(&bytes, offset)?;
            self.keep_definitions()?;
            let mut maps_after = open_maps.clone();
            for (_, plan) in &maps {
                maps_after.set(plan.table_id, plan);
            }
            let end = offset.saturating_add(len);
            let complete = end >= extent.len;
            let last_rows = extent
                .last_rows
                .and_then(|at| at.checked_sub(offset))
                .filter(|at| *at < len)
                .and_then(|at| usize::try_from(at).ok());
            let item = Item {
                transaction: transaction.clone(),
                range: 0..bytes.len(),
                source_pos,
                continued: offset > 0,
                complete,
                last_rows,
            };
            self.dispatch.send(Batch {
                read_from: LogPosition::new(self.input.file_name(), self.buffer_at.saturating_add(offset)),
                bytes,
                format: Arc::clone(&self.format),
                items: vec![item],
                maps,
                open_maps: std::mem::replace(&mut open_maps, maps_after),
                end: if complete { transaction.end.clone() } else { transaction.start.clone() },
                row_count: Some(RowCount { before, after }),
            })?;
            before = next_before;
            source_pos = source_pos.saturating_add(len);
            offset = end;
        }
        Ok(())
    }

    /// Ends a piece before the first table map that follows a definition. `defined` is whether one came and is not
    /// applied yet; where the piece begins with such a table map, it is applied now.
    fn end_at_new_tables(&mut self, bytes: &mut Vec<u8>, defined: &mut bool) -> Result<(), Halt> {
        let mut at = 0;
        while let Some(raw) = self.cut(bytes, at)? {
            let size = raw.bytes.len();
            match raw.header.event_type {
                EventType::QUERY => *defined |= self.changes_schema(&raw, at)?,
                EventType::TABLE_MAP if *defined && at == 0 => {
                    self.plans.clear();
                    self.dispatch.barrier()?;
                    *defined = false;
                }
                EventType::TABLE_MAP if *defined => {
                    bytes.truncate(at);
                    return Ok(());
                }
                _ => {}
            }
            at = at.saturating_add(size);
        }
        Ok(())
    }

    /// Reads about one batch of whole events.
    fn read_piece(&mut self, spool: &Spool, offset: u64, end: u64) -> Result<Vec<u8>, Halt> {
        let mut bytes = self.dispatch.buffer();
        let left = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX);
        bytes.resize(left.min(BATCH_BYTES), 0);
        spool.read_exact_at(&mut bytes, offset).map_err(|error| self.read_error(error))?;
        let mut whole = 0;
        while let Some(raw) = self.cut(&bytes, whole)? {
            whole = whole.saturating_add(raw.bytes.len());
        }
        if whole == 0 {
            // One event larger than a batch.
            let Some(header) = EventHeader::read(&bytes) else { return Err(self.cut_short(offset)) };
            let size = self.event_size(&header, 0)?;
            bytes.resize(size.min(left), 0);
            spool.read_exact_at(&mut bytes, offset).map_err(|error| self.read_error(error))?;
        } else {
            bytes.truncate(whole);
        }
        Ok(bytes)
    }

    fn maps_of_piece(&mut self, bytes: &[u8], offset: u64) -> Result<Vec<(usize, Arc<TablePlan>)>, Halt> {
        let mut maps = Vec::new();
        let mut at = 0;
        while let Some(raw) = self.cut(bytes, at)? {
            if raw.header.event_type == EventType::TABLE_MAP {
                let place = usize::try_from(offset).unwrap_or(usize::MAX).saturating_add(at);
                let body = raw.body(self.format.checksum).map_err(|error| self.event_error(place, &error))?;
                maps.push((at, self.resolve(&raw, body, place)?));
            }
            at = at.saturating_add(raw.bytes.len());
        }
        Ok(maps)
    }
}
