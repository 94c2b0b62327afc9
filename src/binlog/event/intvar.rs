//! INTVAR_EVENT and RAND_EVENT: values for the statement that follows. Nothing may come after their fields.

use super::{IntvarEvent, RandEvent};
use crate::wire::{self, Problem};

pub(super) fn parse_intvar(input: &[u8]) -> Result<IntvarEvent, nom::Err<wire::ParseError>> {
    let (i, kind) = wire::u8("type")(input)?;
    let (i, value) = wire::le_u64("value")(i)?;
    wire::end("value")(i)?;
    match kind {
        1 => Ok(IntvarEvent::LastInsertId(value)),
        2 => Ok(IntvarEvent::InsertId(value)),
        other => Err(wire::fail(input, "type", Problem::Unknown(u64::from(other)))),
    }
}

pub(super) fn parse_rand(i: &[u8]) -> Result<RandEvent, nom::Err<wire::ParseError>> {
    let (i, seed1) = wire::le_u64("seed1")(i)?;
    let (i, seed2) = wire::le_u64("seed2")(i)?;
    wire::end("seed2")(i)?;
    Ok(RandEvent { seed1, seed2 })
}
