//! Tells where transactions end, for the repair of a file's tail.

use crate::binlog::{ChecksumAlgorithm, EventType, RawEvent};

/// MariaDB GTID: the group is one statement without an end mark.
const FL_STANDALONE: u8 = 1;

/// Whether the events seen so far leave a transaction open.
#[derive(Debug, Default)]
pub(super) struct Boundary {
    open: bool,
    explicit: bool,
}

impl Boundary {
    /// Takes the next event; returns whether no transaction is open after it.
    pub(super) fn closed_after(&mut self, raw: &RawEvent<'_>, checksum: ChecksumAlgorithm) -> bool {
        let body = raw.body(checksum).unwrap_or_default();
        match raw.header.event_type {
            EventType::MARIA_GTID => {
                self.open = true;
                self.explicit = body.get(12).is_some_and(|flags| flags & FL_STANDALONE == 0);
            }
            event_type if event_type.is_gtid() => self.open = true,
            EventType::XID | EventType::XA_PREPARE | EventType::TRANSACTION_PAYLOAD => *self = Self::default(),
            EventType::QUERY => self.query(statement(body)),
            EventType::ROTATE
            | EventType::STOP
            | EventType::FORMAT_DESCRIPTION
            | EventType::PREVIOUS_GTIDS
            | EventType::MARIA_GTID_LIST
            | EventType::MARIA_BINLOG_CHECKPOINT
            | EventType::HEARTBEAT
            | EventType::HEARTBEAT_V2
            | EventType::INCIDENT => {}
            _ => self.open = true,
        }
        !self.open
    }

    fn query(&mut self, statement: &[u8]) {
        let is = |word: &[u8]| statement.eq_ignore_ascii_case(word);
        let begins = |word: &[u8]| statement.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        if is(b"BEGIN") || begins(b"XA START") {
            (self.open, self.explicit) = (true, true);
        } else if !self.explicit || is(b"COMMIT") || is(b"ROLLBACK") || begins(b"XA COMMIT") || begins(b"XA ROLLBACK") {
            *self = Self::default();
        }
    }
}

/// The text of a QUERY_EVENT: after the post-header, the status variables, and the database with its zero byte.
fn statement(body: &[u8]) -> &[u8] {
    let text = || {
        let database = usize::from(*body.get(8)?);
        let (low, high) = (*body.get(11)?, *body.get(12)?);
        let variables = usize::from(u16::from_le_bytes([low, high]));
        body.get(13 + variables + database + 1..)
    };
    text().unwrap_or_default()
}
