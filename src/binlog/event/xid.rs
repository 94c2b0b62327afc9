//! XID_EVENT: a transactional commit, with the number the storage engines know it by. Eight bytes, nothing after.
//!
//! The number is in the byte order of the server that wrote it; every server we know is little endian.

use crate::wire;

#[inline]
pub(super) fn parse(i: &[u8]) -> Result<u64, nom::Err<wire::ParseError>> {
    let (i, xid) = wire::le_u64("xid")(i)?;
    wire::end("xid")(i)?;
    Ok(xid)
}
