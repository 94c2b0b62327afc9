//! Spatial values as text: WKT, GeoJSON, or their WKB.
//!
//! A value is a 4-byte SRID and then WKB. The texts are what `ST_AsText` and `ST_AsGeoJSON` of MySQL 8 and later print, with
//! coordinates in *stored* order, x before y. For geographic reference systems (SRID 4326) the server's WKT swaps them to
//! the order of the system's axes: latitude before longitude, where what is stored is longitude, latitude; which
//! systems do so, the log does not say, and a catalog may change.
//! Manual: "Internal Geometry Storage Format", "Well-Known Text (WKT) Format"; RFC 7946.

use super::float::{Whole, write_coordinate, write_double};
use super::text::base64;

/// Nesting of collections that is followed.
const MAX_DEPTH: u32 = 64;

const TRUNCATED: &str = "a spatial value that ends too early";

type Result<T> = std::result::Result<T, &'static str>;

/// How spatial values are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GeometryForm {
    /// `"SRID=4326;POINT(10 60)"`, without the first part where the SRID is 0.
    #[default]
    Wkt,
    /// `{"srid":4326,"wkb":"AQE..."}`, the WKB in base64.
    Wkb,
    /// `{"type":"Point","coordinates":[10.0,60.0]}`, with the SRID as `crs` where it is not 0.
    GeoJson,
}

impl GeometryForm {
    /// The forms by name.
    pub const NAMES: &'static [&'static str] = &["wkt", "wkb", "geojson"];

    /// The form of a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "wkt" => Self::Wkt,
            "wkb" => Self::Wkb,
            "geojson" => Self::GeoJson,
            _ => return None,
        })
    }
}

