//! Character sets of two to four bytes a character.
//!
//! The tables are those of `encoding_rs`, which follow the WHATWG's standard; where the servers map a sequence otherwise,
//! the servers win: the differences, found by comparing all sequences with MySQL 9.7, stand here. Sequences that only the
//! WHATWG's tables know are taken as they say. Not compared: nothing; gb18030 was compared for every code point.

use encoding_rs::{BIG5, EUC_JP, EUC_KR, Encoding, GB18030, GBK, SHIFT_JIS};

use super::{Charset, TextError};

/// First two-byte sequence, first code point, count.
type Runs = &'static [(u16, u16, u16)];

/// Differences of `big5`.
#[rustfmt::skip]
const BIG5_RUNS: Runs = &[
    (0xa145, 0x2022, 1),
    (0xa14e, 0xff64, 1),
    (0xa15a, 0xfffd, 1),
    (0xa1c2, 0x203e, 1),
    (0xa1c3, 0xfffd, 1),
    (0xa1c5, 0xfffd, 1),
    (0xa1e3, 0x223c, 1),
    (0xa1f2, 0x2641, 1),
    (0xa1f3, 0x2609, 1),
    (0xa1fe, 0xfffd, 1),
    (0xa240, 0xfffd, 1),
    (0xa241, 0xff0f, 1),
    (0xa242, 0xff3c, 1),
    (0xa244, 0x00a5, 1),
    (0xa246, 0x00a2, 2),
    (0xa2cc, 0xfffd, 1),
    (0xa2ce, 0xfffd, 1),
    (0xc6a1, 0x30fe, 1),
    (0xc6a2, 0x309d, 2),
    (0xc6a4, 0x3005, 1),
    (0xc6a5, 0x3041, 83),
    (0xc6f8, 0x30a1, 7),
    (0xc740, 0x30a8, 63),
    (0xc7a1, 0x30e7, 16),
    (0xc7b1, 0x0414, 2),
    (0xc7b3, 0x0401, 1),
    (0xc7b4, 0x0416, 7),
    (0xc7bb, 0x0423, 19),
    (0xc7ce, 0x0451, 1),
    (0xc7cf, 0x0436, 26),
    (0xc7e9, 0x2460, 10),
    (0xc7f3, 0x2474, 10),
];

/// Differences of `gb18030`.
#[rustfmt::skip]
const GB18030_RUNS: Runs = &[
    (0xa3a0, 0xe5e5, 1),
    (0xa6d9, 0xe78d, 7),
    (0xa6ec, 0xe794, 2),
    (0xa6f3, 0xe796, 1),
    (0xfe59, 0xe81e, 1),
    (0xfe61, 0xe826, 1),
    (0xfe66, 0xe82b, 2),
    (0xfe6d, 0xe832, 1),
    (0xfe7e, 0xe843, 1),
    (0xfe90, 0xe854, 1),
    (0xfea0, 0xe864, 1),
];

/// Differences of `gb2312`.
#[rustfmt::skip]
const GB2312: Runs = &[
    (0xa1a4, 0x30fb, 1),
    (0xa1aa, 0x2015, 1),
];

/// Differences of `sjis`.
#[rustfmt::skip]
const SJIS: Runs = &[
    (0x815f, 0x005c, 1),
    (0x8160, 0x301c, 1),
    (0x8161, 0x2016, 1),
    (0x817c, 0x2212, 1),
    (0x8191, 0x00a2, 2),
    (0x81ca, 0x00ac, 1),
];

/// Differences of `ujis`.
#[rustfmt::skip]
const UJIS: Runs = &[
    (0xa1c0, 0x005c, 1),
    (0xa1c1, 0x301c, 1),
    (0xa1c2, 0x2016, 1),
    (0xa1dd, 0x2212, 1),
    (0xa1f1, 0x00a2, 2),
    (0xa2cc, 0x00ac, 1),
];

