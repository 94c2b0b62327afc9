//! From a table map to a [`TablePlan`]: layouts from the type codes, names and the rest from FULL metadata or the catalog.
//!
//! FULL metadata wins where it says something; else the catalog's description is taken, but only if it fits the table
//! map: as many columns, each of a type that is logged this way, signedness equal where the log says it. With neither,
//! columns are called `@1`, `@2`, ... What it does not do: ask a catalog, or remember plans.
//! Manual: "Data Type Storage Requirements"; MySQL source, `Field::save_field_metadata` and `table_def::field_metadata`.

use std::sync::Arc;

use super::charset::Charset;
use super::decimal::packed_width;
use super::fit;
use super::metadata::{Charsets, Labels, Metadata, MetadataError};
use super::plan::{ColumnKind, ColumnPlan, Disguise, TablePlan};
use crate::binlog::event::TableMapEvent;
use crate::disposition::Disposition;
use crate::schema::TableDef;

/// Why a table map cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The table map's own bytes do not make sense.
    #[error("the table map of {table} is malformed: {what}")]
    Malformed {
        /// `database.table`.
        table: String,
        /// What is wrong.
        what: String,
    },
    /// A column type that this build does not decode.
    #[error("column {column} of {table} has type {code}{}, which is not supported", note(.what))]
    Unsupported {
        /// `database.table`.
        table: String,
        /// Name, or `@n`.
        column: String,
        /// The type code, `MYSQL_TYPE_*`.
        code: u8,
        /// More about it; may be empty.
        what: &'static str,
    },
    /// The catalog describes a table with another number of columns.
    #[error("{table} has {logged} columns in the log and {described} in the catalog ({names})")]
    ColumnCount {
        /// `database.table`.
        table: String,
        /// Columns of the table map.
        logged: usize,
        /// Columns of the catalog.
        described: usize,
        /// The catalog's column names.
        names: String,
    },
    /// The catalog describes a column that cannot have been logged this way.
    #[error("column {number} of {table} is logged as {logged}, but the catalog has {column} {described}")]
    ColumnType {
        /// `database.table`.
        table: String,
        /// From 1.
        number: usize,
        /// What the log says.
        logged: String,
        /// The catalog's column name.
        column: String,
        /// The catalog's `COLUMN_TYPE`.
        described: String,
    },
}

fn note(what: &str) -> String {
    if what.is_empty() { String::new() } else { format!(" ({what})") }
}

impl PlanError {
    /// The same table map gives the same error.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        Disposition::Stop
    }

    /// What an operator can do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Malformed { .. } => "check the log file with mysqlbinlog",
            Self::Unsupported { .. } => "leave the table out, or change the column's type at the source",
            Self::ColumnCount { .. } | Self::ColumnType { .. } => {
                "the table was changed after this event was logged, or the tables differ: \
                 set binlog_row_metadata=FULL at the source so that the log itself names its columns"
            }
        };
        Some(hint.to_owned())
    }
}

/// Whether the table map itself names all of its columns (`binlog_row_metadata=FULL`), so that no catalog is needed.
#[must_use]
pub fn has_full_names(map: &TableMapEvent<'_>) -> bool {
    Metadata::parse(map.optional)
        .is_ok_and(|metadata| metadata.names.is_some_and(|names| names.len() == map.column_types.len()))
}

/// One column as the table map alone describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Logged {
    pub code: u8,
    pub kind: ColumnKind,
    pub class: Class,
    /// CHAR(n) or BINARY(n) in bytes.
    pub fixed_width: Option<usize>,
}

/// The classes of columns that metadata fields count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Numeric,
    Character,
    Enum,
    Set,
    Other,
}

mod code {
    pub(super) const TINY: u8 = 1;
    pub(super) const SHORT: u8 = 2;
    pub(super) const LONG: u8 = 3;
    pub(super) const FLOAT: u8 = 4;
    pub(super) const DOUBLE: u8 = 5;
    pub(super) const NULL: u8 = 6;
    pub(super) const TIMESTAMP: u8 = 7;
    pub(super) const LONGLONG: u8 = 8;
    pub(super) const INT24: u8 = 9;
    pub(super) const DATE: u8 = 10;
    pub(super) const TIME: u8 = 11;
    pub(super) const DATETIME: u8 = 12;
    pub(super) const YEAR: u8 = 13;
    pub(super) const NEWDATE: u8 = 14;
    pub(super) const VARCHAR: u8 = 15;
    pub(super) const BIT: u8 = 16;
    pub(super) const TIMESTAMP2: u8 = 17;
    pub(super) const DATETIME2: u8 = 18;
    pub(super) const TIME2: u8 = 19;
    pub(super) const TYPED_ARRAY: u8 = 20;
    pub(super) const MARIA_BLOB_COMPRESSED: u8 = 140;
    pub(super) const MARIA_VARCHAR_COMPRESSED: u8 = 141;
    pub(super) const VECTOR: u8 = 242;
    pub(super) const JSON: u8 = 245;
    pub(super) const NEWDECIMAL: u8 = 246;
    pub(super) const ENUM: u8 = 247;
    pub(super) const SET: u8 = 248;
    pub(super) const TINY_BLOB: u8 = 249;
    pub(super) const BLOB: u8 = 252;
    pub(super) const VAR_STRING: u8 = 253;
    pub(super) const STRING: u8 = 254;
    pub(super) const GEOMETRY: u8 = 255;
}

