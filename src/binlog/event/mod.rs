//! REGISTER of events: one line a type, one file an event.
//!
//! [`parse`] takes a complete event and the format description of its file. Each parser is a ladder in wire order;
//! each says what it does with bytes after the layout's end, and none drops them by accident: they belong to the
//! event's last field, or they are additions of newer servers to a commit's description (GTID), or they are an error.
//! What it does not do: checksums (ask [`RawEvent::verify_checksum`] first), row values (`crate::row`), and deciding
//! what an undecoded type means for the channel (`policy`). Manual: "Binary Log Event"; MariaDB "Replication Protocol".

mod antique;
mod format_description;
mod group_replication;
mod gtid;
mod gtid_tagged;
mod heartbeat;
mod incident;
mod intvar;
mod load;
mod load_data;
mod maria;
mod maria_gtid;
pub mod policy;
mod query;
mod rotate;
mod rows;
mod rows_query;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
pub(crate) mod samples;
#[cfg(test)]
pub(crate) mod samples_rare;
mod status_variables;
mod table_map;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
mod tests;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::as_conversions)]
mod tests_rare;
mod user_var;
mod xa;
mod xid;

use super::compressed;
use super::error::EventError;
use super::header::{ChecksumAlgorithm, EventType, RawEvent};
use crate::gtid::{Gtid, GtidSet};
use crate::statement::{StatementKind, classify};
use crate::wire::{self, Parsed};

pub use antique::SlaveEvent;
pub use group_replication::{TransactionContextEvent, ViewChangeEvent};
pub use incident::{Incident, IncidentEvent};
pub use load::{LoadEvent, LoadSeparators};
pub use load_data::{ExecuteLoadQueryEvent, FileBlockEvent, LoadDuplicates};
pub use maria::{GtidListEvent, StartEncryptionEvent};
pub use maria_gtid::{MariaGtid, OwnedXid};
pub use policy::{carries_no_data, is_passed_over, stop_hint};
pub use status_variables::{StatusVariable, StatusVariables};
pub use xa::{XaPrepareEvent, Xid, decided_name};

/// Parses one event of a file that `fde` describes. The checksum is cut off, not checked.
///
/// # Errors
/// When the bytes are not an event of the type that the header names.
#[inline]
pub fn parse<'a>(raw: &RawEvent<'a>, fde: &FormatDescription) -> Result<Event<'a>, EventError> {
    let event_type = raw.header.event_type;
    if event_type == EventType::FORMAT_DESCRIPTION {
        return FormatDescription::parse(raw).map(Event::FormatDescription);
    }
    let body = raw.body(fde.checksum)?;
    let header = &raw.header;
    let wrong = |error| in_body(event_type, body, error);
    Ok(match event_type {
        EventType::QUERY => Event::Query(query::parse(body, fde).map_err(wrong)?),
        EventType::TABLE_MAP => Event::TableMap(table_map::parse(body, fde).map_err(wrong)?),
        EventType::WRITE_ROWS | EventType::WRITE_ROWS_V1 => {
            Event::Rows(rows::parse(body, event_type, RowsKind::Write, fde).map_err(wrong)?)
        }
        EventType::UPDATE_ROWS | EventType::UPDATE_ROWS_V1 | EventType::PARTIAL_UPDATE_ROWS => {
            Event::Rows(rows::parse(body, event_type, RowsKind::Update, fde).map_err(wrong)?)
        }
        EventType::DELETE_ROWS | EventType::DELETE_ROWS_V1 => {
            Event::Rows(rows::parse(body, event_type, RowsKind::Delete, fde).map_err(wrong)?)
        }
        EventType::XID => Event::Xid(xid::parse(body).map_err(wrong)?),
        EventType::GTID => Event::Gtid(gtid::parse(body, false).map_err(wrong)?),
        EventType::ANONYMOUS_GTID => Event::Gtid(gtid::parse(body, true).map_err(wrong)?),
        EventType::GTID_TAGGED => Event::Gtid(gtid_tagged::parse(body).map_err(wrong)?),
        EventType::ROTATE => Event::Rotate(rotate::parse(body, fde).map_err(wrong)?),
        EventType::STOP => Event::Stop,
        EventType::PREVIOUS_GTIDS => Event::PreviousGtids(previous_gtids(body)?),
        EventType::HEARTBEAT => Event::Heartbeat(heartbeat::parse_v1(body, header)),
        EventType::HEARTBEAT_V2 => Event::Heartbeat(heartbeat::parse_v2(body).map_err(wrong)?),
        EventType::ROWS_QUERY => Event::RowsQuery(rows_query::parse(body).map_err(wrong)?),
        EventType::INTVAR => Event::Intvar(intvar::parse_intvar(body).map_err(wrong)?),
        EventType::RAND => Event::Rand(intvar::parse_rand(body).map_err(wrong)?),
        EventType::USER_VAR => Event::UserVar(user_var::parse(body).map_err(wrong)?),
        EventType::MARIA_GTID => Event::Gtid(maria_gtid::parse(body, header.server_id).map_err(wrong)?),
        EventType::MARIA_GTID_LIST => Event::GtidList(maria::gtid_list(body).map_err(wrong)?),
        EventType::MARIA_BINLOG_CHECKPOINT => Event::BinlogCheckpoint(maria::checkpoint(body).map_err(wrong)?),
        EventType::MARIA_ANNOTATE_ROWS => Event::RowsQuery(body),
        EventType::IGNORABLE => Event::Ignorable(body),
        _ => return rare(raw, body, fde),
    })
}

