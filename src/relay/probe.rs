//! Looks past a spot that is no event: is it the torn end of the file, or damage with events behind it?
//!
//! A torn end may be cut off, for the source sends those events again. Damage in the middle must not be: the length
//! in a header may be the very thing that is damaged, so that the "incomplete event" it describes swallows all that
//! follows. An event counts as found if its header is possible and its CRC32 is right; in a file without checksums,
//! if its header names the very offset at the source that its place in the file implies.

use super::RelayError;
use super::file::{RelayFile, Window, possible_size};
use super::format;
use crate::binlog::{CHECKSUM_LEN, ChecksumAlgorithm, EventHeader, HEADER_LEN};

/// Bytes searched at a time.
const STRIDE: usize = 1024 * 1024;

/// Larger events are only believed if their header names the right offset: a bound on the work.
const SMALL_EVENT: u32 = 64 * 1024;

/// Bytes that are hashed at most for events whose header does not name the right offset.
const HASH_BUDGET: u64 = 256 * 1024 * 1024;

/// A power loss loses whole sectors.
const SECTOR: u64 = 512;

/// A search of one file.
pub(super) struct Probe<'f> {
    window: Window<'f>,
    /// Another window on the same file, for the events found.
    events: Window<'f>,
    checksum: ChecksumAlgorithm,
    source: u64,
}

impl<'f> Probe<'f> {
    /// Searches the first `size` bytes of the file. `source` is where the spot asked about stands in the source's log.
    pub(super) fn new(file: &'f RelayFile, size: u64, checksum: ChecksumAlgorithm, source: u64) -> Self {
        Self { window: Window::new(file, size), events: Window::new(file, size), checksum, source }
    }

    /// The offset of the first whole event that begins behind `from`.
    pub(super) fn event_behind(&mut self, from: u64) -> Result<Option<u64>, RelayError> {
        let mut budget = HASH_BUDGET;
        let mut offset = from.saturating_add(1);
        loop {
            let left = self.window.limit().saturating_sub(offset);
            let len = usize::try_from(left).unwrap_or(usize::MAX).min(STRIDE);
            let Some(bytes) = self.window.get(offset, len)?.filter(|bytes| bytes.len() >= HEADER_LEN) else {
                return Ok(None);
            };
            for (at, bytes) in (offset..).zip(bytes.windows(HEADER_LEN)) {
                let Some(header) = EventHeader::read(bytes).filter(|header| possible(header, self.checksum)) else {
                    continue;
                };
                let implied = self.source.wrapping_add(at.wrapping_sub(from)).wrapping_add(header.event_size.into());
                let named = u64::from(header.log_pos) == implied & 0xffff_ffff;
                if !named && (header.event_size > SMALL_EVENT || self.checksum == ChecksumAlgorithm::Off || budget == 0)
                {
                    continue;
                }
                budget = budget.saturating_sub(u64::from(header.event_size));
                let whole = self.events.event(at)?;
                if whole.is_some_and(|raw| self.checksum == ChecksumAlgorithm::Off || format::has_valid_crc(raw.bytes))
                {
                    return Ok(Some(at));
                }
            }
            let step = len.saturating_sub(HEADER_LEN - 1);
            offset = offset.saturating_add(u64::try_from(step).unwrap_or(u64::MAX));
        }
    }

    /// Whether the file ends with zero bytes that begin behind `from`, at a sector's border or before one: what a
    /// power loss leaves of a file whose length was saved before its bytes.
    pub(super) fn zeros_to_the_end(&mut self, from: u64) -> Result<bool, RelayError> {
        let end = self.window.limit();
        let border = end.saturating_sub(1) / SECTOR * SECTOR;
        if end == 0 || border <= from {
            return self.all_zero(from);
        }
        self.all_zero(border)
    }

    /// Whether there are bytes from `offset` on and all are zero.
    pub(super) fn all_zero(&mut self, mut offset: u64) -> Result<bool, RelayError> {
        let mut any = false;
        loop {
            let left = self.window.limit().saturating_sub(offset);
            let len = usize::try_from(left).unwrap_or(usize::MAX).min(STRIDE);
            match self.window.get(offset, len)? {
                Some(bytes) if !bytes.is_empty() => {
                    if bytes.iter().any(|byte| *byte != 0) {
                        return Ok(false);
                    }
                    any = true;
                    offset = offset.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
                }
                _ => return Ok(any),
            }
        }
    }
}

fn possible(header: &EventHeader, checksum: ChecksumAlgorithm) -> bool {
    let least = match checksum {
        ChecksumAlgorithm::Crc32 => HEADER_LEN + CHECKSUM_LEN,
        ChecksumAlgorithm::Off => HEADER_LEN,
    };
    header.event_type.name().is_some()
        && possible_size(header.event_size)
        && usize::try_from(header.event_size).is_ok_and(|size| size >= least)
        && header.flags.0 & 0xfe00 == 0
}
