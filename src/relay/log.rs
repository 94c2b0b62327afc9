//! The handle on the relay log that readers hold: which files, up to where, and who to wait for.

use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{RelayEnd, RelayError, RelayFile, RelayFileId, RelayPlace, index};

/// A relay log that one [`RelayWriter`](super::RelayWriter) grows and any thread may read.
#[derive(Debug)]
pub struct RelayLog {
    dir: PathBuf,
    state: Mutex<State>,
    changed: Condvar,
    /// Held while the list of files changes, on disk and in `state`.
    listing: Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    /// All files in order, with their bytes. The last one's are those up to the published end.
    files: Vec<(RelayFileId, u64)>,
    end: Option<RelayEnd>,
    /// Counts [`RelayLog::wake`].
    wakes: u64,
}

impl RelayLog {
    pub(super) fn new(dir: &Path, files: &[RelayFileId], end: Option<RelayEnd>) -> Result<Self, RelayError> {
        let mut sizes = Vec::with_capacity(files.len());
        for id in files {
            sizes.push((*id, RelayFile::open(dir, *id)?.size()?));
        }
        Ok(Self {
            dir: dir.to_owned(),
            state: Mutex::new(State { files: sizes, end, wakes: 0 }),
            changed: Condvar::new(),
            listing: Mutex::new(()),
        })
    }

    /// Its directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Up to where it may be read; `None` while there is no file.
    #[must_use]
    pub fn end(&self) -> Option<RelayEnd> {
        self.state().end.clone()
    }

    /// Waits until there is something to read behind `seen`, or the time is over, or somebody calls
    /// [`RelayLog::wake`]; returns the end as it is then.
    #[must_use]
    pub fn wait_beyond(&self, seen: Option<RelayPlace>, timeout: Duration) -> Option<RelayEnd> {
        let deadline = Instant::now().checked_add(timeout);
        let mut state = self.state();
        let wakes = state.wakes;
        while state.end.as_ref().map(|end| end.place) <= seen && state.wakes == wakes {
            let left = deadline.map_or(timeout, |deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                break;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.end.clone()
    }

    /// Ends all waiting, for shutdown.
    pub fn wake(&self) {
        let mut state = self.state();
        state.wakes = state.wakes.wrapping_add(1);
        self.changed.notify_all();
    }

    /// All files, oldest first.
    #[must_use]
    pub fn files(&self) -> Vec<RelayFileId> {
        self.state().files.iter().map(|(id, _)| *id).collect()
    }

    /// The file after this one, once it is there. Then this one is complete.
    #[must_use]
    pub fn next_file(&self, id: RelayFileId) -> Option<RelayFileId> {
        self.state().files.iter().map(|(id, _)| *id).find(|other| *other > id)
    }

    /// How many bytes of a file may be read: all of a complete one, else up to the published end. `None` if there is
    /// no such file.
    #[must_use]
    pub fn readable(&self, id: RelayFileId) -> Option<u64> {
        self.state().files.iter().find(|(other, _)| *other == id).map(|(_, size)| *size)
    }

    /// Bytes of all files.
    #[must_use]
    pub fn total_size(&self) -> u64 {
        self.state().files.iter().fold(0, |sum, (_, size)| sum.saturating_add(*size))
    }

    /// Opens a file for reading.
    ///
    /// # Errors
    /// When it is not there or cannot be read.
    pub fn open(&self, id: RelayFileId) -> Result<RelayFile, RelayError> {
        RelayFile::open(&self.dir, id)
    }

    /// Deletes the files before `keep`, never the last one: from the index first, then from the disk, so that a
    /// crash in between leaves files that the next start removes. Returns how many there were.
    ///
    /// # Errors
    /// When the index cannot be replaced or a file cannot be deleted.
    pub fn purge_before(&self, keep: RelayFileId) -> Result<usize, RelayError> {
        let _listing = self.listing();
        let files = self.files();
        let keep = files.last().map_or(keep, |last| keep.min(*last));
        let (gone, kept): (Vec<_>, Vec<_>) = files.into_iter().partition(|id| *id < keep);
        if gone.is_empty() {
            return Ok(0);
        }
        let listed = match index::write(&self.dir, &kept) {
            // Deleting makes the room that the new index needs.
            Err(RelayError::Full { .. }) => false,
            other => other.map(|()| true)?,
        };
        self.state().files.retain(|(id, _)| *id >= keep);
        for id in &gone {
            index::remove(&self.dir.join(id.to_string()))?;
        }
        if !listed {
            index::write(&self.dir, &kept)?;
        }
        Ok(gone.len())
    }

    /// Lists a new file, whose beginning is durable and ends at `end`.
    pub(super) fn add(&self, end: RelayEnd) -> Result<(), RelayError> {
        let _listing = self.listing();
        let id = end.place.file;
        let mut files = self.files();
        files.push(id);
        index::write(&self.dir, &files)?;
        self.state().files.push((id, 0));
        self.publish(end);
        Ok(())
    }

    /// Moves the end in the last file.
    pub(super) fn publish(&self, end: RelayEnd) {
        let mut state = self.state();
        if let Some((_, size)) = state.files.last_mut().filter(|(id, _)| *id == end.place.file) {
            *size = end.place.offset;
        }
        state.end = Some(end);
        self.changed.notify_all();
    }

    /// Deletes all files.
    pub(super) fn clear(&self) -> Result<(), RelayError> {
        let _listing = self.listing();
        let files = self.files();
        index::write(&self.dir, &[])?;
        {
            let mut state = self.state();
            *state = State { wakes: state.wakes.wrapping_add(1), ..State::default() };
        }
        self.changed.notify_all();
        for id in files {
            index::remove(&self.dir.join(id.to_string()))?;
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listing(&self) -> MutexGuard<'_, ()> {
        self.listing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Deletes the relay log of a channel that does not run, if there is one.
///
/// # Errors
/// When the system refuses.
pub fn reset(dir: &Path) -> Result<(), RelayError> {
    if !dir.try_exists().map_err(|source| RelayError::io(dir, source))? {
        return Ok(());
    }
    index::write(dir, &[])?;
    index::remove_unlisted(dir, Some(&[]))
}
