//! DECIMAL: packed digits to text.
//!
//! Nine digits take four bytes, big-endian; what is left over at the outer ends of the integer and the fraction takes
//! as many bytes as it needs. The first bit is inverted, and a negative number has all bits inverted, so that numbers
//! sort as bytes.
//!
//! ```text
//! DECIMAL(14,4), 1234567890.1234:  | 01 = digits 1, 1 byte | 234567890, 4 bytes | 1234, 2 bytes |
//! ```
//!
//! The text is what the server prints: no leading zeros but the one before the point, all declared digits after it.
//! Manual: "Fixed-Point Types"; MySQL source, `strings/decimal.cc`, `decimal2bin`.

use super::value::Decimal;

/// Bytes of 0 to 8 left-over digits.
const LEFTOVER_BYTES: [usize; 9] = [0, 1, 1, 2, 2, 3, 3, 4, 4];

/// Digits of one full group.
const GROUP: usize = 9;

/// The server's buffers hold nine groups: values inside JSON may say a precision past the 65 of a column.
const MAX_PRECISION: u8 = 81;

/// Bytes of a packed decimal; `None` if the server can have none like it.
pub(crate) fn packed_width(precision: u8, scale: u8) -> Option<u8> {
    if precision == 0 || precision > MAX_PRECISION || scale > 38 {
        return None;
    }
    let whole = usize::from(precision.checked_sub(scale)?);
    let scale = usize::from(scale);
    let part = |digits: usize| LEFTOVER_BYTES.get(digits % GROUP).map(|left| digits / GROUP * 4 + left);
    u8::try_from(part(whole)? + part(scale)?).ok()
}

impl Decimal<'_> {
    /// Appends the number as the server prints it, for example `-0.50`.
    pub fn write_text(&self, out: &mut Vec<u8>) {
        let scale = usize::from(self.scale);
        let whole = usize::from(self.precision).saturating_sub(scale);
        let positive = self.packed.first().is_some_and(|first| first & 0x80 != 0);
        let mask: u32 = if positive { 0 } else { u32::MAX };
        let mut groups = Groups { rest: self.packed, mask, first: true };
        if !positive {
            out.push(b'-');
        }
        let start = out.len();
        for digits in [whole % GROUP].into_iter().filter(|odd| *odd > 0).chain((0..whole / GROUP).map(|_| GROUP)) {
            let value = groups.next(digits);
            if out.len() > start {
                write_digits(value, digits, out);
            } else if let Some(highest) = value.checked_ilog10() {
                write_digits(value, digits.min(usize::try_from(highest).unwrap_or(0) + 1), out);
            }
        }
        if out.len() == start {
            out.push(b'0');
        }
        if scale > 0 {
            out.push(b'.');
            for digits in (0..scale / GROUP).map(|_| GROUP).chain([scale % GROUP]) {
                write_digits(groups.next(digits), digits, out);
            }
        }
    }
}

/// Appends the value with `digits` digits, leading zeros included; nothing for 0 digits. A whole group is written and cut
/// back, so that no copy has a length of its own.
#[inline]
fn write_digits(value: u32, digits: usize, out: &mut Vec<u8>) {
    // What fills up a group of that many digits, and the first value that has more.
    const ROOM: [(u32, u32); GROUP + 1] = [
        (1_000_000_000, 1),
        (100_000_000, 10),
        (10_000_000, 100),
        (1_000_000, 1000),
        (100_000, 10_000),
        (10_000, 100_000),
        (1000, 1_000_000),
        (100, 10_000_000),
        (10, 100_000_000),
        (1, 1_000_000_000),
    ];
    let (shift, limit) = ROOM.get(digits).copied().unwrap_or((1, 1_000_000_000));
    // Only a damaged group holds more than its digits can say.
    let value = if value < limit { value } else { value % limit };
    let shifted = value * shift;
    let (high, low) = (shifted / 100_000, shifted % 100_000);
    let end = out.len() + digits.min(GROUP);
    out.extend_from_slice(&[
        digit(high / 1000),
        digit(high / 100),
        digit(high / 10),
        digit(high),
        digit(low / 10_000),
        digit(low / 1000),
        digit(low / 100),
        digit(low / 10),
        digit(low),
    ]);
    out.truncate(end);
}

