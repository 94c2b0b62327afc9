//! From a position in the source's log to the place in the relay log.

use super::file::Window;
use super::track::Track;
use super::{RelayError, RelayFileId, RelayLog, RelayPlace};
use crate::binlog::EventType;
use crate::position::LogPosition;

impl RelayLog {
    /// The place of the event that stands at `position` in the source's log, which must be a transaction boundary.
    /// `None` if the relay log begins behind it or ends before it. Where the source left something out (a filter, a
    /// preamble), a position in the gap leads to the first event behind it. Reads headers only.
    ///
    /// The place may be in the middle of a file: [`RelayFile::header`](super::RelayFile::header) says how events are
    /// laid out there.
    ///
    /// # Errors
    /// When the position is inside an event, or the relay log is damaged.
    pub fn locate(&self, position: &LogPosition) -> Result<Option<RelayPlace>, RelayError> {
        let Some(end) = self.end() else { return Ok(None) };
        if *position == end.source {
            return Ok(Some(end.place));
        }
        for id in self.files().into_iter().rev() {
            let limit = if id == end.place.file { end.place.offset } else { self.readable(id).unwrap_or(0) };
            let file = match self.open(id) {
                // Purged meanwhile: the files before it are gone as well.
                Err(_) if self.readable(id).is_none() => return Ok(None),
                other => other?,
            };
            let header = file.header()?;
            if header.start <= *position {
                let track = Track::new(header.start, header.checksum);
                let mut scan = Scan { window: Window::new(&file, limit), track, id };
                let found = scan.find(header.body, position)?;
                // The end of a file is the beginning of the next, whose first event comes after this one's last.
                let at_end = found.is_none() && scan.track.position() == position;
                return if at_end { self.beginning_of_next(id) } else { Ok(found) };
            }
        }
        Ok(None)
    }

    fn beginning_of_next(&self, id: RelayFileId) -> Result<Option<RelayPlace>, RelayError> {
        let Some(next) = self.next_file(id) else { return Ok(None) };
        Ok(Some(RelayPlace { file: next, offset: self.open(next)?.header()?.body }))
    }
}

struct Scan<'a> {
    window: Window<'a>,
    track: Track,
    id: RelayFileId,
}

impl Scan<'_> {
    fn find(&mut self, mut at: u64, asked: &LogPosition) -> Result<Option<RelayPlace>, RelayError> {
        let id = self.id;
        while at < self.window.limit() {
            let what = "an event that does not fit into the file";
            let damaged = move || RelayError::Corrupt { file: id, offset: at, what: what.to_owned() };
            let header = self.window.header(at)?.ok_or_else(damaged)?;
            let extent = self.track.extent(&header);
            let here = self.track.position();
            if here.file == asked.file && here.pos <= asked.pos && asked.pos <= extent.start {
                return Ok(Some(RelayPlace { file: id, offset: at }));
            }
            if here.file == asked.file && extent.start < asked.pos && asked.pos < extent.end {
                return Err(RelayError::InsideEvent { asked: asked.clone(), before: extent.start, after: extent.end });
            }
            if header.event_type == EventType::ROTATE {
                let raw = self.window.event(at)?.ok_or_else(damaged)?;
                self.track.turn(&raw).ok_or_else(damaged)?;
            } else {
                self.track.pass(&header);
            }
            at = at.saturating_add(u64::from(header.event_size));
        }
        Ok(None)
    }
}
