//! The 19-byte common header, the event type code and an event cut out but not yet parsed.

use std::fmt;

use super::error::{EventError, FrameError};
use super::{CHECKSUM_LEN, HEADER_LEN, MAX_EVENT_SIZE, checksum};
use crate::wire::Problem;

/// The event type code. Unknown codes survive and print as `unknown(99)`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventType(pub u8);

macro_rules! event_types {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)*) => {
        #[allow(missing_docs, reason = "the names are the manual's; the text beside each is the server's")]
        impl EventType {
            $($(#[$doc])* pub const $name: Self = Self($code);)*

            /// The name as `SHOW BINLOG EVENTS` and `mysqlbinlog` print it, if the code is known.
            #[must_use]
            pub fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some($text),)*
                    _ => None,
                }
            }
        }
    };
}

event_types! {
    START_V3 = 1, "Start_v3";
    QUERY = 2, "Query";
    STOP = 3, "Stop";
    ROTATE = 4, "Rotate";
    INTVAR = 5, "Intvar";
    LOAD = 6, "Load";
    SLAVE = 7, "Slave";
    CREATE_FILE = 8, "Create_file";
    APPEND_BLOCK = 9, "Append_block";
    EXEC_LOAD = 10, "Exec_load";
    DELETE_FILE = 11, "Delete_file";
    NEW_LOAD = 12, "New_load";
    RAND = 13, "RAND";
    USER_VAR = 14, "User var";
    FORMAT_DESCRIPTION = 15, "Format_desc";
    XID = 16, "Xid";
    BEGIN_LOAD_QUERY = 17, "Begin_load_query";
    EXECUTE_LOAD_QUERY = 18, "Execute_load_query";
    TABLE_MAP = 19, "Table_map";
    WRITE_ROWS_V0 = 20, "Write_rows_v0";
    UPDATE_ROWS_V0 = 21, "Update_rows_v0";
    DELETE_ROWS_V0 = 22, "Delete_rows_v0";
    WRITE_ROWS_V1 = 23, "Write_rows_v1";
    UPDATE_ROWS_V1 = 24, "Update_rows_v1";
    DELETE_ROWS_V1 = 25, "Delete_rows_v1";
    INCIDENT = 26, "Incident";
    HEARTBEAT = 27, "Heartbeat";
    IGNORABLE = 28, "Ignorable";
    ROWS_QUERY = 29, "Rows_query";
    WRITE_ROWS = 30, "Write_rows";
    UPDATE_ROWS = 31, "Update_rows";
    DELETE_ROWS = 32, "Delete_rows";
    GTID = 33, "Gtid";
    ANONYMOUS_GTID = 34, "Anonymous_Gtid";
    PREVIOUS_GTIDS = 35, "Previous_gtids";
    TRANSACTION_CONTEXT = 36, "Transaction_context";
    VIEW_CHANGE = 37, "View_change";
    XA_PREPARE = 38, "XA_prepare";
    PARTIAL_UPDATE_ROWS = 39, "Update_rows_partial";
    TRANSACTION_PAYLOAD = 40, "Transaction_payload";
    HEARTBEAT_V2 = 41, "Heartbeat_v2";
    GTID_TAGGED = 42, "Gtid_tagged_log_event";
    MARIA_ANNOTATE_ROWS = 160, "Annotate_rows";
    MARIA_BINLOG_CHECKPOINT = 161, "Binlog_checkpoint";
    MARIA_GTID = 162, "Gtid";
    MARIA_GTID_LIST = 163, "Gtid_list";
    MARIA_START_ENCRYPTION = 164, "Start_encryption";
    MARIA_QUERY_COMPRESSED = 165, "Query_compressed";
    MARIA_WRITE_ROWS_COMPRESSED_V1 = 166, "Write_rows_compressed_v1";
    MARIA_UPDATE_ROWS_COMPRESSED_V1 = 167, "Update_rows_compressed_v1";
    MARIA_DELETE_ROWS_COMPRESSED_V1 = 168, "Delete_rows_compressed_v1";
    MARIA_WRITE_ROWS_COMPRESSED = 169, "Write_rows_compressed";
    MARIA_UPDATE_ROWS_COMPRESSED = 170, "Update_rows_compressed";
    MARIA_DELETE_ROWS_COMPRESSED = 171, "Delete_rows_compressed";
}

impl EventType {
    /// WRITE_ROWS, UPDATE_ROWS, DELETE_ROWS of every version, partial and compressed ones included.
    #[must_use]
    pub fn is_row_event(self) -> bool {
        matches!(self.0, 20..=25 | 30..=32 | 39 | 166..=171)
    }

    /// GTID, ANONYMOUS_GTID, GTID_TAGGED and MariaDB's GTID: what opens a transaction.
    #[must_use]
    pub fn is_gtid(self) -> bool {
        matches!(self, Self::GTID | Self::ANONYMOUS_GTID | Self::GTID_TAGGED | Self::MARIA_GTID)
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "unknown({})", self.0),
        }
    }
}

impl fmt::Debug for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The header's flag bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventFlags(pub u16);

impl EventFlags {
    /// The file is being written (format description only).
    pub const IN_USE: u16 = 0x1;
    /// The statement used a temporary table of its session.
    pub const THREAD_SPECIFIC: u16 = 0x4;
    /// Made up by the server for this connection; not in any file (rotate, format description).
    pub const ARTIFICIAL: u16 = 0x20;
    /// Written into a relay log by the replica itself.
    pub const RELAY_LOG: u16 = 0x40;
    /// A reader that does not know the type may pass it on.
    pub const IGNORABLE: u16 = 0x80;

    /// Whether all bits of `mask` are set.
    #[must_use]
    pub fn has(self, mask: u16) -> bool {
        self.0 & mask == mask
    }
}

