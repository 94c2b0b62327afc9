//! Reading relay files: by offset, and through a window for walking along.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::format::{self, Format};
use super::{RelayError, RelayFileId};
use crate::binlog::{ChecksumAlgorithm, EventHeader, EventType, HEADER_LEN, MAGIC, MAX_EVENT_SIZE, RawEvent};
use crate::position::{FIRST_EVENT, LogPosition};

/// Bytes of one read while walking along a file.
const WINDOW: usize = 256 * 1024;

/// An open relay file. Reading does not move anything: threads can share it.
#[derive(Debug)]
pub struct RelayFile {
    file: File,
    path: PathBuf,
    id: RelayFileId,
}

/// What stands at the beginning of every relay file.
#[derive(Debug, Clone)]
pub struct FileHeader {
    /// The format description of all events in the file, as an event.
    pub format_description: Vec<u8>,
    /// How the file's events are protected.
    pub checksum: ChecksumAlgorithm,
    /// Where the file begins in the source's log.
    pub start: LogPosition,
    /// Offset of the first event as received.
    pub body: u64,
}

impl RelayFile {
    pub(super) fn open(dir: &Path, id: RelayFileId) -> Result<Self, RelayError> {
        let path = dir.join(id.to_string());
        let file = File::open(&path).map_err(|source| RelayError::io(&path, source))?;
        Ok(Self { file, path, id })
    }

    /// Which file it is.
    #[must_use]
    pub fn id(&self) -> RelayFileId {
        self.id
    }

    /// Reads bytes at an offset, as many as there are and fit. Bytes past the published end are not to be trusted.
    ///
    /// # Errors
    /// When the system cannot read.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, RelayError> {
        loop {
            match self.file.read_at(buffer, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other.map_err(|source| RelayError::io(&self.path, source)),
            }
        }
    }

    /// Bytes in the file now.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn size(&self) -> Result<u64, RelayError> {
        Ok(self.file.metadata().map_err(|source| RelayError::io(&self.path, source))?.len())
    }

    /// Reads the file's beginning.
    ///
    /// # Errors
    /// When it is not as [`RelayWriter`](super::RelayWriter) writes it.
    pub fn header(&self) -> Result<FileHeader, RelayError> {
        let mut window = Window::new(self, self.size()?);
        let damaged = |offset, what: &str| self.corrupt(offset, what.to_owned());
        if window.get(0, MAGIC.len())? != Some(MAGIC.as_slice()) {
            return Err(damaged(0, "it does not begin as a binary log"));
        }
        let (format, size) = match window.event(FIRST_EVENT)? {
            Some(raw) => {
                let format = Format::read(&raw).map_err(|error| damaged(FIRST_EVENT, &error.to_string()))?;
                (format, raw.header.event_size)
            }
            None => return Err(damaged(FIRST_EVENT, "no format description")),
        };
        let at = FIRST_EVENT.saturating_add(u64::from(size));
        let rotate = window.event(at)?.filter(|raw| raw.header.event_type == EventType::ROTATE);
        let rotate = rotate.ok_or_else(|| damaged(at, "no rotate event"))?;
        rotate.verify_checksum(format.checksum()).map_err(|error| damaged(at, &error.to_string()))?;
        let start = format::read_rotate(&rotate, format.checksum());
        let start = start.ok_or_else(|| damaged(at, "the rotate event cannot be read"))?;
        let body = at.saturating_add(u64::from(rotate.header.event_size));
        Ok(FileHeader { checksum: format.checksum(), format_description: format.event().to_vec(), start, body })
    }

    pub(super) fn corrupt(&self, offset: u64, what: String) -> RelayError {
        RelayError::Corrupt { file: self.id, offset, what }
    }
}

/// Part of a file in memory, moved along as asked. What is asked for is bounded by `limit`.
pub(super) struct Window<'a> {
    file: &'a RelayFile,
    limit: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl<'a> Window<'a> {
    pub(super) fn new(file: &'a RelayFile, limit: u64) -> Self {
        Self { file, limit, start: 0, bytes: Vec::new() }
    }

    /// Where the readable part ends.
    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// `len` bytes at `offset`; `None` if that is past the limit.
    pub(super) fn get(&mut self, offset: u64, len: usize) -> Result<Option<&[u8]>, RelayError> {
        let available = usize::try_from(self.limit.saturating_sub(offset)).unwrap_or(usize::MAX);
        if len > available {
            return Ok(None);
        }
        if self.within(offset, len).is_none() {
            self.fill(offset, len.max(WINDOW).min(available))?;
        }
        Ok(self.within(offset, len).and_then(|start| self.bytes.get(start..start.saturating_add(len))))
    }

    /// The event at `offset` by its header alone; `None` if no complete event of a possible size is there.
    pub(super) fn header(&mut self, offset: u64) -> Result<Option<EventHeader>, RelayError> {
        let limit = self.limit;
        Ok(self.get(offset, HEADER_LEN)?.and_then(EventHeader::read).filter(|header| {
            let size = u64::from(header.event_size);
            possible_size(header.event_size) && size <= limit.saturating_sub(offset)
        }))
    }

    /// The complete event at `offset`; `None` as for [`Window::header`].
    pub(super) fn event(&mut self, offset: u64) -> Result<Option<RawEvent<'_>>, RelayError> {
        let Some(header) = self.header(offset)? else { return Ok(None) };
        let size = usize::try_from(header.event_size).unwrap_or(usize::MAX);
        Ok(self.get(offset, size)?.map(|bytes| RawEvent { header, bytes }))
    }

    /// Index in `bytes` of `offset`, if `len` bytes from there are in memory.
    fn within(&self, offset: u64, len: usize) -> Option<usize> {
        let start = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        (start.checked_add(len)? <= self.bytes.len()).then_some(start)
    }

    fn fill(&mut self, offset: u64, len: usize) -> Result<(), RelayError> {
        self.bytes.clear();
        self.bytes.shrink_to(WINDOW.max(len));
        self.bytes.resize(len, 0);
        self.start = offset;
        let read = self.file.file.read_exact_at(&mut self.bytes, offset);
        read.map_err(|source| RelayError::io(&self.file.path, source))
    }
}

/// Whether an event can have that many bytes.
pub(super) fn possible_size(size: u32) -> bool {
    size <= MAX_EVENT_SIZE && usize::try_from(size).is_ok_and(|size| size >= HEADER_LEN)
}
