//! MySQL's binary JSON (JSONB) to JSON text.
//!
//! A document is a type byte and a value. Objects and arrays begin with two numbers, the count of elements and the size in
//! bytes, of two bytes each ("small") or four ("large"); then follow the entries, and what the entries point at:
//!
//! ```text
//! | count | size | key entries: offset, 2 length | value entries: 1 type, offset or inlined value | keys | values |
//! ```
//!
//! Offsets count from the first byte of `count`. The text is what the server prints for the column, without its
//! blanks: keys in stored order, doubles with a point (`1.0`), decimals with all their digits, dates and times as
//! strings with six digits, other opaque values as `"base64:typeN:..."`.
//!
//! Damaged documents cannot hurt: nesting is limited as in the server, and every element and every byte of a string is
//! paid for from a budget as large as the document, so values that overlap do not multiply.
//! Manual: "The JSON Data Type"; MySQL source, `sql-common/json_binary.h`; WL#8132.

use super::decimal::packed_width;
use super::float::{Whole, write_double};
use super::numeric::little_endian;
use super::temporal::JsonTemporal;
use super::text;
use super::value::Decimal;

/// The server's own limit.
const MAX_DEPTH: u32 = 100;

const SMALL_OBJECT: u8 = 0x0;
const LARGE_OBJECT: u8 = 0x1;
const SMALL_ARRAY: u8 = 0x2;
const LARGE_ARRAY: u8 = 0x3;
const LITERAL: u8 = 0x4;
const INT16: u8 = 0x5;
const UINT16: u8 = 0x6;
const INT32: u8 = 0x7;
const UINT32: u8 = 0x8;
const INT64: u8 = 0x9;
const UINT64: u8 = 0xa;
const DOUBLE: u8 = 0xb;
const STRING: u8 = 0xc;
const OPAQUE: u8 = 0xf;

/// A document that does not make sense, with the reason.
pub(super) type Result<T> = std::result::Result<T, &'static str>;

pub(super) const TRUNCATED: &str = "a JSON document that ends too early";
/// What values that overlap come out as.
pub(super) const OVERLAP: &str = "a JSON document whose values overlap";
const TOO_DEEP: &str = "a JSON document nested too deeply";

/// Appends a JSONB document as JSON text. No bytes at all are a JSON null, as old servers write it.
///
/// # Errors
/// What is wrong with the document; `out` may hold part of it.
pub(crate) fn write_json(document: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let Some((kind, value)) = document.split_first() else {
        out.extend_from_slice(b"null");
        return Ok(());
    };
    Writer { out, budget: document.len() }.value(*kind, value, 0)
}

/// Writes values as text.
pub(super) struct Writer<'o> {
    /// Where to.
    pub(super) out: &'o mut Vec<u8>,
    /// Elements and bytes that may still be written.
    pub(super) budget: usize,
}

/// An array or object.
#[derive(Clone, Copy)]
pub(super) struct Container<'a> {
    bytes: &'a [u8],
    /// Bytes of a number: 2, or 4 in a large one.
    width: usize,
    /// Elements.
    pub(super) count: usize,
    /// Whether elements have keys.
    pub(super) object: bool,
}

/// Whether a type is that of an array or object.
pub(super) fn is_container(kind: u8) -> bool {
    matches!(kind, SMALL_OBJECT | LARGE_OBJECT | SMALL_ARRAY | LARGE_ARRAY)
}

/// Refuses what is nested deeper than the server nests.
pub(super) fn too_deep(depth: u32) -> Result<()> {
    if depth >= MAX_DEPTH { Err(TOO_DEEP) } else { Ok(()) }
}

impl<'a> Container<'a> {
    /// Reads the head of a value whose type [`is_container`].
    #[inline]
    pub(super) fn open(kind: u8, bytes: &'a [u8]) -> Result<Self> {
        let object = matches!(kind, SMALL_OBJECT | LARGE_OBJECT);
        let width = if matches!(kind, LARGE_OBJECT | LARGE_ARRAY) { 4 } else { 2 };
        let count = number(bytes, 0, width)?;
        let size = number(bytes, width, width)?;
        Ok(Self { bytes: cut(bytes, 0, size)?, width, count, object })
    }

