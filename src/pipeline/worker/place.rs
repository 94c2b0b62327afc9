//! Where an event stands, for errors.

use super::Task;
use crate::binlog::EventError;
use crate::change::TransactionMeta;
use crate::pipeline::batch::{At, Item};
use crate::pipeline::error::{ApplyError, Place};
use crate::row::TablePlan;
use crate::sink::{RenderError, Renderer};

impl<R: Renderer> Task<'_, R> {
    pub(super) fn place(&self, item: &Item, at: At, plan: Option<&TablePlan>) -> Place {
        let to_u64 = |n: usize| u64::try_from(n).unwrap_or(0);
        let TransactionMeta { start, gtid, .. } = &item.transaction;
        // A piece of a large payload has one place in the log, the payload's.
        let (read, source, inside) = match self.batch.inside {
            Some(inside) => (0, 0, Some(inside.offset.saturating_add(to_u64(at.offset)))),
            None => (to_u64(at.offset), to_u64(at.offset.saturating_sub(item.range.start)), at.inside),
        };
        Place {
            read: Some(self.batch.read_from.at(self.batch.read_from.pos.saturating_add(read))),
            source: Some(start.at(item.source_pos.saturating_add(source))),
            inside,
            gtid: gtid.clone(),
            table: plan.map(|plan| format!("{}.{}", plan.database, plan.table)),
        }
    }

    pub(super) fn event_error(&self, error: &EventError, item: &Item, at: At) -> ApplyError {
        ApplyError::event(error, self.place(item, at, None))
    }

    pub(super) fn render_error(&self, error: RenderError, item: &Item, at: At, plan: Option<&TablePlan>) -> ApplyError {
        ApplyError::Undecodable { what: error.what, place: Box::new(self.place(item, at, plan)), hint: error.hint }
    }
}
