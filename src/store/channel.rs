//! Channels: their options, secrets, identity and last errors.

use std::collections::BTreeMap;
use std::fmt;

use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};

use super::progress::{self, Progress};
use super::schema;
use super::{Store, StoreError, from_sql, now_ms, to_sql};
use crate::secret::Secret;

/// All that is stored about one channel.
#[derive(Debug, Clone, Default)]
pub struct ChannelRecord {
    /// Its name; empty for the default channel.
    pub name: String,
    /// Options by key, without secrets.
    pub options: BTreeMap<String, String>,
    /// Options that must not be shown, by key.
    pub secrets: BTreeMap<String, Secret>,
    /// How far it has come.
    pub progress: Progress,
    /// What last stopped or troubled the receiver.
    pub io_error: Option<LastError>,
    /// What last stopped or troubled the applier.
    pub sql_error: Option<LastError>,
}

/// A channel's last error of one kind, as `status` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastError {
    /// The server's error number, or our own.
    pub number: u32,
    /// Text, without secrets and row values.
    pub message: String,
    /// Milliseconds since 1970.
    pub at_ms: u64,
}

/// Which half of a channel an error belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The receiver: MySQL's IO thread.
    Io,
    /// The applier: MySQL's SQL thread.
    Sql,
}

impl ErrorKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Io => "io",
            Self::Sql => "sql",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who we are to a source. Drawn once and kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// `server_id`, 1 to 2^32 - 1.
    pub server_id: u32,
    /// What we announce as `@replica_uuid`.
    pub replica_uuid: String,
}

impl Store {
    /// Names of all channels, in order.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn channels(&self) -> Result<Vec<String>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT name FROM channel ORDER BY name")?;
        let names = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok(names)
    }

    /// What is known of a channel; `None` if it was never set up.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn load_channel(&self, name: &str) -> Result<Option<ChannelRecord>, StoreError> {
        let mut connection = self.connection();
        // One read transaction: options and progress of the same moment.
        let snapshot = connection.transaction()?;
        if !exists(&snapshot, name)? {
            return Ok(None);
        }
        let options = pairs(&snapshot, "SELECT key, value FROM channel_option WHERE channel = ?1", name)?;
        let secrets = pairs(&snapshot, "SELECT key, value FROM channel_secret WHERE channel = ?1", name)?
            .into_iter()
            .map(|(key, value)| (key, Secret::new(value)))
            .collect();
        Ok(Some(ChannelRecord {
            name: name.to_owned(),
            options,
            secrets,
            progress: progress::load(&snapshot, name)?,
            io_error: last_error(&snapshot, name, ErrorKind::Io)?,
            sql_error: last_error(&snapshot, name, ErrorKind::Sql)?,
        }))
    }

    /// Sets all options and secrets of a channel, at once; what is not named is gone. Makes the channel if need be.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn save_options(
        &self,
        name: &str,
        options: &BTreeMap<String, String>,
        secrets: &BTreeMap<String, Secret>,
    ) -> Result<(), StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        write_options(&transaction, name, options, secrets)?;
        transaction.commit()?;
        Ok(())
    }

    /// As [`Store::save_options`]; and the channel begins anew: all three marks, the last errors and all
    /// that is known of tables are forgotten. All or nothing.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn restart_channel(
        &self,
        name: &str,
        options: &BTreeMap<String, String>,
        secrets: &BTreeMap<String, Secret>,
    ) -> Result<(), StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        write_options(&transaction, name, options, secrets)?;
        schema::forget(&transaction, name)?;
        transaction.execute("DELETE FROM last_error WHERE channel = ?1", [name])?;
        transaction.execute("DELETE FROM progress WHERE channel = ?1", [name])?;
        transaction.commit()?;
        Ok(())
    }

    /// Removes a channel with all that belongs to it, its identity apart. Nothing happens if there is none.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn forget_channel(&self, name: &str) -> Result<(), StoreError> {
        self.connection().execute("DELETE FROM channel WHERE name = ?1", [name])?;
        Ok(())
    }

    /// The channel's identity; `draw` is asked for one if there is none yet.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub fn identity(&self, name: &str, draw: impl FnOnce() -> Identity) -> Result<Identity, StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if let Some(identity) = identity(&transaction, name)? {
            return Ok(identity);
        }
        let drawn = draw();
        transaction.execute(
            "INSERT INTO identity (channel, server_id, replica_uuid) VALUES (?1, ?2, ?3)",
            params![name, drawn.server_id, drawn.replica_uuid],
        )?;
        transaction.commit()?;
        Ok(drawn)
    }

    /// Remembers the error that `status` shows for one half of a channel.
    ///
    /// # Errors
    /// When the database cannot be written, or the channel does not exist.
    pub fn record_error(&self, name: &str, kind: ErrorKind, number: u32, message: &str) -> Result<(), StoreError> {
        let connection = self.connection();
        require(&connection, name)?;
        connection.execute(
            "INSERT OR REPLACE INTO last_error (channel, kind, number, message, at_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![name, kind.as_str(), number, message, to_sql(now_ms())?],
        )?;
        Ok(())
    }

    /// Forgets the last error of one half of a channel: it works again.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn clear_error(&self, name: &str, kind: ErrorKind) -> Result<(), StoreError> {
        self.connection()
            .execute("DELETE FROM last_error WHERE channel = ?1 AND kind = ?2", params![name, kind.as_str()])?;
        Ok(())
    }
}

