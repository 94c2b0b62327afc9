//! Large payloads (TRANSACTION_PAYLOAD_EVENT): handed on in pieces, like other large transactions, and unpacked as a
//! stream.
//!
//! A payload is unpacked twice: once to see that its events make one whole transaction, and how that ends, and once to
//! hand them on. That takes no more time than writing it to a temporary file and reading it back, and needs neither
//! disk nor memory for what may be a thousand times the size of the log. Of the packed bytes, too, no more than a
//! piece is held. One that is small enough is unpacked once and kept; still smaller ones do not come here (`payload`).

use std::io::{self, BufRead, BufReader, Read};
use std::ops::Range;
use std::sync::Arc;

use super::frame::may_change_tables;
use super::pieces::{Chain, Piece};
use super::xa::Look;
use super::{BATCH_BYTES, Coordinator, Halt, Open};
use crate::binlog::contents::{Contents, ContentsError};
use crate::binlog::event::{self, OwnedXid};
use crate::binlog::payload::{Compression, MAX_FIELDS_LEN, PayloadError, PayloadFields, Unpacker, Unpacking};
use crate::binlog::{
    CHECKSUM_LEN, ChecksumAlgorithm, EventError, EventHeader, EventType, HEADER_LEN, MAX_EVENT_SIZE, RawEvent,
};
use crate::change::GroupEnd;
use crate::pipeline::batch::Inside;
use crate::pipeline::error::{ApplyError, Place};
use crate::pipeline::input::Spool;
use crate::position::LogPosition;

/// What a payload unpacks to at most where it is unpacked once and kept until it is handed on.
const KEPT: u64 = 8 << 20;

/// Bytes read at once.
const CHUNK: usize = 128 << 10;

/// What a look at all events of a payload found.
struct Found {
    end: GroupEnd,
    /// Offset of the last row event.
    last_rows: Option<u64>,
    changes_schema: bool,
    /// The name it is prepared under.
    name: Option<OwnedXid>,
}

/// A large payload.
struct Packed {
    fields: PayloadFields,
    /// The payload in the spool.
    range: Range<u64>,
    /// The event.
    place: Place,
}

impl Packed {
    /// The part of the packed bytes that stands for the first `unpacked` bytes of what they unpack to.
    fn share(&self, unpacked: u64) -> u64 {
        let part = u128::from(self.fields.size) * u128::from(unpacked) / u128::from(self.fields.unpacked.max(1));
        u64::try_from(part).unwrap_or(self.fields.size)
    }

    fn inside(&self, offset: u64) -> Place {
        Place { inside: Some(offset), ..self.place.clone() }
    }

    fn undecodable(&self, what: String, inside: Option<u64>) -> Halt {
        let place = Box::new(Place { inside, ..self.place.clone() });
        Halt::Error(ApplyError::Undecodable { what, place, hint: None })
    }
}

