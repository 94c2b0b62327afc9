//! The names of columns where the log leaves them out: what each table looked like at each position.
//!
//! What is known of a table comes from the store, is moved by the statements in the log, and is held against every
//! table map. Where nothing is known the source's catalog is asked. Its answer is about the end of the log, so it is
//! taken only if no statement between the table map and that end touches the table ([`ahead`]). Where one does, the
//! channel stops: a name is right or it is not given. Table maps with full metadata need none of this, but for the types
//! of MariaDB that travel as BINARY ([`veiled`]).
//!
//! What it does not do: understand statements (`crate::schema::ddl`), or follow what a target's catalog says.

mod ahead;
mod history;
mod known;
mod source;
mod veiled;

use std::sync::Arc;

use ahead::{AheadError, Sought};
use history::{History, Until};
use known::KnownAt;

pub(super) use ahead::Ahead;
pub(super) use source::{AskSource, Settings, SourceNames};

use super::plans::ResolveError;
use crate::binlog::EventFlags;
use crate::binlog::event::{QueryEvent, TableMapEvent};
use crate::position::LogPosition;
use crate::row::{PlanError, TablePlan};
use crate::schema::TableDef;
use crate::schema::ddl::{
    Change, DdlContext, TableState, Touches, changes, is_about_views, lower_case, temporary, touches,
};
use crate::sink::SinkError;
use crate::store::{Origin, SchemaVersion, State, Store, StoreError, Subject};

/// Where an event stands.
#[derive(Debug, Clone, Copy)]
pub struct Spot<'a> {
    /// Where its transaction begins.
    pub boundary: &'a LogPosition,
    /// Its end.
    pub position: &'a LogPosition,
}

/// Follows definitions through the log.
pub struct SchemaTracker {
    history: History,
    ahead: Ahead,
    source: Box<dyn AskSource>,
    lower_case_names: Option<bool>,
    settings: Option<Settings>,
    /// Some table map did not name its columns.
    needed: bool,
    veiled: veiled::Told,
    filters_checked: bool,
}

impl SchemaTracker {
    pub(super) fn new(
        store: Store,
        channel: String,
        source_identity: Option<String>,
        ahead: Ahead,
        source: Box<dyn AskSource>,
    ) -> Self {
        let history = History::new(store, channel, source_identity.unwrap_or_default());
        Self {
            history,
            ahead,
            source,
            lower_case_names: None,
            settings: None,
            needed: false,
            veiled: veiled::Told::default(),
            filters_checked: false,
        }
    }

