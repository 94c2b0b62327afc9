//! QUERY_EVENT: a statement and the session it ran in.
//!
//! ```text
//! | 4 thread_id | 4 exec_time | 1 schema_length | 2 error_code | 2 status_vars_length |
//! | status variables: code, value ... | schema | 0 | statement ... |
//! ```
//! The statement is all that is left. Status variables carry no length, so one of unknown code hides those after it;
//! since it may change what the statement means, it is an error. Manual: "Query_event".

use super::{EventType, FormatDescription, QueryEvent, SessionContext, post_header_rest};
use crate::wire::{self, Parsed, Problem};

/// Bytes of the post-header in every version 4 log.
const POST_HEADER: u8 = 13;

/// Q_UPDATED_DB_NAMES: more databases than the list can hold, and so none is listed.
const TOO_MANY_DATABASES: u8 = 254;

/// Flags after which the number of the transaction that began the ALTER follows.
const ENDS_ALTER: u8 = SessionContext::COMMIT_ALTER | SessionContext::ROLLBACK_ALTER;

#[inline]
pub(super) fn parse<'a>(i: &'a [u8], fde: &FormatDescription) -> Result<QueryEvent<'a>, nom::Err<wire::ParseError>> {
    let (i, thread_id) = wire::le_u32("thread_id")(i)?;
    let (i, exec_time) = wire::le_u32("exec_time")(i)?;
    let (i, schema_length) = wire::u8("schema_length")(i)?;
    let (i, error_code) = wire::le_u16("error_code")(i)?;
    let (i, status_vars_length) = wire::le_u16("status_vars_length")(i)?;
    let (i, ()) = post_header_rest(i, fde, EventType::QUERY, POST_HEADER)?;
    let (after, status_vars) = wire::bytes(usize::from(status_vars_length), "status_vars")(i)?;
    let session = session(status_vars).map_err(|error| shift(error, after.len()))?;
    let (i, database) = wire::bytes(usize::from(schema_length), "schema")(after)?;
    let (i, _nul) = wire::u8("schema terminator")(i)?;
    let (_, statement) = wire::rest(i)?;
    Ok(QueryEvent { thread_id, exec_time, error_code, database, session, statement })
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
        i = status_variable(i, &mut session)?.0;
    }
    Ok(session)
}

/// Reads one status variable into `s`.
#[inline]
fn status_variable<'a>(input: &'a [u8], s: &mut SessionContext<'a>) -> Parsed<'a, ()> {
    let (i, code) = wire::u8("status variable code")(input)?;
    let (i, ()) = match code {
        0 => set(wire::le_u32("Q_FLAGS2")(i)?, &mut s.flags2),
        1 => set(wire::le_u64("Q_SQL_MODE")(i)?, &mut s.sql_mode),
        2 => {
            let (i, catalog) = wire::u8_bytes("Q_CATALOG")(i)?;
            set((wire::u8("Q_CATALOG")(i)?.0, catalog), &mut s.catalog)
        }
        3 => {
            let (i, increment) = wire::le_u16("Q_AUTO_INCREMENT")(i)?;
            let (i, offset) = wire::le_u16("Q_AUTO_INCREMENT")(i)?;
            set((i, (increment, offset)), &mut s.auto_increment)
        }
        4 => {
            let (i, client) = wire::le_u16("Q_CHARSET")(i)?;
            let (i, connection) = wire::le_u16("Q_CHARSET")(i)?;
            let (i, server) = wire::le_u16("Q_CHARSET")(i)?;
            set((i, (client, connection, server)), &mut s.charset)
        }
        5 => set(wire::u8_bytes("Q_TIME_ZONE")(i)?, &mut s.time_zone),
        6 => set(wire::u8_bytes("Q_CATALOG_NZ")(i)?, &mut s.catalog),
        7 => set(wire::le_u16("Q_LC_TIME_NAMES")(i)?, &mut s.lc_time_names),
        8 => set(wire::le_u16("Q_CHARSET_DATABASE")(i)?, &mut s.charset_database),
        13 | 128 => set(wire::le_u24("Q_MICROSECONDS")(i)?, &mut s.microseconds),
        17 | 129 => set(wire::le_u64("Q_DDL_LOGGED_WITH_XID")(i)?, &mut s.ddl_xid),
        18 => set(wire::le_u16("Q_DEFAULT_COLLATION_FOR_UTF8MB4")(i)?, &mut s.default_collation_for_utf8mb4),
        _ => rare(input, i, code, s)?,
    };
    Ok((i, ()))
}

