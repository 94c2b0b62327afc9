//! Data types as written: all the names that both servers have for them.
//!
//! Manual: "Data Types"; MariaDB, "Data Types".

use super::charset::TextClause;
use super::cursor::Cursor;
use super::token::Token;
use super::{DdlContext, mode};

/// A data type with its arguments; synonyms are resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// `tinyint`, ... and the display width.
    Int(&'static str, Option<u32>),
    Decimal(u32, u32),
    /// `float`, `double`; digits and decimals where both are given.
    Real(&'static str, Option<(u32, u32)>),
    Bit(u32),
    Year(Option<u32>),
    /// `time`, `datetime`, `timestamp`: digits of the fraction.
    Time(&'static str, u32),
    /// Types without arguments: dates, geometries, addresses.
    Plain(&'static str),
    Char(u64),
    VarChar(u64),
    Binary(u64),
    VarBinary(u64),
    /// Of 1 to 4 bytes of length, or long enough for so many characters.
    Text(Size),
    Blob(Size),
    Json,
    Enum(Vec<String>),
    Set(Vec<String>),
    Vector(u64),
}

/// How long a TEXT or BLOB may get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    LengthBytes(u8),
    AtLeast(u64),
}

/// A type with what belongs to it but not to the column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Type {
    pub kind: Kind,
    pub unsigned: bool,
    pub zerofill: bool,
    pub text: TextClause,
    /// `SERIAL`: a unique automatic key.
    pub serial: bool,
}

impl Type {
    fn new(kind: Kind) -> Self {
        Self { kind, unsigned: false, zerofill: false, text: TextClause::default(), serial: false }
    }
}

/// Takes a data type; `None` if it is not known.
pub(super) fn data_type(cursor: &mut Cursor<'_, '_>, context: &DdlContext<'_>) -> Option<Type> {
    let Some(Token::Word(first)) = cursor.next() else { return None };
    let first = first.to_ascii_uppercase();
    let kind = match first.as_str() {
        "SERIAL" => {
            let mut serial = Type::new(Kind::Int("bigint", None));
            serial.unsigned = true;
            serial.serial = true;
            return Some(serial);
        }
        "NCHAR" | "NVARCHAR" | "NATIONAL" => return national(&first, cursor),
        "CHAR" | "CHARACTER" => char_type(cursor)?,
        "LONG" => long_type(cursor),
        "ENUM" => Kind::Enum(labels(cursor)?),
        "SET" => Kind::Set(labels(cursor)?),
        _ => match number_type(&first, cursor, context)? {
            Some(kind) => kind,
            None => other_type(&first, cursor, context)?,
        },
    };
    let mut data_type = Type::new(kind);
    loop {
        if cursor.word("UNSIGNED") {
            data_type.unsigned = true;
        } else if cursor.word("ZEROFILL") {
            data_type.zerofill = true;
        } else if !cursor.word("SIGNED") {
            break;
        }
    }
    text_attributes(cursor, &mut data_type)?;
    Some(data_type)
}

/// What may follow a text type: character set and collation in all their spellings.
fn text_attributes(cursor: &mut Cursor<'_, '_>, data_type: &mut Type) -> Option<()> {
    loop {
        if cursor.word("BINARY") {
            data_type.text.binary = true;
        } else if cursor.word("ASCII") {
            data_type.text.charset = Some("latin1".to_owned());
        } else if cursor.word("UNICODE") {
            data_type.text.charset = Some("ucs2".to_owned());
        } else if cursor.word("BYTE") {
            data_type.text.charset = Some("binary".to_owned());
        } else if !data_type.text.take(cursor)? {
            return Some(());
        }
    }
}

/// A number in parentheses, if one is there.
fn length(cursor: &mut Cursor<'_, '_>) -> Option<Option<u64>> {
    if !cursor.sign('(') {
        return Some(None);
    }
    let Some(Token::Number(digits)) = cursor.next() else { return None };
    let length = digits.parse().ok()?;
    cursor.sign(')').then_some(Some(length))
}

fn width(cursor: &mut Cursor<'_, '_>) -> Option<Option<u32>> {
    match length(cursor)? {
        Some(width) => u32::try_from(width).ok().map(Some),
        None => Some(None),
    }
}

/// `(p)` or `(p, s)`.
fn precision(cursor: &mut Cursor<'_, '_>) -> Option<(Option<u32>, Option<u32>)> {
    if !cursor.sign('(') {
        return Some((None, None));
    }
    let mut number = || match cursor.next() {
        Some(Token::Number(digits)) => digits.parse().ok(),
        _ => None,
    };
    let first = number()?;
    if cursor.sign(')') {
        return Some((Some(first), None));
    }
    if !cursor.sign(',') {
        return None;
    }
    let Some(Token::Number(digits)) = cursor.next() else { return None };
    let second = digits.parse().ok()?;
    cursor.sign(')').then_some((Some(first), Some(second)))
}

/// `Some(None)` where the word is no number's type.
fn number_type(word: &str, cursor: &mut Cursor<'_, '_>, context: &DdlContext<'_>) -> Option<Option<Kind>> {
    Some(Some(match word {
        "TINYINT" | "INT1" => Kind::Int("tinyint", width(cursor)?),
        "SMALLINT" | "INT2" => Kind::Int("smallint", width(cursor)?),
        "MEDIUMINT" | "INT3" | "MIDDLEINT" => Kind::Int("mediumint", width(cursor)?),
        "INT" | "INTEGER" | "INT4" => Kind::Int("int", width(cursor)?),
        "BIGINT" | "INT8" => Kind::Int("bigint", width(cursor)?),
        "BOOL" | "BOOLEAN" => Kind::Int("tinyint", Some(1)),
        "DECIMAL" | "NUMERIC" | "DEC" | "FIXED" => match precision(cursor)? {
            (None | Some(0), None | Some(0)) => Kind::Decimal(10, 0),
            (Some(precision), scale) => Kind::Decimal(precision, scale.unwrap_or(0)),
            (None, Some(_)) => return None,
        },
        "FLOAT" | "FLOAT4" => match precision(cursor)? {
            (Some(digits), Some(decimals)) => Kind::Real("float", Some((digits, decimals))),
            (Some(bits), None) if bits > 24 => Kind::Real("double", None),
            _ => Kind::Real("float", None),
        },
        "DOUBLE" | "FLOAT8" => {
            cursor.word("PRECISION");
            real("double", cursor)?
        }
        "REAL" => real(if context.has_mode(mode::REAL_AS_FLOAT) { "float" } else { "double" }, cursor)?,
        "BIT" => Kind::Bit(width(cursor)?.filter(|width| *width > 0).unwrap_or(1)),
        _ => return Some(None),
    }))
}

fn real(name: &'static str, cursor: &mut Cursor<'_, '_>) -> Option<Kind> {
    match precision(cursor)? {
        (Some(digits), Some(decimals)) => Some(Kind::Real(name, Some((digits, decimals)))),
        (None, None) => Some(Kind::Real(name, None)),
        _ => None,
    }
}

fn other_type(word: &str, cursor: &mut Cursor<'_, '_>, context: &DdlContext<'_>) -> Option<Kind> {
    let mariadb = context.is_mariadb();
    Some(match word {
        "VARCHAR" | "VARCHARACTER" => Kind::VarChar(length(cursor)??),
        "BINARY" => Kind::Binary(length(cursor)?.unwrap_or(1)),
        "VARBINARY" => Kind::VarBinary(length(cursor)??),
        "TINYTEXT" => Kind::Text(Size::LengthBytes(1)),
        "TEXT" => Kind::Text(size(cursor)?),
        "MEDIUMTEXT" => Kind::Text(Size::LengthBytes(3)),
        "LONGTEXT" => Kind::Text(Size::LengthBytes(4)),
        "TINYBLOB" => Kind::Blob(Size::LengthBytes(1)),
        "BLOB" => Kind::Blob(size(cursor)?),
        "MEDIUMBLOB" => Kind::Blob(Size::LengthBytes(3)),
        "LONGBLOB" => Kind::Blob(Size::LengthBytes(4)),
        "JSON" => Kind::Json,
        "DATE" => Kind::Plain("date"),
        "YEAR" => Kind::Year(width(cursor)?),
        "TIME" => Kind::Time("time", width(cursor)?.unwrap_or(0)),
        "DATETIME" => Kind::Time("datetime", width(cursor)?.unwrap_or(0)),
        "TIMESTAMP" => Kind::Time("timestamp", width(cursor)?.unwrap_or(0)),
        "GEOMETRY" => Kind::Plain("geometry"),
        "POINT" => Kind::Plain("point"),
        "LINESTRING" => Kind::Plain("linestring"),
        "POLYGON" => Kind::Plain("polygon"),
        "MULTIPOINT" => Kind::Plain("multipoint"),
        "MULTILINESTRING" => Kind::Plain("multilinestring"),
        "MULTIPOLYGON" => Kind::Plain("multipolygon"),
        "GEOMETRYCOLLECTION" | "GEOMCOLLECTION" if !mariadb && context.dialect().version >= 80_011 => {
            Kind::Plain("geomcollection")
        }
        "GEOMETRYCOLLECTION" => Kind::Plain("geometrycollection"),
        "VECTOR" => Kind::Vector(length(cursor)?.unwrap_or(2048)),
        "INET4" if mariadb => Kind::Plain("inet4"),
        "INET6" if mariadb => Kind::Plain("inet6"),
        "UUID" if mariadb => Kind::Plain("uuid"),
        _ => return None,
    })
}

fn size(cursor: &mut Cursor<'_, '_>) -> Option<Size> {
    Some(match length(cursor)? {
        None | Some(0) => Size::LengthBytes(2),
        Some(length) => Size::AtLeast(length),
    })
}

/// Behind `CHAR`: `VARYING (n)`, `(n)`, `BYTE`.
fn char_type(cursor: &mut Cursor<'_, '_>) -> Option<Kind> {
    if cursor.word("VARYING") {
        Some(Kind::VarChar(length(cursor)??))
    } else {
        Some(Kind::Char(length(cursor)?.unwrap_or(1)))
    }
}

/// Behind `LONG`.
fn long_type(cursor: &mut Cursor<'_, '_>) -> Kind {
    if cursor.word("VARBINARY") {
        return Kind::Blob(Size::LengthBytes(3));
    }
    if !cursor.any(&["VARCHAR", "VARCHARACTER"]) && !cursor.words(&["CHAR", "VARYING"]) {
        cursor.words(&["CHARACTER", "VARYING"]);
    }
    Kind::Text(Size::LengthBytes(3))
}

/// The national types: text in utf8mb3.
fn national(first: &str, cursor: &mut Cursor<'_, '_>) -> Option<Type> {
    let varying = match first {
        "NVARCHAR" => true,
        "NCHAR" => cursor.any(&["VARYING", "VARCHAR", "VARCHARACTER"]),
        _ if cursor.any(&["VARCHAR", "VARCHARACTER"]) => true,
        _ if cursor.any(&["CHAR", "CHARACTER"]) => cursor.word("VARYING"),
        _ => return None,
    };
    let length = length(cursor)?;
    let mut data_type = Type::new(if varying { Kind::VarChar(length?) } else { Kind::Char(length.unwrap_or(1)) });
    data_type.text.charset = Some("utf8mb3".to_owned());
    text_attributes(cursor, &mut data_type)?;
    Some(data_type)
}

/// `('a', 'b')`; trailing blanks are no part of a label.
fn labels(cursor: &mut Cursor<'_, '_>) -> Option<Vec<String>> {
    if !cursor.sign('(') {
        return None;
    }
    let mut labels = Vec::new();
    loop {
        // An introducer: the label is in another character set than the statement.
        let label = match cursor.next()? {
            Token::Text(text) => text.clone().into_owned(),
            Token::Bytes(bytes) if bytes.is_ascii() => String::from_utf8(bytes.clone()).ok()?,
            Token::Word(word) if word.eq_ignore_ascii_case("N") => match cursor.next()? {
                Token::Text(text) => text.clone().into_owned(),
                _ => return None,
            },
            _ => return None,
        };
        if label.contains(char::REPLACEMENT_CHARACTER) {
            return None;
        }
        labels.push(label.trim_end_matches(' ').to_owned());
        if cursor.sign(')') {
            return Some(labels);
        }
        if !cursor.sign(',') {
            return None;
        }
    }
}
