//! What an event that this build does not decode means for the channel.
//!
//! Each type either carries no data, and then may be passed over, or it stops the channel: there is no third way.
//! Pure table.

use super::EventType;
use crate::binlog::header::{EventFlags, EventHeader};

/// Whether the writer says that a reader may ignore the event, and the type is not one we know better about.
pub(in crate::binlog) fn may_be_ignored(header: &EventHeader) -> bool {
    let unknown = header.event_type.name().is_none();
    header.flags.has(EventFlags::IGNORABLE) && (unknown || header.event_type == EventType::MARIA_START_ENCRYPTION)
}

/// Whether an event is passed over unread because its writer says that it may be: one of unknown type with the
/// ignorable flag, or IGNORABLE_EVENT.
#[must_use]
pub fn is_passed_over(header: &EventHeader) -> bool {
    header.event_type == EventType::IGNORABLE
        || header.flags.has(EventFlags::IGNORABLE) && header.event_type.name().is_none()
}

/// Whether events of a type may be passed over without loss, as far as the type says; an event of unknown type also may if
/// its header says so. What is listed neither here nor handled by the applier stops the channel.
#[must_use]
pub fn carries_no_data(event_type: EventType) -> bool {
    matches!(
        event_type,
        // Group Replication's certification data and membership; the changes come as ordinary events.
        EventType::TRANSACTION_CONTEXT | EventType::VIEW_CHANGE
        // Written by no server since 3.23 and without meaning to any.
        | EventType::SLAVE
        // By definition.
        | EventType::IGNORABLE
    )
}

/// What the operator can do about a type that stops the channel.
#[must_use]
pub fn stop_hint(event_type: EventType) -> &'static str {
    match event_type {
        EventType::INCIDENT => {
            "the source says that events may be missing from its log: copy the data again and start behind this event"
        }
        EventType::MARIA_START_ENCRYPTION => {
            "only the server has the keys: read its log through a connection (it decrypts what it sends), or take a \
             copy with mariadb-binlog --read-from-remote-server --raw"
        }
        EventType::XA_PREPARE => "XA transactions cannot be replayed; commit them in one phase at the source",
        EventType::LOAD
        | EventType::CREATE_FILE
        | EventType::APPEND_BLOCK
        | EventType::EXEC_LOAD
        | EventType::DELETE_FILE
        | EventType::NEW_LOAD
        | EventType::BEGIN_LOAD_QUERY
        | EventType::EXECUTE_LOAD_QUERY => "LOAD DATA was logged as a statement: set binlog_format=ROW at the source",
        EventType::WRITE_ROWS_V0 | EventType::UPDATE_ROWS_V0 | EventType::DELETE_ROWS_V0 => {
            "row events of MySQL 5.1 before its release (5.1.15 and earlier): the log says neither which columns can \
             be NULL nor how long their values are; a replica of MySQL 5.1 to 5.7 with the same tables can read them"
        }
        EventType::START_V3 => "the log was written by a server before MySQL 5.0",
        _ => "this build does not know the event; a newer one may",
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn types_that_change_data_are_never_passed_over() {
        for code in 0..=u8::MAX {
            let event_type = EventType(code);
            if event_type.is_row_event() || event_type.name().is_none() {
                assert!(!carries_no_data(event_type), "{event_type}");
            }
        }
        assert!(!carries_no_data(EventType::INCIDENT));
        assert!(!carries_no_data(EventType::TRANSACTION_PAYLOAD));
        assert!(carries_no_data(EventType::VIEW_CHANGE));
    }

    #[test]
    fn only_events_of_unknown_type_are_passed_over_by_their_flag() {
        let mut header = EventHeader::read(&[0; crate::binlog::HEADER_LEN]).expect("a header");
        for (flags, code, passed) in
            [(0x80, 99, true), (0, 99, false), (0x80, 29, false), (0x80, 26, false), (0x80, 164, false), (0, 28, true)]
        {
            header.flags = EventFlags(flags);
            header.event_type = EventType(code);
            assert_eq!(is_passed_over(&header), passed, "{code}");
        }
    }

    #[test]
    fn every_type_that_stops_says_what_to_do() {
        let unknown = stop_hint(EventType(99));
        for event_type in [
            EventType::INCIDENT,
            EventType::START_V3,
            EventType::WRITE_ROWS_V0,
            EventType::BEGIN_LOAD_QUERY,
            EventType::LOAD,
            EventType::XA_PREPARE,
            EventType::MARIA_START_ENCRYPTION,
        ] {
            assert_ne!(stop_hint(event_type), unknown, "{event_type}");
        }
    }
}
