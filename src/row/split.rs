//! Cuts the packed rows of an event into cells.
//!
//! A row image is a bitmap of NULLs, with one bit for each column that the image *has*, and then the values that are
//! there and not NULL, one after the other. Which columns an image has stands in the event: a column that is absent
//! (`binlog_row_image` MINIMAL or NOBLOB) is not the same as NULL.
//!
//! ```text
//! | NULL bitmap, (columns present + 7) / 8 bytes | value | value | ...
//! ```
//!
//! The after images of PARTIAL_UPDATE_ROWS begin with what says which JSON columns hold a document, and which but the
//! changes to the one before (WL#2955). The bitmap has a bit for each JSON column of the table, in the image or not:
//!
//! ```text
//! | value_options, packed | if 1 is set in it: bitmap of JSON columns, (JSON columns + 7) / 8 bytes | NULL bitmap | ...
//! ```
//!
//! What it does not do: look into values. Manual: "Rows_event" in the MySQL source documentation.

use super::RowError;
use super::plan::{Cell, ColumnKind, Step, TablePlan};
use crate::binlog::event::{RowsEvent, RowsKind};
use crate::wire;

/// Cuts the row at `offset` of `event.rows` into `before` (updates and deletes) and `after` (inserts and updates); an
/// image that the kind of event does not have is left empty. Returns where the next row starts.
///
/// An event has at least one row: with `binlog_row_image=MINIMAL` a row can have no bytes at all, so cut one first and
/// ask whether the end is reached afterwards.
///
/// # Errors
/// When the event does not fit the plan, or its bytes end inside the row.
pub fn split(
    plan: &TablePlan,
    event: &RowsEvent<'_>,
    offset: usize,
    before: &mut Vec<Cell>,
    after: &mut Vec<Cell>,
) -> Result<usize, RowError> {
    before.clear();
    after.clear();
    if event.width != plan.columns.len() {
        return Err(RowError::Width { event: event.width, plan: plan.columns.len() });
    }
    let end = match event.kind {
        RowsKind::Write => image(plan, event.rows, offset, event.columns, after)?,
        RowsKind::Delete => image(plan, event.rows, offset, event.columns, before)?,
        RowsKind::Update => {
            let middle = image(plan, event.rows, offset, event.columns, before)?;
            if event.partial {
                partial_image(plan, event, middle, after)?
            } else {
                image(plan, event.rows, middle, event.columns_after, after)?
            }
        }
    };
    if end == offset && offset < event.rows.len() {
        return Err(RowError::NoColumns { rest: event.rows.len() - offset });
    }
    Ok(end)
}

/// Calls `each` with the cells of every row of an event: those of the before image and those of the after image.
///
/// # Errors
/// As [`split`], and whatever `each` returns.
pub fn for_each(
    plan: &TablePlan,
    event: &RowsEvent<'_>,
    before: &mut Vec<Cell>,
    after: &mut Vec<Cell>,
    mut each: impl FnMut(&[Cell], &[Cell]) -> Result<(), RowError>,
) -> Result<(), RowError> {
    let mut offset = 0;
    loop {
        offset = split(plan, event, offset, before, after)?;
        each(before, after)?;
        if offset >= event.rows.len() {
            return Ok(());
        }
    }
}

/// How many rows an event has.
///
/// # Errors
/// As [`split`].
pub fn count(
    plan: &TablePlan,
    event: &RowsEvent<'_>,
    before: &mut Vec<Cell>,
    after: &mut Vec<Cell>,
) -> Result<u64, RowError> {
    let mut count = 0;
    for_each(plan, event, before, after, |_, _| {
        count += 1;
        Ok(())
    })?;
    Ok(count)
}

/// Cuts an after image of PARTIAL_UPDATE_ROWS.
fn partial_image(
    plan: &TablePlan,
    event: &RowsEvent<'_>,
    offset: usize,
    cells: &mut Vec<Cell>,
) -> Result<usize, RowError> {
    const PARTIAL_JSON: u64 = 1;
    let truncated = || RowError::Truncated { column: String::new() };
    let rest = event.rows.get(offset..).ok_or_else(truncated)?;
    let (rest, options) = wire::lenenc("value_options")(rest).map_err(|_| truncated())?;
    if options & !PARTIAL_JSON != 0 {
        return Err(RowError::ValueOptions { options });
    }
    let json = || plan.columns.iter().enumerate().filter(|(_, column)| matches!(column.kind, ColumnKind::Json { .. }));
    let bitmap = if options & PARTIAL_JSON == 0 { 0 } else { json().count().div_ceil(8) };
    let (partial, rest) = rest.split_at_checked(bitmap).ok_or_else(truncated)?;
    let end = image(plan, event.rows, event.rows.len() - rest.len(), event.columns_after, cells)?;
    for (bit, (column, _)) in json().enumerate() {
        if let Some(cell) = cells.get_mut(column)
            && let Cell::At { start, end } = *cell
            && is_set(partial, bit)
        {
            *cell = Cell::JsonDiff { start, end };
        }
    }
    Ok(end)
}

