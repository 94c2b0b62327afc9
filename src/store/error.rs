//! What can go wrong with the store, and whether waiting helps.

use std::path::PathBuf;

use rusqlite::ErrorCode;

use super::{DataDirError, MarkKind};
use crate::disposition::Disposition;
use crate::position::LogPosition;

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process holds the database, for longer than the busy timeout.
    #[error("the state database is in use by another process")]
    Busy,
    /// No room for another page, or the disk quota is used up.
    #[error("the disk is full: the state database cannot be written")]
    Full,
    /// The file is damaged or not a database of ours.
    #[error(
        "the state database is damaged ({what}); restore replicate.db from a backup, or move it away and start anew"
    )]
    Corrupt {
        /// SQLite's words.
        what: String,
    },
    /// A later version of the program made the database.
    #[error("the state database has layout {found}, this program knows {known}; use the newer program")]
    Newer {
        /// Layout of the database.
        found: i64,
        /// The newest layout known here.
        known: i64,
    },
    /// A position was to be set back.
    #[error("the {kind} position would go back from {have} to {asked}")]
    WentBackwards {
        /// Which one.
        kind: MarkKind,
        /// What is recorded.
        have: LogPosition,
        /// What was asked for.
        asked: LogPosition,
    },
    /// The channel has not been set up.
    #[error("there is no channel {name:?}")]
    NoSuchChannel {
        /// Its name.
        name: String,
    },
    /// A number does not fit SQLite's signed 64 bits.
    #[error("{value} is too large to be stored")]
    OutOfRange {
        /// The number.
        value: u64,
    },
    /// The data directory cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The database file cannot be opened.
    #[error("cannot open {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Anything else SQLite says.
    #[error("the state database failed: {0}")]
    Sqlite(rusqlite::Error),
}

impl StoreError {
    /// Whether trying again may help.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Busy | Self::Full => Disposition::Retry,
            Self::Corrupt { .. }
            | Self::Newer { .. }
            | Self::WentBackwards { .. }
            | Self::NoSuchChannel { .. }
            | Self::OutOfRange { .. }
            | Self::DataDir(_)
            | Self::Io { .. }
            | Self::Sqlite(_) => Disposition::Stop,
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt { what: error.to_string() },
            _ => Self::Sqlite(error),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_or_full_database_is_tried_again_and_a_damaged_one_is_not() {
        let failure = |code| {
            StoreError::from(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None)).disposition()
        };
        assert_eq!(failure(rusqlite::ffi::SQLITE_BUSY), Disposition::Retry);
        assert_eq!(failure(rusqlite::ffi::SQLITE_LOCKED), Disposition::Retry);
        assert_eq!(failure(rusqlite::ffi::SQLITE_FULL), Disposition::Retry);
        assert_eq!(failure(rusqlite::ffi::SQLITE_CORRUPT), Disposition::Stop);
        assert_eq!(failure(rusqlite::ffi::SQLITE_NOTADB), Disposition::Stop);
        assert_eq!(failure(rusqlite::ffi::SQLITE_READONLY), Disposition::Stop);
    }
}
