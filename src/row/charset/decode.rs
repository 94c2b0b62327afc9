//! Text of every supported character set as UTF-8.

use std::borrow::Cow;

use super::{Charset, single_byte};

/// Why bytes did not become text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextError {
    /// They are not text in that character set.
    Invalid,
    /// They are bytes: `binary`.
    Binary,
}

impl Charset {
    /// The text as UTF-8; nothing is ever replaced.
    ///
    /// # Errors
    /// [`TextError::Invalid`] when any of the bytes means nothing in the character set.
    pub fn to_utf8(self, bytes: &[u8]) -> Result<Cow<'_, str>, TextError> {
        match self {
            Self::Utf8mb4 | Self::Utf8mb3 => utf8(bytes),
            Self::Binary => Err(TextError::Binary),
            Self::Ucs2 | Self::Utf16 | Self::Utf16le | Self::Utf32 => {
                let mut text = String::with_capacity(bytes.len());
                self.wide(bytes, &mut text)?;
                Ok(Cow::Owned(text))
            }
            Self::Swe7 => swe7(bytes),
            _ if bytes.is_ascii() && self.is_ascii_superset() => utf8(bytes),
            _ => self.other(bytes),
        }
    }

    /// Whether bytes below 0x80 stand for the same as in ASCII, whatever comes before them.
    fn is_ascii_superset(self) -> bool {
        !matches!(self, Self::Binary | Self::Ucs2 | Self::Utf16 | Self::Utf16le | Self::Utf32 | Self::Swe7)
    }

    fn other(self, bytes: &[u8]) -> Result<Cow<'_, str>, TextError> {
        if let Some(table) = self.table() {
            return single(bytes, table);
        }
        self.multi_byte(bytes).map(Cow::Owned)
    }

    /// The upper half of a single-byte character set that is ASCII below 0x80.
    pub(crate) fn table(self) -> Option<&'static [u16; 128]> {
        Some(match self {
            Self::Armscii8 => &single_byte::ARMSCII8,
            Self::Cp1250 => &single_byte::CP1250,
            Self::Cp1251 => &single_byte::CP1251,
            Self::Cp1256 => &single_byte::CP1256,
            Self::Cp1257 => &single_byte::CP1257,
            Self::Cp850 => &single_byte::CP850,
            Self::Cp852 => &single_byte::CP852,
            Self::Cp866 => &single_byte::CP866,
            Self::Dec8 => &single_byte::DEC8,
            Self::Geostd8 => &single_byte::GEOSTD8,
            Self::Greek => &single_byte::GREEK,
            Self::Hebrew => &single_byte::HEBREW,
            Self::Hp8 => &single_byte::HP8,
            Self::Keybcs2 => &single_byte::KEYBCS2,
            Self::Koi8r => &single_byte::KOI8R,
            Self::Koi8u => &single_byte::KOI8U,
            Self::Latin1 => &single_byte::LATIN1,
            Self::Latin2 => &single_byte::LATIN2,
            Self::Latin5 => &single_byte::LATIN5,
            Self::Latin7 => &single_byte::LATIN7,
            Self::Macce => &single_byte::MACCE,
            Self::Macroman => &single_byte::MACROMAN,
            Self::Tis620 => &single_byte::TIS620,
            _ => return None,
        })
    }

    /// Character sets of 2 and 4 bytes a unit.
    fn wide(self, bytes: &[u8], text: &mut String) -> Result<(), TextError> {
        if self == Self::Utf32 {
            for unit in bytes.chunks(4) {
                let &[a, b, c, d] = unit else { return Err(TextError::Invalid) };
                text.push(char::from_u32(u32::from_be_bytes([a, b, c, d])).ok_or(TextError::Invalid)?);
            }
            return Ok(());
        }
        if !bytes.len().is_multiple_of(2) {
            return Err(TextError::Invalid);
        }
        let little = self == Self::Utf16le;
        let units = bytes.chunks_exact(2).map(|unit| match *unit {
            [a, b] if little => u16::from_le_bytes([a, b]),
            [a, b] => u16::from_be_bytes([a, b]),
            _ => 0,
        });
        for decoded in char::decode_utf16(units) {
            let char = decoded.map_err(|_| TextError::Invalid)?;
            if self == Self::Ucs2 && u32::from(char) > 0xffff {
                return Err(TextError::Invalid);
            }
            text.push(char);
        }
        Ok(())
    }
}

