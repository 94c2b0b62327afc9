//! Text as JSON strings.
//!
//! UTF-8 is validated and escaped; what is not valid is never replaced. `"`, `\` and control characters below 0x20 are
//! escaped, all else is copied. What it does not do: other character sets, see [`super::charset`].

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Appends text as a quoted JSON string if it is valid UTF-8; else appends nothing and says `false`.
#[inline]
pub(crate) fn json_utf8(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    if stop(bytes, true) < bytes.len() {
        return json_utf8_slow(bytes, out);
    }
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    out.extend_from_slice(bytes);
    out.push(b'"');
    true
}

fn json_utf8_slow(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    if std::str::from_utf8(bytes).is_err() {
        return false;
    }
    json_string(bytes, out);
    true
}

/// Bytes looked at in one step: as many as two vector registers of any machine hold.
const LANES: usize = 32;

/// Offset of the first byte that cannot be copied into a JSON string as it is (`ascii`: bytes from 0x80 on included), or the
/// length.
#[inline]
fn stop(bytes: &[u8], ascii: bool) -> usize {
    // Nothing is above 0xff.
    let last_plain = if ascii { 0x7f } else { 0xff };
    let special = |byte: u8| {
        u8::from(byte < 0x20) | u8::from(byte == b'"') | u8::from(byte == b'\\') | u8::from(byte > last_plain)
    };
    let (chunks, rest) = bytes.as_chunks::<LANES>();
    let mut at = 0;
    for chunk in chunks {
        if chunk.iter().fold(0, |found, byte| found | special(*byte)) != 0 {
            return at + chunk.iter().position(|byte| special(*byte) != 0).unwrap_or(0);
        }
        at += LANES;
    }
    let (words, tail) = rest.as_chunks::<8>();
    for word in words {
        let found = special_in_word(u64::from_le_bytes(*word), ascii);
        if found != 0 {
            return at + usize::try_from(found.trailing_zeros() / 8).unwrap_or(0);
        }
        at += 8;
    }
    at + tail.iter().position(|byte| special(*byte) != 0).unwrap_or(tail.len())
}

/// The high bit of each byte that is special; bytes above the first such byte may be marked by mistake.
#[inline]
fn special_in_word(word: u64, ascii: bool) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let is = |byte: u8| {
        let differs = word ^ (ONES * u64::from(byte));
        differs.wrapping_sub(ONES) & !differs
    };
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    let found = control | is(b'"') | is(b'\\');
    (if ascii { found | word } else { found }) & HIGH
}

/// Appends text of a single-byte character set as a quoted JSON string; if a byte means nothing there, appends nothing and
/// says `false`. `table` has the code points of bytes 0x80 and up, 0 for none.
pub(crate) fn json_single_byte(bytes: &[u8], table: &[u16; 128], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    out.push(b'"');
    let mut rest = bytes;
    loop {
        let (clean, from) = rest.split_at(stop(rest, true).min(rest.len()));
        out.extend_from_slice(clean);
        let Some((byte, tail)) = from.split_first() else { break };
        rest = tail;
        if byte.is_ascii() {
            escape(*byte, out);
            continue;
        }
        let code = table.get(usize::from(byte & 0x7f)).copied().unwrap_or(0);
        let Some(char) = char::from_u32(code.into()).filter(|char| *char != '\0') else {
            out.truncate(start);
            return false;
        };
        out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
    }
    out.push(b'"');
    true
}

/// Appends bytes in base64, without quotes.
pub(crate) fn base64(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    let Some(length) = base64::encoded_len(bytes.len(), true) else { return };
    out.resize(start + length, 0);
    if let Some(place) = out.get_mut(start..) {
        // The place is exactly as long as the text.
        let written = STANDARD.encode_slice(bytes, place).unwrap_or(0);
        out.truncate(start + written);
    }
}

/// Appends text that is known to be UTF-8 as a quoted JSON string.
pub(crate) fn json_string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    json_escaped(text, out);
    out.push(b'"');
}

/// Appends text that is known to be UTF-8 as the inside of a JSON string.
pub(crate) fn json_escaped(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    loop {
        let (clean, from) = rest.split_at(stop(rest, false).min(rest.len()));
        out.extend_from_slice(clean);
        let Some((byte, tail)) = from.split_first() else { return };
        escape(*byte, out);
        rest = tail;
    }
}

fn escape(byte: u8, out: &mut Vec<u8>) {
    let short = match byte {
        b'"' => b'"',
        b'\\' => b'\\',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            let low = HEX.get(usize::from(byte & 0x0f)).copied().unwrap_or(b'0');
            let high = HEX.get(usize::from(byte >> 4)).copied().unwrap_or(b'0');
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn escaped_text_reads_back_as_what_it_was() {
        proptest::proptest!(|(text in "[\\x00-\\x7f\u{80}-\u{10ffff}]{0,80}")| {
            let mut out = Vec::new();
            proptest::prop_assert!(json_utf8(text.as_bytes(), &mut out));
            proptest::prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        });
    }

    #[test]
    fn every_byte_is_found_at_every_offset() {
        for length in [1, 7, 8, 9, 31, 32, 33, 70] {
            for at in 0..length {
                for byte in 0..=255u8 {
                    let mut text = vec![b'a'; length];
                    text[at] = byte;
                    let escaped = byte < 0x20 || byte == b'"' || byte == b'\\';
                    assert_eq!(stop(&text, false), if escaped { at } else { length }, "{byte} at {at} of {length}");
                    let plain = !escaped && byte < 0x80;
                    assert_eq!(stop(&text, true), if plain { length } else { at }, "{byte} at {at} of {length}");
                }
            }
        }
    }

    #[test]
    fn single_byte_text_is_written_without_a_detour() {
        let table = crate::row::charset::Charset::Latin1.table().unwrap();
        let mut out = Vec::new();
        assert!(json_single_byte(b"a\"\xe9\n\x80", table, &mut out));
        assert_eq!(out, "\"a\\\"\u{e9}\\n\u{20ac}\"".as_bytes());
        out.clear();
        let table = crate::row::charset::Charset::Cp1251.table().unwrap();
        assert!(!json_single_byte(b"a\x98", table, &mut out));
        assert!(out.is_empty());
    }

    #[test]
    fn bytes_that_are_not_utf8_leave_no_trace() {
        let mut out = b"before".to_vec();
        for bad in [&b"\xff"[..], b"ab\xc3", b"\xed\xa0\x80", b"\xc0\x80", b"0123456789012345678901234567890123\x80"] {
            assert!(!json_utf8(bad, &mut out));
            assert_eq!(out, b"before");
        }
    }
}
