//! GTID_EVENT and ANONYMOUS_GTID_EVENT: open a transaction and describe its commit.
//!
//! ```text
//! | 1 flags | 16 sid | 8 gno |                                                    5.6
//! | 1 typecode 2 | 8 last_committed | 8 sequence_number |                         5.7.6
//! | 7 immediate_commit_timestamp | 7 original, if bit 55 of the first is set |    8.0.1
//! | transaction_length | 4 immediate_server_version | 4 original, if bit 31 is set | 8.0.2, 8.0.14
//! | 8 commit_group_ticket, in a group that keeps their order |                     8.0.31
//! ```
//! The event simply ends where its server had no more to say. Bytes after the last field, and what follows a typecode
//! other than 2 (5.7 before its release), are additions to the description of the commit and are passed over: they
//! change no data. Manual: "Gtid_event".

use super::GtidEvent;
use crate::gtid::Gtid;
use crate::wire::{self, Parsed, Problem};

/// The typecode of a logical clock.
const LOGICAL_CLOCK: u8 = 2;

/// Bit of the immediate commit timestamp: the original one follows.
const HAS_ORIGINAL_TIMESTAMP: u64 = 1 << 55;

/// Bit of the immediate server version: the original one follows.
const HAS_ORIGINAL_VERSION: u32 = 1 << 31;

/// What a server writes where the version is not known.
const UNDEFINED_VERSION: u32 = 999_999;

#[inline]
pub(super) fn parse(i: &[u8], anonymous: bool) -> Result<GtidEvent, nom::Err<wire::ParseError>> {
    let (i, gtid_flags) = wire::u8("gtid_flags")(i)?;
    let (at_sid, (i, uuid)) = (i, wire::array::<16>("sid")(i)?);
    let (i, gno) = wire::le_i64("gno")(i)?;
    let gtid = match u64::try_from(gno) {
        _ if anonymous => None,
        Ok(gno) if gno > 0 => Some(Gtid::MySql { uuid, tag: None, gno }),
        _ => return Err(wire::fail(at_sid, "gno", Problem::Invalid)),
    };
    let mut event = GtidEvent { gtid, gtid_flags, ..GtidEvent::default() };
    if i.first() == Some(&LOGICAL_CLOCK) {
        let (i, _typecode) = wire::u8("logical_timestamp_typecode")(i)?;
        let (i, last_committed) = wire::le_u64("last_committed")(i)?;
        let (i, sequence_number) = wire::le_u64("sequence_number")(i)?;
        event.last_committed = last_committed;
        event.sequence_number = sequence_number;
        if !i.is_empty() {
            commit(i, &mut event)?;
        }
    }
    Ok(event)
}

/// Timestamps, length and versions of 8.0.
#[inline]
fn commit<'a>(i: &'a [u8], event: &mut GtidEvent) -> Parsed<'a, ()> {
    let (i, immediate) = wire::le_u56("immediate_commit_timestamp")(i)?;
    let (i, original) = if immediate & HAS_ORIGINAL_TIMESTAMP == 0 {
        (i, immediate)
    } else {
        wire::le_u56("original_commit_timestamp")(i)?
    };
    event.immediate_commit_timestamp = immediate & !HAS_ORIGINAL_TIMESTAMP;
    event.original_commit_timestamp = original;
    if i.is_empty() {
        return Ok((i, ()));
    }
    let (i, length) = wire::lenenc("transaction_length")(i)?;
    event.transaction_length = length;
    if i.is_empty() {
        return Ok((i, ()));
    }
    let (i, immediate) = wire::le_u32("immediate_server_version")(i)?;
    let (i, original) = if immediate & HAS_ORIGINAL_VERSION == 0 {
        (i, immediate)
    } else {
        wire::le_u32("original_server_version")(i)?
    };
    event.immediate_server_version = known_version(immediate & !HAS_ORIGINAL_VERSION);
    event.original_server_version = known_version(original);
    if i.is_empty() {
        return Ok((i, ()));
    }
    let (i, ticket) = wire::le_u64("commit_group_ticket")(i)?;
    event.commit_group_ticket = ticket;
    Ok((i, ()))
}

/// A version number, 0 where the server wrote that it does not know.
pub(super) fn known_version(version: u32) -> u32 {
    if version == UNDEFINED_VERSION { 0 } else { version }
}
