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

use super::numeric::big_endian;
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
        let mut any = false;
        let mut integer = |value: u32, digits: usize| {
            if any {
                padded(value, digits, out);
            } else if value != 0 {
                out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
                any = true;
            }
        };
        let leftover = whole % GROUP;
        if leftover > 0 {
            integer(groups.next(leftover), leftover);
        }
        for _ in 0..whole / GROUP {
            integer(groups.next(GROUP), GROUP);
        }
        if !any {
            out.push(b'0');
        }
        if scale > 0 {
            out.push(b'.');
            for _ in 0..scale / GROUP {
                padded(groups.next(GROUP), GROUP, out);
            }
            let leftover = scale % GROUP;
            if leftover > 0 {
                padded(groups.next(leftover), leftover, out);
            }
        }
    }
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
        let mut value = u32::try_from(big_endian(head)).unwrap_or(0);
        if self.first && bits > 0 {
            value ^= 1 << (bits - 1);
            self.first = false;
        }
        let used = if bits >= 32 { u32::MAX } else { (1 << bits) - 1 };
        (value ^ self.mask) & used
    }
}

/// The last `digits` digits of a value, with leading zeros.
#[inline]
fn padded(value: u32, digits: usize, out: &mut Vec<u8>) {
    let mut text = [b'0'; GROUP];
    let mut rest = value;
    for place in text.iter_mut().rev() {
        // A remainder of 10 is one digit.
        *place = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    out.extend_from_slice(text.get(GROUP - digits.min(GROUP)..).unwrap_or_default());
}
