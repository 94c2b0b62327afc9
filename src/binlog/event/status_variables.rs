//! The status variables of a QUERY_EVENT: the session that the statement ran in, one code and value after the other.
//!
//! ```text
//! | 1 code | value, of the code's own length | 1 code | value | ...
//! ```
//! They carry no length, so one of unknown code hides those after it. Servers stop reading there and go on with
//! defaults; here it is an error, since it may change what the statement means. MySQL writes 0 to 21, MariaDB 0 to 8,
//! 11 and from 128 on. Manual: "Query_event"; MariaDB: "QUERY_EVENT".

use std::fmt;

use super::SessionContext;
use crate::wire::{self, Parsed, Problem};

/// Q_UPDATED_DB_NAMES: more databases than the list can hold, and so none is listed.
const TOO_MANY_DATABASES: u8 = 254;

/// Flags after which the number of the transaction that began the ALTER follows.
const ENDS_ALTER: u8 = SessionContext::COMMIT_ALTER | SessionContext::ROLLBACK_ALTER;

macro_rules! status_variables {
    ($($(#[$doc:meta])* $name:ident($($field:ty),*) = $code:literal, $text:literal;)*) => {
        /// One status variable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum StatusVariable<'a> {
            $($(#[$doc])* $name($($field),*),)*
        }

        impl StatusVariable<'_> {
            /// Its code, and its name as in the servers' sources.
            #[must_use]
            pub fn code_and_name(&self) -> (u8, &'static str) {
                match self {
                    $(Self::$name(..) => ($code, $text),)*
                }
            }
        }

        /// Codes and names, for tests of completeness.
        #[cfg(test)]
        pub(super) const CODES: &[(u8, &str)] = &[$(($code, $text)),*];
    };
}

status_variables! {
    /// AUTO_IS_NULL, NOT_AUTOCOMMIT, NO_FOREIGN_KEY_CHECKS, RELAXED_UNIQUE_CHECKS and other bits.
    Flags2(u32) = 0, "Q_FLAGS2_CODE";
    /// `sql_mode` as bits.
    SqlMode(u64) = 1, "Q_SQL_MODE_CODE";
    /// Catalog, as MySQL 5.0.0 to 5.0.3 wrote it.
    OldCatalog(&'a [u8]) = 2, "Q_CATALOG_CODE";
    /// `auto_increment_increment` and `auto_increment_offset`.
    AutoIncrement(u16, u16) = 3, "Q_AUTO_INCREMENT";
    /// Collation ids of client, connection and server.
    Charset(u16, u16, u16) = 4, "Q_CHARSET_CODE";
    /// `time_zone`.
    TimeZone(&'a [u8]) = 5, "Q_TIME_ZONE_CODE";
    /// Catalog: `std`.
    Catalog(&'a [u8]) = 6, "Q_CATALOG_NZ_CODE";
    /// Number of `lc_time_names`.
    LcTimeNames(u16) = 7, "Q_LC_TIME_NAMES_CODE";
    /// Collation id of `collation_database`.
    CharsetDatabase(u16) = 8, "Q_CHARSET_DATABASE_CODE";
    /// Which tables of a multi-table update change, one bit a table: for filters; the applier works it out itself.
    TableMapForUpdate(u64) = 9, "Q_TABLE_MAP_FOR_UPDATE_CODE";
    /// Size of the event at the first server; in relay logs of sources before 5.0.
    MasterDataWritten(u32) = 10, "Q_MASTER_DATA_WRITTEN_CODE";
    /// User and host of a definer.
    Invoker(&'a [u8], &'a [u8]) = 11, "Q_INVOKER";
    /// Databases that the statement touches, each ended by a zero byte; `None` where they were too many to list. For
    /// parallel appliers of MySQL 5.6.
    UpdatedDbNames(Option<&'a [u8]>) = 12, "Q_UPDATED_DB_NAMES";
    /// Fraction of the header's timestamp.
    Microseconds(u32) = 13, "Q_MICROSECONDS";
    /// Logical clock of MySQL 5.7 before its release.
    CommitTs(u64) = 14, "Q_COMMIT_TS";
    /// `explicit_defaults_for_timestamp`.
    ExplicitDefaultsForTimestamp(bool) = 16, "Q_EXPLICIT_DEFAULTS_FOR_TIMESTAMP";
    /// Number of an atomic DDL statement in the storage engines.
    DdlLoggedWithXid(u64) = 17, "Q_DDL_LOGGED_WITH_XID";
    /// Collation id of `default_collation_for_utf8mb4`.
    DefaultCollationForUtf8mb4(u16) = 18, "Q_DEFAULT_COLLATION_FOR_UTF8MB4";
    /// `sql_require_primary_key`.
    SqlRequirePrimaryKey(bool) = 19, "Q_SQL_REQUIRE_PRIMARY_KEY";
    /// `default_table_encryption`.
    DefaultTableEncryption(bool) = 20, "Q_DEFAULT_TABLE_ENCRYPTION";
    /// `enable_cascade_triggers`, since MySQL 9.7.
    EnableCascadeTriggers(bool) = 21, "Q_ENABLE_CASCADE_TRIGGERS";
    /// MariaDB: fraction of the header's timestamp.
    HrNow(u32) = 128, "Q_HRNOW";
    /// MariaDB: number of an atomic DDL statement.
    Xid(u64) = 129, "Q_XID";
    /// MariaDB: flags of a two-phase ALTER, and the sequence number of the one that began it.
    GtidFlags3(u8, Option<u64>) = 130, "Q_GTID_FLAGS3";
    /// MariaDB: `character_set_collations`, pairs of collation ids of two bytes each.
    CharacterSetCollations(&'a [u8]) = 131, "Q_CHARACTER_SET_COLLATIONS";
    /// MariaDB: one byte of filling.
    Dummy() = 255, "Q_DUMMY";
}

/// Walks the status variables of a statement; ends with the first that cannot be read.
#[derive(Debug, Clone)]
pub struct StatusVariables<'a> {
    rest: &'a [u8],
}

impl<'a> StatusVariables<'a> {
    pub(super) fn new(status_vars: &'a [u8]) -> Self {
        Self { rest: status_vars }
    }
}

impl<'a> Iterator for StatusVariables<'a> {
    type Item = Result<StatusVariable<'a>, wire::ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        match one(self.rest) {
            Ok((rest, variable)) => {
                self.rest = rest;
                Some(Ok(variable))
            }
            Err(error) => {
                self.rest = &[];
                Some(Err(wire::unwrap_error(error)))
            }
        }
    }
}

/// Reads the first status variable.
#[inline]
pub(super) fn one(input: &[u8]) -> Parsed<'_, StatusVariable<'_>> {
    use StatusVariable as V;
    let (i, code) = wire::u8("status variable code")(input)?;
    Ok(match code {
        0 => to(V::Flags2, wire::le_u32("Q_FLAGS2")(i)?),
        1 => to(V::SqlMode, wire::le_u64("Q_SQL_MODE")(i)?),
        3 => {
            let (i, increment) = wire::le_u16("Q_AUTO_INCREMENT")(i)?;
            let (i, offset) = wire::le_u16("Q_AUTO_INCREMENT")(i)?;
            (i, V::AutoIncrement(increment, offset))
        }
        4 => {
            let (i, client) = wire::le_u16("Q_CHARSET")(i)?;
            let (i, connection) = wire::le_u16("Q_CHARSET")(i)?;
            let (i, server) = wire::le_u16("Q_CHARSET")(i)?;
            (i, V::Charset(client, connection, server))
        }
        5 => to(V::TimeZone, wire::u8_bytes("Q_TIME_ZONE")(i)?),
        6 => to(V::Catalog, wire::u8_bytes("Q_CATALOG_NZ")(i)?),
        7 => to(V::LcTimeNames, wire::le_u16("Q_LC_TIME_NAMES")(i)?),
        8 => to(V::CharsetDatabase, wire::le_u16("Q_CHARSET_DATABASE")(i)?),
        12 => to(V::UpdatedDbNames, updated_db_names(i)?),
        13 => to(V::Microseconds, wire::le_u24("Q_MICROSECONDS")(i)?),
        17 => to(V::DdlLoggedWithXid, wire::le_u64("Q_DDL_LOGGED_WITH_XID")(i)?),
        18 => to(V::DefaultCollationForUtf8mb4, wire::le_u16("Q_DEFAULT_COLLATION_FOR_UTF8MB4")(i)?),
        128 => to(V::HrNow, wire::le_u24("Q_HRNOW")(i)?),
        129 => to(V::Xid, wire::le_u64("Q_XID")(i)?),
        _ => rare(input, i, code)?,
    })
}

/// The variables that few statements carry.
fn rare<'a>(input: &'a [u8], i: &'a [u8], code: u8) -> Parsed<'a, StatusVariable<'a>> {
    use StatusVariable as V;
    Ok(match code {
        2 => {
            let (i, catalog) = wire::u8_bytes("Q_CATALOG")(i)?;
            // An empty one has no zero byte after it.
            let i = if catalog.is_empty() { i } else { wire::u8("Q_CATALOG")(i)?.0 };
            (i, V::OldCatalog(catalog))
        }
        9 => to(V::TableMapForUpdate, wire::le_u64("Q_TABLE_MAP_FOR_UPDATE")(i)?),
        10 => to(V::MasterDataWritten, wire::le_u32("Q_MASTER_DATA_WRITTEN")(i)?),
        11 => {
            let (i, user) = wire::u8_bytes("Q_INVOKER")(i)?;
            let (i, host) = wire::u8_bytes("Q_INVOKER")(i)?;
            (i, V::Invoker(user, host))
        }
        14 => to(V::CommitTs, wire::le_u64("Q_COMMIT_TS")(i)?),
        16 => flag(V::ExplicitDefaultsForTimestamp, wire::u8("Q_EXPLICIT_DEFAULTS_FOR_TIMESTAMP")(i)?),
        19 => flag(V::SqlRequirePrimaryKey, wire::u8("Q_SQL_REQUIRE_PRIMARY_KEY")(i)?),
        20 => flag(V::DefaultTableEncryption, wire::u8("Q_DEFAULT_TABLE_ENCRYPTION")(i)?),
        21 => flag(V::EnableCascadeTriggers, wire::u8("Q_ENABLE_CASCADE_TRIGGERS")(i)?),
        130 => {
            let (i, flags) = wire::u8("Q_GTID_FLAGS3")(i)?;
            if flags & ENDS_ALTER == 0 {
                (i, V::GtidFlags3(flags, None))
            } else {
                let (i, began) = wire::le_u64("Q_GTID_FLAGS3")(i)?;
                (i, V::GtidFlags3(flags, Some(began)))
            }
        }
        131 => {
            let (i, count) = wire::u8("Q_CHARACTER_SET_COLLATIONS")(i)?;
            to(V::CharacterSetCollations, wire::bytes(usize::from(count) * 4, "Q_CHARACTER_SET_COLLATIONS")(i)?)
        }
        255 => (i, V::Dummy()),
        _ => return Err(wire::fail(input, "status variable", Problem::Unknown(u64::from(code)))),
    })
}

/// The names with their zero bytes.
fn updated_db_names(input: &[u8]) -> Parsed<'_, Option<&[u8]>> {
    let (names, count) = wire::u8("Q_UPDATED_DB_NAMES")(input)?;
    if count == TOO_MANY_DATABASES {
        return Ok((names, None));
    }
    let mut i = names;
    for _ in 0..count {
        i = wire::c_string("Q_UPDATED_DB_NAMES")(i)?.0;
    }
    let (i, names) = wire::bytes(names.len().saturating_sub(i.len()), "Q_UPDATED_DB_NAMES")(names)?;
    Ok((i, Some(names)))
}

#[inline]
fn to<'a, T>(make: fn(T) -> StatusVariable<'a>, (i, value): (&'a [u8], T)) -> (&'a [u8], StatusVariable<'a>) {
    (i, make(value))
}

#[inline]
fn flag<'a>(make: fn(bool) -> StatusVariable<'a>, (i, value): (&'a [u8], u8)) -> (&'a [u8], StatusVariable<'a>) {
    (i, make(value != 0))
}

impl fmt::Display for StatusVariable<'_> {
    /// The value alone. Texts are lossy where they are not UTF-8.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy;
        match *self {
            Self::Flags2(bits) => write!(f, "{bits:#x}"),
            Self::SqlMode(bits) => write!(f, "{bits:#x}"),
            Self::OldCatalog(bytes) | Self::Catalog(bytes) | Self::TimeZone(bytes) => f.write_str(&text(bytes)),
            Self::AutoIncrement(increment, offset) => write!(f, "{increment},{offset}"),
            Self::Charset(client, connection, server) => write!(f, "{client},{connection},{server}"),
            Self::LcTimeNames(number) | Self::CharsetDatabase(number) | Self::DefaultCollationForUtf8mb4(number) => {
                write!(f, "{number}")
            }
            Self::TableMapForUpdate(bits) => write!(f, "{bits:#x}"),
            Self::MasterDataWritten(size) => write!(f, "{size}"),
            Self::Invoker(user, host) => write!(f, "{}@{}", text(user), text(host)),
            Self::UpdatedDbNames(None) => f.write_str("(too many)"),
            Self::UpdatedDbNames(Some(names)) => {
                let names = names.strip_suffix(&[0]).unwrap_or(names);
                for (n, name) in names.split(|byte| *byte == 0).enumerate() {
                    write!(f, "{}{}", if n > 0 { "," } else { "" }, text(name))?;
                }
                Ok(())
            }
            Self::Microseconds(fraction) | Self::HrNow(fraction) => write!(f, "{fraction:06}"),
            Self::CommitTs(number) | Self::DdlLoggedWithXid(number) | Self::Xid(number) => write!(f, "{number}"),
            Self::ExplicitDefaultsForTimestamp(on)
            | Self::SqlRequirePrimaryKey(on)
            | Self::DefaultTableEncryption(on)
            | Self::EnableCascadeTriggers(on) => f.write_str(if on { "1" } else { "0" }),
            Self::GtidFlags3(flags, None) => write!(f, "{flags:#x}"),
            Self::GtidFlags3(flags, Some(began)) => write!(f, "{flags:#x},{began}"),
            Self::CharacterSetCollations(pairs) => {
                for (n, pair) in pairs.chunks_exact(4).enumerate() {
                    if let [a, b, c, d] = *pair {
                        let (of, to) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
                        write!(f, "{}{of}={to}", if n > 0 { "," } else { "" })?;
                    }
                }
                Ok(())
            }
            Self::Dummy() => Ok(()),
        }
    }
}