/// How events of a file are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChecksumAlgorithm {
    /// No checksum.
    Off,
    /// CRC32 in the last four bytes of each event.
    Crc32,
}

/// The common header. Fields are named as in the manual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventHeader {
    /// Seconds since 1970 when the statement began at the source; 0 in artificial events.
    pub timestamp: u32,
    /// What the body is.
    pub event_type: EventType,
    /// `server_id` of the server that wrote the event first.
    pub server_id: u32,
    /// Bytes of the whole event: header, body and checksum.
    pub event_size: u32,
    /// `end_log_pos`: low 32 bits of the offset after the event in the source's file; 0 when not said.
    pub log_pos: u32,
    /// Flag bits.
    pub flags: EventFlags,
}

impl EventHeader {
    /// Reads a header; `None` if there are fewer than 19 bytes. Checks nothing.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; HEADER_LEN] = bytes.first_chunk()?;
        let [t0, t1, t2, t3, ty, s0, s1, s2, s3, z0, z1, z2, z3, p0, p1, p2, p3, f0, f1] = *bytes;
        Some(Self {
            timestamp: u32::from_le_bytes([t0, t1, t2, t3]),
            event_type: EventType(ty),
            server_id: u32::from_le_bytes([s0, s1, s2, s3]),
            event_size: u32::from_le_bytes([z0, z1, z2, z3]),
            log_pos: u32::from_le_bytes([p0, p1, p2, p3]),
            flags: EventFlags(u16::from_le_bytes([f0, f1])),
        })
    }

    /// The header's bytes, as they stand in a file.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let [t0, t1, t2, t3] = self.timestamp.to_le_bytes();
        let [s0, s1, s2, s3] = self.server_id.to_le_bytes();
        let [z0, z1, z2, z3] = self.event_size.to_le_bytes();
        let [p0, p1, p2, p3] = self.log_pos.to_le_bytes();
        let [f0, f1] = self.flags.0.to_le_bytes();
        [t0, t1, t2, t3, self.event_type.0, s0, s1, s2, s3, z0, z1, z2, z3, p0, p1, p2, p3, f0, f1]
    }

    /// Whether the event stands at no offset of the source's file (artificial, heartbeats).
    #[must_use]
    pub fn is_artificial(&self) -> bool {
        self.flags.has(EventFlags::ARTIFICIAL)
            || matches!(self.event_type, EventType::HEARTBEAT | EventType::HEARTBEAT_V2)
            || (self.log_pos == 0 && matches!(self.event_type, EventType::ROTATE | EventType::FORMAT_DESCRIPTION))
    }
}

/// One complete event, cut out by length and not parsed further.
#[derive(Debug, Clone, Copy)]
pub struct RawEvent<'a> {
    /// The parsed header.
    pub header: EventHeader,
    /// The whole event: header, body, checksum if any. Its length is `header.event_size`.
    pub bytes: &'a [u8],
}

impl<'a> RawEvent<'a> {
    /// Cuts the first event out of `bytes`; returns it and what follows.
    ///
    /// # Errors
    /// When the bytes end inside the event, or its header names an impossible size.
    #[inline]
    pub fn cut(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), FrameError> {
        let incomplete = |need| FrameError::Incomplete { have: bytes.len(), need };
        let header = EventHeader::read(bytes).ok_or_else(|| incomplete(HEADER_LEN))?;
        let EventHeader { event_type, event_size: size, .. } = header;
        if size > MAX_EVENT_SIZE {
            return Err(FrameError::TooLarge { event_type, size });
        }
        let need = usize::try_from(size).unwrap_or(usize::MAX);
        if need < HEADER_LEN {
            return Err(FrameError::TooSmall { event_type, size });
        }
        let (bytes, rest) = bytes.split_at_checked(need).ok_or_else(|| incomplete(need))?;
        Ok((Self { header, bytes }, rest))
    }

    /// Compares the event's CRC32 with its bytes. `alg` is the algorithm of the file's format description; a format
    /// description itself is checked as its own last bytes say.
    ///
    /// # Errors
    /// When they differ, or the event is too short to have a checksum.
    #[inline]
    pub fn verify_checksum(&self, alg: ChecksumAlgorithm) -> Result<(), EventError> {
        let event_type = self.header.event_type;
        let alg = if event_type == EventType::FORMAT_DESCRIPTION {
            super::event::FormatDescription::parse(self)?.checksum
        } else {
            alg
        };
        if alg == ChecksumAlgorithm::Off {
            return Ok(());
        }
        let (covered, stored) = checksum::split(self.bytes).ok_or_else(|| self.too_short_for_checksum())?;
        let computed = checksum::compute(covered);
        if computed == stored { Ok(()) } else { Err(EventError::Checksum { event_type, stored, computed }) }
    }

    /// The event without header and checksum. Not for format descriptions, whose tail depends on the server.
    ///
    /// # Errors
    /// When the event is too short to have a checksum.
    #[inline]
    pub fn body(&self, alg: ChecksumAlgorithm) -> Result<&'a [u8], EventError> {
        let body = self.bytes.get(HEADER_LEN..).unwrap_or_default();
        match alg {
            ChecksumAlgorithm::Off => Ok(body),
            ChecksumAlgorithm::Crc32 => match body.split_last_chunk::<CHECKSUM_LEN>() {
                Some((body, _)) => Ok(body),
                None => Err(self.too_short_for_checksum()),
            },
        }
    }

    #[cold]
    fn too_short_for_checksum(&self) -> EventError {
        EventError::Malformed {
            event_type: self.header.event_type,
            offset: HEADER_LEN,
            what: "checksum",
            problem: Problem::Truncated,
        }
    }
}
