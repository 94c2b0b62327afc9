//! One column as written, and what the server makes of it.

use std::sync::Arc;

use super::charset::{TextClause, max_bytes};
use super::cursor::Cursor;
use super::token::Token;
use super::types::{Kind, Size, Type, data_type};
use super::{DdlContext, mode};
use crate::schema::{ColumnDef, TextDefault};

/// A column definition as written.
#[derive(Debug, Clone)]
pub(super) struct ColumnSpec {
    pub name: String,
    data_type: Type,
    /// `NULL` or `NOT NULL`, where one is said.
    nullable: Option<bool>,
    automatic: bool,
    pub unique: bool,
    pub primary: bool,
    generated: bool,
    /// `AS ROW START` or `AS ROW END`.
    pub period: bool,
    pub versioned: bool,
    compressed: bool,
    /// Names the columns of a foreign key's own index.
    pub references: bool,
}

/// Takes a column's name and definition, up to what is no part of it.
pub(super) fn column_spec(cursor: &mut Cursor<'_, '_>, context: &DdlContext<'_>) -> Option<ColumnSpec> {
    let name = cursor.name()?;
    let data_type = data_type(cursor, context)?;
    let serial = data_type.serial;
    let mut spec = ColumnSpec {
        name,
        data_type,
        nullable: None,
        automatic: serial,
        unique: serial,
        primary: false,
        generated: false,
        period: false,
        versioned: false,
        compressed: false,
        references: false,
    };
    while !cursor.at_end() && !cursor.sees_any(&["FIRST", "AFTER"]) {
        attribute(cursor, &mut spec)?;
    }
    Some(spec)
}

/// Attributes that name one value.
const WITH_VALUE: &[&str] =
    &["COMMENT", "COLUMN_FORMAT", "STORAGE", "ENGINE_ATTRIBUTE", "SECONDARY_ENGINE_ATTRIBUTE", "SRID", "REF_SYSTEM_ID"];

/// Attributes without a value that mean nothing here.
const WITHOUT_VALUE: &[&str] =
    &["VISIBLE", "INVISIBLE", "VIRTUAL", "STORED", "PERSISTENT", "ENABLE", "ENFORCED", "ALWAYS"];

fn attribute(cursor: &mut Cursor<'_, '_>, spec: &mut ColumnSpec) -> Option<()> {
    if cursor.words(&["NOT", "NULL"]) {
        spec.nullable = Some(false);
    } else if cursor.word("NULL") {
        spec.nullable = Some(true);
    } else if cursor.word("DEFAULT") {
        default_value(cursor)?;
    } else if cursor.words(&["ON", "UPDATE"]) {
        cursor.next()?;
        optional_parentheses(cursor)?;
    } else if cursor.word("AUTO_INCREMENT") {
        spec.automatic = true;
    } else if cursor.words(&["SERIAL", "DEFAULT", "VALUE"]) {
        spec.automatic = true;
        spec.unique = true;
    } else if cursor.word("UNIQUE") {
        cursor.word("KEY");
        spec.unique = true;
    } else if cursor.word("PRIMARY") || cursor.sees("KEY") {
        cursor.word("KEY");
        spec.primary = true;
    } else if cursor.word("GENERATED") || cursor.word("AS") {
        generated(cursor, spec)?;
    } else if cursor.word("CONSTRAINT") {
        if !cursor.sees("CHECK") {
            cursor.name()?;
        }
    } else if cursor.word("CHECK") {
        cursor.group()?;
    } else if cursor.words(&["NOT", "ENFORCED"]) || cursor.words(&["NOT", "SECONDARY"]) || cursor.any(WITHOUT_VALUE) {
        // Says nothing about the column's form.
    } else if cursor.word("COMPRESSED") {
        spec.compressed = true;
        if cursor.sign('=') {
            cursor.next()?;
        }
    } else if cursor.words(&["WITH", "SYSTEM", "VERSIONING"]) {
        spec.versioned = true;
    } else if cursor.words(&["WITHOUT", "SYSTEM", "VERSIONING"]) {
    } else if cursor.word("REFERENCES") {
        spec.references = true;
        references(cursor)?;
    } else if cursor.any(WITH_VALUE) {
        cursor.sign('=');
        cursor.next()?;
    } else if spec.data_type.text.take(cursor)? {
    } else {
        // MariaDB's options of engines: `name = value`.
        cursor.name()?;
        if !cursor.sign('=') {
            return None;
        }
        cursor.next()?;
    }
    Some(())
}

