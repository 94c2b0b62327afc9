//! USER_VAR_EVENT: a user variable for the statement that follows.
//!
//! ```text
//! | 4 name length | name | 1 is_null | 1 type | 4 charset | 4 value length | value | 1 flags (unsigned) |
//! ```
//! All from the type on is missing where the variable is NULL. Old servers leave the flags out. More after the flags
//! (MariaDB names extension types there) is an error, since the statement may depend on it. Manual: "User_var_event".

use super::{UserVarEvent, UserVarValue};
use crate::wire::{self, Problem};

const STRING_RESULT: u8 = 0;
const REAL_RESULT: u8 = 1;
const INT_RESULT: u8 = 2;
const DECIMAL_RESULT: u8 = 4;

/// Flag bit: the integer is unsigned.
const UNSIGNED: u8 = 1;

pub(super) fn parse(i: &[u8]) -> Result<UserVarEvent<'_>, nom::Err<wire::ParseError>> {
    let (i, name) = wire::u32_bytes("name")(i)?;
    let (i, is_null) = wire::u8("is_null")(i)?;
    if is_null != 0 {
        // Some servers write type, charset and an empty value here all the same.
        return Ok(UserVarEvent { name, value: None });
    }
    let (at_type, kind) = (i, wire::u8("type")(i)?);
    let (i, kind) = kind;
    let (i, charset) = wire::le_u32("charset")(i)?;
    let (i, raw) = wire::u32_bytes("value")(i)?;
    let unsigned = match i {
        [] => false,
        [flags] if flags & !UNSIGNED == 0 => flags & UNSIGNED != 0,
        [code, ..] => return Err(wire::fail(i, "flags", Problem::Unknown(u64::from(*code)))),
    };
    let value = match kind {
        STRING_RESULT => UserVarValue::String(raw, charset),
        REAL_RESULT => UserVarValue::Real(whole(wire::le_f64("value")(raw)?)?),
        INT_RESULT if unsigned => UserVarValue::Unsigned(whole(wire::le_u64("value")(raw)?)?),
        INT_RESULT => UserVarValue::Int(whole(wire::le_i64("value")(raw)?)?),
        DECIMAL_RESULT => decimal(raw)?,
        other => return Err(wire::fail(at_type, "type", Problem::Unknown(u64::from(other)))),
    };
    Ok(UserVarEvent { name, value: Some(value) })
}

/// The value, if nothing follows it.
fn whole<T>((i, value): (&[u8], T)) -> Result<T, nom::Err<wire::ParseError>> {
    wire::end("value")(i)?;
    Ok(value)
}

fn decimal(raw: &[u8]) -> Result<UserVarValue<'_>, nom::Err<wire::ParseError>> {
    let (i, precision) = wire::u8("precision")(raw)?;
    let (i, scale) = wire::u8("scale")(i)?;
    let (_, packed) = wire::rest(i)?;
    let digits = precision.checked_sub(scale).filter(|_| (1..=65).contains(&precision) && scale <= 30);
    let length = digits.map(|whole| packed_length(whole).saturating_add(packed_length(scale)));
    if length != Some(packed.len()) {
        return Err(wire::fail(raw, "value", Problem::Invalid));
    }
    Ok(UserVarValue::Decimal(precision, scale, packed))
}

/// Bytes of so many decimal digits: four for each nine, and what the rest takes.
fn packed_length(digits: u8) -> usize {
    usize::from(digits / 9) * 4 + usize::from((digits % 9).div_ceil(2))
}
