//! Transactions larger than a batch: first the end is found, by headers, then pieces are handed on. So are those that
//! define a table and fill it (`CREATE TABLE ... SELECT`), where the target's catalog is what rows are read with: the
//! definition is a piece of its own, and is applied before the rows' tables are looked up.

use super::xa::Look;
use super::{Coordinator, Halt, Open};
use crate::binlog::event::{self, OwnedXid};
use crate::binlog::group::{Fed, Step};
use crate::binlog::{EventError, EventHeader, EventType, HEADER_LEN, RawEvent};
use crate::change::GroupEnd;
use crate::pipeline::error::ApplyError;
use crate::pipeline::input::Spool;
use crate::position::{LogPosition, widen_end};

/// What the scan to the end of a large transaction found.
pub(super) struct Extent {
    /// Bytes of the transaction.
    pub len: u64,
    /// Offset of its last row event.
    last_rows: Option<u64>,
    end: GroupEnd,
    /// Offset of the payload that it ends with.
    payload: Option<u64>,
    /// The name it is prepared under, where no payload says so.
    name: Option<OwnedXid>,
}

impl<O> Coordinator<'_, O> {
    /// The buffer begins with the open transaction and holds no end of it: hands it on in pieces.
    pub(super) fn large(&mut self) -> Result<(), Halt> {
        let mut spool = self.input.spool(&self.buffer).map_err(|error| self.read_error(error))?;
        let extent = self.find_end(&mut spool)?;
        let Some(mut open) = self.open.take() else { return Ok(()) };
        // The last boundary, also where this is the first transaction of the first file.
        self.complete = open.start.clone();
        let end = self.source.clone();
        let skip = open.passed_over || self.done_before(&end);
        self.buffer.clear();
        self.maps.clear();
        let mut look = None;
        if !skip {
            self.require_resumed(&open)?;
            look = self.hand_on_group(&spool, &mut open, &end, &extent)?;
        }
        let (len, passed_over, changes_schema) = (extent.len, open.passed_over, open.changes_schema);
        let held = look.is_some();
        if let Some(look) = look {
            self.hold(look, open, end.clone(), extent, &spool)?;
        }
        self.input.resume_after(spool, len).map_err(|error| self.read_error(error))?;
        self.buffer.clear();
        self.buffer_at = self.buffer_at.saturating_add(len);
        self.framed = 0;
        self.complete = end;
        if passed_over {
            self.passed = self.passed.saturating_add(len);
        }
        if !skip && !held {
            self.mark_sent();
        }
        if changes_schema {
            self.plans.clear();
            if self.plans.follows_target() {
                self.dispatch.barrier()?;
            }
        }
        Ok(())
    }

    /// Hands on a transaction in pieces; if it is only prepared, and is to be put aside, looks through it instead.
    pub(super) fn hand_on_group(
        &mut self,
        spool: &Spool,
        open: &mut Open,
        end: &LogPosition,
        extent: &Extent,
    ) -> Result<Option<Look>, Halt> {
        if let Some(at) = extent.payload {
            return self.packed(spool, open, end, at..extent.len);
        }
        let mut chain = self.chain(open, end, extent.end, extent.name.clone())?;
        self.pieces(spool, &mut chain, 0..extent.len, extent.last_rows, true)?;
        Ok(chain.look)
    }

    /// Goes on from the last event looked at, header by header, to the end of the transaction.
    fn find_end(&mut self, spool: &mut Spool) -> Result<Extent, Halt> {
        let to_u64 = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let mut offset = to_u64(self.framed);
        let mut last_rows = self.open.as_ref().and_then(|open| open.last_rows).map(|at| to_u64(at.offset));
        let mut bytes = vec![0; HEADER_LEN];
        loop {
            bytes.resize(HEADER_LEN, 0);
            self.fetch(spool, &mut bytes, offset)?;
            let at = usize::try_from(offset).unwrap_or(usize::MAX);
            let Some(header) = self.header(&bytes) else { return Err(self.cut_short(offset)) };
            let size = self.event_size(&header, at)?;
            let kind = header.event_type;
            // Before memory is taken for it: the size is only a claim.
            if !self.reaches(spool, offset.saturating_add(to_u64(size)))? {
                return Err(self.cut_short(offset));
            }
            if self.grouper.needs_body(kind) || kind.is_query() {
                bytes.resize(size, 0);
                self.fetch(spool, &mut bytes, offset)?;
            }
            if kind.is_row_event() {
                last_rows = Some(offset);
            }
            let before = self.source.pos;
            self.source.pos = widen_end(before, u64::from(header.event_size), header.log_pos);
            self.event_start = Some(before);
            self.pass_over(&header, before);
            self.place_of_event(before)?;
            let payload = (kind == EventType::TRANSACTION_PAYLOAD).then_some(offset);
            let Fed { step, abandoned } = self.scan_event(&header, &bytes, at)?;
            if abandoned {
                return Err(self.no_end(kind, at));
            }
            self.event_start = None;
            offset = offset.saturating_add(to_u64(size));
            match step {
                Step::Inside { first: false } => {}
                Step::Ends { first: false, end } => {
                    let name = self.prepared_name(&header, &bytes).map_err(|error| self.event_error(at, &error))?;
                    return Ok(Extent { len: offset, last_rows, end, payload, name });
                }
                Step::Outside | Step::Inside { first: true } | Step::Ends { first: true, .. } => {
                    return Err(self.no_end(kind, at));
                }
            }
        }
    }

    /// Feeds one event of the scan; `bytes` is the whole event, or its header alone where no more is needed.
    fn scan_event(&mut self, header: &EventHeader, bytes: &[u8], at: usize) -> Result<Fed, Halt> {
        let raw = RawEvent { header: *header, bytes };
        let whole = u64::from(header.event_size) == u64::try_from(bytes.len()).unwrap_or(0);
        let body =
            if whole { raw.body(self.format.checksum).map_err(|error| self.event_error(at, &error))? } else { &[] };
        if whole && header.event_type.is_query() {
            self.look_at(&raw, body, at)?;
        }
        self.grouper.feed(header, body, &self.format).map_err(|error| self.event_error(at, &error))
    }

    /// The name in an event of the scan that prepares the transaction.
    fn prepared_name(&self, header: &EventHeader, bytes: &[u8]) -> Result<Option<OwnedXid>, EventError> {
        if header.event_type != EventType::XA_PREPARE {
            return Ok(None);
        }
        let raw = RawEvent { header: *header, bytes };
        Ok(Some(event::xa_prepare(raw.body(self.format.checksum)?)?.xid.to_owned()))
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

    pub(super) fn cut_short(&self, offset: u64) -> Halt {
        let place = Box::new(self.place(usize::try_from(offset).unwrap_or(usize::MAX)));
        let what = "the log ends inside a transaction, before its commit".to_owned();
        Halt::Error(ApplyError::Truncated { what, place })
    }
}
