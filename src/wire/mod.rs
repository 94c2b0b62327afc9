//! The small parsers that everything read from a log or a connection is built of.
//!
//! Each takes the name of the field it reads and works on a complete slice: framing comes first, so there is no
//! `Incomplete`. Nothing here allocates. An error says which field, how many bytes were left (so that the caller
//! can compute the offset) and what was wrong. What it does not do: anything that belongs to one event or type.
//! Manual: "Protocol Basics: Data Types"; "Library: Serialization" for the self-describing integers.

use nom::IResult;
use nom::error::ErrorKind;

/// What was wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// The slice ends inside the field.
    Truncated,
    /// The bytes cannot be a value of this field.
    Invalid,
    /// A code that this build does not know and cannot step over.
    Unknown(u64),
    /// Bytes follow where the layout has ended.
    Trailing,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Truncated => f.write_str("cut short"),
            Self::Invalid => f.write_str("not a valid value"),
            Self::Unknown(code) => write!(f, "unknown code {code}"),
            Self::Trailing => f.write_str("followed by unexpected bytes"),
        }
    }
}

/// Why a slice could not be parsed. Small and `Copy`: it is made on hot paths and rarely read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {problem} ({remaining} bytes left)")]
pub struct ParseError {
    /// The field, named as in the manual.
    pub what: &'static str,
    /// Bytes left of the parsed slice where the field begins.
    pub remaining: usize,
    /// What was wrong.
    pub problem: Problem,
}

impl nom::error::ParseError<&[u8]> for ParseError {
    fn from_error_kind(input: &[u8], kind: ErrorKind) -> Self {
        let problem = if kind == ErrorKind::Eof { Problem::Truncated } else { Problem::Invalid };
        Self { what: "input", remaining: input.len(), problem }
    }

    fn append(_input: &[u8], _kind: ErrorKind, other: Self) -> Self {
        other
    }
}

/// What every parser here returns: the rest of the input and the value.
pub type Parsed<'a, T> = IResult<&'a [u8], T, ParseError>;

/// An error at `input`; as a function so that ladders stay short.
#[cold]
#[must_use]
pub fn fail(input: &[u8], what: &'static str, problem: Problem) -> nom::Err<ParseError> {
    nom::Err::Error(ParseError { what, remaining: input.len(), problem })
}

/// Takes the error out of nom's wrapping.
#[must_use]
pub fn unwrap_error(error: nom::Err<ParseError>) -> ParseError {
    match error {
        nom::Err::Error(e) | nom::Err::Failure(e) => e,
        nom::Err::Incomplete(_) => ParseError { what: "input", remaining: 0, problem: Problem::Truncated },
    }
}

/// Exactly `N` bytes.
#[inline]
pub fn array<'a, const N: usize>(what: &'static str) -> impl Fn(&'a [u8]) -> Parsed<'a, [u8; N]> {
    move |i| match i.split_first_chunk::<N>() {
        Some((head, rest)) => Ok((rest, *head)),
        None => Err(fail(i, what, Problem::Truncated)),
    }
}

/// Exactly `len` bytes.
#[inline]
pub fn bytes<'a>(len: usize, what: &'static str) -> impl Fn(&'a [u8]) -> Parsed<'a, &'a [u8]> {
    move |i| match i.split_at_checked(len) {
        Some((head, rest)) => Ok((rest, head)),
        None => Err(fail(i, what, Problem::Truncated)),
    }
}

/// All that is left.
#[inline]
pub fn rest<'a>(i: &'a [u8]) -> Parsed<'a, &'a [u8]> {
    Ok((&[], i))
}

