//! A table map compiled for reading rows.
//!
//! The types of a plan, and how values are stepped over. How a plan is made from a table map, its metadata and the
//! catalog is in `compile`; how rows are cut with it in `split`.

use std::sync::Arc;

use super::charset::Charset;
pub use super::compile::{PlanError, has_full_names};
use super::text;
use crate::schema::TableDef;

/// Everything that reading and rendering a row of one table map needs, worked out once.
#[derive(Debug)]
pub struct TablePlan {
    /// The number that row events refer to.
    pub table_id: u64,
    /// Schema name.
    pub database: String,
    /// Table name.
    pub table: String,
    /// One plan a column, in the order of the row images.
    pub columns: Vec<ColumnPlan>,
    /// Indexes of the primary key's columns in key order; empty without one, or where it is not known.
    pub primary_key: Vec<usize>,
    /// Whether column names are the server's own; if not they are `@1`, `@2`, ...
    pub named: bool,
    /// The catalog's description, where one was consulted.
    pub def: Option<Arc<TableDef>>,
    /// MariaDB: some BINARY or VARBINARY column may be of a type that only a definition tells, and none was consulted.
    pub veiled: bool,
    /// How to step over each column's value.
    pub(super) steps: Box<[Step]>,
    /// `{"database":"d","table":"t","type":"`: how every JSON line about the table begins.
    pub(crate) json_head: Vec<u8>,
}

impl TablePlan {
    /// A plan made of its parts.
    #[must_use]
    pub fn new(
        table_id: u64,
        database: String,
        table: String,
        columns: Vec<ColumnPlan>,
        primary_key: Vec<usize>,
        named: bool,
        def: Option<Arc<TableDef>>,
    ) -> Self {
        let steps = columns.iter().map(|column| Step::of(column.kind)).collect();
        let mut json_head = br#"{"database":"#.to_vec();
        text::json_string(database.as_bytes(), &mut json_head);
        json_head.extend_from_slice(br#","table":"#);
        text::json_string(table.as_bytes(), &mut json_head);
        json_head.extend_from_slice(br#","type":""#);
        Self { table_id, database, table, columns, primary_key, named, def, veiled: false, steps, json_head }
    }
}

/// One column: how to read it and what to call it.
#[derive(Debug, Clone)]
pub struct ColumnPlan {
    /// Name; `@n` where unknown.
    pub name: String,
    /// `"name":` as a JSON object key, escaped, ready to copy.
    pub json_key: Vec<u8>,
    /// How its bytes are laid out.
    pub kind: ColumnKind,
    /// Whether integers are unsigned.
    pub unsigned: bool,
    /// Neither the log nor a definition says whether integers are unsigned: a negative one may be a large one.
    pub sign_unsaid: bool,
    /// Collation id of text columns (and of the labels of ENUM and SET), where known; 63 is `binary`.
    pub collation: Option<u16>,
    /// ENUM and SET labels in UTF-8, where known.
    pub labels: Option<Arc<[String]>>,
    /// BINARY(n): the declared width in bytes, to which a value that lost trailing zeros is to be padded.
    pub binary_width: Option<usize>,
    /// What the bytes of a text column are, from its collation.
    pub(crate) text: TextForm,
    /// A type of MariaDB that travels as BINARY.
    pub(crate) disguise: Option<Disguise>,
    /// `,"name":`, ready to copy in one piece.
    pub(crate) comma_key: PaddedKey,
}

/// Bytes of a [`PaddedKey`] that are copied without asking for their number.
const KEY_LANES: usize = 32;

/// A key with a comma before it. Short keys, which is nearly all, are copied in blocks of fixed size and cut back, which is
/// several times faster than a copy of their own length.
#[derive(Debug, Clone)]
pub(crate) struct PaddedKey {
    start: [u8; KEY_LANES],
    whole: Vec<u8>,
}

impl PaddedKey {
    fn new(json_key: &[u8]) -> Self {
        let mut whole = vec![b','];
        whole.extend_from_slice(json_key);
        let mut start = [0; KEY_LANES];
        for (place, byte) in start.iter_mut().zip(&whole) {
            *place = *byte;
        }
        Self { start, whole }
    }

    /// Appends `,"name":`.
    #[inline]
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let length = self.whole.len();
        if length <= KEY_LANES {
            let end = out.len() + length;
            out.extend_from_slice(&self.start);
            out.truncate(end);
        } else {
            out.extend_from_slice(&self.whole);
        }
    }
}

impl ColumnPlan {
    /// A column with neither labels nor padding.
    #[must_use]
    pub fn new(name: String, kind: ColumnKind, unsigned: bool, collation: Option<u16>) -> Self {
        let mut json_key = Vec::with_capacity(name.len() + 3);
        text::json_string(name.as_bytes(), &mut json_key);
        json_key.push(b':');
        let comma_key = PaddedKey::new(&json_key);
        Self {
            name,
            comma_key,
            json_key,
            kind,
            unsigned,
            sign_unsaid: false,
            collation,
            labels: None,
            binary_width: None,
            text: TextForm::of(collation),
            disguise: None,
        }
    }
}

/// What the bytes of a CHAR, VARCHAR or TEXT column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextForm {
    /// No text: BINARY, VARBINARY, BLOB.
    Bytes,
    /// Text in a known character set.
    Known(Charset),
    /// Text or not, nobody said: no metadata and no catalog.
    Unsaid,
    /// A collation id that this build does not know.
    Unknown(u16),
}

