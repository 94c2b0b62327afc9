//! Text as JSON strings.
//!
//! UTF-8 is validated and escaped; what is not valid is never replaced. `"`, `\` and control characters below 0x20 are
//! escaped, all else is copied. What it does not do: other character sets, see [`super::charset`].

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Appends text as a quoted JSON string if it is valid UTF-8; else appends nothing and says `false`.
#[inline]
pub(crate) fn json_utf8(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    if std::str::from_utf8(bytes).is_err() {
        return false;
    }
    json_string(bytes, out);
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
    while let Some(at) = rest.iter().position(|b| needs_escape(*b)) {
        let (clean, from) = rest.split_at(at);
        out.extend_from_slice(clean);
        let Some((byte, tail)) = from.split_first() else { return };
        escape(*byte, out);
        rest = tail;
    }
    out.extend_from_slice(rest);
}

#[inline]
fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
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