/// `eucjpms`: IBM's extensions, 8f f3 f3 to 8f f3 fe and 8f f4 a1 to 8f f4 fe.
#[rustfmt::skip]
const EUCJPMS_IBM: [u16; 106] = [
    0x2170, 0x2171, 0x2172, 0x2173, 0x2174, 0x2175, 0x2176, 0x2177, 0x2178, 0x2179, 0x2160, 0x2161,
    0x2162, 0x2163, 0x2164, 0x2165, 0x2166, 0x2167, 0x2168, 0x2169, 0xff07, 0xff02, 0x3231, 0x2116,
    0x2121, 0x70bb, 0x4efc, 0x50f4, 0x51ec, 0x5307, 0x5324, 0xfa0e, 0x548a, 0x5759, 0xfa0f, 0xfa10,
    0x589e, 0x5bec, 0x5cf5, 0x5d53, 0xfa11, 0x5fb7, 0x6085, 0x6120, 0x654e, 0x663b, 0x6665, 0xfa12,
    0xf929, 0x6801, 0xfa13, 0xfa14, 0x6a6b, 0x6ae2, 0x6df8, 0x6df2, 0x7028, 0xfa15, 0xfa16, 0x7501,
    0x7682, 0x769e, 0xfa17, 0x7930, 0xfa18, 0xfa19, 0xfa1a, 0xfa1b, 0x7ae7, 0xfa1c, 0xfa1d, 0x7da0,
    0x7dd6, 0xfa1e, 0x8362, 0xfa1f, 0x85b0, 0xfa20, 0xfa21, 0x8807, 0xfa22, 0x8b7f, 0x8cf4, 0x8d76,
    0xfa23, 0xfa24, 0xfa25, 0x90de, 0xfa26, 0x9115, 0xfa27, 0xfa28, 0x9592, 0xf9dc, 0xfa29, 0x973b,
    0x974d, 0x9751, 0xfa2a, 0xfa2b, 0xfa2c, 0x999e, 0x9ad9, 0x9b72, 0xfa2d, 0x9ed1,
];

/// What the server says when it maps a sequence to no character of its own.
const NO_CHARACTER: u16 = 0xfffd;

impl Charset {
    fn encoding(self) -> Option<(&'static Encoding, Runs)> {
        Some(match self {
            Self::Big5 => (BIG5, BIG5_RUNS),
            Self::Cp932 => (SHIFT_JIS, &[]),
            Self::Sjis => (SHIFT_JIS, SJIS),
            Self::Eucjpms => (EUC_JP, &[]),
            Self::Ujis => (EUC_JP, UJIS),
            Self::Euckr => (EUC_KR, &[]),
            Self::Gb18030 => (GB18030, GB18030_RUNS),
            Self::Gb2312 => (GBK, GB2312),
            Self::Gbk => (GBK, &[]),
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
        let (encoding, runs) = self.encoding().ok_or(TextError::Invalid)?;
        let mut text = String::with_capacity(bytes.len() * 3 / 2);
        let mut rest = bytes;
        while let Some(first) = rest.first() {
            let width = self.width(*first, rest.get(1).copied());
            let (sequence, after) = rest.split_at_checked(width).ok_or(TextError::Invalid)?;
            rest = after;
            match self.difference(sequence, runs) {
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

    /// The code point of a sequence that the server maps in its own way.
    fn difference(self, sequence: &[u8], runs: Runs) -> Option<u16> {
        let japanese = matches!(self, Self::Ujis | Self::Eucjpms);
        match *sequence {
            // Rows for characters of the user's own, in both planes.
            [row @ 0xf5..=0xfe, cell @ 0xa1..=0xfe] if japanese => Some(own(0xe000, row, cell)),
            [0x8f, row @ 0xf5..=0xfe, cell @ 0xa1..=0xfe] if japanese => Some(own(0xe3ac, row, cell)),
            [0x8f, 0xa2, 0xb7] if self == Self::Ujis => Some(0x007e),
            [0x8f, 0xa2, 0xc3] if self == Self::Eucjpms => Some(0xffe4),
            [0x8f, 0xf3, cell @ 0xf3..=0xfe] if self == Self::Eucjpms => {
                EUCJPMS_IBM.get(usize::from(cell - 0xf3)).copied()
            }
            [0x8f, 0xf4, cell @ 0xa1..=0xfe] if self == Self::Eucjpms => {
                EUCJPMS_IBM.get(usize::from(cell - 0xa1) + 12).copied()
            }
            [first, second] => {
                let code = u16::from_be_bytes([first, second]);
                let (start, target, _) =
                    runs.iter().find(|(start, _, count)| code >= *start && code - *start < *count)?;
                Some(*target + (code - *start))
            }
            _ => None,
        }
    }
}

/// The private-use code point of a cell in ten rows of 94.
fn own(base: u16, row: u8, cell: u8) -> u16 {
    base + u16::from(row - 0xf5) * 94 + u16::from(cell - 0xa1)
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
}
