//! What is known of tables as the log goes on: versions from the store, and those that this run adds to it.
//!
//! Positions only grow during a run, so of a subject's versions only the one in force and those that an earlier run or
//! an import has placed further on are kept in memory.

use ahash::AHashMap;

use crate::position::LogPosition;
use crate::store::{Origin, SchemaVersion, State, Store, StoreError, Subject};

/// Subjects in memory at most; past it those that are stored are read again when needed.
const MAX_CACHED: usize = 4096;
/// Names of temporary tables that one run adds at most.
const MAX_HIDDEN: usize = 10_000;

/// Versions of definitions around the place that the applier has come to.
pub(super) struct History {
    store: Store,
    channel: String,
    source: String,
    versions: AHashMap<Subject, Vec<SchemaVersion>>,
    /// Not stored yet.
    pending: Vec<SchemaVersion>,
    /// Names of temporary tables that were added.
    hidden: usize,
}

/// Which versions count.
#[derive(Debug, Clone, Copy)]
pub(super) enum Until<'a> {
    /// Those that begin before a position.
    Before(&'a LogPosition),
    /// Those that begin at a position too.
    At(&'a LogPosition),
}

impl Until<'_> {
    fn covers(self, position: &LogPosition) -> bool {
        match self {
            Self::Before(end) => position < end,
            Self::At(end) => position <= end,
        }
    }
}

impl History {
    pub(super) fn new(store: Store, channel: String, source: String) -> Self {
        Self { store, channel, source, versions: AHashMap::new(), pending: Vec::new(), hidden: 0 }
    }

    /// Whether the source keeps names in lower case, as it said before.
    pub(super) fn lower_case_names(&self) -> Result<Option<bool>, StoreError> {
        self.store.lower_case_names(&self.channel, &self.source)
    }

    pub(super) fn set_lower_case_names(&self, lower: bool) -> Result<(), StoreError> {
        self.store.record_lower_case_names(&self.channel, &self.source, lower)
    }

    /// What is known of a table or of a database's collation; `None` if nothing was ever said about it.
    pub(super) fn in_force(&mut self, subject: &Subject, until: Until<'_>) -> Result<Option<State>, StoreError> {
        let mut found = self.newest(subject, until)?;
        let wider = match subject {
            Subject::Table(database, _) => vec![Subject::Database(database.clone()), Subject::Everything],
            _ => vec![Subject::Everything],
        };
        for subject in &wider {
            let other = self.newest(subject, until)?;
            // At the same place, what is said of one table is more than what is said of all.
            if other.as_ref().map(|(position, _)| position) > found.as_ref().map(|(position, _)| position) {
                found = other;
            }
        }
        Ok(found.map(|(_, state)| state))
    }

    fn newest(&mut self, subject: &Subject, until: Until<'_>) -> Result<Option<(LogPosition, State)>, StoreError> {
        let versions = self.load(subject)?;
        let newest = versions.iter().rev().find(|version| until.covers(&version.position));
        Ok(newest.map(|version| (version.position.clone(), version.state.clone())))
    }

    fn load(&mut self, subject: &Subject) -> Result<&mut Vec<SchemaVersion>, StoreError> {
        if self.versions.len() >= MAX_CACHED && !self.versions.contains_key(subject) {
            self.flush()?;
            self.versions.clear();
        }
        if !self.versions.contains_key(subject) {
            let stored = self.store.schema_versions(&self.channel, &self.source, subject)?;
            self.versions.insert(subject.clone(), stored);
        }
        Ok(self.versions.entry(subject.clone()).or_default())
    }

    /// Adds a version, or replaces the one of the same place.
    pub(super) fn record(&mut self, version: SchemaVersion) -> Result<(), StoreError> {
        let versions = self.load(&version.subject)?;
        // The place that the applier has come to: what is before it has been replaced.
        versions.retain(|known| known.position > version.position);
        versions.insert(0, version.clone());
        self.pending.push(version);
        Ok(())
    }

    /// Whether a temporary table has had this name: statements that name it may mean that one.
    pub(super) fn is_hidden(&mut self, database: &str, table: &str, at: &LogPosition) -> Result<bool, StoreError> {
        let until = Until::At(at);
        let name = Subject::Temporary(database.to_owned(), table.to_owned());
        Ok(self.newest(&name, until)?.is_some() || self.newest(&Subject::any_temporary(), until)?.is_some())
    }

    /// Remembers that a temporary table has this name; past [`MAX_HIDDEN`] any name may be that of one.
    pub(super) fn hide(&mut self, database: &str, table: &str, at: &LogPosition) -> Result<(), StoreError> {
        if self.is_hidden(database, table, at)? {
            return Ok(());
        }
        self.hidden = self.hidden.saturating_add(1);
        let subject = match self.hidden {
            0..MAX_HIDDEN => Subject::Temporary(database.to_owned(), table.to_owned()),
            _ => Subject::any_temporary(),
        };
        let position = at.clone();
        self.record(SchemaVersion { subject, position, state: State::Unknown, origin: Origin::Ddl })
    }

