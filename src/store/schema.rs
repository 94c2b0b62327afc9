//! Versions of table definitions: what is known of a table from a position of the source's log on.
//!
//! A version is in force until the next one of its table, or one of its database or of everything, begins. Versions
//! before the applied position that no later position needs are deleted as others are added. What it does not do:
//! find out definitions (`crate::pipeline`).

use std::fmt;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::channel::require;
use super::progress;
use super::{Store, StoreError, from_sql, to_sql};
use crate::position::LogPosition;
use crate::schema::{TableDef, TextDefault};

/// What a version is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A table: database and name.
    Table(String, String),
    /// A database's default character set and collation.
    Text(String),
    /// All tables of a database.
    Database(String),
    /// All tables and databases.
    Everything,
    /// A temporary table of this name, which statements may mean instead of the table that has it.
    Temporary(String, String),
}

impl Subject {
    /// Any temporary table.
    #[must_use]
    pub fn any_temporary() -> Self {
        Self::Temporary(String::new(), "*".to_owned())
    }

    fn columns(&self) -> (&'static str, &str, &str) {
        match self {
            Self::Table(database, table) => ("table", database, table),
            Self::Text(database) => ("text", database, ""),
            Self::Database(database) => ("database", database, ""),
            Self::Everything => ("everything", "", ""),
            Self::Temporary(database, table) => ("text", database, table),
        }
    }

    fn from_columns(subject: &str, database: String, table: String) -> Self {
        match subject {
            "table" => Self::Table(database, table),
            "text" if table.is_empty() => Self::Text(database),
            "text" => Self::Temporary(database, table),
            "database" => Self::Database(database),
            _ => Self::Everything,
        }
    }
}

/// What is known of a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// The table is like this.
    Table(Arc<TableDef>),
    /// The database's default character set and collation are these.
    Text(TextDefault),
    /// There is none.
    Gone,
    /// Not known.
    Unknown,
}

/// How a version became known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The source's catalog.
    Catalog,
    /// A statement in the log.
    Ddl,
    /// A file that a user imported.
    Import,
}