impl<O> Coordinator<'_, O> {
    /// Hands on a transaction that ends with a payload event, of which `event` is the range in the spool.
    pub(super) fn packed(
        &mut self,
        spool: &Spool,
        open: &mut Open,
        end: &LogPosition,
        event: Range<u64>,
    ) -> Result<Option<Look>, Halt> {
        let place = Place {
            read: Some(LogPosition::new(self.file_name(), self.buffer_at.saturating_add(event.start))),
            source: Some(open.start.at(open.start.pos.saturating_add(event.start))),
            gtid: open.gtid.clone(),
            ..Place::default()
        };
        let packed = self.read_fields(spool, &event, place)?;
        self.check_crc(spool, &event, &packed)?;
        // Taken for the time of the work, so that the coordinator can be used along with it.
        let mut unpacker = self.unpacker.take().unwrap_or_default();
        let result = self.hand_on(&mut unpacker, spool, &packed, open, end, event.start);
        self.unpacker = Some(unpacker);
        result
    }

    fn hand_on(
        &mut self,
        unpacker: &mut Unpacker,
        spool: &Spool,
        packed: &Packed,
        open: &mut Open,
        end: &LogPosition,
        event: u64,
    ) -> Result<Option<Look>, Halt> {
        let mut kept = Vec::new();
        let mut fields = packed.fields;
        let mut source = Source::Log { spool, range: packed.range.clone() };
        if fields.unpacked <= KEPT {
            let mut events = unpacker.stream(&fields, source);
            let read = events.read_to_end(&mut kept);
            read.map_err(|error| self.unpack_error(packed, error, events.position()))?;
            fields.compression = Compression::None;
            source = Source::Kept(&kept);
        }
        let found = self.look_inside(packed, unpacker.stream(&fields, source.clone()))?;
        open.changes_schema |= found.changes_schema;
        let mut chain = self.chain(open, end, found.end, found.name)?;
        self.pieces(spool, &mut chain, 0..event, None, false)?;
        self.unpacked_pieces(packed, &mut chain, unpacker.stream(&fields, source), found.last_rows)?;
        Ok(chain.look)
    }

    fn read_fields(&self, spool: &Spool, event: &Range<u64>, place: Place) -> Result<Packed, Halt> {
        let to_u64 = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let tail = if self.format.checksum == ChecksumAlgorithm::Off { 0 } else { CHECKSUM_LEN };
        let body = event.start.saturating_add(to_u64(HEADER_LEN));
        let body_len = event.end.saturating_sub(body).saturating_sub(to_u64(tail));
        let mut start = vec![0; MAX_FIELDS_LEN.min(usize::try_from(body_len).unwrap_or(usize::MAX))];
        spool.read_exact_at(&mut start, body).map_err(|error| self.read_error(error))?;
        let fields = PayloadFields::parse(&start).map_err(|error| ApplyError::event(&error, place.clone()))?;
        let range = body.saturating_add(to_u64(fields.len))..body.saturating_add(body_len);
        let packed = Packed { fields, range, place };
        fields.check(body_len).map_err(|error| packed.undecodable(error.to_string(), None))?;
        Ok(packed)
    }

    /// The whole event is covered by its own checksum; what it holds has none.
    fn check_crc(&self, spool: &Spool, event: &Range<u64>, packed: &Packed) -> Result<(), Halt> {
        if self.format.checksum == ChecksumAlgorithm::Off {
            return Ok(());
        }
        let covered = event.end.saturating_sub(u64::try_from(CHECKSUM_LEN).unwrap_or(0));
        let mut crc = crc32fast::Hasher::new();
        let mut reader = BufReader::with_capacity(CHUNK, Source::Log { spool, range: event.start..covered });
        loop {
            let bytes = reader.fill_buf().map_err(|error| self.read_error(error))?;
            let len = bytes.len();
            if len == 0 {
                break;
            }
            crc.update(bytes);
            reader.consume(len);
        }
        let mut stored = [0; CHECKSUM_LEN];
        spool.read_exact_at(&mut stored, covered).map_err(|error| self.read_error(error))?;
        let (stored, computed) = (u32::from_le_bytes(stored), crc.finalize());
        if stored == computed {
            return Ok(());
        }
        let error = EventError::Checksum { event_type: EventType::TRANSACTION_PAYLOAD, stored, computed };
        Err(ApplyError::event(&error, packed.place.clone()).into())
    }

    /// Unpacks a payload to its end to see that its events make one transaction.
    fn look_inside(&mut self, packed: &Packed, events: Unpacking<'_, Source<'_>>) -> Result<Found, Halt> {
        let claimed = packed.fields.unpacked;
        let mut events = BufReader::with_capacity(CHUNK, events);
        let mut contents = Contents::new();
        let (mut offset, mut last_rows, mut changes, mut name) = (0_u64, None, false, None);
        let mut bytes = Vec::new();
        while offset < claimed {
            let misfit = |error: ContentsError| packed.undecodable(error.to_string(), Some(offset));
            let failed = |error| self.unpack_error(packed, error, offset);
            bytes.clear();
            take(&mut events, &mut bytes, HEADER_LEN).map_err(failed)?;
            let left = claimed.saturating_sub(offset);
            let Some(header) = EventHeader::read(&bytes) else { return Err(misfit(ContentsError::NoEnd)) };
            let EventHeader { event_type, event_size: size, .. } = header;
            let body_len = usize::try_from(size).ok().and_then(|size| size.checked_sub(HEADER_LEN));
            let Some(body_len) = body_len.filter(|_| u64::from(size) <= left && size <= MAX_EVENT_SIZE) else {
                return Err(misfit(ContentsError::Cut { event_type, size, left }));
            };
            if contents.needs_body(event_type) || event_type.is_query() {
                take(&mut events, &mut bytes, body_len).map_err(failed)?;
            } else {
                skip(&mut events, body_len).map_err(failed)?;
            }
            let body = bytes.get(HEADER_LEN..).unwrap_or_default();
            contents.feed(&header, body, &self.plain_format).map_err(misfit)?;
            if event_type.is_row_event() {
                last_rows = Some(offset);
            }
            if event_type == EventType::XA_PREPARE {
                let prepare = event::xa_prepare(body).map_err(|error| misfit(error.into()))?;
                name = Some(prepare.xid.to_owned());
            }
            if event_type.is_query() {
                let raw = RawEvent { header, bytes: &bytes };
                let format = Arc::clone(&self.plain_format);
                let kind = self.statement(&raw, &format).map_err(|error| error.at(packed.inside(offset)))?;
                changes |= may_change_tables(kind);
            }
            offset = offset.saturating_add(u64::from(size));
        }
        // At its claimed end it must end.
        events.fill_buf().map_err(|error| self.unpack_error(packed, error, offset))?;
        let end = contents.end().map_err(|error| packed.undecodable(error.to_string(), None))?;
        Ok(Found { end, last_rows, changes_schema: changes, name })
    }

    /// Hands on the events of a payload that was looked into.
    fn unpacked_pieces(
        &mut self,
        packed: &Packed,
        chain: &mut Chain,
        mut events: Unpacking<'_, Source<'_>>,
        last_rows: Option<u64>,
    ) -> Result<(), Halt> {
        let to_u64 = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let mut offset = 0_u64;
        let mut bytes = self.dispatch.buffer();
        loop {
            let whole = fill(&mut events, &mut bytes).map_err(|error| self.unpack_error(packed, error, offset))?;
            let mut next = self.dispatch.buffer();
            let mut piece = Piece {
                place: packed.inside(offset),
                format: Arc::clone(&self.plain_format),
                inside: None,
                last_rows: last_rows.and_then(|at| at.checked_sub(offset)).and_then(|at| usize::try_from(at).ok()),
                complete: false,
                bytes,
            };
            let used = self.new_tables_at(chain, &piece)?.unwrap_or(whole);
            if used == 0 {
                return Err(packed.undecodable(ContentsError::NoEnd.to_string(), Some(offset)));
            }
            next.extend_from_slice(piece.bytes.get(used..).unwrap_or_default());
            piece.bytes.truncate(used);
            let end = offset.saturating_add(to_u64(used));
            piece.inside = Some(Inside { offset, log_bytes: packed.share(end).saturating_sub(packed.share(offset)) });
            let complete = next.is_empty() && events.left() == 0;
            piece.complete = complete;
            self.send_piece(chain, piece)?;
            if complete {
                return Ok(());
            }
            offset = end;
            bytes = next;
        }
    }

    fn unpack_error(&self, packed: &Packed, error: io::Error, offset: u64) -> Halt {
        match error.get_ref().and_then(|error| error.downcast_ref::<PayloadError>()) {
            Some(payload) => packed.undecodable(payload.to_string(), Some(offset)),
            None => self.read_error(error),
        }
    }
}

