//! Character sets of two to four bytes a character.
//!
//! The tables are those of `encoding_rs`, which follow the WHATWG's standard; where the servers map a sequence otherwise, or
//! know but one of both, the servers win: the differences, found by comparing all sequences, stand in [`differences`].
//! Sequences of four bytes, which only gb18030 has, mean the same to both.

use encoding_rs::{BIG5, EUC_JP, EUC_KR, Encoding, GB18030, GBK, SHIFT_JIS};

use super::differences;
use super::{Charset, TextError};

/// First sequence (of three bytes, the last two), first code point, count: characters in a row, or with U+FFFD sequences
/// that mean nothing.
pub(super) type Runs = &'static [(u16, u16, u16)];

/// What the server says when it maps a sequence to no character of its own.
const NO_CHARACTER: u16 = 0xfffd;

impl Charset {
    /// The tables, and the differences of sequences of two bytes and of three.
    fn encoding(self) -> Option<(&'static Encoding, Runs, Runs)> {
        Some(match self {
            Self::Big5 => (BIG5, differences::BIG5, &[]),
            Self::Cp932 => (SHIFT_JIS, differences::CP932, &[]),
            Self::Sjis => (SHIFT_JIS, differences::SJIS, &[]),
            Self::Eucjpms => (EUC_JP, differences::EUCJPMS, differences::EUCJPMS_8F),
            Self::Ujis => (EUC_JP, differences::UJIS, differences::UJIS_8F),
            Self::Euckr => (EUC_KR, differences::EUCKR, &[]),
            Self::Gb18030 => (GB18030, differences::GB18030, &[]),
            Self::Gb2312 => (GBK, differences::GB2312, &[]),
            Self::Gbk => (GBK, differences::GBK, &[]),
            _ => return None,
        })
    }

    /// Bytes of the character that begins with `first`.
    fn width(self, first: u8, second: Option<u8>) -> usize {
        match (self, first) {
            (_, 0..=0x80 | 0xff) => 1,
            (Self::Cp932 | Self::Sjis, 0xa0..=0xdf) => 1,
            (Self::Ujis | Self::Eucjpms, 0x8f) => 3,
            (Self::Gb18030, _) if second.is_some_and(|second| second.is_ascii_digit()) => 4,
            _ => 2,
        }
    }

    /// Decodes text of a multi-byte character set.
    pub(super) fn multi_byte(self, bytes: &[u8]) -> Result<String, TextError> {
        let (encoding, pairs, triples) = self.encoding().ok_or(TextError::Invalid)?;
        let mut text = String::with_capacity(bytes.len() * 3 / 2);
        let mut rest = bytes;
        while let Some(first) = rest.first() {
            let width = self.width(*first, rest.get(1).copied());
            let (sequence, after) = rest.split_at_checked(width).ok_or(TextError::Invalid)?;
            rest = after;
            // Other bytes than these mean nothing alone, whatever the WHATWG's tables say.
            if let [byte @ 0x80..=0xff] = *sequence
                && !(matches!(self, Self::Cp932 | Self::Sjis) && matches!(byte, 0xa1..=0xdf))
            {
                return Err(TextError::Invalid);
            }
            let difference = match *sequence {
                [high, low] => difference(pairs, high, low),
                [0x8f, high, low] => difference(triples, high, low),
                _ => None,
            };
            match difference {
                Some(NO_CHARACTER) => return Err(TextError::Invalid),
                Some(code) => text.push(char::from_u32(code.into()).ok_or(TextError::Invalid)?),
                None => {
                    let decoded = encoding.decode_without_bom_handling_and_without_replacement(sequence);
                    text.push_str(&decoded.ok_or(TextError::Invalid)?);
                }
            }
        }
        Ok(text)
    }
}

/// The code point of a sequence that the server maps in its own way; [`NO_CHARACTER`] where it knows none.
fn difference(runs: Runs, high: u8, low: u8) -> Option<u16> {
    let sequence = u16::from_be_bytes([high, low]);
    let after = runs.partition_point(|(start, ..)| *start <= sequence);
    let (start, code, count) = runs.get(after.checked_sub(1)?)?;
    let inside = sequence - start;
    (inside < *count).then(|| if *code == NO_CHARACTER { NO_CHARACTER } else { code.wrapping_add(inside) })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn the_server_wins_where_tables_differ() {
        let cases: &[(Charset, &[u8], &str)] = &[
            (Charset::Sjis, b"\x81\x5fA\x81\x91\x81\x92\xb1", "\\A\u{a2}\u{a3}\u{ff71}"),
            (Charset::Cp932, b"\x81\x60", "\u{ff5e}"),
            (Charset::Ujis, b"\xa1\xc1\xf6\xbf\x8e\xb1", "\u{301c}\u{e07c}\u{ff71}"),
            (Charset::Eucjpms, b"\xa1\xc1\xf6\xd0\x8f\xf4\xc4\x8f\xf6\xa1", "\u{ff5e}\u{e08d}\u{fa12}\u{e40a}"),
            (Charset::Gb2312, b"\xa1\xa4", "\u{30fb}"),
            (Charset::Gb18030, b"\xa3\xa0\x81\x30\x81\x30\x94\x39\xda\x33", "\u{e5e5}\u{80}\u{1f4a9}"),
            (Charset::Big5, b"\xa4\xa4\xa4\xe5\xa1\x45", "\u{4e2d}\u{6587}\u{2022}"),
            (Charset::Euckr, b"\xc7\xd1", "\u{d55c}"),
            (Charset::Gbk, b"\xd6\xd0", "\u{4e2d}"),
        ];
        for (charset, bytes, text) in cases {
            assert_eq!(charset.multi_byte(bytes).as_deref(), Ok(*text), "{charset:?}");
        }
    }

    #[test]
    fn a_sequence_cut_short_is_not_text() {
        assert_eq!(Charset::Gbk.multi_byte(b"a\xd6"), Err(TextError::Invalid));
        assert_eq!(Charset::Ujis.multi_byte(b"\x8f\xa2"), Err(TextError::Invalid));
        assert_eq!(Charset::Big5.multi_byte(b"\xa1\x5a"), Err(TextError::Invalid));
    }

    #[test]
    fn what_only_the_whatwg_knows_is_not_text() {
        let cases: &[(Charset, &[u8])] = &[
            (Charset::Gbk, b"\x80"),
            (Charset::Gb2312, b"\x81\x40"),
            (Charset::Big5, b"\x87\x40"),
            (Charset::Euckr, b"\x81\xff"),
            (Charset::Sjis, b"\x87\x40"),
            (Charset::Cp932, b"\x80"),
            (Charset::Ujis, b"\xad\xa1"),
        ];
        for (charset, bytes) in cases {
            assert_eq!(charset.multi_byte(bytes), Err(TextError::Invalid), "{charset:?}");
        }
        assert_eq!(Charset::Cp932.multi_byte(b"\x87\x40").as_deref(), Ok("\u{2460}"));
        assert_eq!(Charset::Eucjpms.multi_byte(b"\xad\xa1").as_deref(), Ok("\u{2460}"));
    }
}
