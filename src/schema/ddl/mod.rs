//! What the statements of a log do to tables: definitions before a statement become definitions after it.
//!
//! Pure text work with one rule: what is not understood makes the table *unknown*, never guessed. Statements are read
//! as the source ran them: with its version, SQL mode and character sets. What it does not do: keep definitions, or judge whether a statement was right; the log holds what succeeded.
//! Manual: "Data Definition Statements".

mod alter;
mod charset;
mod column;
mod create;
mod cursor;
mod draft;
mod dump;
mod key;
mod mentions;
mod statement;
mod token;
mod touches;
mod types;

use std::sync::Arc;

pub use dump::{DumpError, read_dump};
pub use mentions::{Mention, mentions};
pub use statement::changes;
pub use touches::{Temporary, Touches, is_about_views, temporary, touches};

use self::token::Dialect;
use super::{TableDef, TextDefault};
use crate::binlog::EventFlags;
use crate::binlog::event::QueryEvent;
use crate::row::charset::Charset;

/// `sql_mode` bits that the meaning of a definition depends on.
mod mode {
    pub(super) const REAL_AS_FLOAT: u64 = 1 << 0;
    pub(super) const ANSI_QUOTES: u64 = 1 << 2;
    /// MariaDB's Oracle dialect, where types mean other things. Not used by MySQL any more.
    pub(super) const ORACLE: u64 = 1 << 9;
    pub(super) const NO_BACKSLASH_ESCAPES: u64 = 1 << 20;
    pub(super) const STRICT_TRANS_TABLES: u64 = 1 << 21;
    pub(super) const STRICT_ALL_TABLES: u64 = 1 << 22;
}

/// What a statement ran in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DdlContext<'a> {
    /// Default database; may be empty.
    pub database: &'a str,
    /// `sql_mode` as bits.
    pub sql_mode: u64,
    /// Collation id of `character_set_client`, in which the statement is written.
    pub charset_client: Option<u16>,
    /// Collation id of `collation_server`: what `CREATE DATABASE` takes.
    pub charset_server: Option<u16>,
    /// Collation id of `default_collation_for_utf8mb4` (MySQL 8).
    pub default_collation_for_utf8mb4: Option<u16>,
    /// Character sets have other default collations than usual (`character_set_collations` of MariaDB 11.2).
    pub collations_changed: bool,
    /// The statement failed, and was logged for what it had done until then.
    pub failed: bool,
    /// The statement used a temporary table of its session: a name in it may be that of one.
    pub uses_temporary: bool,
    /// `explicit_defaults_for_timestamp`, where the log says it.
    pub explicit_defaults_for_timestamp: Option<bool>,
    /// The server's version as it says it: `9.7.4`, `10.11.8-MariaDB-log`.
    pub server_version: &'a str,
    /// Names of tables and databases are kept in lower case (`lower_case_table_names` is 1 or 2).
    pub lower_case_names: bool,
}

impl<'a> DdlContext<'a> {
    /// The context of a logged statement; `None` where the default database's name is not UTF-8.
    #[must_use]
    pub fn of_query(
        query: &QueryEvent<'a>,
        flags: EventFlags,
        server_version: &'a str,
        lower_case_names: bool,
    ) -> Option<Self> {
        let session = &query.session;
        Some(Self {
            database: std::str::from_utf8(query.database).ok()?,
            sql_mode: session.sql_mode.unwrap_or(0),
            charset_client: session.charset.map(|(client, _, _)| client),
            charset_server: session.charset.map(|(_, _, server)| server),
            default_collation_for_utf8mb4: session.default_collation_for_utf8mb4,
            collations_changed: session.character_set_collations.is_some_and(|pairs| !pairs.is_empty()),
            failed: query.error_code != 0,
            uses_temporary: flags.has(EventFlags::THREAD_SPECIFIC),
            explicit_defaults_for_timestamp: explicit_defaults(query, server_version),
            server_version,
            lower_case_names,
        })
    }

    fn is_mariadb(&self) -> bool {
        self.server_version.contains("MariaDB")
    }

    /// Integers are shown with their display width.
    fn has_widths(&self) -> bool {
        self.is_mariadb() || version_number(self.server_version) < 80_019
    }

