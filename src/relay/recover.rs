//! Opens the relay log of an earlier run: what a crash left behind is cleaned up, and damage is told from a tear.
//!
//! Only the last file can be torn: each file is synced before the next is begun. It is read whole, checksums and all.
//! What is cut off is what the source will send again: the events after the last complete transaction. A tear is an
//! event that the file's end cuts short, or zeros up to the end (a power loss saves the length before the bytes); see
//! [`super::probe`]. Everything else that does not read is damage and an error: cutting there would drop events
//! silently that may stand behind it. Two things cannot be told apart from a tear and are cut: damage to the length
//! in the very last event's header, and, after a power loss, a last event that lost its end to zeros.

use std::fs::{File, OpenOptions};
use std::path::Path;

use super::file::{RelayFile, Window};
use super::format::{self, Format};
use super::probe::Probe;
use super::track::Track;
use super::{MAX_BEGINNING, RelayEnd, RelayError, RelayFileId, RelayPlace, index};
use crate::binlog::group::Grouper;
use crate::binlog::{CHECKSUM_LEN, ChecksumAlgorithm, EventHeader, EventType, HEADER_LEN, MAGIC};
use crate::position::FIRST_EVENT;

/// Bytes searched at a time.
const STRIDE: usize = 1024 * 1024;

/// A relay log as it may be gone on with.
#[derive(Debug)]
pub(super) struct Found {
    /// All files.
    pub(super) files: Vec<RelayFileId>,
    /// The last of them; `None` if there are no files.
    pub(super) last: Option<LastFile>,
    /// Bytes that were cut off.
    pub(super) cut: u64,
}

/// The file that is gone on with.
#[derive(Debug)]
pub(super) struct LastFile {
    pub(super) file: File,
    pub(super) format: Format,
    pub(super) end: RelayEnd,
}

/// Repairs the relay log in `dir`.
pub(super) fn recover(dir: &Path) -> Result<Found, RelayError> {
    let listed = index::read(dir)?;
    index::remove_unlisted(dir, listed.as_deref())?;
    let mut files = listed.unwrap_or_default();
    let mut cut = 0_u64;
    while let Some(&id) = files.last() {
        let path = dir.join(id.to_string());
        let inspected = match path.try_exists().map_err(|source| RelayError::io(&path, source))? {
            true => inspect(&RelayFile::open(dir, id)?)?,
            false => Inspected { sound: None, size: 0 },
        };
        if let Some((format, end)) = inspected.sound {
            check_present(dir, &mut files)?;
            let dropped = inspected.size.saturating_sub(end.place.offset);
            let file =
                open_cut(&path, end.place.offset, dropped > 0).map_err(|source| RelayError::io(&path, source))?;
            cut = cut.saturating_add(dropped);
            return Ok(Found { files, last: Some(LastFile { file, format, end }), cut });
        }
        // The crash came before the file's own beginning was written: the file before it is the last.
        cut = cut.saturating_add(inspected.size);
        files.pop();
        index::write(dir, &files)?;
        index::remove(&path)?;
    }
    Ok(Found { files, last: None, cut })
}

/// Files at the beginning of the list may have been purged already; none may be missing behind those.
fn check_present(dir: &Path, files: &mut Vec<RelayFileId>) -> Result<(), RelayError> {
    let is_there = |id: &RelayFileId| dir.join(id.to_string()).exists();
    let purged = files.iter().take_while(|id| !is_there(id)).count();
    if purged > 0 {
        files.drain(..purged);
        index::write(dir, files)?;
    }
    match files.iter().find(|id| !is_there(id)) {
        Some(id) => Err(RelayError::Index { path: dir.to_owned(), what: format!("{id} is missing") }),
        None => Ok(()),
    }
}

fn open_cut(path: &Path, len: u64, torn: bool) -> std::io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    if torn {
        file.set_len(len)?;
    }
    Ok(file)
}

/// What the last file holds.
struct Inspected {
    /// Its format and the end of its last complete transaction; `None` if its own beginning is incomplete.
    sound: Option<(Format, RelayEnd)>,
    size: u64,
}

/// What stands at an offset.
enum Spot {
    Event,
    /// Nothing complete from here on.
    Torn,
    /// Not an event, and not a tear.
    Damaged(String),
}

fn inspect(file: &RelayFile) -> Result<Inspected, RelayError> {
    let size = file.size()?;
    let mut reader = Reader { file, window: Window::new(file, size), size };
    let sound = reader.beginning()?.map(|(format, track, at)| reader.walk(format, track, at)).transpose()?;
    Ok(Inspected { sound, size })
}

struct Reader<'a> {
    file: &'a RelayFile,
    window: Window<'a>,
    size: u64,
}