/// Appends a value as JSON. An empty value, which columns hold that became NOT NULL after the fact, is an empty string.
///
/// # Errors
/// What is wrong with the bytes; `out` may hold part of the text.
pub(crate) fn write_json(value: &[u8], form: GeometryForm, out: &mut Vec<u8>) -> Result<()> {
    if value.is_empty() {
        out.extend_from_slice(br#""""#);
        return Ok(());
    }
    let (srid, wkb) = value.split_first_chunk().ok_or(TRUNCATED)?;
    let srid = u32::from_le_bytes(*srid);
    let mut number = itoa::Buffer::new();
    let srid_text = number.format(srid).as_bytes();
    let mut reader = Reader { rest: wkb, big_endian: false, geojson: form == GeometryForm::GeoJson };
    match form {
        GeometryForm::Wkt => {
            out.push(b'"');
            if srid != 0 {
                out.extend_from_slice(b"SRID=");
                out.extend_from_slice(srid_text);
                out.push(b';');
            }
            reader.geometry(None, 0, out)?;
            out.push(b'"');
        }
        GeometryForm::GeoJson => {
            reader.geometry(None, 0, out)?;
            if srid != 0 {
                // The last brace opens again.
                out.pop();
                out.extend_from_slice(br#","crs":{"type":"name","properties":{"name":"EPSG:"#);
                out.extend_from_slice(srid_text);
                out.extend_from_slice(br#""}}}"#);
            }
        }
        GeometryForm::Wkb => {
            out.extend_from_slice(br#"{"srid":"#);
            out.extend_from_slice(srid_text);
            out.extend_from_slice(br#","wkb":""#);
            base64(wkb, out);
            out.extend_from_slice(br#""}"#);
            return Ok(());
        }
    }
    if reader.rest.is_empty() { Ok(()) } else { Err("a spatial value with bytes after its end") }
}

struct Reader<'a> {
    rest: &'a [u8],
    big_endian: bool,
    /// GeoJSON; else WKT.
    geojson: bool,
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

    /// What comes before the coordinates, in WKT and in GeoJSON.
    fn start(self) -> Result<(&'static [u8], &'static [u8])> {
        Ok(match self {
            Self::POINT => (b"POINT", br#"{"type":"Point","coordinates":"#),
            Self::LINESTRING => (b"LINESTRING", br#"{"type":"LineString","coordinates":"#),
            Self::POLYGON => (b"POLYGON", br#"{"type":"Polygon","coordinates":"#),
            Self::MULTIPOINT => (b"MULTIPOINT", br#"{"type":"MultiPoint","coordinates":"#),
            Self::MULTILINESTRING => (b"MULTILINESTRING", br#"{"type":"MultiLineString","coordinates":"#),
            Self::MULTIPOLYGON => (b"MULTIPOLYGON", br#"{"type":"MultiPolygon","coordinates":"#),
            Self::COLLECTION => (b"GEOMETRYCOLLECTION", br#"{"type":"GeometryCollection","geometries":"#),
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
        let finite = if self.geojson { write_double(value, Whole::Point, out) } else { write_coordinate(value, out) };
        if finite { Ok(()) } else { Err("a coordinate that is no number") }
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
            None => {
                let (wkt, geojson) = kind.start()?;
                out.extend_from_slice(if self.geojson { geojson } else { wkt });
            }
        }
        self.coordinates(kind, depth, out)?;
        if self.geojson && inside.is_none() {
            out.push(b'}');
        }
        Ok(())
    }

    fn coordinates(&mut self, kind: Kind, depth: u32, out: &mut Vec<u8>) -> Result<()> {
        match kind {
            Kind::POINT if self.geojson => self.point(out),
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
        if self.geojson {
            out.push(b'[');
        }
        self.coordinate(out)?;
        out.push(if self.geojson { b',' } else { b' ' });
        self.coordinate(out)?;
        if self.geojson {
            out.push(b']');
        }
        Ok(())
    }

    /// A count and as many items, in parentheses; `EMPTY` without any. In GeoJSON an array.
    fn list(&mut self, out: &mut Vec<u8>, mut item: impl FnMut(&mut Self, &mut Vec<u8>) -> Result<()>) -> Result<()> {
        let count = self.number()?;
        if count == 0 {
            out.extend_from_slice(if self.geojson { b"[]" } else { b" EMPTY" });
            return Ok(());
        }
        for index in 0..count {
            out.push(match index {
                0 if self.geojson => b'[',
                0 => b'(',
                _ => b',',
            });
            item(self, out)?;
        }
        out.push(if self.geojson { b']' } else { b')' });
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn shown(value: &[u8], form: GeometryForm) -> Result<String> {
        let mut out = Vec::new();
        write_json(value, form, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn point(srid: u32, x: f64, y: f64) -> Vec<u8> {
        let parts = [&srid.to_le_bytes()[..], &[1, 1, 0, 0, 0], &x.to_le_bytes(), &y.to_le_bytes()];
        parts.concat()
    }

    #[test]
    fn a_point_shows_its_srid_where_it_has_one() {
        use GeometryForm::{GeoJson, Wkb, Wkt};
        let cases = [
            (0, Wkt, r#""POINT(1 -2.5)""#),
            (4326, Wkt, r#""SRID=4326;POINT(1 -2.5)""#),
            (0, GeoJson, r#"{"type":"Point","coordinates":[1.0,-2.5]}"#),
            (
                4326,
                GeoJson,
                r#"{"type":"Point","coordinates":[1.0,-2.5],"crs":{"type":"name","properties":{"name":"EPSG:4326"}}}"#,
            ),
            (4326, Wkb, r#"{"srid":4326,"wkb":"AQEAAAAAAAAAAADwPwAAAAAAAATA"}"#),
        ];
        for (srid, form, text) in cases {
            assert_eq!(shown(&point(srid, 1.0, -2.5), form).as_deref(), Ok(text));
        }
        for form in [Wkt, Wkb, GeoJson] {
            assert_eq!(shown(&[], form).as_deref(), Ok(r#""""#));
        }
    }

    #[test]
    fn parts_of_every_depth_are_shown_in_both_texts() {
        // A collection of a multipoint of one point, an empty collection and a line of one point.
        let mut value = vec![0, 0, 0, 0, 1, 7, 0, 0, 0, 3, 0, 0, 0, 1, 4, 0, 0, 0, 1, 0, 0, 0];
        value.extend_from_slice(&point(0, 1.0, 2.0)[4..]);
        value.extend_from_slice(&[1, 7, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 1, 0, 0, 0]);
        value.extend_from_slice(&point(0, 3.0, 4.0)[9..]);
        assert_eq!(
            shown(&value, GeometryForm::Wkt).as_deref(),
            Ok(r#""GEOMETRYCOLLECTION(MULTIPOINT((1 2)),GEOMETRYCOLLECTION EMPTY,LINESTRING(3 4))""#)
        );
        assert_eq!(
            shown(&value, GeometryForm::GeoJson).as_deref(),
            Ok(concat!(
                r#"{"type":"GeometryCollection","geometries":[{"type":"MultiPoint","coordinates":[[1.0,2.0]]},"#,
                r#"{"type":"GeometryCollection","geometries":[]},{"type":"LineString","coordinates":[[3.0,4.0]]}]}"#
            ))
        );
    }

    #[test]
    fn every_form_has_a_name() {
        let forms: Vec<_> = GeometryForm::NAMES.iter().map(|name| GeometryForm::parse(name).unwrap()).collect();
        assert_eq!(forms, [GeometryForm::Wkt, GeometryForm::Wkb, GeometryForm::GeoJson]);
        assert_eq!(GeometryForm::parse("WKT"), None);
    }

    #[test]
    fn collections_nested_without_end_are_refused() {
        let mut value = vec![0; 4];
        for _ in 0..1000 {
            value.extend_from_slice(&[1, 7, 0, 0, 0, 1, 0, 0, 0]);
        }
        for form in [GeometryForm::Wkt, GeometryForm::GeoJson] {
            assert_eq!(shown(&value, form), Err("a spatial value nested too deeply"));
        }
    }

    #[test]
    fn damaged_values_are_refused() {
        for bad in [&[0, 0, 0][..], &[0, 0, 0, 0, 1, 2, 0, 0, 0, 255, 255, 255, 255], &[0, 0, 0, 0, 2, 1, 0, 0, 0]] {
            assert!(shown(bad, GeometryForm::Wkt).is_err());
            assert!(shown(bad, GeometryForm::GeoJson).is_err());
        }
    }
}
