//! What can go wrong with the relay log, and whether waiting helps.

use std::io;
use std::path::{Path, PathBuf};

use super::RelayFileId;
use crate::disposition::Disposition;
use crate::position::LogPosition;

/// Why the relay log could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// No room. Nothing is lost: the same call works once there is.
    #[error("the disk is full: {} cannot be written", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// The system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Syncing failed: what reached the disk is not known any more. Only opening the relay log anew tells.
    #[error("{} could not be synced to disk: {source}; start the channel again", path.display())]
    SyncFailed {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// An earlier sync failed; this writer writes no more.
    #[error("the relay log was given up after a failed sync; start the channel again")]
    GivenUp,
    /// A file's bytes are not what was written.
    #[error("relay file {file} is damaged at offset {offset}: {what}")]
    Corrupt {
        /// The file.
        file: RelayFileId,
        /// Where the damaged event begins.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
    /// The index does not fit the files.
    #[error("relay index {}: {what}", path.display())]
    Index {
        /// The index file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The position is inside an event.
    #[error("{asked} is inside an event: events start at {before} and at {after}")]
    InsideEvent {
        /// What was asked for.
        asked: LogPosition,
        /// Start of the event.
        before: u64,
        /// Start of the next.
        after: u64,
    },
    /// The stream is not as a server sends it.
    #[error("the source's stream cannot be kept: {what}")]
    Stream {
        /// What is wrong.
        what: &'static str,
    },
}

impl RelayError {
    /// Whether trying again may help.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Full { .. } => Disposition::Retry,
            Self::Io { .. }
            | Self::SyncFailed { .. }
            | Self::GivenUp
            | Self::Corrupt { .. }
            | Self::Index { .. }
            | Self::InsideEvent { .. }
            | Self::Stream { .. } => Disposition::Stop,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Corrupt { .. } | Self::Index { .. } => Some(
                "remove the channel's relay log (the directory 'relay' in its part of the data directory): the source \
                 is asked for it again, from the applied position on",
            ),
            Self::Io { .. } => Some("is the disk in order, and may this user write there?"),
            Self::Full { .. }
            | Self::SyncFailed { .. }
            | Self::GivenUp
            | Self::InsideEvent { .. }
            | Self::Stream { .. } => None,
        }
    }

    /// An error of the system about a file; a full disk and a used-up quota are told apart.
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            _ => Self::Io { path, source },
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_waited_for_and_a_failing_one_is_not() {
        let of = |code| RelayError::io(Path::new("x"), io::Error::from_raw_os_error(code)).disposition();
        assert_eq!(of(28), Disposition::Retry, "ENOSPC");
        assert_eq!(of(122), Disposition::Retry, "EDQUOT");
        assert_eq!(of(5), Disposition::Stop, "EIO");
        assert_eq!(of(27), Disposition::Stop, "EFBIG");
    }
}
