//! What a statement may ask about the tables before it.

use super::ahead::Sought;
use super::history::Until;
use super::{At, SchemaTracker, not_looked, not_stored};
use crate::pipeline::plans::ResolveError;
use crate::schema::ddl::{Known, TableState, Touches};
use crate::store::{Origin, SchemaVersion, State, Subject};

/// Definitions as they are before the statement at a position.
pub(super) struct KnownAt<'a> {
    tracker: &'a mut SchemaTracker,
    at: At<'a>,
    /// What the statement itself touches: about that, the catalog can say nothing that held before.
    touches: Touches,
    /// The first failure. The answers after it mean nothing.
    pub(super) error: Option<ResolveError>,
}

impl<'a> KnownAt<'a> {
    pub(super) fn new(tracker: &'a mut SchemaTracker, at: At<'a>, touches: Touches) -> Self {
        Self { tracker, at, touches, error: None }
    }

    fn stated(&mut self, subject: &Subject) -> Result<Option<State>, ResolveError> {
        Ok(self.tracker.history.in_force(subject, Until::Before(self.at.position)).map_err(not_stored)?)
    }

    fn look_up_table(&mut self, database: &str, table: &str) -> Result<TableState, ResolveError> {
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
        match self.tracker.ask(database, table, self.at) {
            Ok(def) => {
                let state = State::Table(def.clone());
                let version =
                    SchemaVersion { subject, position: self.at.position.clone(), state, origin: Origin::Catalog };
                self.tracker.history.record(version).map_err(not_stored)?;
                Ok(TableState::Is(def))
            }
            Err(ResolveError::Names { .. }) => Ok(TableState::Unknown),
            Err(error) => Err(error),
        }
    }

    fn look_up_collation(&mut self, database: &str) -> Result<Option<String>, ResolveError> {
        let subject = Subject::Collation(database.to_owned());
        match self.stated(&subject)? {
            Some(State::Collation(collation)) => return Ok(Some(collation)),
            Some(State::Gone) => return Ok(None),
            _ => {}
        }
        if !matches!(self.touches, Touches::Tables(_)) {
            return Ok(None);
        }
        let At { boundary, position } = self.at;
        let lower = self.tracker.lower_case_names()?;
        let (collation, end) = self.tracker.source.collation(database)?;
        let touched = self.tracker.ahead.touched(Sought::Collation(database), boundary, position, &end, lower);
        let Some(collation) = collation.filter(|_| matches!(touched, Ok(None))) else {
            return touched.map(|_| None).map_err(|error| not_looked(error).into());
        };
        let state = State::Collation(collation.clone());
        let version = SchemaVersion { subject, position: position.clone(), state, origin: Origin::Catalog };
        self.tracker.history.record(version).map_err(not_stored)?;
        Ok(Some(collation))
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

    fn database_collation(&mut self, database: &str) -> Option<String> {
        if self.error.is_some() {
            return None;
        }
        let result = self.look_up_collation(database);
        self.or_failed(result, None)
    }
}
