//! FLOAT and DOUBLE as the server prints a DOUBLE.
//!
//! The digits are the shortest that read back as the same number. They are written plainly if the decimal exponent is
//! from -15 to 14, or if there is a fraction to show; else as `1.5e20`. FLOAT is written the same way with the shortest
//! digits for 32 bits, where the server's own text shows six digits and loses the rest.
//! Manual: "Floating-Point Types"; MySQL source, `strings/dtoa.cc`, `my_gcvt`.

/// How a number without a fraction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whole {
    /// As an integer: `1`.
    Bare,
    /// With a fraction of zero, which marks a double inside a JSON document: `1.0`.
    Point,
}

/// Plain text goes up to this many digits before the point.
const MAX_WHOLE: i32 = 15;

/// Appends a DOUBLE; `false` if it is no number.
#[inline]
pub(crate) fn write_double(value: f64, whole: Whole, out: &mut Vec<u8>) -> bool {
    if !value.is_finite() {
        return false;
    }
    // Integers are the common case in practice and need no search for the shortest digits.
    if value.abs() < 1e15 && value.fract() == 0.0 && (value != 0.0 || value.is_sign_positive()) {
        out.extend_from_slice(itoa::Buffer::new().format(value as i64).as_bytes());
        if whole == Whole::Point {
            out.extend_from_slice(b".0");
        }
        return true;
    }
    write_shortest(ryu::Buffer::new().format_finite(value).as_bytes(), whole, out);
    true
}

/// Appends a coordinate of WKT; `false` if it is no number. Texts longer than 25 bytes, which but small numbers have, become
/// scientific, as `ST_AsText` of MySQL has them.
#[inline]
pub(crate) fn write_coordinate(value: f64, out: &mut Vec<u8>) -> bool {
    const MAX_TEXT: usize = 25;
    let start = out.len();
    let finite = write_double(value, Whole::Bare, out);
    if out.len() - start > MAX_TEXT {
        let text = out.split_off(start);
        let mut digits = [0u8; 40];
        let (digits, point) = take_digits(text.strip_prefix(b"-").unwrap_or(&text), &mut digits);
        if value.is_sign_negative() {
            out.push(b'-');
        }
        scientific(digits, point - 1, out);
    }
    finite
}

/// Appends a FLOAT; `false` if it is no number.
#[inline]
pub(crate) fn write_float(value: f32, out: &mut Vec<u8>) -> bool {
    if !value.is_finite() {
        return false;
    }
    write_shortest(ryu::Buffer::new().format_finite(value).as_bytes(), Whole::Bare, out);
    true
}

/// Brings the shortest digits into the server's form.
fn write_shortest(text: &[u8], whole: Whole, out: &mut Vec<u8>) {
    // A fraction is shown plainly however long the number is; a whole number only up to a length.
    let plain = !text.contains(&b'e') && (text.len() <= 16 || !text.ends_with(b".0"));
    if plain {
        let text = match (whole, text.strip_suffix(b".0")) {
            (Whole::Bare, Some(integer)) => integer,
            _ => text,
        };
        out.extend_from_slice(text);
    } else {
        rewrite(text, whole, out);
    }
}

fn rewrite(text: &[u8], whole: Whole, out: &mut Vec<u8>) {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut digits = [0u8; 40];
    let (digits, point) = take_digits(text, &mut digits);
    if negative {
        out.push(b'-');
    }
    let count = i32::try_from(digits.len()).unwrap_or(0);
    if count == 0 {
        out.extend_from_slice(if whole == Whole::Point { b"0.0" } else { b"0" });
    } else if point <= 0 && point > -MAX_WHOLE {
        out.extend_from_slice(b"0.");
        out.extend((point..0).map(|_| b'0'));
        out.extend_from_slice(digits);
    } else if point > 0 && count > point {
        let (integer, fraction) = digits.split_at(usize::try_from(point).unwrap_or(0).min(digits.len()));
        out.extend_from_slice(integer);
        out.push(b'.');
        out.extend_from_slice(fraction);
    } else if point > 0 && point <= MAX_WHOLE {
        out.extend_from_slice(digits);
        out.extend((count..point).map(|_| b'0'));
        if whole == Whole::Point {
            out.extend_from_slice(b".0");
        }
    } else {
        scientific(digits, point - 1, out);
    }
}

