//! The optional metadata of a TABLE_MAP_EVENT: signedness, character sets, names, labels, keys.
//!
//! Fields are type-length-value; fields of a type not listed here are passed over by their length. MySQL 8.0 and
//! later always write signedness, character sets and geometry types, and the rest with `binlog_row_metadata=FULL`;
//! MariaDB 10.5 and later write the same fields with the same numbers, and nothing by default (NO_LOG).
//! What it does not do: decide which column a value belongs to; see [`super::plan`].
//! Manual: `binlog_row_metadata`; MySQL source, `libbinlogevents/rows_event.h`, Optional_metadata_field_type.

/// A type code of the optional metadata. Unknown codes survive and are passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FieldType(u8);

impl FieldType {
    const SIGNEDNESS: Self = Self(1);
    const DEFAULT_CHARSET: Self = Self(2);
    const COLUMN_CHARSET: Self = Self(3);
    const COLUMN_NAME: Self = Self(4);
    const SET_STR_VALUE: Self = Self(5);
    const ENUM_STR_VALUE: Self = Self(6);
    const GEOMETRY_TYPE: Self = Self(7);
    const SIMPLE_PRIMARY_KEY: Self = Self(8);
    const PRIMARY_KEY_WITH_PREFIX: Self = Self(9);
    const ENUM_AND_SET_DEFAULT_CHARSET: Self = Self(10);
    const ENUM_AND_SET_COLUMN_CHARSET: Self = Self(11);
    const COLUMN_VISIBILITY: Self = Self(12);
    const VECTOR_DIMENSIONALITY: Self = Self(13);
}

/// Collations of a class of columns, in either of the two forms the server chooses from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Charsets {
    /// One for most columns, and pairs of index (among the columns of the class) and collation for the others.
    Default(u64, Vec<(u64, u64)>),
    /// One a column of the class.
    Each(Vec<u64>),
}

impl Charsets {
    /// The collation of the `index`-th column of the class.
    pub(super) fn get(&self, index: usize) -> Option<u16> {
        let id = match self {
            Self::Default(default, others) => {
                others.iter().find(|(i, _)| usize::try_from(*i) == Ok(index)).map_or(*default, |(_, id)| *id)
            }
            Self::Each(ids) => *ids.get(index)?,
        };
        u16::try_from(id).ok()
    }
}

/// The labels of one ENUM or SET column: bytes in the column's character set.
pub(super) type Labels<'a> = Vec<&'a [u8]>;

/// The optional metadata, taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Metadata<'a> {
    /// SIGNEDNESS: one bit a numeric column (YEAR counts), the first in the highest bit; 1 is unsigned.
    pub signedness: Option<&'a [u8]>,
    /// DEFAULT_CHARSET or COLUMN_CHARSET.
    pub charsets: Option<Charsets>,
    /// COLUMN_NAME.
    pub names: Option<Vec<&'a [u8]>>,
    /// SET_STR_VALUE: one entry a SET column.
    pub set_labels: Option<Vec<Labels<'a>>>,
    /// ENUM_STR_VALUE: one entry an ENUM column.
    pub enum_labels: Option<Vec<Labels<'a>>>,
    /// GEOMETRY_TYPE: one number a spatial column.
    pub geometry_types: Option<Vec<u64>>,
    /// SIMPLE_PRIMARY_KEY or the columns of PRIMARY_KEY_WITH_PREFIX, in key order.
    pub primary_key: Option<Vec<u64>>,
    /// ENUM_AND_SET_DEFAULT_CHARSET or ENUM_AND_SET_COLUMN_CHARSET.
    pub enum_set_charsets: Option<Charsets>,
    /// COLUMN_VISIBILITY: one bit a column, the first in the highest bit; 1 is visible.
    pub visibility: Option<&'a [u8]>,
    /// VECTOR_DIMENSIONALITY: one number a VECTOR column.
    pub vector_dimensions: Option<Vec<u64>>,
}

/// The optional metadata ends inside a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the table map's optional metadata is malformed in field type {0}")]
pub struct MetadataError(pub u8);

/// Cuts values off the front of a slice.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(head)
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// A length-encoded integer.
    fn packed(&mut self) -> Option<u64> {
        let width = match self.byte()? {
            small @ 0..=250 => return Some(u64::from(small)),
            252 => 2,
            253 => 3,
            254 => 8,
            _ => return None,
        };
        Some(self.take(width)?.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)))
    }

    fn packed_bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.packed()?).ok()?;
        self.take(len)
    }

    /// Repeats `item` until the bytes are used up.
    fn all<T>(mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let mut items = Vec::new();
        while !self.0.is_empty() {
            items.push(item(&mut self)?);
        }
        Some(items)
    }
}

fn labels<'a>(cursor: &mut Cursor<'a>) -> Option<Labels<'a>> {
    let count = usize::try_from(cursor.packed()?).ok()?;
    if count > cursor.0.len() {
        return None;
    }
    (0..count).map(|_| cursor.packed_bytes()).collect()
}

