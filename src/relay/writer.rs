//! Appends the source's events to the relay log. One writer a relay log; the channel's lock sees to that.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::format::{self, Format};
use super::recover::{LastFile, recover};
use super::tail::Tail;
use super::{RelayEnd, RelayError, RelayFileId, RelayLog, RelayPlace, index};
use crate::binlog::{EventType, MAGIC, RawEvent};
use crate::position::LogPosition;

/// When [`RelayWriter::commit`] syncs without being asked to. Files are synced before the next is begun in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncPolicy {
    /// Only when asked. After a power loss the tail is fetched from the source again.
    OnRequest,
    /// Each time.
    EveryCommit,
    /// When that much time has passed since the last.
    Every(Duration),
}

/// How a relay log is written.
#[derive(Debug, Clone, Copy)]
pub struct RelayOptions {
    /// A file that has as many bytes is followed by another, at the next transaction boundary.
    pub max_file_size: u64,
    /// When to sync.
    pub sync: SyncPolicy,
}

impl Default for RelayOptions {
    fn default() -> Self {
        Self { max_file_size: 256 * 1024 * 1024, sync: SyncPolicy::Every(Duration::from_secs(1)) }
    }
}

/// What an earlier run left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// The last transaction boundary: where to go on from, at the source and here. `None` if there is no relay log.
    pub end: Option<RelayEnd>,
    /// Bytes that were cut off: a torn write, or an incomplete transaction.
    pub cut: u64,
}

/// Writes the relay log.
#[derive(Debug)]
pub struct RelayWriter {
    dir: PathBuf,
    options: RelayOptions,
    log: Arc<RelayLog>,
    current: Option<Current>,
    /// Where an artificial ROTATE leads that waits for the format description after it.
    turn: Option<LogPosition>,
    next: RelayFileId,
    last_sync: Instant,
    given_up: bool,
}

/// The file that grows.
#[derive(Debug)]
struct Current {
    tail: Tail<File>,
    path: PathBuf,
    format: Format,
    /// The end of the last complete transaction.
    boundary: RelayEnd,
}

