//! How far a channel has come. Received and applied positions only ever move forward.
//!
//! The rule is held by the database itself, in the statement that writes, so that no second process and no stale
//! value in memory can set a position back. Files are ordered as [`crate::position::compare_files`] does: by the
//! number at the end when both have the same base, else as text.

use std::fmt;

use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};

use super::channel::require;
use super::{Store, StoreError, from_sql, now_ms, to_sql};
use crate::position::LogPosition;

/// A recorded position in the source's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The next event to be had from the source.
    pub position: LogPosition,
    /// UUID of the source, where it has one.
    pub source_uuid: Option<String>,
    /// The last transaction before the position, as text, where it has a name.
    pub gtid: Option<String>,
    /// When it was recorded, in milliseconds since 1970. Set by the store.
    pub updated_ms: u64,
}

impl Mark {
    /// A bare position.
    #[must_use]
    pub fn at(position: LogPosition) -> Self {
        Self { position, source_uuid: None, gtid: None, updated_ms: 0 }
    }
}

/// The three marks of a channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Where the user asked to begin.
    pub start: Option<Mark>,
    /// How far the relay log has what the source sent.
    pub received: Option<Mark>,
    /// How far the sink has it, durably.
    pub applied: Option<Mark>,
}

/// Which of a channel's marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkKind {
    /// See [`Progress::start`].
    Start,
    /// See [`Progress::received`].
    Received,
    /// See [`Progress::applied`].
    Applied,
}

impl MarkKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Received => "received",
            Self::Applied => "applied",
        }
    }
}

impl fmt::Display for MarkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The write is not done where it would go backwards; no row is changed then.
const RECORD: &str = "
    INSERT INTO progress (channel, kind, file, base, number, pos, source_uuid, gtid, updated_ms)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
    ON CONFLICT (channel, kind) DO UPDATE SET
        file = excluded.file, base = excluded.base, number = excluded.number, pos = excluded.pos,
        source_uuid = excluded.source_uuid, gtid = excluded.gtid, updated_ms = excluded.updated_ms
    WHERE CASE
        WHEN excluded.base = progress.base AND excluded.number IS NOT NULL AND progress.number IS NOT NULL
        THEN (excluded.number, excluded.pos) >= (progress.number, progress.pos)
        ELSE (excluded.file, excluded.pos) >= (progress.file, progress.pos)
    END";

impl Store {
    /// Sets where the channel begins, and forgets what it received and applied.
    ///
    /// # Errors
    /// When the database cannot be written, or the channel does not exist.
    pub fn set_start(&self, name: &str, mark: &Mark) -> Result<(), StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        require(&transaction, name)?;
        transaction.execute("DELETE FROM progress WHERE channel = ?1", [name])?;
        write(&transaction, name, MarkKind::Start, mark)?;
        transaction.commit()?;
        Ok(())
    }

    /// Records how far the relay log has come.
    ///
    /// # Errors
    /// [`StoreError::WentBackwards`] if more is recorded already, and when the database cannot be written.
    pub fn record_received(&self, name: &str, mark: &Mark) -> Result<(), StoreError> {
        self.record(name, MarkKind::Received, mark)
    }

    /// Records how far the sink has come. Synced when this returns.
    ///
    /// # Errors
    /// [`StoreError::WentBackwards`] if more is recorded already, and when the database cannot be written.
    pub fn record_applied(&self, name: &str, mark: &Mark) -> Result<(), StoreError> {
        self.record(name, MarkKind::Applied, mark)
    }

    /// Forgets all three marks and the last errors; options stay.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn reset_progress(&self, name: &str) -> Result<(), StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute("DELETE FROM progress WHERE channel = ?1", [name])?;
        transaction.execute("DELETE FROM last_error WHERE channel = ?1", [name])?;
        transaction.commit()?;
        Ok(())
    }

    fn record(&self, name: &str, kind: MarkKind, mark: &Mark) -> Result<(), StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        require(&transaction, name)?;
        if write(&transaction, name, kind, mark)? == 0
            && let Some(have) = load_mark(&transaction, name, kind)?
        {
            return Err(StoreError::WentBackwards { kind, have: have.position, asked: mark.position.clone() });
        }
        transaction.commit()?;
        Ok(())
    }
}

/// Returns how many rows were written: none if the mark would go backwards.
fn write(connection: &Connection, name: &str, kind: MarkKind, mark: &Mark) -> Result<usize, StoreError> {
    let file: &str = &mark.position.file;
    let (base, number) = split(file);
    let written = connection.prepare_cached(RECORD)?.execute(params![
        name,
        kind.as_str(),
        file,
        base,
        number,
        to_sql(mark.position.pos)?,
        mark.source_uuid,
        mark.gtid,
        to_sql(now_ms())?,
    ])?;
    Ok(written)
}

