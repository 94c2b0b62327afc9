//! The row change that undoes a row change: images change places.
//!
//! An image without a column (`binlog_row_image` MINIMAL or NOBLOB) may lack what undoing needs; then it is refused, with
//! the columns' names. It decides by the images alone and writes nothing.

use super::table::Target;
use crate::binlog::event::RowsKind;
use crate::row::Cell;
use crate::sink::RenderError;

/// Most columns that a message names.
const NAMED: usize = 5;

/// Turns the images of a logged change into those of its reverse, and says what that is.
pub(super) fn row(
    kind: RowsKind,
    before: &mut Vec<Cell>,
    after: &mut Vec<Cell>,
    target: &Target<'_>,
) -> Result<RowsKind, RenderError> {
    match kind {
        RowsKind::Write => {
            std::mem::swap(before, after);
            // A key is enough to find the row; else all of it must be known.
            if target.key(before).is_none() {
                all_there(before, target, "inserted rows cannot be told from others")?;
            }
            Ok(RowsKind::Delete)
        }
        RowsKind::Delete => {
            std::mem::swap(before, after);
            all_there(after, target, "deleted rows cannot be made again")?;
            Ok(RowsKind::Write)
        }
        RowsKind::Update => {
            let lost = |(old, new): (&Cell, &Cell)| *old == Cell::Absent && *new != Cell::Absent;
            lacking(before.iter().zip(after.iter()).map(lost), target, "what was overwritten is not in the log")?;
            // The row as it is now: what the update left out is as before.
            for (old, new) in before.iter().zip(after.iter_mut()) {
                if matches!(new, Cell::Absent) || matches!(new, Cell::JsonDiff { start, end } if start == end) {
                    *new = *old;
                }
            }
            std::mem::swap(before, after);
            Ok(RowsKind::Update)
        }
    }
}

fn all_there(image: &[Cell], target: &Target<'_>, what: &str) -> Result<(), RenderError> {
    lacking(image.iter().map(|cell| *cell == Cell::Absent), target, what)
}

/// An error if any column that can be written is lacking.
fn lacking(lacks: impl Iterator<Item = bool>, target: &Target<'_>, what: &str) -> Result<(), RenderError> {
    let columns = target.columns.iter().zip(lacks).filter(|(column, lacks)| *lacks && !column.def.generated);
    let mut names: Vec<&str> = columns.map(|(column, _)| column.def.name.as_str()).collect();
    if names.is_empty() {
        return Ok(());
    }
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Err(RenderError {
        what: format!("{what}: {} was logged without column {}{more}", target.display, names.join(", ")),
        hint: Some(
            "the source logs part of its rows only (binlog_row_image=MINIMAL or NOBLOB): leave the transaction out, or \
             restore the table from a backup and replay up to it with --format sql"
                .to_owned(),
        ),
    })
}