impl TextForm {
    fn of(collation: Option<u16>) -> Self {
        match collation {
            None => Self::Unsaid,
            Some(id) => match Charset::of_collation(id) {
                Some(Charset::Binary) => Self::Bytes,
                Some(charset) => Self::Known(charset),
                None => Self::Unknown(id),
            },
        }
    }
}

/// Types of MariaDB that the log writes as BINARY of a fixed width; only the catalog tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disguise {
    /// INET4: 4 bytes.
    Inet4,
    /// INET6: 16 bytes.
    Inet6,
    /// UUID: 16 bytes in the order they are printed in.
    Uuid,
}

impl Disguise {
    /// The widths of all of them.
    pub(super) const WIDTHS: [usize; 2] = [4, 16];

    /// By the catalog's `DATA_TYPE`.
    pub(super) fn of(data_type: &str) -> Option<Self> {
        match data_type {
            "inet4" => Some(Self::Inet4),
            "inet6" => Some(Self::Inet6),
            "uuid" => Some(Self::Uuid),
            _ => None,
        }
    }
}

/// How to step over a value: a fixed number of bytes, or a little-endian length of 1 to 4 bytes and what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step(u8);

impl Step {
    const PREFIXED: u8 = 0x80;

    /// The step of a layout.
    pub(super) fn of(kind: ColumnKind) -> Self {
        use ColumnKind as K;
        match kind {
            K::Null => Self(0),
            K::Tiny | K::Year => Self(1),
            K::Short => Self(2),
            K::Int24 | K::Date | K::OldTime => Self(3),
            K::Long | K::Float | K::OldTimestamp => Self(4),
            K::LongLong | K::Double | K::OldDateTime => Self(8),
            K::Decimal { bytes, .. } | K::Enum { bytes } | K::Set { bytes } => Self(bytes & !Self::PREFIXED),
            K::Time { digits } => Self(3 + digits.min(6).div_ceil(2)),
            K::DateTime { digits } => Self(5 + digits.min(6).div_ceil(2)),
            K::Timestamp { digits } => Self(4 + digits.min(6).div_ceil(2)),
            K::Bit { width } => Self(width.div_ceil(8)),
            K::Text { length_bytes }
            | K::Blob { length_bytes }
            | K::Compressed { length_bytes }
            | K::Json { length_bytes }
            | K::Geometry { length_bytes }
            | K::Vector { length_bytes } => Self(Self::PREFIXED | (length_bytes & 7)),
        }
    }

    /// The fixed width, or the bytes of the length.
    #[inline]
    pub(super) fn get(self) -> Result<usize, usize> {
        if self.0 & Self::PREFIXED == 0 { Ok(usize::from(self.0)) } else { Err(usize::from(self.0 & 7)) }
    }
}