/// The base and number of a log file's name; no number where it has none, or one that SQLite cannot hold.
fn split(file: &str) -> (&str, Option<i64>) {
    match file.rsplit_once('.') {
        Some((base, digits)) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            (base, digits.parse().ok())
        }
        _ => (file, None),
    }
}

/// All marks of a channel.
pub(super) fn load(connection: &Connection, name: &str) -> Result<Progress, StoreError> {
    Ok(Progress {
        start: load_mark(connection, name, MarkKind::Start)?,
        received: load_mark(connection, name, MarkKind::Received)?,
        applied: load_mark(connection, name, MarkKind::Applied)?,
    })
}

fn load_mark(connection: &Connection, name: &str, kind: MarkKind) -> Result<Option<Mark>, StoreError> {
    let read = |row: &Row<'_>| {
        Ok(Mark {
            position: LogPosition::new(row.get::<_, String>(0)?, from_sql(row.get(1)?)),
            source_uuid: row.get(2)?,
            gtid: row.get(3)?,
            updated_ms: from_sql(row.get(4)?),
        })
    };
    let mark = connection
        .prepare_cached(
            "SELECT file, pos, source_uuid, gtid, updated_ms FROM progress WHERE channel = ?1 AND kind = ?2",
        )?
        .query_row(params![name, kind.as_str()], read)
        .optional()?;
    Ok(mark)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn open() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        store.save_options("", &BTreeMap::new(), &BTreeMap::new()).unwrap();
        (dir, store)
    }

    fn progress(store: &Store) -> Progress {
        store.load_channel("").unwrap().unwrap().progress
    }

    #[test]
    fn a_mark_comes_back_as_it_was_recorded() {
        let (_dir, store) = open();
        let mark = Mark {
            position: LogPosition::new("mysql-bin.000003", 1 << 40),
            source_uuid: Some("u".to_owned()),
            gtid: Some("u:5".to_owned()),
            updated_ms: 0,
        };
        store.record_received("", &mark).unwrap();
        let back = progress(&store).received.unwrap();
        assert!(back.updated_ms > 0);
        assert_eq!(Mark { updated_ms: 0, ..back }, mark);
    }

    #[test]
    fn file_one_million_is_progress_and_the_way_back_is_refused() {
        let (_dir, store) = open();
        store.record_applied("", &Mark::at(LogPosition::new("b.999999", 900))).unwrap();
        store.record_applied("", &Mark::at(LogPosition::new("b.1000000", 4))).unwrap();
        store.record_applied("", &Mark::at(LogPosition::new("b.1000000", 4))).unwrap();
        let error = store.record_applied("", &Mark::at(LogPosition::new("b.999999", 901))).unwrap_err();
        assert_eq!(error.to_string(), "the applied position would go back from b.1000000:4 to b.999999:901");
        assert_eq!(progress(&store).applied.unwrap().position, LogPosition::new("b.1000000", 4));
    }

    #[test]
    fn a_new_start_forgets_what_was_received_and_applied() {
        let (_dir, store) = open();
        store.record_received("", &Mark::at(LogPosition::new("b.000009", 900))).unwrap();
        store.record_applied("", &Mark::at(LogPosition::new("b.000009", 900))).unwrap();
        store.set_start("", &Mark::at(LogPosition::new("b.000001", 4))).unwrap();
        let now = progress(&store);
        assert_eq!(now.start.unwrap().position, LogPosition::new("b.000001", 4));
        assert_eq!((now.received, now.applied), (None, None));
        store.reset_progress("").unwrap();
        assert_eq!(progress(&store), Progress::default());
    }

    #[test]
    fn a_channel_must_exist_before_it_makes_progress() {
        let (_dir, store) = open();
        let mark = Mark::at(LogPosition::new("b.000001", 4));
        assert!(matches!(store.record_applied("x", &mark), Err(StoreError::NoSuchChannel { .. })));
        assert!(matches!(store.set_start("x", &mark), Err(StoreError::NoSuchChannel { .. })));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn checkpoint_never_moves_backwards(
            steps in prop::collection::vec(
                (prop::sample::select(vec!["b.000001", "b.000002", "b.999999", "b.1000000", "c.000001", "plain", "b.x"]),
                 0u64..4), 1..20),
        ) {
            let (_dir, store) = open();
            let mut have: Option<LogPosition> = None;
            for (file, pos) in steps {
                let asked = LogPosition::new(file, pos);
                let result = store.record_applied("", &Mark::at(asked.clone()));
                if have.as_ref().is_none_or(|have| asked >= *have) {
                    prop_assert!(result.is_ok());
                    have = Some(asked);
                } else {
                    let refused = matches!(result, Err(StoreError::WentBackwards { .. }));
                    prop_assert!(refused);
                }
                prop_assert_eq!(progress(&store).applied.map(|mark| mark.position), have.clone());
            }
        }
    }
}
