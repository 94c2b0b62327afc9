//! Row images: from packed bytes to borrowed values. REGISTER of column types: `ColumnPlan::value`.
//!
//! A [`plan::TablePlan`] is compiled once for each table map; a row is then a walk over it, without lookup and
//! without allocation: [`split()`] cuts it into cells, [`ColumnPlan::value`] reads one cell. What it does not do:
//! rendering into a sink's form (sinks) and framing (`crate::binlog`).

pub mod charset;
mod compile;
mod compressed;
pub(crate) mod decimal;
mod fit;
pub(crate) mod float;
pub(crate) mod json;
pub(crate) mod json_diff;
mod metadata;
mod numeric;
pub mod plan;
pub(crate) mod spatial;
mod split;
pub(crate) mod temporal;
pub(crate) mod text;
pub mod value;

pub use compile::{PlanError, has_full_names};
pub use plan::{Cell, ColumnKind, ColumnPlan, TablePlan};
pub use spatial::GeometryForm;
pub use split::{count, for_each, split};
pub use value::Value;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests;

use crate::disposition::Disposition;

/// Why a row cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// The event says another number of columns than the table map it refers to.
    #[error("the row event has {event} columns and its table map {plan}")]
    Width {
        /// Columns of the event.
        event: usize,
        /// Columns of the plan.
        plan: usize,
    },
    /// A bitmap of present columns is too short.
    #[error("the row event's bitmap of columns is too short")]
    Bitmap,
    /// The bytes end inside the row.
    #[error("the row event ends inside a row{}", at(.column))]
    Truncated {
        /// The column it ends in; empty for the bitmap of NULLs.
        column: String,
    },
    /// The images have no columns, but there are bytes.
    #[error("the row event has no columns but {rest} bytes of rows")]
    NoColumns {
        /// Bytes left.
        rest: usize,
    },
    /// Options of a partial update that this build does not know.
    #[error("the row event has value options {options:#x}, of which only 1 (PARTIAL_JSON) is known")]
    ValueOptions {
        /// All bits.
        options: u64,
    },
    /// A value whose bytes do not make sense.
    #[error("column {column}: {what}")]
    Value {
        /// The column's name.
        column: String,
        /// What is wrong, without the value.
        what: &'static str,
    },
    /// Text in a character set that this build does not decode.
    #[error("column {column} has {what}, which is not supported")]
    Charset {
        /// The column's name.
        column: String,
        /// `character set x` or `collation id n`.
        what: String,
    },
}

fn at(column: &str) -> String {
    if column.is_empty() { String::new() } else { format!(", in column {column}") }
}

impl RowError {
    /// The same bytes give the same error.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        Disposition::Stop
    }
}

impl ColumnPlan {
    /// Reads a value that is there and not NULL from its cell's bytes.
    ///
    /// # Errors
    /// When the bytes have another length than the layout says.
    #[inline]
    pub fn value<'a>(&self, bytes: &'a [u8]) -> Result<Value<'a>, RowError> {
        use ColumnKind as K;
        let len = bytes.len();
        let value = match self.kind {
            K::Tiny if len == 1 => numeric::integer(bytes, self.unsigned),
            K::Short if len == 2 => numeric::integer(bytes, self.unsigned),
            K::Int24 if len == 3 => numeric::integer(bytes, self.unsigned),
            K::Long if len == 4 => numeric::integer(bytes, self.unsigned),
            K::LongLong if len == 8 => numeric::integer(bytes, self.unsigned),
            K::Float => match *bytes {
                [a, b, c, d] => Value::Float(f32::from_le_bytes([a, b, c, d])),
                _ => return Err(self.wrong("a FLOAT of other than 4 bytes")),
            },
            K::Double => match *bytes {
                [a, b, c, d, e, f, g, h] => Value::Double(f64::from_le_bytes([a, b, c, d, e, f, g, h])),
                _ => return Err(self.wrong("a DOUBLE of other than 8 bytes")),
            },
            K::Decimal { precision, scale, bytes: width } if len == usize::from(width) => {
                Value::Decimal(value::Decimal { packed: bytes, precision, scale })
            }
            K::Year => match *bytes {
                [byte] => Value::Year(numeric::year(byte)),
                _ => return Err(self.wrong("a YEAR of other than 1 byte")),
            },
            K::Date if len == 3 => Value::Date(temporal::date(bytes)),
            K::OldTime if len == 3 => Value::Time(temporal::old_time(bytes)),
            K::Time { digits } if (3..=6).contains(&len) => Value::Time(temporal::time(bytes, digits)),
            K::OldDateTime if len == 8 => Value::DateTime(temporal::old_datetime(bytes)),
            K::DateTime { digits } if (5..=8).contains(&len) => Value::DateTime(temporal::datetime(bytes, digits)),
            K::OldTimestamp if len == 4 => Value::Timestamp(temporal::old_timestamp(bytes)),
            K::Timestamp { digits } if (4..=7).contains(&len) => Value::Timestamp(temporal::timestamp(bytes, digits)),
            K::Bit { width } if len <= 8 => Value::Bit { bits: numeric::big_endian(bytes), width },
            K::Enum { .. } if len <= 2 => Value::Enum(u16::try_from(numeric::little_endian(bytes)).unwrap_or_default()),
            K::Set { .. } if len <= 8 => Value::Set(numeric::little_endian(bytes)),
            K::Text { .. } | K::Blob { .. } => self.text_or_bytes(bytes),
            K::Compressed { .. } => return self.uncompressed(bytes),
            K::Json { .. } => Value::Json(bytes),
            K::Geometry { .. } => Value::Geometry(bytes),
            K::Vector { .. } => Value::Vector(bytes),
            _ => return Err(self.wrong("a value of the wrong length")),
        };
        Ok(value)
    }

    #[inline]
    fn text_or_bytes<'a>(&self, bytes: &'a [u8]) -> Value<'a> {
        if self.text == plan::TextForm::Bytes { Value::Bytes(bytes) } else { Value::Text(bytes) }
    }

    #[cold]
    pub(crate) fn wrong(&self, what: &'static str) -> RowError {
        RowError::Value { column: self.name.clone(), what }
    }
}
