//! XA_PREPARE_LOG_EVENT: the rows before it are prepared under a name and wait for their outcome.
//!
//! ```text
//! | 1 one_phase | 4 format_id | 4 gtrid_length | 4 bqual_length | gtrid | bqual |
//! ```
//! Nothing may follow. Whether prepared rows stand is decided by a later XA COMMIT or XA ROLLBACK, except after
//! XA COMMIT ... ONE PHASE, which is logged as this event too and stands at once. Worklog: WL#6860.

use super::OwnedXid;
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

impl Xid<'_> {
    /// The name, kept.
    #[must_use]
    pub fn to_owned(&self) -> OwnedXid {
        OwnedXid { format_id: self.format_id, gtrid: self.gtrid.to_vec(), bqual: self.bqual.to_vec() }
    }
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

/// The name in `XA COMMIT X'..',X'..',1` or `XA ROLLBACK ...`, as servers log them; `None` if it is not in that form.
#[must_use]
pub fn decided_name(statement: &[u8]) -> Option<OwnedXid> {
    let at = statement.iter().position(|byte| *byte == b'\'')?.checked_sub(1)?;
    let mut rest = statement.get(at..)?;
    let gtrid = hexadecimal(&mut rest)?;
    rest = rest.strip_prefix(b",")?;
    let bqual = hexadecimal(&mut rest)?;
    rest = rest.strip_prefix(b",")?;
    let format_id = std::str::from_utf8(rest.trim_ascii()).ok()?;
    // Servers write it unsigned or signed; it is the same four bytes.
    let format_id = format_id.parse().ok().or_else(|| format_id.parse().ok().map(u32::cast_signed))?;
    Some(OwnedXid { format_id, gtrid, bqual })
}

/// Takes `X'...'`.
fn hexadecimal(text: &mut &[u8]) -> Option<Vec<u8>> {
    let inner = text.strip_prefix(b"X'").or_else(|| text.strip_prefix(b"x'"))?;
    let end = inner.iter().position(|byte| *byte == b'\'')?;
    let (digits, rest) = inner.split_at_checked(end)?;
    *text = rest.strip_prefix(b"'")?;
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, left) = digits.as_chunks::<2>();
    if !left.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(value(*high)? << 4 | value(*low)?)).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_decided_transaction_is_read_as_servers_write_it() {
        let name = |format_id, gtrid: &[u8], bqual: &[u8]| {
            Some(OwnedXid { format_id, gtrid: gtrid.to_vec(), bqual: bqual.to_vec() })
        };
        assert_eq!(decided_name(b"XA COMMIT X'6f6e65',X'62',7"), name(7, b"one", b"b"));
        assert_eq!(decided_name(b"XA ROLLBACK X'00fF27',X'',1"), name(1, b"\x00\xff\x27", b""));
        assert_eq!(decided_name(b"XA COMMIT X'61',X'',4294967294"), name(-2, b"a", b""));
        for other in ["XA COMMIT", "XA COMMIT 'a'", "XA COMMIT X'6',X'',1", "XA COMMIT X'61'", "XA COMMIT X'6x',X'',1"]
        {
            assert_eq!(decided_name(other.as_bytes()), None, "{other}");
        }
    }
}