/// The types that few logs have.
fn rare<'a>(raw: &RawEvent<'a>, body: &'a [u8], fde: &FormatDescription) -> Result<Event<'a>, EventError> {
    let event_type = raw.header.event_type;
    let header = &raw.header;
    let wrong = |error| in_body(event_type, body, error);
    Ok(match event_type {
        EventType::XA_PREPARE => Event::XaPrepare(xa::parse(body).map_err(wrong)?),
        EventType::INCIDENT => Event::Incident(incident::parse(body, fde).map_err(wrong)?),
        EventType::TRANSACTION_CONTEXT => {
            Event::TransactionContext(group_replication::transaction_context(body, fde).map_err(wrong)?)
        }
        EventType::VIEW_CHANGE => Event::ViewChange(group_replication::view_change(body, fde).map_err(wrong)?),
        EventType::BEGIN_LOAD_QUERY => Event::BeginLoadQuery(load_data::block(body, event_type, fde).map_err(wrong)?),
        EventType::APPEND_BLOCK => Event::AppendBlock(load_data::block(body, event_type, fde).map_err(wrong)?),
        EventType::EXECUTE_LOAD_QUERY => {
            Event::ExecuteLoadQuery(Box::new(load_data::execute(body, fde).map_err(wrong)?))
        }
        EventType::DELETE_FILE => Event::DeleteFile(load_data::file_id(body, event_type, fde).map_err(wrong)?),
        EventType::EXEC_LOAD => Event::ExecLoad(load_data::file_id(body, event_type, fde).map_err(wrong)?),
        EventType::LOAD | EventType::NEW_LOAD | EventType::CREATE_FILE => {
            Event::Load(Box::new(load::parse(body, event_type, fde).map_err(wrong)?))
        }
        EventType::WRITE_ROWS_V0 => Event::RowsV0(rows::parse(body, event_type, RowsKind::Write, fde).map_err(wrong)?),
        EventType::UPDATE_ROWS_V0 => {
            Event::RowsV0(rows::parse(body, event_type, RowsKind::Update, fde).map_err(wrong)?)
        }
        EventType::DELETE_ROWS_V0 => {
            Event::RowsV0(rows::parse(body, event_type, RowsKind::Delete, fde).map_err(wrong)?)
        }
        EventType::SLAVE => Event::Slave(antique::slave(body).map_err(wrong)?),
        EventType::START_V3 => return Err(antique::start_v3(raw)),
        EventType::MARIA_START_ENCRYPTION => {
            let start = maria::start_encryption(body).map_err(wrong)?;
            if !policy::may_be_ignored(header) {
                return Err(EventError::Encrypted { scheme: start.scheme, key_version: start.key_version });
            }
            Event::StartEncryption(start)
        }
        _ if policy::may_be_ignored(header) => Event::Ignorable(body),
        _ => Event::Other,
    })
}

