//! Values as SQL literals that mean exactly the value, whatever the session's character set is.
//!
//! Statements are sent under `SET NAMES binary`, so the server's lexer takes bytes one by one and a literal's bytes
//! arrive as they are; the character set is said by an introducer. It knows values, not tables or statements.
//! Manual: "Literal Values", "Character Set Introducers".

use super::facts::{Facts, Flavor};
use super::json;
use crate::row::charset::Charset;
use crate::row::value::{Timestamp, Value};
use crate::sink::RenderError;

/// What a literal must know of its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form<'a> {
    /// Character set of the bytes of text, as the introducer names it; `None` for bytes that are not text.
    pub(super) charset: Option<&'a str>,
    /// BINARY(n): the width that values are padded to.
    pub(super) binary_width: Option<usize>,
}

/// Appends a value.
pub(super) fn value(out: &mut Vec<u8>, value: &Value<'_>, form: Form<'_>, facts: &Facts) -> Result<(), RenderError> {
    match value {
        Value::Int(n) => out.extend_from_slice(itoa::Buffer::new().format(*n).as_bytes()),
        Value::UInt(n) => unsigned(out, *n),
        Value::Float(x) => double(out, f64::from(*x)),
        Value::Double(x) => double(out, *x),
        Value::Decimal(decimal) => decimal.write_text(out),
        Value::Date(date) => quoted(out, |out| date.write_text(out)),
        Value::Time(time) => quoted(out, |out| time.write_text(out)),
        Value::DateTime(moment) => quoted(out, |out| moment.write_text(out)),
        Value::Timestamp(moment) => timestamp(out, moment),
        Value::Year(year) => unsigned(out, u64::from(*year)),
        Value::Bit { bits, .. } => unsigned(out, *bits),
        Value::Enum(index) => unsigned(out, u64::from(*index)),
        Value::Set(members) => unsigned(out, *members),
        Value::Text(bytes) => text(out, bytes, form.charset),
        Value::Bytes(bytes) => binary(out, bytes, form.binary_width),
        Value::Json(bytes) => match facts.flavor {
            Flavor::MySql => json::expression(out, bytes)?,
            Flavor::MariaDb => json::text(out, bytes)?,
        },
        Value::Geometry(bytes) | Value::Vector(bytes) => hex(out, bytes),
    }
    Ok(())
}

/// Appends an unsigned integer.
pub(super) fn unsigned(out: &mut Vec<u8>, n: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
}

/// Appends a double as a literal of that type: with an exponent, in the fewest digits that read back the same.
pub(super) fn double(out: &mut Vec<u8>, x: f64) {
    out.extend_from_slice(format!("{x:e}").as_bytes());
}

fn quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'\'');
    write(out);
    out.push(b'\'');
}

/// The session's time zone is UTC, and the zero timestamp is the zero date.
fn timestamp(out: &mut Vec<u8>, moment: &Timestamp) {
    quoted(out, |out| moment.write_text(out));
}

/// Appends text of a character set.
pub(super) fn text(out: &mut Vec<u8>, bytes: &[u8], charset: Option<&str>) {
    match charset {
        // A superset, and not deprecated: the server converts to the column's own character set.
        Some("utf8mb4" | "utf8mb3" | "utf8") => utf8(out, bytes),
        Some(charset @ ("latin1" | "ascii")) => {
            out.push(b'_');
            out.extend_from_slice(charset.as_bytes());
            string(out, bytes);
        }
        Some("binary") | None => binary(out, bytes, None),
        // As bytes it is stored as it is; with an introducer the server warns, or refuses it.
        Some(charset) if is_no_text(bytes, charset) => hex(out, bytes),
        Some(charset) => {
            // A superset, and not deprecated.
            let charset = if charset == "ucs2" { "utf16" } else { charset };
            out.push(b'_');
            out.extend_from_slice(charset.as_bytes());
            out.push(b' ');
            hex(out, bytes);
        }
    }
}

/// Whether a column of a character set holds bytes that mean nothing there, which servers let some sets do.
pub(super) fn is_no_text(bytes: &[u8], charset: &str) -> bool {
    let may = !matches!(charset, "utf8mb4" | "utf8mb3" | "utf8" | "latin1" | "ascii" | "binary");
    may && Charset::by_name(charset).is_some_and(|charset| charset.to_utf8(bytes).is_err())
}

/// Appends UTF-8 text.
pub(super) fn utf8(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(b"_utf8mb4");
    string(out, bytes);
}

/// Appends bytes, padded with zero bytes to the width of a BINARY(n).
pub(super) fn binary(out: &mut Vec<u8>, bytes: &[u8], width: Option<usize>) {
    out.extend_from_slice(b"_binary'");
    escaped(out, bytes);
    for _ in bytes.len()..width.unwrap_or_default() {
        out.extend_from_slice(b"\\0");
    }
    out.push(b'\'');
}

/// Appends `'...'`.
fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'\'');
    escaped(out, bytes);
    out.push(b'\'');
}