fn default_charset(mut value: Cursor<'_>) -> Option<Charsets> {
    let default = value.packed()?;
    Some(Charsets::Default(default, value.all(|c| Some((c.packed()?, c.packed()?)))?))
}

impl<'a> Metadata<'a> {
    /// Takes the optional metadata apart; no bytes at all is a table map without any.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, MetadataError> {
        let mut metadata = Self::default();
        let mut cursor = Cursor(bytes);
        while let Some(code) = cursor.byte() {
            let value = cursor.packed_bytes().ok_or(MetadataError(code))?;
            metadata.field(FieldType(code), value).ok_or(MetadataError(code))?;
        }
        Ok(metadata)
    }

    fn field(&mut self, field: FieldType, bytes: &'a [u8]) -> Option<()> {
        let value = Cursor(bytes);
        match field {
            FieldType::SIGNEDNESS => self.signedness = Some(bytes),
            FieldType::DEFAULT_CHARSET => self.charsets = Some(default_charset(value)?),
            FieldType::COLUMN_CHARSET => self.charsets = Some(Charsets::Each(value.all(Cursor::packed)?)),
            FieldType::COLUMN_NAME => self.names = Some(value.all(Cursor::packed_bytes)?),
            FieldType::SET_STR_VALUE => self.set_labels = Some(value.all(labels)?),
            FieldType::ENUM_STR_VALUE => self.enum_labels = Some(value.all(labels)?),
            FieldType::GEOMETRY_TYPE => self.geometry_types = Some(value.all(Cursor::packed)?),
            FieldType::SIMPLE_PRIMARY_KEY => self.primary_key = Some(value.all(Cursor::packed)?),
            FieldType::PRIMARY_KEY_WITH_PREFIX => {
                let columns = value.all(|c| Some((c.packed()?, c.packed()?)))?;
                self.primary_key = Some(columns.into_iter().map(|(column, _prefix)| column).collect());
            }
            FieldType::ENUM_AND_SET_DEFAULT_CHARSET => self.enum_set_charsets = Some(default_charset(value)?),
            FieldType::ENUM_AND_SET_COLUMN_CHARSET => {
                self.enum_set_charsets = Some(Charsets::Each(value.all(Cursor::packed)?));
            }
            FieldType::COLUMN_VISIBILITY => self.visibility = Some(bytes),
            FieldType::VECTOR_DIMENSIONALITY => self.vector_dimensions = Some(value.all(Cursor::packed)?),
            _ => {}
        }
        Some(())
    }

    /// Whether the `index`-th numeric column is unsigned; `None` where the server did not say.
    pub(super) fn is_unsigned(&self, index: usize) -> Option<bool> {
        bit_from_the_top(self.signedness?, index)
    }
}

/// Bit `index` of a bitmap whose first bit is the highest of the first byte.
fn bit_from_the_top(bits: &[u8], index: usize) -> Option<bool> {
    bits.get(index / 8).map(|byte| byte & (0x80 >> (index % 8)) != 0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_known_types_are_read_and_others_passed_over() {
        let bytes = [
            1,
            1,
            0b1010_0000, // signedness
            2,
            5,
            45,
            1,
            63,
            2,
            8, // default charset with two exceptions
            99,
            3,
            1,
            2,
            3, // unknown
            4,
            5,
            1,
            b'a',
            2,
            b'b',
            b'c', // names
            6,
            5,
            2,
            1,
            b'x',
            1,
            b'y', // enum labels
            9,
            4,
            1,
            0,
            0,
            10, // key with prefix
        ];
        let metadata = Metadata::parse(&bytes).unwrap();
        assert_eq!(metadata.is_unsigned(0), Some(true));
        assert_eq!(metadata.is_unsigned(1), Some(false));
        assert_eq!(metadata.is_unsigned(8), None);
        let charsets = metadata.charsets.as_ref().unwrap();
        assert_eq!((charsets.get(0), charsets.get(1), charsets.get(2)), (Some(45), Some(63), Some(8)));
        assert_eq!(metadata.names.as_deref(), Some(&[&b"a"[..], b"bc"][..]));
        assert_eq!(metadata.enum_labels, Some(vec![vec![&b"x"[..], b"y"]]));
        assert_eq!(metadata.primary_key, Some(vec![1, 0]));
    }

    #[test]
    fn a_field_cut_short_is_an_error() {
        assert_eq!(Metadata::parse(&[1]), Err(MetadataError(1)));
        assert_eq!(Metadata::parse(&[4, 2, 5, b'a']), Err(MetadataError(4)));
        assert_eq!(Metadata::parse(&[6, 3, 254, 255, 255]), Err(MetadataError(6)));
        assert_eq!(Metadata::parse(&[6, 9, 254, 255, 255, 255, 255, 255, 255, 255, 255]), Err(MetadataError(6)));
    }
}
