//! Whether a column of the catalog can have been logged the way the table map says.
//!
//! The check is by the catalog's `DATA_TYPE` and `COLUMN_TYPE`; it is what keeps a changed table from giving old rows
//! wrong names. MariaDB's JSON is LONGTEXT, so JSON and LONGTEXT stand for one another.

use super::charset::Charset;
use super::compile::Logged;
use super::plan::ColumnKind;
use crate::schema::ColumnDef;

/// The collation id that the catalog's description implies: 63 for binary types.
pub(super) fn collation_of(def: &ColumnDef) -> Option<u16> {
    match (&def.charset, def.data_type.as_str()) {
        (Some(charset), _) => Charset::by_name(charset).map(Charset::any_collation),
        (None, data_type) if is_binary(data_type) => Some(Charset::Binary.any_collation()),
        (None, _) => None,
    }
}

fn is_binary(data_type: &str) -> bool {
    matches!(
        data_type,
        "binary"
            | "varbinary"
            | "tinyblob"
            | "blob"
            | "mediumblob"
            | "longblob"
            | "inet4"
            | "inet6"
            | "uuid"
            | "vector"
    )
}

/// `Err` holds what the log says, in words.
pub(super) fn check(
    logged: &Logged,
    unsigned: Option<bool>,
    collation: Option<u16>,
    def: &ColumnDef,
) -> Result<(), String> {
    let fits = kind_fits(logged, def);
    let signed_as_said = unsigned.is_none_or(|unsigned| logged.kind == ColumnKind::Year || unsigned == def.unsigned);
    let text_as_said = match (logged.kind, collation) {
        (ColumnKind::Text { .. } | ColumnKind::Blob { .. }, Some(id)) => (id == 63) == is_binary(&def.data_type),
        _ => true,
    };
    if fits && signed_as_said && text_as_said { Ok(()) } else { Err(describe(logged, unsigned, collation)) }
}

fn kind_fits(logged: &Logged, def: &ColumnDef) -> bool {
    use ColumnKind as K;
    let data_type = def.data_type.as_str();
    let argument = first_argument(&def.column_type);
    let digits_are = |digits: u8| argument.unwrap_or(0) == u32::from(digits);
    match logged.kind {
        K::Tiny => data_type == "tinyint",
        K::Short => data_type == "smallint",
        K::Int24 => data_type == "mediumint",
        K::Long => matches!(data_type, "int" | "integer"),
        K::LongLong => data_type == "bigint",
        K::Float => data_type == "float",
        K::Double => matches!(data_type, "double" | "real"),
        K::Decimal { precision, scale, .. } => {
            data_type == "decimal" && arguments(&def.column_type) == Some((precision.into(), scale.into()))
        }
        K::Year => data_type == "year",
        K::Date => data_type == "date",
        K::OldTime => data_type == "time" && argument.is_none(),
        K::OldDateTime => data_type == "datetime" && argument.is_none(),
        K::OldTimestamp => data_type == "timestamp" && argument.is_none(),
        K::Time { digits } => data_type == "time" && digits_are(digits),
        K::DateTime { digits } => data_type == "datetime" && digits_are(digits),
        K::Timestamp { digits } => data_type == "timestamp" && digits_are(digits),
        K::Bit { width } => data_type == "bit" && argument.unwrap_or(1) == u32::from(width),
        K::Enum { .. } => data_type == "enum",
        K::Set { .. } => data_type == "set",
        K::Text { .. } if logged.fixed_width.is_some() => {
            matches!(data_type, "char" | "binary" | "inet4" | "inet6" | "uuid")
        }
        K::Text { .. } => matches!(data_type, "varchar" | "varbinary" | "vector"),
        K::Compressed { .. } => def.column_type.to_ascii_lowercase().contains("compressed"),
        K::Blob { length_bytes } => blob_fits(length_bytes, data_type),
        K::Json { .. } => matches!(data_type, "json" | "longtext"),
        K::Vector { .. } => data_type == "vector",
        K::Geometry { .. } => matches!(
            data_type,
            "geometry"
                | "point"
                | "linestring"
                | "polygon"
                | "multipoint"
                | "multilinestring"
                | "multipolygon"
                | "geometrycollection"
                | "geomcollection"
        ),
        K::Null => true,
    }
}

fn blob_fits(length_bytes: u8, data_type: &str) -> bool {
    match length_bytes {
        1 => matches!(data_type, "tinyblob" | "tinytext"),
        2 => matches!(data_type, "blob" | "text"),
        3 => matches!(data_type, "mediumblob" | "mediumtext"),
        _ => matches!(data_type, "longblob" | "longtext" | "json"),
    }
}

/// The numbers in the first parentheses of a `COLUMN_TYPE`.
fn inside(column_type: &str) -> Option<&str> {
    column_type.split_once('(')?.1.split_once(')').map(|(inside, _)| inside)
}

fn first_argument(column_type: &str) -> Option<u32> {
    inside(column_type)?.split(',').next()?.trim().parse().ok()
}

fn arguments(column_type: &str) -> Option<(u32, u32)> {
    let (precision, scale) = inside(column_type)?.split_once(',')?;
    Some((precision.trim().parse().ok()?, scale.trim().parse().ok()?))
}

fn describe(logged: &Logged, unsigned: Option<bool>, collation: Option<u16>) -> String {
    let mut text = format!("{:?}", logged.kind).to_ascii_lowercase();
    match unsigned {
        Some(true) => text.push_str(" unsigned"),
        Some(false) => text.push_str(" signed"),
        None => {}
    }
    if let Some(charset) = collation.and_then(Charset::of_collation) {
        text.push_str(" of character set ");
        text.push_str(charset.name());
    }
    text
}
