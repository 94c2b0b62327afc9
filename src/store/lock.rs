//! The lock that one running channel holds on its directory.
//!
//! A lock of the kernel (`flock`) on a file: it goes with the process, `kill -9` included, so that there is nothing
//! stale to clean up. The pid in the file is for people; it means nothing unless the lock is held.

use std::fs::{File, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::{ChannelDir, private_file};

/// A look at the lock ([`ChannelLock::check`]) takes it for a moment: a starting channel asks this often.
const ATTEMPTS: u32 = 5;

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(20);

/// Why the lock was not had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process runs the channel.
    #[error("the channel is run by another process{}", pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    Held {
        /// Which one; `None` if it has not written its number yet.
        pid: Option<u32>,
    },
    /// The file cannot be opened or locked.
    #[error("cannot lock {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// Held while the channel runs. Dropping it lets go.
#[derive(Debug)]
pub struct ChannelLock {
    _file: File,
}

impl ChannelLock {
    /// Takes the lock and writes our pid beside it.
    ///
    /// # Errors
    /// [`LockError::Held`] if another process has it.
    pub fn acquire(dir: &ChannelDir) -> Result<Self, LockError> {
        let path = dir.lock_file();
        let failed = |source| LockError::Io { path: path.clone(), source };
        let file = private_file(&path).map_err(failed)?;
        for attempt in 1..=ATTEMPTS {
            match file.try_lock() {
                Ok(()) => {
                    write_pid(&file).map_err(failed)?;
                    return Ok(Self { _file: file });
                }
                Err(TryLockError::WouldBlock) if attempt < ATTEMPTS => thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
        }
        Err(LockError::Held { pid: read_pid(&path) })
    }

    /// Says whether some process has the lock, by the error that [`ChannelLock::acquire`] would give.
    ///
    /// # Errors
    /// [`LockError::Held`] if one has.
    pub fn check(dir: &ChannelDir) -> Result<(), LockError> {
        let path = dir.lock_file();
        let failed = |source| LockError::Io { path: path.clone(), source };
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(failed)?,
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => Err(LockError::Held { pid: read_pid(&path) }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}

fn write_pid(file: &File) -> io::Result<()> {
    file.set_len(0)?;
    file.write_all_at(format!("{}\n", std::process::id()).as_bytes(), 0)
}

fn read_pid(path: &Path) -> Option<u32> {
    let mut text = String::new();
    File::open(path).ok()?.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::super::DataDir;
    use super::*;

    #[test]
    fn the_second_to_start_is_told_who_was_first() {
        let dir = tempfile::tempdir().unwrap();
        let channel = DataDir::open(dir.path()).unwrap().channel("").unwrap();
        ChannelLock::check(&channel).unwrap();
        let lock = ChannelLock::acquire(&channel).unwrap();
        let own = std::process::id();
        assert!(matches!(ChannelLock::acquire(&channel), Err(LockError::Held { pid: Some(pid) }) if pid == own));
        assert!(matches!(ChannelLock::check(&channel), Err(LockError::Held { pid: Some(pid) }) if pid == own));
        drop(lock);
        ChannelLock::check(&channel).unwrap();
        ChannelLock::acquire(&channel).unwrap();
    }

    #[test]
    fn a_pid_left_behind_by_a_killed_process_means_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let channel = DataDir::open(dir.path()).unwrap().channel("").unwrap();
        std::fs::write(channel.lock_file(), "4194304000\n").unwrap();
        let _lock = ChannelLock::acquire(&channel).unwrap();
        assert_eq!(read_pid(&channel.lock_file()), Some(std::process::id()));
    }

    #[test]
    fn channels_do_not_lock_one_another() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(dir.path()).unwrap();
        let _a = ChannelLock::acquire(&data.channel("a").unwrap()).unwrap();
        let _b = ChannelLock::acquire(&data.channel("b").unwrap()).unwrap();
    }
}
