//! HEARTBEAT_LOG_EVENT: an idle source says where it stands. Never in a file.
//!
//! Version 1 has the file name as its whole body and the offset in the header (low 32 bits). Version 2, asked for by
//! USE_HEARTBEAT_EVENT_V2, is a list of `code, length, value` ended by code 0; unknown codes are stepped over, as they
//! name their length and a heartbeat changes nothing. Worklog: WL#14190.

use super::RotateEvent;
use crate::binlog::header::EventHeader;
use crate::wire;

pub(super) fn parse_v1<'a>(body: &'a [u8], header: &EventHeader) -> RotateEvent<'a> {
    RotateEvent { file: body, pos: u64::from(header.log_pos) }
}

pub(super) fn parse_v2(mut i: &[u8]) -> Result<RotateEvent<'_>, nom::Err<wire::ParseError>> {
    let mut heartbeat = RotateEvent { file: &[], pos: 0 };
    loop {
        let (rest, code) = wire::lenenc("field code")(i)?;
        if code == 0 {
            wire::end("field list")(rest)?;
            return Ok(heartbeat);
        }
        let (rest, value) = wire::lenenc_bytes("field")(rest)?;
        match code {
            1 => heartbeat.file = value,
            2 => heartbeat.pos = wire::lenenc("log_position")(value)?.1,
            _ => {}
        }
        i = rest;
    }
}
