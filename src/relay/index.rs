//! The index: which relay files there are, in order, one name a line.
//!
//! It is replaced as a whole (written beside, synced, renamed, directory synced), so that a crash leaves the old
//! list or the new one. A file is made before the index names it and leaves the index before it is deleted: files
//! that no index names are remains of a crash. On a full disk the order is the other way round, for deleting makes the
//! room that the new index needs: a list may begin with files that are gone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::{MAX_BEGINNING, RelayError, RelayFileId};

const INDEX: &str = "relay-bin.index";
const NEW_INDEX: &str = "relay-bin.index.new";

fn path(dir: &Path) -> PathBuf {
    dir.join(INDEX)
}

/// Reads the list; `None` if there is no index.
pub(super) fn read(dir: &Path) -> Result<Option<Vec<RelayFileId>>, RelayError> {
    let path = path(dir);
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|source| RelayError::io(&path, source))?,
    };
    let mut files = Vec::new();
    for line in text.lines() {
        match RelayFileId::from_name(line) {
            Some(id) if files.last().is_none_or(|last| *last < id) => files.push(id),
            _ => return Err(RelayError::Index { path, what: format!("{line:?} is out of place") }),
        }
    }
    Ok(Some(files))
}

/// Replaces the list, durably.
pub(super) fn write(dir: &Path, files: &[RelayFileId]) -> Result<(), RelayError> {
    let text: String = files.iter().map(|id| format!("{id}\n")).collect();
    let new = dir.join(NEW_INDEX);
    let path = path(dir);
    write_synced(&new, text.as_bytes()).map_err(|source| RelayError::io(&new, source))?;
    fs::rename(&new, &path).map_err(|source| RelayError::io(&path, source))?;
    sync_dir(dir)
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes names made, changed and removed in a directory durable.
pub(super) fn sync_dir(dir: &Path) -> Result<(), RelayError> {
    let synced = File::open(dir).and_then(|dir| dir.sync_all());
    synced.map_err(|source| RelayError::SyncFailed { path: dir.to_owned(), source })
}

/// Deletes relay files that the index does not name. Those that no crash explains are not ours to delete: behind the
/// last listed file, or without any index, there can be at most a file that was just begun.
pub(super) fn remove_unlisted(dir: &Path, listed: Option<&[RelayFileId]>) -> Result<(), RelayError> {
    for entry in fs::read_dir(dir).map_err(|source| RelayError::io(dir, source))? {
        let entry = entry.map_err(|source| RelayError::io(dir, source))?;
        let Some(id) = entry.file_name().to_str().and_then(RelayFileId::from_name) else { continue };
        let just_begun_only = match listed {
            Some(listed) if listed.contains(&id) => continue,
            Some(listed) => listed.last().is_some_and(|last| id > *last),
            None => true,
        };
        let size = entry.metadata().map_err(|source| RelayError::io(&entry.path(), source))?.len();
        if just_begun_only && size > MAX_BEGINNING {
            return Err(RelayError::Index { path: path(dir), what: format!("{id} is there and not listed") });
        }
        remove(&entry.path())?;
    }
    Ok(())
}

/// Deletes a file that may be gone already.
pub(super) fn remove(path: &Path) -> Result<(), RelayError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(RelayError::io(path, error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn the_index_comes_back_in_order_and_nonsense_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()).unwrap(), None);
        let files = [RelayFileId(7), RelayFileId(8), RelayFileId(1_000_000)];
        write(dir.path(), &files).unwrap();
        assert_eq!(read(dir.path()).unwrap().unwrap(), files);
        for bad in ["relay-bin.000002\nrelay-bin.000001\n", "../x\n", "relay-bin.000001\n\n"] {
            fs::write(path(dir.path()), bad).unwrap();
            assert!(matches!(read(dir.path()), Err(RelayError::Index { .. })), "{bad:?}");
        }
    }

    #[test]
    fn files_that_no_index_names_are_removed_and_others_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["relay-bin.000001", "relay-bin.000002", "relay-bin.000003", "notes.txt"] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        remove_unlisted(dir.path(), Some(&[RelayFileId(2)])).unwrap();
        let mut left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["notes.txt", "relay-bin.000002"]);
    }

    #[test]
    fn files_with_events_that_a_lost_index_named_are_not_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("relay-bin.000003");
        fs::write(&file, [0; 5000]).unwrap();
        for listed in [None, Some([RelayFileId(2)].as_slice())] {
            assert!(matches!(remove_unlisted(dir.path(), listed), Err(RelayError::Index { .. })));
            assert!(file.exists());
        }
        remove_unlisted(dir.path(), Some(&[RelayFileId(4)])).unwrap();
        assert!(!file.exists());
    }
}