impl Reader<'_> {
    /// Reads magic, format description and ROTATE; `None` if they are torn.
    fn beginning(&mut self) -> Result<Option<(Format, Track, u64)>, RelayError> {
        let file = self.file;
        let have = usize::try_from(self.size.min(FIRST_EVENT)).unwrap_or(0);
        let magic = self.window.get(0, have)?.unwrap_or_default();
        let good = magic.iter().zip(MAGIC).take_while(|(found, right)| **found == *right).count();
        if good < MAGIC.len() {
            let torn = good == have || self.all_zero(u64::try_from(good).unwrap_or(0))?;
            return if torn { Ok(None) } else { Err(file.corrupt(0, "it does not begin as a binary log".to_owned())) };
        }
        // Whether events have checksums is not known yet; our own format description has one where it can.
        if !self.judge(FIRST_EVENT, ChecksumAlgorithm::Crc32, FIRST_EVENT)? {
            return self.torn_beginning(FIRST_EVENT);
        }
        let Some(raw) = self.window.event(FIRST_EVENT)? else { return Ok(None) };
        let format = Format::read_own(&raw).map_err(|error| file.corrupt(FIRST_EVENT, error.to_string()))?;
        let at = FIRST_EVENT.saturating_add(u64::from(raw.header.event_size));
        if !self.judge(at, format.checksum(), at)? {
            return self.torn_beginning(at);
        }
        let Some(raw) = self.window.event(at)?.filter(|raw| raw.header.event_type == EventType::ROTATE) else {
            return Err(file.corrupt(at, "no rotate event".to_owned()));
        };
        let start = format::read_rotate(&raw, format.checksum());
        let start = start.ok_or_else(|| file.corrupt(at, "the rotate event cannot be read".to_owned()))?;
        let track = Track::new(start, format.checksum());
        let body = at.saturating_add(u64::from(raw.header.event_size));
        Ok(Some((format, track, body)))
    }

    /// A file is begun as a whole: what is torn there has nothing behind it.
    fn torn_beginning<T>(&self, at: u64) -> Result<Option<T>, RelayError> {
        if self.size > MAX_BEGINNING && !self.all_zero(MAX_BEGINNING)? {
            return Err(self.file.corrupt(at, "the file's own beginning is not whole".to_owned()));
        }
        Ok(None)
    }

    /// Reads on from `at` to the end or the tear.
    fn walk(&mut self, format: Format, mut track: Track, mut at: u64) -> Result<(Format, RelayEnd), RelayError> {
        let file = self.file;
        let checksum = format.checksum();
        let mut grouper = Grouper::new();
        let end_at = |offset, track: &Track| {
            let place = RelayPlace { file: file.id(), offset };
            RelayEnd { place, source: track.position().clone() }
        };
        let mut end = end_at(at, &track);
        while self.judge(at, checksum, track.position().pos)? {
            let Some(raw) = self.window.event(at)? else { break };
            if raw.header.event_type == EventType::FORMAT_DESCRIPTION {
                let found = Format::read(&raw).map_err(|error| file.corrupt(at, error.to_string()))?;
                if !found.fits(&format) {
                    return Err(file.corrupt(at, "a format description that is not the file's".to_owned()));
                }
            }
            track.follow(&raw).ok_or_else(|| file.corrupt(at, "the rotate event cannot be read".to_owned()))?;
            let body = raw.body(checksum).map_err(|error| file.corrupt(at, error.to_string()))?;
            let fed = grouper.feed(&raw.header, body, format.description());
            fed.map_err(|error| file.corrupt(at, error.to_string()))?;
            at = at.saturating_add(u64::from(raw.header.event_size));
            if !grouper.in_group() {
                end = end_at(at, &track);
            }
        }
        Ok((format, end))
    }

    /// Whether there is an event at `at`; if not, the file ends there or is torn. Damage is an error.
    /// `source` is its offset in the source's file.
    fn judge(&mut self, at: u64, checksum: ChecksumAlgorithm, source: u64) -> Result<bool, RelayError> {
        match self.look(at, checksum, source)? {
            Spot::Event => Ok(true),
            Spot::Torn => Ok(false),
            Spot::Damaged(what) => Err(self.file.corrupt(at, what)),
        }
    }

    fn look(&mut self, at: u64, checksum: ChecksumAlgorithm, source: u64) -> Result<Spot, RelayError> {
        let Some(header) = self.window.get(at, HEADER_LEN)?.and_then(EventHeader::read) else {
            return Ok(Spot::Torn);
        };
        if let Some(raw) = self.window.event(at)? {
            let verified = match at {
                FIRST_EVENT => Format::read_own(&raw).map(drop),
                _ => format::verify(&raw, checksum),
            };
            let Err(error) = verified else { return Ok(Spot::Event) };
            return Ok(if self.zeroed(at, &header)? { Spot::Torn } else { Spot::Damaged(error.to_string()) });
        }
        if self.all_zero(at)? {
            return Ok(Spot::Torn);
        }
        Ok(match Probe::new(self.file, self.size, checksum, at, source).event_behind(at)? {
            Some(next) => {
                let size = header.event_size;
                Spot::Damaged(format!("an event of {size} bytes cannot stand there, and offset {next} has another"))
            }
            None => Spot::Torn,
        })
    }

    /// Whether a power loss took the end of this event and all that came after it: its checksum is zeros, or it is
    /// followed by nothing but zeros.
    fn zeroed(&self, at: u64, header: &EventHeader) -> Result<bool, RelayError> {
        let end = at.saturating_add(u64::from(header.event_size));
        Ok(self.all_zero(end)? || self.all_zero(end.saturating_sub(CHECKSUM_LEN as u64))?)
    }

    /// Whether there are bytes from `offset` on, and all are zero.
    fn all_zero(&self, mut offset: u64) -> Result<bool, RelayError> {
        let mut window = Window::new(self.file, self.size);
        let mut any = false;
        while offset < self.size {
            let len = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX).min(STRIDE);
            if window.get(offset, len)?.is_none_or(|bytes| bytes.iter().any(|byte| *byte != 0)) {
                return Ok(false);
            }
            any = true;
            offset = offset.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        }
        Ok(any)
    }
}
