//! FORMAT_DESCRIPTION_EVENT: the first event of every file.
//!
//! ```text
//! | 2 binlog_version | 50 server_version | 4 created | 1 header_length | n post-header lengths | 1 alg | 4 CRC32 |
//! ```
//! The last two are there for servers since MySQL 5.6.1 and MariaDB 5.3, whatever the algorithm. Nothing else may
//! follow: all that is left is post-header lengths. Manual: "Format_description_event".

use super::{EventType, FormatDescription, RawEvent, antique, malformed};
use crate::binlog::error::EventError;
use crate::binlog::header::ChecksumAlgorithm;
use crate::binlog::{CHECKSUM_LEN, HEADER_LEN};
use crate::wire::{self, Parsed, Problem};

/// The binary log version of every server since 5.0.
const VERSION: u16 = 4;

/// Width of the server version, padded with zero bytes.
const SERVER_VERSION_LEN: usize = 50;

/// Post-header lengths that hold for every version 4 log, for events that come before the file's own description.
const COMMON_POST_HEADER_LENGTHS: [u8; 18] = [56, 13, 0, 8, 0, 18, 0, 4, 4, 4, 4, 18, 0, 0, 84, 0, 4, 26];

impl FormatDescription {
    /// Reads a FORMAT_DESCRIPTION_EVENT, from the whole event because its tail depends on what it says.
    ///
    /// # Errors
    /// When it is malformed, or describes a log that this build cannot read.
    pub fn parse(raw: &RawEvent<'_>) -> Result<Self, EventError> {
        let bytes = raw.bytes.get(HEADER_LEN..).unwrap_or_default();
        let end = raw.bytes.len();
        let (lengths, mut fde) = fixed_part(bytes).map_err(|e| malformed(EventType::FORMAT_DESCRIPTION, end, e))?;
        if fde.binlog_version != VERSION {
            return Err(EventError::BinlogVersion(fde.binlog_version));
        }
        let (lengths, checksum) =
            tail(lengths, &fde.server_version).map_err(|e| malformed(EventType::FORMAT_DESCRIPTION, end, e))?;
        fde.checksum = checksum;
        if !is_pre_release(&fde.server_version) {
            fde.post_header_lengths = lengths.to_vec();
        } else if antique::is_tree(&fde.server_version) && lengths.len() == antique::TREE_TYPE_COUNT {
            fde.post_header_lengths = antique::released_order(lengths);
            fde.tree_types = true;
        } else {
            return Err(EventError::PreRelease);
        }
        Ok(fde)
    }

    /// What may be assumed of a stream before its own description has come: enough for the artificial ROTATE that
    /// opens a dump.
    #[must_use]
    pub fn preliminary(checksum: ChecksumAlgorithm) -> Self {
        Self {
            binlog_version: VERSION,
            server_version: String::new(),
            created: 0,
            header_length: 19,
            post_header_lengths: COMMON_POST_HEADER_LENGTHS.to_vec(),
            checksum,
            tree_types: false,
        }
    }

    /// Whether the file was written by MariaDB.
    #[must_use]
    pub fn is_mariadb(&self) -> bool {
        self.server_version.contains("MariaDB")
    }

    /// Whether a description of this server ends with an algorithm and a CRC32.
    #[must_use]
    pub fn has_checksum_tail(&self) -> bool {
        knows_checksums(&self.server_version)
    }
}

fn fixed_part(i: &[u8]) -> Parsed<'_, FormatDescription> {
    let (i, binlog_version) = wire::le_u16("binlog_version")(i)?;
    if binlog_version != VERSION {
        return Ok((i, FormatDescription { binlog_version, ..FormatDescription::preliminary(ChecksumAlgorithm::Off) }));
    }
    let (i, server_version) = wire::bytes(SERVER_VERSION_LEN, "server_version")(i)?;
    let (i, created) = wire::le_u32("create_timestamp")(i)?;
    let (after, header_length) = wire::u8("header_length")(i)?;
    if usize::from(header_length) != HEADER_LEN {
        return Err(wire::fail(i, "header_length", Problem::Invalid));
    }
    let name = server_version.split(|byte| *byte == 0).next().unwrap_or_default();
    let fde = FormatDescription {
        binlog_version,
        server_version: String::from_utf8_lossy(name).into_owned(),
        created,
        header_length,
        post_header_lengths: Vec::new(),
        checksum: ChecksumAlgorithm::Off,
        tree_types: false,
    };
    Ok((after, fde))
}

/// When the file was made, if the body is long enough to say.
pub(super) fn created(body: &[u8]) -> Option<u32> {
    let bytes = body.get(2 + SERVER_VERSION_LEN..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

/// Most event types that a server without checksums knew. More than that, and the version is not what it says.
const MOST_TYPES_WITHOUT_CHECKSUMS: usize = 35;

/// Splits what follows the fixed part into post-header lengths and checksum algorithm.
fn tail<'a>(i: &'a [u8], server_version: &str) -> Result<(&'a [u8], ChecksumAlgorithm), nom::Err<wire::ParseError>> {
    let truncated = || wire::fail(i, "post_header_lengths", Problem::Truncated);
    let (lengths, checksum) = if knows_checksums(server_version) {
        let (rest, _crc) = i.split_last_chunk::<CHECKSUM_LEN>().ok_or_else(truncated)?;
        let (alg, lengths) = rest.split_last().ok_or_else(truncated)?;
        let checksum = match alg {
            0 => ChecksumAlgorithm::Off,
            1 => ChecksumAlgorithm::Crc32,
            other => return Err(wire::fail(rest, "checksum_algorithm", Problem::Unknown(u64::from(*other)))),
        };
        (lengths, checksum)
    } else if version_numbers(server_version) >= (5, 0, 0) && i.len() <= MOST_TYPES_WITHOUT_CHECKSUMS {
        (i, ChecksumAlgorithm::Off)
    } else {
        return Err(wire::fail(i, "server_version", Problem::Invalid));
    };
    if lengths.len() < COMMON_POST_HEADER_LENGTHS.len() {
        return Err(truncated());
    }
    Ok((lengths, checksum))
}

/// The three numbers a server version begins with.
fn version_numbers(version: &str) -> (u32, u32, u32) {
    let mut numbers =
        version.split(|c: char| !c.is_ascii_digit()).take(3).map(|digits| digits.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

fn knows_checksums(version: &str) -> bool {
    let since = if version.contains("MariaDB") { (5, 3, 0) } else { (5, 6, 1) };
    version_numbers(version) >= since
}

/// Development trees `5.1.x-a_drop...` and `5.2.x-a_drop...` numbered their event types differently, in ways of which
/// one is known.
fn is_pre_release(version: &str) -> bool {
    version.starts_with("5.") && version.contains("-a_drop")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn versions_tell_which_descriptions_end_with_a_checksum() {
        for (version, has) in [
            ("5.0.91-log", false),
            ("5.5.44-log", false),
            ("5.6.0-m4", false),
            ("5.6.1", true),
            ("9.7.4", true),
            ("10.11.18-MariaDB-log", true),
            ("5.5.36-MariaDB-debug-log", true),
            ("5.2.14-MariaDB", false),
            ("8.0.28-debug", true),
        ] {
            assert_eq!(knows_checksums(version), has, "{version}");
        }
        assert!(is_pre_release("5.2.2-a_drop6p13-debug-log"));
        assert!(!is_pre_release("5.1.15-ndb-6.1.24-debug-log"));
    }
}