    /// The key of an element.
    #[inline]
    pub(super) fn key(&self, index: usize) -> Result<&'a [u8]> {
        let entry = 2 * self.width + index * (self.width + 2);
        let offset = number(self.bytes, entry, self.width)?;
        let length = number(self.bytes, entry + self.width, 2)?;
        cut(self.bytes, offset, length)
    }

    /// The type and bytes of an element, which stand in its entry or where that points.
    #[inline]
    pub(super) fn element(&self, index: usize) -> Result<(u8, &'a [u8])> {
        let keys = if self.object { self.count * (self.width + 2) } else { 0 };
        let at = 2 * self.width + keys + index * (1 + self.width);
        let kind = *self.bytes.get(at).ok_or(TRUNCATED)?;
        let inlined = match kind {
            LITERAL | INT16 | UINT16 => true,
            INT32 | UINT32 => self.width == 4,
            _ => false,
        };
        if inlined {
            return Ok((kind, cut(self.bytes, at + 1, self.width)?));
        }
        let offset = number(self.bytes, at + 1, self.width)?;
        Ok((kind, self.bytes.get(offset..).ok_or(TRUNCATED)?))
    }
}

fn cut(bytes: &[u8], at: usize, len: usize) -> Result<&[u8]> {
    bytes.get(at..at.checked_add(len).ok_or(TRUNCATED)?).ok_or(TRUNCATED)
}

#[inline]
fn number(bytes: &[u8], at: usize, width: usize) -> Result<usize> {
    usize::try_from(little_endian(cut(bytes, at, width)?)).map_err(|_| TRUNCATED)
}

/// A length in groups of seven bits, lowest first, and what comes after it.
fn variable_length(bytes: &[u8]) -> Result<(usize, &[u8])> {
    let mut length = 0usize;
    for (index, byte) in bytes.iter().enumerate().take(5) {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok((length, bytes.get(index + 1..).unwrap_or_default()));
        }
    }
    Err("a JSON document with a malformed length")
}

impl Writer<'_> {
    #[inline]
    fn pay(&mut self, amount: usize) -> Result<()> {
        self.budget = self.budget.checked_sub(amount).ok_or(OVERLAP)?;
        Ok(())
    }

    /// A value of a type, from its bytes.
    pub(super) fn value(&mut self, kind: u8, bytes: &[u8], depth: u32) -> Result<()> {
        self.pay(1)?;
        match kind {
            SMALL_OBJECT | LARGE_OBJECT | SMALL_ARRAY | LARGE_ARRAY => self.container(kind, bytes, depth),
            LITERAL => {
                self.out.extend_from_slice(match bytes.first() {
                    Some(0) => b"null",
                    Some(1) => b"true",
                    Some(2) => b"false",
                    _ => return Err("a JSON document with an unknown literal"),
                });
                Ok(())
            }
            INT16 => self.integer(i16::from_le_bytes(*bytes.first_chunk().ok_or(TRUNCATED)?)),
            UINT16 => self.integer(u16::from_le_bytes(*bytes.first_chunk().ok_or(TRUNCATED)?)),
            INT32 => self.integer(i32::from_le_bytes(*bytes.first_chunk().ok_or(TRUNCATED)?)),
            UINT32 => self.integer(u32::from_le_bytes(*bytes.first_chunk().ok_or(TRUNCATED)?)),
            INT64 => self.integer(i64::from_le_bytes(*bytes.first_chunk().ok_or(TRUNCATED)?)),
            UINT64 => self.integer(u64::from_le_bytes(*bytes.first_chunk().ok_or(TRUNCATED)?)),
            DOUBLE => {
                let value = f64::from_le_bytes(*bytes.first_chunk().ok_or(TRUNCATED)?);
                if write_double(value, Whole::Point, self.out) { Ok(()) } else { Err("a JSON number that is none") }
            }
            STRING => {
                let (length, rest) = variable_length(bytes)?;
                self.string(cut(rest, 0, length)?)
            }
            OPAQUE => self.opaque(bytes),
            _ => Err("a JSON document with an unknown type"),
        }
    }

    #[inline]
    fn integer(&mut self, value: impl itoa::Integer) -> Result<()> {
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        Ok(())
    }

    /// A string; also the key of an object.
    #[inline]
    pub(super) fn string(&mut self, bytes: &[u8]) -> Result<()> {
        self.pay(bytes.len())?;
        if text::json_utf8(bytes, self.out) { Ok(()) } else { Err("a JSON string that is not UTF-8") }
    }

    /// A comma between elements.
    pub(super) fn comma(&mut self, index: usize) {
        if index > 0 {
            self.out.push(b',');
        }
    }

    /// An array or object.
    fn container(&mut self, kind: u8, bytes: &[u8], depth: u32) -> Result<()> {
        too_deep(depth)?;
        let container = Container::open(kind, bytes)?;
        self.out.push(if container.object { b'{' } else { b'[' });
        for index in 0..container.count {
            self.comma(index);
            if container.object {
                self.string(container.key(index)?)?;
                self.out.push(b':');
            }
            let (kind, bytes) = container.element(index)?;
            self.value(kind, bytes, depth + 1)?;
        }
        self.out.push(if container.object { b'}' } else { b']' });
        Ok(())
    }

    /// A value of an SQL type that JSON does not have.
    fn opaque(&mut self, bytes: &[u8]) -> Result<()> {
        const TIMESTAMP: u8 = 7;
        const DATE: u8 = 10;
        const TIME: u8 = 11;
        const DATETIME: u8 = 12;
        const NEWDATE: u8 = 14;
        const NEWDECIMAL: u8 = 246;
        let (kind, rest) = bytes.split_first().ok_or(TRUNCATED)?;
        let (length, rest) = variable_length(rest)?;
        let data = cut(rest, 0, length)?;
        self.pay(length)?;
        let temporal = || data.first_chunk().map(|chunk| JsonTemporal(i64::from_le_bytes(*chunk))).ok_or(TRUNCATED);
        match *kind {
            NEWDECIMAL => return self.decimal(data),
            DATE | NEWDATE => {
                let value = temporal()?.date();
                self.quoted(|out| value.write_text(out));
            }
            TIME => {
                let value = temporal()?.time();
                self.quoted(|out| value.write_text(out));
            }
            DATETIME | TIMESTAMP => {
                let value = temporal()?.datetime();
                self.quoted(|out| value.write_text(out));
            }
            other => self.quoted(|out| {
                out.extend_from_slice(b"base64:type");
                out.extend_from_slice(itoa::Buffer::new().format(other).as_bytes());
                out.push(b':');
                base64_lines(data, out);
            }),
        }
        Ok(())
    }

    fn quoted(&mut self, inside: impl FnOnce(&mut Vec<u8>)) {
        self.out.push(b'"');
        inside(self.out);
        self.out.push(b'"');
    }

    fn decimal(&mut self, data: &[u8]) -> Result<()> {
        const MALFORMED: &str = "a JSON decimal that is malformed";
        let (&[precision, scale], packed) = data.split_first_chunk().ok_or(TRUNCATED)?;
        let width = packed_width(precision, scale).ok_or(MALFORMED)?;
        if packed.len() != usize::from(width) {
            return Err(MALFORMED);
        }
        Decimal { packed, precision, scale }.write_text(self.out);
        Ok(())
    }
}

