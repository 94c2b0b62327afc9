//! The binary log's framing: event headers, checksums, the state a reader must carry, transaction groups.
//!
//! What it does not do: files and sockets (they cut events out and hand over complete slices) and row values
//! (`crate::row`). Manual: "The Binary Log"; MySQL Internals, "Replication Protocol".
//!
//! ```text
//! | 4 timestamp | 1 type | 4 server_id | 4 event_size | 4 end_log_pos | 2 flags | body ... | 4 CRC32, if on |
//! ```

pub mod checksum;
pub mod compressed;
pub mod contents;
pub mod describe;
pub mod encode;
mod error;
pub mod event;
pub mod group;
mod header;
pub mod payload;

pub use error::{EventError, FrameError};
pub use header::{ChecksumAlgorithm, EventFlags, EventHeader, EventType, RawEvent};

/// The first four bytes of every binary log and relay log file.
pub const MAGIC: [u8; 4] = [0xfe, b'b', b'i', b'n'];

/// Bytes of the common event header (binlog version 4).
pub const HEADER_LEN: usize = 19;

/// Bytes of the CRC32 at the end of an event, where checksums are on.
pub const CHECKSUM_LEN: usize = 4;

/// The largest event that any server can write (`max_allowed_packet` and replication's own limit).
pub const MAX_EVENT_SIZE: u32 = 1 << 30;
