//! A table map compiled for reading rows.

use std::sync::Arc;

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
    /// Collation id of text columns (and of the labels of ENUM and SET), where known; 63 is `binary`.
    pub collation: Option<u16>,
    /// ENUM and SET labels in UTF-8, where known.
    pub labels: Option<Arc<[String]>>,
    /// BINARY(n): the declared width in bytes, to which a value that lost trailing zeros is to be padded.
    pub binary_width: Option<usize>,
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
}
