//! Looks past a spot that is no event: is it the torn end of the file, or damage with events behind it?
//!
//! A torn end may be cut off, for the source sends those events again. Damage in the middle must not be: the length
//! in a header may be the very thing that is damaged, so that the "incomplete event" it describes swallows all that
//! follows. An event counts as found if its header is possible and its CRC32 is right; in a file without checksums,
//! if its header names the very offset at the source that its place in the file implies, or if the header behind it
//! goes on where it ends. (MariaDB from 11.4 on names no offsets: without checksums nothing is found there.)

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

/// A search of one file.
pub(super) struct Probe<'f> {
    window: Window<'f>,
    judge: Judge<'f>,
}

/// Tells events from bytes that look like a header.
struct Judge<'f> {
    /// A window of its own: events are larger than their headers.
    window: Window<'f>,
    checksum: ChecksumAlgorithm,
    /// An offset at the source, less the offset in the file that goes with it.
    ahead: u64,
    budget: u64,
}

impl<'f> Probe<'f> {
    /// Searches the first `size` bytes of the file. What stands at `from` in it stands at `source` in the source's.
    pub(super) fn new(file: &'f RelayFile, size: u64, checksum: ChecksumAlgorithm, from: u64, source: u64) -> Self {
        let ahead = source.wrapping_sub(from);
        let judge = Judge { window: Window::new(file, size), checksum, ahead, budget: HASH_BUDGET };
        Self { window: Window::new(file, size), judge }
    }

    /// The offset of the first whole event that begins behind `from`.
    pub(super) fn event_behind(&mut self, from: u64) -> Result<Option<u64>, RelayError> {
        let mut offset = from.saturating_add(1);
        loop {
            let left = self.window.limit().saturating_sub(offset);
            let len = usize::try_from(left).unwrap_or(usize::MAX).min(STRIDE);
            let Some(bytes) = self.window.get(offset, len)?.filter(|bytes| bytes.len() >= HEADER_LEN) else {
                return Ok(None);
            };
            for (at, bytes) in (offset..).zip(bytes.windows(HEADER_LEN)) {
                if let Some(header) = EventHeader::read(bytes)
                    && possible(&header, self.judge.checksum)
                    && self.judge.is_event(at, &header)?
                {
                    return Ok(Some(at));
                }
            }
            let step = len.saturating_sub(HEADER_LEN - 1);
            offset = offset.saturating_add(u64::try_from(step).unwrap_or(u64::MAX));
        }
    }
}

impl Judge<'_> {
    fn is_event(&mut self, at: u64, header: &EventHeader) -> Result<bool, RelayError> {
        let size = u64::from(header.event_size);
        let end = at.saturating_add(size);
        let named = u64::from(header.log_pos) == end.wrapping_add(self.ahead) & 0xffff_ffff;
        if self.checksum == ChecksumAlgorithm::Off {
            return Ok(named || self.window.header(end)?.is_some_and(|next| goes_on(header, &next)));
        }
        if !named && (header.event_size > SMALL_EVENT || self.budget == 0) {
            return Ok(false);
        }
        self.budget = self.budget.saturating_sub(size);
        Ok(self.window.event(at)?.is_some_and(|raw| format::has_valid_crc(raw.bytes)))
    }
}

/// Whether the second event stands right behind the first in the source's log.
fn goes_on(first: &EventHeader, second: &EventHeader) -> bool {
    first.log_pos != 0
        && possible(second, ChecksumAlgorithm::Off)
        && second.log_pos.wrapping_sub(first.log_pos) == second.event_size
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
