//! One column's value as JSON, bytes to bytes.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::row::charset::{Charset, TextError};
use crate::row::float::{Whole, write_double, write_float};
use crate::row::plan::{Disguise, TextForm};
use crate::row::text::{base64, json_escaped, json_single_byte, json_string, json_utf8};
use crate::row::{ColumnKind, ColumnPlan, GeometryForm, RowError, Value, json, spatial};

fn integer(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn quoted(out: &mut Vec<u8>, inside: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    inside(out);
    out.push(b'"');
}

/// Appends a value that is there and not NULL. `scratch` is for values that must be unpacked or padded first.
pub(super) fn write(
    column: &ColumnPlan,
    bytes: &[u8],
    geometry: GeometryForm,
    scratch: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> Result<(), RowError> {
    use ColumnKind as K;
    // Straight from the layout: a value that goes through memory first costs more than writing it.
    match column.kind {
        K::Text { .. } | K::Blob { .. } => return write_text(column, bytes, out),
        K::Tiny | K::Short | K::Int24 | K::Long | K::LongLong => {
            match column.value(bytes)? {
                Value::UInt(value) => integer(value, out),
                Value::Int(value) => integer(value, out),
                _ => return Err(column.wrong("an integer that is none")),
            }
            return Ok(());
        }
        _ => {}
    }
    write_value(column, column.value_in(bytes, scratch)?, geometry, out)
}

#[inline]
fn write_value(
    column: &ColumnPlan,
    value: Value<'_>,
    geometry: GeometryForm,
    out: &mut Vec<u8>,
) -> Result<(), RowError> {
    match value {
        Value::Int(value) => integer(value, out),
        Value::UInt(value) => integer(value, out),
        Value::Text(text) => return write_text(column, text, out),
        Value::Bytes(bytes) => write_bytes(column, bytes, out),
        Value::Float(value) => return number(column, write_float(value, out)),
        Value::Double(value) => return number(column, write_double(value, Whole::Bare, out)),
        Value::Decimal(value) => quoted(out, |out| value.write_text(out)),
        Value::Date(value) => quoted(out, |out| value.write_text(out)),
        Value::Time(value) => quoted(out, |out| value.write_text(out)),
        Value::DateTime(value) => quoted(out, |out| value.write_text(out)),
        Value::Timestamp(value) => quoted(out, |out| value.write_text(out)),
        Value::Year(value) => integer(value, out),
        Value::Bit { bits, .. } => integer(bits, out),
        Value::Enum(index) => write_enum(column, index, out),
        Value::Set(bits) => write_set(column, bits, out),
        Value::Json(document) => return json::write_json(document, out).map_err(|what| column.wrong(what)),
        Value::Geometry(value) => {
            return spatial::write_json(value, geometry, out).map_err(|what| column.wrong(what));
        }
        Value::Vector(value) => return write_vector(column, value, out),
    }
    Ok(())
}

fn number(column: &ColumnPlan, finite: bool) -> Result<(), RowError> {
    if finite { Ok(()) } else { Err(column.wrong("a number that is none")) }
}

/// Text becomes a JSON string; what is not text in its character set is marked, never replaced.
#[inline]
fn write_text(column: &ColumnPlan, text: &[u8], out: &mut Vec<u8>) -> Result<(), RowError> {
    match column.text {
        TextForm::Known(Charset::Utf8mb4 | Charset::Utf8mb3) | TextForm::Unsaid => {
            if !json_utf8(text, out) {
                write_mark(text, out);
            }
            Ok(())
        }
        TextForm::Known(charset) => {
            if let Some(table) = charset.table() {
                if !json_single_byte(text, table, out) {
                    write_mark(text, out);
                }
                return Ok(());
            }
            match charset.to_utf8(text) {
                Ok(text) => json_string(text.as_bytes(), out),
                Err(TextError::Invalid | TextError::Binary) => write_mark(text, out),
            }
            Ok(())
        }
        TextForm::Bytes => {
            write_bytes(column, text, out);
            Ok(())
        }
        TextForm::Unknown(id) => {
            Err(RowError::Charset { column: column.name.clone(), what: format!("collation id {id}") })
        }
    }
}

/// Bytes that are not text in the column's character set.
#[cold]
fn write_mark(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"$base64":""#);
    base64(bytes, out);
    out.extend_from_slice(br#""}"#);
}

/// Bytes become base64; BINARY gets the zeros back that the log leaves out.
fn write_bytes(column: &ColumnPlan, bytes: &[u8], out: &mut Vec<u8>) {
    match column.binary_width {
        Some(width) if bytes.len() < width || column.disguise.is_some() => {
            let mut padded = bytes.to_vec();
            padded.resize(width.max(bytes.len()), 0);
            quoted(out, |out| write_disguised(column.disguise, &padded, out));
        }
        _ => quoted(out, |out| base64(bytes, out)),
    }
}

fn write_disguised(disguise: Option<Disguise>, bytes: &[u8], out: &mut Vec<u8>) {
    use std::io::Write as _;
    // Writing into a vector cannot fail.
    let written = match (disguise, bytes.first_chunk::<4>(), bytes.first_chunk::<16>()) {
        (Some(Disguise::Inet4), Some(address), _) => write!(out, "{}", Ipv4Addr::from(*address)).is_ok(),
        (Some(Disguise::Inet6), _, Some(address)) => write_inet6(*address, out),
        (Some(Disguise::Uuid), _, Some(id)) => {
            let n = u128::from_be_bytes(*id);
            let (a, b, c, d) = (n >> 96, n >> 80 & 0xffff, n >> 64 & 0xffff, n >> 48 & 0xffff);
            write!(out, "{a:08x}-{b:04x}-{c:04x}-{d:04x}-{:012x}", n & 0xffff_ffff_ffff).is_ok()
        }
        _ => false,
    };
    if !written {
        base64(bytes, out);
    }
}

/// IPv6 as MariaDB prints it: IPv4-compatible addresses end in dotted form, too, and the longest run of zeros is left out
/// even if it is but one.
fn write_inet6(address: [u8; 16], out: &mut Vec<u8>) -> bool {
    use std::io::Write as _;
    let value = u128::from_be_bytes(address);
    let [.., a, b, c, d] = address;
    let dotted = Ipv4Addr::new(a, b, c, d);
    if value > 0xffff && value <= 0xffff_ffff {
        return write!(out, "::{dotted}").is_ok();
    }
    if value >> 32 == 0xffff {
        return write!(out, "::ffff:{dotted}").is_ok();
    }
    let words = Ipv6Addr::from(address).segments();
    let run = |start: usize| words.iter().skip(start).take_while(|word| **word == 0).count();
    // The first of the longest.
    let gap = (0..words.len()).rev().max_by_key(|start| run(*start)).unwrap_or(0);
    let length = run(gap);
    for (index, word) in words.iter().enumerate() {
        if (gap..gap + length).contains(&index) {
            if index == gap {
                out.extend_from_slice(b"::");
            }
            continue;
        }
        let after_colons = index == 0 || (length > 0 && index == gap + length);
        if write!(out, "{}{word:x}", if after_colons { "" } else { ":" }).is_err() {
            return false;
        }
    }
    true
}

/// The label; the empty string for 0, which stands for a value that was refused; the number if labels are not known.
fn write_enum(column: &ColumnPlan, index: u16, out: &mut Vec<u8>) {
    let Some(labels) = &column.labels else { return integer(index, out) };
    let label = match usize::from(index).checked_sub(1) {
        None => Some(""),
        Some(index) => labels.get(index).map(String::as_str),
    };
    match label {
        Some(label) => json_string(label.as_bytes(), out),
        None => integer(index, out),
    }
}

/// The labels joined by commas; the number if labels are not known.
fn write_set(column: &ColumnPlan, bits: u64, out: &mut Vec<u8>) {
    let known = column.labels.as_ref().filter(|labels| labels.len() >= 64 || bits >> labels.len() == 0);
    let Some(labels) = known else { return integer(bits, out) };
    quoted(out, |out| {
        let mut first = true;
        for (index, label) in labels.iter().enumerate().take(64) {
            if bits >> index & 1 == 1 {
                if !first {
                    out.push(b',');
                }
                first = false;
                json_escaped(label.as_bytes(), out);
            }
        }
    });
}

fn write_vector(column: &ColumnPlan, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), RowError> {
    let (elements, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(column.wrong("a VECTOR with part of an element"));
    }
    out.push(b'[');
    for (index, element) in elements.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        number(column, write_float(f32::from_le_bytes(*element), out))?;
    }
    out.push(b']');
    Ok(())
}