/// What stands behind DEFAULT. Expressions without parentheses, beyond one value or one function, are not followed.
fn default_value(cursor: &mut Cursor<'_, '_>) -> Option<()> {
    if cursor.sees_sign('(') {
        cursor.group()?;
        return Some(());
    }
    if cursor.words(&["NEXT", "VALUE", "FOR"]) || cursor.words(&["PREVIOUS", "VALUE", "FOR"]) {
        cursor.table_name()?;
        return Some(());
    }
    while cursor.sign('-') || cursor.sign('+') {}
    let literal = !matches!(cursor.next()?, Token::Sign(_) | Token::Broken);
    if !literal {
        return None;
    }
    while cursor.sign('.') {
        cursor.next()?;
    }
    optional_parentheses(cursor)?;
    // An introducer's text, and strings that are one.
    while matches!(cursor.peek(), Some(Token::Text(_) | Token::Bytes(_))) {
        cursor.next();
    }
    Some(())
}

fn optional_parentheses(cursor: &mut Cursor<'_, '_>) -> Option<()> {
    if cursor.sees_sign('(') {
        cursor.group()?;
    }
    Some(())
}

/// Behind `GENERATED` or `AS`.
fn generated(cursor: &mut Cursor<'_, '_>, spec: &mut ColumnSpec) -> Option<()> {
    cursor.word("ALWAYS");
    cursor.word("AS");
    spec.generated = true;
    if cursor.word("ROW") {
        spec.period = true;
        return cursor.any(&["START", "END"]).then_some(());
    }
    cursor.group()?;
    Some(())
}

/// Behind `REFERENCES`.
fn references(cursor: &mut Cursor<'_, '_>) -> Option<()> {
    cursor.table_name()?;
    optional_parentheses(cursor)?;
    loop {
        if cursor.word("MATCH") {
            cursor.next()?;
        } else if cursor.words(&["ON", "DELETE"]) || cursor.words(&["ON", "UPDATE"]) {
            if cursor.any(&["SET", "NO"]) {
                cursor.next()?;
            } else {
                cursor.any(&["CASCADE", "RESTRICT"]).then_some(())?;
            }
        } else {
            return Some(());
        }
    }
}

impl ColumnSpec {
    /// The column in a table with this default; `None` where that is not known enough.
    pub(super) fn define(&self, default: Option<&TextDefault>, context: &DdlContext<'_>) -> Option<ColumnDef> {
        let mut def = ColumnDef {
            name: self.name.clone(),
            nullable: self.is_nullable(context),
            generated: self.generated,
            ..ColumnDef::default()
        };
        let text = self.data_type.text.resolve(default, context);
        let kind = effective(&self.data_type.kind, &self.data_type.text, text.as_ref(), context)?;
        write_type(&mut def, &kind, &self.data_type, context);
        if self.compressed {
            def.column_type.push_str(" /*M!100301 COMPRESSED*/");
        }
        match kind {
            Kind::Enum(_) | Kind::Set(_) if context.is_mariadb() && is_binary(text.as_ref()) => {
                def.charset = Some("binary".to_owned());
                def.collation = Some("binary".to_owned());
            }
            Kind::Char(_) | Kind::VarChar(_) | Kind::Text(_) | Kind::Enum(_) | Kind::Set(_) => set_text(&mut def, text),
            Kind::Json if context.is_mariadb() => set_text(&mut def, json_text(&self.data_type.text)),
            _ => {}
        }
        Some(def)
    }