/// Where the bytes of a payload are.
#[derive(Clone)]
enum Source<'a> {
    /// In the log, packed.
    Log { spool: &'a Spool, range: Range<u64> },
    /// In memory, unpacked.
    Kept(&'a [u8]),
}

impl Read for Source<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Kept(bytes) => bytes.read(out),
            Self::Log { spool, range } => {
                let left = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
                let len = left.min(out.len());
                spool.read_exact_at(out.get_mut(..len).unwrap_or_default(), range.start)?;
                range.start = range.start.saturating_add(u64::try_from(len).unwrap_or(0));
                Ok(len)
            }
        }
    }
}

/// Appends exactly `len` bytes; takes no memory for bytes that are not there.
fn take(events: &mut impl Read, bytes: &mut Vec<u8>, len: usize) -> io::Result<()> {
    let wanted = u64::try_from(len).unwrap_or(u64::MAX);
    let got = events.take(wanted).read_to_end(bytes)?;
    if got == len { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// Passes over exactly `len` bytes.
fn skip(events: &mut impl BufRead, mut len: usize) -> io::Result<()> {
    while len > 0 {
        let have = events.fill_buf()?.len().min(len);
        if have == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        events.consume(have);
        len = len.saturating_sub(have);
    }
    Ok(())
}

/// Fills `bytes` to about one batch, or to one whole event if that is larger, and returns where its last whole event
/// ends.
fn fill(events: &mut Unpacking<'_, Source<'_>>, bytes: &mut Vec<u8>) -> io::Result<usize> {
    let mut size = BATCH_BYTES;
    loop {
        let missing = size.saturating_sub(bytes.len());
        bytes.reserve(missing);
        let wanted = u64::try_from(missing).unwrap_or(u64::MAX).min(events.left());
        let got = events.by_ref().take(wanted).read_to_end(bytes)?;
        let mut whole = 0;
        while let Some(Ok((raw, _))) = bytes.get(whole..).map(RawEvent::cut) {
            whole = whole.saturating_add(raw.bytes.len());
        }
        let first = EventHeader::read(bytes).map_or(0, |header| header.event_size);
        size = usize::try_from(first).unwrap_or(usize::MAX);
        if whole > 0 || got == 0 || size <= bytes.len() {
            return Ok(whole);
        }
    }
}
