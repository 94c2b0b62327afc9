//! Spatial values to WKT.
//!
//! A value is a 4-byte SRID and then WKB; the text is what `ST_AsText` of MySQL 8 and later prints, with coordinates in
//! *stored* order, x before y. For geographic reference systems (SRID 4326) the server's own text may swap them to the
//! order of the system's axes: latitude before longitude, where what is stored is longitude, latitude.
//! Manual: "Internal Geometry Storage Format", "Well-Known Text (WKT) Format".

use super::float::{Whole, write_double};

/// Nesting of collections that is followed.
const MAX_DEPTH: u32 = 64;

const TRUNCATED: &str = "a spatial value that ends too early";

type Result<T> = std::result::Result<T, &'static str>;

/// Appends `POINT(1 2)`, with `SRID=n;` before it where the SRID is not 0. An empty value, which columns hold that became
/// NOT NULL after the fact, appends nothing.
///
/// # Errors
/// What is wrong with the bytes; `out` may hold part of the text.
pub(crate) fn write_wkt(value: &[u8], out: &mut Vec<u8>) -> Result<()> {
    if value.is_empty() {
        return Ok(());
    }
    let (srid, wkb) = value.split_first_chunk().ok_or(TRUNCATED)?;
    let srid = u32::from_le_bytes(*srid);
    if srid != 0 {
        out.extend_from_slice(b"SRID=");
        out.extend_from_slice(itoa::Buffer::new().format(srid).as_bytes());
        out.push(b';');
    }
    let mut reader = Reader { rest: wkb, big_endian: false };
    reader.geometry(None, 0, out)?;
    if reader.rest.is_empty() { Ok(()) } else { Err("a spatial value with bytes after its end") }
}

struct Reader<'a> {
    rest: &'a [u8],
    big_endian: bool,
}

/// What a multi-geometry's parts must be.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Kind(u32);

impl Kind {
    const POINT: Self = Self(1);
    const LINESTRING: Self = Self(2);
    const POLYGON: Self = Self(3);
    const MULTIPOINT: Self = Self(4);
    const MULTILINESTRING: Self = Self(5);
    const MULTIPOLYGON: Self = Self(6);
    const COLLECTION: Self = Self(7);

    fn name(self) -> Result<&'static [u8]> {
        Ok(match self {
            Self::POINT => b"POINT",
            Self::LINESTRING => b"LINESTRING",
            Self::POLYGON => b"POLYGON",
            Self::MULTIPOINT => b"MULTIPOINT",
            Self::MULTILINESTRING => b"MULTILINESTRING",
            Self::MULTIPOLYGON => b"MULTIPOLYGON",
            Self::COLLECTION => b"GEOMETRYCOLLECTION",
            _ => return Err("a spatial value of an unknown type"),
        })
    }
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(TRUNCATED)?;
        self.rest = rest;
        Ok(*head)
    }

    fn number(&mut self) -> Result<u32> {
        let bytes = self.take()?;
        Ok(if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    fn coordinate(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let bytes = self.take()?;
        let value = if self.big_endian { f64::from_be_bytes(bytes) } else { f64::from_le_bytes(bytes) };
        if write_double(value, Whole::Bare, out) { Ok(()) } else { Err("a coordinate that is no number") }
    }

    /// A geometry with its header; inside a multi-geometry (`inside`) its name is left out.
    fn geometry(&mut self, inside: Option<Kind>, depth: u32, out: &mut Vec<u8>) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err("a spatial value nested too deeply");
        }
        self.big_endian = match self.take()? {
            [0] => true,
            [1] => false,
            _ => return Err("a spatial value of an unknown byte order"),
        };
        let kind = Kind(self.number()?);
        match inside {
            Some(expected) if expected != kind => return Err("a spatial value with a part of the wrong type"),
            Some(_) => {}
            None => out.extend_from_slice(kind.name()?),
        }
        match kind {
            Kind::POINT => {
                out.push(b'(');
                self.point(out)?;
                out.push(b')');
                Ok(())
            }
            Kind::LINESTRING => self.list(out, Self::point),
            Kind::POLYGON => self.list(out, |reader, out| reader.list(out, Self::point)),
            Kind::MULTIPOINT => self.parts(Some(Kind::POINT), depth, out),
            Kind::MULTILINESTRING => self.parts(Some(Kind::LINESTRING), depth, out),
            Kind::MULTIPOLYGON => self.parts(Some(Kind::POLYGON), depth, out),
            _ => self.parts(None, depth, out),
        }
    }

    fn parts(&mut self, kind: Option<Kind>, depth: u32, out: &mut Vec<u8>) -> Result<()> {
        self.list(out, |reader, out| reader.geometry(kind, depth + 1, out))
    }

    fn point(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.coordinate(out)?;
        out.push(b' ');
        self.coordinate(out)
    }

    /// A count and as many items, in parentheses; `EMPTY` without any.
    fn list(&mut self, out: &mut Vec<u8>, mut item: impl FnMut(&mut Self, &mut Vec<u8>) -> Result<()>) -> Result<()> {
        let count = self.number()?;
        if count == 0 {
            out.extend_from_slice(b" EMPTY");
            return Ok(());
        }
        for index in 0..count {
            out.push(if index == 0 { b'(' } else { b',' });
            item(self, out)?;
        }
        out.push(b')');
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn a_point_shows_its_srid_where_it_has_one() {
        let mut value = vec![0, 0, 0, 0, 1, 1, 0, 0, 0];
        value.extend_from_slice(&1.0f64.to_le_bytes());
        value.extend_from_slice(&(-2.5f64).to_le_bytes());
        let mut out = Vec::new();
        write_wkt(&value, &mut out).unwrap();
        assert_eq!(out, b"POINT(1 -2.5)");
        value[0] = 0xe6;
        value[1] = 0x10;
        out.clear();
        write_wkt(&value, &mut out).unwrap();
        assert_eq!(out, b"SRID=4326;POINT(1 -2.5)");
    }

    #[test]
    fn collections_nested_without_end_are_refused() {
        let mut value = vec![0; 4];
        for _ in 0..1000 {
            value.extend_from_slice(&[1, 7, 0, 0, 0, 1, 0, 0, 0]);
        }
        assert_eq!(write_wkt(&value, &mut Vec::new()), Err("a spatial value nested too deeply"));
    }

    #[test]
    fn damaged_values_are_refused() {
        assert!(write_wkt(&[0, 0, 0], &mut Vec::new()).is_err());
        assert!(write_wkt(&[0, 0, 0, 0, 1, 2, 0, 0, 0, 255, 255, 255, 255], &mut Vec::new()).is_err());
        assert!(write_wkt(&[0, 0, 0, 0, 2, 1, 0, 0, 0], &mut Vec::new()).is_err());
    }
}