impl Origin {
    fn as_str(self) -> &'static str {
        match self {
            Self::Catalog => "catalog",
            Self::Ddl => "ddl",
            Self::Import => "import",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is known of a subject from a position on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaVersion {
    /// What it is about.
    pub subject: Subject,
    /// From where on.
    pub position: LogPosition,
    /// What is known.
    pub state: State,
    /// How.
    pub origin: Origin,
}

impl Store {
    /// Adds versions, or replaces those of the same subject and position, and deletes what nobody needs any more. Synced
    /// when this returns.
    ///
    /// # Errors
    /// When the database cannot be written, or the channel does not exist.
    pub fn record_schema(&self, name: &str, source: &str, versions: &[SchemaVersion]) -> Result<(), StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        require(&transaction, name)?;
        let applied = progress::load(&transaction, name)?.applied.map(|mark| mark.position);
        for version in versions {
            write(&transaction, name, source, version)?;
        }
        if let Some(applied) = applied {
            for version in versions {
                compact(&transaction, name, source, &version.subject, &applied)?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    /// Adds versions that a user states, in place of all that was known from their positions on. Synced when this
    /// returns.
    ///
    /// # Errors
    /// When the database cannot be written, or the channel does not exist.
    pub fn import_schema(&self, name: &str, source: &str, versions: &[SchemaVersion]) -> Result<(), StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        require(&transaction, name)?;
        for version in versions {
            for known in read(&transaction, name, source, Some(&version.subject))? {
                if known.position >= version.position {
                    delete(&transaction, name, source, &known.subject, &known.position)?;
                }
            }
            write(&transaction, name, source, version)?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// All versions of a subject, in the order of their positions.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn schema_versions(
        &self,
        name: &str,
        source: &str,
        subject: &Subject,
    ) -> Result<Vec<SchemaVersion>, StoreError> {
        read(&self.connection(), name, source, Some(subject))
    }

    /// All versions that a channel has of a source, by subject and position; not those of temporary tables.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn all_schema_versions(&self, name: &str, source: &str) -> Result<Vec<SchemaVersion>, StoreError> {
        let mut versions = read(&self.connection(), name, source, None)?;
        versions.retain(|version| !matches!(version.subject, Subject::Temporary(..)));
        Ok(versions)
    }

    /// Forgets the versions of some tables; `None` forgets all but that names are those of temporary tables. Returns how many there were.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn forget_schema(&self, name: &str, tables: Option<&[Subject]>) -> Result<usize, StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let count = match tables {
            None => transaction.execute(
                "DELETE FROM schema_version WHERE channel = ?1 AND NOT (subject = 'text' AND table_name <> '')",
                [name],
            )?,
            Some(tables) => {
                let mut count = 0_usize;
                for subject in tables {
                    let (subject, database, table) = subject.columns();
                    count = count.saturating_add(transaction.execute(
                        "DELETE FROM schema_version WHERE channel = ?1 AND subject = ?2 AND database_name = ?3 AND table_name = ?4",
                        params![name, subject, database, table],
                    )?);
                }
                count
            }
        };
        transaction.commit()?;
        Ok(count)
    }

    /// The source is known now: what was imported before it was is about it.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn adopt_schema(&self, name: &str, source: &str) -> Result<(), StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute(
            "UPDATE OR REPLACE schema_version SET source = ?2 WHERE channel = ?1 AND source = '' AND origin = 'import'",
            [name, source],
        )?;
        transaction.commit()?;
        Ok(())
    }

    /// Remembers whether the source keeps names of tables in lower case.
    ///
    /// # Errors
    /// When the database cannot be written, or the channel does not exist.
    pub fn record_lower_case_names(&self, name: &str, source: &str, lower: bool) -> Result<(), StoreError> {
        if self.lower_case_names(name, source)? == Some(lower) {
            return Ok(());
        }
        let connection = self.connection();
        require(&connection, name)?;
        connection.execute(
            "INSERT OR REPLACE INTO schema_source (channel, source, lower_case_names) VALUES (?1, ?2, ?3)",
            params![name, source, lower],
        )?;
        Ok(())
    }

    /// Whether the source keeps names of tables in lower case; `None` if it has not been asked yet.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn lower_case_names(&self, name: &str, source: &str) -> Result<Option<bool>, StoreError> {
        let lower = self
            .connection()
            .prepare_cached("SELECT lower_case_names FROM schema_source WHERE channel = ?1 AND source = ?2")?
            .query_row(params![name, source], |row| row.get(0))
            .optional()?;
        Ok(lower)
    }
}

/// Deletes all that is known. Positions are names of files and offsets: after a RESET at the source they are other
/// places, and nothing here says which log they were of.
pub(super) fn forget(transaction: &Transaction<'_>, name: &str) -> Result<(), StoreError> {
    transaction.execute("DELETE FROM schema_version WHERE channel = ?1", [name])?;
    Ok(())
}

fn write(connection: &Connection, name: &str, source: &str, version: &SchemaVersion) -> Result<(), StoreError> {
    let (subject, database, table) = version.subject.columns();
    let (state, definition) = match &version.state {
        State::Table(def) => ("is", Some(to_json(&**def)?)),
        State::Text(text) => ("is", Some(to_json(text)?)),
        State::Gone => ("gone", None),
        State::Unknown => ("unknown", None),
    };
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO schema_version (channel, source, subject, database_name, table_name, file, pos, \
             state, definition, origin) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            name,
            source,
            subject,
            database,
            table,
            &*version.position.file,
            to_sql(version.position.pos)?,
            state,
            definition,
            version.origin.as_str(),
        ])?;
    Ok(())
}

