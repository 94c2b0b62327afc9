//! The pieces of GTID text: UUIDs, tags, numbers.

use std::fmt;
use std::sync::Arc;

use super::{GNO_END, Gtid};

/// Text that is not a GTID, a GTID set or a GTID position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {what}; write it as {example}")]
pub struct GtidTextError {
    text: String,
    what: &'static str,
    example: &'static str,
}

impl GtidTextError {
    pub(super) fn gtid(text: &str) -> Self {
        Self { text: text.to_owned(), what: "GTID", example: "uuid:number, uuid:tag:number or domain-server-number" }
    }

    pub(super) fn set(text: &str) -> Self {
        Self { text: text.to_owned(), what: "GTID set", example: "uuid:1-5:7:tag:1-3, separated by commas" }
    }

    pub(super) fn position(text: &str) -> Self {
        Self { text: text.to_owned(), what: "GTID position", example: "0-1-100, one a domain, separated by commas" }
    }
}

/// Whether `tag` is a tag as servers store it: a lower-case letter or `_`, then up to 31 of those or digits.
#[must_use]
pub fn is_tag(tag: &str) -> bool {
    tag.len() <= 32
        && tag.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && tag.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

pub(super) fn tag(text: &str) -> Option<Arc<str>> {
    let lower = text.trim().to_ascii_lowercase();
    is_tag(&lower).then(|| Arc::from(lower))
}

/// 32 hexadecimal digits, with dashes in the usual four places or none.
pub(super) fn uuid(text: &str) -> Option<[u8; 16]> {
    let text = text.trim().as_bytes();
    let dashed = match text.len() {
        32 => false,
        36 => true,
        _ => return None,
    };
    let mut digits = text.iter().enumerate().filter(|(i, _)| !(dashed && matches!(i, 8 | 13 | 18 | 23)));
    let dashes_right = !dashed || [8, 13, 18, 23].iter().all(|at| text.get(*at) == Some(&b'-'));
    let mut uuid = [0; 16];
    for byte in &mut uuid {
        *byte = hex(*digits.next()?.1)? << 4 | hex(*digits.next()?.1)?;
    }
    dashes_right.then_some(uuid)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|n| u8::try_from(n).ok())
}

pub(super) fn write_uuid(f: &mut fmt::Formatter<'_>, uuid: &[u8; 16]) -> fmt::Result {
    for (i, byte) in uuid.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            f.write_str("-")?;
        }
        write!(f, "{byte:02x}")?;
    }
    Ok(())
}

/// A plain decimal number: no sign, no blanks inside.
fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    let text = text.trim();
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// The number of a MySQL transaction, from 1.
pub(super) fn gno(text: &str) -> Option<u64> {
    number(text).filter(|n| (1..GNO_END).contains(n))
}

/// `domain-server-sequence`.
pub(super) fn maria(text: &str) -> Option<Gtid> {
    let (domain, rest) = text.split_once('-')?;
    let (server_id, sequence) = rest.split_once('-')?;
    Some(Gtid::MariaDb { domain: number(domain)?, server_id: number(server_id)?, sequence: number(sequence)? })
}
