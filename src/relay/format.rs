//! The few events that the relay log writes itself: its files' format descriptions and artificial ROTATEs.

use crate::binlog::encode::{encode_rotate, restamp};
use crate::binlog::event::FormatDescription;
use crate::binlog::{CHECKSUM_LEN, ChecksumAlgorithm, EventError, EventFlags, HEADER_LEN, RawEvent, checksum};
use crate::position::LogPosition;

/// Where `created` stands in a format description: after header, binlog version and server version.
const CREATED: usize = HEADER_LEN + 2 + 50;

/// `created` is a 32-bit number.
const CREATED_END: usize = CREATED + 4;

/// How a file's events are laid out, as its format description says.
#[derive(Debug, Clone)]
pub(super) struct Format {
    /// The event that a relay file begins with.
    event: Vec<u8>,
    /// The same as the source's, for readers that count on one in each file.
    source_event: Vec<u8>,
    description: FormatDescription,
    server_id: u32,
    /// Whether the source's server had just started: a transaction open before was never committed.
    restarted: bool,
}

impl Format {
    /// Reads a format description and makes our own of it: marked as a relay log's, at no offset of the source's
    /// file, and without the time that says the source has just started.
    pub(super) fn read(raw: &RawEvent<'_>) -> Result<Self, EventError> {
        let mut description = FormatDescription::parse(raw)?;
        raw.verify_checksum(description.checksum)?;
        let restarted = description.created != 0;
        description.created = 0;
        let mut bytes = raw.bytes.to_vec();
        if let Some(created) = bytes.get_mut(CREATED..CREATED_END) {
            created.fill(0);
        }
        let unstamped = RawEvent { header: raw.header, bytes: &bytes };
        let marked = |flag| restamp(&unstamped, raw.header.timestamp, 0, EventFlags(flag), description.checksum);
        let (event, source_event) = (marked(EventFlags::RELAY_LOG)?, marked(EventFlags::ARTIFICIAL)?);
        Ok(Self { event, source_event, description, server_id: raw.header.server_id, restarted })
    }

    /// Reads what [`Format::read`] made: its checksum is right even where those of other events are off.
    pub(super) fn read_own(raw: &RawEvent<'_>) -> Result<Self, EventError> {
        let description = FormatDescription::parse(raw)?;
        if description.has_checksum_tail() {
            verify(raw, ChecksumAlgorithm::Crc32)?;
        }
        Self::read(raw)
    }

    /// What the description says, but for the time of creation.
    pub(super) fn description(&self) -> &FormatDescription {
        &self.description
    }

    /// Whether the description says that the source's server had just started.
    pub(super) fn restarted(&self) -> bool {
        self.restarted
    }

    /// How the events are protected.
    pub(super) fn checksum(&self) -> ChecksumAlgorithm {
        self.description.checksum
    }

    /// The event that a relay file begins with.
    pub(super) fn event(&self) -> &[u8] {
        &self.event
    }

    /// The source's description once more, at no offset of its file. `mysqlbinlog` prints rows only behind a
    /// description that is not marked as a relay log's own.
    pub(super) fn source_event(&self) -> &[u8] {
        &self.source_event
    }

    /// Whether events of the other format can stand in the same file.
    pub(super) fn fits(&self, other: &Self) -> bool {
        self.description == other.description
    }

    /// An artificial ROTATE: what follows comes from there.
    pub(super) fn rotate(&self, to: &LogPosition) -> Vec<u8> {
        let flags = EventFlags(EventFlags::ARTIFICIAL);
        encode_rotate(to.file.as_bytes(), to.pos, self.server_id, flags, self.checksum())
    }
}

/// Where a ROTATE leads. `None` if it cannot be read.
pub(super) fn read_rotate(raw: &RawEvent<'_>, alg: ChecksumAlgorithm) -> Option<LogPosition> {
    let (pos, name) = raw.body(alg).ok()?.split_first_chunk::<8>()?;
    let name = std::str::from_utf8(name).ok().filter(|name| !name.is_empty())?;
    Some(LogPosition::new(name, u64::from_le_bytes(*pos)))
}

/// Where an artificial ROTATE leads. It is protected as the connection was before any format description, which is
/// not for us to know: it has a checksum if its last bytes are one.
pub(super) fn read_artificial_rotate(raw: &RawEvent<'_>) -> Option<LogPosition> {
    let alg = if has_valid_crc(raw.bytes) { ChecksumAlgorithm::Crc32 } else { ChecksumAlgorithm::Off };
    read_rotate(raw, alg)
}

/// Checks an event in a file whose events are protected so. A format description has no say of its own here: damaged,
/// it could say that there is nothing to check.
pub(super) fn verify(raw: &RawEvent<'_>, alg: ChecksumAlgorithm) -> Result<(), EventError> {
    match checksum::split(raw.bytes).map(|(covered, stored)| (checksum::compute(covered), stored)) {
        Some((computed, stored)) if alg == ChecksumAlgorithm::Crc32 && computed != stored => {
            Err(EventError::Checksum { event_type: raw.header.event_type, stored, computed })
        }
        None if alg == ChecksumAlgorithm::Crc32 => raw.body(alg).map(drop),
        _ => Ok(()),
    }
}

/// Whether the event's last four bytes are the CRC32 of the others.
pub(super) fn has_valid_crc(event: &[u8]) -> bool {
    event.len() >= HEADER_LEN + CHECKSUM_LEN
        && checksum::split(event).is_some_and(|(covered, stored)| checksum::compute(covered) == stored)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::super::sample;
    use super::*;

    fn format(alg: ChecksumAlgorithm, log_pos: u32) -> Format {
        Format::read(&sample::raw(&sample::format_description(alg, log_pos))).unwrap()
    }

    #[test]
    fn a_rotate_leads_where_it_was_made_to() {
        for alg in [ChecksumAlgorithm::Crc32, ChecksumAlgorithm::Off] {
            let format = format(alg, 126);
            assert_eq!(format.checksum(), alg);
            let to = LogPosition::new("mysql-bin.000007", 1 << 33);
            let event = format.rotate(&to);
            assert_eq!(read_rotate(&sample::raw(&event), alg), Some(to.clone()));
            assert_eq!(read_artificial_rotate(&sample::raw(&event)), Some(to));
        }
    }

    #[test]
    fn times_and_flags_do_not_make_another_format_but_checksums_do() {
        let crc = format(ChecksumAlgorithm::Crc32, 126);
        assert!(crc.fits(&format(ChecksumAlgorithm::Crc32, 0)));
        assert!(!crc.fits(&format(ChecksumAlgorithm::Off, 126)));
    }

    #[test]
    fn our_own_description_is_marked_as_a_relay_logs_and_stands_nowhere_in_the_sources_file() {
        for alg in [ChecksumAlgorithm::Crc32, ChecksumAlgorithm::Off] {
            let format = format(alg, 126);
            let raw = sample::raw(format.event());
            assert_eq!((raw.header.log_pos, raw.header.flags.0), (0, EventFlags::RELAY_LOG));
            assert!(raw.header.is_artificial() && has_valid_crc(raw.bytes));
            assert_eq!(FormatDescription::parse(&raw).unwrap().created, 0);
        }
    }
}
