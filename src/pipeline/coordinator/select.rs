//! Which transactions of the log are wanted (`--start` and `--stop` of `decode`): asked of the selection, which is pure, at
//! each event's place and at each transaction's beginning.

use super::{Coordinator, Halt};
use crate::binlog::EventType;
use crate::filter::{Selection, Verdict};
use crate::gtid::{GtidPos, GtidSet};
use crate::pipeline::error::ApplyError;

impl<O> Coordinator<'_, O> {
    /// Passes over what is not in this part of the log.
    pub fn select(&mut self, selection: Selection) {
        self.selection = selection;
    }

    /// Tells the selection of the event that begins at `start` of the source's file and ends where `source` stands.
    pub(super) fn place_of_event(&mut self, start: u64) -> Result<(), Halt> {
        let start = self.source.at(start);
        self.selection.event(self.file, &start, self.source.pos).map_err(|error| ApplyError::misplaced(&error).into())
    }

    /// Tells the selection what the files before this one hold, where it asks for that.
    pub(super) fn gtids_before(&mut self, event_type: EventType, body: &[u8], at: usize) -> Result<(), Halt> {
        if !self.selection.awaits_gtids() {
            return Ok(());
        }
        let told = if event_type == EventType::PREVIOUS_GTIDS {
            GtidSet::decode(body).map(|before| self.selection.previous_gtids(&before))
        } else {
            GtidPos::decode(body).map(|before| self.selection.gtid_list(&before))
        };
        // Without it the log would be read past the place to stop.
        told.map_err(|error| self.undecodable(at, format!("{event_type} does not parse: {error}"), None))
    }

    /// Decides about the transaction that begins. To be asked once its GTID is known.
    pub(super) fn judge(&mut self) {
        let Some(open) = &mut self.open else { return };
        match self.selection.transaction(self.file, &open.start, open.timestamp, open.gtid.as_ref()) {
            Verdict::Wanted => {}
            Verdict::PassedOver => {
                open.passed_over = true;
                self.prepared.unwanted = true;
            }
            Verdict::Past => self.past = true,
        }
    }
}