    /// A TIMESTAMP of which nothing is said may hold NULL.
    fn timestamps_are_nullable(&self) -> bool {
        let since = if self.is_mariadb() { 101_000 } else { 80_000 };
        self.explicit_defaults_for_timestamp.unwrap_or_else(|| version_number(self.server_version) >= since)
    }

    fn has_mode(&self, bit: u64) -> bool {
        self.sql_mode & bit != 0
    }

    fn dialect(&self) -> Dialect {
        Dialect {
            ansi_quotes: self.has_mode(mode::ANSI_QUOTES),
            no_backslash_escapes: self.has_mode(mode::NO_BACKSLASH_ESCAPES),
            mariadb: self.is_mariadb(),
            version: version_number(self.server_version),
        }
    }

    /// The statement as UTF-8. What is not text in the client's character set becomes U+FFFD, which no name may hold.
    fn text<'b>(&self, statement: &'b [u8]) -> std::borrow::Cow<'b, str> {
        let charset = self.charset_client.and_then(Charset::of_collation).unwrap_or(Charset::Utf8mb4);
        charset.to_utf8(statement).unwrap_or_else(|_| String::from_utf8_lossy(statement))
    }

    /// Database and table as the server keeps them; `None` without a database.
    fn resolve(&self, (database, table): cursor::TableName) -> Option<(String, String)> {
        let database = database.unwrap_or_else(|| self.database.to_owned());
        if database.is_empty() {
            return None;
        }
        Some((self.fold(database), self.fold(table)))
    }

    fn fold(&self, name: String) -> String {
        if self.lower_case_names { lower_case(&name) } else { name }
    }
}

/// A name in lower case as servers make it: each character by itself, and none becomes two.
#[must_use]
pub fn lower_case(name: &str) -> String {
    name.chars().flat_map(|c| if c == 'İ' { 'i'.to_lowercase() } else { c.to_lowercase() }).collect()
}

/// MySQL says it in a status variable, MariaDB as a bit of the flags.
fn explicit_defaults(query: &QueryEvent<'_>, server_version: &str) -> Option<bool> {
    const MARIADB_FLAG: u32 = 1 << 24;
    match query.session.flags2 {
        Some(flags) if server_version.contains("MariaDB") => Some(flags & MARIADB_FLAG != 0),
        _ => query.session.explicit_defaults_for_timestamp,
    }
}

/// `9.7.4-log` as 90704.
fn version_number(version: &str) -> u32 {
    let version = version.strip_prefix("5.5.5-").unwrap_or(version);
    let mut parts = version.splitn(3, '.').map(|part| {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        part.get(..digits).and_then(|digits| digits.parse::<u32>().ok()).unwrap_or(0).min(999)
    });
    let mut next = || parts.next().unwrap_or(0);
    next() * 10_000 + next() * 100 + next()
}

/// What is known of a table at a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableState {
    /// It is like this.
    Is(Arc<TableDef>),
    /// There is no such table.
    Gone,
    /// Nothing is known.
    Unknown,
}

/// What is known of a database at a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseState {
    /// It is there, with this default character set and collation.
    Is(TextDefault),
    /// There is no such database.
    Gone,
    /// Nothing is known.
    Unknown,
}

impl DatabaseState {
    fn text(self) -> Option<TextDefault> {
        match self {
            Self::Is(text) => Some(text),
            Self::Gone | Self::Unknown => None,
        }
    }
}

/// The definitions before a statement.
pub trait Known {
    /// A table; names are as the server keeps them.
    fn table(&mut self, database: &str, table: &str) -> TableState;
    /// A database.
    fn database(&mut self, database: &str) -> DatabaseState;
}

/// One thing that a statement changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// What a table is now.
    Table {
        /// Database.
        database: String,
        /// Table.
        table: String,
        /// The table after the statement.
        state: TableState,
    },
    /// A database is there, with this default (`None`: not known). Its tables are as they were.
    Database {
        /// Database.
        database: String,
        /// Default character set and collation.
        text: Option<TextDefault>,
    },
    /// A database and all its tables are gone.
    DatabaseGone(String),
    /// Not understood, and may have changed any table of this database, or (`None`) of any: forget them.
    Unclear(Option<String>),
}