/// Bytes of metadata that a type code has in a table map.
fn meta_width(code: u8) -> usize {
    match code {
        code::FLOAT | code::DOUBLE | code::TIMESTAMP2 | code::DATETIME2 | code::TIME2 => 1,
        code::JSON | code::GEOMETRY | code::VECTOR | code::MARIA_BLOB_COMPRESSED => 1,
        code::TINY_BLOB..=code::BLOB => 1,
        code::VARCHAR | code::BIT | code::NEWDECIMAL | code::ENUM | code::SET => 2,
        code::VAR_STRING | code::STRING | code::MARIA_VARCHAR_COMPRESSED => 2,
        _ => 0,
    }
}

fn length_prefix(max: usize) -> u8 {
    if max < 256 { 1 } else { 2 }
}

/// The layout that a type code and its metadata mean; `Err` names what is wrong.
fn layout(code: u8, meta: &[u8]) -> Result<Logged, &'static str> {
    use ColumnKind as K;
    let first = meta.first().copied().unwrap_or(0);
    let second = meta.get(1).copied().unwrap_or(0);
    let wide = usize::from(u16::from_le_bytes([first, second]));
    let blob = || if (1..=4).contains(&first) { Ok(first) } else { Err("a length of other than 1 to 4 bytes") };
    let digits = || if first <= 6 { Ok(first) } else { Err("more than 6 digits of a fraction") };
    let (kind, class) = match code {
        code::TINY => (K::Tiny, Class::Numeric),
        code::SHORT => (K::Short, Class::Numeric),
        code::INT24 => (K::Int24, Class::Numeric),
        code::LONG => (K::Long, Class::Numeric),
        code::LONGLONG => (K::LongLong, Class::Numeric),
        code::FLOAT => (K::Float, Class::Numeric),
        code::DOUBLE => (K::Double, Class::Numeric),
        code::YEAR => (K::Year, Class::Numeric),
        code::NEWDECIMAL => {
            let bytes = packed_width(first, second).ok_or("precision or scale out of range")?;
            (K::Decimal { precision: first, scale: second, bytes }, Class::Numeric)
        }
        code::NULL => (K::Null, Class::Other),
        code::DATE | code::NEWDATE => (K::Date, Class::Other),
        code::TIMESTAMP => (K::OldTimestamp, Class::Other),
        code::TIME => (K::OldTime, Class::Other),
        code::DATETIME => (K::OldDateTime, Class::Other),
        code::TIMESTAMP2 => (K::Timestamp { digits: digits()? }, Class::Other),
        code::DATETIME2 => (K::DateTime { digits: digits()? }, Class::Other),
        code::TIME2 => (K::Time { digits: digits()? }, Class::Other),
        code::BIT => (K::Bit { width: bit_width(first, second).ok_or("not 1 to 64 bits")? }, Class::Other),
        code::VARCHAR | code::VAR_STRING => (K::Text { length_bytes: length_prefix(wide) }, Class::Character),
        code::TINY_BLOB..=code::BLOB => (K::Blob { length_bytes: blob()? }, Class::Character),
        code::VECTOR => (K::Vector { length_bytes: blob()? }, Class::Character),
        code::JSON => (K::Json { length_bytes: blob()? }, Class::Other),
        code::GEOMETRY => (K::Geometry { length_bytes: blob()? }, Class::Other),
        code::MARIA_VARCHAR_COMPRESSED => (K::Compressed { length_bytes: length_prefix(wide) }, Class::Character),
        code::MARIA_BLOB_COMPRESSED => (K::Compressed { length_bytes: blob()? }, Class::Character),
        code::STRING | code::ENUM | code::SET => return string_layout(first, second),
        code::TYPED_ARRAY => return Err("a multi-valued index's array"),
        0 => return Err("DECIMAL of servers before 5.0"),
        _ => return Err(""),
    };
    Ok(Logged { code, kind, class, fixed_width: None })
}