/// Layout of one column's value in a row image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// 1 byte.
    Tiny,
    /// 2 bytes.
    Short,
    /// 3 bytes.
    Int24,
    /// 4 bytes.
    Long,
    /// 8 bytes.
    LongLong,
    /// 4 bytes, IEEE.
    Float,
    /// 8 bytes, IEEE.
    Double,
    /// Packed decimal.
    Decimal {
        /// Digits in all.
        precision: u8,
        /// Digits after the point.
        scale: u8,
        /// Bytes.
        bytes: u8,
    },
    /// 1 byte: year minus 1900.
    Year,
    /// 3 bytes: day, month, year packed.
    Date,
    /// 3 bytes, before 5.6.
    OldTime,
    /// 3 to 6 bytes.
    Time {
        /// Digits of the fraction.
        digits: u8,
    },
    /// 8 bytes, before 5.6.
    OldDateTime,
    /// 5 to 8 bytes.
    DateTime {
        /// Digits of the fraction.
        digits: u8,
    },
    /// 4 bytes, before 5.6.
    OldTimestamp,
    /// 4 to 7 bytes.
    Timestamp {
        /// Digits of the fraction.
        digits: u8,
    },
    /// Big-endian bits.
    Bit {
        /// Declared width.
        width: u8,
    },
    /// 1 or 2 bytes.
    Enum {
        /// Bytes.
        bytes: u8,
    },
    /// 1 to 8 bytes.
    Set {
        /// Bytes.
        bytes: u8,
    },
    /// CHAR, VARCHAR, BINARY, VARBINARY: a length of 1 or 2 bytes, then the value.
    Text {
        /// Bytes of the length.
        length_bytes: u8,
    },
    /// TEXT and BLOB: a length of 1 to 4 bytes, then the value.
    Blob {
        /// Bytes of the length.
        length_bytes: u8,
    },
    /// MariaDB's COMPRESSED VARCHAR, TEXT and BLOB: a length, a method, then the value, perhaps deflated.
    Compressed {
        /// Bytes of the length.
        length_bytes: u8,
    },
    /// JSON: a length, then JSONB.
    Json {
        /// Bytes of the length.
        length_bytes: u8,
    },
    /// Spatial: a length, then SRID and WKB.
    Geometry {
        /// Bytes of the length.
        length_bytes: u8,
    },
    /// VECTOR: a length, then floats.
    Vector {
        /// Bytes of the length.
        length_bytes: u8,
    },
    /// MYSQL_TYPE_NULL: no bytes.
    Null,
}

/// Where one column's value stands in the rows of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// The image does not have the column (MINIMAL, NOBLOB): not the same as NULL.
    Absent,
    /// SQL NULL.
    Null,
    /// Bytes `start..end` of `RowsEvent::rows`, without any length prefix that belongs to the layout.
    At {
        /// First byte.
        start: u32,
        /// One past the last byte.
        end: u32,
    },
    /// After images of PARTIAL_UPDATE_ROWS: bytes of what changes in the document that the column had before, to be read
    /// with `json_diff`; none where it stays as it is.
    JsonDiff {
        /// First byte.
        start: u32,
        /// One past the last byte.
        end: u32,
    },
}

impl Cell {
    /// The bytes in `rows` of what changes in a JSON document; `None` for all other cells.
    #[inline]
    #[must_use]
    pub fn diff_bytes(self, rows: &[u8]) -> Option<&[u8]> {
        match self {
            Self::JsonDiff { start, end } => Self::At { start, end }.bytes(rows),
            _ => None,
        }
    }

    /// The value's bytes in `rows`; `None` for NULL, for absent columns, and for changes inside a document.
    #[inline]
    #[must_use]
    pub fn bytes(self, rows: &[u8]) -> Option<&[u8]> {
        match self {
            Self::At { start, end } => rows.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?),
            Self::Absent | Self::Null | Self::JsonDiff { .. } => None,
        }
    }
}