/// The last digit of a number.
#[inline]
fn digit(number: u32) -> u8 {
    // A remainder of 10 is one digit.
    b'0' + (number % 10) as u8
}

/// Takes groups of digits off the packed bytes.
struct Groups<'a> {
    rest: &'a [u8],
    mask: u32,
    first: bool,
}

impl Groups<'_> {
    /// The value of the next `digits` digits; 0 once the bytes are used up.
    fn next(&mut self, digits: usize) -> u32 {
        let width = LEFTOVER_BYTES.get(digits).copied().unwrap_or(4);
        let Some((head, rest)) = self.rest.split_at_checked(width) else {
            return 0;
        };
        self.rest = rest;
        let bits = u32::try_from(8 * width).unwrap_or(32);
        let mut value = match *head {
            [a] => u32::from(a),
            [a, b] => u32::from(u16::from_be_bytes([a, b])),
            [a, b, c] => u32::from_be_bytes([0, a, b, c]),
            [a, b, c, d] => u32::from_be_bytes([a, b, c, d]),
            _ => 0,
        };
        if self.first && bits > 0 {
            value ^= 1 << (bits - 1);
            self.first = false;
        }
        let used = if bits >= 32 { u32::MAX } else { (1 << bits) - 1 };
        (value ^ self.mask) & used
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn text(packed: &[u8], precision: u8, scale: u8) -> String {
        let mut out = Vec::new();
        Decimal { packed, precision, scale }.write_text(&mut out);
        String::from_utf8(out).unwrap()
    }

    /// Packs digits the slow way: groups of nine from the point outwards.
    fn pack(negative: bool, whole: &str, fraction: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut group = |digits: &str| {
            if !digits.is_empty() {
                let value: u32 = digits.parse().unwrap();
                bytes.extend_from_slice(&value.to_be_bytes()[4 - (digits.len() + 1).min(8) / 2..]);
            }
        };
        let (odd, full) = whole.split_at(whole.len() % 9);
        group(odd);
        full.as_bytes().chunks(9).for_each(|digits| group(std::str::from_utf8(digits).unwrap()));
        let (full, odd) = fraction.split_at(fraction.len() / 9 * 9);
        full.as_bytes().chunks(9).for_each(|digits| group(std::str::from_utf8(digits).unwrap()));
        group(odd);
        bytes[0] ^= 0x80;
        if negative {
            bytes.iter_mut().for_each(|byte| *byte = !*byte);
        }
        bytes
    }

    #[test]
    fn the_manuals_example_reads_as_it_says() {
        let packed = [0x81, 0x0d, 0xfb, 0x38, 0xd2, 0x04, 0xd2];
        assert_eq!(text(&packed, 14, 4), "1234567890.1234");
        let negative: Vec<u8> = packed.iter().map(|byte| !byte).collect();
        assert_eq!(text(&negative, 14, 4), "-1234567890.1234");
    }

    #[test]
    fn every_decimal_reads_as_it_was_packed() {
        proptest::proptest!(|(negative: bool, whole in "[0-9]{0,35}", fraction in "[0-9]{0,30}")| {
            proptest::prop_assume!(!whole.is_empty() || !fraction.is_empty());
            let (w, f) = (u8::try_from(whole.len()).unwrap(), u8::try_from(fraction.len()).unwrap());
            let packed = pack(negative, &whole, &fraction);
            proptest::prop_assert_eq!(packed_width(w + f, f).map(usize::from), Some(packed.len()));
            let shown = whole.trim_start_matches('0');
            let mut expected = format!("{}{}", if negative { "-" } else { "" }, if shown.is_empty() { "0" } else { shown });
            if !fraction.is_empty() {
                expected.push('.');
                expected.push_str(&fraction);
            }
            proptest::prop_assert_eq!(text(&packed, w + f, f), expected);
        });
    }

    #[test]
    fn a_damaged_group_prints_no_more_digits_than_it_has() {
        assert_eq!(text(&[0, 0, 0, 0, 20], 10, 2), "-47483647.35");
        assert_eq!(text(&[0xff; 5], 10, 2), "47483647.55");
    }

    #[test]
    fn widths_outside_what_servers_have_are_refused() {
        assert_eq!(packed_width(65, 30), Some(30));
        assert_eq!(packed_width(0, 0), None);
        assert_eq!(packed_width(5, 6), None);
        assert_eq!(packed_width(200, 0), None);
    }
}
