//! How many rows stand before a piece of a large transaction, so that its rows have their numbers.

use super::{Failure, Task};
use crate::binlog::event::{self, Event};
use crate::binlog::{EventError, EventType};
use crate::pipeline::error::ApplyError;
use crate::row::{self, Cell};
use crate::sink::Renderer;

impl<R: Renderer> Task<'_, R> {
    /// In a piece of a large transaction: learns how many rows came before, and tells the next piece how many come
    /// before it, so that pieces are rendered side by side.
    pub(super) fn rows_before_this_piece(&mut self) -> Result<u64, Failure> {
        let batch = self.batch;
        let Some(link) = &batch.row_count else { return Ok(0) };
        if !R::NUMBERS_ROWS {
            return Ok(0);
        }
        let own = self.count_rows()?;
        let before = link.before.recv().map_err(|_| Failure::Gone)?;
        // The last piece has nobody to tell.
        let _ = link.after.send(before.saturating_add(own));
        Ok(before)
    }

    fn count_rows(&mut self) -> Result<u64, ApplyError> {
        let batch = self.batch;
        let mut plans = self.plans.clone();
        let mut next_map = 0;
        let (mut before, mut after): (Vec<Cell>, Vec<Cell>) = (Vec::new(), Vec::new());
        let mut inflater = self.inflater.take().unwrap_or_default();
        let mut count = 0_u64;
        for item in &batch.items {
            let mut at = item.range.start;
            while at < item.range.end {
                let raw = self.cut(item, at)?;
                let fail = |error: EventError| self.event_error(&error, item, at.into());
                match raw.header.event_type {
                    EventType::TABLE_MAP => {
                        if let Some((_, plan)) = batch.maps.get(next_map) {
                            plans.set(plan.table_id, plan);
                            next_map = next_map.saturating_add(1);
                        }
                    }
                    kind if kind.is_row_event() => {
                        raw.verify_checksum(batch.format.checksum).map_err(fail)?;
                        let parsed = if kind.is_compressed() {
                            inflater.parse(&raw, &batch.format)
                        } else {
                            event::parse(&raw, &batch.format)
                        };
                        if let Event::Rows(rows) = parsed.map_err(fail)?
                            && let Some(plan) = plans.get(rows.table_id)
                        {
                            let counted = row::count(plan, &rows, &mut before, &mut after);
                            count = count.saturating_add(counted.map_err(|error| ApplyError::Undecodable {
                                what: error.to_string(),
                                place: Box::new(self.place(item, at.into(), Some(plan))),
                                hint: None,
                            })?);
                        }
                    }
                    _ => {}
                }
                at = at.saturating_add(raw.bytes.len());
            }
        }
        self.inflater = Some(inflater);
        Ok(count)
    }
}