/// The end of the slice.
#[inline]
pub fn end<'a>(what: &'static str) -> impl Fn(&'a [u8]) -> Parsed<'a, ()> {
    move |i| if i.is_empty() { Ok((i, ())) } else { Err(fail(i, what, Problem::Trailing)) }
}

macro_rules! fixed_ints {
    ($($(#[$doc:meta])* $name:ident: $ty:ty, $from:ident;)*) => {
        $($(#[$doc])*
        #[inline]
        pub fn $name<'a>(what: &'static str) -> impl Fn(&'a [u8]) -> Parsed<'a, $ty> {
            move |i| {
                let (i, raw) = array(what)(i)?;
                Ok((i, <$ty>::$from(raw)))
            }
        })*
    };
}

fixed_ints! {
    /// One byte.
    u8: u8, from_le_bytes;
    /// One byte, signed.
    i8: i8, from_le_bytes;
    /// Two bytes, little endian.
    le_u16: u16, from_le_bytes;
    /// Four bytes, little endian.
    le_u32: u32, from_le_bytes;
    /// Eight bytes, little endian.
    le_u64: u64, from_le_bytes;
    /// Eight bytes, little endian, signed.
    le_i64: i64, from_le_bytes;
    /// Eight bytes, little endian, IEEE.
    le_f64: f64, from_le_bytes;
    /// Two bytes, big endian.
    be_u16: u16, from_be_bytes;
    /// Four bytes, big endian.
    be_u32: u32, from_be_bytes;
    /// Eight bytes, big endian.
    be_u64: u64, from_be_bytes;
}

/// Three bytes, little endian.
#[inline]
pub fn le_u24<'a>(what: &'static str) -> impl Fn(&'a [u8]) -> Parsed<'a, u32> {
    move |i| {
        let (i, [a, b, c]) = array(what)(i)?;
        Ok((i, u32::from_le_bytes([a, b, c, 0])))
    }
}

/// Three bytes, big endian.
#[inline]
pub fn be_u24<'a>(what: &'static str) -> impl Fn(&'a [u8]) -> Parsed<'a, u32> {
    move |i| {
        let (i, [a, b, c]) = array(what)(i)?;
        Ok((i, u32::from_be_bytes([0, a, b, c])))
    }
}

/// Six bytes, little endian: table numbers.
#[inline]
pub fn le_u48<'a>(what: &'static str) -> impl Fn(&'a [u8]) -> Parsed<'a, u64> {
    move |i| {
        let (i, [a, b, c, d, e, f]) = array(what)(i)?;
        Ok((i, u64::from_le_bytes([a, b, c, d, e, f, 0, 0])))
    }
}

/// Six bytes, big endian.
#[inline]
pub fn be_u48<'a>(what: &'static str) -> impl Fn(&'a [u8]) -> Parsed<'a, u64> {
    move |i| {
        let (i, [a, b, c, d, e, f]) = array(what)(i)?;
        Ok((i, u64::from_be_bytes([0, 0, a, b, c, d, e, f])))
    }
}

/// Seven bytes, little endian: commit timestamps.
#[inline]
pub fn le_u56<'a>(what: &'static str) -> impl Fn(&'a [u8]) -> Parsed<'a, u64> {
    move |i| {
        let (i, [a, b, c, d, e, f, g]) = array(what)(i)?;
        Ok((i, u64::from_le_bytes([a, b, c, d, e, f, g, 0])))
    }
}

/// A length-encoded integer: one byte up to 250, else a mark and 2, 3 or 8 bytes.
#[inline]
pub fn lenenc<'a>(what: &'static str) -> impl Fn(&'a [u8]) -> Parsed<'a, u64> {
    move |input| {
        let (i, first) = u8(what)(input)?;
        match first {
            0..=250 => Ok((i, u64::from(first))),
            252 => le_u16(what)(i).map(|(i, n)| (i, u64::from(n))),
            253 => le_u24(what)(i).map(|(i, n)| (i, u64::from(n))),
            254 => le_u64(what)(i),
            _ => Err(fail(input, what, Problem::Invalid)),
        }
    }
}

/// A length-encoded integer that counts something in memory.
#[inline]
pub fn lenenc_len<'a>(what: &'static str) -> impl Fn(&'a [u8]) -> Parsed<'a, usize> {
    move |input| {
        let (i, n) = lenenc(what)(input)?;
        match usize::try_from(n) {
            Ok(n) => Ok((i, n)),
            Err(_) => Err(fail(input, what, Problem::Invalid)),
        }
    }
}

/// A length-encoded length, then that many bytes.
#[inline]
pub fn lenenc_bytes<'a>(what: &'static str) -> impl Fn(&'a [u8]) -> Parsed<'a, &'a [u8]> {
    move |i| {
        let (i, len) = lenenc_len(what)(i)?;
        bytes(len, what)(i)
    }
}

/// A length of one byte, then that many bytes.
#[inline]
pub fn u8_bytes<'a>(what: &'static str) -> impl Fn(&'a [u8]) -> Parsed<'a, &'a [u8]> {
    move |i| {
        let (i, len) = u8(what)(i)?;
        bytes(usize::from(len), what)(i)
    }
}

/// A length of four bytes, little endian, then that many bytes.
#[inline]
pub fn u32_bytes<'a>(what: &'static str) -> impl Fn(&'a [u8]) -> Parsed<'a, &'a [u8]> {
    move |input| {
        let (i, len) = le_u32(what)(input)?;
        match usize::try_from(len) {
            Ok(len) => bytes(len, what)(i),
            Err(_) => Err(fail(input, what, Problem::Invalid)),
        }
    }
}

/// Bytes up to a zero byte, which is consumed and not returned.
#[inline]
pub fn c_string<'a>(what: &'static str) -> impl Fn(&'a [u8]) -> Parsed<'a, &'a [u8]> {
    move |i| {
        let end = memchr::memchr(0, i).ok_or_else(|| fail(i, what, Problem::Truncated))?;
        let (i, text) = bytes(end, what)(i)?;
        let (i, _nul) = u8(what)(i)?;
        Ok((i, text))
    }
}

/// A bitmap of `bits` bits: one byte for each eight begun.
#[inline]
pub fn bitmap<'a>(bits: usize, what: &'static str) -> impl Fn(&'a [u8]) -> Parsed<'a, &'a [u8]> {
    bytes(bits.div_ceil(8), what)
}

