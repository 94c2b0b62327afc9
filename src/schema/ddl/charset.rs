//! Character sets and collations as definitions name them.

use super::DdlContext;
use super::cursor::Cursor;
use super::token::Token;
use crate::row::charset::Charset;
use crate::schema::TextDefault;

/// The clauses of one definition: either, both or none may be there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TextClause {
    pub charset: Option<String>,
    pub collation: Option<String>,
    /// The attribute BINARY: the `_bin` collation.
    pub binary: bool,
    /// `CHARACTER SET DEFAULT`.
    pub default: bool,
}

impl TextClause {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Takes one clause, where one comes next: `Some(true)`; `None` where it is not understood.
    pub(super) fn take(&mut self, cursor: &mut Cursor<'_, '_>) -> Option<bool> {
        if cursor.words(&["CHARACTER", "SET"]) || cursor.words(&["CHAR", "SET"]) || cursor.word("CHARSET") {
            cursor.sign('=');
            if cursor.word("DEFAULT") {
                self.default = true;
            } else {
                self.charset = Some(charset_name(&name(cursor)?));
            }
        } else if cursor.word("COLLATE") {
            cursor.sign('=');
            if cursor.word("DEFAULT") {
                self.default = true;
            } else {
                self.collation = Some(name(cursor)?.to_ascii_lowercase());
            }
        } else {
            return Some(false);
        }
        Some(true)
    }

    /// What the clauses mean where `default` holds otherwise; `None` where that is not known.
    pub(super) fn resolve(&self, default: Option<&TextDefault>, context: &DdlContext<'_>) -> Option<TextDefault> {
        let charset = self.charset.as_deref();
        if let Some(collation) = self.collation.as_deref() {
            // MariaDB's UCA 14.00 collations are named without the character set.
            if collation.starts_with("uca1400_") {
                let charset = charset.or(default.map(|default| default.charset.as_str()))?.to_owned();
                let collation = Some(format!("{charset}_{collation}"));
                return Some(TextDefault { charset, collation });
            }
            return Some(TextDefault::of_collation(collation));
        }
        let text = match charset {
            Some(charset) => default_of(charset, context),
            None => default.cloned()?,
        };
        if !self.binary || text.charset == "binary" {
            return Some(text);
        }
        let collation = Some(format!("{}_bin", text.charset));
        Some(TextDefault { charset: text.charset, collation })
    }
}

/// The name of a character set or collation: a word, or a string.
fn name(cursor: &mut Cursor<'_, '_>) -> Option<String> {
    match cursor.next()? {
        Token::Word(word) => Some((*word).to_owned()),
        Token::Quoted(name) | Token::Text(name) => Some(name.to_string()),
        _ => None,
    }
}

pub(super) fn charset_name(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    if name == "utf8" { "utf8mb3".to_owned() } else { name }
}

/// A character set with the collation it has by default.
pub(super) fn default_of(charset: &str, context: &DdlContext<'_>) -> TextDefault {
    let charset = charset_name(charset);
    let collation = if context.collations_changed { None } else { default_collation(&charset, context) };
    TextDefault { charset, collation }
}

fn default_collation(charset: &str, context: &DdlContext<'_>) -> Option<String> {
    let version = context.dialect().version;
    let suffix = match charset {
        "binary" => return Some("binary".to_owned()),
        "utf8mb4" if context.is_mariadb() => "general_ci",
        "utf8mb4" if version < 80_000 => "general_ci",
        "utf8mb4" => match context.default_collation_for_utf8mb4 {
            None | Some(255) => "0900_ai_ci",
            Some(45) => "general_ci",
            Some(_) => return None,
        },
        "latin1" | "swe7" => "swedish_ci",
        "dec8" => "swedish_ci",
        "hp8" => "english_ci",
        "ujis" | "sjis" | "cp932" | "eucjpms" => "japanese_ci",
        "euckr" => "korean_ci",
        "tis620" => "thai_ci",
        "gb2312" | "gbk" | "gb18030" | "big5" => "chinese_ci",
        "latin5" => "turkish_ci",
        _ => "general_ci",
    };
    Some(format!("{charset}_{suffix}"))
}

/// The default text of a collation id of a query event.
pub(super) fn of_id(id: u16) -> Option<TextDefault> {
    let charset = Charset::of_collation(id)?.name().to_owned();
    let suffix = match id {
        63 => return Some(TextDefault { charset, collation: Some("binary".to_owned()) }),
        8 => "swedish_ci",
        33 | 45 => "general_ci",
        46 | 47 | 83 => "bin",
        192 | 224 => "unicode_ci",
        246 => "unicode_520_ci",
        255 => "0900_ai_ci",
        2304 => "uca1400_ai_ci",
        _ => return Some(TextDefault { charset, collation: None }),
    };
    let collation = Some(format!("{charset}_{suffix}"));
    Some(TextDefault { charset, collation })
}

/// Bytes that a character takes at most.
pub(super) fn max_bytes(charset: &str) -> u64 {
    match charset {
        "utf8mb4" | "utf16" | "utf16le" | "utf32" | "gb18030" => 4,
        "utf8mb3" | "ujis" | "eucjpms" => 3,
        "ucs2" | "big5" | "gbk" | "sjis" | "cp932" | "euckr" | "gb2312" => 2,
        _ => 1,
    }
}
