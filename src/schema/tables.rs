//! Table definitions in memory, moved along by the statements of a log.
//!
//! What is here is right at the position up to which statements were [applied](Tables::apply), or it is unknown. A log
//! does not say whether its server tells `Orders` from `orders` (`lower_case_table_names`). So of names that differ only
//! by case, the one that a statement used last is known under that spelling, and the others are not known: they are
//! other tables, or the same one changed. What it does not do: remember earlier positions, or hold what it says against
//! the log's table maps (`row/fit.rs` does).

use std::sync::Arc;

use ahash::{AHashMap, AHashSet};

use super::ddl::{
    Change, DatabaseState, DdlContext, Known, TableState, Touches, changes, lower_case, temporary, touches,
};
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

/// Names that temporary tables have had.
#[derive(Debug, Clone, Default)]
struct Hidden {
    names: AHashSet<(String, String)>,
    /// There were too many to be told apart.
    all: bool,
}

impl Hidden {
    /// Names at most, some ten megabytes.
    const MAX: usize = 100_000;

    fn has(&self, database: &str, table: &str) -> bool {
        self.all || self.names.contains(&(lower_case(database), lower_case(table)))
    }

    fn add(&mut self, database: &str, table: &str) {
        self.all |= self.names.len() >= Self::MAX;
        if !self.all {
            self.names.insert((lower_case(database), lower_case(table)));
        }
    }
}

