//! USER_VAR_EVENT in words: a user variable and its value as a literal.

use super::{collation, hex, identifier, put};
use crate::row::charset::Charset;
use crate::row::decimal::packed_width;
use crate::row::float::{Whole, write_double};
use crate::row::value::Decimal;
use crate::wire::{self, ParseError, Problem};

/// MariaDB's flag: the name of the value's data type follows.
const DATA_TYPE_NAME: u8 = 2;

/// Writes `` @`name`=value ``.
pub(super) fn user_var(i: &[u8], mariadb: bool, out: &mut Vec<u8>) -> Result<(), nom::Err<ParseError>> {
    let (i, name) = wire::u32_bytes("name")(i)?;
    let (i, is_null) = wire::u8("is_null")(i)?;
    out.push(b'@');
    identifier(name, out);
    out.push(b'=');
    if is_null != 0 {
        out.extend_from_slice(b"NULL");
        return Ok(());
    }
    let (i, kind) = wire::u8("type")(i)?;
    let (i, charset) = wire::le_u32("charset")(i)?;
    let (i, value) = wire::u32_bytes("value")(i)?;
    let unsigned = i.first().is_some_and(|flags| flags & 1 != 0);
    match kind {
        0 => {
            if let [DATA_TYPE_NAME, more @ ..] = i {
                let (_, data_type) = wire::u8_bytes("data type name")(more)?;
                out.extend_from_slice(b"/*");
                out.extend_from_slice(data_type);
                out.extend_from_slice(b"*/");
            }
            string(value, charset, mariadb, out);
        }
        1 => {
            let value = wire::le_f64("value")(value)?.1;
            // MariaDB drops the sign of zero.
            write_double(if mariadb && value == 0.0 { 0.0 } else { value }, Whole::Bare, out);
        }
        2 if unsigned => put(out, format_args!("{}", wire::le_u64("value")(value)?.1)),
        2 => put(out, format_args!("{}", wire::le_i64("value")(value)?.1)),
        4 => decimal(value, out)?,
        other => return Err(wire::fail(i, "type", Problem::Unknown(u64::from(other)))),
    }
    Ok(())
}

/// `_charset 0x... COLLATE collation`.
fn string(value: &[u8], id: u32, mariadb: bool, out: &mut Vec<u8>) {
    let charset = u16::try_from(id).ok().and_then(Charset::of_collation);
    let (Some(charset), Some(collation)) = (charset, collation::name(id, mariadb)) else {
        out.extend_from_slice(b"???");
        return;
    };
    put(out, format_args!("_{} ", charset.name()));
    match (value, mariadb) {
        ([], _) => out.extend_from_slice(b"\"\""),
        (_, true) => {
            out.extend_from_slice(b"X'");
            hex(value, true, out);
            out.push(b'\'');
        }
        (_, false) => {
            out.extend_from_slice(b"0x");
            hex(value, true, out);
        }
    }
    put(out, format_args!(" COLLATE {collation}"));
}

fn decimal(value: &[u8], out: &mut Vec<u8>) -> Result<(), nom::Err<ParseError>> {
    let (i, precision) = wire::u8("precision")(value)?;
    let (packed, scale) = wire::u8("scale")(i)?;
    if packed_width(precision, scale).map(usize::from) != Some(packed.len()) {
        return Err(wire::fail(value, "value", Problem::Invalid));
    }
    Decimal { packed, precision, scale }.write_text(out);
    Ok(())
}
