//! What an event is about, in the words of `SHOW BINLOG EVENTS`: the text of its Info column.
//!
//! Each type's words are those of the server that wrote the file (MySQL 9.7's and MariaDB's), so that a listing can be
//! held against the server's own. It needs nothing but the event and the description of its file: no tables, no
//! transaction. What it does not do: decode rows, check checksums, unpack payloads. Text is bytes as they were logged.
//! Manual: "SHOW BINLOG EVENTS Statement".

mod collation;
mod load;
mod maria;
mod session;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests;
mod xa;

use std::io::Write;

use super::error::EventError;
use super::event::{self, Event, FormatDescription, RowsEvent};
use super::header::{EventType, RawEvent};
use crate::gtid::GtidSet;
use crate::wire::{self, ParseError};

/// Header flag: the statement was logged without the need of its default database.
const SUPPRESS_USE: u16 = 0x8;

/// Flags of a row event, as MySQL calls them.
const ROWS_FLAGS: [(u16, &str); 5] = [
    (RowsEvent::STMT_END, "STMT_END_F"),
    (RowsEvent::NO_FOREIGN_KEY_CHECKS, "NO_FOREIGN_KEY_CHECKS_F"),
    (RowsEvent::RELAXED_UNIQUE_CHECKS, "RELAXED_UNIQUE_CHECKS_F"),
    (0x8, "COMPLETE_ROWS_F"),
    (0x10, "USE_SQL_FOREIGN_KEY_F"),
];

/// Appends what the event is about; nothing for types without words of their own.
///
/// # Errors
/// When the event is malformed.
pub fn info(raw: &RawEvent<'_>, fde: &FormatDescription, out: &mut Vec<u8>) -> Result<(), EventError> {
    let kind = raw.header.event_type;
    if kind == EventType::FORMAT_DESCRIPTION {
        let own = FormatDescription::parse(raw)?;
        put(out, format_args!("Server ver: {}, Binlog ver: {}", own.server_version, own.binlog_version));
        return Ok(());
    }
    let body = raw.body(fde.checksum)?;
    let wrong = |error| event::in_body(kind, body, error);
    match kind {
        EventType::MARIA_GTID => maria::gtid(body, raw.header.server_id, out).map_err(wrong),
        EventType::MARIA_GTID_LIST => maria::gtid_list(body, out).map_err(wrong),
        EventType::USER_VAR => session::user_var(body, fde.is_mariadb(), out).map_err(wrong),
        EventType::BEGIN_LOAD_QUERY | EventType::APPEND_BLOCK => load::block(body, out).map_err(wrong),
        EventType::DELETE_FILE | EventType::EXEC_LOAD => load::file(body, out).map_err(wrong),
        EventType::EXECUTE_LOAD_QUERY => load::execute(body, suppresses_use(raw), fde, out).map_err(wrong),
        EventType::XA_PREPARE => xa::prepare(body, out).map_err(wrong),
        EventType::INCIDENT => incident(body, out).map_err(wrong),
        EventType::TRANSACTION_PAYLOAD => payload(body, out).map_err(wrong),
        EventType::TRANSACTION_CONTEXT => context(body, out).map_err(wrong),
        EventType::VIEW_CHANGE => view_change(body, out).map_err(wrong),
        EventType::PREVIOUS_GTIDS => previous_gtids(body, out).map_err(wrong),
        _ if kind.is_row_event() => rows(kind, body, fde, out).map_err(wrong),
        _ => parsed(raw, fde, out),
    }
}

/// The types whose parser keeps all that the words need.
fn parsed(raw: &RawEvent<'_>, fde: &FormatDescription, out: &mut Vec<u8>) -> Result<(), EventError> {
    match event::parse(raw, fde)? {
        Event::Query(query) => {
            use_database(query.database, suppresses_use(raw), out);
            out.extend_from_slice(query.statement);
            if let (Some(xid), false) = (query.session.ddl_xid, fde.is_mariadb()) {
                put(out, format_args!(" /* xid={xid} */"));
            }
        }
        Event::Rotate(rotate) => {
            out.extend_from_slice(rotate.file);
            put(out, format_args!(";pos={}", rotate.pos));
        }
        Event::Xid(xid) => put(out, format_args!("COMMIT /* xid={xid} */")),
        Event::Gtid(event::GtidEvent { gtid: Some(gtid), .. }) => {
            put(out, format_args!("SET @@SESSION.GTID_NEXT= '{gtid}'"));
        }
        Event::Gtid(_) => out.extend_from_slice(b"SET @@SESSION.GTID_NEXT= 'ANONYMOUS'"),
        Event::RowsQuery(text) if raw.header.event_type == EventType::ROWS_QUERY => {
            out.extend_from_slice(b"# ");
            out.extend_from_slice(text);
        }
        Event::RowsQuery(text) | Event::BinlogCheckpoint(text) => out.extend_from_slice(text),
        Event::Intvar(event::IntvarEvent::LastInsertId(value)) => put(out, format_args!("LAST_INSERT_ID={value}")),
        Event::Intvar(event::IntvarEvent::InsertId(value)) => put(out, format_args!("INSERT_ID={value}")),
        Event::Rand(rand) => put(out, format_args!("rand_seed1={},rand_seed2={}", rand.seed1, rand.seed2)),
        Event::TableMap(map) => {
            put(out, format_args!("table_id: {} (", map.table_id));
            out.extend_from_slice(map.database);
            out.push(b'.');
            out.extend_from_slice(map.table);
            out.push(b')');
        }
        Event::Ignorable(_) => out.extend_from_slice(b"# Unrecognized ignorable event"),
        _ => {}
    }
    Ok(())
}

