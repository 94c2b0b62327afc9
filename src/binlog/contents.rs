//! The events inside a transaction payload: exactly one transaction, from BEGIN to its end mark, and nothing else.
//!
//! A pure check, fed event by event. What it does not do: unpacking (`payload`) and decoding.

use super::error::EventError;
use super::event::FormatDescription;
use super::group::{Fed, Grouper, Step};
use super::header::{EventHeader, EventType};
use crate::change::GroupEnd;
use crate::disposition::Disposition;

/// Events that do not make one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContentsError {
    /// An event cannot be read.
    #[error(transparent)]
    Event(#[from] EventError),
    /// An event that cannot be part of a transaction, or a payload in a payload.
    #[error("{event_type} event inside a transaction payload")]
    Misplaced {
        /// The event.
        event_type: EventType,
    },
    /// The transaction has ended before this event.
    #[error("{event_type} event behind the end of the transaction in its payload")]
    Behind {
        /// The event.
        event_type: EventType,
    },
    /// The payload ends inside an event.
    #[error("{event_type} event claims {size} bytes where {left} are left in the payload")]
    Cut {
        /// The event.
        event_type: EventType,
        /// Bytes it claims.
        size: u32,
        /// Bytes left.
        left: u64,
    },
    /// The payload ends before the transaction does.
    #[error("the payload ends inside the transaction, before its commit")]
    NoEnd,
}

impl ContentsError {
    /// Trying again reads the same bytes.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        Disposition::Stop
    }
}

/// What has been seen of a payload's events.
#[derive(Debug, Clone)]
pub struct Contents {
    grouper: Grouper,
    end: Option<GroupEnd>,
}

impl Default for Contents {
    fn default() -> Self {
        Self::new()
    }
}

impl Contents {
    /// Before the first event.
    #[must_use]
    pub fn new() -> Self {
        Self { grouper: Grouper::behind_gtid(), end: None }
    }

    /// Whether [`Contents::feed`] must be given the body of the next event, if it is of this type.
    #[must_use]
    pub fn needs_body(&self, event_type: EventType) -> bool {
        self.grouper.needs_body(event_type)
    }

    /// Takes the next event. `fde` is the file's description without checksum.
    ///
    /// # Errors
    /// When the event is malformed, or cannot stand where it does.
    pub fn feed(&mut self, header: &EventHeader, body: &[u8], fde: &FormatDescription) -> Result<(), ContentsError> {
        let event_type = header.event_type;
        if self.end.is_some() {
            return Err(ContentsError::Behind { event_type });
        }
        if event_type == EventType::TRANSACTION_PAYLOAD {
            return Err(ContentsError::Misplaced { event_type });
        }
        match self.grouper.feed(header, body, fde)? {
            Fed { abandoned: false, step: Step::Inside { first: false } } => Ok(()),
            Fed { abandoned: false, step: Step::Ends { first: false, end } } => {
                self.end = Some(end);
                Ok(())
            }
            Fed { .. } => Err(ContentsError::Misplaced { event_type }),
        }
    }

    /// All events have been fed: how the transaction ends.
    ///
    /// # Errors
    /// When it does not.
    pub fn end(&self) -> Result<GroupEnd, ContentsError> {
        self.end.ok_or(ContentsError::NoEnd)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::binlog::event::samples;
    use crate::binlog::{ChecksumAlgorithm, HEADER_LEN};

    const ROWS: (EventType, &[u8]) = (EventType::WRITE_ROWS, &[]);
    const MAP: (EventType, &[u8]) = (EventType::TABLE_MAP, &[]);
    const XID: (EventType, &[u8]) = (EventType::XID, &[7, 0, 0, 0, 0, 0, 0, 0]);

    fn query(statement: &str) -> Vec<u8> {
        [&[0; 14], statement.as_bytes()].concat()
    }

    fn contents(events: &[(EventType, &[u8])]) -> Result<GroupEnd, ContentsError> {
        let fde = FormatDescription { checksum: ChecksumAlgorithm::Off, ..samples::description("TRANSACTION_PAYLOAD") };
        let mut contents = Contents::new();
        for (event_type, body) in events {
            let mut header = EventHeader::read(&[0; HEADER_LEN]).unwrap();
            header.event_type = *event_type;
            contents.feed(&header, body, &fde)?;
        }
        contents.end()
    }

    #[test]
    fn one_transaction_is_what_a_payload_holds() {
        let (begin, commit, rollback) = (query("BEGIN"), query("COMMIT"), query("ROLLBACK"));
        let begin = (EventType::QUERY, begin.as_slice());
        assert_eq!(contents(&[begin, MAP, ROWS, XID]), Ok(GroupEnd::Xid(7)));
        assert_eq!(contents(&[begin, MAP, ROWS, (EventType::QUERY, &commit)]), Ok(GroupEnd::Commit));
        assert_eq!(contents(&[begin, MAP, ROWS, (EventType::QUERY, &rollback)]), Ok(GroupEnd::Rollback));
        let start = query("XA START 'a'");
        let start = (EventType::QUERY, start.as_slice());
        for (one_phase, end) in [(0, GroupEnd::XaPrepare), (1, GroupEnd::XaCommit)] {
            let prepare = [one_phase, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, b'a'];
            assert_eq!(contents(&[start, MAP, ROWS, (EventType::XA_PREPARE, &prepare)]), Ok(end));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let begin = query("BEGIN");
        let begin = (EventType::QUERY, begin.as_slice());
        assert_eq!(contents(&[]), Err(ContentsError::NoEnd));
        assert_eq!(contents(&[begin, MAP, ROWS]), Err(ContentsError::NoEnd));
        let behind = ContentsError::Behind { event_type: EventType::QUERY };
        assert_eq!(contents(&[begin, MAP, ROWS, XID, begin]), Err(behind));
        for event_type in [
            EventType::TRANSACTION_PAYLOAD,
            EventType::ROTATE,
            EventType::STOP,
            EventType::HEARTBEAT,
            EventType::PREVIOUS_GTIDS,
        ] {
            let misplaced = Err(ContentsError::Misplaced { event_type });
            assert_eq!(contents(&[begin, (event_type, &[]), XID]), misplaced, "{event_type}");
            assert_eq!(contents(&[(event_type, &[]), begin, XID]), misplaced, "{event_type}");
        }
        for event_type in [EventType::GTID, EventType::ANONYMOUS_GTID, EventType::GTID_TAGGED] {
            let wrong = ContentsError::Event(EventError::NoEnd { event_type });
            assert_eq!(contents(&[(event_type, &[]), begin, XID]), Err(wrong));
        }
        let description = (EventType::FORMAT_DESCRIPTION, &[0; 90][..]);
        assert!(contents(&[begin, description, XID]).is_err());
    }
}
