//! WRITE_ROWS, UPDATE_ROWS, PARTIAL_UPDATE_ROWS, DELETE_ROWS: the rows of one table that one statement changed.
//!
//! ```text
//! | 6 table_id (4 in early 5.1) | 2 flags | version 2: 2 length of extra data, itself included; extra data |
//! | width | columns bitmap | Update: columns bitmap of the after image | rows ... |
//! ```
//! The rows are all that is left. In version 0 (MySQL 5.1 before 5.1.16) an Update has one bitmap, too, and rows are
//! packed otherwise: NULL bits as the storage engine's record has them, that is one for each column that can be NULL
//! and, where records have a fixed length, one more in front. The table maps of those servers say neither which columns
//! can be NULL nor how long their values are, so such rows are cut out and not decoded; servers look both up in the
//! replica's own table. Manual: "Rows_event".

use super::{EventType, FormatDescription, RowsEvent, RowsKind, post_header_rest, table_id};
use crate::wire::{self, Parsed, Problem};

#[inline]
pub(super) fn parse<'a>(
    i: &'a [u8],
    event_type: EventType,
    kind: RowsKind,
    fde: &FormatDescription,
) -> Result<RowsEvent<'a>, nom::Err<wire::ParseError>> {
    let (i, table_id) = table_id(i, fde, event_type)?;
    let (i, flags) = wire::le_u16("flags")(i)?;
    let version_0 = event_type.0 <= EventType::DELETE_ROWS_V0.0;
    let version_1 = event_type.0 <= EventType::DELETE_ROWS_V1.0;
    let (i, extra) = if version_1 {
        let (i, ()) = post_header_rest(i, fde, event_type, 8)?;
        (i, &[][..])
    } else {
        let (i, extra) = extra_data(i)?;
        let (i, ()) = post_header_rest(i, fde, event_type, 10)?;
        (i, extra)
    };
    let (i, width) = wire::lenenc_len("width")(i)?;
    let (i, columns) = wire::bitmap(width, "columns_present")(i)?;
    let (i, columns_after) = match kind {
        RowsKind::Update if !version_0 => wire::bitmap(width, "columns_present_after")(i)?,
        RowsKind::Update | RowsKind::Write | RowsKind::Delete => (i, columns),
    };
    let (_, rows) = wire::rest(i)?;
    let partial = event_type == EventType::PARTIAL_UPDATE_ROWS;
    Ok(RowsEvent { kind, table_id, flags, extra, width, columns, columns_after, partial, rows })
}

/// The flags alone, of a row event of any version.
pub(super) fn flags(
    i: &[u8],
    event_type: EventType,
    fde: &FormatDescription,
) -> Result<u16, nom::Err<wire::ParseError>> {
    let (i, _table_id) = table_id(i, fde, event_type)?;
    Ok(wire::le_u16("flags")(i)?.1)
}

#[inline]
fn extra_data(input: &[u8]) -> Parsed<'_, &[u8]> {
    let (i, length) = wire::le_u16("extra_data_length")(input)?;
    match length.checked_sub(2) {
        Some(length) => wire::bytes(usize::from(length), "extra_data")(i),
        None => Err(wire::fail(input, "extra_data_length", Problem::Invalid)),
    }
}