fn previous_gtids(body: &[u8]) -> Result<GtidSet, EventError> {
    GtidSet::decode(body).map_err(|error| in_body(EventType::PREVIOUS_GTIDS, body, nom::Err::Error(error)))
}

/// The statement of a QUERY_EVENT, and nothing else of it: for telling groups apart.
#[inline]
pub(super) fn query_statement<'a>(body: &'a [u8], fde: &FormatDescription) -> Result<&'a [u8], EventError> {
    query::statement(body, fde).map_err(|error| in_body(EventType::QUERY, body, error))
}

/// The kind of the statement of a QUERY_EVENT, or of MariaDB's QUERY_COMPRESSED_EVENT, by the event's body.
///
/// # Errors
/// When the event is malformed, as far as it is read.
#[inline]
pub fn statement_kind(
    event_type: EventType,
    body: &[u8],
    fde: &FormatDescription,
) -> Result<StatementKind, EventError> {
    if event_type == EventType::MARIA_QUERY_COMPRESSED {
        return compressed::statement_kind(body, fde);
    }
    query_statement(body, fde).map(classify)
}

/// Reads the body of an XA_PREPARE_LOG_EVENT.
///
/// # Errors
/// When it is malformed.
pub fn xa_prepare(body: &[u8]) -> Result<XaPrepareEvent<'_>, EventError> {
    xa::parse(body).map_err(|error| in_body(EventType::XA_PREPARE, body, error))
}

/// The number of an XID_EVENT.
#[inline]
pub(super) fn xid(body: &[u8]) -> Result<u64, EventError> {
    xid::parse(body).map_err(|error| in_body(EventType::XID, body, error))
}

/// Whether a MariaDB GTID_EVENT opens a group of one event.
pub(super) fn maria_standalone(body: &[u8]) -> Result<bool, EventError> {
    maria_gtid::standalone(body).map_err(|error| in_body(EventType::MARIA_GTID, body, error))
}

/// Table number and flags of a row event of any version.
pub(super) fn rows_head(
    body: &[u8],
    event_type: EventType,
    fde: &FormatDescription,
) -> Result<(u64, u16), nom::Err<wire::ParseError>> {
    let (i, table_id) = table_id(body, fde, event_type)?;
    Ok((table_id, wire::le_u16("flags")(i)?.1))
}

/// The flags of a row event.
pub(super) fn rows_flags(body: &[u8], event_type: EventType, fde: &FormatDescription) -> Result<u16, EventError> {
    rows::flags(body, event_type, fde).map_err(|error| in_body(event_type, body, error))
}

/// Whether the body of a FORMAT_DESCRIPTION_EVENT opens the first file since its server started.
pub(crate) fn is_restart(body: &[u8]) -> bool {
    format_description::created(body) != Some(0)
}

/// Places a field's error in an event of which `body` is all but the header and the checksum.
#[cold]
pub(super) fn in_body(event_type: EventType, body: &[u8], error: nom::Err<wire::ParseError>) -> EventError {
    malformed(event_type, super::HEADER_LEN + body.len(), error)
}

