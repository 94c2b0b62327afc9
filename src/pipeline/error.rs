//! Why a channel stopped: what is wrong, where in the log, in which table, and what to do.

use std::fmt;

use crate::binlog::EventError;
use crate::disposition::Disposition;
use crate::gtid::Gtid;
use crate::position::LogPosition;
use crate::sink::SinkError;

/// What to do about bytes that are not those the source wrote.
const CHECKSUM_HINT: &str = "the file is damaged; if it is a relay log, 'replicate reset' and a start from the applied \
                             position fetches it again";

/// Where in the log something went wrong. Prints as a comma-separated list of what is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The log file being read and the offset of the event in it, where they differ from the source's (relay
    /// files).
    pub read: Option<LogPosition>,
    /// The event's place in the source's log.
    pub source: Option<LogPosition>,
    /// Where the event is in what the payload at that place unpacks to.
    pub inside: Option<u64>,
    /// The transaction.
    pub gtid: Option<Gtid>,
    /// `database.table`.
    pub table: Option<String>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        if let Some(source) = &self.source {
            write!(f, "at {source}")?;
            separator = ", ";
        }
        if let Some(read) = &self.read
            && self.source.as_ref() != Some(read)
        {
            write!(f, "{separator}in {read}")?;
            separator = ", ";
        }
        if let Some(inside) = self.inside {
            write!(f, "{separator}byte {inside} of the unpacked payload")?;
            separator = ", ";
        }
        if let Some(gtid) = &self.gtid {
            write!(f, "{separator}GTID {gtid}")?;
            separator = ", ";
        }
        if let Some(table) = &self.table {
            write!(f, "{separator}table {table}")?;
        }
        Ok(())
    }
}

/// An error of the applier: reading, decoding, rendering or delivering.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The log cannot be read.
    #[error("cannot read {file}: {error}")]
    Read {
        /// The file.
        file: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// The log ends in the middle of an event or of a transaction.
    #[error("{what}{}", in_parentheses(.place))]
    Truncated {
        /// What is incomplete.
        what: String,
        /// Where it begins.
        place: Box<Place>,
    },
    /// An event cannot be decoded, must not be passed over, or does not fit its table.
    #[error("{what}{}", in_parentheses(.place))]
    Undecodable {
        /// What is wrong.
        what: String,
        /// Where.
        place: Box<Place>,
        /// What to do.
        hint: Option<String>,
    },
    /// What the columns of a table were called cannot be known.
    #[error("{what} ({place})")]
    Names {
        /// Why.
        what: String,
        /// Where.
        place: Box<Place>,
        /// The ways out.
        hint: String,
    },
    /// The sink failed.
    #[error("{error}{}", at(.place))]
    Sink {
        /// What it said.
        error: SinkError,
        /// Where, if the sink knows.
        place: Option<Box<Place>>,
    },
    /// A worker thread died: a defect of this program.
    #[error("an internal error ended a worker thread ({0}); please report it")]
    Internal(&'static str),
}

fn at(place: &Option<Box<Place>>) -> String {
    place.as_ref().map(in_parentheses).unwrap_or_default()
}

/// Nothing where nothing is known.
#[allow(clippy::borrowed_box, reason = "thiserror hands out the field")]
fn in_parentheses(place: &Box<Place>) -> String {
    if **place == Place::default() { String::new() } else { format!(" ({place})") }
}

impl ApplyError {
    /// An event that cannot be read.
    #[must_use]
    pub fn event(error: &EventError, place: Place) -> Self {
        let hint = match error {
            EventError::Checksum { .. } => Some(CHECKSUM_HINT.to_owned()),
            _ => error.hint().map(str::to_owned),
        };
        Self::Undecodable { what: error.to_string(), place: Box::new(place), hint }
    }

    /// Wraps a sink's error and lifts out where it happened.
    #[must_use]
    pub fn from_sink(error: SinkError) -> Self {
        let place = match &error {
            SinkError::Rejected { at: Some(meta), table, .. } => Some(Box::new(Place {
                source: Some(meta.start.clone()),
                gtid: meta.gtid.clone(),
                table: table.clone(),
                ..Place::default()
            })),
            SinkError::Rejected { table: Some(table), .. } => {
                Some(Box::new(Place { table: Some(table.clone()), ..Place::default() }))
            }
            _ => None,
        };
        Self::Sink { error, place }
    }

    /// What to do about it, for a person.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Truncated { .. } => {
                Some("the file is still being written, or was cut; everything before this place came out".to_owned())
            }
            Self::Undecodable { hint, .. } => hint.clone(),
            Self::Names { hint, .. } => Some(hint.clone()),
            Self::Sink { error: SinkError::Rejected { hint, .. }, .. } => hint.clone(),
            Self::Read { .. } | Self::Sink { .. } | Self::Internal(_) => None,
        }
    }

    /// The server's error number, or 0.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::Sink { error: SinkError::Rejected { code: Some(code), .. }, .. } => *code,
            _ => 0,
        }
    }

    /// Whether trying again may help.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Sink { error, .. } => error.disposition(),
            Self::Read { .. }
            | Self::Truncated { .. }
            | Self::Undecodable { .. }
            | Self::Names { .. }
            | Self::Internal(_) => Disposition::Stop,
        }
    }
}
