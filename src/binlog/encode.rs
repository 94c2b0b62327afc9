//! Events that a relay log needs and no source writes: how a file begins, ends and goes on.
//!
//! Everything else in a relay file is the source's bytes, unchanged. Manual: "The Relay Log".

use super::event::FormatDescription;
use super::header::{ChecksumAlgorithm, EventFlags, EventHeader, EventType, RawEvent};
use super::{CHECKSUM_LEN, EventError, HEADER_LEN, checksum};

/// Width of the server version in a format description.
const SERVER_VERSION_LEN: usize = 50;

/// A ROTATE_EVENT to `pos` in `file`. `log_pos` is left 0: not said.
#[must_use]
pub fn encode_rotate(file: &[u8], pos: u64, server_id: u32, flags: EventFlags, alg: ChecksumAlgorithm) -> Vec<u8> {
    let mut body = pos.to_le_bytes().to_vec();
    body.extend_from_slice(file);
    event(EventType::ROTATE, 0, server_id, 0, flags, &body, alg)
}

/// A STOP_EVENT.
#[must_use]
pub fn encode_stop(timestamp: u32, server_id: u32, flags: EventFlags, alg: ChecksumAlgorithm) -> Vec<u8> {
    event(EventType::STOP, timestamp, server_id, 0, flags, &[], alg)
}

/// A FORMAT_DESCRIPTION_EVENT that says what `fde` says. Names of servers longer than 50 bytes are cut.
#[must_use]
pub fn encode_format_description(
    fde: &FormatDescription,
    timestamp: u32,
    server_id: u32,
    log_pos: u32,
    flags: EventFlags,
) -> Vec<u8> {
    let mut body = fde.binlog_version.to_le_bytes().to_vec();
    let mut version = fde.server_version.clone().into_bytes();
    version.resize(SERVER_VERSION_LEN, 0);
    body.extend_from_slice(&version);
    body.extend_from_slice(&fde.created.to_le_bytes());
    body.push(fde.header_length);
    body.extend_from_slice(&fde.post_header_lengths);
    if !fde.has_checksum_tail() {
        return event(
            EventType::FORMAT_DESCRIPTION,
            timestamp,
            server_id,
            log_pos,
            flags,
            &body,
            ChecksumAlgorithm::Off,
        );
    }
    body.push(match fde.checksum {
        ChecksumAlgorithm::Off => 0,
        ChecksumAlgorithm::Crc32 => 1,
    });
    // The CRC stands there, and is right, whatever the algorithm.
    event(EventType::FORMAT_DESCRIPTION, timestamp, server_id, log_pos, flags, &body, ChecksumAlgorithm::Crc32)
}

/// The event with another timestamp, `log_pos` and flags, and its CRC made right again. `alg` is the file's
/// algorithm; a format description itself goes by its own last bytes.
///
/// # Errors
/// When it is a format description that cannot be read, or too short to have the checksum it must have.
pub fn restamp(
    raw: &RawEvent<'_>,
    timestamp: u32,
    log_pos: u32,
    flags: EventFlags,
    alg: ChecksumAlgorithm,
) -> Result<Vec<u8>, EventError> {
    let has_checksum = if raw.header.event_type == EventType::FORMAT_DESCRIPTION {
        FormatDescription::parse(raw)?.has_checksum_tail()
    } else {
        alg == ChecksumAlgorithm::Crc32
    };
    let alg = if has_checksum { ChecksumAlgorithm::Crc32 } else { ChecksumAlgorithm::Off };
    let body = raw.body(alg)?;
    let EventHeader { event_type, server_id, .. } = raw.header;
    Ok(event(event_type, timestamp, server_id, log_pos, flags, body, alg))
}