    /// Stores what was learned. To be called before anything behind it in the log is handed on.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub(super) fn flush(&mut self) -> Result<(), SinkError> {
        self.history.flush().map_err(not_stored)
    }

    /// The plan for a table map without full metadata.
    ///
    /// # Errors
    /// When names cannot be known, or what is needed to know them cannot be had.
    pub(super) fn plan(&mut self, map: &TableMapEvent<'_>, at: Spot<'_>) -> Result<TablePlan, ResolveError> {
        self.needed = true;
        self.refuse_filters()?;
        let lower = self.lower_case_names()?;
        let (database, table) = (name(map.database, lower)?, name(map.table, lower)?);
        let subject = Subject::Table(database.clone(), table.clone());
        let known = self.history.in_force(&subject, Until::At(at.position)).map_err(not_stored)?;
        if let Some(State::Table(def)) = known {
            match TablePlan::compile(map, Some(def)) {
                Err(error) if is_mismatch(&error) => {
                    tracing::warn!(
                        table = %format_args!("{database}.{table}"), position = %at.position, error = %error,
                        "the table is not as it was known: asking the source's catalog"
                    );
                }
                other => return other.map_err(unfit),
            }
        }
        let def = self.ask(&database, &table, at)?;
        let plan = TablePlan::compile(map, Some(Arc::clone(&def))).map_err(|error| match is_mismatch(&error) {
            true => ResolveError::Names { what: error.to_string(), hint: hint() },
            false => unfit(error),
        })?;
        let state = State::Table(def);
        let version = SchemaVersion { subject, position: at.position.clone(), state, origin: Origin::Catalog };
        self.history.record(version).map_err(not_stored)?;
        Ok(plan)
    }

    /// What the source's catalog says, if it holds at a position.
    fn ask(&mut self, database: &str, table: &str, at: Spot<'_>) -> Result<Arc<TableDef>, ResolveError> {
        self.look_up(database, table, at)?.map_err(|why| ResolveError::Names {
            what: format!("the log does not name the table's columns, and they cannot be known: {why}"),
            hint: hint(),
        })
    }

    /// What the source's catalog says, or why it does not hold at a position.
    fn look_up(
        &mut self,
        database: &str,
        table: &str,
        at: Spot<'_>,
    ) -> Result<Result<Arc<TableDef>, String>, ResolveError> {
        let lower = self.lower_case_names()?;
        let (def, end) = self.source.table(database, table)?;
        let touched = self.ahead.touched(Sought::Table(database, table), at.boundary, at.position, &end, lower);
        let since = touched
            .map_err(not_looked)?
            .map(|touching| format!("{} at {} has changed the table since", touching.words, touching.position));
        Ok(match (def, since) {
            (Some(def), None) => Ok(Arc::new(def)),
            (_, Some(since)) => Err(since),
            (None, None) => Err("the source has no such table, or the account no SELECT on it".to_owned()),
        })
    }

    /// Follows a statement. True if definitions may be others now.
    ///
    /// # Errors
    /// When what is needed to understand it cannot be had.
    pub(super) fn statement(
        &mut self,
        query: &QueryEvent<'_>,
        flags: EventFlags,
        server_version: &str,
        at: Spot<'_>,
    ) -> Result<bool, ResolveError> {
        if !query.session.takes_effect() {
            return Ok(false);
        }
        // Nearly all statements are not even looked at with the source's settings.
        let harmless = |lower| {
            DdlContext::of_query(query, flags, server_version, lower)
                .is_some_and(|context| touches(query.statement, &context) == Touches::Nothing)
        };
        if harmless(false) {
            return Ok(false);
        }
        let lower = self.lower_case_names()?;
        let mut of_views = false;
        let changes = match DdlContext::of_query(query, flags, server_version, lower) {
            None => vec![Change::Unclear(None)],
            Some(context) => {
                of_views = is_about_views(query.statement, &context);
                self.changes(query, &context, at)?
            }
        };
        for change in changes {
            match change {
                // What the catalog says of a view is not what a table of its name will be.
                Change::Table { database, table, state: TableState::Unknown } if !of_views => {
                    self.unclear(database, table, at)?;
                }
                change => self.change(change, at.position).map_err(not_stored)?,
            }
        }
        Ok(true)
    }

    fn changes(
        &mut self,
        query: &QueryEvent<'_>,
        context: &DdlContext<'_>,
        at: Spot<'_>,
    ) -> Result<Vec<Change>, ResolveError> {
        let touches = touches(query.statement, context);
        if let Touches::Tables(names) = &touches {
            self.hide(names, temporary(query.statement, context).hides(), at)?;
        }
        let mut known = KnownAt::new(self, at, touches);
        let changes = changes(query.statement, context, &mut known);
        match known.error {
            Some(error) => Err(error),
            None => Ok(changes),
        }
    }

    /// Remembers names that temporary tables have; where one is among them, all of a statement may be. It is remembered
    /// for good: which session a name belongs to, and until when, is not followed.
    fn hide(&mut self, names: &[(String, String)], temporary: bool, at: Spot<'_>) -> Result<(), ResolveError> {
        let mut hidden = temporary;
        for (database, table) in names {
            hidden = hidden || self.history.is_hidden(database, table, at.position).map_err(not_stored)?;
        }
        for (database, table) in names.iter().filter(|_| hidden) {
            self.history.hide(database, table, at.position).map_err(not_stored)?;
        }
        Ok(())
    }

    /// A statement has done something to a table that was not known, or that is not understood.
    fn unclear(&mut self, database: String, table: String, at: Spot<'_>) -> Result<(), ResolveError> {
        if let Some(def) = self.try_to_ask(&database, &table, at)? {
            let (position, state) = (at.position.clone(), State::Table(def));
            let subject = Subject::Table(database, table);
            let version = SchemaVersion { subject, position, state, origin: Origin::Catalog };
            return Ok(self.history.record(version).map_err(not_stored)?);
        }
        let change = Change::Table { database, table, state: TableState::Unknown };
        Ok(self.change(change, at.position).map_err(not_stored)?)
    }

    fn change(&mut self, change: Change, position: &LogPosition) -> Result<(), StoreError> {
        let versions = match change {
            Change::Table { database, table, state } => {
                let state = match state {
                    TableState::Is(def) => State::Table(def),
                    TableState::Gone => State::Gone,
                    TableState::Unknown => State::Unknown,
                };
                vec![(Subject::Table(database, table), state)]
            }
            Change::Database { database, text } => {
                vec![(Subject::Text(database), text.map_or(State::Unknown, State::Text))]
            }
            Change::DatabaseGone(database) => {
                vec![(Subject::Text(database.clone()), State::Gone), (Subject::Database(database), State::Gone)]
            }
            Change::Unclear(Some(database)) => {
                vec![(Subject::Text(database.clone()), State::Unknown), (Subject::Database(database), State::Unknown)]
            }
            Change::Unclear(None) => vec![(Subject::Everything, State::Unknown)],
        };
        for (subject, state) in versions {
            // What was never known need not be remembered as unknown.
            let nothing_new = state == State::Unknown
                && matches!(self.history.in_force(&subject, Until::At(position))?, None | Some(State::Unknown));
            if !nothing_new {
                let version = SchemaVersion { subject, position: position.clone(), state, origin: Origin::Ddl };
                self.history.record(version)?;
            }
        }
        Ok(())
    }

    /// A transaction that defined something never came to its commit.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) fn abandoned(&mut self, position: &LogPosition) -> Result<(), SinkError> {
        self.change(Change::Unclear(None), position).map_err(not_stored)
    }

    fn lower_case_names(&mut self) -> Result<bool, ResolveError> {
        if let Some(lower) = self.lower_case_names {
            return Ok(lower);
        }
        let lower = match self.history.lower_case_names().map_err(not_stored)? {
            Some(lower) => lower,
            None => {
                let lower = self.settings()?.lower_case_names;
                self.history.set_lower_case_names(lower).map_err(not_stored)?;
                lower
            }
        };
        self.history.adopt(lower).map_err(not_stored)?;
        self.lower_case_names = Some(lower);
        Ok(lower)
    }

    fn settings(&mut self) -> Result<Settings, SinkError> {
        match self.settings {
            Some(settings) => Ok(settings),
            None => Ok(*self.settings.insert(self.source.settings()?)),
        }
    }

    /// Definitions are not followed in a log that leaves statements out. A source that cannot be asked now has been
    /// asked before, or will be when the first table is not known.
    fn refuse_filters(&mut self) -> Result<(), ResolveError> {
        if std::mem::replace(&mut self.filters_checked, true) {
            return Ok(());
        }
        match self.settings() {
            Ok(Settings { filters: true, .. }) => {
                self.filters_checked = false;
                Err(ResolveError::Names {
                    what: "the log does not name the table's columns, and they cannot be known: the source leaves \
                           databases out of its log (binlog_do_db or binlog_ignore_db), and changes of tables may be \
                           among them"
                        .to_owned(),
                    hint: "set binlog_row_metadata=FULL at the source: later changes carry their own names".to_owned(),
                })
            }
            Ok(_) | Err(SinkError::Unavailable { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether definitions will be needed. Not for a source that names its columns; such a one need not even be there
    /// for its log to be applied.
    fn names_are_needed(&mut self) -> Result<bool, SinkError> {
        if self.needed {
            return Ok(true);
        }
        match self.settings() {
            Ok(settings) => Ok(!settings.logs_names),
            Err(SinkError::Unavailable { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What a table is behind a statement that says too little of it, if the catalog's word holds there.
    fn try_to_ask(&mut self, database: &str, table: &str, at: Spot<'_>) -> Result<Option<Arc<TableDef>>, ResolveError> {
        if !self.names_are_needed()? {
            return Ok(None);
        }
        match self.ask(database, table, at) {
            Ok(def) => Ok(Some(def)),
            Err(ResolveError::Names { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn name(bytes: &[u8], lower: bool) -> Result<String, ResolveError> {
    let name = std::str::from_utf8(bytes)
        .map_err(|_| ResolveError::Unfit { what: "the table's name is not UTF-8".to_owned(), hint: None })?;
    Ok(if lower { lower_case(name) } else { name.to_owned() })
}

/// Whether a definition is of another table than the one that was logged.
fn is_mismatch(error: &PlanError) -> bool {
    matches!(error, PlanError::ColumnCount { .. } | PlanError::ColumnType { .. })
}

fn unfit(error: PlanError) -> ResolveError {
    ResolveError::Unfit { what: error.to_string(), hint: error.hint() }
}

fn hint() -> String {
    "tell what the table was at this position: 'replicate schema import FILE.sql' with its CREATE TABLE, then start \
     again; 'replicate schema show' lists what is known, 'replicate schema refresh' forgets it; with \
     binlog_row_metadata=FULL at the source later changes carry their own names"
        .to_owned()
}

fn not_stored(error: StoreError) -> SinkError {
    use crate::disposition::Disposition;
    let what = format!("table definitions cannot be kept: {error}");
    match error.disposition() {
        Disposition::Retry => SinkError::Unavailable { what },
        Disposition::Stop => SinkError::Rejected { code: None, what, table: None, hint: None, at: None },
    }
}

fn not_looked(error: AheadError) -> SinkError {
    let what = match error {
        AheadError::Cancelled => return SinkError::Cancelled,
        AheadError::Relay(error) => format!("the relay log cannot be looked through: {error}"),
        AheadError::Nowhere => "the relay log does not hold the transaction that is being applied".to_owned(),
    };
    SinkError::Rejected { code: None, what, table: None, hint: None, at: None }
}
