//! Table definitions in memory, moved along by the statements of a log.
//!
//! What is here is right at the position up to which statements were [applied](Tables::apply), or it is unknown. What it
//! does not do: remember earlier positions, or hold what it says against the log's table maps (`row/fit.rs` does).

use std::sync::Arc;

use ahash::AHashMap;

use super::ddl::{Change, DatabaseState, DdlContext, Known, TableState, changes};
use super::{TableDef, TextDefault};

/// What is known of one database.
#[derive(Debug, Clone, Default)]
struct Database {
    /// Default character set and collation, where known.
    text: Option<TextDefault>,
    /// Every table that is not listed does not exist: the database was made by a statement that was seen.
    complete: bool,
    /// There is no such database.
    gone: bool,
    tables: AHashMap<String, TableState>,
}

/// The definitions at one position of a log.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    databases: AHashMap<String, Database>,
}

impl Tables {
    /// Nothing is known of any table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// States what a table is.
    pub fn set(&mut self, database: &str, table: &str, state: TableState) {
        self.databases.entry(database.to_owned()).or_default().tables.insert(table.to_owned(), state);
    }

    /// States that a table is like this.
    pub fn insert(&mut self, def: TableDef) {
        let (database, table) = (def.database.clone(), def.table.clone());
        self.set(&database, &table, TableState::Is(Arc::new(def)));
    }

    /// States what a database's default character set and collation are.
    pub fn set_database(&mut self, database: &str, text: Option<TextDefault>) {
        let database = self.databases.entry(database.to_owned()).or_default();
        database.gone = false;
        database.text = text;
    }

    /// What is known of a table.
    #[must_use]
    pub fn get(&self, database: &str, table: &str) -> TableState {
        let Some(database) = self.databases.get(database) else { return TableState::Unknown };
        match database.tables.get(table) {
            Some(state) => state.clone(),
            None if database.complete => TableState::Gone,
            None => TableState::Unknown,
        }
    }

    /// All tables that are known, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<TableDef>> {
        self.databases.values().flat_map(|database| database.tables.values()).filter_map(|state| match state {
            TableState::Is(def) => Some(def),
            TableState::Gone | TableState::Unknown => None,
        })
    }

    /// Follows a statement of the log.
    pub fn apply(&mut self, statement: &[u8], context: &DdlContext<'_>) {
        for change in changes(statement, context, self) {
            self.change(change);
        }
    }

    /// Forgets everything.
    pub fn forget(&mut self) {
        self.databases.clear();
    }

    /// Takes one change.
    pub fn change(&mut self, change: Change) {
        match change {
            Change::Table { database, table, state } => self.set(&database, &table, state),
            Change::Database { database, text } => self.set_database(&database, text),
            Change::DatabaseGone(database) => {
                let gone = Database { complete: true, gone: true, ..Database::default() };
                self.databases.insert(database, gone);
            }
            Change::Unclear(Some(database)) => {
                self.databases.remove(&database);
            }
            Change::Unclear(None) => self.forget(),
        }
    }
}

impl Known for Tables {
    fn table(&mut self, database: &str, table: &str) -> TableState {
        self.get(database, table)
    }

    fn database(&mut self, database: &str) -> DatabaseState {
        match self.databases.get(database) {
            Some(Database { text: Some(text), .. }) => DatabaseState::Is(text.clone()),
            Some(database) if database.gone => DatabaseState::Gone,
            _ => DatabaseState::Unknown,
        }
    }
}
