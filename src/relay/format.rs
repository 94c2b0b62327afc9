//! The few event bytes that the relay log writes or reads itself: format descriptions and artificial ROTATEs.

use crate::binlog::{CHECKSUM_LEN, ChecksumAlgorithm, EventFlags, EventHeader, EventType, HEADER_LEN};
use crate::position::LogPosition;

/// Where `created` stands in a format description: after header, binlog version and server version.
const CREATED: usize = HEADER_LEN + 2 + 50;

/// `created` is a 32-bit number.
const CREATED_END: usize = CREATED + 4;

/// How a file's events are laid out, as its format description says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Format {
    /// The event, as a relay file begins with it.
    event: Vec<u8>,
    checksum: ChecksumAlgorithm,
    /// Whether the writer knew checksums: the event then ends with the algorithm and a CRC, whatever the algorithm.
    protected: bool,
    server_id: u32,
}

impl Format {
    /// Reads a format description and makes our own of it: marked as a relay log's, at no offset of the source's
    /// file, and not a sign that the source has restarted. `None` if the bytes are no format description that we
    /// know, or do not match their checksum.
    pub(super) fn read(event: &[u8]) -> Option<Self> {
        let header = EventHeader::read(event)?;
        let (version, _) = event.get(HEADER_LEN + 2..)?.split_first_chunk::<50>()?;
        if header.event_type != EventType::FORMAT_DESCRIPTION || event.get(HEADER_LEN..HEADER_LEN + 2) != Some(&[4, 0]) {
            return None;
        }
        let protected = knows_checksums(version);
        let checksum = match event.len().checked_sub(CHECKSUM_LEN + 1).and_then(|at| event.get(at)) {
            Some(1) if protected => ChecksumAlgorithm::Crc32,
            Some(0) if protected => ChecksumAlgorithm::Off,
            Some(_) if !protected => ChecksumAlgorithm::Off,
            _ => return None,
        };
        let own = EventHeader { log_pos: 0, flags: EventFlags(EventFlags::RELAY_LOG), ..header };
        let mut bytes = event.to_vec();
        bytes.get_mut(..HEADER_LEN)?.copy_from_slice(&own.to_bytes());
        bytes.get_mut(CREATED..CREATED_END)?.fill(0);
        if protected {
            let covered = bytes.len().checked_sub(CHECKSUM_LEN)?;
            let crc = crc32fast::hash(bytes.get(..covered)?);
            bytes.get_mut(covered..)?.copy_from_slice(&crc.to_le_bytes());
        }
        Some(Self { event: bytes, checksum, protected, server_id: header.server_id })
    }

    /// How the events are protected.
    pub(super) fn checksum(&self) -> ChecksumAlgorithm {
        self.checksum
    }

    /// The event that a relay file begins with.
    pub(super) fn event(&self) -> &[u8] {
        &self.event
    }

    /// Whether events of the other format can stand in the same file: all but times, flags and CRC is equal.
    pub(super) fn fits(&self, other: &Self) -> bool {
        self.layout() == other.layout()
    }

    fn layout(&self) -> Option<(&[u8], &[u8])> {
        let covered = self.event.len().checked_sub(if self.protected { CHECKSUM_LEN } else { 0 })?;
        Some((self.event.get(HEADER_LEN..CREATED)?, self.event.get(CREATED_END..covered)?))
    }

    /// An artificial ROTATE: what follows comes from there.
    pub(super) fn rotate(&self, to: &LogPosition) -> Vec<u8> {
        let name = to.file.as_bytes();
        let trailer = if self.checksum == ChecksumAlgorithm::Crc32 { CHECKSUM_LEN } else { 0 };
        let size = HEADER_LEN.saturating_add(8).saturating_add(name.len()).saturating_add(trailer);
        let header = EventHeader {
            timestamp: 0,
            event_type: EventType::ROTATE,
            server_id: self.server_id,
            event_size: u32::try_from(size).unwrap_or(u32::MAX),
            log_pos: 0,
            flags: EventFlags(EventFlags::ARTIFICIAL),
        };
        let mut event = Vec::with_capacity(size);
        event.extend_from_slice(&header.to_bytes());
        event.extend_from_slice(&to.pos.to_le_bytes());
        event.extend_from_slice(name);
        if self.checksum == ChecksumAlgorithm::Crc32 {
            let crc = crc32fast::hash(&event);
            event.extend_from_slice(&crc.to_le_bytes());
        }
        event
    }
}

