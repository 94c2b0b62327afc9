//! Walks over all rows of an event.

use super::{Cell, RowError, TablePlan, split};
use crate::binlog::event::RowsEvent;

impl Cell {
    /// The value's bytes in `rows`; `None` for NULL and for an absent column.
    #[inline]
    #[must_use]
    pub fn bytes<'a>(&self, rows: &'a [u8]) -> Option<&'a [u8]> {
        match self {
            Self::At { start, end } => rows.get(usize::try_from(*start).ok()?..usize::try_from(*end).ok()?),
            Self::Null | Self::Absent => None,
        }
    }
}

/// Cuts row after row and shows each to `see`. Returns how many there were, at least one. The vectors are scratch space.
///
/// # Errors
/// When a row cannot be cut, and the first error of `see`.
pub fn for_each(
    plan: &TablePlan,
    event: &RowsEvent<'_>,
    before: &mut Vec<Cell>,
    after: &mut Vec<Cell>,
    mut see: impl FnMut(&[Cell], &[Cell]) -> Result<(), RowError>,
) -> Result<u64, RowError> {
    let mut offset = 0;
    let mut count = 0_u64;
    loop {
        offset = split(plan, event, offset, before, after)?;
        count = count.saturating_add(1);
        see(before, after)?;
        if offset >= event.rows.len() {
            return Ok(count);
        }
    }
}

/// How many rows an event holds. The vectors are scratch space.
///
/// # Errors
/// When a row cannot be cut.
pub fn count(
    plan: &TablePlan,
    event: &RowsEvent<'_>,
    before: &mut Vec<Cell>,
    after: &mut Vec<Cell>,
) -> Result<u64, RowError> {
    for_each(plan, event, before, after, |_, _| Ok(()))
}
