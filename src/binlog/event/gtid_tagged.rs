//! GTID_TAGGED_LOG_EVENT: a GTID event whose identifier has a tag, in the format of MySQL's serialization library.
//!
//! ```text
//! | 1 version | size of the whole | last field that must be understood, plus one | field number, value | ... |
//! ```
//! All numbers are of variable length; fields have no length of their own. A field of unknown number ends the reading;
//! that is an error if it must be understood or says more than the commit's description. Worklog: WL#15294.

use std::sync::Arc;

use super::GtidEvent;
use super::gtid::known_version;
use crate::gtid::{Gtid, is_tag};
use crate::wire::{self, Parsed, Problem};

/// The only version of the format there is.
const VERSION: u64 = 1;

pub(super) fn parse(input: &[u8]) -> Result<GtidEvent, nom::Err<wire::ParseError>> {
    let (i, version) = wire::varlen("serialization_version")(input)?;
    if version != VERSION {
        return Err(wire::fail(input, "serialization_version", Problem::Unknown(version)));
    }
    let (at_size, (i, size)) = (i, wire::varlen("payload_size")(i)?);
    if usize::try_from(size) != Ok(input.len()) {
        return Err(wire::fail(at_size, "payload_size", Problem::Invalid));
    }
    let (mut i, must_know_below) = wire::varlen("last_non_ignorable_field_id")(i)?;
    let mut fields = Fields::default();
    while !i.is_empty() {
        let (rest, id) = wire::varlen("field_id")(i)?;
        match fields.read(rest, id)? {
            Some(rest) => i = rest,
            None if id >= must_know_below => break,
            None => return Err(wire::fail(i, "field_id", Problem::Unknown(id))),
        }
    }
    fields.finish().ok_or_else(|| wire::fail(&[], "gtid", Problem::Invalid))
}

#[derive(Default)]
struct Fields {
    event: GtidEvent,
    uuid: Option<[u8; 16]>,
    tag: Option<Arc<str>>,
    gno: u64,
    original_commit_timestamp: Option<u64>,
    original_server_version: Option<u32>,
}

impl Fields {
    /// Reads the value of field `id`; `None` if it is not known.
    fn read<'a>(&mut self, i: &'a [u8], id: u64) -> Result<Option<&'a [u8]>, nom::Err<wire::ParseError>> {
        let event = &mut self.event;
        let rest = match id {
            0 => {
                let (rest, flags) = wire::varlen("gtid_flags")(i)?;
                event.gtid_flags = u8::try_from(flags).map_err(|_| wire::fail(i, "gtid_flags", Problem::Invalid))?;
                rest
            }
            1 => {
                let (rest, uuid) = uuid(i)?;
                self.uuid = Some(uuid);
                rest
            }
            2 => put(unsigned(i, "gno")?, &mut self.gno),
            3 => {
                let (rest, tag) = tag(i)?;
                self.tag = tag;
                rest
            }
            4 => put(unsigned(i, "last_committed")?, &mut event.last_committed),
            5 => put(unsigned(i, "sequence_number")?, &mut event.sequence_number),
            6 => put(wire::varlen("immediate_commit_timestamp")(i)?, &mut event.immediate_commit_timestamp),
            7 => put(some(wire::varlen("original_commit_timestamp")(i)?), &mut self.original_commit_timestamp),
            8 => put(wire::varlen("transaction_length")(i)?, &mut event.transaction_length),
            9 => put(version(i, "immediate_server_version")?, &mut event.immediate_server_version),
            10 => put(some(version(i, "original_server_version")?), &mut self.original_server_version),
            11 => put(wire::varlen("commit_group_ticket")(i)?, &mut event.commit_group_ticket),
            _ => return Ok(None),
        };
        Ok(Some(rest))
    }

    /// The event, if it names a transaction. The first server's values are left out where they are this server's.
    fn finish(self) -> Option<GtidEvent> {
        let gtid = Gtid::MySql { uuid: self.uuid?, tag: self.tag, gno: (self.gno > 0).then_some(self.gno)? };
        let mut event = self.event;
        event.gtid = Some(gtid);
        event.original_commit_timestamp = self.original_commit_timestamp.unwrap_or(event.immediate_commit_timestamp);
        event.original_server_version = self.original_server_version.unwrap_or(event.immediate_server_version);
        Some(event)
    }
}

fn put<'a, T>((i, value): (&'a [u8], T), field: &mut T) -> &'a [u8] {
    *field = value;
    i
}

fn some<T>((i, value): (&[u8], T)) -> (&[u8], Option<T>) {
    (i, Some(value))
}

/// A number that is signed in the format and never below zero.
fn unsigned<'a>(input: &'a [u8], what: &'static str) -> Parsed<'a, u64> {
    let (i, value) = wire::varlen_signed(what)(input)?;
    match u64::try_from(value) {
        Ok(value) => Ok((i, value)),
        Err(_) => Err(wire::fail(input, what, Problem::Invalid)),
    }
}

fn version<'a>(input: &'a [u8], what: &'static str) -> Parsed<'a, u32> {
    let (i, value) = wire::varlen(what)(input)?;
    match u32::try_from(value) {
        Ok(value) => Ok((i, known_version(value))),
        Err(_) => Err(wire::fail(input, what, Problem::Invalid)),
    }
}

/// Sixteen numbers of variable length, each below 256.
fn uuid(mut i: &[u8]) -> Parsed<'_, [u8; 16]> {
    let mut uuid = [0; 16];
    for byte in &mut uuid {
        let (rest, value) = wire::varlen("uuid")(i)?;
        *byte = u8::try_from(value).map_err(|_| wire::fail(i, "uuid", Problem::Invalid))?;
        i = rest;
    }
    Ok((i, uuid))
}

fn tag(input: &[u8]) -> Parsed<'_, Option<Arc<str>>> {
    let (i, length) = wire::varlen("tag")(input)?;
    let (i, tag) = wire::bytes(usize::try_from(length).unwrap_or(usize::MAX), "tag")(i)?;
    match std::str::from_utf8(tag) {
        Ok("") => Ok((i, None)),
        Ok(tag) if is_tag(tag) => Ok((i, Some(Arc::from(tag)))),
        _ => Err(wire::fail(input, "tag", Problem::Invalid)),
    }
}
