//! A list of events: what `replicate decode --format events` runs.
//!
//! One event after the other, in one thread, from bytes to a line. Rows are not looked at, tables need not be known, and
//! a transaction is held back only where its content decides whether it is listed. A damaged event is listed like any
//! other; the first one is the error in the end. What it does not do: the form of a line, which is the caller's.

mod held;
mod packed;
mod wanted;

use std::sync::Arc;
use std::time::Duration;

use self::held::Held;
use self::wanted::Tables;
use super::error::{ApplyError, Place};
use super::input::{LogInput, More};
use crate::binlog::event::{self, Event, FormatDescription};
use crate::binlog::group::{Fed, Grouper, Step};
use crate::binlog::payload::Unpacker;
use crate::binlog::{
    ChecksumAlgorithm, EventFlags, EventHeader, EventType, HEADER_LEN, MAGIC, MAX_EVENT_SIZE, RawEvent, describe,
};
use crate::filter::{Content, Selection, Verdict, Wanted};
use crate::gtid::{Gtid, GtidPos, GtidSet};
use crate::position::{FIRST_EVENT, LogPosition, widen_end};

/// Bytes read at once, and about how many lines' bytes are written at once.
const PIECE: usize = 256 << 10;

/// What an event's checksum says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// There is none.
    None,
    /// It fits.
    Good,
    /// It does not: the event is damaged.
    Bad,
}

/// An event in the list.
#[derive(Debug, Clone, Copy)]
pub struct Listed<'a> {
    /// Name of the file it was read from.
    pub file: &'a str,
    /// Its offset there.
    pub pos: u64,
    /// The header.
    pub header: &'a EventHeader,
    /// Where it ends in the source's log.
    pub end: u64,
    /// The transaction it belongs to.
    pub gtid: Option<&'a Gtid>,
    /// State of its checksum.
    pub checksum: Checksum,
    /// It was inside the payload event before it.
    pub in_payload: bool,
    /// What it is about.
    pub info: &'a [u8],
}

/// Where lines go.
pub trait Listing {
    /// Appends the event's line to `out`.
    fn line(&mut self, event: &Listed<'_>, out: &mut Vec<u8>);

    /// Takes finished lines; `read` bytes of the log are done since the last time.
    ///
    /// # Errors
    /// When they cannot be written.
    fn write(&mut self, lines: &[u8], read: u64) -> Result<(), ApplyError>;
}

/// Lists the events of `input` that are wanted.
///
/// # Errors
/// When the log cannot be read or framed, lines cannot be written, or, after all lines, when an event was damaged.
pub fn run(input: &mut dyn LogInput, wanted: Wanted, listing: &mut dyn Listing) -> Result<(), ApplyError> {
    let mut lister = Lister::new(input, wanted, listing);
    let result = lister.work();
    lister.write_out()?;
    result?;
    lister.damaged.map_or(Ok(()), Err)
}

/// The transaction under way.
struct Open {
    start: LogPosition,
    gtid: Option<Gtid>,
    verdict: Verdict,
    /// Its lines, while it is not known whether it is wanted.
    held: Option<Held>,
}

struct Lister<'a> {
    input: &'a mut dyn LogInput,
    listing: &'a mut dyn Listing,
    selection: Selection,
    content: Content,
    format: FormatDescription,
    grouper: Grouper,
    tables: Tables,
    open: Option<Open>,
    /// Number of the file.
    index: usize,
    name: Arc<str>,
    source: LogPosition,
    buffer: Vec<u8>,
    buffer_at: u64,
    /// Bytes of the buffer that are done.
    done: usize,
    unpacker: Unpacker,
    info: Vec<u8>,
    lines: Vec<u8>,
    unreported: u64,
    damaged: Option<ApplyError>,
}

impl<'a> Lister<'a> {
    fn new(input: &'a mut dyn LogInput, wanted: Wanted, listing: &'a mut dyn Listing) -> Self {
        let Wanted { selection, content } = wanted;
        let name = input.file_name();
        Self {
            source: LogPosition::new(Arc::clone(&name), FIRST_EVENT),
            input,
            listing,
            selection,
            content,
            format: FormatDescription::preliminary(ChecksumAlgorithm::Off),
            grouper: Grouper::new(),
            tables: Tables::default(),
            open: None,
            index: 0,
            name,
            buffer: Vec::new(),
            buffer_at: 0,
            done: 0,
            unpacker: Unpacker::new(),
            info: Vec::new(),
            lines: Vec::new(),
            unreported: 0,
            damaged: None,
        }
    }