impl RelayWriter {
    /// Opens the relay log in a directory, which is made if it is missing, and repairs its tail.
    ///
    /// # Errors
    /// When files are damaged or missing, and when the system refuses.
    pub fn open(dir: &Path, options: RelayOptions) -> Result<(Self, Recovered), RelayError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(|source| RelayError::io(dir, source))?;
        let found = recover(dir)?;
        let end = found.last.as_ref().map(|last| last.end.clone());
        let log = Arc::new(RelayLog::new(dir, &found.files, end.clone())?);
        let writer = Self {
            dir: dir.to_owned(),
            options,
            log,
            current: found.last.map(|last| Current::after(dir, last)),
            turn: None,
            next: found.files.last().map_or(RelayFileId::FIRST, |last| last.next()),
            last_sync: Instant::now(),
            given_up: false,
        };
        Ok((writer, Recovered { end, cut: found.cut }))
    }

    /// The readers' handle.
    #[must_use]
    pub fn log(&self) -> Arc<RelayLog> {
        Arc::clone(&self.log)
    }

    /// Takes one whole event, as received. It may stay in memory until [`RelayWriter::commit`].
    ///
    /// # Errors
    /// [`RelayError::Full`]: the event was not taken; call again with the same event. Others are final.
    pub fn append(&mut self, event: &[u8]) -> Result<(), RelayError> {
        self.check()?;
        let raw = match RawEvent::cut(event) {
            Ok((raw, [])) => raw,
            _ => return Err(RelayError::Stream { what: "bytes that are not one whole event" }),
        };
        match raw.header.event_type {
            EventType::ROTATE if raw.header.is_artificial() => {
                let turn = format::read_artificial_rotate(&raw);
                self.turn = Some(turn.ok_or(RelayError::Stream { what: "a rotate event that cannot be read" })?);
                Ok(())
            }
            EventType::FORMAT_DESCRIPTION => self.describe(&raw),
            _ => self.put(event),
        }
    }

    /// Says that no transaction is open after the events taken so far, and that the next event stands at `source`.
    /// To be said after every event of which that is true, the artificial ones included.
    pub fn boundary(&mut self, source: &LogPosition) {
        // After an artificial ROTATE nothing has been written yet; it names the position itself.
        if let Some(current) = self.current.as_mut().filter(|_| self.turn.is_none()) {
            let place = RelayPlace { offset: current.tail.end(), ..current.boundary.place };
            current.boundary = RelayEnd { place, source: source.clone() };
        }
    }

    /// Writes all that was taken, syncs it if asked to or if the policy says so, and lets readers see it up to the
    /// last boundary. Returns that end; `None` before the first format description.
    ///
    /// # Errors
    /// [`RelayError::Full`]: nothing changed; call again. Others are final.
    pub fn commit(&mut self, sync: bool) -> Result<Option<RelayEnd>, RelayError> {
        self.check()?;
        let Some(current) = &mut self.current else { return Ok(None) };
        current.tail.flush().map_err(|source| RelayError::io(&current.path, source))?;
        let due = match self.options.sync {
            SyncPolicy::OnRequest => false,
            SyncPolicy::EveryCommit => true,
            SyncPolicy::Every(time) => self.last_sync.elapsed() >= time,
        };
        if sync || due {
            self.sync()?;
        }
        Ok(self.current.as_ref().map(|current| {
            self.log.publish(current.boundary.clone());
            current.boundary.clone()
        }))
    }

    /// Begins another file if this one is large enough and no transaction is open. Returns whether it did.
    ///
    /// # Errors
    /// [`RelayError::Full`]: nothing is lost; call again. Others are final.
    pub fn rotate_if_needed(&mut self) -> Result<bool, RelayError> {
        let Some(current) = &self.current else { return Ok(false) };
        if self.turn.is_some() || !current.at_boundary() || current.tail.end() < self.options.max_file_size {
            return Ok(false);
        }
        let (format, source) = (current.format.clone(), current.boundary.source.clone());
        let again = format.source_event().to_vec();
        self.begin_file(format, source, &again)?;
        Ok(true)
    }

    /// Forgets the events after the last boundary: the connection was lost, and the source will send them again.
    ///
    /// # Errors
    /// When the file cannot be cut.
    pub fn cut_to_last_boundary(&mut self) -> Result<(), RelayError> {
        self.turn = None;
        self.current.as_mut().map_or(Ok(()), Current::cut)
    }

    /// Deletes all files: the next events come from somewhere else. File numbers go on.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn discard(&mut self) -> Result<(), RelayError> {
        self.log.clear()?;
        (self.current, self.turn) = (None, None);
        Ok(())
    }

    fn check(&self) -> Result<(), RelayError> {
        if self.given_up { Err(RelayError::GivenUp) } else { Ok(()) }
    }

    /// Takes an event into the file, after the ROTATE that may wait.
    fn put(&mut self, event: &[u8]) -> Result<(), RelayError> {
        let Some(current) = &mut self.current else {
            return Err(RelayError::Stream { what: "an event before any format description" });
        };
        let rotate = self.turn.as_ref().map(|turn| current.format.rotate(turn));
        let put = current.tail.put(rotate.as_deref().unwrap_or_default(), event);
        put.map_err(|source| RelayError::io(&current.path, source))?;
        self.turn = None;
        Ok(())
    }

    /// Takes a format description: into the file if its events are laid out so, else it begins another.
    fn describe(&mut self, raw: &RawEvent<'_>) -> Result<(), RelayError> {
        let format = Format::read(raw).map_err(|_| RelayError::Stream { what: "a format description of no use" })?;
        if self.current.as_ref().is_none_or(|current| !current.format.fits(&format)) {
            let start = self.start_of(&format)?;
            self.begin_file(format, start, &[])?;
            self.turn = None;
        }
        self.put(raw.bytes)
    }

    /// Where a file that begins with this format begins at the source.
    fn start_of(&mut self, format: &Format) -> Result<LogPosition, RelayError> {
        let mut known = None;
        if let Some(current) = &mut self.current {
            if !current.at_boundary() {
                if !format.restarted() {
                    return Err(RelayError::Stream { what: "another format inside a transaction" });
                }
                // The source crashed in the middle of it: it was never committed.
                current.cut()?;
            }
            known = Some(current.boundary.source.clone());
        }
        self.turn.clone().or(known).ok_or(RelayError::Stream { what: "a format description before any file name" })
    }

    /// Closes the file, which is at a boundary, and begins the next, with `more` behind its own two events. If that
    /// fails the old one is still the last.
    fn begin_file(&mut self, format: Format, source: LogPosition, more: &[u8]) -> Result<(), RelayError> {
        self.commit(true)?;
        let id = self.next;
        let path = self.dir.join(id.to_string());
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(format.event());
        bytes.extend_from_slice(&format.rotate(&source));
        bytes.extend_from_slice(more);
        let file = create(&path, &bytes).map_err(|source| RelayError::io(&path, source))?;
        let written = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let boundary = RelayEnd { place: RelayPlace { file: id, offset: written }, source };
        let listed = index::sync_dir(&self.dir).and_then(|()| self.log.add(boundary.clone()));
        if let Err(error) = listed {
            // Unless the disk was full, the index may name the new file by now: nothing may go to the old one.
            self.given_up = !matches!(error, RelayError::Full { .. });
            return Err(error);
        }
        self.current = Some(Current { tail: Tail::new(file, written, written), path, format, boundary });
        self.next = id.next();
        Ok(())
    }

    fn sync(&mut self) -> Result<(), RelayError> {
        let Some(current) = &mut self.current else { return Ok(()) };
        if let Err(source) = current.tail.sync() {
            self.given_up = true;
            return Err(RelayError::SyncFailed { path: current.path.clone(), source });
        }
        self.last_sync = Instant::now();
        Ok(())
    }
}

impl Current {
    fn after(dir: &Path, last: LastFile) -> Self {
        let LastFile { file, format, end } = last;
        let path = dir.join(end.place.file.to_string());
        // What was read back may have been in the system's memory only.
        Self { tail: Tail::new(file, end.place.offset, 0), path, format, boundary: end }
    }

    /// Forgets what was taken after the last boundary.
    fn cut(&mut self) -> Result<(), RelayError> {
        let cut = self.tail.cut(self.boundary.place.offset);
        cut.map_err(|source| RelayError::io(&self.path, source))
    }

    fn at_boundary(&self) -> bool {
        self.tail.end() == self.boundary.place.offset
    }
}

/// Makes a file with these bytes, durable but for its name.
fn create(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all_at(bytes, 0)?;
    file.sync_all()?;
    Ok(file)
}