/// Deletes the versions of a subject that are followed by another at or before the applied position.
fn compact(
    connection: &Connection,
    name: &str,
    source: &str,
    subject: &Subject,
    applied: &LogPosition,
) -> Result<(), StoreError> {
    let mut positions: Vec<LogPosition> = {
        let (subject, database, table) = subject.columns();
        connection
            .prepare_cached(
                "SELECT file, pos FROM schema_version WHERE channel = ?1 AND source = ?2 AND subject = ?3 \
                 AND database_name = ?4 AND table_name = ?5",
            )?
            .query_map(params![name, source, subject, database, table], |row| {
                Ok(LogPosition::new(row.get::<_, String>(0)?, from_sql(row.get(1)?)))
            })?
            .collect::<Result<_, _>>()?
    };
    positions.sort();
    let passed = positions.partition_point(|position| position <= applied);
    for position in positions.iter().take(passed.saturating_sub(1)) {
        delete(connection, name, source, subject, position)?;
    }
    Ok(())
}

fn delete(
    connection: &Connection,
    name: &str,
    source: &str,
    subject: &Subject,
    position: &LogPosition,
) -> Result<(), StoreError> {
    let (subject, database, table) = subject.columns();
    connection
        .prepare_cached(
            "DELETE FROM schema_version WHERE channel = ?1 AND source = ?2 AND subject = ?3 \
             AND database_name = ?4 AND table_name = ?5 AND file = ?6 AND pos = ?7",
        )?
        .execute(params![name, source, subject, database, table, &*position.file, to_sql(position.pos)?])?;
    Ok(())
}

fn read(
    connection: &Connection,
    name: &str,
    source: &str,
    subject: Option<&Subject>,
) -> Result<Vec<SchemaVersion>, StoreError> {
    let (kind, database, table) = subject.map_or((None, "", ""), |subject| {
        let (kind, database, table) = subject.columns();
        (Some(kind), database, table)
    });
    let mut statement = connection.prepare_cached(
        "SELECT subject, database_name, table_name, file, pos, state, definition, origin FROM schema_version \
         WHERE channel = ?1 AND source = ?2 \
         AND (?3 IS NULL OR (subject = ?3 AND database_name = ?4 AND table_name = ?5))",
    )?;
    let mut rows = statement.query(params![name, source, kind, database, table])?;
    let mut versions = Vec::new();
    while let Some(row) = rows.next()? {
        let (kind, state, origin): (String, String, String) = (row.get(0)?, row.get(5)?, row.get(7)?);
        let subject = Subject::from_columns(&kind, row.get(1)?, row.get(2)?);
        let definition: Option<String> = row.get(6)?;
        let state = match (state.as_str(), definition) {
            ("is", Some(text)) => is(&subject, &text)?,
            ("gone", _) => State::Gone,
            _ => State::Unknown,
        };
        versions.push(SchemaVersion {
            subject,
            position: LogPosition::new(row.get::<_, String>(3)?, from_sql(row.get(4)?)),
            state,
            origin: match origin.as_str() {
                "import" => Origin::Import,
                "ddl" => Origin::Ddl,
                _ => Origin::Catalog,
            },
        });
    }
    versions.sort_by(|a, b| (&a.subject, &a.position).cmp(&(&b.subject, &b.position)));
    Ok(versions)
}

fn to_json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Corrupt { what: error.to_string() })
}

