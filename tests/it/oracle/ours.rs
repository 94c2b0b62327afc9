//! Our values in the words of `mysqlbinlog -vv`.

use replicate::row::Value;

/// What the tool prints for a value, as far as its text can be had; `None` for documents, which the feed's comparison
/// looks at.
pub fn in_words_of_the_tool(value: &Value<'_>, maria: bool) -> Option<Vec<u8>> {
    let quoted = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = vec![b'\''];
        write(&mut out);
        out.push(b'\'');
        out
    };
    Some(match value {
        Value::Int(n) => n.to_string().into_bytes(),
        Value::UInt(n) => n.to_string().into_bytes(),
        // Six digits, in a field of twenty.
        Value::Float(f) => format!("{:<20}", general(f64::from(*f), 6)).into_bytes(),
        Value::Double(d) => general(*d, 20).into_bytes(),
        Value::Decimal(decimal) => {
            let mut out = Vec::new();
            decimal.write_text(&mut out);
            out
        }
        Value::Date(date) => format!("'{:04}:{:02}:{:02}'", date.year, date.month, date.day).into_bytes(),
        Value::Time(time) => quoted(&|out| time.write_text(out)),
        Value::DateTime(datetime) => quoted(&|out| datetime.write_text(out)),
        Value::Timestamp(moment) => {
            let mut text = moment.seconds.to_string();
            if moment.digits > 0 {
                let micros = format!("{:06}", moment.micros);
                text.push('.');
                text.push_str(&micros[..usize::from(moment.digits)]);
            }
            text.into_bytes()
        }
        Value::Year(0) => b"1900".to_vec(),
        Value::Year(year) => year.to_string().into_bytes(),
        Value::Bit { bits, width } => format!("b'{bits:0width$b}'", width = usize::from(*width)).into_bytes(),
        Value::Enum(index) => index.to_string().into_bytes(),
        // Its width in bytes is the text's: see `same`.
        Value::Set(bits) => bits.to_string().into_bytes(),
        Value::Text(bytes) | Value::Bytes(bytes) => escaped(bytes, maria),
        Value::Geometry(bytes) => escaped(bytes, maria),
        Value::Vector(bytes) => {
            let floats: Vec<String> = bytes
                .as_chunks::<4>()
                .0
                .iter()
                .map(|four| scientific(f64::from(f32::from_le_bytes(*four)), 5))
                .collect();
            format!("[{}]", floats.join(",")).into_bytes()
        }
        Value::Json(_) => return None,
        #[allow(unreachable_patterns, reason = "values that are still to come")]
        _ => return None,
    })
}

/// Quoted as the tools do: control characters by number; MySQL's escapes quotes and backslashes, MariaDB's does not.
pub fn escaped(bytes: &[u8], maria: bool) -> Vec<u8> {
    let mut out = vec![b'\''];
    for byte in bytes {
        match byte {
            b'\n' | b'\r' | b'\t' | 8 | 12 if !maria => {
                let letter = match byte {
                    b'\n' => b'n',
                    b'\r' => b'r',
                    b'\t' => b't',
                    8 => b'b',
                    _ => b'f',
                };
                out.extend([b'\\', letter]);
            }
            0..0x20 => out.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
            b'\'' | b'\\' if !maria => out.extend([b'\\', *byte]),
            _ => out.push(*byte),
        }
    }
    out.push(b'\'');
    out
}

/// C's `%.*g`.
pub fn general(value: f64, digits: usize) -> String {
    if value == 0.0 {
        return if value.is_sign_negative() { "-0".to_owned() } else { "0".to_owned() };
    }
    let text = format!("{value:.*e}", digits - 1);
    let (mantissa, exponent) = text.split_once('e').unwrap();
    let exponent: i32 = exponent.parse().unwrap();
    let trim = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if exponent < -4 || exponent >= i32::try_from(digits).unwrap() {
        return format!("{}e{}{:02}", trim(mantissa), if exponent < 0 { '-' } else { '+' }, exponent.abs());
    }
    let decimals = usize::try_from(i32::try_from(digits).unwrap() - 1 - exponent).unwrap();
    trim(&format!("{value:.decimals$}"))
}

/// C's `%.*e`.
fn scientific(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap();
    let exponent: i32 = exponent.parse().unwrap();
    format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

/// Whether the tool's text is our value.
pub fn same(value: &Value<'_>, ours: &[u8], text: &[u8]) -> bool {
    if ours == text {
        return true;
    }
    match value {
        // Signed, with the unsigned in parentheses behind what is negative.
        Value::Int(_) => text.split(|byte| *byte == b' ').next() == Some(ours),
        Value::UInt(_) => {
            let inside = text.split(|byte| *byte == b'(').nth(1).and_then(|rest| rest.strip_suffix(b")"));
            inside == Some(ours)
        }
        Value::Set(bits) => set_of(text) == Some(*bits),
        // Old servers' zero date and partial dates are as they are; a BINARY may print without its trailing zeros.
        _ => false,
    }
}

/// `b'...'`, of which the bytes stand from the lowest up.
fn set_of(text: &[u8]) -> Option<u64> {
    let digits = text.strip_prefix(b"b'")?.strip_suffix(b"'")?;
    digits.chunks(8).enumerate().try_fold(0_u64, |bits, (n, byte)| {
        let byte = u64::from_str_radix(std::str::from_utf8(byte).ok()?, 2).ok()?;
        Some(bits | byte << (8 * n))
    })
}

#[test]
fn numbers_print_as_c_prints_them() {
    for (value, digits, text) in [
        (0.1, 6, "0.1"),
        (1e10, 6, "1e+10"),
        (3.402_823_5e38, 6, "3.40282e+38"),
        (100_000.0, 6, "100000"),
        (1_000_000.0, 6, "1e+06"),
        (0.0001, 6, "0.0001"),
        (0.00001, 6, "1e-05"),
        (-1.5, 20, "-1.5"),
        (1.797_693_134_862_315_7e308, 20, "1.7976931348623157081e+308"),
        (99_999_999.999_9, 20, "99999999.999899998307"),
        (-0.0, 6, "-0"),
    ] {
        assert_eq!(general(value, digits), text);
    }
    assert_eq!(scientific(0.333_333_343, 5), "3.33333e-01");
}