/// Base64 as the server writes it into JSON: lines of 76 characters, each but the last with a line break, which a JSON
/// string shows as `\n`.
fn base64_lines(data: &[u8], out: &mut Vec<u8>) {
    for (index, line) in data.chunks(57).enumerate() {
        if index > 0 {
            out.extend_from_slice(b"\\n");
        }
        text::base64(line, out);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn text_of(document: &[u8]) -> Result<String> {
        let mut out = Vec::new();
        write_json(document, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_document_from_a_server_reads_as_it_was_written() {
        // {"a": [1]}
        let bytes = [
            0x00, 0x01, 0x00, 0x13, 0x00, 0x0b, 0x00, 0x01, 0x00, 0x02, 0x0c, 0x00, 0x61, 0x01, 0x00, 0x07, 0x00, 0x05,
            0x01, 0x00,
        ];
        assert_eq!(text_of(&bytes).unwrap(), r#"{"a":[1]}"#);
        assert_eq!(text_of(&[]).unwrap(), "null");
    }

    #[test]
    fn an_array_that_contains_itself_is_refused() {
        // Two elements, both pointing back at the array.
        let bytes = [0x02, 2, 0, 10, 0, 0x02, 0, 0, 0x02, 0, 0];
        assert_eq!(text_of(&bytes), Err("a JSON document whose values overlap"));
        let one = [0x02, 1, 0, 7, 0, 0x02, 0, 0];
        assert!(text_of(&one).is_err());
        let mut long = vec![0x02, 1, 0, 7, 0, 0x02, 0, 0];
        long.resize(4000, 0);
        assert_eq!(text_of(&long), Err("a JSON document nested too deeply"));
    }

    #[test]
    fn a_count_larger_than_the_document_is_refused() {
        assert_eq!(text_of(&[0x03, 0xff, 0xff, 0xff, 0xff, 8, 0, 0, 0]), Err(TRUNCATED));
        assert_eq!(text_of(&[0x01, 0xff, 0xff, 0xff, 0xff, 8, 0, 0, 0]), Err(TRUNCATED));
    }
}
