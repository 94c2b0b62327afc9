//! The judge of the stream: each event is checked, placed in the source's log and in its transaction before it is
//! taken into the relay log.

use super::admission::inside_transaction;
use super::wait_for_disk;
use crate::binlog::event::{self, Event, FormatDescription};
use crate::binlog::group::{Fed, Grouper, Step};
use crate::binlog::{ChecksumAlgorithm, EventHeader, EventType, RawEvent};
use crate::pipeline::channel_error::ChannelError;
use crate::pipeline::monitor::Monitor;
use crate::position::{LogPosition, widen_end};
use crate::relay::RelayWriter;

/// What is known about the stream of one connection.
pub(super) struct Stream {
    pub(super) grouper: Grouper,
    pub(super) format: FormatDescription,
    pub(super) position: LogPosition,
    /// No event of the source's file has come yet.
    pub(super) fresh: bool,
    /// Bytes taken since the last commit.
    pub(super) uncommitted: usize,
    /// Events taken since the last commit.
    pub(super) events: u32,
}

/// Takes one event of the stream.
pub(super) async fn take(
    relay: &mut RelayWriter,
    monitor: &Monitor,
    stream: &mut Stream,
    bytes: &[u8],
) -> Result<(), ChannelError> {
    let bad = |what: String| ChannelError::BadStream { what };
    let (raw, rest) = RawEvent::cut(bytes).map_err(|error| bad(error.to_string()))?;
    if !rest.is_empty() {
        return Err(bad(format!("{} bytes behind an event of type {}", rest.len(), raw.header.event_type)));
    }
    let header = raw.header;
    if matches!(header.event_type, EventType::HEARTBEAT | EventType::HEARTBEAT_V2) {
        return Ok(());
    }
    let position = next_position(stream, &raw)?;
    let body = raw.body(stream.format.checksum).map_err(|error| bad(error.to_string()))?;
    let Fed { step, .. } =
        stream.grouper.feed(&header, body, &stream.format).map_err(|error| bad(error.to_string()))?;
    if stream.fresh && !header.is_artificial() {
        first_event(stream, &header)?;
    }
    loop {
        match relay.append(bytes) {
            Ok(()) => break,
            Err(error) => wait_for_disk(monitor, error).await?,
        }
    }
    stream.uncommitted = stream.uncommitted.saturating_add(bytes.len());
    stream.events = stream.events.saturating_add(1);
    stream.position = position;
    if matches!(step, Step::Outside | Step::Ends { .. }) && !stream.grouper.in_group() {
        relay.boundary(&stream.position);
    }
    Ok(())
}

/// Checks the event's CRC and says where the event after it stands.
fn next_position(stream: &mut Stream, raw: &RawEvent<'_>) -> Result<LogPosition, ChannelError> {
    let damaged = |error: crate::binlog::EventError| ChannelError::Damaged {
        position: stream.position.clone(),
        what: error.to_string(),
    };
    match raw.header.event_type {
        EventType::FORMAT_DESCRIPTION => {
            let format = FormatDescription::parse(raw).map_err(damaged)?;
            raw.verify_checksum(if format.has_checksum_tail() {
                ChecksumAlgorithm::Crc32
            } else {
                ChecksumAlgorithm::Off
            })
            .map_err(damaged)?;
            stream.format = format;
        }
        EventType::ROTATE => {
            raw.verify_checksum(stream.format.checksum).map_err(damaged)?;
            if let Event::Rotate(rotate) = event::parse(raw, &stream.format).map_err(damaged)? {
                let file = std::str::from_utf8(rotate.file)
                    .map_err(|_| ChannelError::BadStream { what: "a log file's name is not UTF-8".to_owned() })?;
                return Ok(LogPosition::new(file, rotate.pos));
            }
        }
        _ => raw.verify_checksum(stream.format.checksum).map_err(damaged)?,
    }
    if raw.header.is_artificial() {
        return Ok(stream.position.clone());
    }
    let size = u64::from(raw.header.event_size);
    Ok(stream.position.at(widen_end(stream.position.pos, size, raw.header.log_pos)))
}

/// The first event of a dump tells whether the position was the start of an event, and of a transaction.
fn first_event(stream: &mut Stream, header: &EventHeader) -> Result<(), ChannelError> {
    stream.fresh = false;
    let at = &stream.position;
    let low = u32::try_from(at.pos.saturating_add(u64::from(header.event_size)) & 0xffff_ffff).unwrap_or(0);
    if header.log_pos != 0 && header.log_pos != low {
        return Err(ChannelError::Refused {
            number: 1236,
            what: format!("{at} is not the start of an event: the source sent one that ends at {}", header.log_pos),
            hint: "look for one with SHOW BINLOG EVENTS on the source".to_owned(),
        });
    }
    let inside = header.event_type.is_row_event()
        || matches!(
            header.event_type,
            EventType::TABLE_MAP | EventType::XID | EventType::ROWS_QUERY | EventType::TRANSACTION_PAYLOAD
        );
    if inside && stream.format.binlog_version >= 4 && !is_before_5_6(&stream.format) {
        return Err(inside_transaction(&at.to_string(), &header.event_type.to_string()));
    }
    Ok(())
}

/// Servers before 5.6 could write row events without BEGIN.
fn is_before_5_6(format: &FormatDescription) -> bool {
    ["5.0", "5.1", "5.5"].iter().any(|version| format.server_version.starts_with(version))
}
