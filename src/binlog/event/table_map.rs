//! TABLE_MAP_EVENT: a table's number and shape for the row events after it.
//!
//! ```text
//! | 6 table_id (4 in early 5.1) | 2 flags |
//! | length, database, 0 | length, table, 0 | column_count | types | meta length, meta | null bitmap | optional ... |
//! ```
//! All that is left is optional metadata, kept undecoded. Table maps of servers before 5.1.16 end with the types; their
//! rows cannot be read (see `rows`). Manual: "Table_map_event".

use super::{EventType, FormatDescription, TableMapEvent, post_header_rest, table_id};
use crate::wire;

#[inline]
pub(super) fn parse<'a>(i: &'a [u8], fde: &FormatDescription) -> Result<TableMapEvent<'a>, nom::Err<wire::ParseError>> {
    let (i, table_id) = table_id(i, fde, EventType::TABLE_MAP)?;
    let (i, flags) = wire::le_u16("flags")(i)?;
    let (i, ()) = post_header_rest(i, fde, EventType::TABLE_MAP, 8)?;
    let (i, database) = wire::lenenc_bytes("database_name")(i)?;
    let (i, _nul) = wire::u8("database_name terminator")(i)?;
    let (i, table) = wire::lenenc_bytes("table_name")(i)?;
    let (i, _nul) = wire::u8("table_name terminator")(i)?;
    let (i, column_count) = wire::lenenc_len("column_count")(i)?;
    let (i, column_types) = wire::bytes(column_count, "column_type")(i)?;
    if i.is_empty() && fde.post_header_length(EventType::WRITE_ROWS_V1).is_none() {
        let nothing = &[][..];
        return Ok(TableMapEvent {
            table_id,
            flags,
            database,
            table,
            column_types,
            column_meta: nothing,
            null_bitmap: nothing,
            optional: nothing,
            mariadb: fde.is_mariadb(),
        });
    }
    let (i, column_meta) = wire::lenenc_bytes("metadata")(i)?;
    let (i, null_bitmap) = wire::bitmap(column_count, "null_bits")(i)?;
    let (_, optional) = wire::rest(i)?;
    let mariadb = fde.is_mariadb();
    Ok(TableMapEvent { table_id, flags, database, table, column_types, column_meta, null_bitmap, optional, mariadb })
}

impl TableMapEvent<'_> {
    /// Whether it says how long values are and which columns can be NULL. Those before 5.1.16 do not.
    #[must_use]
    pub fn describes_columns(&self) -> bool {
        self.null_bitmap.len() == self.column_types.len().div_ceil(8)
    }
}
