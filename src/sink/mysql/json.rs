//! JSON documents in MySQL's binary form as SQL expressions that give the very same document, and as text.
//!
//! JSON text carries small signed integers, large unsigned ones, doubles, strings and the three literals exactly. What it
//! does not carry (other integers, decimals, dates and times, bytes) is built by typed SQL expressions around
//! it. Targets whose JSON is text get the text that MySQL prints, without its blanks.
//! Manual: "The JSON Data Type"; MySQL source: `json_binary.h`.

use super::literal;
use crate::row::decimal::packed_width;
use crate::row::json::write_json;
use crate::row::temporal::JsonTemporal;
use crate::row::text::json_string;
use crate::row::value::Decimal;
use crate::sink::RenderError;

/// A value inside a document.
#[derive(Debug, Clone, Copy)]
enum Node<'a> {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Double(f64),
    String(&'a [u8]),
    Opaque(u8, &'a [u8]),
    Array(Container<'a>),
    Object(Container<'a>),
}

/// An array or object: its bytes from the element count on.
#[derive(Debug, Clone, Copy)]
struct Container<'a> {
    bytes: &'a [u8],
    large: bool,
    object: bool,
    count: usize,
}

fn malformed() -> RenderError {
    RenderError { what: "its JSON document is malformed".to_owned(), hint: None }
}

/// Little-endian, at most 8 bytes.
fn number(bytes: &[u8], at: usize, width: usize) -> Result<u64, RenderError> {
    let slice = bytes.get(at..at.saturating_add(width)).ok_or_else(malformed)?;
    Ok(slice.iter().rev().fold(0, |n, byte| n << 8 | u64::from(*byte)))
}

fn size(bytes: &[u8], at: usize, width: usize) -> Result<usize, RenderError> {
    usize::try_from(number(bytes, at, width)?).map_err(|_| malformed())
}

fn signed(n: u64, width: usize) -> i64 {
    let shift = 64_usize.saturating_sub(width.saturating_mul(8));
    (n << shift).cast_signed() >> shift
}

/// A length in 7-bit groups, low first, then as many bytes.
fn counted(bytes: &[u8]) -> Result<&[u8], RenderError> {
    let mut length = 0usize;
    for (i, byte) in bytes.iter().enumerate().take(5) {
        length |= usize::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            let start = i.saturating_add(1);
            return bytes.get(start..start.saturating_add(length)).ok_or_else(malformed);
        }
    }
    Err(malformed())
}

impl<'a> Node<'a> {
    /// A whole document; no bytes at all are a null of old servers.
    fn document(bytes: &'a [u8]) -> Result<Self, RenderError> {
        match bytes.split_first() {
            None => Ok(Self::Null),
            Some((kind, rest)) => Self::read(*kind, rest),
        }
    }

    fn read(kind: u8, bytes: &'a [u8]) -> Result<Self, RenderError> {
        Ok(match kind {
            0..=3 => {
                let (large, object) = (kind & 1 == 1, kind < 2);
                let container = Container { bytes, large, object, count: size(bytes, 0, if large { 4 } else { 2 })? };
                if object { Self::Object(container) } else { Self::Array(container) }
            }
            4 => Self::literal(number(bytes, 0, 1)?)?,
            5 => Self::Int(signed(number(bytes, 0, 2)?, 2)),
            6 => Self::UInt(number(bytes, 0, 2)?),
            7 => Self::Int(signed(number(bytes, 0, 4)?, 4)),
            8 => Self::UInt(number(bytes, 0, 4)?),
            9 => Self::Int(number(bytes, 0, 8)?.cast_signed()),
            10 => Self::UInt(number(bytes, 0, 8)?),
            11 => Self::Double(f64::from_bits(number(bytes, 0, 8)?)),
            12 => Self::String(counted(bytes)?),
            15 => {
                let (field, rest) = bytes.split_first().ok_or_else(malformed)?;
                Self::Opaque(*field, counted(rest)?)
            }
            _ => return Err(malformed()),
        })
    }

    fn literal(code: u64) -> Result<Self, RenderError> {
        match code {
            0 => Ok(Self::Null),
            1 => Ok(Self::Bool(true)),
            2 => Ok(Self::Bool(false)),
            _ => Err(malformed()),
        }
    }
}

impl<'a> Container<'a> {
    fn width(self) -> usize {
        if self.large { 4 } else { 2 }
    }

    /// The value at an index.
    fn value(self, index: usize) -> Result<Node<'a>, RenderError> {
        let width = self.width();
        let keys = if self.object { self.count.saturating_mul(width.saturating_add(2)) } else { 0 };
        let entry = index.saturating_mul(width.saturating_add(1));
        let at = width.saturating_mul(2).saturating_add(keys).saturating_add(entry);
        let kind = u8::try_from(number(self.bytes, at, 1)?).map_err(|_| malformed())?;
        let inside = at.saturating_add(1);
        match kind {
            4 => Node::literal(number(self.bytes, inside, 1)?),
            5 | 6 => Node::read(kind, self.bytes.get(inside..).unwrap_or_default()),
            7 | 8 if self.large => Node::read(kind, self.bytes.get(inside..).unwrap_or_default()),
            _ => {
                let offset = size(self.bytes, inside, width)?;
                // A value stands behind the entries: what points back into them would go round in circles.
                if offset <= at {
                    return Err(malformed());
                }
                Node::read(kind, self.bytes.get(offset..).ok_or_else(malformed)?)
            }
        }
    }

    fn key(self, index: usize) -> Result<&'a [u8], RenderError> {
        let width = self.width();
        let at = width.saturating_mul(2).saturating_add(index.saturating_mul(width.saturating_add(2)));
        let offset = size(self.bytes, at, width)?;
        let length = size(self.bytes, at.saturating_add(width), 2)?;
        self.bytes.get(offset..offset.saturating_add(length)).ok_or_else(malformed)
    }
}

