//! Events for tests: laid out and protected as a server's, with little in them.

use std::path::Path;

use super::track::Track;
use super::{Recovered, RelayError, RelayFile, RelayLog, RelayOptions, RelayWriter, SyncPolicy};
use crate::binlog::event::FormatDescription;
use crate::binlog::group::Grouper;
use crate::binlog::{
    CHECKSUM_LEN, ChecksumAlgorithm, EventFlags, EventHeader, EventType, HEADER_LEN, RawEvent, checksum, encode,
};
use crate::position::LogPosition;

/// Cuts the one event out.
pub(super) fn raw(bytes: &[u8]) -> RawEvent<'_> {
    RawEvent::cut(bytes).unwrap().0
}

/// A format description of MySQL 9.7.
pub(super) fn format_description(alg: ChecksumAlgorithm, log_pos: u32) -> Vec<u8> {
    let mut description = FormatDescription::preliminary(alg);
    description.server_version = "9.7.4".to_owned();
    description.created = if log_pos == 0 { 0 } else { 1_700_000_000 };
    let flags = EventFlags(if log_pos == 0 { 0 } else { EventFlags::IN_USE });
    encode::encode_format_description(&description, 1_700_000_000, 1, log_pos, flags)
}

/// A source that writes one log after another.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) alg: ChecksumAlgorithm,
    pub(super) position: LogPosition,
    /// Whether headers say where events end; MariaDB 11.4 does not say it for most.
    pub(super) says_end: bool,
}

impl Source {
    pub(super) fn new(alg: ChecksumAlgorithm) -> Self {
        Self { alg, position: LogPosition::new("mysql-bin.000001", 4), says_end: true }
    }

    /// The next event in the source's log.
    pub(super) fn event(&mut self, event_type: EventType, body: &[u8]) -> Vec<u8> {
        let crc = if self.alg == ChecksumAlgorithm::Crc32 { CHECKSUM_LEN } else { 0 };
        let size = HEADER_LEN + body.len() + crc;
        self.position = self.position.at(self.position.pos + size as u64);
        let header = EventHeader {
            timestamp: 1_700_000_000,
            event_type,
            server_id: 1,
            event_size: size as u32,
            log_pos: if self.says_end { self.position.pos as u32 } else { 0 },
            flags: EventFlags(0),
        };
        let mut bytes = header.to_bytes().to_vec();
        bytes.extend_from_slice(body);
        if crc > 0 {
            let crc = checksum::compute(&bytes);
            bytes.extend_from_slice(&crc.to_le_bytes());
        }
        bytes
    }

    /// A statement of the session without a default database and without status variables.
    pub(super) fn query(&mut self, statement: &str) -> Vec<u8> {
        let mut body = vec![0; 13];
        body.push(0);
        body.extend_from_slice(statement.as_bytes());
        self.event(EventType::QUERY, &body)
    }

    /// An anonymous transaction with so many bytes of rows.
    pub(super) fn transaction(&mut self, rows: usize) -> Vec<Vec<u8>> {
        let fill = u8::try_from(self.position.pos % 251).unwrap();
        vec![
            self.event(EventType::ANONYMOUS_GTID, &[0; 42]),
            self.query("BEGIN"),
            self.event(EventType::WRITE_ROWS, &vec![fill; rows]),
            self.event(EventType::XID, &[7, 0, 0, 0, 0, 0, 0, 0]),
        ]
    }

    /// What a server sends first: an artificial ROTATE, then the file's format description.
    pub(super) fn hello(&mut self) -> Vec<Vec<u8>> {
        let flags = EventFlags(EventFlags::ARTIFICIAL);
        let LogPosition { file, pos } = self.position.clone();
        let rotate = encode::encode_rotate(file.as_bytes(), pos, 1, flags, self.alg);
        if pos > 4 {
            return vec![rotate, format_description(self.alg, 0)];
        }
        let size = format_description(self.alg, 4).len();
        self.position = self.position.at(4 + size as u64);
        vec![rotate, format_description(self.alg, 4 + size as u32)]
    }

    /// The end of one file and the beginning of the next.
    pub(super) fn next_file(&mut self) -> Vec<Vec<u8>> {
        let number: u64 = self.position.file.rsplit_once('.').unwrap().1.parse().unwrap();
        let next = format!("mysql-bin.{:06}", number + 1);
        let mut body = 4u64.to_le_bytes().to_vec();
        body.extend_from_slice(next.as_bytes());
        let says_end = std::mem::replace(&mut self.says_end, true);
        let rotate = self.event(EventType::ROTATE, &body);
        self.says_end = says_end;
        self.position = LogPosition::new(next, 4);
        let mut events = vec![rotate];
        events.extend(self.hello());
        events
    }
}

/// What a receiver does: hands events to the writer and says where transactions end.
pub(super) struct Receiver {
    pub(super) writer: RelayWriter,
    track: Option<Track>,
    grouper: Grouper,
    description: FormatDescription,
}

impl Receiver {
    pub(super) fn open(dir: &Path, max_file_size: u64) -> Result<(Self, Recovered), RelayError> {
        let options = RelayOptions { max_file_size, sync: SyncPolicy::OnRequest };
        let (writer, recovered) = RelayWriter::open(dir, options)?;
        let description = FormatDescription::preliminary(ChecksumAlgorithm::Crc32);
        Ok((Self { writer, track: None, grouper: Grouper::new(), description }, recovered))
    }

    /// Takes events of a connection.
    pub(super) fn take(&mut self, events: &[Vec<u8>], alg: ChecksumAlgorithm) {
        for bytes in events {
            let raw = raw(bytes);
            let track = self.track.get_or_insert_with(|| Track::new(LogPosition::new("", 4), alg));
            track.follow(&raw).unwrap();
            self.writer.append(bytes).unwrap();
            self.grouper.feed(&raw.header, raw.body(alg).unwrap(), &self.description).unwrap();
            if !self.grouper.in_group() {
                self.writer.boundary(self.track.as_ref().unwrap().position());
                self.writer.rotate_if_needed().unwrap();
            }
        }
    }

    /// The connection is lost.
    pub(super) fn disconnect(&mut self) {
        self.writer.cut_to_last_boundary().unwrap();
        self.grouper.reset();
        self.track = None;
    }
}

/// All of a relay log's events as received: without what the relay log writes itself.
pub(super) fn received(log: &RelayLog) -> Vec<Vec<u8>> {
    let mut events = Vec::new();
    for id in log.files() {
        let file = log.open(id).unwrap();
        let mut at = file.header().unwrap().body;
        while at < log.readable(id).unwrap() {
            let event = event_at(&file, at);
            at += event.len() as u64;
            let header = raw(&event).header;
            let again = header.event_type == EventType::FORMAT_DESCRIPTION && header.flags.has(EventFlags::ARTIFICIAL);
            let rotate = header.event_type == EventType::ROTATE && header.is_artificial();
            if !again && !rotate {
                events.push(event);
            }
        }
    }
    events
}

/// The event at an offset.
pub(super) fn event_at(file: &RelayFile, at: u64) -> Vec<u8> {
    let mut header = [0; HEADER_LEN];
    assert_eq!(file.read_at(&mut header, at).unwrap(), HEADER_LEN);
    let mut event = vec![0; EventHeader::read(&header).unwrap().event_size as usize];
    assert_eq!(file.read_at(&mut event, at).unwrap(), event.len());
    event
}