/// Places a field's error in its event. `end` is where the parsed slice ends, header included.
#[cold]
pub(super) fn malformed(event_type: EventType, end: usize, error: nom::Err<wire::ParseError>) -> EventError {
    let wire::ParseError { what, remaining, problem } = wire::unwrap_error(error);
    EventError::Malformed { event_type, offset: end.saturating_sub(remaining), what, problem }
}

/// Steps over what newer servers have added to a post-header of which `known` bytes have been read.
#[inline]
fn post_header_rest<'a>(i: &'a [u8], fde: &FormatDescription, event_type: EventType, known: u8) -> Parsed<'a, ()> {
    let more = fde.post_header_length(event_type).unwrap_or(known).saturating_sub(known);
    let (i, _more) = wire::bytes(usize::from(more), "post_header")(i)?;
    Ok((i, ()))
}

/// The number of a table in a post-header: four bytes in early 5.1, else six.
#[inline]
fn table_id<'a>(i: &'a [u8], fde: &FormatDescription, event_type: EventType) -> Parsed<'a, u64> {
    if fde.post_header_length(event_type) == Some(6) {
        let (i, id) = wire::le_u32("table_id")(i)?;
        return Ok((i, u64::from(id)));
    }
    wire::le_u48("table_id")(i)
}

/// FORMAT_DESCRIPTION_EVENT: how the events after it are laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatDescription {
    /// 4 for every server since 5.0; 1 and 3 are refused.
    pub binlog_version: u16,
    /// `@@version` of the writer, for example `9.7.4` or `10.11.11-MariaDB-log`.
    pub server_version: String,
    /// Seconds since 1970 when the file was made; 0 where the file merely goes on.
    pub created: u32,
    /// Bytes of the common header: 19.
    pub header_length: u8,
    /// Bytes of each type's post-header, by type code minus one.
    pub post_header_lengths: Vec<u8>,
    /// How the file's events are protected.
    pub checksum: ChecksumAlgorithm,
    /// The file is of a development tree whose event types have numbers of their own: see
    /// [`FormatDescription::event_type`].
    pub tree_types: bool,
}

impl FormatDescription {
    /// Bytes of a type's post-header, if the file's server knew the type.
    #[inline]
    #[must_use]
    pub fn post_header_length(&self, event_type: EventType) -> Option<u8> {
        self.post_header_lengths.get(usize::from(event_type.0).checked_sub(1)?).copied()
    }
}

/// GTID_EVENT, ANONYMOUS_GTID_EVENT, GTID_TAGGED_EVENT, and MariaDB's GTID_EVENT: opens a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GtidEvent {
    /// `None` for anonymous transactions.
    pub gtid: Option<Gtid>,
    /// MySQL: bit 1 says that statements may be in it (FLAG_MAY_HAVE_SBR).
    pub gtid_flags: u8,
    /// Logical clock: the last transaction this one must wait for; 0 when not said.
    pub last_committed: u64,
    /// Logical clock: this transaction's own number; 0 when not said.
    pub sequence_number: u64,
    /// Microseconds since 1970 of the commit at the server that wrote this log; 0 when not said.
    pub immediate_commit_timestamp: u64,
    /// Microseconds since 1970 of the commit at the first server; 0 when not said.
    pub original_commit_timestamp: u64,
    /// Bytes of the whole transaction in this log; 0 when not said.
    pub transaction_length: u64,
    /// Version of the server that wrote this log, as 80036 for 8.0.36; 0 when not said.
    pub immediate_server_version: u32,
    /// Version of the first server; 0 when not said.
    pub original_server_version: u32,
    /// Group Replication: what keeps commits of one group together; 0 when not said.
    pub commit_group_ticket: u64,
    /// MariaDB: the group is one event and has no end mark (FL_STANDALONE). Always false for MySQL.
    pub standalone: bool,
    /// MariaDB: the rows of an XA transaction that is only prepared; whether they stand is decided by a later group
    /// (FL_PREPARED_XA).
    pub prepared_xa: bool,
    /// MariaDB: all it says beyond the GTID.
    pub maria: Option<MariaGtid>,
}