fn is(subject: &Subject, text: &str) -> Result<State, StoreError> {
    let state = match subject {
        Subject::Table(..) => serde_json::from_str(text).map(|def| State::Table(Arc::new(def))),
        _ => serde_json::from_str(text).map(State::Text),
    };
    state.map_err(|error| StoreError::Corrupt { what: format!("a stored definition cannot be read: {error}") })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::schema::ColumnDef;
    use crate::store::Mark;

    const SOURCE: &str = "uuid";

    fn open() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        store.save_options("", &BTreeMap::new(), &BTreeMap::new()).unwrap();
        (dir, store)
    }

    fn table(name: &str, file: &str, pos: u64, column: &str) -> SchemaVersion {
        let column =
            ColumnDef { name: column.to_owned(), labels: Some(vec!["x".to_owned()].into()), ..ColumnDef::default() };
        let def = TableDef { table: name.to_owned(), columns: vec![column], ..TableDef::default() };
        SchemaVersion {
            subject: Subject::Table("d".to_owned(), name.to_owned()),
            position: LogPosition::new(file, pos),
            state: State::Table(Arc::new(def)),
            origin: Origin::Ddl,
        }
    }

    fn positions(store: &Store) -> Vec<String> {
        store.all_schema_versions("", SOURCE).unwrap().iter().map(|version| version.position.to_string()).collect()
    }

    #[test]
    fn versions_come_back_in_the_order_of_the_log_and_belong_to_one_source() {
        let (_dir, store) = open();
        let late = table("t", "b.1000000", 4, "late");
        let early = table("t", "b.999999", 900, "early");
        store.record_schema("", SOURCE, &[late.clone(), early.clone()]).unwrap();
        assert_eq!(store.schema_versions("", SOURCE, &late.subject).unwrap(), [early, late.clone()]);
        assert!(store.schema_versions("", "other", &late.subject).unwrap().is_empty());
        assert!(store.schema_versions("", SOURCE, &Subject::Everything).unwrap().is_empty());
    }

    #[test]
    fn what_no_later_position_needs_is_deleted() {
        let (_dir, store) = open();
        let versions = [10, 20, 30, 40].map(|pos| table("t", "b.1", pos, "c"));
        store.record_schema("", SOURCE, &versions).unwrap();
        assert_eq!(positions(&store).len(), 4);
        store.record_applied("", &Mark::at(LogPosition::new("b.1", 30))).unwrap();
        store.record_schema("", SOURCE, &[table("t", "b.1", 50, "c")]).unwrap();
        assert_eq!(positions(&store), ["b.1:30", "b.1:40", "b.1:50"]);
    }

    #[test]
    fn a_channel_that_begins_elsewhere_knows_nothing() {
        let (_dir, store) = open();
        store.record_schema("", SOURCE, &[10, 20].map(|pos| table("t", "b.2", pos, "c"))).unwrap();
        store.restart_channel("", &BTreeMap::new(), &BTreeMap::new()).unwrap();
        assert!(positions(&store).is_empty());
    }

    #[test]
    fn tables_are_forgotten_by_name_or_all_at_once() {
        let (_dir, store) = open();
        let versions = [table("t", "b.1", 10, "c"), table("u", "b.1", 10, "c")];
        store.record_schema("", SOURCE, &versions).unwrap();
        assert_eq!(store.forget_schema("", Some(&[versions[0].subject.clone()])).unwrap(), 1);
        assert_eq!(store.all_schema_versions("", SOURCE).unwrap(), versions[1..]);
        assert_eq!(store.forget_schema("", None).unwrap(), 1);
        assert_eq!(store.forget_schema("", None).unwrap(), 0);
    }

    #[test]
    fn an_import_replaces_what_was_known_from_there_on() {
        let (_dir, store) = open();
        let versions = [10, 20, 30].map(|pos| table("t", "b.1", pos, "old"));
        store.record_schema("", SOURCE, &versions).unwrap();
        let imported = SchemaVersion { origin: Origin::Import, ..table("t", "b.1", 20, "new") };
        store.import_schema("", SOURCE, std::slice::from_ref(&imported)).unwrap();
        assert_eq!(store.all_schema_versions("", SOURCE).unwrap(), [versions[0].clone(), imported]);
    }

    #[test]
    fn what_was_imported_before_the_source_was_known_is_about_it() {
        let (_dir, store) = open();
        let imported = SchemaVersion { origin: Origin::Import, ..table("t", "b.1", 20, "new") };
        store.import_schema("", "", std::slice::from_ref(&imported)).unwrap();
        store.adopt_schema("", SOURCE).unwrap();
        assert_eq!(store.all_schema_versions("", SOURCE).unwrap(), [imported]);
        assert!(store.all_schema_versions("", "").unwrap().is_empty());
    }

    #[test]
    fn how_the_source_treats_names_is_remembered() {
        let (_dir, store) = open();
        assert_eq!(store.lower_case_names("", SOURCE).unwrap(), None);
        for lower in [true, false] {
            store.record_lower_case_names("", SOURCE, lower).unwrap();
            assert_eq!(store.lower_case_names("", SOURCE).unwrap(), Some(lower));
        }
    }
}
