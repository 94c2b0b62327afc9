//! LOAD DATA in words: its blocks, and the statement that reads them.

use super::super::event::FormatDescription;
use super::{put, use_database};
use crate::wire::{self, ParseError};

/// BEGIN_LOAD_QUERY_EVENT and APPEND_BLOCK_EVENT.
pub(super) fn block(i: &[u8], out: &mut Vec<u8>) -> Result<(), nom::Err<ParseError>> {
    let (data, file_id) = wire::le_u32("file_id")(i)?;
    put(out, format_args!(";file_id={file_id};block_len={}", data.len()));
    Ok(())
}

/// DELETE_FILE_EVENT and EXEC_LOAD_EVENT.
pub(super) fn file(i: &[u8], out: &mut Vec<u8>) -> Result<(), nom::Err<ParseError>> {
    let (_, file_id) = wire::le_u32("file_id")(i)?;
    put(out, format_args!(";file_id={file_id}"));
    Ok(())
}

/// EXECUTE_LOAD_QUERY_EVENT: a query with four more fields in its post-header.
pub(super) fn execute(
    i: &[u8],
    suppress_use: bool,
    _fde: &FormatDescription,
    out: &mut Vec<u8>,
) -> Result<(), nom::Err<ParseError>> {
    let (i, _thread_id_exec_time) = wire::array::<8>("thread_id")(i)?;
    let (i, schema_length) = wire::u8("schema_length")(i)?;
    let (i, _error_code) = wire::le_u16("error_code")(i)?;
    let (i, status_vars_length) = wire::le_u16("status_vars_length")(i)?;
    let (i, file_id) = wire::le_u32("file_id")(i)?;
    let (i, _positions_and_duplicates) = wire::array::<9>("fn_pos_start")(i)?;
    let (i, _status_vars) = wire::bytes(usize::from(status_vars_length), "status_vars")(i)?;
    let (i, schema) = wire::bytes(usize::from(schema_length), "schema")(i)?;
    let (statement, _nul) = wire::u8("schema terminator")(i)?;
    use_database(schema, suppress_use, out);
    out.extend_from_slice(statement);
    put(out, format_args!(" ;file_id={file_id}"));
    Ok(())
}
