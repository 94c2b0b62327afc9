//! Row events: their plan, and the renderer; rows that are not wanted are passed over.

use std::sync::Arc;

use super::{Failure, State, Task};
use crate::binlog::EventHeader;
use crate::binlog::event::RowsEvent;
use crate::pipeline::batch::{At, Item};
use crate::pipeline::error::ApplyError;
use crate::row::{self, TablePlan};
use crate::sink::{RenderError, Renderer, RowsContext};

impl<'a, R: Renderer> Task<'a, R> {
    pub(super) fn rows(
        &mut self,
        item: &'a Item,
        header: &EventHeader,
        rows: &RowsEvent<'_>,
        at: At,
        state: &mut State<'a>,
    ) -> Result<(), Failure> {
        let plan = self.plan(item, rows, at)?;
        if !self.content.wants_rows(plan.database.as_bytes(), plan.table.as_bytes(), rows.kind.into()) {
            return self.pass_over(item, rows, &plan, at, state);
        }
        let context = RowsContext {
            transaction: &item.transaction,
            plan: &plan,
            event: rows,
            timestamp: header.timestamp,
            server_id: header.server_id,
            first_row: state.rows_before,
            last_in_transaction: item.last_rows == Some(at),
        };
        let count = self
            .renderer
            .rows(&context, &mut self.out)
            .map_err(|error| self.render_error(error, item, at, Some(&plan)))?;
        state.rows_before = state.rows_before.saturating_add(count);
        self.counts.rows = self.counts.rows.saturating_add(count);
        Ok(())
    }

    /// Rows that are not wanted count where rows are numbered.
    fn pass_over(
        &mut self,
        item: &Item,
        rows: &RowsEvent<'_>,
        plan: &TablePlan,
        at: At,
        state: &mut State<'a>,
    ) -> Result<(), Failure> {
        if R::NUMBERS_ROWS {
            let count = row::count(plan, rows, &mut Vec::new(), &mut Vec::new())
                .map_err(|error| RenderError { what: error.to_string(), hint: None })
                .map_err(|error| self.render_error(error, item, at, Some(plan)))?;
            state.rows_before = state.rows_before.saturating_add(count);
        }
        Ok(())
    }

    fn plan(&self, item: &Item, rows: &RowsEvent<'_>, at: At) -> Result<Arc<TablePlan>, ApplyError> {
        match self.plans.get(rows.table_id) {
            Some(plan) if plan.columns.len() == rows.width => Ok(Arc::clone(plan)),
            Some(plan) => Err(ApplyError::Undecodable {
                what: format!("a row event has {} columns where its table map has {}", rows.width, plan.columns.len()),
                place: Box::new(self.place(item, at, Some(plan))),
                hint: None,
            }),
            None => Err(ApplyError::Undecodable {
                what: format!(
                    "a row event refers to table number {}, which no table map before it names",
                    rows.table_id
                ),
                place: Box::new(self.place(item, at, None)),
                hint: Some("the start position is inside a transaction; start at the beginning of one".to_owned()),
            }),
        }
    }
}