/// Cuts one image.
fn image(
    plan: &TablePlan,
    rows: &[u8],
    offset: usize,
    present: &[u8],
    cells: &mut Vec<Cell>,
) -> Result<usize, RowError> {
    let width = plan.steps.len();
    cells.reserve(width);
    let count = count_present(present, width)?;
    let null_bytes = count.div_ceil(8);
    let start = offset.checked_add(null_bytes).filter(|start| *start <= rows.len());
    let Some(start) = start else {
        return Err(RowError::Truncated { column: String::new() });
    };
    let nulls = rows.get(offset..start).unwrap_or_default();
    let failed = if count == width {
        whole(&plan.steps, rows, start, nulls, cells)
    } else {
        partial(&plan.steps, rows, start, present, nulls, cells)
    };
    failed.ok_or_else(|| {
        let column = plan.columns.get(cells.len()).map(|column| column.name.clone()).unwrap_or_default();
        RowError::Truncated { column }
    })
}

/// How many of the first `width` bits are set.
fn count_present(present: &[u8], width: usize) -> Result<usize, RowError> {
    let bytes = present.get(..width.div_ceil(8)).ok_or(RowError::Bitmap)?;
    let mut count = 0;
    let mut left = width;
    for byte in bytes {
        let byte = if left < 8 { byte & ((1u8 << left) - 1) } else { *byte };
        count += byte.count_ones() as usize;
        left = left.saturating_sub(8);
    }
    Ok(count)
}

/// All columns are there: the common case.
fn whole(steps: &[Step], rows: &[u8], mut at: usize, nulls: &[u8], cells: &mut Vec<Cell>) -> Option<usize> {
    for (chunk, nulls) in steps.chunks(8).zip(nulls) {
        let mut nulls = *nulls;
        for step in chunk {
            if nulls & 1 == 0 {
                let (cell, next) = value(*step, rows, at)?;
                cells.push(cell);
                at = next;
            } else {
                cells.push(Cell::Null);
            }
            nulls >>= 1;
        }
    }
    Some(at)
}

fn partial(
    steps: &[Step],
    rows: &[u8],
    mut at: usize,
    present: &[u8],
    nulls: &[u8],
    cells: &mut Vec<Cell>,
) -> Option<usize> {
    let mut bit = 0;
    for (column, step) in steps.iter().enumerate() {
        if !is_set(present, column) {
            cells.push(Cell::Absent);
            continue;
        }
        let null = is_set(nulls, bit);
        bit += 1;
        if null {
            cells.push(Cell::Null);
        } else {
            let (cell, next) = value(*step, rows, at)?;
            cells.push(cell);
            at = next;
        }
    }
    Some(at)
}

fn is_set(bits: &[u8], index: usize) -> bool {
    bits.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 == 1)
}

/// The value at `at`, and where the next one starts.
#[inline]
fn value(step: Step, rows: &[u8], at: usize) -> Option<(Cell, usize)> {
    let (start, len) = match step.get() {
        Ok(fixed) => (at, fixed),
        Err(1) => (at + 1, usize::from(*rows.get(at)?)),
        Err(2) => {
            let bytes: &[u8; 2] = rows.get(at..)?.first_chunk()?;
            (at + 2, usize::from(u16::from_le_bytes(*bytes)))
        }
        Err(wide) => {
            let bytes = rows.get(at..at.checked_add(wide)?)?;
            (at + wide, bytes.iter().rev().fold(0, |n, b| n << 8 | usize::from(*b)))
        }
    };
    let end = start.checked_add(len)?;
    if end > rows.len() {
        return None;
    }
    Some((Cell::At { start: u32::try_from(start).ok()?, end: u32::try_from(end).ok()? }, end))
}
