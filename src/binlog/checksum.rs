//! CRC32 of events: where it stands, and what it covers.
//!
//! It covers header and body, with one exception: the IN_USE flag of a FORMAT_DESCRIPTION_EVENT counts as clear,
//! because the server sets and clears it in place. A FORMAT_DESCRIPTION_EVENT of a server that knows checksums always
//! ends with an algorithm byte and four bytes for the CRC, also when the algorithm is "off". Worklog: WL#2540.

use super::header::{EventFlags, EventType};
use super::{CHECKSUM_LEN, HEADER_LEN};

/// Offset of the flags in the common header.
const FLAGS_OFFSET: usize = 17;

/// The CRC32 of an event's `covered` bytes: header and body, without the checksum itself.
#[must_use]
pub fn compute(covered: &[u8]) -> u32 {
    let is_description = covered.get(4) == Some(&EventType::FORMAT_DESCRIPTION.0);
    match (covered.get(..FLAGS_OFFSET), covered.get(FLAGS_OFFSET), covered.get(FLAGS_OFFSET + 1..)) {
        (Some(before), Some(&flags), Some(after)) if is_description => {
            let [in_use, _] = EventFlags::IN_USE.to_le_bytes();
            let mut crc = crc32fast::Hasher::new();
            crc.update(before);
            crc.update(&[flags & !in_use]);
            crc.update(after);
            crc.finalize()
        }
        _ => crc32fast::hash(covered),
    }
}

/// Splits a whole event into what the checksum covers and the checksum. `None` if it is too short to have one.
#[must_use]
pub fn split(event: &[u8]) -> Option<(&[u8], u32)> {
    let (covered, stored) = event.split_last_chunk::<CHECKSUM_LEN>()?;
    (covered.len() >= HEADER_LEN).then(|| (covered, u32::from_le_bytes(*stored)))
}
