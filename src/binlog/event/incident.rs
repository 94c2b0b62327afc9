//! INCIDENT_EVENT: something happened at the source that its log does not hold.
//!
//! ```text
//! | 2 incident | 1 length | message | MySQL 9.7: 4 bytes more |
//! ```
//! MySQL 9.7 leaves a checksum of its own between message and checksum. It says nothing, and nothing else may follow. It always stops the channel: see [`super::stop_hint`]. Manual: "Incident_event".

use super::{EventType, FormatDescription, post_header_rest};
use crate::wire;

/// Bytes that MySQL 9.7 leaves behind the message.
const MYSQL_LEAVES: usize = 4;

/// INCIDENT_EVENT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IncidentEvent<'a> {
    /// What happened.
    pub incident: Incident,
    /// The server's text, such as `error writing to the binary log`.
    pub message: &'a [u8],
}

/// The number of an incident. Unknown numbers survive and print as `unknown(9)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incident(pub u16);

impl Incident {
    /// Nothing happened. No server writes it.
    pub const NONE: Self = Self(0);
    /// Changes may be missing from the log: it could not be written, or was purged by hand.
    pub const LOST_EVENTS: Self = Self(1);
}

impl std::fmt::Display for Incident {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::NONE => f.write_str("NONE"),
            Self::LOST_EVENTS => f.write_str("LOST_EVENTS"),
            Self(other) => write!(f, "unknown({other})"),
        }
    }
}

pub(super) fn parse<'a>(i: &'a [u8], fde: &FormatDescription) -> Result<IncidentEvent<'a>, nom::Err<wire::ParseError>> {
    let (i, incident) = wire::le_u16("incident")(i)?;
    let (i, ()) = post_header_rest(i, fde, EventType::INCIDENT, 2)?;
    let (i, message) = wire::u8_bytes("message")(i)?;
    if i.len() != MYSQL_LEAVES {
        wire::end("message")(i)?;
    }
    Ok(IncidentEvent { incident: Incident(incident), message })
}