    fn work(&mut self) -> Result<(), ApplyError> {
        loop {
            let buffer = std::mem::take(&mut self.buffer);
            let past = self.events(&buffer);
            self.buffer = buffer;
            if past? {
                return Ok(());
            }
            if self.lines.len() >= PIECE || self.unreported >= (8 << 20) {
                self.write_out()?;
            }
            self.buffer.drain(..self.done);
            self.buffer_at = self.buffer_at.saturating_add(to_u64(self.done));
            self.done = 0;
            if self.input.read(&mut self.buffer, PIECE).map_err(|error| self.read_error(error))? > 0 {
                continue;
            }
            match self.input.wait(Duration::from_millis(100)).map_err(|error| self.read_error(error))? {
                More::Bytes | More::Nothing => {}
                More::NextFile(name) => {
                    self.end_file()?;
                    self.begin_file(name);
                }
                More::End => {
                    self.end_file()?;
                    return super::decode::finish(&self.selection);
                }
            }
        }
    }

    /// Lists what is complete. True if nothing after it is wanted.
    fn events(&mut self, buffer: &[u8]) -> Result<bool, ApplyError> {
        if self.buffer_at == 0 && self.done == 0 {
            match buffer.first_chunk() {
                None => return Ok(false),
                Some(&MAGIC) => self.done = MAGIC.len(),
                Some(_) => return Err(super::decode::not_a_log(&self.name)),
            }
        }
        while let Some(raw) = self.cut(buffer)? {
            if self.event(&raw)? {
                return Ok(true);
            }
            self.done = self.done.saturating_add(raw.bytes.len());
            self.unreported = self.unreported.saturating_add(u64::from(raw.header.event_size));
            if self.lines.len() >= PIECE {
                self.write_out()?;
            }
        }
        Ok(false)
    }

