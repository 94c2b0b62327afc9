//! What can be wrong with an event's bytes.

use super::MAX_EVENT_SIZE;
use super::header::EventType;
use crate::disposition::Disposition;
use crate::wire::Problem;

/// No event can be cut out of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The bytes end inside the event: a file being written, or a torn tail.
    #[error("the event is cut short: {have} of {need} bytes")]
    Incomplete {
        /// Bytes there are.
        have: usize,
        /// Bytes of the event; of its header if not even that is complete.
        need: usize,
    },
    /// The header names a size smaller than itself.
    #[error("{event_type} event claims {size} bytes, fewer than its header")]
    TooSmall {
        /// Type code found.
        event_type: EventType,
        /// The size it names.
        size: u32,
    },
    /// The header names a size that no server writes.
    #[error("{event_type} event claims {size} bytes, more than the {MAX_EVENT_SIZE} any server writes")]
    TooLarge {
        /// Type code found.
        event_type: EventType,
        /// The size it names.
        size: u32,
    },
}

impl FrameError {
    /// Reading the same bytes again gives the same result. Whether more bytes of an incomplete event may still
    /// come is known only to the reader of the file.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        Disposition::Stop
    }
}

/// An event that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// A field is not as the event's layout has it.
    #[error("{event_type} event, byte {offset}: {what}: {problem}")]
    Malformed {
        /// The event.
        event_type: EventType,
        /// Offset of the field in the event, header included.
        offset: usize,
        /// The field.
        what: &'static str,
        /// What is wrong with it.
        problem: Problem,
    },
    /// The bytes are not those that the server wrote.
    #[error("{event_type} event: checksum is {computed:#010x}, not {stored:#010x} as written")]
    Checksum {
        /// The event.
        event_type: EventType,
        /// CRC32 in the event.
        stored: u32,
        /// CRC32 of the event's bytes.
        computed: u32,
    },
    /// The transaction before it has no end: its commit mark is missing, or of a kind that is not known.
    #[error("{event_type} event before the end of the transaction under way: its commit is missing")]
    NoEnd {
        /// The event that should not come yet.
        event_type: EventType,
    },
    /// A format of the log that this build does not read.
    #[error("binary log version {0}; only version 4 (MySQL 5.0 and later) can be read")]
    BinlogVersion(u16),
    /// The log of an unreleased server with event numbers of its own.
    #[error("written by a pre-release MySQL 5.1 or 5.2 whose event types are numbered in a way that is not known")]
    PreRelease,
    /// The rest of the file is encrypted.
    #[error("the log is encrypted from here on (scheme {scheme}, key version {key_version})")]
    Encrypted {
        /// Scheme: 1 is AES.
        scheme: u8,
        /// Version of the server's key.
        key_version: u32,
    },
}

impl EventError {
    /// The same error in an event of another type, laid out alike.
    pub(super) fn of(self, kind: EventType) -> Self {
        match self {
            Self::Malformed { offset, what, problem, .. } => {
                Self::Malformed { event_type: kind, offset, what, problem }
            }
            other => other,
        }
    }

    /// Trying again reads the same bytes.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        Disposition::Stop
    }

    /// What the operator can do about it, where there is something.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Encrypted { .. } => Some(super::event::stop_hint(EventType::MARIA_START_ENCRYPTION)),
            Self::BinlogVersion(_) => Some(super::event::stop_hint(EventType::START_V3)),
            Self::Malformed { what: "status variable", problem: Problem::Unknown(_), .. } => {
                Some("the source is newer than this build, which cannot tell what the statement depends on")
            }
            Self::Malformed { .. } | Self::Checksum { .. } | Self::NoEnd { .. } | Self::PreRelease => None,
        }
    }
}
