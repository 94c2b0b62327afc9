//! The database's layout, as the list of steps that lead to it. `PRAGMA user_version` counts the steps taken.
//!
//! Steps are only ever added at the end; a step that has been released is never changed.

use rusqlite::{Connection, TransactionBehavior};

use super::StoreError;

/// One step a line of history.
const STEPS: &[&str] = &[
    "
    CREATE TABLE channel (
        name        TEXT PRIMARY KEY NOT NULL,
        created_ms  INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE channel_option (
        channel  TEXT NOT NULL REFERENCES channel (name) ON DELETE CASCADE,
        key      TEXT NOT NULL,
        value    TEXT NOT NULL,
        PRIMARY KEY (channel, key)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE channel_secret (
        channel  TEXT NOT NULL REFERENCES channel (name) ON DELETE CASCADE,
        key      TEXT NOT NULL,
        value    TEXT NOT NULL,
        PRIMARY KEY (channel, key)
    ) STRICT, WITHOUT ROWID;

    -- A position: file = base || '.' || digits, and number = those digits as a number, where it has such an end.
    CREATE TABLE progress (
        channel      TEXT NOT NULL REFERENCES channel (name) ON DELETE CASCADE,
        kind         TEXT NOT NULL CHECK (kind IN ('start', 'received', 'applied')),
        file         TEXT NOT NULL,
        base         TEXT NOT NULL,
        number       INTEGER CHECK (number >= 0),
        pos          INTEGER NOT NULL CHECK (pos >= 0),
        source_uuid  TEXT,
        gtid         TEXT,
        updated_ms   INTEGER NOT NULL,
        PRIMARY KEY (channel, kind)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE last_error (
        channel  TEXT NOT NULL REFERENCES channel (name) ON DELETE CASCADE,
        kind     TEXT NOT NULL CHECK (kind IN ('io', 'sql')),
        number   INTEGER NOT NULL,
        message  TEXT NOT NULL,
        at_ms    INTEGER NOT NULL,
        PRIMARY KEY (channel, kind)
    ) STRICT, WITHOUT ROWID;

    -- Not a part of the channel: a channel that is set up again is the same replica to its source.
    CREATE TABLE identity (
        channel       TEXT PRIMARY KEY NOT NULL,
        server_id     INTEGER NOT NULL CHECK (server_id BETWEEN 1 AND 4294967295),
        replica_uuid  TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
",
    "
    -- What is known of tables from a position on. Definitions are JSON; that of a database is its default
    -- character set and collation.
    CREATE TABLE schema_version (
        channel        TEXT NOT NULL REFERENCES channel (name) ON DELETE CASCADE,
        source         TEXT NOT NULL,
        subject        TEXT NOT NULL CHECK (subject IN ('table', 'text', 'database', 'everything')),
        database_name  TEXT NOT NULL,
        table_name     TEXT NOT NULL,
        file           TEXT NOT NULL,
        pos            INTEGER NOT NULL CHECK (pos >= 0),
        state          TEXT NOT NULL CHECK (state IN ('is', 'gone', 'unknown')),
        definition     TEXT CHECK ((definition IS NOT NULL) = (state = 'is')),
        origin         TEXT NOT NULL CHECK (origin IN ('catalog', 'ddl', 'import')),
        PRIMARY KEY (channel, source, subject, database_name, table_name, file, pos)
    ) STRICT, WITHOUT ROWID;

    -- How the source treats names (lower_case_table_names).
    CREATE TABLE schema_source (
        channel           TEXT NOT NULL REFERENCES channel (name) ON DELETE CASCADE,
        source            TEXT NOT NULL,
        lower_case_names  INTEGER NOT NULL,
        PRIMARY KEY (channel, source)
    ) STRICT, WITHOUT ROWID;
",
];

/// Takes the steps that the database has not taken yet, in one transaction.
pub(super) fn run(connection: &mut Connection) -> Result<(), StoreError> {
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    if version(connection)? == known {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&transaction)?;
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    for step in STEPS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", known)?;
    transaction.commit()?;
    Ok(())
}

fn version(connection: &Connection) -> Result<i64, StoreError> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn migrations_run_once_and_a_newer_layout_is_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        run(&mut connection).unwrap();
        run(&mut connection).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(run(&mut connection), Err(StoreError::Newer { found: 99, .. })));
    }

    #[test]
    fn a_failed_step_leaves_the_database_as_it_was() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE identity (x INTEGER)").unwrap();
        assert!(run(&mut connection).is_err());
        assert_eq!(version(&connection).unwrap(), 0);
        let tables: i64 = connection
            .query_row("SELECT count(*) FROM sqlite_schema WHERE type='table'", [], |row| row.get(0))
            .unwrap();
        assert_eq!(tables, 1);
    }
}