/// Whether bit `n` of a bitmap is set, bit 0 being the lowest of the first byte; past its end no bit is.
#[inline]
#[must_use]
pub fn bit(bitmap: &[u8], n: usize) -> bool {
    bitmap.get(n >> 3).is_some_and(|byte| byte >> (n & 7) & 1 == 1)
}

/// An integer of MySQL's serialization library: the low bits of the first byte say how many bytes follow.
///
/// ```text
/// xxxxxxx0                      7 bits       (as many trailing ones as there are further bytes)
/// xxxxxx01 xxxxxxxx            14 bits
/// ...
/// 11111111 + 8 bytes           64 bits
/// ```
pub fn varlen<'a>(what: &'static str) -> impl Fn(&'a [u8]) -> Parsed<'a, u64> {
    move |input| {
        let (i, first) = u8(what)(input)?;
        let further = first.trailing_ones();
        if further == 8 {
            return le_u64(what)(i);
        }
        let (i, high) = bytes(usize::try_from(further).unwrap_or(0), what)(i)?;
        let raw = high.iter().rev().fold(0_u64, |n, byte| n << 8 | u64::from(*byte)) << 8 | u64::from(first);
        Ok((i, raw >> (further + 1)))
    }
}

/// A signed integer of the serialization library: the sign is the lowest bit.
pub fn varlen_signed<'a>(what: &'static str) -> impl Fn(&'a [u8]) -> Parsed<'a, i64> {
    move |i| {
        let (i, raw) = varlen(what)(i)?;
        let magnitude = (raw >> 1).cast_signed();
        Ok((i, if raw & 1 == 0 { magnitude } else { !magnitude }))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn integers_read_in_both_byte_orders() {
        let raw = [1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(le_u16("x")(&raw).unwrap().1, 0x0201);
        assert_eq!(le_u24("x")(&raw).unwrap().1, 0x03_0201);
        assert_eq!(be_u24("x")(&raw).unwrap().1, 0x01_0203);
        assert_eq!(le_u48("x")(&raw).unwrap().1, 0x0605_0403_0201);
        assert_eq!(be_u48("x")(&raw).unwrap().1, 0x0102_0304_0506);
        assert_eq!(le_u56("x")(&raw).unwrap(), (&raw[7..], 0x07_0605_0403_0201));
        assert_eq!(be_u64("x")(&raw).unwrap().1, 0x0102_0304_0506_0708);
    }

    #[test]
    fn length_encoded_integers_take_one_three_four_or_nine_bytes() {
        for (raw, value) in [
            (vec![250], 250),
            (vec![252, 251, 0], 251),
            (vec![253, 1, 0, 1], 65537),
            (vec![254, 1, 0, 0, 0, 0, 0, 0, 1], 1 << 56 | 1),
        ] {
            assert_eq!(lenenc("n")(&raw).unwrap(), (&[][..], value));
            for cut in 0..raw.len() {
                assert!(lenenc("n")(&raw[..cut]).is_err());
            }
        }
        assert!(lenenc("n")(&[251]).is_err());
        assert!(lenenc("n")(&[255]).is_err());
    }

    #[test]
    fn serialized_integers_agree_with_their_definition() {
        assert_eq!(varlen("n")(&[0b1111_1110]).unwrap().1, 127);
        assert_eq!(varlen("n")(&[0b0000_0001, 0b0000_0010]).unwrap().1, 128);
        assert_eq!(varlen("n")(&[0xff, 1, 0, 0, 0, 0, 0, 0, 0x80]).unwrap().1, 1 << 63 | 1);
        assert_eq!(varlen("n")(&[0x7f, 1, 0, 0, 0, 0, 0, 0]).unwrap().1, 1);
        assert!(varlen("n")(&[0x7f, 1, 0, 0]).is_err());
        assert_eq!(varlen_signed("n")(&[0b10]).unwrap().1, -1);
        assert_eq!(varlen_signed("n")(&[0b100]).unwrap().1, 1);
    }

    #[test]
    fn an_error_names_the_field_and_what_was_left() {
        let error = unwrap_error(le_u32("thread_id")(&[1, 2]).unwrap_err());
        assert_eq!(error, ParseError { what: "thread_id", remaining: 2, problem: Problem::Truncated });
        let error = unwrap_error(bytes(usize::MAX, "name")(&[1]).unwrap_err());
        assert_eq!(error.remaining, 1);
    }

    #[test]
    fn strings_and_bitmaps_stop_where_they_should() {
        assert_eq!(c_string("db")(b"ab\0c").unwrap(), (&b"c"[..], &b"ab"[..]));
        assert!(c_string("db")(b"ab").is_err());
        assert_eq!(lenenc_bytes("s")(b"\x02abc").unwrap(), (&b"c"[..], &b"ab"[..]));
        assert_eq!(bitmap(9, "b")(&[1, 2, 3]).unwrap(), (&[3][..], &[1, 2][..]));
        assert!(bit(&[0, 2], 9) && !bit(&[0, 2], 8) && !bit(&[0, 2], 900));
    }
}