fn escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, 0 | b'\'' | b'\\' | b'\n' | b'\r' | 0x1a)) {
        let (plain, tail) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((special, tail)) = tail.split_first() else { return };
        out.push(b'\\');
        out.push(match special {
            0 => b'0',
            b'\n' => b'n',
            b'\r' => b'r',
            0x1a => b'Z',
            other => *other,
        });
        rest = tail;
    }
    out.extend_from_slice(rest);
}

/// Appends `x'..'`.
pub(in crate::sink) fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.reserve(bytes.len().saturating_mul(2));
    out.extend_from_slice(b"x'");
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            out.push(DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0'));
        }
    }
    out.push(b'\'');
}

/// Appends a quoted identifier.
pub(in crate::sink) fn identifier(out: &mut Vec<u8>, name: &[u8]) {
    out.push(b'`');
    for byte in name {
        if *byte == b'`' {
            out.push(b'`');
        }
        out.push(*byte);
    }
    out.push(b'`');
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::super::facts::tests::facts;
    use super::*;
    use crate::row::value::{Date, DateTime, Time};

    fn sql(value_: Value<'_>, charset: Option<&str>) -> String {
        let mut out = Vec::new();
        value(&mut out, &value_, Form { charset, binary_width: None }, &facts(Flavor::MySql)).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn bytes_that_are_no_text_in_their_character_set_are_written_as_bytes() {
        assert_eq!(sql(Value::Text(b"\x8a\xf9"), Some("cp1250")), "_cp1250 x'8af9'");
        assert_eq!(sql(Value::Text(b"\x88\xf9"), Some("cp1250")), "x'88f9'");
        assert_eq!(sql(Value::Text(b"\xd8\x00"), Some("ucs2")), "x'd800'");
        assert_eq!(sql(Value::Text(b"\x20\xac"), Some("ucs2")), "_utf16 x'20ac'");
    }

    #[test]
    fn numbers_are_written_so_that_they_read_back_the_same() {
        assert_eq!(sql(Value::Int(i64::MIN), None), "-9223372036854775808");
        assert_eq!(sql(Value::UInt(u64::MAX), None), "18446744073709551615");
        assert_eq!(sql(Value::Float(0.1), None), "1.0000000149011612e-1");
        assert_eq!(sql(Value::Double(0.1), None), "1e-1");
        assert_eq!(sql(Value::Double(-0.0), None), "-0e0");
        assert_eq!(sql(Value::Double(f64::MAX), None), "1.7976931348623157e308");
        assert_eq!(sql(Value::Year(0), None), "0");
        assert_eq!(sql(Value::Bit { bits: 257, width: 9 }, None), "257");
        assert_eq!(sql(Value::Enum(0), None), "0");
        assert_eq!(sql(Value::Set(1 << 63), None), "9223372036854775808");
    }

    #[test]
    fn moments_are_quoted_with_their_fraction() {
        let date = Date { year: 2020, month: 2, day: 31 };
        let moment = DateTime { date, hour: 1, minute: 2, second: 3, micros: 120_000, digits: 2 };
        assert_eq!(sql(Value::DateTime(moment), None), "'2020-02-31 01:02:03.12'");
        assert_eq!(sql(Value::Date(Date::default()), None), "'0000-00-00'");
        let time = Time { negative: true, hours: 838, minutes: 59, seconds: 59, micros: 0, digits: 0 };
        assert_eq!(sql(Value::Time(time), None), "'-838:59:59'");
        assert_eq!(sql(Value::Timestamp(Timestamp::default()), None), "'0000-00-00 00:00:00'");
        let last = Timestamp { seconds: 2_147_483_647, micros: 999_999, digits: 6 };
        assert_eq!(sql(Value::Timestamp(last), None), "'2038-01-19 03:14:07.999999'");
    }

    #[test]
    fn text_names_its_character_set_and_escapes_what_the_lexer_would_read() {
        assert_eq!(sql(Value::Text(b"a'b\\c\0\n\r\x1a"), Some("utf8mb4")), r"_utf8mb4'a\'b\\c\0\n\r\Z'");
        assert_eq!(sql(Value::Text(b"x"), Some("utf8mb3")), "_utf8mb4'x'");
        assert_eq!(sql(Value::Text(b"x"), Some("latin1")), "_latin1'x'");
        assert_eq!(sql(Value::Text(b"\x95\x5c"), Some("sjis")), "_sjis x'955c'");
        assert_eq!(sql(Value::Text(b"\0a"), Some("utf16")), "_utf16 x'0061'");
        assert_eq!(sql(Value::Text(b"\0a"), Some("ucs2")), "_utf16 x'0061'");
        assert_eq!(sql(Value::Bytes(b"\0'"), None), r"_binary'\0\''");
    }

    #[test]
    fn binary_columns_get_back_the_zero_bytes_that_the_log_leaves_out() {
        let mut out = Vec::new();
        binary(&mut out, b"ab", Some(4));
        assert_eq!(out, br"_binary'ab\0\0'");
    }

    #[test]
    fn identifiers_double_their_backticks() {
        let mut out = Vec::new();
        identifier(&mut out, b"a`b");
        assert_eq!(out, b"`a``b`");
    }
}
