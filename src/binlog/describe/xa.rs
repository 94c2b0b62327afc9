//! XA_PREPARE_EVENT in words.

use super::{hex, put};
use crate::wire::{self, ParseError};

/// `XA PREPARE X'...',X'...',1`, or the commit in one phase.
pub(super) fn prepare(i: &[u8], out: &mut Vec<u8>) -> Result<(), nom::Err<ParseError>> {
    let (i, one_phase) = wire::u8("one_phase")(i)?;
    let (i, format) = wire::le_u32("format_id")(i)?;
    let (i, global) = wire::le_u32("gtrid_length")(i)?;
    let (i, branch) = wire::le_u32("bqual_length")(i)?;
    let (i, global) = wire::bytes(usize::try_from(global).unwrap_or(usize::MAX), "gtrid")(i)?;
    let (_, branch) = wire::bytes(usize::try_from(branch).unwrap_or(usize::MAX), "bqual")(i)?;
    out.extend_from_slice(if one_phase == 0 { b"XA PREPARE " } else { b"XA COMMIT " });
    identifier(format, global, branch, out);
    if one_phase != 0 {
        out.extend_from_slice(b" ONE PHASE");
    }
    Ok(())
}

/// `X'gtrid',X'bqual',format`.
pub(super) fn identifier(format: u32, global: &[u8], branch: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"X'");
    hex(global, false, out);
    out.extend_from_slice(b"',X'");
    hex(branch, false, out);
    put(out, format_args!("',{format}"));
}
