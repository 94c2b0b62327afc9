//! LOAD DATA as a statement, since MySQL 5.0.3: the file in blocks, then the statement that reads it.
//!
//! ```text
//! BEGIN_LOAD_QUERY, APPEND_BLOCK | 4 file_id | block ... |
//! DELETE_FILE, EXEC_LOAD         | 4 file_id |
//! EXECUTE_LOAD_QUERY             | QUERY's post-header | 4 file_id | 4 fn_pos_start | 4 fn_pos_end | 1 dup_handling |
//!                                | the rest as in QUERY |
//! ```
//! A block is all that is left; nothing may follow a lone `file_id`. A statement's file name, with what stands around it,
//! is its bytes from `fn_pos_start` to `fn_pos_end`: a replica puts the name of its own copy there. Manual:
//! "Begin_load_query_event", "Execute_load_query_event".

use super::query;
use super::{EventType, FormatDescription, QueryEvent, post_header_rest};
use crate::wire::{self, Problem};

/// BEGIN_LOAD_QUERY_EVENT and APPEND_BLOCK_EVENT: a piece of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileBlockEvent<'a> {
    /// Number of the file, counted by the source.
    pub file_id: u32,
    /// The file's next bytes.
    pub block: &'a [u8],
}

/// EXECUTE_LOAD_QUERY_EVENT: the LOAD DATA statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecuteLoadQueryEvent<'a> {
    /// Number of the file whose blocks came before.
    pub file_id: u32,
    /// Where `LOCAL INFILE 'name'` begins in the statement, behind `LOAD DATA `.
    pub fn_pos_start: u32,
    /// Where the words about duplicates end and `INTO` begins.
    pub fn_pos_end: u32,
    /// What a row does whose key is there already.
    pub duplicates: LoadDuplicates,
    /// The statement and its session.
    pub query: QueryEvent<'a>,
}

/// `dup_handling` of LOAD DATA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadDuplicates {
    /// Neither word: an error.
    Error,
    /// `IGNORE`.
    Ignore,
    /// `REPLACE`.
    Replace,
}

/// Bytes of the post-header before the file's number.
const QUERY_POST_HEADER: usize = 13;

pub(super) fn block<'a>(
    i: &'a [u8],
    event_type: EventType,
    fde: &FormatDescription,
) -> Result<FileBlockEvent<'a>, nom::Err<wire::ParseError>> {
    let (i, file_id) = wire::le_u32("file_id")(i)?;
    let (i, ()) = post_header_rest(i, fde, event_type, 4)?;
    let (_, block) = wire::rest(i)?;
    Ok(FileBlockEvent { file_id, block })
}

pub(super) fn file_id(
    i: &[u8],
    event_type: EventType,
    fde: &FormatDescription,
) -> Result<u32, nom::Err<wire::ParseError>> {
    let (i, file_id) = wire::le_u32("file_id")(i)?;
    let (i, ()) = post_header_rest(i, fde, event_type, 4)?;
    wire::end("file_id")(i)?;
    Ok(file_id)
}

pub(super) fn execute<'a>(
    input: &'a [u8],
    fde: &FormatDescription,
) -> Result<ExecuteLoadQueryEvent<'a>, nom::Err<wire::ParseError>> {
    let (i, head) = query::post_header(input)?;
    debug_assert_eq!(input.len().saturating_sub(i.len()), QUERY_POST_HEADER);
    let (i, file_id) = wire::le_u32("file_id")(i)?;
    let (at_start, (i, fn_pos_start)) = (i, wire::le_u32("fn_pos_start")(i)?);
    let (i, fn_pos_end) = wire::le_u32("fn_pos_end")(i)?;
    let (at_dup, (i, dup_handling)) = (i, wire::u8("dup_handling")(i)?);
    let (i, ()) = post_header_rest(i, fde, EventType::EXECUTE_LOAD_QUERY, 26)?;
    let query = query::body(i, head)?;
    let duplicates = match dup_handling {
        0 => LoadDuplicates::Error,
        1 => LoadDuplicates::Ignore,
        2 => LoadDuplicates::Replace,
        other => return Err(wire::fail(at_dup, "dup_handling", Problem::Unknown(u64::from(other)))),
    };
    let in_statement = usize::try_from(fn_pos_end).is_ok_and(|end| end <= query.statement.len());
    if fn_pos_start > fn_pos_end || !in_statement {
        return Err(wire::fail(at_start, "fn_pos_start", Problem::Invalid));
    }
    Ok(ExecuteLoadQueryEvent { file_id, fn_pos_start, fn_pos_end, duplicates, query })
}
