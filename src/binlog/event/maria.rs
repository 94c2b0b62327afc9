//! MariaDB's own events: GTID_EVENT and BINLOG_CHECKPOINT_EVENT.
//!
//! ```text
//! GTID        | 8 seq_no | 4 domain_id | 1 flags | commit id, XA identifier, extra flags, padding ... |
//! CHECKPOINT  | 4 length | file name |
//! ```
//! What follows the GTID's flags describes how the commit was grouped and padded; it is passed over. Nothing may
//! follow a checkpoint's name. MariaDB: "GTID_EVENT", "BINLOG_CHECKPOINT_EVENT".

use super::GtidEvent;
use crate::gtid::Gtid;
use crate::wire;

/// Flag bit: the group is one event and has no end mark.
const FL_STANDALONE: u8 = 1;
/// Flag bit: the group ends with XA PREPARE.
const FL_PREPARED_XA: u8 = 64;

#[inline]
pub(super) fn parse_gtid(i: &[u8], server_id: u32) -> Result<GtidEvent, nom::Err<wire::ParseError>> {
    let (i, sequence) = wire::le_u64("seq_no")(i)?;
    let (i, domain) = wire::le_u32("domain_id")(i)?;
    let (_, flags) = wire::u8("flags")(i)?;
    Ok(GtidEvent {
        gtid: Some(Gtid::MariaDb { domain, server_id, sequence }),
        standalone: flags & FL_STANDALONE != 0,
        prepared_xa: flags & FL_PREPARED_XA != 0,
        ..GtidEvent::default()
    })
}

pub(super) fn parse_checkpoint(i: &[u8]) -> Result<&[u8], nom::Err<wire::ParseError>> {
    let (i, file) = wire::u32_bytes("binlog_file")(i)?;
    wire::end("binlog_file")(i)?;
    Ok(file)
}
