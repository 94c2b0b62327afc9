//! What becomes of stored versions of definitions besides being read and written: those of a source that was not known
//! yet become the source's.

use rusqlite::{Transaction, TransactionBehavior, params};

use super::schema::{Origin, SchemaVersion, Subject, delete, read, write};
use super::{Store, StoreError};
use crate::schema::ddl::lower_case;

impl Store {
    /// Makes what was imported before the channel met its source this source's, with names as the source keeps them.
    /// Synced when this returns.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn adopt_schema(&self, name: &str, source: &str, lower_case_names: bool) -> Result<(), StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut moved = Vec::new();
        if !source.is_empty() {
            moved = read(&transaction, name, "", None)?;
            transaction.execute("DELETE FROM schema_version WHERE channel = ?1 AND source = ''", [name])?;
        }
        if lower_case_names {
            moved.extend(take_imports_to_fold(&transaction, name, source)?);
        }
        moved.sort_by(|a, b| a.position.cmp(&b.position));
        for version in &mut moved {
            if lower_case_names {
                version.subject = folded(&version.subject);
            }
            if version.origin == Origin::Import {
                forget_from(&transaction, name, source, version)?;
            }
            write(&transaction, name, source, version)?;
        }
        transaction.commit()?;
        Ok(())
    }
}

/// Removes and returns the imports whose names are not in lower case.
fn take_imports_to_fold(
    transaction: &Transaction<'_>,
    name: &str,
    source: &str,
) -> Result<Vec<SchemaVersion>, StoreError> {
    let imports: i64 = transaction.query_row(
        "SELECT COUNT(*) FROM schema_version WHERE channel = ?1 AND source = ?2 AND origin = 'import'",
        params![name, source],
        |row| row.get(0),
    )?;
    if imports == 0 {
        return Ok(Vec::new());
    }
    let mut versions = read(transaction, name, source, None)?;
    versions.retain(|version| version.origin == Origin::Import && folded(&version.subject) != version.subject);
    for version in &versions {
        delete(transaction, name, source, &version.subject, &version.position)?;
    }
    Ok(versions)
}

fn folded(subject: &Subject) -> Subject {
    match subject {
        Subject::Table(database, table) => Subject::Table(lower_case(database), lower_case(table)),
        other => other.clone(),
    }
}

/// Deletes what is known of a version's subject from its position on.
pub(super) fn forget_from(
    transaction: &Transaction<'_>,
    name: &str,
    source: &str,
    version: &SchemaVersion,
) -> Result<(), StoreError> {
    for known in read(transaction, name, source, Some(&version.subject))? {
        if known.position >= version.position {
            delete(transaction, name, source, &known.subject, &known.position)?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::super::State;
    use super::*;
    use crate::position::LogPosition;
    use crate::schema::TableDef;

    const SOURCE: &str = "uuid";

    fn open() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        store.save_options("", &BTreeMap::new(), &BTreeMap::new()).unwrap();
        (dir, store)
    }

    fn version(subject: Subject, pos: u64, origin: Origin) -> SchemaVersion {
        let state = State::Table(Arc::new(TableDef::default()));
        SchemaVersion { subject, position: LogPosition::new("b.1", pos), state, origin }
    }

    fn table(name: &str) -> Subject {
        Subject::Table("d".to_owned(), name.to_owned())
    }

    fn known(store: &Store, source: &str) -> Vec<String> {
        let all = store.all_schema_versions("", source).unwrap();
        let text = |version: &SchemaVersion| match &version.subject {
            Subject::Table(database, table) => {
                format!("{database}.{table} {} {}", version.position.pos, version.origin)
            }
            other => format!("{other:?} {}", version.position.pos),
        };
        all.iter().map(text).collect()
    }

    #[test]
    fn what_was_imported_before_the_source_was_known_becomes_the_sources() {
        let (_dir, store) = open();
        store.import_schema("", "", &[10, 20].map(|pos| version(table("T"), pos, Origin::Import))).unwrap();
        store.adopt_schema("", SOURCE, false).unwrap();
        store.adopt_schema("", SOURCE, false).unwrap();
        assert_eq!(known(&store, SOURCE), ["d.T 10 import", "d.T 20 import"]);
        assert!(known(&store, "").is_empty());
    }

    #[test]
    fn an_import_is_found_by_the_names_that_the_source_keeps_in_lower_case() {
        for source in [SOURCE, ""] {
            let (_dir, store) = open();
            store.import_schema("", "", &[version(table("T"), 10, Origin::Import)]).unwrap();
            store.record_schema("", source, &[5, 15].map(|pos| version(table("t"), pos, Origin::Ddl))).unwrap();
            store.adopt_schema("", source, true).unwrap();
            assert_eq!(known(&store, source), ["d.t 5 ddl", "d.t 10 import"], "{source:?}");
        }
    }

    #[test]
    fn a_later_import_takes_the_place_of_one_from_before_the_source_was_known() {
        let (_dir, store) = open();
        store.import_schema("", "", &[version(table("t"), 20, Origin::Import)]).unwrap();
        store.import_schema("", SOURCE, &[version(table("t"), 10, Origin::Import)]).unwrap();
        store.adopt_schema("", SOURCE, false).unwrap();
        assert_eq!(known(&store, SOURCE), ["d.t 10 import"]);
    }
}
