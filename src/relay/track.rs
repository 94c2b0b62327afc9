//! Follows the source's position through the events of a relay file.

use super::format;
use crate::binlog::{ChecksumAlgorithm, EventHeader, EventType, RawEvent};
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

    /// Goes past an event that is no ROTATE.
    pub(super) fn pass(&mut self, header: &EventHeader) {
        self.position.pos = self.extent(header).end;
    }

    /// Goes past a ROTATE. `None` if it cannot be read.
    pub(super) fn turn(&mut self, raw: &RawEvent<'_>) -> Option<()> {
        self.position = format::read_rotate(raw, self.checksum)?;
        Some(())
    }

    /// Goes past any event. `None` if it is a ROTATE that cannot be read.
    pub(super) fn follow(&mut self, raw: &RawEvent<'_>) -> Option<()> {
        if raw.header.event_type == EventType::ROTATE {
            return self.turn(raw);
        }
        self.pass(&raw.header);
        Some(())
    }
}
