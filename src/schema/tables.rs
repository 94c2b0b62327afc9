//! Table definitions in memory, moved along by the statements of a log.
//!
//! What is here is right at the position up to which statements were [applied](Tables::apply), or it is unknown. A log
//! does not say whether its server tells `Orders` from `orders` (`lower_case_table_names`). So of names that differ only
//! by case, the one that a statement used last is known under that spelling, and the others are not known: they are
//! other tables, or the same one changed. What it does not do: remember earlier positions, or hold what it says against
//! the log's table maps (`row/fit.rs` does).

use std::sync::Arc;

use ahash::AHashMap;

use super::ddl::{Change, DatabaseState, DdlContext, Known, TableState, changes, lower_case};
use super::{TableDef, TextDefault};

/// What is known of one database.
#[derive(Debug, Clone, Default)]
struct Database {
    /// The name as a statement wrote it last. What follows, but for the tables, is about that one.
    name: String,
    /// Default character set and collation, where known.
    text: Option<TextDefault>,
    /// Every table that is not listed does not exist: the database was made by a statement that was seen.
    complete: bool,
    /// There is no such database.
    gone: bool,
    tables: AHashMap<String, Table>,
}

/// What is known of the table of one spelling.
#[derive(Debug, Clone)]
struct Table {
    database: String,
    name: String,
    state: TableState,
}

/// The definitions at one position of a log.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    databases: AHashMap<String, Database>,
    exact: bool,
}

impl Tables {
    /// Nothing is known of any table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Nothing is known of any table, and names that differ by case are different names.
    #[must_use]
    pub fn exact() -> Self {
        Self { exact: true, ..Self::default() }
    }

    fn key(&self, name: &str) -> String {
        if self.exact { name.to_owned() } else { lower_case(name) }
    }

    fn entry(&mut self, database: &str) -> &mut Database {
        let key = self.key(database);
        self.databases.entry(key).or_insert_with(|| Database { name: database.to_owned(), ..Database::default() })
    }

    /// States what a table is.
    pub fn set(&mut self, database: &str, table: &str, state: TableState) {
        let key = self.key(table);
        let known = Table { database: database.to_owned(), name: table.to_owned(), state };
        self.entry(database).tables.insert(key, known);
    }

    /// States that a table is like this.
    pub fn insert(&mut self, def: TableDef) {
        let (database, table) = (def.database.clone(), def.table.clone());
        self.set(&database, &table, TableState::Is(Arc::new(def)));
    }

    /// States what a database's default character set and collation are.
    pub fn set_database(&mut self, name: &str, text: Option<TextDefault>) {
        let database = self.entry(name);
        database.complete &= database.name == name;
        name.clone_into(&mut database.name);
        database.gone = false;
        database.text = text;
    }

    /// What is known of a table.
    #[must_use]
    pub fn get(&self, database: &str, table: &str) -> TableState {
        let Some(known) = self.databases.get(&self.key(database)) else { return TableState::Unknown };
        match known.tables.get(&self.key(table)) {
            Some(known) if known.database == database && known.name == table => known.state.clone(),
            None if known.complete && known.name == database => TableState::Gone,
            _ => TableState::Unknown,
        }
    }

    /// All tables that are known, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<TableDef>> {
        let tables = self.databases.values().flat_map(|database| database.tables.values());
        tables.filter_map(|table| match &table.state {
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
            Change::DatabaseGone(name) => {
                let key = self.key(&name);
                self.databases.insert(key, Database { name, complete: true, gone: true, ..Database::default() });
            }
            Change::Unclear(Some(name)) => {
                self.databases.remove(&self.key(&name));
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
        let known = self.databases.get(&self.key(database)).filter(|known| known.name == database);
        match known {
            Some(Database { text: Some(text), .. }) => DatabaseState::Is(text.clone()),
            Some(database) if database.gone => DatabaseState::Gone,
            _ => DatabaseState::Unknown,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    /// What is known of a table behind statements: its columns, `gone` or `?`.
    fn behind(statements: &str, database: &str, table: &str) -> String {
        let mut tables = Tables::new();
        let context = DdlContext { database: "d", server_version: "11.8.2-MariaDB", ..DdlContext::default() };
        for statement in statements.split("; ") {
            tables.apply(statement.as_bytes(), &context);
        }
        match tables.get(database, table) {
            TableState::Is(def) => def.columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(","),
            TableState::Gone => "gone".to_owned(),
            TableState::Unknown => "?".to_owned(),
        }
    }

    #[test]
    fn a_name_in_other_case_may_be_the_same_table() {
        for (statements, table, expected) in [
            ("create table t (a int, b int)", "t", "a,b"),
            ("create table t (a int, b int)", "T", "?"),
            ("create table t (a int, b int); alter table T rename column a to z", "t", "?"),
            ("create table t (a int); rename table T to u; create table X (x int); rename table x to T", "t", "?"),
            ("create table t (a int); drop table T", "t", "?"),
            ("create table t (a int); alter table t rename to T", "T", "a"),
            ("create table t (a int); alter table t rename to T", "t", "?"),
            ("create database d; create table T (a int); create table if not exists t (b int)", "t", "?"),
            ("create database d; create table T (a int); create table if not exists t (b int)", "T", "?"),
            ("create table t (a int); alter table D.t rename column a to z", "t", "?"),
            ("create table t (a int); drop database D", "t", "?"),
            ("drop database d; create table D.t (a int); create table if not exists t (b int)", "t", "?"),
            ("create table ΟΔΟΣ (a int); alter table `οδοσ` rename column a to z", "ΟΔΟΣ", "?"),
            ("create table İ (a int); alter table i rename column a to z", "İ", "?"),
        ] {
            assert_eq!(behind(statements, "d", table), expected, "{table} behind {statements}");
        }
    }

    #[test]
    fn a_statement_that_renames_in_both_cases_leaves_nothing_known_wrongly() {
        let rename = "create database d; create table t (a int); create table u (b int); create table x (y int); \
                      drop table x; rename table if exists t to v, u to T, t to x";
        assert_eq!(behind(rename, "d", "x"), "?");
        let default = "create database d character set latin1; alter database D character set utf8mb4; \
                       create table t (a varchar(9))";
        let mut tables = Tables::new();
        for statement in default.split("; ") {
            let context = DdlContext { database: "d", server_version: "9.7.0", ..DdlContext::default() };
            tables.apply(statement.as_bytes(), &context);
        }
        let TableState::Is(def) = tables.get("d", "t") else { panic!("unknown") };
        assert_eq!(def.columns[0].charset, None);
    }

    #[test]
    fn where_names_are_exact_both_spellings_are_known() {
        let mut tables = Tables::exact();
        for name in ["t", "T"] {
            tables.insert(TableDef { database: "d".to_owned(), table: name.to_owned(), ..TableDef::default() });
        }
        assert_eq!(tables.iter().count(), 2);
        assert!(matches!(tables.get("d", "t"), TableState::Is(def) if def.table == "t"));
    }
}