/// Appends an expression whose value is the document.
pub(super) fn expression(out: &mut Vec<u8>, document: &[u8]) -> Result<(), RenderError> {
    // Checks the document, too: what follows need not fear values that overlap or nest without end.
    let mut json = Vec::new();
    write_json(document, &mut json).map_err(|_| malformed())?;
    let node = Node::document(document)?;
    if plain(node)? {
        cast(out, &json);
        return Ok(());
    }
    if matches!(node, Node::Array(_) | Node::Object(_)) {
        return build(out, node);
    }
    out.extend_from_slice(b"JSON_EXTRACT(JSON_ARRAY(");
    build(out, node)?;
    out.extend_from_slice(b"),_utf8mb4'$[0]')");
    Ok(())
}

/// Appends an argument of a function that changes documents, or of JSON_ARRAY, whose value there is the document.
pub(super) fn argument(out: &mut Vec<u8>, document: &[u8]) -> Result<(), RenderError> {
    let mut json = Vec::new();
    write_json(document, &mut json).map_err(|_| malformed())?;
    let node = Node::document(document)?;
    if plain(node)? {
        cast(out, &json);
        return Ok(());
    }
    build(out, node)
}

/// Appends the document's text as a literal.
pub(super) fn text(out: &mut Vec<u8>, document: &[u8]) -> Result<(), RenderError> {
    let mut json = Vec::new();
    write_json(document, &mut json).map_err(|_| malformed())?;
    literal::utf8(out, &json);
    Ok(())
}

fn cast(out: &mut Vec<u8>, json: &[u8]) {
    out.extend_from_slice(b"CAST(");
    literal::utf8(out, json);
    out.extend_from_slice(b" AS JSON)");
}