/// Where a ROTATE leads. `None` if it cannot be read.
pub(super) fn read_rotate(event: &[u8], checksum: ChecksumAlgorithm) -> Option<LogPosition> {
    let body = event.get(HEADER_LEN..)?;
    let body = match checksum {
        ChecksumAlgorithm::Crc32 => body.split_last_chunk::<CHECKSUM_LEN>()?.0,
        ChecksumAlgorithm::Off => body,
    };
    let (pos, name) = body.split_first_chunk::<8>()?;
    let name = std::str::from_utf8(name).ok().filter(|name| !name.is_empty())?;
    Some(LogPosition::new(name, u64::from_le_bytes(*pos)))
}

/// Where a ROTATE leads that came before any format description: it has a checksum if its last bytes are one.
pub(super) fn read_artificial_rotate(event: &[u8]) -> Option<LogPosition> {
    let checksum = if has_valid_crc(event) { ChecksumAlgorithm::Crc32 } else { ChecksumAlgorithm::Off };
    read_rotate(event, checksum)
}

/// Whether the event's last four bytes are the CRC32 of the others. IN_USE in a format description counts as clear,
/// for the server sets and clears it in place.
pub(super) fn has_valid_crc(event: &[u8]) -> bool {
    let Some((covered, crc)) = event.split_last_chunk::<CHECKSUM_LEN>() else { return false };
    let stored = u32::from_le_bytes(*crc);
    match EventHeader::read(covered) {
        Some(header) if header.event_type == EventType::FORMAT_DESCRIPTION => {
            let flags = EventFlags(header.flags.0 & !EventFlags::IN_USE);
            let mut hasher = crc32fast::Hasher::new();
            hasher.update(&EventHeader { flags, ..header }.to_bytes());
            hasher.update(covered.get(HEADER_LEN..).unwrap_or_default());
            hasher.finalize() == stored
        }
        Some(_) => crc32fast::hash(covered) == stored,
        None => false,
    }
}

/// Whether a server of that version ends its format description with an algorithm and a CRC: MySQL from 5.6.1,
/// MariaDB from 5.3.0.
fn knows_checksums(version: &[u8]) -> bool {
    let mut parts = version.split(|byte| !byte.is_ascii_digit()).map(|digits| {
        std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u32>().ok()).unwrap_or(0)
    });
    let found = [parts.next().unwrap_or(0), parts.next().unwrap_or(0), parts.next().unwrap_or(0)];
    let maria = version.windows(7).any(|window| window == b"MariaDB");
    found >= if maria { [5, 3, 0] } else { [5, 6, 1] }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_rotate_leads_where_it_was_made_to() {
        for checksum in [ChecksumAlgorithm::Crc32, ChecksumAlgorithm::Off] {
            let format = Format::read(&sample::format_description(checksum, 4)).unwrap();
            assert_eq!(format.checksum(), checksum);
            let to = LogPosition::new("mysql-bin.000007", 1 << 33);
            let event = format.rotate(&to);
            assert_eq!(read_rotate(&event, checksum), Some(to.clone()));
            assert_eq!(read_artificial_rotate(&event), Some(to));
        }
    }

    #[test]
    fn times_and_flags_do_not_make_another_format_but_checksums_do() {
        let crc = Format::read(&sample::format_description(ChecksumAlgorithm::Crc32, 4)).unwrap();
        let later = Format::read(&sample::format_description(ChecksumAlgorithm::Crc32, 9000)).unwrap();
        let off = Format::read(&sample::format_description(ChecksumAlgorithm::Off, 4)).unwrap();
        assert!(crc.fits(&later));
        assert!(!crc.fits(&off));
        assert!(has_valid_crc(crc.event()));
        assert!(has_valid_crc(off.event()));
    }

    #[test]
    fn servers_know_checksums_from_these_versions_on() {
        for (version, knows) in [
            ("5.5.62-log", false),
            ("5.6.0", false),
            ("5.6.1-m5", true),
            ("9.7.4", true),
            ("5.5.68-MariaDB", true),
            ("10.11.18-MariaDB-log", true),
        ] {
            assert_eq!(knows_checksums(version.as_bytes()), knows, "{version}");
        }
    }
}
