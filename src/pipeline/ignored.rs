//! Counts events that are passed over because their writer says that a reader may, and tells of each type once.
//!
//! These are events of unknown type with the ignorable flag, and IGNORABLE_EVENT. Known types that carry no data
//! (`binlog::event::policy`) are not counted: nothing of them is lost.

use crate::binlog::{EventHeader, EventType};
use crate::position::LogPosition;

/// What was passed over and not reported yet, and which types were told of.
#[derive(Debug, Default)]
pub(super) struct Ignored {
    pending: u64,
    /// One bit a type code.
    told: [u64; 4],
}

impl Ignored {
    /// Counts an event that is passed over. `place` is where it begins.
    pub(super) fn see(&mut self, header: &EventHeader, place: &LogPosition) {
        self.pending = self.pending.saturating_add(1);
        if self.is_new(header.event_type) {
            tracing::warn!(
                event_type = %header.event_type,
                position = %place,
                "the log has events that this build does not know and that their writer marked as ignorable"
            );
        }
    }

    fn is_new(&mut self, event_type: EventType) -> bool {
        let (word, bit) = (usize::from(event_type.0 >> 6), 1_u64 << (event_type.0 & 63));
        match self.told.get_mut(word) {
            Some(told) => {
                let new = *told & bit == 0;
                *told |= bit;
                new
            }
            None => false,
        }
    }

    /// How many there were since the last time.
    pub(super) fn take(&mut self) -> u64 {
        std::mem::take(&mut self.pending)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::binlog::HEADER_LEN;

    #[test]
    fn each_type_is_told_of_once() {
        let mut ignored = Ignored::default();
        let mut header = EventHeader::read(&[0; HEADER_LEN]).unwrap();
        for code in [99, 200, 99, 28, 255] {
            header.event_type = EventType(code);
            ignored.see(&header, &LogPosition::new("b.000001", 4));
        }
        assert_eq!((ignored.take(), ignored.take()), (5, 0));
        assert!(!ignored.is_new(EventType(99)) && !ignored.is_new(EventType(255)));
        assert!(ignored.is_new(EventType(98)) && !ignored.is_new(EventType(98)));
    }
}