    fn cut<'b>(&self, buffer: &'b [u8]) -> Result<Option<RawEvent<'b>>, ApplyError> {
        let Some(rest) = buffer.get(self.done..) else { return Ok(None) };
        let Some(mut header) = EventHeader::read(rest) else { return Ok(None) };
        header.event_type = self.format.event_type(header.event_type);
        let size = usize::try_from(header.event_size).unwrap_or(usize::MAX);
        if size < HEADER_LEN || header.event_size > MAX_EVENT_SIZE {
            let what = format!("an event of type {} claims the impossible size {size}", header.event_type);
            let hint = "the log is damaged here".to_owned();
            return Err(ApplyError::Undecodable { what, place: Box::new(self.place()), hint: Some(hint) });
        }
        Ok(rest.get(..size).map(|bytes| RawEvent { header, bytes }))
    }

    /// Takes one event. True if neither it nor any after it is wanted.
    fn event(&mut self, raw: &RawEvent<'_>) -> Result<bool, ApplyError> {
        if raw.header.event_type == EventType::FORMAT_DESCRIPTION {
            match FormatDescription::parse(raw) {
                Ok(format) => self.format = format,
                Err(error) => self.remember(error.to_string()),
            }
        }
        let at = self.source.clone();
        if !raw.header.is_artificial() && !raw.header.flags.has(EventFlags::RELAY_LOG) {
            self.source.pos = widen_end(at.pos, u64::from(raw.header.event_size), raw.header.log_pos);
            self.selection.event(self.index, &at, self.source.pos).map_err(|error| ApplyError::misplaced(&error))?;
        }
        let body = raw.body(self.format.checksum).unwrap_or_default();
        let step = match self.grouper.feed(&raw.header, body, &self.format) {
            Ok(Fed { step, abandoned }) => {
                if abandoned {
                    self.close()?;
                }
                step
            }
            Err(error) => {
                self.remember(error.to_string());
                self.grouper.reset();
                self.close()?;
                Step::Outside
            }
        };
        let gtid = self.look_at(raw, body);
        if let Step::Inside { first: true } | Step::Ends { first: true, .. } = step {
            let verdict = self.selection.transaction(self.index, &at, raw.header.timestamp, gtid.as_ref());
            if verdict == Verdict::Past {
                return Ok(true);
            }
            let held = (!self.content.is_everything()).then(Held::default);
            self.open = Some(Open { start: at.clone(), gtid, verdict, held });
            self.tables.clear();
        }
        self.list(raw, &at)?;
        if let Step::Ends { .. } = step {
            self.close()?;
        }
        Ok(false)
    }

    /// Takes from an event what decides about others.
    fn look_at(&mut self, raw: &RawEvent<'_>, body: &[u8]) -> Option<Gtid> {
        match raw.header.event_type {
            EventType::PREVIOUS_GTIDS => match GtidSet::decode(body) {
                Ok(set) => self.selection.previous_gtids(&set),
                Err(error) => self.remember(format!("{} does not parse: {error}", raw.header.event_type)),
            },
            EventType::MARIA_GTID_LIST => match GtidPos::decode(body) {
                Ok(position) => self.selection.gtid_list(&position),
                Err(error) => self.remember(format!("{} does not parse: {error}", raw.header.event_type)),
            },
            EventType::ROTATE => {
                if let Ok(Event::Rotate(rotate)) = event::parse(raw, &self.format)
                    && let Ok(file) = std::str::from_utf8(rotate.file)
                {
                    self.source = LogPosition::new(file, rotate.pos);
                }
            }
            kind if kind.is_gtid() => {
                if let Ok(Event::Gtid(gtid)) = event::parse(raw, &self.format) {
                    return gtid.gtid;
                }
            }
            _ => {}
        }
        None
    }

    fn list(&mut self, raw: &RawEvent<'_>, at: &LogPosition) -> Result<(), ApplyError> {
        let wanted = match &self.open {
            Some(open) => open.verdict == Verdict::Wanted,
            None => self.content.is_everything() && self.selection.wants_outside(self.index, at, raw.header.timestamp),
        };
        if !wanted {
            return Ok(());
        }
        let checksum = self.checksum(raw);
        self.info.clear();
        if let Err(error) = describe::info(raw, &self.format, &mut self.info) {
            self.info.clear();
            self.info.extend_from_slice(error.to_string().as_bytes());
            self.remember(error.to_string());
        } else if checksum == Checksum::Bad {
            self.remember(format!("the checksum of an event of type {} does not fit its bytes", raw.header.event_type));
        }
        let mut decided = self.tables.event(raw, &self.format, &self.content);
        let artificial = raw.header.is_artificial() || raw.header.flags.has(EventFlags::RELAY_LOG);
        let listed = Listed {
            file: &self.name,
            pos: self.buffer_at.saturating_add(to_u64(self.done)),
            header: &raw.header,
            end: match raw.header.event_type {
                _ if artificial => u64::from(raw.header.log_pos),
                _ => widen_end(at.pos, u64::from(raw.header.event_size), raw.header.log_pos),
            },
            gtid: self.open.as_ref().and_then(|open| open.gtid.as_ref()),
            checksum,
            in_payload: false,
            info: &self.info,
        };
        self.listing.line(&listed, &mut self.lines);
        if raw.header.event_type == EventType::TRANSACTION_PAYLOAD && checksum != Checksum::Bad {
            let (end, info) = (listed.end, std::mem::take(&mut self.info));
            decided = self.payload(raw, end).unwrap_or_else(|what| {
                self.remember(what);
                true
            });
            self.info = info;
        }
        let name = &self.name;
        let failed = |error| ApplyError::Read { file: format!("{name} (a temporary file)"), error };
        let Some(open) = &mut self.open else { return Ok(()) };
        let Some(held) = &mut open.held else { return Ok(()) };
        if decided {
            let Some(held) = open.held.take() else { return Ok(()) };
            let last = std::mem::take(&mut self.lines);
            let listing = &mut *self.listing;
            held.release(failed, |lines| listing.write(lines, 0))?;
            self.lines = last;
            Ok(())
        } else {
            held.take(&mut self.lines).map_err(failed)
        }
    }

    /// Lists what a payload holds. True if something asked for is in it. Its events stand at no offset: servers list
    /// them at the payload's end.
    fn payload(&mut self, raw: &RawEvent<'_>, end: u64) -> Result<bool, String> {
        let body = raw.body(self.format.checksum).map_err(|error| error.to_string())?;
        let plain = FormatDescription { checksum: ChecksumAlgorithm::Off, ..self.format.clone() };
        let mut decided = self.content.is_everything();
        let mut info = Vec::new();
        let Self { listing, lines, tables, content, name, open, unpacker, .. } = self;
        let gtid = open.as_ref().and_then(|open| open.gtid.as_ref());
        packed::for_each(unpacker, body, |raw| {
            info.clear();
            describe::info(raw, &plain, &mut info).map_err(|error| error.to_string())?;
            decided |= tables.event(raw, &plain, content);
            let event = Listed {
                file: name,
                pos: end,
                header: &raw.header,
                end,
                gtid,
                checksum: Checksum::None,
                in_payload: true,
                info: &info,
            };
            listing.line(&event, lines);
            Ok(())
        })?;
        Ok(decided)
    }

    /// The transaction has ended; if it is still held back, nothing in it was asked for.
    fn close(&mut self) -> Result<(), ApplyError> {
        self.open = None;
        Ok(())
    }

    fn checksum(&self, raw: &RawEvent<'_>) -> Checksum {
        if raw.header.event_type == EventType::FORMAT_DESCRIPTION && !self.format.has_checksum_tail() {
            return Checksum::None;
        }
        if self.format.checksum == ChecksumAlgorithm::Off {
            return Checksum::None;
        }
        let good = if raw.header.flags.has(EventFlags::IN_USE) {
            // The server sets and clears this flag without a new checksum.
            let flags = EventFlags(raw.header.flags.0 & !EventFlags::IN_USE);
            let header = EventHeader { flags, ..raw.header };
            let bytes = [&header.to_bytes()[..], raw.bytes.get(HEADER_LEN..).unwrap_or_default()].concat();
            RawEvent { header, bytes: &bytes }.verify_checksum(self.format.checksum).is_ok()
        } else {
            raw.verify_checksum(self.format.checksum).is_ok()
        };
        if good { Checksum::Good } else { Checksum::Bad }
    }

    fn begin_file(&mut self, name: Arc<str>) {
        self.source = LogPosition::new(Arc::clone(&name), FIRST_EVENT);
        self.name = name;
        self.index = self.index.saturating_add(1);
        self.format = FormatDescription::preliminary(ChecksumAlgorithm::Off);
        self.buffer.clear();
        self.buffer_at = 0;
        self.done = 0;
    }

    fn end_file(&mut self) -> Result<(), ApplyError> {
        let rest = self.buffer.len().saturating_sub(self.done);
        if self.buffer_at == 0 && self.done == 0 {
            return Err(super::decode::not_a_log(&self.name));
        }
        if rest > 0 {
            let what = format!("the log ends inside an event: only {rest} bytes of it are there");
            return Err(ApplyError::Truncated { what, place: Box::new(self.place()) });
        }
        if let (Some(open), None) = (&self.open, &self.damaged) {
            let place = Place { source: Some(open.start.clone()), gtid: open.gtid.clone(), ..Place::default() };
            let what = "the log ends inside a transaction, before its commit".to_owned();
            self.damaged = Some(ApplyError::Truncated { what, place: Box::new(place) });
        }
        Ok(())
    }

    fn write_out(&mut self) -> Result<(), ApplyError> {
        self.listing.write(&self.lines, std::mem::take(&mut self.unreported))?;
        self.lines.clear();
        Ok(())
    }

    /// Keeps the first error for the end.
    fn remember(&mut self, what: String) {
        if self.damaged.is_none() {
            self.damaged = Some(ApplyError::Undecodable { what, place: Box::new(self.place()), hint: None });
        }
    }

    fn place(&self) -> Place {
        let at = self.buffer_at.saturating_add(to_u64(self.done));
        Place {
            read: Some(LogPosition::new(Arc::clone(&self.name), at)),
            source: Some(self.source.clone()),
            gtid: self.open.as_ref().and_then(|open| open.gtid.clone()),
            ..Place::default()
        }
    }

    fn read_error(&self, error: std::io::Error) -> ApplyError {
        ApplyError::Read { file: self.name.to_string(), error }
    }
}

fn to_u64(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