    fn is_nullable(&self, context: &DdlContext<'_>) -> bool {
        if self.automatic || self.primary || self.period {
            return false;
        }
        match (self.nullable, &self.data_type.kind) {
            (Some(nullable), _) => nullable,
            (None, Kind::Time("timestamp", _)) if !self.generated => context.timestamps_are_nullable(),
            (None, _) => true,
        }
    }
}

fn is_binary(text: Option<&TextDefault>) -> bool {
    text.is_some_and(|text| text.charset == "binary")
}

fn json_text(clause: &TextClause) -> Option<TextDefault> {
    let collation = clause.collation.clone().unwrap_or_else(|| "utf8mb4_bin".to_owned());
    Some(TextDefault::of_collation(&collation))
}

fn set_text(def: &mut ColumnDef, text: Option<TextDefault>) {
    if let Some(text) = text.filter(|text| text.charset != "binary") {
        def.charset = Some(text.charset);
        def.collation = text.collation;
    }
}

/// The type that the server makes of the one written: binary text is bytes, TEXT(n) is as long as it must be, and a
/// VARCHAR that is too long becomes TEXT outside of strict mode. `None` where it depends on what is not known.
fn effective(kind: &Kind, clause: &TextClause, text: Option<&TextDefault>, context: &DdlContext<'_>) -> Option<Kind> {
    let binary =
        text.is_some_and(|text| text.charset == "binary") && !(clause.is_empty() && matches!(kind, Kind::Json));
    let width = text.map(|text| max_bytes(&text.charset));
    Some(match kind {
        Kind::Char(length) if binary => Kind::Binary(*length),
        Kind::VarChar(length) if binary => effective(&Kind::VarBinary(*length), clause, text, context)?,
        Kind::Text(size) if binary => Kind::Blob(fixed(*size, Some(1))?),
        Kind::Text(size) => Kind::Text(fixed(*size, width)?),
        Kind::Blob(size) => Kind::Blob(fixed(*size, Some(1))?),
        // Every character set has at most 4 bytes a character.
        Kind::VarChar(length) if *length > 16_383 => {
            let bytes = length.checked_mul(width?)?;
            if bytes <= 65_535 {
                kind.clone()
            } else {
                too_long(context).then(|| Kind::Text(Size::LengthBytes(needed(bytes))))?
            }
        }
        Kind::VarBinary(length) if *length > 65_535 => {
            too_long(context).then(|| Kind::Blob(Size::LengthBytes(needed(*length))))?
        }
        other => other.clone(),
    })
}

/// Whether the mode lets a type that is too long become another.
fn too_long(context: &DdlContext<'_>) -> bool {
    !context.has_mode(mode::STRICT_TRANS_TABLES) && !context.has_mode(mode::STRICT_ALL_TABLES)
}

fn fixed(size: Size, width: Option<u64>) -> Option<Size> {
    match size {
        Size::LengthBytes(_) => Some(size),
        Size::AtLeast(characters) => Some(Size::LengthBytes(needed(characters.checked_mul(width?)?))),
    }
}

/// Bytes of length for so many bytes.
fn needed(bytes: u64) -> u8 {
    match bytes {
        0..=0xff => 1,
        0x100..=0xffff => 2,
        0x1_0000..=0xff_ffff => 3,
        _ => 4,
    }
}