/// Puts header, body and checksum together.
fn event(
    event_type: EventType,
    timestamp: u32,
    server_id: u32,
    log_pos: u32,
    flags: EventFlags,
    body: &[u8],
    alg: ChecksumAlgorithm,
) -> Vec<u8> {
    let checksum_len = if alg == ChecksumAlgorithm::Crc32 { CHECKSUM_LEN } else { 0 };
    let size = HEADER_LEN + body.len() + checksum_len;
    let event_size = u32::try_from(size).unwrap_or(u32::MAX);
    let header = EventHeader { timestamp, event_type, server_id, event_size, log_pos, flags };
    let mut out = Vec::with_capacity(size);
    out.extend_from_slice(&header.to_bytes());
    out.extend_from_slice(body);
    if alg == ChecksumAlgorithm::Crc32 {
        out.extend_from_slice(&checksum::compute(&out).to_le_bytes());
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::binlog::event::{Event, RotateEvent, parse};

    fn description(version: &str, checksum: ChecksumAlgorithm) -> FormatDescription {
        let mut fde = FormatDescription::preliminary(checksum);
        fde.server_version = version.to_owned();
        fde.created = 77;
        fde
    }

    #[test]
    fn a_rotate_reads_back_under_either_algorithm() {
        for alg in [ChecksumAlgorithm::Off, ChecksumAlgorithm::Crc32] {
            let fde = description("9.7.4", alg);
            let bytes = encode_rotate(b"mysql-bin.000002", 4, 9, EventFlags(EventFlags::ARTIFICIAL), alg);
            let (raw, rest) = RawEvent::cut(&bytes).unwrap();
            assert!(rest.is_empty() && raw.header.is_artificial());
            raw.verify_checksum(alg).unwrap();
            let expected = RotateEvent { file: b"mysql-bin.000002", pos: 4 };
            assert_eq!(parse(&raw, &fde).unwrap(), Event::Rotate(expected));
        }
    }

    #[test]
    fn a_description_keeps_its_checksum_tail_when_checksums_are_off() {
        for (version, alg) in [
            ("9.7.4", ChecksumAlgorithm::Off),
            ("9.7.4", ChecksumAlgorithm::Crc32),
            ("10.11.18-MariaDB-log", ChecksumAlgorithm::Crc32),
            ("5.5.44-log", ChecksumAlgorithm::Off),
        ] {
            let fde = description(version, alg);
            let bytes = encode_format_description(&fde, 1, 2, 3, EventFlags(EventFlags::IN_USE));
            let (raw, _) = RawEvent::cut(&bytes).unwrap();
            raw.verify_checksum(ChecksumAlgorithm::Off).unwrap();
            assert_eq!(parse(&raw, &fde).unwrap(), Event::FormatDescription(fde.clone()));
            let closed = restamp(&raw, 9, 8, EventFlags(0), alg).unwrap();
            let (raw, _) = RawEvent::cut(&closed).unwrap();
            raw.verify_checksum(ChecksumAlgorithm::Off).unwrap();
            assert_eq!((raw.header.timestamp, raw.header.log_pos, raw.header.flags.0), (9, 8, 0));
            assert_eq!(parse(&raw, &fde).unwrap(), Event::FormatDescription(fde));
        }
    }

    #[test]
    fn the_in_use_flag_does_not_count_in_a_descriptions_checksum() {
        let fde = description("9.7.4", ChecksumAlgorithm::Crc32);
        let mut bytes = encode_format_description(&fde, 1, 2, 3, EventFlags(0));
        bytes[17] |= 1;
        let (raw, _) = RawEvent::cut(&bytes).unwrap();
        raw.verify_checksum(ChecksumAlgorithm::Off).unwrap();
        bytes[4 + 19] ^= 1;
        let (raw, _) = RawEvent::cut(&bytes).unwrap();
        assert!(raw.verify_checksum(ChecksumAlgorithm::Off).is_err());
    }

    #[test]
    fn a_stop_is_a_header_and_a_checksum() {
        let bytes = encode_stop(5, 6, EventFlags(0), ChecksumAlgorithm::Crc32);
        assert_eq!(bytes.len(), 23);
        let (raw, _) = RawEvent::cut(&bytes).unwrap();
        raw.verify_checksum(ChecksumAlgorithm::Crc32).unwrap();
    }
}
