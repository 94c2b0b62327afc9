//! ROWS_QUERY_EVENT: the statement behind the row events. One byte of length that is too small to mean anything and
//! is not read; the statement is all that is left.

use crate::wire;

pub(super) fn parse(i: &[u8]) -> Result<&[u8], nom::Err<wire::ParseError>> {
    let (i, _length) = wire::u8("length")(i)?;
    let (_, statement) = wire::rest(i)?;
    Ok(statement)
}
