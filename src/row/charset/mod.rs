//! Character sets of MySQL and MariaDB: which one a collation id means, and text in it as UTF-8.
//!
//! Every character set both servers list is known by name; those whose mapping has been compared with the servers' own
//! over all characters are decoded. What it does not do: replace what is invalid. Bytes that are not text in
//! their character set are reported, and the caller decides how to show them.
//! Manual: "Character Sets, Collations, Unicode"; `information_schema.COLLATIONS`.

mod decode;
mod differences;
mod multi_byte;
mod single_byte;

pub use decode::TextError;

macro_rules! charsets {
    ($($(#[$doc:meta])* $variant:ident, $name:literal, $default:literal, [$($id:pat),*];)*) => {
        /// A character set.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Charset {
            $(#[doc = concat!("`", $name, "`.")] $(#[$doc])* $variant,)*
        }

        impl Charset {
            /// The server's name for it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The character set of that name; `utf8` is `utf8mb3`.
            #[must_use]
            pub fn by_name(name: &str) -> Option<Self> {
                match name {
                    "utf8" => Some(Self::Utf8mb3),
                    $($name => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// The id of one collation of this character set.
            #[must_use]
            pub fn any_collation(self) -> u16 {
                match self {
                    $(Self::$variant => $default,)*
                }
            }

            /// Ids of MySQL, and those of MariaDB below 512.
            fn of_plain_id(id: u16) -> Option<Self> {
                match id {
                    $($($id)|* => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

charsets! {
    Armscii8, "armscii8", 32, [32, 64];
    Ascii, "ascii", 11, [11, 65];
    Big5, "big5", 1, [1, 84];
    Binary, "binary", 63, [63];
    Cp1250, "cp1250", 26, [26, 34, 44, 66, 99];
    Cp1251, "cp1251", 51, [14, 23, 50, 51, 52];
    Cp1256, "cp1256", 57, [57, 67];
    Cp1257, "cp1257", 59, [29, 58, 59];
    Cp850, "cp850", 4, [4, 80];
    Cp852, "cp852", 40, [40, 81];
    Cp866, "cp866", 36, [36, 68];
    Cp932, "cp932", 95, [95, 96];
    Dec8, "dec8", 3, [3, 69];
    Eucjpms, "eucjpms", 97, [97, 98];
    Euckr, "euckr", 19, [19, 85];
    Gb18030, "gb18030", 248, [248..=250];
    Gb2312, "gb2312", 24, [24, 86];
    Gbk, "gbk", 28, [28, 87];
    Geostd8, "geostd8", 92, [92, 93];
    Greek, "greek", 25, [25, 70];
    Hebrew, "hebrew", 16, [16, 71];
    Hp8, "hp8", 6, [6, 72];
    Keybcs2, "keybcs2", 37, [37, 73];
    Koi8r, "koi8r", 7, [7, 74];
    Koi8u, "koi8u", 22, [22, 75];
    Latin1, "latin1", 8, [5, 8, 15, 31, 47..=49, 94];
    Latin2, "latin2", 9, [2, 9, 21, 27, 77];
    Latin5, "latin5", 30, [30, 78];
    Latin7, "latin7", 41, [20, 41, 42, 79];
    Macce, "macce", 38, [38, 43];
    Macroman, "macroman", 39, [39, 53];
    Sjis, "sjis", 13, [13, 88];
    Swe7, "swe7", 10, [10, 82];
    Tis620, "tis620", 18, [18, 89];
    Ucs2, "ucs2", 35, [35, 90, 128..=159];
    Ujis, "ujis", 12, [12, 91];
    Utf16, "utf16", 54, [54, 55, 101..=124];
    Utf16le, "utf16le", 56, [56, 62];
    Utf32, "utf32", 60, [60, 61, 160..=183];
    Utf8mb3, "utf8mb3", 33, [33, 76, 83, 192..=223];
    Utf8mb4, "utf8mb4", 45, [45, 46, 224..=247, 255..=511];
}

impl Charset {
    /// The character set of a collation id, as table maps and query events carry it.
    ///
    /// MariaDB's NOPAD collations have the id of the padding one plus 1024; its UCA 14.00 collations stand in blocks
    /// of 256 from 2048 on.
    #[must_use]
    pub fn of_collation(id: u16) -> Option<Self> {
        match id {
            0..=511 => Self::of_plain_id(id),
            576..=607 => Some(Self::Utf8mb3),
            608..=639 => Some(Self::Utf8mb4),
            640..=671 => Some(Self::Ucs2),
            672..=703 => Some(Self::Utf16),
            736..=767 => Some(Self::Utf32),
            1024..=1535 => Self::of_plain_id(id - 1024),
            2048..=2303 => Some(Self::Utf8mb3),
            2304..=2559 => Some(Self::Utf8mb4),
            2560..=2815 => Some(Self::Ucs2),
            2816..=3071 => Some(Self::Utf16),
            3072..=3327 => Some(Self::Utf32),
            _ => None,
        }
    }
}