/// QUERY_EVENT: a statement with the session it ran in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryEvent<'a> {
    /// Connection id at the source; names temporary tables apart.
    pub thread_id: u32,
    /// Seconds the statement ran.
    pub exec_time: u32,
    /// What the statement ended with at the source; 0 is success.
    pub error_code: u16,
    /// Default database; empty for none.
    pub database: &'a [u8],
    /// The status variables as they stand: see [`QueryEvent::status_variables`].
    pub status_vars: &'a [u8],
    /// Session state, by name.
    pub session: SessionContext<'a>,
    /// The statement's bytes, in the session's `character_set_client`.
    pub statement: &'a [u8],
}

/// The status variables of a QUERY_EVENT that name the session's state; `None` where not said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SessionContext<'a> {
    /// Q_FLAGS2: AUTO_IS_NULL, NOT_AUTOCOMMIT, NO_FOREIGN_KEY_CHECKS, RELAXED_UNIQUE_CHECKS bits.
    pub flags2: Option<u32>,
    /// Q_SQL_MODE.
    pub sql_mode: Option<u64>,
    /// Q_CATALOG_NZ_CODE, without use today.
    pub catalog: Option<&'a [u8]>,
    /// Q_AUTO_INCREMENT: increment and offset.
    pub auto_increment: Option<(u16, u16)>,
    /// Q_CHARSET: collation ids of client, connection and server.
    pub charset: Option<(u16, u16, u16)>,
    /// Q_TIME_ZONE.
    pub time_zone: Option<&'a [u8]>,
    /// Q_LC_TIME_NAMES.
    pub lc_time_names: Option<u16>,
    /// Q_CHARSET_DATABASE.
    pub charset_database: Option<u16>,
    /// Q_MICROSECONDS (MySQL) or Q_HRNOW (MariaDB): fraction of the header's timestamp.
    pub microseconds: Option<u32>,
    /// Q_INVOKER: user and host of a definer.
    pub invoker: Option<(&'a [u8], &'a [u8])>,
    /// Q_EXPLICIT_DEFAULTS_FOR_TIMESTAMP.
    pub explicit_defaults_for_timestamp: Option<bool>,
    /// Q_DDL_LOGGED_WITH_XID.
    pub ddl_xid: Option<u64>,
    /// Q_DEFAULT_COLLATION_FOR_UTF8MB4.
    pub default_collation_for_utf8mb4: Option<u16>,
    /// Q_SQL_REQUIRE_PRIMARY_KEY.
    pub sql_require_primary_key: Option<bool>,
    /// Q_DEFAULT_TABLE_ENCRYPTION.
    pub default_table_encryption: Option<bool>,
    /// MariaDB's Q_CHARACTER_SET_COLLATIONS: pairs of character set (default collation id) and collation id, each
    /// two bytes, little endian.
    pub character_set_collations: Option<&'a [u8]>,
    /// The session's `enable_cascade_triggers` (MySQL 9.7).
    pub enable_cascade_triggers: Option<bool>,
    /// MariaDB's Q_GTID_FLAGS3: START_ALTER, COMMIT_ALTER, ROLLBACK_ALTER bits of an ALTER TABLE that is logged twice.
    pub gtid_flags3: Option<u8>,
}

impl SessionContext<'_> {
    /// MariaDB, `binlog_alter_two_phase`: the ALTER has begun. It takes effect only when it is logged again.
    pub const START_ALTER: u8 = 2;
    /// The ALTER that began earlier has succeeded.
    pub const COMMIT_ALTER: u8 = 4;
    /// The ALTER that began earlier has failed: nothing is changed.
    pub const ROLLBACK_ALTER: u8 = 8;

    /// Whether the statement is to be run. The first and the failing half of a two-phase ALTER TABLE are not.
    #[must_use]
    pub fn takes_effect(&self) -> bool {
        self.gtid_flags3.is_none_or(|flags| flags & (Self::START_ALTER | Self::ROLLBACK_ALTER) == 0)
    }
}