fn bit_width(rest: u8, bytes: u8) -> Option<u8> {
    let width = bytes.checked_mul(8)?.checked_add(rest)?;
    (rest < 8 && (1..=64).contains(&width)).then_some(width)
}

/// MYSQL_TYPE_STRING stands for CHAR, BINARY, ENUM and SET: its metadata is the real type and a width in bytes, whose
/// ninth and tenth bit are kept, inverted, in bits 4 and 5 of the type.
fn string_layout(first: u8, second: u8) -> Result<Logged, &'static str> {
    let (real, width) = if first & 0x30 == 0x30 {
        (first, usize::from(second))
    } else {
        (first | 0x30, usize::from(second) | usize::from((first & 0x30) ^ 0x30) << 4)
    };
    let (kind, class, fixed_width) = match real {
        code::ENUM if matches!(second, 1 | 2) => (ColumnKind::Enum { bytes: second }, Class::Enum, None),
        code::SET if (1..=8).contains(&second) => (ColumnKind::Set { bytes: second }, Class::Set, None),
        code::STRING | code::VAR_STRING => {
            (ColumnKind::Text { length_bytes: length_prefix(width) }, Class::Character, Some(width))
        }
        _ => return Err("metadata that no CHAR, ENUM or SET has"),
    };
    Ok(Logged { code: real, kind, class, fixed_width })
}

/// Whether MariaDB logs INET4, INET6, UUID or VECTOR like this binary column.
fn may_be_veiled(logged: &Logged, meta: &[u8]) -> bool {
    match (logged.code, logged.fixed_width, meta) {
        (_, Some(width), _) => Disguise::WIDTHS.contains(&width),
        // Vectors are VARBINARY, with four bytes a number.
        (code::VARCHAR, None, [low, high]) => {
            matches!(u16::from_le_bytes([*low, *high]), width if width > 0 && width % 4 == 0)
        }
        _ => false,
    }
}

/// How often each class of columns has been met.
#[derive(Default)]
struct Counts {
    numeric: usize,
    character: usize,
    enums: usize,
    sets: usize,
    enum_sets: usize,
}

fn next(count: &mut usize) -> usize {
    let index = *count;
    *count += 1;
    index
}

/// Makes one table map's plan.
struct Compiler<'a> {
    table: String,
    metadata: Metadata<'a>,
    def: Option<&'a TableDef>,
    /// Whether MariaDB wrote the table map.
    mariadb: bool,
    /// Some column may be of a type that only a definition tells.
    veiled: bool,
    counts: Counts,
}

impl TablePlan {
    /// Compiles a table map. `def` is the catalog's description, where one was asked for.
    ///
    /// # Errors
    /// When the table map is malformed, has a type that is not supported, or `def` does not fit it.
    pub fn compile(map: &TableMapEvent<'_>, def: Option<Arc<TableDef>>) -> Result<Self, PlanError> {
        let database = String::from_utf8_lossy(map.database).into_owned();
        let name = String::from_utf8_lossy(map.table).into_owned();
        let table = format!("{database}.{name}");
        let metadata = Metadata::parse(map.optional)
            .map_err(|error: MetadataError| PlanError::Malformed { table: table.clone(), what: error.to_string() })?;
        let (mariadb, counts) = (map.mariadb, Counts::default());
        let mut compiler = Compiler { table, metadata, def: def.as_deref(), mariadb, veiled: false, counts };
        let (columns, primary_key) = compiler.columns(map)?;
        let named = compiler.metadata.names.is_some() || compiler.def.is_some();
        let veiled = compiler.veiled;
        Ok(Self { veiled, ..Self::new(map.table_id, database, name, columns, primary_key, named, def) })
    }
}

