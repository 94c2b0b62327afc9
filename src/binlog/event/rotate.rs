//! ROTATE_EVENT: the log goes on in another file. Eight bytes of offset; the name is all that is left.

use super::{EventType, FormatDescription, RotateEvent, post_header_rest};
use crate::wire;

#[inline]
pub(super) fn parse<'a>(i: &'a [u8], fde: &FormatDescription) -> Result<RotateEvent<'a>, nom::Err<wire::ParseError>> {
    let (i, pos) = wire::le_u64("position")(i)?;
    let (i, ()) = post_header_rest(i, fde, EventType::ROTATE, 8)?;
    let (_, file) = wire::rest(i)?;
    if file.is_empty() {
        return Err(wire::fail(i, "new_log_ident", wire::Problem::Truncated));
    }
    Ok(RotateEvent { file, pos })
}