/// INTVAR_EVENT: a number for the statement that follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntvarEvent {
    /// `LAST_INSERT_ID()`.
    LastInsertId(u64),
    /// The first automatic value the statement used.
    InsertId(u64),
}

/// RAND_EVENT: the seeds of `RAND()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RandEvent {
    /// `@@rand_seed1`.
    pub seed1: u64,
    /// `@@rand_seed2`.
    pub seed2: u64,
}

/// USER_VAR_EVENT: a user variable for the statement that follows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UserVarEvent<'a> {
    /// Name without `@`.
    pub name: &'a [u8],
    /// `None` is SQL NULL.
    pub value: Option<UserVarValue<'a>>,
}

/// A user variable's value and type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum UserVarValue<'a> {
    /// STRING_RESULT: bytes and collation id.
    String(&'a [u8], u32),
    /// REAL_RESULT.
    Real(f64),
    /// INT_RESULT, signed.
    Int(i64),
    /// INT_RESULT, unsigned.
    Unsigned(u64),
    /// DECIMAL_RESULT: precision, scale, packed digits.
    Decimal(u8, u8, &'a [u8]),
}

/// TABLE_MAP_EVENT: a table's number and shape for the row events that follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableMapEvent<'a> {
    /// Number that row events refer to; 48 bits.
    pub table_id: u64,
    /// Flags (TM_BIT_LEN_EXACT_F, TM_GENERATED_INVISIBLE_PK_F, ...).
    pub flags: u16,
    /// Database, UTF-8.
    pub database: &'a [u8],
    /// Table, UTF-8.
    pub table: &'a [u8],
    /// One column type code a column (`MYSQL_TYPE_*`).
    pub column_types: &'a [u8],
    /// Per-column type metadata, its length depending on the type.
    pub column_meta: &'a [u8],
    /// Bitmap: which columns may be NULL.
    pub null_bitmap: &'a [u8],
    /// Optional metadata: type-length-value fields, SIGNEDNESS and so on; empty on old servers.
    pub optional: &'a [u8],
    /// Written by MariaDB, where optional metadata counts spatial columns as text.
    pub mariadb: bool,
}

/// What a row event does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowsKind {
    /// After images only.
    Write,
    /// Before and after images.
    Update,
    /// Before images only.
    Delete,
}

/// WRITE_ROWS, UPDATE_ROWS, DELETE_ROWS in versions 1 and 2, and PARTIAL_UPDATE_ROWS: packed row images of one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowsEvent<'a> {
    /// What happens to the rows.
    pub kind: RowsKind,
    /// The table map it refers to.
    pub table_id: u64,
    /// STMT_END_F 0x1, NO_FOREIGN_KEY_CHECKS_F 0x2, RELAXED_UNIQUE_CHECKS_F 0x4, COMPLETE_ROWS_F 0x8, ...
    pub flags: u16,
    /// Extra row data of version 2 (NDB, partition ids), undecoded.
    pub extra: &'a [u8],
    /// Number of columns.
    pub width: usize,
    /// Which columns the first image has: the before image of Update and Delete, the after image of Write.
    pub columns: &'a [u8],
    /// Which columns the after image of an Update has; equal to `columns` otherwise.
    pub columns_after: &'a [u8],
    /// PARTIAL_UPDATE_ROWS: after images say which of their JSON columns are changes to the document before.
    pub partial: bool,
    /// The packed rows.
    pub rows: &'a [u8],
}

impl RowsEvent<'_> {
    /// The last row event of its statement: table maps end here.
    pub const STMT_END: u16 = 0x1;
    /// The statement ran with `foreign_key_checks=0`.
    pub const NO_FOREIGN_KEY_CHECKS: u16 = 0x2;
    /// The statement ran with `unique_checks=0`.
    pub const RELAXED_UNIQUE_CHECKS: u16 = 0x4;
}

