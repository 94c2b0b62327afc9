//! What outlives a run: channel options, progress, table definitions, identity and last errors, in one SQLite database.
//!
//! The only module that names `rusqlite`. The database is `replicate.db` in the data directory, readable by its
//! owner alone, in WAL mode so that `status` reads while a channel writes. `synchronous=FULL` makes each commit
//! sync the WAL: a position once recorded survives a power loss (NORMAL would sync at checkpoints only and could
//! take the last commits back). What it does not do: relay files (`crate::relay`), and deciding what a position
//! means. SQLite manual: "Write-Ahead Logging", "PRAGMA synchronous".
//!
//! [`DataDir`] names the places around the database: one directory a channel, with its relay log, lock and socket.

mod channel;
mod datadir;
mod error;
mod lock;
mod migrate;
mod progress;
mod schema;

use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rusqlite::Connection;

pub use channel::{ChannelRecord, ErrorKind, Identity, LastError};
pub use datadir::{ChannelDir, DataDir, DataDirError, SocketPath};
pub use error::StoreError;
pub use lock::{ChannelLock, LockError};
pub use progress::{Mark, MarkKind, Progress};
pub use schema::{Origin, SchemaVersion, State, Subject};

/// Name of the database in the data directory.
pub const DATABASE: &str = "replicate.db";

/// How long a statement waits for another process's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long to wait before opening is tried again.
const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// A handle on the database. Cheap to clone, usable from several threads: they take turns on one connection.
#[derive(Debug, Clone)]
pub struct Store {
    connection: Arc<Mutex<Connection>>,
}

impl Store {
    /// Opens the database of a data directory, and makes both if they are missing.
    ///
    /// # Errors
    /// When the directory or the database cannot be used, or a newer version of the program wrote it.
    pub fn open(data_dir: &Path) -> Result<Self, StoreError> {
        let dir = DataDir::open(data_dir)?;
        let path = dir.database();
        private_file(&path).map_err(|source| StoreError::Io { path: path.clone(), source })?;
        // SQLite waits for another process by itself, except while one of them brings a new database into WAL mode.
        let started = Instant::now();
        loop {
            match Self::connect(&path) {
                Err(StoreError::Busy) if started.elapsed() < BUSY_TIMEOUT => std::thread::sleep(BUSY_PAUSE),
                opened => return opened,
            }
        }
    }

    fn connect(path: &Path) -> Result<Self, StoreError> {
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        migrate::run(&mut connection)?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)) })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic elsewhere leaves at most a transaction that was rolled back: the connection is sound.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the file if it is missing and keeps others out of it. SQLite gives `-wal` and `-shm` the same bits.
fn private_file(path: &Path) -> std::io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

/// Milliseconds since 1970.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// SQLite's integers are signed.
fn to_sql(value: u64) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::OutOfRange { value })
}

/// The way back. What the schema's checks forbid reads as the nearest value.
fn from_sql(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn the_database_is_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("a/b");
        let store = Store::open(&data).unwrap();
        store.identity("", || Identity { server_id: 1, replica_uuid: "u".to_owned() }).unwrap();
        assert_eq!(data.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        for entry in std::fs::read_dir(&data).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.file_name());
        }
    }

    #[test]
    fn processes_that_make_the_database_at_once_wait_for_one_another() {
        for _ in 0..15 {
            let dir = tempfile::tempdir().unwrap();
            let start = std::sync::Barrier::new(12);
            std::thread::scope(|scope| {
                let open = || {
                    start.wait();
                    Store::open(dir.path()).map(drop)
                };
                let opened: Vec<_> = (0..12).map(|_| scope.spawn(open)).collect();
                for opened in opened {
                    opened.join().unwrap().unwrap();
                }
            });
        }
    }

    #[test]
    fn a_database_that_others_could_read_is_tightened() {
        let dir = tempfile::tempdir().unwrap();
        drop(Store::open(dir.path()).unwrap());
        let file = dir.path().join(DATABASE);
        std::fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        drop(Store::open(dir.path()).unwrap());
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn commits_are_synced_and_readers_do_not_wait() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let connection = store.connection();
        let journal: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        let synchronous: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
        assert_eq!((journal.as_str(), synchronous), ("wal", 2));
    }

    #[test]
    fn a_file_that_is_no_database_stops_with_a_hint() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(DATABASE), vec![b'x'; 8192]).unwrap();
        let error = Store::open(dir.path()).unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
        assert_eq!(error.disposition(), crate::disposition::Disposition::Stop);
    }
}