/// The definitions at one position of a log.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    databases: AHashMap<String, Database>,
    hidden: Hidden,
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
        if let Touches::Tables(names) = touches(statement, context) {
            // A temporary table may get another name: RENAME TABLE is logged like that of any table.
            let temporary = temporary(statement, context).hides()
                || names.iter().any(|(database, table)| self.hidden.has(database, table));
            for (database, table) in names.iter().filter(|_| temporary) {
                self.hidden.add(database, table);
            }
        }
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
    /// A statement may mean a temporary table; rows that are logged never do.
    fn table(&mut self, database: &str, table: &str) -> TableState {
        if self.hidden.has(database, table) {
            return TableState::Unknown;
        }
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
    fn a_statement_about_a_temporary_table_leaves_the_one_of_its_name_alone_or_unknown() {
        let begin = "create database d; create table t (a int, b int); create temporary table t (b int, a int)";
        for (statement, table, expected) in [
            ("create table x (y int)", "t", "a,b"),
            ("alter table t change b q int", "t", "?"),
            ("alter table T change b q int", "t", "?"),
            ("create table u like t", "u", "?"),
            ("rename table t to v", "v", "?"),
            ("rename table t to v; create table v (c int); alter table v change c e int", "v", "?"),
            ("rename table t to v; create table if not exists t (c int)", "t", "?"),
            ("drop temporary table t; drop table t; create table t (c int)", "t", "c"),
        ] {
            for temporary in ["create temporary", "create or replace temporary"] {
                let statements = format!("{}; {statement}", begin.replace("create temporary", temporary));
                assert_eq!(behind(&statements, "d", table), expected, "{table} behind {statements}");
            }
        }
    }

    #[test]
    fn a_statement_that_used_a_temporary_table_tells_nothing_of_others() {
        let mut tables = Tables::new();
        let mut context = DdlContext { database: "d", server_version: "11.8.2-MariaDB", ..DdlContext::default() };
        tables.apply(b"create table t (a int)", &context);
        context.uses_temporary = true;
        tables.apply(b"create table u like t", &context);
        assert_eq!(tables.get("d", "u"), TableState::Unknown);
        tables.apply(b"alter table t change a b int", &context);
        assert_eq!(tables.get("d", "t"), TableState::Unknown);
        // MariaDB marks all of these.
        tables.apply(b"drop table t", &context);
        assert_eq!(tables.get("d", "t"), TableState::Gone);
        tables.apply(b"create or replace table w (a int)", &context);
        assert!(matches!(tables.get("d", "w"), TableState::Is(_)));
    }

    #[test]
    fn a_table_renamed_to_one_that_is_there_is_not_the_table_that_was_known() {
        let rename = "create table t (a int); create table u (b int); rename table t to u";
        assert_eq!((behind(rename, "d", "u"), behind(rename, "d", "t")), ("?".to_owned(), "?".to_owned()));
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
    fn a_column_that_is_not_found_under_its_name_leaves_nothing_known() {
        for (statements, expected) in [
            ("create table t (`İ` int, `ﬁ` int); alter table t rename column i to y", "y,ﬁ"),
            ("create table t (x int, `ı` int); alter table t rename column I to y", "?"),
            ("create table t (x int); alter table t drop column y", "?"),
            ("create table t (x int); alter table t rename column y to z", "?"),
            ("create table t (x int, y int); alter table t drop column if exists z", "x,y"),
            ("create table t (x int, `ı` int); alter table t drop column if exists I", "?"),
            ("create table t (x int, `ı` int); alter table t rename column if exists I to y", "?"),
            ("create table t (x int, `ı` int); alter table t add column if not exists I int", "?"),
            ("create table t (x int, y int); alter table t rename column X to z, drop column Y", "z"),
            ("create table t (x text unique, y int); alter table t drop column x, add column x text", "?"),
            ("create table t (x text) charset latin1; alter table t convert to charset utf8mb4, modify x text", "?"),
        ] {
            assert_eq!(behind(statements, "d", "t"), expected, "{statements}");
        }
    }

    #[test]
    fn work_on_partitions_leaves_columns_alone() {
        for work in [
            "reorganize partition p0, p1 into (partition p0 values less than (5), partition p1 values less than (9))",
            "reorganize partition p0 into (partition p2 values less than (5))",
            "drop partition if exists p0, p1",
            "add partition (partition p2 values less than (9)), algorithm=inplace",
            "truncate partition p0, p1",
            "algorithm=inplace, rebuild partition p0, p1",
        ] {
            let table = "create table t (a int, b int) partition by range (a) (partition p0 values less than (3))";
            assert_eq!(behind(&format!("{table}; alter table t {work}"), "d", "t"), "a,b", "{work}");
        }
    }

    #[test]
    fn a_view_may_be_what_a_conditional_create_found() {
        for view in [
            "create view t as select 1 a, 2 b",
            "create or replace algorithm=merge definer=`a`@`b` view d.t as select 1 a",
        ] {
            let begin = format!("create database d; {view}; create table if not exists t (a int)");
            assert_eq!(behind(&begin, "d", "t"), "?");
            let then = format!("{begin}; drop view if exists t; create table if not exists t (x int)");
            assert_eq!(behind(&then, "d", "t"), "?");
            assert_eq!(behind(&format!("{begin}; drop view t; create table t (x int)"), "d", "t"), "x");
        }
        assert_eq!(behind("create table t (a int); create view v as select a from t; drop view v", "d", "t"), "a");
    }

    #[test]
    fn a_statement_beyond_all_bounds_is_not_understood_and_takes_no_time() {
        let begun = std::time::Instant::now();
        let list = |part: fn(usize) -> String| (0..40_000).map(part).collect::<Vec<_>>().join(", ");
        let adds = list(|n| format!("add c{n} int"));
        let begin = "create database d; create table t (a int)";
        assert_eq!(behind(&format!("{begin}; alter table t {adds}"), "d", "t"), "?");
        let columns = list(|n| format!("c{n} int"));
        assert_eq!(behind(&format!("{begin}; alter table t add ({columns})"), "d", "t"), "?");
        assert_eq!(behind(&format!("{begin}; create table u ({columns})"), "d", "u"), "?");
        let renames = list(|n| format!("r{n} to q{n}"));
        assert_eq!(behind(&format!("{begin}; rename table {renames}, t to u"), "d", "u"), "?");
        let rows = list(|n| format!("({n})")).repeat(20);
        assert_eq!(behind(&format!("{begin}; insert into t values {rows}"), "d", "t"), "a");
        assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{:?}", begun.elapsed());
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
