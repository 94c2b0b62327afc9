//! QUERY_EVENT: a statement and the session it ran in.
//!
//! ```text
//! | 4 thread_id | 4 exec_time | 1 schema_length | 2 error_code | 2 status_vars_length |
//! | status variables: code, value ... | schema | 0 | statement ... |
//! ```
//! The statement is all that is left. A status variable of unknown code is an error: see `status_variables`. Manual:
//! "Query_event".

use super::status_variables::{self, StatusVariable, StatusVariables};
use super::{EventType, FormatDescription, QueryEvent, SessionContext, post_header_rest};
use crate::wire::{self, Parsed};

/// Bytes of the post-header in every version 4 log.
const POST_HEADER: u8 = 13;

/// What QUERY's post-header says; EXECUTE_LOAD_QUERY begins with the same.
pub(super) struct PostHeader {
    thread_id: u32,
    exec_time: u32,
    schema_length: u8,
    error_code: u16,
    status_vars_length: u16,
}

#[inline]
pub(super) fn parse<'a>(i: &'a [u8], fde: &FormatDescription) -> Result<QueryEvent<'a>, nom::Err<wire::ParseError>> {
    let (i, head) = post_header(i)?;
    let (i, ()) = post_header_rest(i, fde, EventType::QUERY, POST_HEADER)?;
    body(i, head)
}

#[inline]
pub(super) fn post_header(i: &[u8]) -> Parsed<'_, PostHeader> {
    let (i, thread_id) = wire::le_u32("thread_id")(i)?;
    let (i, exec_time) = wire::le_u32("exec_time")(i)?;
    let (i, schema_length) = wire::u8("schema_length")(i)?;
    let (i, error_code) = wire::le_u16("error_code")(i)?;
    let (i, status_vars_length) = wire::le_u16("status_vars_length")(i)?;
    Ok((i, PostHeader { thread_id, exec_time, schema_length, error_code, status_vars_length }))
}

/// What follows the post-header.
#[inline]
pub(super) fn body(i: &[u8], head: PostHeader) -> Result<QueryEvent<'_>, nom::Err<wire::ParseError>> {
    let PostHeader { thread_id, exec_time, schema_length, error_code, status_vars_length } = head;
    let (after, status_vars) = wire::bytes(usize::from(status_vars_length), "status_vars")(i)?;
    let session = session(status_vars).map_err(|error| shift(error, after.len()))?;
    let (i, database) = wire::bytes(usize::from(schema_length), "schema")(after)?;
    let (i, _nul) = wire::u8("schema terminator")(i)?;
    let (_, statement) = wire::rest(i)?;
    Ok(QueryEvent { thread_id, exec_time, error_code, database, status_vars, session, statement })
}

impl<'a> QueryEvent<'a> {
    /// The status variables one by one, in the order they were written.
    #[must_use]
    pub fn status_variables(&self) -> StatusVariables<'a> {
        StatusVariables::new(self.status_vars)
    }
}

/// The statement alone.
#[inline]
pub(super) fn statement<'a>(i: &'a [u8], fde: &FormatDescription) -> Result<&'a [u8], nom::Err<wire::ParseError>> {
    let (i, _thread_id_exec_time) = wire::array::<8>("thread_id")(i)?;
    let (i, schema_length) = wire::u8("schema_length")(i)?;
    let (i, _error_code) = wire::le_u16("error_code")(i)?;
    let (i, status_vars_length) = wire::le_u16("status_vars_length")(i)?;
    let (i, ()) = post_header_rest(i, fde, EventType::QUERY, POST_HEADER)?;
    let (i, _status_vars) = wire::bytes(usize::from(status_vars_length), "status_vars")(i)?;
    let (i, _schema_and_nul) = wire::bytes(usize::from(schema_length) + 1, "schema")(i)?;
    Ok(wire::rest(i)?.1)
}

/// An error inside the status variables, told in terms of the whole body.
#[cold]
fn shift(error: nom::Err<wire::ParseError>, after: usize) -> nom::Err<wire::ParseError> {
    error.map(|e| wire::ParseError { remaining: e.remaining.saturating_add(after), ..e })
}

#[inline]
fn session(mut i: &[u8]) -> Result<SessionContext<'_>, nom::Err<wire::ParseError>> {
    let mut session = SessionContext::default();
    while !i.is_empty() {
        let (rest, variable) = status_variables::one(i)?;
        keep(variable, &mut session);
        i = rest;
    }
    Ok(session)
}

/// Puts a status variable where it is asked for. Those that are left out say nothing about the session.
#[inline]
fn keep<'a>(variable: StatusVariable<'a>, s: &mut SessionContext<'a>) {
    use StatusVariable as V;
    match variable {
        V::Flags2(flags) => s.flags2 = Some(flags),
        V::SqlMode(mode) => s.sql_mode = Some(mode),
        V::OldCatalog(catalog) | V::Catalog(catalog) => s.catalog = Some(catalog),
        V::AutoIncrement(increment, offset) => s.auto_increment = Some((increment, offset)),
        V::Charset(client, connection, server) => s.charset = Some((client, connection, server)),
        V::TimeZone(name) => s.time_zone = Some(name),
        V::LcTimeNames(number) => s.lc_time_names = Some(number),
        V::CharsetDatabase(collation) => s.charset_database = Some(collation),
        V::Microseconds(fraction) | V::HrNow(fraction) => s.microseconds = Some(fraction),
        V::Invoker(user, host) => s.invoker = Some((user, host)),
        V::ExplicitDefaultsForTimestamp(on) => s.explicit_defaults_for_timestamp = Some(on),
        V::DdlLoggedWithXid(number) | V::Xid(number) => s.ddl_xid = Some(number),
        V::DefaultCollationForUtf8mb4(collation) => s.default_collation_for_utf8mb4 = Some(collation),
        V::SqlRequirePrimaryKey(on) => s.sql_require_primary_key = Some(on),
        V::DefaultTableEncryption(on) => s.default_table_encryption = Some(on),
        V::EnableCascadeTriggers(on) => s.enable_cascade_triggers = Some(on),
        V::GtidFlags3(flags, _) => s.gtid_flags3 = Some(flags),
        V::CharacterSetCollations(pairs) => s.character_set_collations = Some(pairs),
        V::TableMapForUpdate(_) | V::MasterDataWritten(_) | V::UpdatedDbNames(_) | V::CommitTs(_) | V::Dummy() => {}
    }
}
