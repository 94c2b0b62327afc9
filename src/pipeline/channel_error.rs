//! Why a channel ended, or its receiver must try again.

use super::error::ApplyError;
use crate::disposition::Disposition;
use crate::position::LogPosition;
use crate::relay::RelayError;
use crate::source::SourceError;
use crate::store::StoreError;

/// An error of a running channel.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The source, or the way to it.
    #[error("source {}: {}", .0.place(), .0.failure())]
    Source(#[source] Box<SourceError>),
    /// The source refuses to send its log from a place on.
    #[error("source {}: its log at {position}: {}", .error.place(), .error.failure())]
    Log {
        /// The place.
        position: LogPosition,
        /// What it said.
        #[source]
        error: Box<SourceError>,
    },
    /// The source can be reached, but this channel must not follow it so.
    #[error("{what}")]
    Refused {
        /// The server's number for such a thing.
        number: u16,
        /// What is wrong.
        what: String,
        /// What to do.
        hint: String,
    },
    /// What the source sent is no log.
    #[error("the source's stream cannot be understood: {what}")]
    BadStream {
        /// What is wrong.
        what: String,
    },
    /// An event was damaged on its way; the source is asked again.
    #[error("an event at {position} arrived damaged: {what}")]
    Damaged {
        /// Where it stands in the source's log.
        position: LogPosition,
        /// What is wrong with it.
        what: String,
    },
    /// The relay log.
    #[error("relay log: {0}")]
    Relay(#[from] RelayError),
    /// The state database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The applier.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The options name a sink that cannot be used.
    #[error("{0}")]
    Sink(String),
    /// A task died: a defect of this program.
    #[error("an internal error ended the {0}; please report it")]
    Internal(&'static str),
}

impl From<SourceError> for ChannelError {
    fn from(error: SourceError) -> Self {
        Self::Source(Box::new(error))
    }
}

impl ChannelError {
    /// Whether trying again may help.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Source(error) | Self::Log { error, .. } => error.disposition(),
            Self::Relay(error) => error.disposition(),
            Self::Store(error) => error.disposition(),
            Self::Apply(error) => error.disposition(),
            Self::Damaged { .. } => Disposition::Retry,
            Self::Refused { .. } | Self::BadStream { .. } | Self::Sink(_) | Self::Internal(_) => Disposition::Stop,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Source(error) | Self::Log { error, .. } => error.hint().map(str::to_owned),
            Self::Refused { hint, .. } => Some(hint.clone()),
            Self::Relay(error) => error.hint().map(str::to_owned),
            Self::Apply(error) => error.hint(),
            Self::BadStream { .. } | Self::Damaged { .. } | Self::Store(_) | Self::Sink(_) | Self::Internal(_) => None,
        }
    }

    /// The server's error number as `Last_IO_Errno` and `Last_SQL_Errno` show it; where there is none, that of the same kind.
    #[must_use]
    pub fn number(&self) -> u32 {
        match self {
            Self::Source(error) | Self::Log { error, .. } => u32::from(error.number()),
            Self::Refused { number, .. } => u32::from(*number),
            // ER_REPLICA_RELAY_LOG_READ_FAILURE, ER_NETWORK_READ_EVENT_CHECKSUM_FAILURE and the like.
            Self::Relay(_) => 1594,
            Self::BadStream { .. } => 1595,
            Self::Damaged { .. } => 1743,
            Self::Apply(error) => match error.code() {
                0 => 1594,
                code => u32::from(code),
            },
            Self::Store(_) | Self::Sink(_) | Self::Internal(_) => 1593,
        }
    }
}
