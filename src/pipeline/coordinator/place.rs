//! Errors of the coordinator and the places they name.

use super::{Coordinator, Halt};
use crate::binlog::event;
use crate::binlog::{EventError, EventType};
use crate::pipeline::batch::At;
use crate::pipeline::error::{ApplyError, Place};
use crate::pipeline::plans::ResolveError;
use crate::position::LogPosition;
use crate::sink::SinkError;

/// Why a table map has no plan, or a statement cannot be followed.
pub(super) enum Unresolved {
    Event(EventError),
    NoTableMap,
    Undescribed,
    Table { table: Option<String>, error: ResolveError },
}

impl Unresolved {
    /// What is known of tables cannot be kept.
    pub(super) fn failed(error: SinkError) -> Self {
        Self::Table { table: None, error: ResolveError::Catalog(error) }
    }

    /// Says where.
    pub(super) fn at(self, place: Place) -> Halt {
        let undecodable = |what, place, hint| ApplyError::Undecodable { what, place: Box::new(place), hint };
        Halt::Error(match self {
            Self::Event(error) => ApplyError::event(&error, place),
            Self::NoTableMap => undecodable("a table map does not parse as one".to_owned(), place, None),
            Self::Undescribed => {
                let hint = event::stop_hint(EventType::WRITE_ROWS_V0).to_owned();
                undecodable("a table map does not describe its columns".to_owned(), place, Some(hint))
            }
            Self::Table { table, error } => {
                let place = Place { table, ..place };
                match error {
                    ResolveError::Unfit { what, hint } => undecodable(what, place, hint),
                    ResolveError::Names { what, hint } => ApplyError::Names { what, place: Box::new(place), hint },
                    ResolveError::Catalog(error) => ApplyError::Sink { error, place: Some(Box::new(place)) },
                }
            }
        })
    }
}

impl<O> Coordinator<'_, O> {
    /// Where the event at `at` of the buffer stands.
    pub(super) fn place(&self, at: impl Into<At>) -> Place {
        let At { offset, inside } = at.into();
        let offset = self.buffer_at.saturating_add(u64::try_from(offset).unwrap_or(0));
        Place {
            read: Some(LogPosition::new(self.file_name(), offset)),
            source: Some(self.event_start.map_or_else(|| self.source.clone(), |start| self.source.at(start))),
            inside,
            gtid: self.open.as_ref().and_then(|open| open.gtid.clone()),
            table: None,
        }
    }

    pub(super) fn undecodable(&self, at: impl Into<At>, what: String, hint: Option<String>) -> Halt {
        Halt::Error(ApplyError::Undecodable { what, place: Box::new(self.place(at)), hint })
    }

    pub(super) fn event_error(&self, at: impl Into<At>, error: &EventError) -> Halt {
        Halt::Error(ApplyError::event(error, self.place(at)))
    }

    pub(super) fn not_a_log(&self) -> Halt {
        crate::pipeline::decode::not_a_log(&self.reading).into()
    }

    pub(super) fn read_error(&self, error: std::io::Error) -> Halt {
        Halt::Error(ApplyError::Read { file: self.reading.to_string(), error })
    }
}
