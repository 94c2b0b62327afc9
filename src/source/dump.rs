//! The stream of events: COM_BINLOG_DUMP from a file and a position.
//!
//! Each event is handed out as the server sent it, artificial ones (the first ROTATE, the FORMAT_DESCRIPTION of a
//! start in mid-file, heartbeats) included, as a slice of the connection's read buffer. Manual: "COM_BINLOG_DUMP",
//! "Binlog Network stream".
//!
//! ```text
//! packet: | 00 | event: 19 header, body, checksum |     | ff error |     | fe end of a dump that does not wait |
//! ```

use std::sync::Arc;

use mysql_common::packets::{BinlogDumpFlags, ComBinlogDump};
use mysql_common::proto::MySerialize;

use crate::binlog::{EventHeader, MAX_EVENT_SIZE};
use crate::position::LogPosition;

use super::config::SourceConfig;
use super::error::{Failure, SourceError};
use super::packet::PacketStream;
use super::probe::{Flavor, SourceInfo};
use super::register::register;
use super::result::{is_eof, server_error};
use super::session::Connection;

/// What a packet may hold besides the largest event: the status byte, and headers that the limit leaves out.
const SLACK: usize = 1 << 20;
/// MariaDB's dump flag for ANNOTATE_ROWS events (the bit that MySQL calls BINLOG_THROUGH_POSITION).
const SEND_ANNOTATE_ROWS: BinlogDumpFlags = BinlogDumpFlags::BINLOG_THROUGH_POSITION;

/// A running dump.
pub struct DumpStream {
    place: Arc<str>,
    stream: PacketStream,
    encrypted: bool,
    connection_id: u32,
}

impl std::fmt::Debug for DumpStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DumpStream")
            .field("place", &self.place)
            .field("connection_id", &self.connection_id)
            .finish_non_exhaustive()
    }
}

impl DumpStream {
    /// Registers as a replica and asks for the events from `from` on. A wrong position shows at the first
    /// [`next`](Self::next).
    pub async fn start(
        mut conn: Connection,
        config: &SourceConfig,
        info: &SourceInfo,
        from: &LogPosition,
    ) -> Result<Self, SourceError> {
        if let Err(failure) = request(&mut conn, config, info, from).await {
            return Err(conn.error(failure));
        }
        let limit = usize::try_from(MAX_EVENT_SIZE).unwrap_or(usize::MAX).saturating_add(SLACK);
        conn.stream.set_limits(limit, config.dump_deadline());
        Ok(Self {
            place: Arc::clone(conn.place()),
            encrypted: conn.encrypted(),
            connection_id: conn.connection_id(),
            stream: conn.stream,
        })
    }

    /// The next event: header, body and checksum. Its length is the one its header names. It may be cancelled and
    /// called again; nothing is lost.
    pub async fn next(&mut self) -> Result<&[u8], SourceError> {
        match self.stream.read().await {
            Ok(packet) => event(packet).map_err(|failure| SourceError::new(&self.place, failure)),
            Err(failure) => Err(SourceError::new(&self.place, failure)),
        }
    }

    /// Whether [`next`](Self::next) returns without waiting.
    #[must_use]
    pub fn has_buffered(&self) -> bool {
        self.stream.has_buffered()
    }

    /// Whether the connection is encrypted.
    #[must_use]
    pub fn encrypted(&self) -> bool {
        self.encrypted
    }

    /// The session's number at the source.
    #[must_use]
    pub fn connection_id(&self) -> u32 {
        self.connection_id
    }

    /// `host:port`, or the path of the Unix socket.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }
}

async fn request(
    conn: &mut Connection,
    config: &SourceConfig,
    info: &SourceInfo,
    from: &LogPosition,
) -> Result<(), Failure> {
    let pos = u32::try_from(from.pos).map_err(|_| Failure::PositionTooLarge(from.clone()))?;
    if config.server_id == 0 || config.server_id == info.server_id {
        return Err(Failure::ServerId(config.server_id));
    }
    register(conn, config, info).await?;
    let flags = match info.flavor {
        Flavor::MySql => BinlogDumpFlags::empty(),
        Flavor::MariaDb => SEND_ANNOTATE_ROWS,
    };
    let mut packet = Vec::new();
    ComBinlogDump::new(config.server_id)
        .with_pos(pos)
        .with_flags(flags)
        .with_filename(from.file.as_bytes())
        .serialize(&mut packet);
    conn.stream.command(&packet).await
}

/// Takes an event out of its packet.
fn event(packet: &[u8]) -> Result<&[u8], Failure> {
    match packet.split_first() {
        Some((0x00, event)) => match EventHeader::read(event) {
            Some(header) if usize::try_from(header.event_size).ok() == Some(event.len()) => Ok(event),
            Some(_) => Err(Failure::Protocol("an event whose size is not that of its packet")),
            None => Err(Failure::Protocol("a packet too short for an event")),
        },
        Some((0xff, _)) => Err(server_error(packet)),
        _ if is_eof(packet) => Err(Failure::DumpEnded),
        _ => Err(Failure::Protocol("neither an event, an error nor an end")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use crate::binlog::{EventFlags, EventType};

    use super::*;

    fn packet(body: &[u8], size: u32) -> Vec<u8> {
        let header = EventHeader {
            timestamp: 1,
            event_type: EventType::XID,
            server_id: 1,
            event_size: size,
            log_pos: 0,
            flags: EventFlags(0),
        };
        [&[0][..], &header.to_bytes(), body].concat()
    }

    #[test]
    fn an_event_is_its_packet_without_the_status_byte() {
        assert_eq!(event(&packet(b"body", 23)).unwrap().len(), 23);
    }

    #[test]
    fn an_event_whose_length_lies_is_refused() {
        for size in [0, 18, 22, 24, u32::MAX] {
            assert!(matches!(event(&packet(b"body", size)), Err(Failure::Protocol(_))), "{size}");
        }
        for cut in 0..19 {
            assert!(event(&packet(b"", 19)[..cut]).is_err());
        }
    }

    #[test]
    fn the_end_of_a_dump_and_the_servers_errors_are_told_apart() {
        assert!(matches!(event(b"\xfe\0\0\x02\0"), Err(Failure::DumpEnded)));
        let error = event(b"\xff\xd4\x04#HY000Could not find first log file name in binary log index file");
        assert!(matches!(error, Err(Failure::Server(error)) if error.code == 1236));
        assert!(matches!(event(b"\xef\x00"), Err(Failure::Protocol(_))));
    }
}
