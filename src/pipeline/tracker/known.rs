//! What a statement may ask about the tables before it.

use std::sync::Arc;

use super::ahead::Sought;
use super::history::Until;
use super::{SchemaTracker, Spot, not_looked, not_stored};
use crate::pipeline::plans::ResolveError;
use crate::schema::TextDefault;
use crate::schema::ddl::{DatabaseState, Known, TableState, Touches};
use crate::store::{Origin, SchemaVersion, State, Subject};

/// Definitions as they are before the statement at a position.
pub(super) struct KnownAt<'a> {
    tracker: &'a mut SchemaTracker,
    at: Spot<'a>,
    /// What the statement itself touches: about that, the catalog can say nothing that held before.
    touches: Touches,
    /// The first failure. The answers after it mean nothing.
    pub(super) error: Option<ResolveError>,
}

impl<'a> KnownAt<'a> {
    pub(super) fn new(tracker: &'a mut SchemaTracker, at: Spot<'a>, touches: Touches) -> Self {
        Self { tracker, at, touches, error: None }
    }

    fn stated(&mut self, subject: &Subject) -> Result<Option<State>, ResolveError> {
        Ok(self.tracker.history.in_force(subject, Until::Before(self.at.position)).map_err(not_stored)?)
    }

    fn look_up_table(&mut self, database: &str, table: &str) -> Result<TableState, ResolveError> {
        // It may be about the temporary table of that name.
        if self.tracker.history.is_hidden(database, table, self.at.position).map_err(not_stored)? {
            return Ok(TableState::Unknown);
        }
        let subject = Subject::Table(database.to_owned(), table.to_owned());
        match self.stated(&subject)? {
            Some(State::Table(def)) => return Ok(TableState::Is(def)),
            Some(State::Gone) => return Ok(TableState::Gone),
            _ => {}
        }
        let touched = match &self.touches {
            Touches::Tables(tables) => tables.iter().any(|(d, t)| d == database && t == table),
            Touches::Nothing | Touches::Database(_) | Touches::Anything => true,
        };
        if touched {
            return Ok(TableState::Unknown);
        }
        // `CREATE TABLE ... LIKE` a table of which no change was seen yet.
        let Some(def) = self.tracker.try_to_ask(database, table, self.at)? else { return Ok(TableState::Unknown) };
        let (position, state) = (self.at.position.clone(), State::Table(Arc::clone(&def)));
        let version = SchemaVersion { subject, position, state, origin: Origin::Catalog };
        self.tracker.history.record(version).map_err(not_stored)?;
        Ok(TableState::Is(def))
    }

    fn look_up_text(&mut self, database: &str) -> Result<DatabaseState, ResolveError> {
        let subject = Subject::Text(database.to_owned());
        match self.stated(&subject)? {
            Some(State::Text(text)) => return Ok(DatabaseState::Is(text)),
            Some(State::Gone) => return Ok(DatabaseState::Gone),
            _ => {}
        }
        if !matches!(self.touches, Touches::Tables(_)) || !self.tracker.names_are_needed()? {
            return Ok(DatabaseState::Unknown);
        }
        let Spot { boundary, position } = self.at;
        let lower = self.tracker.lower_case_names()?;
        let (collation, end) = self.tracker.source.collation(database)?;
        let touched = self.tracker.ahead.touched(Sought::Collation(database), boundary, position, &end, lower);
        let Some(collation) = collation.filter(|_| matches!(touched, Ok(None))) else {
            return touched.map(|_| DatabaseState::Unknown).map_err(|error| not_looked(error).into());
        };
        let text = TextDefault::of_collation(&collation);
        let state = State::Text(text.clone());
        let version = SchemaVersion { subject, position: position.clone(), state, origin: Origin::Catalog };
        self.tracker.history.record(version).map_err(not_stored)?;
        Ok(DatabaseState::Is(text))
    }

    fn or_failed<T>(&mut self, result: Result<T, ResolveError>, otherwise: T) -> T {
        match result {
            Ok(value) => value,
            Err(error) => {
                self.error.get_or_insert(error);
                otherwise
            }
        }
    }
}

impl Known for KnownAt<'_> {
    fn table(&mut self, database: &str, table: &str) -> TableState {
        if self.error.is_some() {
            return TableState::Unknown;
        }
        let result = self.look_up_table(database, table);
        self.or_failed(result, TableState::Unknown)
    }

    fn database(&mut self, database: &str) -> DatabaseState {
        if self.error.is_some() {
            return DatabaseState::Unknown;
        }
        let result = self.look_up_text(database);
        self.or_failed(result, DatabaseState::Unknown)
    }
}