/// Sets all options and secrets of a channel, which is made if need be.
fn write_options(
    connection: &Connection,
    name: &str,
    options: &BTreeMap<String, String>,
    secrets: &BTreeMap<String, Secret>,
) -> Result<(), StoreError> {
    connection.execute(
        "INSERT INTO channel (name, created_ms) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        params![name, to_sql(now_ms())?],
    )?;
    connection.execute("DELETE FROM channel_option WHERE channel = ?1", [name])?;
    connection.execute("DELETE FROM channel_secret WHERE channel = ?1", [name])?;
    for (key, value) in options {
        connection.execute(
            "INSERT INTO channel_option (channel, key, value) VALUES (?1, ?2, ?3)",
            params![name, key, value],
        )?;
    }
    for (key, value) in secrets {
        connection.execute(
            "INSERT INTO channel_secret (channel, key, value) VALUES (?1, ?2, ?3)",
            params![name, key, value.expose()],
        )?;
    }
    Ok(())
}

/// Whether the channel has been set up.
fn exists(connection: &Connection, name: &str) -> Result<bool, StoreError> {
    Ok(connection.prepare_cached("SELECT 1 FROM channel WHERE name = ?1")?.exists([name])?)
}

/// An error of our own words, where a foreign key's would only say "constraint failed".
pub(super) fn require(connection: &Connection, name: &str) -> Result<(), StoreError> {
    if exists(connection, name)? { Ok(()) } else { Err(StoreError::NoSuchChannel { name: name.to_owned() }) }
}

fn pairs(connection: &Connection, sql: &str, name: &str) -> Result<BTreeMap<String, String>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let pairs = statement.query_map([name], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    Ok(pairs)
}

fn last_error(connection: &Connection, name: &str, kind: ErrorKind) -> Result<Option<LastError>, StoreError> {
    let read =
        |row: &Row<'_>| Ok(LastError { number: row.get(0)?, message: row.get(1)?, at_ms: from_sql(row.get(2)?) });
    let error = connection
        .prepare_cached("SELECT number, message, at_ms FROM last_error WHERE channel = ?1 AND kind = ?2")?
        .query_row(params![name, kind.as_str()], read)
        .optional()?;
    Ok(error)
}

