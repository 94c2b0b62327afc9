//! Error packets of the server, and what each means for a replica.
//!
//! Error 1236 is one number for many things, told apart only by its text; the texts are those of MySQL 5.5 to 9.7 and
//! MariaDB 10 and 11. Manual: "Server Error Message Reference".

use std::fmt;

use crate::disposition::Disposition;

/// An error packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerError {
    /// Error number.
    pub code: u16,
    /// SQLSTATE; empty before login.
    pub sqlstate: String,
    /// The server's text.
    pub message: String,
    /// What it means for us.
    pub cause: Cause,
}

/// What an error packet means for a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The server is busy, going down, or lost the connection.
    Passing,
    /// The user or the password is wrong, or the account may not log in.
    AccessDenied,
    /// The account lacks a privilege.
    MissingPrivilege,
    /// Too many failed connections from this host.
    HostBlocked,
    /// This host may not connect at all.
    HostNotAllowed,
    /// The account or the server demands TLS.
    TlsRequired,
    /// The file asked for was purged or never existed.
    LogNotFound,
    /// Transactions that GTID positions need were purged.
    Purged,
    /// The position lies behind the end of its file.
    BeyondEnd,
    /// The position is not the start of an event, or the file is damaged there.
    BadPosition,
    /// Another replica has our `server_id` or UUID and took our place.
    SameServerId,
    /// An event is larger than the source's `max_allowed_packet`.
    EventTooLarge,
    /// The source writes no binary log.
    BinlogOff,
    /// The source's `server_id` is 0.
    NoServerId,
    /// We did not say that we know checksums.
    Checksums,
    /// Error 1236 with a text that is not known.
    DumpRefused,
    /// A statement that this server does not know.
    UnknownStatement,
    /// Anything else.
    Other,
}

impl ServerError {
    /// Reads an error packet's fields into a cause.
    #[must_use]
    pub fn new(code: u16, sqlstate: String, message: String) -> Self {
        let cause = classify(code, &message);
        Self { code, sqlstate, message, cause }
    }