fn write_type(def: &mut ColumnDef, kind: &Kind, data_type: &Type, context: &DdlContext<'_>) {
    let zerofill = data_type.zerofill;
    def.unsigned = (data_type.unsigned || zerofill) && is_number(kind);
    let (name, arguments): (&str, String) = match kind {
        Kind::Int(name, width) => (name, int_width(name, *width, def.unsigned, zerofill, context)),
        Kind::Decimal(precision, scale) => ("decimal", format!("({precision},{scale})")),
        Kind::Real(name, Some((digits, decimals))) => (name, format!("({digits},{decimals})")),
        Kind::Real(name, None) | Kind::Plain(name) => (name, String::new()),
        Kind::Bit(width) => ("bit", format!("({width})")),
        Kind::Year(_) if !context.has_widths() => ("year", String::new()),
        Kind::Year(width) => ("year", format!("({})", if *width == Some(2) { 2 } else { 4 })),
        Kind::Time(name, 0) => (name, String::new()),
        Kind::Time(name, digits) => (name, format!("({digits})")),
        Kind::Char(length) => ("char", format!("({length})")),
        Kind::VarChar(length) => ("varchar", format!("({length})")),
        Kind::Binary(length) => ("binary", format!("({length})")),
        Kind::VarBinary(length) => ("varbinary", format!("({length})")),
        Kind::Vector(length) => ("vector", format!("({length})")),
        Kind::Text(size) => (text_name(*size), String::new()),
        Kind::Blob(size) => (blob_name(*size), String::new()),
        Kind::Json if context.is_mariadb() => ("longtext", String::new()),
        Kind::Json => ("json", String::new()),
        Kind::Enum(labels) => ("enum", label_list(labels)),
        Kind::Set(labels) => ("set", label_list(labels)),
    };
    def.data_type = name.to_owned();
    def.column_type = format!("{name}{arguments}");
    if def.unsigned {
        def.column_type.push_str(" unsigned");
    }
    if zerofill && is_number(kind) {
        def.column_type.push_str(" zerofill");
    }
    if let Kind::Enum(labels) | Kind::Set(labels) = kind {
        def.labels = Some(Arc::from(labels.as_slice()));
    }
}

fn is_number(kind: &Kind) -> bool {
    matches!(kind, Kind::Int(..) | Kind::Decimal(..) | Kind::Real(..))
}

/// The display width, which MySQL has not shown since 8.0.19, except where it means something.
fn int_width(name: &str, width: Option<u32>, unsigned: bool, zerofill: bool, context: &DdlContext<'_>) -> String {
    let shown = context.has_widths() || zerofill || (name == "tinyint" && width == Some(1) && !unsigned);
    if !shown {
        return String::new();
    }
    let usual = match (name, unsigned) {
        ("tinyint", false) => 4,
        ("tinyint", true) => 3,
        ("smallint", false) => 6,
        ("smallint", true) => 5,
        ("mediumint", false) => 9,
        ("mediumint", true) => 8,
        ("int", false) => 11,
        ("int", true) => 10,
        _ => 20,
    };
    format!("({})", width.filter(|width| *width > 0).unwrap_or(usual))
}

pub(super) fn text_name(size: Size) -> &'static str {
    match size {
        Size::LengthBytes(1) => "tinytext",
        Size::LengthBytes(3) => "mediumtext",
        Size::LengthBytes(4) => "longtext",
        _ => "text",
    }
}

fn blob_name(size: Size) -> &'static str {
    match size {
        Size::LengthBytes(1) => "tinyblob",
        Size::LengthBytes(3) => "mediumblob",
        Size::LengthBytes(4) => "longblob",
        _ => "blob",
    }
}

/// As the catalog writes labels.
fn label_list(labels: &[String]) -> String {
    let quoted: Vec<String> = labels
        .iter()
        .map(|label| {
            let mut out = String::from("'");
            for c in label.chars() {
                match c {
                    '\'' => out.push_str("''"),
                    '\\' => out.push_str("\\\\"),
                    '\n' => out.push_str("\\n"),
                    '\r' => out.push_str("\\r"),
                    '\0' => out.push_str("\\0"),
                    other => out.push(other),
                }
            }
            out.push('\'');
            out
        })
        .collect();
    format!("({})", quoted.join(","))
}