fn identity(connection: &Connection, name: &str) -> Result<Option<Identity>, StoreError> {
    let read = |row: &Row<'_>| Ok(Identity { server_id: row.get(0)?, replica_uuid: row.get(1)? });
    let identity = connection
        .prepare_cached("SELECT server_id, replica_uuid FROM identity WHERE channel = ?1")?
        .query_row([name], read)
        .optional()?;
    Ok(identity)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::position::LogPosition;
    use crate::store::Mark;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn open() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        (dir, store)
    }

    #[test]
    fn options_come_back_and_secrets_do_not_show() {
        let (_dir, store) = open();
        let secrets = BTreeMap::from([("password".to_owned(), Secret::new("hunter2".to_owned()))]);
        store.save_options("", &map(&[("host", "h"), ("port", "1")]), &secrets).unwrap();
        store.save_options("", &map(&[("host", "h2")]), &secrets).unwrap();
        let record = store.load_channel("").unwrap().unwrap();
        assert_eq!(record.options, map(&[("host", "h2")]));
        assert_eq!(record.secrets.get("password").unwrap().expose(), "hunter2");
        assert!(!format!("{record:?}").contains("hunter2"));
        assert!(store.load_channel("other").unwrap().is_none());
    }

    #[test]
    fn channels_are_listed_and_forgotten_with_their_progress_but_keep_their_identity() {
        let (_dir, store) = open();
        let identity = store.identity("b", || Identity { server_id: 7, replica_uuid: "u".to_owned() }).unwrap();
        for name in ["b", "", "a"] {
            store.save_options(name, &BTreeMap::new(), &BTreeMap::new()).unwrap();
        }
        store.record_applied("b", &Mark::at(LogPosition::new("x.000001", 4))).unwrap();
        assert_eq!(store.channels().unwrap(), ["", "a", "b"]);
        store.forget_channel("b").unwrap();
        assert_eq!(store.channels().unwrap(), ["", "a"]);
        store.save_options("b", &BTreeMap::new(), &BTreeMap::new()).unwrap();
        assert!(store.load_channel("b").unwrap().unwrap().progress.applied.is_none());
        assert_eq!(store.identity("b", || unreachable!()).unwrap(), identity);
    }

    #[test]
    fn an_identity_is_drawn_once_even_by_two_processes() {
        let (dir, store) = open();
        let drawn = store.identity("", || Identity { server_id: 4_000_000_000, replica_uuid: "a".to_owned() }).unwrap();
        let other = Store::open(dir.path()).unwrap();
        let again = other.identity("", || Identity { server_id: 5, replica_uuid: "b".to_owned() }).unwrap();
        assert_eq!(drawn, again);
    }

    #[test]
    fn a_restart_sets_options_and_forgets_the_rest() {
        let (_dir, store) = open();
        store.save_options("", &map(&[("host", "a")]), &BTreeMap::new()).unwrap();
        store.set_start("", &Mark::at(LogPosition::new("b.000001", 4))).unwrap();
        store.record_applied("", &Mark::at(LogPosition::new("b.000009", 900))).unwrap();
        store.record_error("", ErrorKind::Io, 1236, "gone").unwrap();
        store.restart_channel("", &map(&[("host", "b")]), &BTreeMap::new()).unwrap();
        let record = store.load_channel("").unwrap().unwrap();
        assert_eq!(record.options, map(&[("host", "b")]));
        assert_eq!((record.progress, record.io_error), (Progress::default(), None));
    }

    #[test]
    fn last_errors_are_kept_by_kind_until_cleared() {
        let (_dir, store) = open();
        assert!(matches!(store.record_error("", ErrorKind::Io, 1, "x"), Err(StoreError::NoSuchChannel { .. })));
        store.save_options("", &BTreeMap::new(), &BTreeMap::new()).unwrap();
        store.record_error("", ErrorKind::Io, 1236, "gone").unwrap();
        store.record_error("", ErrorKind::Sql, 1062, "duplicate").unwrap();
        store.clear_error("", ErrorKind::Sql).unwrap();
        let record = store.load_channel("").unwrap().unwrap();
        let error = record.io_error.unwrap();
        assert_eq!((error.number, error.message.as_str()), (1236, "gone"));
        assert!(record.sql_error.is_none());
    }

    #[test]
    fn another_process_reads_while_one_writes() {
        let (dir, store) = open();
        store.save_options("", &BTreeMap::new(), &BTreeMap::new()).unwrap();
        let reader = Store::open(dir.path()).unwrap();
        let writer = store.clone();
        let thread = std::thread::spawn(move || {
            for pos in 4..200 {
                writer.record_applied("", &Mark::at(LogPosition::new("x.000001", pos))).unwrap();
            }
        });
        while !thread.is_finished() {
            reader.load_channel("").unwrap().unwrap();
        }
        thread.join().unwrap();
        assert_eq!(reader.load_channel("").unwrap().unwrap().progress.applied.unwrap().position.pos, 199);
    }
}
