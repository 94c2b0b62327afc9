//! Follows the source's position through the events of a relay file.

use super::format;
use crate::binlog::{ChecksumAlgorithm, EventHeader, EventType};
use crate::position::{LogPosition, widen_end};

/// Where the next event stands in the source's log.
#[derive(Debug, Clone)]
pub(super) struct Track {
    position: LogPosition,
    checksum: ChecksumAlgorithm,
}

/// The part of the source's file that an event fills; empty for artificial events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    /// Its first byte.
    pub(super) start: u64,
    /// One past its last byte.
    pub(super) end: u64,
}

impl Track {
    pub(super) fn new(start: LogPosition, checksum: ChecksumAlgorithm) -> Self {
        Self { position: start, checksum }
    }

    /// Where the next event stands, as far as the events before it tell.
    pub(super) fn position(&self) -> &LogPosition {
        &self.position
    }

    /// Where an event with this header stands, if it is the next. It may begin behind [`Track::position`] where the
    /// source left something out.
    pub(super) fn extent(&self, header: &EventHeader) -> Extent {
        let current = self.position.pos;
        if header.is_artificial() {
            return Extent { start: current, end: current };
        }
        let size = u64::from(header.event_size);
        let end = widen_end(current, size, header.log_pos);
        Extent { start: end.saturating_sub(size).max(current), end }
    }

    /// Goes past an event. `bytes` is the whole event and is looked at only for ROTATE. `None` if that is unreadable.
    pub(super) fn pass(&mut self, header: &EventHeader, bytes: &[u8]) -> Option<()> {
        self.position = if header.event_type == EventType::ROTATE {
            format::read_rotate(bytes, self.checksum)?
        } else {
            self.position.at(self.extent(header).end)
        };
        Some(())
    }
}