    /// Stores what was added. To be called before anything that comes behind it in the log can become a checkpoint.
    pub(super) fn flush(&mut self) -> Result<(), StoreError> {
        if !self.pending.is_empty() {
            self.store.record_schema(&self.channel, &self.source, &self.pending)?;
            self.pending.clear();
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn open() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        store.save_options("", &BTreeMap::new(), &BTreeMap::new()).unwrap();
        (dir, store)
    }

    fn history(store: &Store) -> History {
        History::new(store.clone(), String::new(), "u".to_owned())
    }

    fn at(pos: u64) -> LogPosition {
        LogPosition::new("b.000001", pos)
    }

    fn table() -> Subject {
        Subject::Table("d".to_owned(), "t".to_owned())
    }

    fn version(subject: Subject, pos: u64, state: State) -> SchemaVersion {
        SchemaVersion { subject, position: at(pos), state, origin: Origin::Ddl }
    }

    fn is(name: &str) -> State {
        State::Table(std::sync::Arc::new(crate::schema::TableDef { table: name.to_owned(), ..Default::default() }))
    }

    #[test]
    fn the_newest_version_up_to_a_position_is_in_force_also_after_a_restart() {
        let (_dir, store) = open();
        let mut first = history(&store);
        assert_eq!(first.in_force(&table(), Until::At(&at(99))).unwrap(), None);
        first.record(version(table(), 10, is("a"))).unwrap();
        first.flush().unwrap();
        first.record(version(table(), 20, is("b"))).unwrap();
        first.flush().unwrap();
        assert_eq!(first.in_force(&table(), Until::At(&at(25))).unwrap(), Some(is("b")));
        let mut again = history(&store);
        for (until, expected) in [
            (Until::At(&at(9)), None),
            (Until::At(&at(10)), Some(is("a"))),
            (Until::Before(&at(20)), Some(is("a"))),
            (Until::At(&at(20)), Some(is("b"))),
        ] {
            assert_eq!(again.in_force(&table(), until).unwrap(), expected, "{until:?}");
        }
    }

    #[test]
    fn what_was_not_flushed_is_lost_with_the_process() {
        let (_dir, store) = open();
        history(&store).record(version(table(), 10, is("a"))).unwrap();
        assert_eq!(history(&store).in_force(&table(), Until::At(&at(10))).unwrap(), None);
    }

    #[test]
    fn a_database_that_goes_takes_its_tables_along_until_they_are_made_again() {
        let (_dir, store) = open();
        let mut history = history(&store);
        history.record(version(table(), 10, is("a"))).unwrap();
        history.record(version(Subject::Database("d".to_owned()), 20, State::Gone)).unwrap();
        assert_eq!(history.in_force(&table(), Until::At(&at(15))).unwrap(), Some(is("a")));
        assert_eq!(history.in_force(&table(), Until::At(&at(20))).unwrap(), Some(State::Gone));
        history.record(version(Subject::Everything, 30, State::Unknown)).unwrap();
        assert_eq!(history.in_force(&table(), Until::At(&at(30))).unwrap(), Some(State::Unknown));
        history.record(version(table(), 30, is("b"))).unwrap();
        assert_eq!(history.in_force(&table(), Until::At(&at(30))).unwrap(), Some(is("b")));
        let other = Subject::Table("e".to_owned(), "t".to_owned());
        assert_eq!(history.in_force(&other, Until::At(&at(25))).unwrap(), None);
    }

    #[test]
    fn a_name_that_a_temporary_table_has_had_is_remembered_whatever_else_is_forgotten() {
        let (_dir, store) = open();
        let mut first = history(&store);
        first.hide("d", "t", &at(10)).unwrap();
        first.record(version(Subject::Everything, 20, State::Unknown)).unwrap();
        first.flush().unwrap();
        store.forget_schema("", None).unwrap();
        let mut again = history(&store);
        for (table, pos, hidden) in [("t", 10, true), ("t", 30, true), ("t", 9, false), ("u", 30, false)] {
            assert_eq!(again.is_hidden("d", table, &at(pos)).unwrap(), hidden, "{table} {pos}");
        }
        again.hidden = MAX_HIDDEN;
        again.hide("d", "v", &at(40)).unwrap();
        assert!(again.is_hidden("d", "u", &at(40)).unwrap() && !again.is_hidden("d", "u", &at(39)).unwrap());
    }

    #[test]
    fn an_import_further_on_waits_for_its_place() {
        let (_dir, store) = open();
        let import = SchemaVersion { origin: Origin::Import, ..version(table(), 50, is("imported")) };
        store.record_schema("", "u", &[import]).unwrap();
        let mut history = history(&store);
        history.record(version(table(), 20, is("a"))).unwrap();
        assert_eq!(history.in_force(&table(), Until::At(&at(49))).unwrap(), Some(is("a")));
        assert_eq!(history.in_force(&table(), Until::At(&at(50))).unwrap(), Some(is("imported")));
    }
}
