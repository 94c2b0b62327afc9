//! START_EVENT_V3, SLAVE_EVENT and the event numbers of development trees: what servers before MySQL 5.1 left behind.
//!
//! ```text
//! START_V3 | 2 binlog_version | 50 server_version | 4 created |       (header of 13 bytes in version 1)
//! SLAVE    | 8 master_pos | 2 master_port | master_host, 0 | master_log ... |
//! ```
//! A file of version 1 or 3 stops the channel by its first event. SLAVE_EVENT was never written by a release.
//! Worklog of the numbers: WL#2325, WL#1717.

use super::{EventType, FormatDescription};
use crate::binlog::RawEvent;
use crate::binlog::error::EventError;
use crate::wire;

/// SLAVE_EVENT: where a replica of the source stood with its own source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlaveEvent<'a> {
    /// Offset.
    pub master_pos: u64,
    /// Port.
    pub master_port: u16,
    /// Host name.
    pub master_host: &'a [u8],
    /// File name.
    pub master_log: &'a [u8],
}

/// Size of a START_EVENT_V3 with the header of 19 bytes; one with the older header is smaller.
const START_V3_LEN: usize = 19 + 2 + 50 + 4;

/// Why a file that begins so cannot be read.
pub(super) fn start_v3(raw: &RawEvent<'_>) -> EventError {
    let version = match raw.bytes.get(19..21) {
        Some(&[low, high]) if raw.bytes.len() >= START_V3_LEN => u16::from_le_bytes([low, high]),
        _ => 1,
    };
    EventError::BinlogVersion(version)
}

pub(super) fn slave(i: &[u8]) -> Result<SlaveEvent<'_>, nom::Err<wire::ParseError>> {
    let (i, master_pos) = wire::le_u64("master_pos")(i)?;
    let (i, master_port) = wire::le_u16("master_port")(i)?;
    let (i, master_host) = wire::c_string("master_host")(i)?;
    let (_, master_log) = wire::rest(i)?;
    Ok(SlaveEvent { master_pos, master_port, master_host, master_log })
}

/// Types as the development trees numbered them, from 16 on; those before are the same everywhere.
const TREE_TYPES: [EventType; 7] = [
    EventType::TABLE_MAP,
    EventType::WRITE_ROWS_V0,
    EventType::UPDATE_ROWS_V0,
    EventType::DELETE_ROWS_V0,
    EventType::XID,
    EventType::BEGIN_LOAD_QUERY,
    EventType::EXECUTE_LOAD_QUERY,
];

/// The first type that is numbered differently.
const FIRST_DIFFERENT: u8 = 16;

/// Types that such a tree knows.
pub(super) const TREE_TYPE_COUNT: usize = 22;

impl FormatDescription {
    /// The type that `code` stands for in this file. The same number, but for development trees of 5.1 and 5.2.
    ///
    /// To be asked once, where an event is cut out of the file: the answer is not a number of the file any more.
    #[inline]
    #[must_use]
    pub fn event_type(&self, code: EventType) -> EventType {
        if !self.tree_types {
            return code;
        }
        let different = code.0.checked_sub(FIRST_DIFFERENT).map(usize::from);
        different.and_then(|n| TREE_TYPES.get(n)).copied().unwrap_or(code)
    }
}

/// Post-header lengths of a tree, put in the order of the releases.
pub(super) fn released_order(lengths: &[u8]) -> Vec<u8> {
    let mut ordered = lengths.to_vec();
    let different = lengths.get(usize::from(FIRST_DIFFERENT) - 1..).unwrap_or_default();
    for (event_type, length) in TREE_TYPES.iter().zip(different) {
        if let Some(place) = ordered.get_mut(usize::from(event_type.0).saturating_sub(1)) {
            *place = *length;
        }
    }
    ordered
}

/// Whether a server version is that of a tree with numbers of its own: 5.1.1 to 5.1.5 `-a_drop5...`, 5.1.4 `-a_drop6...`,
/// 5.2.0 to 5.2.2 `-a_drop6...`.
pub(super) fn is_tree(version: &str) -> bool {
    let Some((numbers, drop)) = version.split_once("-a_drop") else { return false };
    match drop.bytes().next() {
        Some(b'5') => matches!(numbers, "5.1.1" | "5.1.2" | "5.1.3" | "5.1.4" | "5.1.5"),
        Some(b'6') => matches!(numbers, "5.1.4" | "5.2.0" | "5.2.1" | "5.2.2"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_listed_trees_have_numbers_of_their_own() {
        for (version, tree) in [
            ("5.2.2-a_drop6p13-debug-log", true),
            ("5.1.5-a_drop5p20", true),
            ("5.1.4-a_drop6p0", true),
            ("5.1.5-a_drop6p1", false),
            ("5.2.3-a_drop6p14", false),
            ("5.1.15-ndb-6.1.24-debug-log", false),
            ("5.1.73-log", false),
        ] {
            assert_eq!(is_tree(version), tree, "{version}");
        }
    }
}
