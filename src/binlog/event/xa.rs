//! XA_PREPARE_LOG_EVENT: the rows before it are prepared under a name and wait for their outcome.
//!
//! ```text
//! | 1 one_phase | 4 format_id | 4 gtrid_length | 4 bqual_length | gtrid | bqual |
//! ```
//! Nothing may follow. Whether prepared rows stand is decided by a later XA COMMIT or XA ROLLBACK, except after
//! XA COMMIT ... ONE PHASE, which is logged as this event too and stands at once. Worklog: WL#6860.

use crate::wire;

/// The name of an XA transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Xid<'a> {
    /// `formatID`, 1 unless the application said otherwise; -1 is no name at all.
    pub format_id: i32,
    /// Global transaction identifier, at most 64 bytes.
    pub gtrid: &'a [u8],
    /// Branch qualifier, at most 64 bytes.
    pub bqual: &'a [u8],
}

/// XA_PREPARE_LOG_EVENT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct XaPrepareEvent<'a> {
    /// XA COMMIT ... ONE PHASE: the transaction is committed with this event.
    pub one_phase: bool,
    /// Its name.
    pub xid: Xid<'a>,
}

/// Longest gtrid and longest bqual.
const MAX_PART: u32 = 64;

pub(super) fn parse(i: &[u8]) -> Result<XaPrepareEvent<'_>, nom::Err<wire::ParseError>> {
    let (i, one_phase) = wire::u8("one_phase")(i)?;
    let (i, format_id) = wire::le_u32("format_id")(i)?;
    let (i, gtrid_length) = part_length(i, "gtrid_length")?;
    let (i, bqual_length) = part_length(i, "bqual_length")?;
    let (i, gtrid) = wire::bytes(gtrid_length, "gtrid")(i)?;
    let (i, bqual) = wire::bytes(bqual_length, "bqual")(i)?;
    wire::end("bqual")(i)?;
    let xid = Xid { format_id: format_id.cast_signed(), gtrid, bqual };
    Ok(XaPrepareEvent { one_phase: one_phase != 0, xid })
}

fn part_length<'a>(input: &'a [u8], what: &'static str) -> wire::Parsed<'a, usize> {
    let (i, length) = wire::le_u32(what)(input)?;
    match usize::try_from(length) {
        Ok(usable) if length <= MAX_PART => Ok((i, usable)),
        _ => Err(wire::fail(input, what, wire::Problem::Invalid)),
    }
}
