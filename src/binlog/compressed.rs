//! MariaDB's compressed events: QUERY_COMPRESSED and the row events of `log_bin_compress=ON`.
//!
//! They are laid out as their plain kinds, but for the last part (a statement's text, the rows), which is packed:
//!
//! ```text
//! | 1 bit set, 3 algorithm: 0, 4 length of the length: 1 to 4 | length, big-endian | zlib stream |
//! ```
//! Nothing may follow the stream, and it must make as many bytes as it claims. What this does not do: MariaDB's
//! COMPRESSED columns, which are packed otherwise (`crate::row`). MariaDB: "Compressing Events to Reduce Size of the
//! Binary Log".

use flate2::{Decompress, FlushDecompress, Status};

use super::MAX_EVENT_SIZE;
use super::error::EventError;
use super::event::{self, Event, FormatDescription, QueryEvent, RowsEvent};
use super::header::{EventType, RawEvent};
use crate::statement::{StatementKind, classify};
use crate::wire::{self, Problem};

/// The header byte of a zlib stream, and the bits of it that are not the length of the length.
const ZLIB: u8 = 0x80;
const ALGORITHM: u8 = 0xf8;
const LENGTH_BYTES: u8 = 0x07;

/// No deflate stream unpacks to more than about 1032 times its size.
const MAX_RATIO: usize = 1040;

/// Memory taken at once; more only as it is filled.
const STEP: usize = 1 << 20;

/// Bytes of a statement that tell its kind, unless they are all comment.
const PREFIX: usize = 4 << 10;

/// Bytes of a statement that tell its kind in any case.
const LONG_PREFIX: usize = 16 << 20;

impl EventType {
    /// MariaDB's compressed kinds, which [`Inflater::parse`] reads.
    #[inline]
    #[must_use]
    pub fn is_compressed(self) -> bool {
        matches!(self.0, 165..=171)
    }

    /// QUERY and its compressed kind.
    #[inline]
    #[must_use]
    pub fn is_query(self) -> bool {
        matches!(self, Self::QUERY | Self::MARIA_QUERY_COMPRESSED)
    }

    /// The type that a compressed one is laid out as.
    fn plain(self) -> Self {
        match self.0 {
            165 => Self::QUERY,
            166..=168 => Self(self.0 - 166 + Self::WRITE_ROWS_V1.0),
            169..=171 => Self(self.0 - 169 + Self::WRITE_ROWS.0),
            _ => self,
        }
    }
}

/// Unpacks events, one after the other, with one set of buffers.
pub struct Inflater {
    stream: Decompress,
    out: Vec<u8>,
}

impl Default for Inflater {
    fn default() -> Self {
        Self { stream: Decompress::new(true), out: Vec::new() }
    }
}