fn utf8(bytes: &[u8]) -> Result<Cow<'_, str>, TextError> {
    std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| TextError::Invalid)
}

fn single(bytes: &[u8], table: &[u16; 128]) -> Result<Cow<'static, str>, TextError> {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        if byte.is_ascii() {
            text.push(char::from(*byte));
        } else {
            let code = table.get(usize::from(byte & 0x7f)).copied().filter(|code| *code != 0);
            text.push(code.and_then(|code| char::from_u32(code.into())).ok_or(TextError::Invalid)?);
        }
    }
    Ok(Cow::Owned(text))
}

/// Seven bits, with letters where ASCII has `@[\]^`, a back quote and `{|}~`.
fn swe7(bytes: &[u8]) -> Result<Cow<'static, str>, TextError> {
    let char_of = |byte: &u8| match byte {
        0x40 => Ok('É'),
        0x5b => Ok('Ä'),
        0x5c => Ok('Ö'),
        0x5d => Ok('Å'),
        0x5e => Ok('Ü'),
        0x60 => Ok('é'),
        0x7b => Ok('ä'),
        0x7c => Ok('ö'),
        0x7d => Ok('å'),
        0x7e => Ok('ü'),
        0x00..0x7f => Ok(char::from(*byte)),
        _ => Err(TextError::Invalid),
    };
    bytes.iter().map(char_of).collect::<Result<String, _>>().map(Cow::Owned)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_each_family_become_utf8() {
        let cases: &[(Charset, &[u8], &str)] = &[
            (Charset::Latin1, b"\x80\x81\xe9", "\u{20ac}\u{81}\u{e9}"),
            (Charset::Cp1251, b"\xcf\xf0", "\u{41f}\u{440}"),
            (Charset::Swe7, b"a[|]", "a\u{c4}\u{f6}\u{c5}"),
            (Charset::Ucs2, b"\x00a\x20\xac", "a\u{20ac}"),
            (Charset::Utf16, b"\xd8\x3d\xde\x00", "\u{1f600}"),
            (Charset::Utf16le, b"\x3d\xd8\x00\xde", "\u{1f600}"),
            (Charset::Utf32, b"\x00\x01\xf6\x00", "\u{1f600}"),
            (Charset::Utf8mb4, b"\xf0\x9f\x98\x80", "\u{1f600}"),
        ];
        for (charset, bytes, text) in cases {
            assert_eq!(charset.to_utf8(bytes).as_deref(), Ok(*text), "{charset:?}");
        }
    }

    #[test]
    fn invalid_bytes_are_reported_and_never_replaced() {
        let cases: &[(Charset, &[u8])] = &[
            (Charset::Ascii, b"\x80"),
            (Charset::Cp1251, b"\x98"),
            (Charset::Ucs2, b"\x00"),
            (Charset::Ucs2, b"\xd8\x3d\xde\x00"),
            (Charset::Utf16, b"\xd8\x3d"),
            (Charset::Utf32, b"\x00\x11\x00\x00"),
            (Charset::Utf8mb4, b"\xff"),
        ];
        for (charset, bytes) in cases {
            assert_eq!(charset.to_utf8(bytes), Err(TextError::Invalid), "{charset:?}");
        }
        assert_eq!(Charset::Binary.to_utf8(b"a"), Err(TextError::Binary));
    }

    #[test]
    fn every_character_set_but_binary_takes_plain_text() {
        for id in 0..=3327u16 {
            let Some(charset) = Charset::of_collation(id).filter(|c| *c != Charset::Binary) else { continue };
            assert_eq!(Charset::of_collation(charset.any_collation()), Some(charset));
            assert_eq!(Charset::by_name(charset.name()), Some(charset));
            if charset.is_ascii_superset() {
                assert_eq!(charset.to_utf8(b"plain").as_deref(), Ok("plain"));
            }
        }
    }
}