    /// Reads an error packet (first byte 0xFF). Before login there is no SQLSTATE in it.
    #[must_use]
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let (&[0xff, low, high], rest) = packet.split_first_chunk()? else { return None };
        let (sqlstate, message) = match rest.split_first_chunk() {
            Some((&[b'#', a, b, c, d, e], message)) => {
                (String::from_utf8_lossy(&[a, b, c, d, e]).into_owned(), message)
            }
            _ => (String::new(), rest),
        };
        Some(Self::new(u16::from_le_bytes([low, high]), sqlstate, String::from_utf8_lossy(message).into_owned()))
    }

    /// Whether to connect again.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self.cause {
            Cause::Passing => Disposition::Retry,
            _ => Disposition::Stop,
        }
    }

    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self.cause {
            Cause::Passing | Cause::Other | Cause::DumpRefused | Cause::UnknownStatement => return None,
            Cause::AccessDenied => "check --master-user, the password, and that the account may connect from this host",
            Cause::MissingPrivilege => {
                "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* (and SELECT on the replicated tables) to the user"
            }
            Cause::HostBlocked => "FLUSH HOSTS (TRUNCATE performance_schema.host_cache) on the source",
            Cause::HostNotAllowed => "create the user for this host on the source",
            Cause::TlsRequired => "use --ssl-mode required, verify-ca or verify-identity",
            Cause::LogNotFound => {
                "the file was purged or never existed: SHOW BINARY LOGS on the source lists what there is; reset the channel and start from one of them"
            }
            Cause::Purged => {
                "the source no longer has these transactions: take a new copy of the data and start from there"
            }
            Cause::BeyondEnd => {
                "the position is behind the end of the file: was the source restored or replaced, or is the file name wrong?"
            }
            Cause::BadPosition => {
                "the position is not the start of an event, or the file is damaged there; SHOW BINLOG EVENTS lists the starts, 4 is always one"
            }
            Cause::SameServerId => {
                "another replica uses our server id or UUID; give this channel an id of its own with --server-id"
            }
            Cause::EventTooLarge => {
                "raise max_allowed_packet on the source; a start position inside an event gives the same error"
            }
            Cause::BinlogOff => "start the source with --log-bin and a --server-id",
            Cause::NoServerId => "set a server_id other than 0 on the source",
            Cause::Checksums => "the source does not know checksums as any known version does",
        })
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error {}", self.code)?;
        if !self.sqlstate.is_empty() {
            write!(f, " ({})", self.sqlstate)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// The table: an error packet's meaning.
fn classify(code: u16, message: &str) -> Cause {
    match code {
        // out of memory, connections, threads or disk; handshake timed out; shutdown; network
        1021
        | 1037
        | 1038
        | 1040
        | 1041
        | 1042
        | 1043
        | 1053
        | 1078
        | 1079
        | 1080
        | 1135
        | 1152
        | 1153
        | 1154..=1161
        | 1184
        | 1189
        | 1190
        | 1203
        | 1205
        | 1213
        | 1226
        | 1317
        | 1927
        | 3032
        | 3168
        | 3169
        | 4031 => Cause::Passing,
        1045 | 1698 | 1820 | 1862 | 3118 | 3878 | 3955 | 4151 => Cause::AccessDenied,
        1044 | 1142 | 1143 | 1227 | 1370 => Cause::MissingPrivilege,
        1129 => Cause::HostBlocked,
        1130 => Cause::HostNotAllowed,
        3159 => Cause::TlsRequired,
        4052 => Cause::SameServerId,
        1236 => classify_dump(message),
        1220 if message.contains("Could not find target log") => Cause::LogNotFound,
        1220 => Cause::BadPosition,
        1381 => Cause::BinlogOff,
        1064 | 1193 => Cause::UnknownStatement,
        1789 => Cause::Purged,
        _ => Cause::Other,
    }
}

/// The texts of error 1236, lower-cased fragments, first match wins.
const DUMP_TEXTS: [(&str, Cause); 14] = [
    ("same server_uuid/server_id", Cause::SameServerId),
    ("same server_id", Cause::SameServerId),
    ("purged required binary logs", Cause::Purged),
    ("purged binary logs containing", Cause::Purged),
    ("required binlog files have been purged", Cause::Purged),
    ("could not find first log file name", Cause::LogNotFound),
    ("position > file size", Cause::BeyondEnd),
    ("impossible position", Cause::BeyondEnd),
    ("position < 4", Cause::BadPosition),
    ("max_allowed_packet", Cause::EventTooLarge),
    ("bogus data in log event", Cause::BadPosition),
    ("binary log is not open", Cause::BinlogOff),
    ("source server_id is 0", Cause::NoServerId),
    ("replication events with", Cause::Checksums),
];

fn classify_dump(message: &str) -> Cause {
    let message = message.to_ascii_lowercase();
    let known = DUMP_TEXTS.iter().find(|(text, _)| message.contains(text)).map(|(_, cause)| *cause);
    known.unwrap_or(if message.contains("server_id is 0") || message.contains("server id was not set") {
        Cause::NoServerId
    } else {
        Cause::DumpRefused
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn each_server_error_has_one_cause() {
        use Cause::*;
        let table = [
            (1040, "Too many connections", Passing),
            (1053, "Server shutdown in progress", Passing),
            (1158, "Got an error reading communication packets", Passing),
            (1161, "Got timeout writing communication packets", Passing),
            (1317, "Query execution was interrupted", Passing),
            (4031, "The client was disconnected by the server because of inactivity.", Passing),
            (1927, "Connection was killed", Passing),
            (1129, "Host 'x' is blocked because of many connection errors", HostBlocked),
            (1130, "Host 'x' is not allowed to connect to this MySQL server", HostNotAllowed),
            (3159, "Connections using insecure transport are prohibited", TlsRequired),
            (1045, "Access denied for user 'r'@'h' (using password: YES)", AccessDenied),
            (1044, "Access denied for user 'r'@'h' to database 'd'", MissingPrivilege),
            (1227, "Access denied; you need (at least one of) the REPLICATION SLAVE privilege(s)", MissingPrivilege),
            (1236, "Could not find first log file name in binary log index file", LogNotFound),
            (1236, "Client requested source to start replication from position > file size", BeyondEnd),
            (1236, "Client requested master to start replication from impossible position", BeyondEnd),
            (
                1236,
                "bogus data in log event; the first event 'b.000001' at 130, the last event read from './b.000001' at 130",
                BadPosition,
            ),
            (1236, "log event entry exceeded max_allowed_packet; Increase max_allowed_packet on source", EventTooLarge),
            (1236, "Client requested source to start replication from position < 4", BadPosition),
            (1220, "Error when executing command SHOW BINLOG EVENTS: Could not find target log", LogNotFound),
            (1220, "Error when executing command SHOW BINLOG EVENTS: Wrong offset or I/O error", BadPosition),
            (1236, "Binary log is not open", BinlogOff),
            (
                1236,
                "A replica with the same server_uuid/server_id as this replica has connected to the source; the first event",
                SameServerId,
            ),
            (4052, "A slave with the same server_uuid/server_id is already connected", SameServerId),
            (
                1236,
                "Cannot replicate because the source purged required binary logs. Replicate the missing transactions",
                Purged,
            ),
            (1236, "Misconfigured source - source server_id is 0", NoServerId),
            (1236, "Misconfigured master - server id was not set", NoServerId),
            (
                1236,
                "Replica can not handle replication events with the checksum that source is configured to log",
                Checksums,
            ),
            (1236, "a text of the year 2040", DumpRefused),
            (1064, "You have an error in your SQL syntax", UnknownStatement),
            (1146, "Table 'a.b' doesn't exist", Other),
        ];
        for (code, message, cause) in table {
            let error = ServerError::new(code, String::new(), message.to_owned());
            assert_eq!(error.cause, cause, "{code} {message}");
            let retried = error.disposition() == Disposition::Retry;
            assert_eq!(retried, cause == Passing, "{code} {message}");
        }
    }

    #[test]
    fn an_error_packet_is_read_with_and_without_a_sqlstate() {
        let error = ServerError::parse(b"\xff\x15\x04#28000Access denied").unwrap();
        assert_eq!((error.code, error.sqlstate.as_str(), error.message.as_str()), (1045, "28000", "Access denied"));
        let error = ServerError::parse(b"\xff\x10\x04Too many connections").unwrap();
        assert_eq!((error.code, error.sqlstate.as_str(), error.message.as_str()), (1040, "", "Too many connections"));
        assert_eq!(ServerError::parse(b"\xff\x10"), None);
        assert_eq!(ServerError::parse(b""), None);
        assert!(ServerError::parse(b"\xff\x10\x04#12").is_some());
    }
}