impl Compiler<'_> {
    fn malformed(&self, what: &str) -> PlanError {
        PlanError::Malformed { table: self.table.clone(), what: what.to_owned() }
    }

    fn columns(&mut self, map: &TableMapEvent<'_>) -> Result<(Vec<ColumnPlan>, Vec<usize>), PlanError> {
        let count = map.column_types.len();
        if self.metadata.names.as_ref().is_some_and(|names| names.len() != count) {
            return Err(self.malformed("it names another number of columns than it has"));
        }
        if let Some(def) = self.def
            && def.columns.len() != count
        {
            return Err(PlanError::ColumnCount {
                table: self.table.clone(),
                logged: count,
                described: def.columns.len(),
                names: def.columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", "),
            });
        }
        let mut meta = map.column_meta;
        let mut columns = Vec::with_capacity(count);
        for (index, code) in map.column_types.iter().enumerate() {
            let (own, rest) = meta
                .split_at_checked(meta_width(*code))
                .ok_or_else(|| self.malformed("the types' metadata ends early"))?;
            meta = rest;
            columns.push(self.column(index, *code, own)?);
        }
        let primary_key = self.primary_key(count)?;
        Ok((columns, primary_key))
    }

    fn primary_key(&self, count: usize) -> Result<Vec<usize>, PlanError> {
        match (&self.metadata.primary_key, self.def) {
            (Some(key), _) => key
                .iter()
                .map(|c| usize::try_from(*c).ok().filter(|c| *c < count))
                .collect::<Option<_>>()
                .ok_or_else(|| self.malformed("its primary key has a column that the table has not")),
            (None, Some(def)) if self.metadata.names.is_none() => Ok(def.primary_key.clone()),
            _ => Ok(Vec::new()),
        }
    }

    fn name(&self, index: usize) -> String {
        let logged = self.metadata.names.as_ref().and_then(|names| names.get(index));
        match (logged, self.def.and_then(|def| def.columns.get(index))) {
            (Some(name), _) => String::from_utf8_lossy(name).into_owned(),
            (None, Some(def)) => def.name.clone(),
            (None, None) => format!("@{}", index + 1),
        }
    }

    fn column(&mut self, index: usize, code: u8, meta: &[u8]) -> Result<ColumnPlan, PlanError> {
        let name = self.name(index);
        let logged = layout(code, meta).map_err(|what| PlanError::Unsupported {
            table: self.table.clone(),
            column: name.clone(),
            code,
            what,
        })?;
        let def = self.def.and_then(|def| def.columns.get(index));
        let (said_unsigned, said_collation) = self.said(&logged);
        if self.mariadb && matches!(logged.kind, ColumnKind::Geometry { .. }) {
            self.counts.character += 1;
        }
        if let Some(def) = def {
            fit::check(&logged, said_unsigned, said_collation, def).map_err(|logged| PlanError::ColumnType {
                table: self.table.clone(),
                number: index + 1,
                logged,
                column: def.name.clone(),
                described: def.column_type.clone(),
            })?;
        }
        let unsigned = said_unsigned.or(def.map(|def| def.unsigned)).unwrap_or(false);
        let collation = said_collation.or_else(|| def.and_then(fit::collation_of));
        let kind = match logged.kind {
            // MariaDB logs vectors as VARBINARY.
            ColumnKind::Text { length_bytes } if def.is_some_and(|def| def.data_type == "vector") => {
                ColumnKind::Vector { length_bytes }
            }
            kind => kind,
        };
        let mut column = ColumnPlan::new(name, kind, unsigned, collation);
        column.sign_unsaid = said_unsigned.is_none() && def.is_none() && logged.class == Class::Numeric;
        column.labels = self.labels(&logged, collation).or_else(|| def.and_then(|def| def.labels.clone()));
        column.disguise = def.and_then(|def| Disguise::of(&def.data_type));
        column.binary_width = logged.fixed_width.filter(|_| collation == Some(63));
        self.veiled |= self.mariadb && def.is_none() && collation == Some(63) && may_be_veiled(&logged, meta);
        Ok(column)
    }

    /// Signedness and collation where the metadata says them. Counts the column in its class.
    fn said(&mut self, logged: &Logged) -> (Option<bool>, Option<u16>) {
        let of = |charsets: &Option<Charsets>, index| charsets.as_ref().and_then(|c| c.get(index));
        match logged.class {
            Class::Numeric => (self.metadata.is_unsigned(next(&mut self.counts.numeric)), None),
            Class::Character => (None, of(&self.metadata.charsets, next(&mut self.counts.character))),
            Class::Enum | Class::Set => (None, of(&self.metadata.enum_set_charsets, next(&mut self.counts.enum_sets))),
            Class::Other => (None, None),
        }
    }

    /// Labels of the metadata in UTF-8; `None` where there are none, or where they are not text in their character set.
    fn labels(&mut self, logged: &Logged, collation: Option<u16>) -> Option<Arc<[String]>> {
        let raw: &Labels<'_> = match logged.class {
            Class::Enum => self.metadata.enum_labels.as_ref()?.get(next(&mut self.counts.enums))?,
            Class::Set => self.metadata.set_labels.as_ref()?.get(next(&mut self.counts.sets))?,
            _ => return None,
        };
        let charset = collation.and_then(Charset::of_collation).unwrap_or(Charset::Utf8mb4);
        raw.iter().map(|label| charset.to_utf8(label).ok().map(std::borrow::Cow::into_owned)).collect()
    }
}
