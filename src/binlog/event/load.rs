//! LOAD_EVENT, NEW_LOAD_EVENT and CREATE_FILE_EVENT: LOAD DATA as servers before MySQL 5.0.3 logged it, by its parts.
//!
//! ```text
//! | 4 thread_id | 4 exec_time | 4 skip_lines | 1 table length | 1 schema length | 4 num_fields | CREATE_FILE: 4 file_id |
//! | LOAD: 5 separators of one byte each, 1 opt_flags, 1 empty_flags | others: 5 separators with length, 1 opt_flags |
//! | field lengths | field names, each with 0 | table, 0 | schema, 0 | file name | CREATE_FILE: 0, block ... |
//! ```
//! The file name, or the block, is all that is left. No server that writes format descriptions of a release sends them;
//! they are read so that old logs can be looked at, and stop a channel. Manual: "Load_event", "Create_file_event".

use super::{EventType, FormatDescription, post_header_rest};
use crate::wire::{self, Parsed, Problem};

/// LOAD_EVENT, NEW_LOAD_EVENT and CREATE_FILE_EVENT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadEvent<'a> {
    /// Connection id at the source.
    pub thread_id: u32,
    /// Seconds the statement ran.
    pub exec_time: u32,
    /// `IGNORE n LINES`.
    pub skip_lines: u32,
    /// Default database.
    pub database: &'a [u8],
    /// Table that is filled.
    pub table: &'a [u8],
    /// Columns named in the statement, each ended by a zero byte.
    pub fields: &'a [u8],
    /// The file's name at the source.
    pub file_name: &'a [u8],
    /// How the file is laid out.
    pub separators: LoadSeparators<'a>,
    /// CREATE_FILE: the file's number and first block.
    pub file: Option<(u32, &'a [u8])>,
}

/// The words after FIELDS and LINES.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadSeparators<'a> {
    /// `FIELDS TERMINATED BY`.
    pub field_term: &'a [u8],
    /// `ENCLOSED BY`.
    pub enclosed: &'a [u8],
    /// `LINES TERMINATED BY`.
    pub line_term: &'a [u8],
    /// `LINES STARTING BY`.
    pub line_start: &'a [u8],
    /// `ESCAPED BY`.
    pub escaped: &'a [u8],
    /// DUMPFILE 1, OPTIONALLY ENCLOSED 2, REPLACE 4, IGNORE 8.
    pub opt_flags: u8,
}

pub(super) fn parse<'a>(
    i: &'a [u8],
    event_type: EventType,
    fde: &FormatDescription,
) -> Result<LoadEvent<'a>, nom::Err<wire::ParseError>> {
    let create = event_type == EventType::CREATE_FILE;
    let (i, thread_id) = wire::le_u32("thread_id")(i)?;
    let (i, exec_time) = wire::le_u32("exec_time")(i)?;
    let (i, skip_lines) = wire::le_u32("skip_lines")(i)?;
    let (i, table_length) = wire::u8("table_name_length")(i)?;
    let (i, schema_length) = wire::u8("schema_length")(i)?;
    let (at_fields, (i, num_fields)) = (i, wire::le_u32("num_fields")(i)?);
    let (i, ()) = post_header_rest(i, fde, EventType::LOAD, 18)?;
    let (i, file_id) = if create { wire::le_u32("file_id")(i).map(|(i, id)| (i, Some(id)))? } else { (i, None) };
    let (i, separators) = if event_type == EventType::LOAD { short_separators(i)? } else { separators(i)? };
    let num_fields = usize::try_from(num_fields).map_err(|_| wire::fail(at_fields, "num_fields", Problem::Invalid))?;
    let (i, lengths) = wire::bytes(num_fields, "field_name_lengths")(i)?;
    let fields_length = lengths.iter().fold(0_usize, |sum, length| sum + usize::from(*length) + 1);
    let (i, fields) = wire::bytes(fields_length, "field_names")(i)?;
    let (i, table) = terminated(i, table_length, "table_name")?;
    let (i, database) = terminated(i, schema_length, "schema_name")?;
    let (file_name, file) = match file_id {
        None => (wire::rest(i)?.1, None),
        Some(id) => {
            let (i, name) = wire::c_string("file_name")(i)?;
            (name, Some((id, wire::rest(i)?.1)))
        }
    };
    Ok(LoadEvent { thread_id, exec_time, skip_lines, database, table, fields, file_name, separators, file })
}

/// Separators of any length.
fn separators(i: &[u8]) -> Parsed<'_, LoadSeparators<'_>> {
    let (i, field_term) = wire::u8_bytes("field_term")(i)?;
    let (i, enclosed) = wire::u8_bytes("enclosed_by")(i)?;
    let (i, line_term) = wire::u8_bytes("line_term")(i)?;
    let (i, line_start) = wire::u8_bytes("line_start")(i)?;
    let (i, escaped) = wire::u8_bytes("escaped_by")(i)?;
    let (i, opt_flags) = wire::u8("opt_flags")(i)?;
    Ok((i, LoadSeparators { field_term, enclosed, line_term, line_start, escaped, opt_flags }))
}

/// Separators of one byte, and which of them are empty.
fn short_separators(i: &[u8]) -> Parsed<'_, LoadSeparators<'_>> {
    let (i, field_term) = wire::bytes(1, "field_term")(i)?;
    let (i, enclosed) = wire::bytes(1, "enclosed_by")(i)?;
    let (i, line_term) = wire::bytes(1, "line_term")(i)?;
    let (i, line_start) = wire::bytes(1, "line_start")(i)?;
    let (i, escaped) = wire::bytes(1, "escaped_by")(i)?;
    let (i, opt_flags) = wire::u8("opt_flags")(i)?;
    let (i, empty_flags) = wire::u8("empty_flags")(i)?;
    let used = |bit: u8, byte| if empty_flags >> bit & 1 == 1 { &[][..] } else { byte };
    let separators = LoadSeparators {
        field_term: used(0, field_term),
        enclosed: used(1, enclosed),
        line_term: used(2, line_term),
        line_start: used(3, line_start),
        escaped: used(4, escaped),
        opt_flags,
    };
    Ok((i, separators))
}

/// A text of known length and the zero byte after it.
fn terminated<'a>(i: &'a [u8], length: u8, what: &'static str) -> Parsed<'a, &'a [u8]> {
    let (i, text) = wire::bytes(usize::from(length), what)(i)?;
    let (i, _nul) = wire::u8(what)(i)?;
    Ok((i, text))
}
