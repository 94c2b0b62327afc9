//! Along the relay log, event by event, from a place to the published end: for those who look ahead of the applier.
//!
//! Bodies are read only of the events that are asked for.

use super::file::Window;
use super::track::Track;
use super::{RelayError, RelayFileId, RelayLog, RelayPlace};
use crate::binlog::event::FormatDescription;
use crate::binlog::{EventHeader, EventType, RawEvent};
use crate::position::LogPosition;

/// Where a walk has come to: a place in the relay log, and the same place in the source's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// In the relay log.
    pub place: RelayPlace,
    /// In the source's log.
    pub position: LogPosition,
}

/// An event on the way.
#[derive(Debug)]
pub struct Passed<'a> {
    /// Its header, and its bytes where they were asked for.
    pub raw: RawEvent<'a>,
    /// Where it ends in the source's log.
    pub end: LogPosition,
    /// How the events around it are laid out.
    pub format: &'a FormatDescription,
}

impl RelayLog {
    /// The place of a transaction boundary, to walk from; `None` if the relay log does not hold it.
    ///
    /// # Errors
    /// As for [`RelayLog::locate`].
    pub fn reach(&self, position: &LogPosition) -> Result<Option<Reached>, RelayError> {
        Ok(self.locate(position)?.map(|place| Reached { place, position: position.clone() }))
    }

    /// Walks from `from` to the end of that file, as far as it is published, and hands the events for which `wanted` is
    /// true to `visit`. Returns where it came to: the beginning of the next file where there is one.
    ///
    /// # Errors
    /// When the relay log is damaged or purged from under the walk.
    pub fn walk(
        &self,
        from: Reached,
        wanted: fn(EventType) -> bool,
        visit: &mut dyn FnMut(Passed<'_>),
    ) -> Result<Reached, RelayError> {
        let Reached { mut place, mut position } = from;
        // Asked before the size: a file that another follows is complete.
        let next = self.next_file(place.file);
        let limit = self.readable(place.file).unwrap_or(place.offset);
        if limit > place.offset {
            (place.offset, position) = self.walk_file(place, limit, position, wanted, visit)?;
        }
        let Some(next) = next else { return Ok(Reached { place, position }) };
        let header = self.open(next)?.header()?;
        Ok(Reached { place: RelayPlace { file: next, offset: header.body }, position: header.start })
    }

    fn walk_file(
        &self,
        from: RelayPlace,
        limit: u64,
        position: LogPosition,
        wanted: fn(EventType) -> bool,
        visit: &mut dyn FnMut(Passed<'_>),
    ) -> Result<(u64, LogPosition), RelayError> {
        let file = self.open(from.file)?;
        let beginning = file.header()?;
        let format = format_of(from.file, &beginning.format_description)?;
        let mut track = Track::new(position, beginning.checksum);
        let mut window = Window::new(&file, limit);
        // A file that was named by its beginning is walked behind it.
        let mut at = from.offset.max(beginning.body);
        while at < limit {
            let damaged = || file.corrupt(at, "an event that does not fit into the file".to_owned());
            let header = window.header(at)?.ok_or_else(damaged)?;
            let kind = header.event_type;
            if kind == EventType::ROTATE {
                let raw = window.event(at)?.ok_or_else(damaged)?;
                track.turn(&raw).ok_or_else(damaged)?;
            } else {
                track.pass(&header);
            }
            if wanted(kind) {
                let raw = window.event(at)?.ok_or_else(damaged)?;
                visit(Passed { raw, end: track.position().clone(), format: &format });
            }
            at = at.saturating_add(u64::from(header.event_size));
        }
        Ok((at, track.position().clone()))
    }
}

fn format_of(file: RelayFileId, event: &[u8]) -> Result<FormatDescription, RelayError> {
    let damaged = |what: String| RelayError::Corrupt { file, offset: 0, what };
    let header = EventHeader::read(event).ok_or_else(|| damaged("no format description".to_owned()))?;
    FormatDescription::parse(&RawEvent { header, bytes: event }).map_err(|error| damaged(error.to_string()))
}