/// A parsed event. Types not listed are [`Event::Other`] and it is the reader's duty to ask
/// [`Event::Other`]'s type whether it may be passed over.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<'a> {
    /// FORMAT_DESCRIPTION_EVENT.
    FormatDescription(FormatDescription),
    /// ROTATE_EVENT: the next file's name and the offset to read it from.
    Rotate(RotateEvent<'a>),
    /// STOP_EVENT.
    Stop,
    /// QUERY_EVENT.
    Query(QueryEvent<'a>),
    /// XID_EVENT: commit.
    Xid(u64),
    /// GTID_EVENT and its kin.
    Gtid(GtidEvent),
    /// PREVIOUS_GTIDS_EVENT: what was in the files before this one.
    PreviousGtids(GtidSet),
    /// MariaDB GTID_LIST_EVENT.
    GtidList(GtidListEvent),
    /// MariaDB BINLOG_CHECKPOINT_EVENT: oldest file that crash recovery needs.
    BinlogCheckpoint(&'a [u8]),
    /// HEARTBEAT_LOG_EVENT v1 and v2: where the idle source stands.
    Heartbeat(RotateEvent<'a>),
    /// ROWS_QUERY_EVENT and MariaDB's ANNOTATE_ROWS_EVENT: the statement behind the rows.
    RowsQuery(&'a [u8]),
    /// INTVAR_EVENT.
    Intvar(IntvarEvent),
    /// RAND_EVENT.
    Rand(RandEvent),
    /// USER_VAR_EVENT.
    UserVar(UserVarEvent<'a>),
    /// TABLE_MAP_EVENT.
    TableMap(TableMapEvent<'a>),
    /// Row events.
    Rows(RowsEvent<'a>),
    /// Row events of version 0, which cannot be decoded: the log does not say which columns can be NULL.
    RowsV0(RowsEvent<'a>),
    /// XA_PREPARE_LOG_EVENT.
    XaPrepare(XaPrepareEvent<'a>),
    /// INCIDENT_EVENT.
    Incident(IncidentEvent<'a>),
    /// TRANSACTION_CONTEXT_EVENT.
    TransactionContext(TransactionContextEvent<'a>),
    /// VIEW_CHANGE_EVENT.
    ViewChange(ViewChangeEvent<'a>),
    /// BEGIN_LOAD_QUERY_EVENT.
    BeginLoadQuery(FileBlockEvent<'a>),
    /// APPEND_BLOCK_EVENT.
    AppendBlock(FileBlockEvent<'a>),
    /// EXECUTE_LOAD_QUERY_EVENT.
    ExecuteLoadQuery(Box<ExecuteLoadQueryEvent<'a>>),
    /// DELETE_FILE_EVENT: the file's number.
    DeleteFile(u32),
    /// EXEC_LOAD_EVENT: the file's number.
    ExecLoad(u32),
    /// LOAD_EVENT, NEW_LOAD_EVENT and CREATE_FILE_EVENT.
    Load(Box<LoadEvent<'a>>),
    /// SLAVE_EVENT.
    Slave(SlaveEvent<'a>),
    /// MariaDB START_ENCRYPTION_EVENT of a log that its server has decrypted.
    StartEncryption(StartEncryptionEvent),
    /// An IGNORABLE_EVENT, or an unknown type whose header has the ignorable flag, as its bytes.
    Ignorable(&'a [u8]),
    /// A known or unknown type that this build does not decode and that may carry data.
    Other,
}

/// A file name and an offset, as ROTATE and HEARTBEAT carry them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RotateEvent<'a> {
    /// Base name of the file.
    pub file: &'a [u8],
    /// Offset in it.
    pub pos: u64,
}