/// The variables that few statements carry.
fn rare<'a>(input: &'a [u8], i: &'a [u8], code: u8, s: &mut SessionContext<'a>) -> Parsed<'a, ()> {
    Ok(match code {
        // Which tables of a multi-table update change: the applier works that out itself.
        9 => (wire::le_u64("Q_TABLE_MAP_FOR_UPDATE")(i)?.0, ()),
        // Size of the event at the first server; written into old relay logs.
        10 => (wire::le_u32("Q_MASTER_DATA_WRITTEN")(i)?.0, ()),
        11 => {
            let (i, user) = wire::u8_bytes("Q_INVOKER")(i)?;
            let (i, host) = wire::u8_bytes("Q_INVOKER")(i)?;
            set((i, (user, host)), &mut s.invoker)
        }
        12 => updated_db_names(i)?,
        16 => flag(wire::u8("Q_EXPLICIT_DEFAULTS_FOR_TIMESTAMP")(i)?, &mut s.explicit_defaults_for_timestamp),
        19 => flag(wire::u8("Q_SQL_REQUIRE_PRIMARY_KEY")(i)?, &mut s.sql_require_primary_key),
        20 => flag(wire::u8("Q_DEFAULT_TABLE_ENCRYPTION")(i)?, &mut s.default_table_encryption),
        // Sent by MySQL 9.7 with INSERT, UPDATE and DELETE.
        21 => flag(wire::u8("Q_ENABLE_CASCADE_TRIGGERS")(i)?, &mut s.enable_cascade_triggers),
        130 => {
            let (i, flags) = wire::u8("Q_GTID_FLAGS3")(i)?;
            s.gtid_flags3 = Some(flags);
            if flags & ENDS_ALTER == 0 { (i, ()) } else { (wire::le_u64("Q_GTID_FLAGS3")(i)?.0, ()) }
        }
        131 => {
            let (i, count) = wire::u8("Q_CHARACTER_SET_COLLATIONS")(i)?;
            let pairs = wire::bytes(usize::from(count) * 4, "Q_CHARACTER_SET_COLLATIONS")(i)?;
            set(pairs, &mut s.character_set_collations)
        }
        // Q_DUMMY: what MariaDB fills a gap with, one byte at a time.
        255 => (i, ()),
        _ => return Err(wire::fail(input, "status variable", Problem::Unknown(u64::from(code)))),
    })
}

/// Names of the databases a statement touches: for parallel appliers of MySQL 5.6, which this is not.
fn updated_db_names(i: &[u8]) -> Parsed<'_, ()> {
    let (mut i, count) = wire::u8("Q_UPDATED_DB_NAMES")(i)?;
    if count != TOO_MANY_DATABASES {
        for _ in 0..count {
            i = wire::c_string("Q_UPDATED_DB_NAMES")(i)?.0;
        }
    }
    Ok((i, ()))
}

#[inline]
fn set<'a, T>((i, value): (&'a [u8], T), field: &mut Option<T>) -> (&'a [u8], ()) {
    *field = Some(value);
    (i, ())
}

#[inline]
fn flag<'a>((i, value): (&'a [u8], u8), field: &mut Option<bool>) -> (&'a [u8], ()) {
    set((i, value != 0), field)
}
