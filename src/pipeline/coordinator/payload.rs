//! Small payloads (TRANSACTION_PAYLOAD_EVENT): unpacked where they stand in the buffer, into memory that goes with the
//! batch, so that many small transactions still share one. Larger ones go through in pieces (`packed`).

use std::sync::Arc;

use super::frame::may_change_tables;
use super::{Coordinator, Halt};
use crate::binlog::contents::Contents;
use crate::binlog::payload::{PayloadError, PayloadFields, Unpacker};
use crate::binlog::{EventType, HEADER_LEN, RawEvent};
use crate::pipeline::batch::{At, Payload};
use crate::statement::StatementKind;

/// What a payload unpacks to at most where it shares a batch.
const SMALL: u64 = 1 << 20;

impl<O> Coordinator<'_, O> {
    /// Unpacks the payload at `at` of the buffer and takes from its events what the coordinator must know. False if
    /// it must go through in pieces; nothing has changed then.
    pub(super) fn payload(&mut self, raw: &RawEvent<'_>, at: usize) -> Result<bool, Halt> {
        if self.open.is_none() {
            let what = "a transaction payload comes without the GTID event that opens its transaction".to_owned();
            return Err(self.undecodable(at, what, None));
        }
        raw.verify_checksum(self.format.checksum).map_err(|error| self.event_error(at, &error))?;
        let body = raw.body(self.format.checksum).map_err(|error| self.event_error(at, &error))?;
        let fields = PayloadFields::parse(body).map_err(|error| self.event_error(at, &error))?;
        let body_len = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let wrong = |error: PayloadError, this: &Self| this.undecodable(at, error.to_string(), None);
        fields.check(body_len).map_err(|error| wrong(error, self))?;
        if fields.unpacked > SMALL {
            return Ok(false);
        }
        let start = self.unpacked.len();
        let packed = body.get(fields.len..).unwrap_or_default();
        let unpacker = self.unpacker.get_or_insert_with(Unpacker::new);
        unpacker.unpack(&fields, packed, &mut self.unpacked).map_err(|error| wrong(error, self))?;
        let unpacked = std::mem::take(&mut self.unpacked);
        let whole = self.walk(unpacked.get(start..).unwrap_or_default(), at);
        self.unpacked = unpacked;
        if whole? {
            self.payloads.push(Payload { at, range: start..self.unpacked.len() });
            return Ok(true);
        }
        self.unpacked.truncate(start);
        while self.maps.pop_if(|(map, _)| map.offset >= at).is_some() {}
        Ok(false)
    }

    /// Looks at the events of the payload at `at`. False if a table's definition must be applied before its rows
    /// can be read.
    fn walk(&mut self, events: &[u8], at: usize) -> Result<bool, Halt> {
        let format = Arc::clone(&self.plain_format);
        let mut contents = Contents::new();
        let mut rest = events;
        let mut last_rows = None;
        while !rest.is_empty() {
            let inside = u64::try_from(events.len().saturating_sub(rest.len())).unwrap_or(u64::MAX);
            let here = At { offset: at, inside: Some(inside) };
            let (raw, after) = RawEvent::cut(rest).map_err(|error| self.undecodable(here, error.to_string(), None))?;
            let body = raw.bytes.get(HEADER_LEN..).unwrap_or_default();
            contents
                .feed(&raw.header, body, &format)
                .map_err(|error| self.undecodable(here, error.to_string(), None))?;
            match raw.header.event_type {
                EventType::TABLE_MAP => {
                    if self.tables_to_come() {
                        return Ok(false);
                    }
                    let plan = self.resolve(&raw, body).map_err(|error| error.at(self.place(here)))?;
                    self.maps.push((here, plan));
                }
                kind if kind.is_query() => {
                    let kind = self.statement(&raw, &format).map_err(|error| error.at(self.place(here)))?;
                    if kind == StatementKind::XaStart && self.prepared.on {
                        return Ok(false);
                    }
                    if let Some(open) = &mut self.open {
                        open.changes_schema |= may_change_tables(kind);
                    }
                }
                kind if kind.is_row_event() => last_rows = Some(here),
                _ => {}
            }
            rest = after;
        }
        let end = contents.end().map_err(|error| self.undecodable(at, error.to_string(), None))?;
        if let Some(open) = &mut self.open {
            open.last_rows = last_rows;
            open.end = Some(end);
        }
        Ok(true)
    }
}