fn scientific(digits: &[u8], exponent: i32, out: &mut Vec<u8>) {
    if let Some((first, rest)) = digits.split_first() {
        out.push(*first);
        if !rest.is_empty() {
            out.push(b'.');
            out.extend_from_slice(rest);
        }
    }
    out.push(b'e');
    out.extend_from_slice(itoa::Buffer::new().format(exponent).as_bytes());
}

/// The significant digits of `12.5`, `0.00012` or `1.5e20`, and where the point stands relative to the first of them.
fn take_digits<'b>(text: &[u8], buffer: &'b mut [u8; 40]) -> (&'b [u8], i32) {
    let (mantissa, exponent) = match text.iter().position(|b| *b == b'e') {
        Some(at) => text.split_at(at),
        None => (text, &[][..]),
    };
    let exponent =
        exponent.get(1..).and_then(|e| std::str::from_utf8(e).ok()).and_then(|e| e.parse().ok()).unwrap_or(0);
    let (mut len, mut point, mut before_point) = (0, 0i32, true);
    for byte in mantissa {
        if *byte == b'.' {
            before_point = false;
            continue;
        }
        let significant = len > 0 || *byte != b'0';
        match buffer.get_mut(len) {
            Some(place) if significant => {
                *place = *byte;
                len += 1;
            }
            _ => {}
        }
        if before_point {
            point += i32::from(significant);
        } else if !significant {
            point -= 1;
        }
    }
    let digits = buffer.get(..len).unwrap_or_default();
    let used = digits.iter().rposition(|b| *b != b'0').map_or(0, |last| last + 1);
    (digits.get(..used).unwrap_or_default(), point + exponent)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn text(value: f64, whole: Whole) -> String {
        let mut out = Vec::new();
        assert!(write_double(value, whole, &mut out));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn doubles_print_as_the_server_prints_them() {
        let cases: &[(f64, &str, &str)] = &[
            (0.0, "0", "0.0"),
            (-0.0, "-0", "-0.0"),
            (1.0, "1", "1.0"),
            (-98_765_432_100.0, "-98765432100", "-98765432100.0"),
            (1e14, "100000000000000", "100000000000000.0"),
            (1e15, "1e15", "1e15"),
            (1.5e15, "1.5e15", "1.5e15"),
            (1.234_567_890_123_456_7e15, "1234567890123456.8", "1234567890123456.8"),
            (1.234_567_890_123_456_7e16, "1.2345678901234568e16", "1.2345678901234568e16"),
            (0.1, "0.1", "0.1"),
            (1e-5, "0.00001", "0.00001"),
            (-9.876_543_21e-15, "-0.00000000000000987654321", "-0.00000000000000987654321"),
            (1e-16, "1e-16", "1e-16"),
            (-9.876_543_21e-16, "-9.87654321e-16", "-9.87654321e-16"),
            (f64::MAX, "1.7976931348623157e308", "1.7976931348623157e308"),
            (5e-324, "5e-324", "5e-324"),
            (123.456_789_012_345_67, "123.45678901234567", "123.45678901234567"),
        ];
        for (value, bare, point) in cases {
            assert_eq!(text(*value, Whole::Bare), *bare);
            assert_eq!(text(*value, Whole::Point), *point);
        }
        assert!(!write_double(f64::NAN, Whole::Bare, &mut Vec::new()));
    }

    #[test]
    fn small_coordinates_become_scientific_where_the_server_has_no_room() {
        let cases = [
            (4.218_382_309_773_005_4e-7, "0.00000042183823097730054"),
            (-4.218_382_309_773_005_4e-7, "-4.2183823097730054e-7"),
            (4.218_382_309_773_005_5e-8, "4.2183823097730055e-8"),
            (1.234_567_890_1e-13, "0.00000000000012345678901"),
            (1.234_567_890_123e-13, "1.234567890123e-13"),
            (-1.5, "-1.5"),
        ];
        for (value, text) in cases {
            let mut out = b"x".to_vec();
            assert!(write_coordinate(value, &mut out));
            assert_eq!(String::from_utf8(out).unwrap(), format!("x{text}"));
        }
    }

    #[test]
    fn every_text_reads_back_as_the_same_number() {
        proptest::proptest!(|(bits: u64)| {
            let value = f64::from_bits(bits);
            if value.is_finite() {
                proptest::prop_assert_eq!(text(value, Whole::Point).parse::<f64>().unwrap().to_bits(), bits);
            }
        });
    }
}