fn rows(kind: EventType, body: &[u8], fde: &FormatDescription, out: &mut Vec<u8>) -> Result<(), nom::Err<ParseError>> {
    let (table_id, flags) = event::rows_head(body, kind, fde)?;
    put(out, format_args!("table_id: {table_id}"));
    // MariaDB names but the first.
    let named = if fde.is_mariadb() { ROWS_FLAGS.get(..1) } else { ROWS_FLAGS.get(..) };
    let mut before = " flags: ";
    for (flag, name) in named.unwrap_or_default() {
        if flags & flag != 0 {
            put(out, format_args!("{before}{name}"));
            before = " ";
        }
    }
    Ok(())
}

/// The number of a row event's table; `None` if the event is malformed.
#[must_use]
pub fn rows_table(raw: &RawEvent<'_>, fde: &FormatDescription) -> Option<u64> {
    event::rows_head(raw.body(fde.checksum).ok()?, raw.header.event_type, fde).ok().map(|(table_id, _)| table_id)
}

fn suppresses_use(raw: &RawEvent<'_>) -> bool {
    raw.header.flags.has(SUPPRESS_USE)
}

/// The default database of a statement, where it matters.
fn use_database(database: &[u8], suppressed: bool, out: &mut Vec<u8>) {
    if !suppressed && !database.is_empty() {
        out.extend_from_slice(b"use ");
        identifier(database, out);
        out.extend_from_slice(b"; ");
    }
}

/// A name in backticks.
fn identifier(name: &[u8], out: &mut Vec<u8>) {
    out.push(b'`');
    for byte in name {
        if *byte == b'`' {
            out.push(b'`');
        }
        out.push(*byte);
    }
    out.push(b'`');
}

/// The servers put each UUID on a line of its own.
fn previous_gtids(body: &[u8], out: &mut Vec<u8>) -> Result<(), nom::Err<ParseError>> {
    let set = GtidSet::decode(body).map_err(nom::Err::Failure)?;
    out.extend_from_slice(set.to_string().replace(',', ",\n").as_bytes());
    Ok(())
}

fn incident(i: &[u8], out: &mut Vec<u8>) -> Result<(), nom::Err<ParseError>> {
    let (i, number) = wire::le_u16("incident")(i)?;
    let (_, message) = wire::u8_bytes("message")(i)?;
    let name = if number == 1 { "LOST_EVENTS" } else { "UNKNOWN" };
    put(out, format_args!("#{number} ({name})"));
    if !message.is_empty() {
        out.extend_from_slice(b": ");
        out.extend_from_slice(message);
    }
    Ok(())
}

/// The header of a payload: fields of `type, length, value` ended by type 0; sizes and codes are of variable length.
fn payload(mut i: &[u8], out: &mut Vec<u8>) -> Result<(), nom::Err<ParseError>> {
    let (mut method, mut size) = (None, None);
    loop {
        let (rest, code) = wire::lenenc("field type")(i)?;
        if code == 0 {
            break;
        }
        let (rest, value) = wire::lenenc_bytes("field")(rest)?;
        match code {
            2 => method = Some(wire::lenenc("compression_type")(value)?.1),
            3 => size = Some(wire::lenenc("uncompressed_size")(value)?.1),
            _ => {}
        }
        i = rest;
    }
    let method = match method {
        Some(0) => "ZSTD",
        Some(255) => "NONE",
        _ => "UNKNOWN",
    };
    put(out, format_args!("compression='{method}', decompressed_size={} bytes", size.unwrap_or(0)));
    Ok(())
}

fn context(i: &[u8], out: &mut Vec<u8>) -> Result<(), nom::Err<ParseError>> {
    let (i, uuid_length) = wire::u8("server_uuid_length")(i)?;
    let (i, thread_id) = wire::le_u32("thread_id")(i)?;
    let (i, _flags_and_lengths) = wire::bytes(13, "lengths")(i)?;
    let (_, uuid) = wire::bytes(usize::from(uuid_length), "server_uuid")(i)?;
    out.extend_from_slice(b"server_uuid: ");
    out.extend_from_slice(uuid);
    put(out, format_args!("\tthread_id: {thread_id}"));
    Ok(())
}

fn view_change(i: &[u8], out: &mut Vec<u8>) -> Result<(), nom::Err<ParseError>> {
    let (_, view_id) = wire::bytes(40, "view_id")(i)?;
    let text = view_id.split(|byte| *byte == 0).next().unwrap_or_default();
    out.extend_from_slice(b"view_id=");
    out.extend_from_slice(text);
    Ok(())
}

/// Writing to a vector cannot fail.
fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

/// `0x` or `X'...'` digits.
fn hex(bytes: &[u8], upper: bool, out: &mut Vec<u8>) {
    for byte in bytes {
        if upper { put(out, format_args!("{byte:02X}")) } else { put(out, format_args!("{byte:02x}")) }
    }
}
