//! Integers, floats, YEAR, BIT, ENUM and SET.
//!
//! All are little-endian except BIT, which is big-endian. Manual: "Data Type Storage Requirements".

use super::value::Value;

/// Up to eight little-endian bytes as a number.
#[inline]
pub(super) fn little_endian(bytes: &[u8]) -> u64 {
    match *bytes {
        [a] => u64::from(a),
        [a, b] => u64::from(u16::from_le_bytes([a, b])),
        [a, b, c] => u64::from(u32::from_le_bytes([a, b, c, 0])),
        [a, b, c, d] => u64::from(u32::from_le_bytes([a, b, c, d])),
        [a, b, c, d, e, f, g, h] => u64::from_le_bytes([a, b, c, d, e, f, g, h]),
        _ => bytes.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)),
    }
}

/// Up to eight big-endian bytes as a number.
#[inline]
pub(super) fn big_endian(bytes: &[u8]) -> u64 {
    match *bytes {
        [a, b, c] => u64::from(u32::from_be_bytes([0, a, b, c])),
        [a, b, c, d] => u64::from(u32::from_be_bytes([a, b, c, d])),
        [a, b, c, d, e] => u64::from_be_bytes([0, 0, 0, a, b, c, d, e]),
        [a, b, c, d, e, f, g, h] => u64::from_be_bytes([a, b, c, d, e, f, g, h]),
        _ => bytes.iter().fold(0, |n, b| n << 8 | u64::from(*b)),
    }
}

/// A little-endian integer of 1, 2, 3, 4 or 8 bytes.
#[inline]
pub(super) fn integer(bytes: &[u8], unsigned: bool) -> Value<'static> {
    let value = little_endian(bytes);
    if unsigned {
        return Value::UInt(value);
    }
    let shift = 64u32.saturating_sub(8 * u32::try_from(bytes.len()).unwrap_or(8)).min(63);
    Value::Int((value << shift).cast_signed() >> shift)
}

/// YEAR: 0 stands for itself, else years since 1900.
#[inline]
pub(super) fn year(byte: u8) -> u16 {
    if byte == 0 { 0 } else { 1900 + u16::from(byte) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_each_width_keep_their_sign() {
        assert_eq!(integer(&[0xff], false), Value::Int(-1));
        assert_eq!(integer(&[0xff], true), Value::UInt(255));
        assert_eq!(integer(&[0x00, 0x80], false), Value::Int(-32768));
        assert_eq!(integer(&[0x00, 0x00, 0x80], false), Value::Int(-8_388_608));
        assert_eq!(integer(&[0xff, 0xff, 0xff], true), Value::UInt(16_777_215));
        assert_eq!(integer(&[0xfe, 0xff, 0xff, 0xff], false), Value::Int(-2));
        assert_eq!(integer(&[0xff; 8], false), Value::Int(-1));
        assert_eq!(integer(&[0xff; 8], true), Value::UInt(u64::MAX));
    }

    #[test]
    fn year_zero_is_not_1900() {
        assert_eq!(year(0), 0);
        assert_eq!(year(1), 1901);
        assert_eq!(year(255), 2155);
    }
}
