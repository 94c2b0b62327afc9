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

use super::boundary::Boundary;
use super::file::{RelayFile, Window};
use super::format::Format;
use super::probe::Probe;
use super::track::Track;
use super::{RelayEnd, RelayError, RelayFileId, RelayPlace, index};
use crate::binlog::{ChecksumAlgorithm, EventHeader, EventType, HEADER_LEN, MAGIC};
use crate::position::FIRST_EVENT;

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
    let mut files = index::read(dir)?;
    index::remove_unlisted(dir, &files)?;
    let mut cut = 0_u64;
    while let Some(&id) = files.last() {
        let path = dir.join(id.to_string());
        let inspected = match path.try_exists().map_err(|source| RelayError::io(&path, source))? {
            true => inspect(&RelayFile::open(dir, id)?)?,
            false => Inspected { sound: None, size: 0 },
        };
        if let Some((format, end)) = inspected.sound {
            check_present(dir, &files)?;
            let dropped = inspected.size.saturating_sub(end.place.offset);
            let file =
                truncate(&path, end.place.offset, dropped > 0).map_err(|source| RelayError::io(&path, source))?;
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

fn check_present(dir: &Path, files: &[RelayFileId]) -> Result<(), RelayError> {
    match files.iter().find(|id| !dir.join(id.to_string()).exists()) {
        Some(id) => Err(RelayError::Index { path: dir.to_owned(), what: format!("{id} is missing") }),
        None => Ok(()),
    }
}

fn truncate(path: &Path, len: u64, torn: bool) -> std::io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    if torn {
        file.set_len(len)?;
    }
    // What was read back may still be in memory only.
    file.sync_all()?;
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
        let have = self.size.min(FIRST_EVENT);
        let magic = self.window.get(0, usize::try_from(have).unwrap_or(0))?.unwrap_or_default();
        let torn = MAGIC.starts_with(magic);
        if !torn && !self.probe(ChecksumAlgorithm::Crc32, 0).all_zero(0)? {
            return Err(self.file.corrupt(0, "it does not begin as a binary log".to_owned()));
        }
        // Without the description it is not known whether events have checksums; it has one itself where they may.
        if !torn || !self.judge(FIRST_EVENT, ChecksumAlgorithm::Crc32, FIRST_EVENT)? {
            return Ok(None);
        }
        let file = self.file;
        let damaged = |offset, what: String| file.corrupt(offset, what);
        let Some(raw) = self.window.event(FIRST_EVENT)? else { return Ok(None) };
        let format = Format::read(&raw).map_err(|error| damaged(FIRST_EVENT, error.to_string()))?;
        let at = FIRST_EVENT.saturating_add(u64::from(raw.header.event_size));
        if !self.judge(at, format.checksum(), at)? {
            return Ok(None);
        }
        let Some(raw) = self.window.event(at)?.filter(|raw| raw.header.event_type == EventType::ROTATE) else {
            return Err(damaged(at, "no rotate event".to_owned()));
        };
        let start = super::format::read_rotate(&raw, format.checksum());
        let start = start.ok_or_else(|| damaged(at, "the rotate event cannot be read".to_owned()))?;
        let body = at.saturating_add(u64::from(raw.header.event_size));
        let track = Track::new(start, format.checksum());
        Ok(Some((format, track, body)))
    }

    /// Reads on from `at` to the end or the tear.
    fn walk(&mut self, format: Format, mut track: Track, mut at: u64) -> Result<(Format, RelayEnd), RelayError> {
        let file = self.file;
        let checksum = format.checksum();
        let mut boundary = Boundary::default();
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
            at = at.saturating_add(u64::from(raw.header.event_size));
            if boundary.closed_after(&raw, checksum) {
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
            let Err(error) = raw.verify_checksum(checksum) else { return Ok(Spot::Event) };
            let torn = self.probe(checksum, source).zeros_to_the_end(at)?;
            return Ok(if torn { Spot::Torn } else { Spot::Damaged(error.to_string()) });
        }
        if self.probe(checksum, source).all_zero(at)? {
            return Ok(Spot::Torn);
        }
        Ok(match self.probe(checksum, source).event_behind(at)? {
            Some(next) => {
                let size = header.event_size;
                Spot::Damaged(format!("an event of {size} bytes cannot stand there, and offset {next} has another"))
            }
            None => Spot::Torn,
        })
    }

    fn probe(&self, checksum: ChecksumAlgorithm, source: u64) -> Probe<'_> {
        Probe::new(self.file, self.size, checksum, source)
    }
}
