//! MariaDB's COMPRESSED columns.
//!
//! ```text
//! | 4 method, 1 unused, 3 bytes of the length | length, 0 to 7 bytes, big-endian | value |
//! ```
//!
//! Method 0 is the value as it is, method 8 is deflate; bit 3 says raw deflate, else there is a zlib header. An empty
//! value has no bytes at all. Manual: MariaDB, "Storage-Engine Independent Column Compression".

use flate2::{Decompress, FlushDecompress, Status};

use super::plan::{ColumnKind, ColumnPlan};
use super::value::Value;
use super::{RowError, TablePlan};

const STORED: u8 = 0;
const DEFLATE: u8 = 8;
const RAW: u8 = 0x08;
const LENGTH_BYTES: u8 = 0x07;

/// No deflate stream unpacks to more than about 1032 times its size.
const MAX_RATIO: usize = 1040;

impl ColumnPlan {
    /// Reads a value like [`ColumnPlan::value`], and unpacks deflated values of COMPRESSED columns into `scratch`.
    ///
    /// # Errors
    /// As [`ColumnPlan::value`], and when the packed bytes are damaged.
    #[inline]
    pub fn value_in<'a>(&self, bytes: &'a [u8], scratch: &'a mut Vec<u8>) -> Result<Value<'a>, RowError> {
        if matches!(self.kind, ColumnKind::Compressed { .. }) {
            self.inflated(bytes, scratch)
        } else {
            self.value(bytes)
        }
    }

    /// A COMPRESSED value that happens to be stored as it is.
    pub(super) fn uncompressed<'a>(&self, bytes: &'a [u8]) -> Result<Value<'a>, RowError> {
        match bytes.split_first() {
            None => Ok(self.text_or_bytes(&[])),
            Some((header, rest)) if header >> 4 == STORED => Ok(self.text_or_bytes(rest)),
            Some(_) => Err(self.wrong("a deflated value of a COMPRESSED column")),
        }
    }

    #[cold]
    fn inflated<'a>(&self, bytes: &'a [u8], scratch: &'a mut Vec<u8>) -> Result<Value<'a>, RowError> {
        match bytes.first() {
            Some(header) if header >> 4 == DEFLATE => {
                inflate(*header, bytes.get(1..).unwrap_or_default(), scratch)
                    .ok_or_else(|| self.wrong("a COMPRESSED value that cannot be unpacked"))?;
                Ok(self.text_or_bytes(scratch))
            }
            _ => self.uncompressed(bytes),
        }
    }
}

impl TablePlan {
    /// Whether a column may hold deflated values, so that [`ColumnPlan::value_in`] is needed.
    #[must_use]
    pub fn has_compressed(&self) -> bool {
        self.columns.iter().any(|column| matches!(column.kind, ColumnKind::Compressed { .. }))
    }
}

fn inflate(header: u8, bytes: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (length, packed) = bytes.split_at_checked(usize::from(header & LENGTH_BYTES))?;
    let length = length.iter().fold(0usize, |n, b| n << 8 | usize::from(*b));
    if length > packed.len().saturating_mul(MAX_RATIO) {
        return None;
    }
    out.clear();
    out.reserve_exact(length);
    let mut stream = Decompress::new(header & RAW == 0);
    let status = stream.decompress_vec(packed, out, FlushDecompress::Finish).ok()?;
    (out.len() == length && matches!(status, Status::StreamEnd | Status::Ok)).then_some(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn column() -> ColumnPlan {
        ColumnPlan::new("c".into(), ColumnKind::Compressed { length_bytes: 2 }, false, Some(8))
    }

    #[test]
    fn deflated_stored_and_empty_values_come_out_whole() {
        let mut scratch = Vec::new();
        let bytes = [0x8a, 0x03, 0x84, 0x4b, 0x4c, 0x4a, 0x4e, 0x1c, 0x45, 0xa3, 0x68, 0x14, 0x0d, 0x1c, 0x02, 0x00];
        let value = column().value_in(&bytes, &mut scratch).unwrap();
        assert_eq!(value, Value::Text("abc".repeat(300).as_bytes()));
        let mut scratch = Vec::new();
        assert_eq!(column().value_in(&[0, b'x'], &mut scratch), Ok(Value::Text(b"x")));
        let mut scratch = Vec::new();
        assert_eq!(column().value_in(&[], &mut scratch), Ok(Value::Text(b"")));
    }

    #[test]
    fn a_value_that_claims_to_unpack_to_terabytes_is_refused() {
        let mut scratch = Vec::new();
        let bytes = [0x8d, 0x10, 0, 0, 0, 0, 0x4b, 0x4c];
        assert!(column().value_in(&bytes, &mut scratch).is_err());
        assert!(scratch.capacity() < 1 << 20);
    }
}