/// A plain or compressed event that holds a statement, for those who see few of them; `None` if it holds none.
///
/// # Errors
/// When it is malformed, or does not unpack to what it claims.
pub fn with_query<T>(
    raw: &RawEvent<'_>,
    fde: &FormatDescription,
    read: impl FnOnce(&QueryEvent<'_>) -> T,
) -> Result<Option<T>, EventError> {
    let mut inflater;
    let event = if raw.header.event_type.is_compressed() {
        inflater = Inflater::default();
        inflater.parse(raw, fde)?
    } else {
        event::parse(raw, fde)?
    };
    Ok(match event {
        Event::Query(query) => Some(read(&query)),
        _ => None,
    })
}

impl Inflater {
    /// Parses a compressed event as the plain one it stands for.
    ///
    /// # Errors
    /// When it is malformed, or does not unpack to what it claims.
    pub fn parse<'a>(&'a mut self, raw: &RawEvent<'a>, fde: &FormatDescription) -> Result<Event<'a>, EventError> {
        let event_type = raw.header.event_type;
        let mut plain = *raw;
        plain.header.event_type = event_type.plain();
        match event::parse(&plain, fde).map_err(|error| error.of(event_type))? {
            Event::Query(query) => {
                self.inflate(raw, fde, query.statement)?;
                Ok(Event::Query(QueryEvent { statement: &self.out, ..query }))
            }
            Event::Rows(rows) => {
                self.inflate(raw, fde, rows.rows)?;
                Ok(Event::Rows(RowsEvent { rows: &self.out, ..rows }))
            }
            other => Ok(other),
        }
    }

    /// Unpacks `packed`, the last part of the event.
    fn inflate(&mut self, raw: &RawEvent<'_>, fde: &FormatDescription, packed: &[u8]) -> Result<(), EventError> {
        let end = raw.body(fde.checksum)?.len().saturating_add(super::HEADER_LEN);
        let wrong = |error| event::malformed(raw.header.event_type, end, error);
        let (stream, size) = record_header(packed).map_err(wrong)?;
        self.stream.reset(true);
        let whole = fill(&mut self.stream, stream, size, &mut self.out);
        let used = usize::try_from(self.stream.total_in()).unwrap_or(usize::MAX);
        let rest = stream.get(used..).unwrap_or_default();
        let exact = whole && self.out.len() == size;
        if exact && rest.is_empty() {
            return Ok(());
        }
        Err(wrong(wire::fail(rest, "compressed data", if exact { Problem::Trailing } else { Problem::Invalid })))
    }
}

/// The kind of the statement of a QUERY_COMPRESSED event, of which no more than needed is unpacked.
pub(super) fn statement_kind(body: &[u8], fde: &FormatDescription) -> Result<StatementKind, EventError> {
    let wrong = |error| event::malformed(EventType::MARIA_QUERY_COMPRESSED, super::HEADER_LEN + body.len(), error);
    let packed = event::query_statement(body, fde).map_err(|error| error.of(EventType::MARIA_QUERY_COMPRESSED))?;
    let (stream, size) = record_header(packed).map_err(wrong)?;
    let mut start = Vec::new();
    for prefix in [PREFIX, LONG_PREFIX] {
        let len = size.min(prefix);
        fill(&mut Decompress::new(true), stream, len, &mut start);
        if start.len() < len {
            return Err(wrong(wire::fail(stream, "compressed data", Problem::Invalid)));
        }
        let kind = classify(&start);
        // What is cut in its first word, or before it, looks like one of these; a long text is no transaction control.
        if len == size || matches!(kind, StatementKind::Ddl | StatementKind::Dml) {
            return Ok(kind);
        }
    }
    Ok(classify(&start))
}

/// The zlib stream and the bytes it unpacks to, if that is possible.
fn record_header(input: &[u8]) -> Result<(&[u8], usize), nom::Err<wire::ParseError>> {
    let (i, header) = wire::u8("compression header")(input)?;
    if header & ALGORITHM != ZLIB {
        return Err(wire::fail(input, "compression header", Problem::Unknown(u64::from(header))));
    }
    let at = i;
    let (i, length) = wire::bytes(usize::from(header & LENGTH_BYTES), "uncompressed length")(i)?;
    let size = length.iter().fold(0_u64, |n, byte| n << 8 | u64::from(*byte));
    let possible = !length.is_empty() && length.len() <= 4 && size <= u64::from(MAX_EVENT_SIZE);
    match usize::try_from(size) {
        Ok(size) if possible && size <= i.len().saturating_mul(MAX_RATIO) => Ok((i, size)),
        _ => Err(wire::fail(at, "uncompressed length", Problem::Invalid)),
    }
}

/// Unpacks at most `size` bytes into `out`. True if the stream ends with them.
fn fill(stream: &mut Decompress, packed: &[u8], size: usize, out: &mut Vec<u8>) -> bool {
    out.clear();
    let mut made = 0;
    let ends = loop {
        if made == out.len() && made < size {
            // The size is only a claim: memory is taken as it is filled.
            out.resize(size.min(made.saturating_add(STEP.max(made))), 0);
        }
        // Behind the claimed end, one byte more would be too many.
        let mut beyond = [0];
        let to = if made < size { out.get_mut(made..).unwrap_or_default() } else { &mut beyond[..] };
        let (read, written) = (stream.total_in(), stream.total_out());
        let input = packed.get(usize::try_from(read).unwrap_or(usize::MAX)..).unwrap_or_default();
        let status = stream.decompress(input, to, FlushDecompress::None);
        let more = usize::try_from(stream.total_out().saturating_sub(written)).unwrap_or(usize::MAX);
        if made == size && more > 0 {
            break false;
        }
        made = made.saturating_add(more);
        match status {
            Ok(Status::StreamEnd) => break true,
            Ok(_) if more > 0 || stream.total_in() > read => {}
            Ok(_) | Err(_) => break false,
        }
    };
    out.truncate(made);
    ends
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::binlog::event::samples::{ALL, bytes, description};

    fn deflated(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(6));
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    /// A packed last part.
    fn packed(size: usize, stream: &[u8]) -> Vec<u8> {
        let size = u32::try_from(size).unwrap().to_be_bytes();
        [&[0x84][..], &size, stream].concat()
    }

    /// The body of a QUERY_COMPRESSED event with this last part.
    fn query(packed: &[u8]) -> Vec<u8> {
        [&[0; 14], packed].concat()
    }

    fn kind(packed: &[u8]) -> Result<StatementKind, EventError> {
        statement_kind(&query(packed), &description("MARIA"))
    }

    /// Parses a body as an event of this type.
    fn parse(event_type: EventType, body: &[u8], check: impl FnOnce(Result<Event<'_>, EventError>)) {
        let mut event = vec![0; 19];
        event.extend_from_slice(body);
        event.extend_from_slice(&[0; 4]);
        event[4] = event_type.0;
        let size = u32::try_from(event.len()).unwrap();
        event[9..13].copy_from_slice(&size.to_le_bytes());
        check(Inflater::default().parse(&RawEvent::cut(&event).unwrap().0, &description("MARIA")));
    }

    #[test]
    fn a_servers_compressed_events_are_what_the_plain_ones_would_be() {
        let mut inflater = Inflater::default();
        let mut seen = Vec::new();
        for (name, hex) in ALL.iter().filter(|(name, _)| name.ends_with("_COMPRESSED")) {
            let event = bytes(hex);
            let (raw, _) = RawEvent::cut(&event).unwrap();
            let fde = description(name);
            raw.verify_checksum(fde.checksum).unwrap();
            assert!(raw.header.event_type.is_compressed());
            let text = match inflater.parse(&raw, &fde).unwrap() {
                Event::Query(query) => {
                    assert_eq!(statement_kind(raw.body(fde.checksum).unwrap(), &fde), Ok(StatementKind::Ddl));
                    String::from_utf8(query.statement.to_vec()).unwrap()
                }
                Event::Rows(rows) => format!("{:?} {} {} bytes", rows.kind, rows.width, rows.rows.len()),
                other => panic!("{other:?}"),
            };
            seen.push(text);
        }
        let expected = [
            "create table z.t(id int primary key, v varchar(300))",
            "Write 2 257 bytes",
            "Update 2 364 bytes",
            "Delete 2 107 bytes",
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn what_comes_out_is_held_against_the_claim() {
        let text = b"INSERT INTO t VALUES ".repeat(100_000);
        let stream = deflated(&text);
        let problem = |size: usize, stream: &[u8]| {
            let mut problem = None;
            parse(EventType::MARIA_QUERY_COMPRESSED, &query(&packed(size, stream)), |event| {
                problem = match event {
                    Ok(Event::Query(query)) => {
                        assert!(query.statement == text);
                        None
                    }
                    Err(EventError::Malformed { problem, event_type: EventType::MARIA_QUERY_COMPRESSED, .. }) => {
                        Some(problem)
                    }
                    other => panic!("{other:?}"),
                };
            });
            problem
        };
        assert_eq!(problem(text.len(), &stream), None);
        for (size, stream) in [
            (text.len() + 1, &stream[..]),
            (text.len() - 1, &stream),
            (text.len(), &stream[..stream.len() - 1]),
            (text.len(), &stream[1..]),
            (1 << 30, &stream),
            (0, &stream),
            (usize::try_from(u32::MAX).unwrap(), &stream),
        ] {
            assert_eq!(problem(size, stream), Some(Problem::Invalid), "{size}");
        }
        assert_eq!(problem(text.len(), &[&stream[..], b"x"].concat()), Some(Problem::Trailing));
    }

    #[test]
    fn unknown_algorithms_and_lengths_are_refused() {
        for header in [0x00, 0x04, 0x94, 0x80, 0x85, 0x8c, 0xff] {
            let mut part = packed(1, &deflated(b"x"));
            part[0] = header;
            parse(EventType::MARIA_QUERY_COMPRESSED, &query(&part), |event| {
                assert!(matches!(event, Err(EventError::Malformed { .. })), "{header:#x}");
            });
            assert!(kind(&part).is_err(), "{header:#x}");
        }
        assert!(kind(&[]).is_err());
    }

    #[test]
    fn a_statements_kind_is_told_by_its_beginning() {
        let of = |text: &[u8]| kind(&packed(text.len(), &deflated(text))).unwrap();
        assert_eq!(of(b"BEGIN"), StatementKind::Begin);
        assert_eq!(of(b"XA START 'a long name of it'"), StatementKind::XaStart);
        let long = [b"CREATE TABLE t (".to_vec(), b"/* x */".repeat(100_000)].concat();
        assert_eq!(of(&long), StatementKind::Ddl);
        let late = [b"/* x */ ".repeat(100_000), b"DROP TABLE t".to_vec()].concat();
        assert_eq!(of(&late), StatementKind::Ddl);
        // Cut inside its first word, it would be another.
        let cut = [&b" ".repeat(PREFIX - 2)[..], b"ALTER TABLE t FORCE", &b" ".repeat(100)].concat();
        assert_eq!(of(&cut), StatementKind::Ddl);
        // Only what is needed is unpacked: damage far behind is the worker's to find.
        let noise: Vec<u8> = (0..100_000_u64).map(|n| b'a' + u8::try_from(n * n * 31 % 23).unwrap()).collect();
        let text = [b"INSERT INTO t VALUES ('".to_vec(), noise, b"')".to_vec()].concat();
        let stream = deflated(&text);
        assert_eq!(kind(&packed(text.len(), &stream[..stream.len() - 9])), Ok(StatementKind::Dml));
        assert!(kind(&packed(text.len(), &stream[..20])).is_err());
    }
}