/// Whether JSON text carries the value exactly.
fn plain(node: Node<'_>) -> Result<bool, RenderError> {
    match node {
        Node::Opaque(..) => Ok(false),
        // Positive numbers over 32 bits are read back as unsigned, smaller ones as signed.
        Node::Int(n) => Ok(n <= i64::from(u32::MAX)),
        Node::UInt(n) => Ok(i64::try_from(n).is_err()),
        Node::Array(container) | Node::Object(container) => {
            for index in 0..container.count {
                if !plain(container.value(index)?)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        _ => Ok(true),
    }
}

/// Appends an argument of JSON_ARRAY or JSON_OBJECT that becomes the value.
fn build(out: &mut Vec<u8>, node: Node<'_>) -> Result<(), RenderError> {
    match node {
        Node::Array(container) | Node::Object(container) => {
            out.extend_from_slice(if container.object { b"JSON_OBJECT(" } else { b"JSON_ARRAY(" });
            for index in 0..container.count {
                if index > 0 {
                    out.push(b',');
                }
                if container.object {
                    literal::utf8(out, container.key(index)?);
                    out.push(b',');
                }
                build(out, container.value(index)?)?;
            }
            out.push(b')');
        }
        Node::Null => out.extend_from_slice(b"NULL"),
        Node::Bool(true) => out.extend_from_slice(b"true"),
        Node::Bool(false) => out.extend_from_slice(b"false"),
        Node::Int(n) => out.extend_from_slice(format!("CAST({n} AS SIGNED)").as_bytes()),
        Node::UInt(n) => out.extend_from_slice(format!("CAST({n} AS UNSIGNED)").as_bytes()),
        Node::Double(x) => cast(out, format!("{x:?}").as_bytes()),
        Node::String(bytes) => literal::utf8(out, bytes),
        Node::Opaque(field, bytes) => opaque(out, field, bytes)?,
    }
    Ok(())
}

/// Codes of the column types that opaque values have.
mod field {
    pub(super) const TIMESTAMP: u8 = 7;
    pub(super) const DATE: u8 = 10;
    pub(super) const TIME: u8 = 11;
    pub(super) const DATETIME: u8 = 12;
    pub(super) const VARCHAR: u8 = 15;
    pub(super) const BIT: u8 = 16;
    pub(super) const NEWDECIMAL: u8 = 246;
    pub(super) const BLOB: u8 = 252;
    pub(super) const STRING: u8 = 254;
}

fn opaque(out: &mut Vec<u8>, field: u8, bytes: &[u8]) -> Result<(), RenderError> {
    match field {
        field::NEWDECIMAL => {
            let decimal = decimal(bytes)?;
            out.extend_from_slice(b"CAST(");
            decimal.write_text(out);
            // Values that were computed may say more digits than a type can have; they do not have them.
            let precision = decimal.precision.min(65);
            out.extend_from_slice(format!(" AS DECIMAL({precision},{}))", decimal.scale).as_bytes());
        }
        field::DATE | field::TIME | field::DATETIME | field::TIMESTAMP => {
            out.extend_from_slice(b"CAST('");
            temporal(out, field, bytes)?;
            out.extend_from_slice(match field {
                field::DATE => b"' AS DATE)",
                field::TIME => b"' AS TIME(6))",
                _ => b"' AS DATETIME(6))".as_slice(),
            });
        }
        field::VARCHAR => literal::hex(out, bytes),
        // No expression makes these from bytes alone: a column of JSON_TABLE lends its type.
        field::BLOB => {
            out.extend_from_slice(b"(SELECT COALESCE(j.a,");
            literal::hex(out, bytes);
            out.extend_from_slice(
                b") FROM JSON_TABLE(_utf8mb4'[null]',_utf8mb4'$[*]' COLUMNS(a BLOB PATH _utf8mb4'$.x')) j)",
            );
        }
        field::BIT if bytes.len() <= 8 => {
            let bits = bytes.iter().fold(0u64, |n, byte| n << 8 | u64::from(*byte));
            let width = bytes.len().saturating_mul(8).max(1);
            out.extend_from_slice(format!("(SELECT j.a FROM JSON_TABLE(_utf8mb4'[{bits}]',").as_bytes());
            out.extend_from_slice(format!("_utf8mb4'$[*]' COLUMNS(a BIT({width}) PATH _utf8mb4'$')) j)").as_bytes());
        }
        field::STRING if std::str::from_utf8(bytes).is_ok() && bytes.len() <= 255 => {
            let mut json = Vec::new();
            json.push(b'[');
            json_string(bytes, &mut json);
            json.push(b']');
            out.extend_from_slice(b"(SELECT j.a FROM JSON_TABLE(");
            literal::utf8(out, &json);
            out.extend_from_slice(
                format!(",_utf8mb4'$[*]' COLUMNS(a BINARY({}) PATH _utf8mb4'$')) j)", bytes.len()).as_bytes(),
            );
        }
        other => {
            return Err(RenderError {
                what: format!("its JSON document holds bytes of column type {other}, which no SQL expression makes"),
                hint: Some("store such bytes as base64 text at the source".to_owned()),
            });
        }
    }
    Ok(())
}

fn decimal(bytes: &[u8]) -> Result<Decimal<'_>, RenderError> {
    match bytes {
        [precision, scale, packed @ ..]
            if packed_width(*precision, *scale).is_some_and(|width| usize::from(width) == packed.len()) =>
        {
            Ok(Decimal { packed, precision: *precision, scale: *scale })
        }
        _ => Err(malformed()),
    }
}

/// Appends a date or time in the form it prints in.
fn temporal(out: &mut Vec<u8>, field: u8, bytes: &[u8]) -> Result<(), RenderError> {
    let value = JsonTemporal(number(bytes, 0, 8)?.cast_signed());
    match field {
        field::DATE => value.date().write_text(out),
        field::TIME => value.time().write_text(out),
        _ => value.datetime().write_text(out),
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn sql(document: &[u8]) -> String {
        let mut out = Vec::new();
        expression(&mut out, document).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn documents_that_text_carries_exactly_are_cast_from_text() {
        assert_eq!(sql(&[]), "CAST(_utf8mb4'null' AS JSON)");
        assert_eq!(sql(&[4, 1]), "CAST(_utf8mb4'true' AS JSON)");
        assert_eq!(sql(&[5, 0xff, 0xff]), "CAST(_utf8mb4'-1' AS JSON)");
        assert_eq!(sql(&[12, 2, b'a', b'"']), r#"CAST(_utf8mb4'"a\\""' AS JSON)"#);
        let double = |x: f64| [&[11][..], &x.to_le_bytes()].concat();
        assert_eq!(sql(&double(1.0)), "CAST(_utf8mb4'1.0' AS JSON)");
        assert_eq!(sql(&double(-0.0)), "CAST(_utf8mb4'-0.0' AS JSON)");
        assert_eq!(sql(&double(1e20)), "CAST(_utf8mb4'1e20' AS JSON)");
        // [1, null]
        let array = [2, 2, 0, 10, 0, 5, 1, 0, 4, 0, 0];
        assert_eq!(sql(&array), "CAST(_utf8mb4'[1,null]' AS JSON)");
    }

    #[test]
    fn what_text_does_not_carry_is_built_by_typed_expressions() {
        assert_eq!(sql(&[6, 5, 0]), "JSON_EXTRACT(JSON_ARRAY(CAST(5 AS UNSIGNED)),_utf8mb4'$[0]')");
        let wide = [&[9][..], &5_000_000_000_i64.to_le_bytes()].concat();
        assert_eq!(sql(&wide), "JSON_EXTRACT(JSON_ARRAY(CAST(5000000000 AS SIGNED)),_utf8mb4'$[0]')");
        assert_eq!(sql(&[10, 255, 255, 255, 255, 255, 255, 255, 255]), "CAST(_utf8mb4'18446744073709551615' AS JSON)");
        // {"a": 1.5 as DECIMAL(2,1)}
        let object = [0, 1, 0, 18, 0, 11, 0, 1, 0, 15, 12, 0, b'a', 246, 4, 2, 1, 0x81, 0x05];
        assert_eq!(sql(&object), "JSON_OBJECT(_utf8mb4'a',CAST(1.5 AS DECIMAL(2,1)))");
        assert_eq!(sql(&[15, 15, 1, 0xff]), "JSON_EXTRACT(JSON_ARRAY(x'ff'),_utf8mb4'$[0]')");
        let mut out = Vec::new();
        assert!(expression(&mut out, &[15, 249, 1, 0xff]).is_err());
        // [5 as UNSIGNED, null, true, "a"]
        let array = [2, 4, 0, 18, 0, 6, 5, 0, 4, 0, 0, 4, 1, 0, 12, 16, 0, 1, b'a'];
        assert_eq!(sql(&array), "JSON_ARRAY(CAST(5 AS UNSIGNED),NULL,true,_utf8mb4'a')");
    }

    #[test]
    fn malformed_documents_are_errors() {
        let mut out = Vec::new();
        for bad in [&[0][..], &[2, 9, 0, 9, 0], &[12, 5, b'a'], &[99], &[4, 7], &[2, 1, 0, 7, 0, 2, 0, 0], &[11, 0]] {
            assert!(expression(&mut out, bad).is_err(), "{bad:?}");
            assert!(text(&mut out, bad).is_err(), "{bad:?}");
        }
    }
}
