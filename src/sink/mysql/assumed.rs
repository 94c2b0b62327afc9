//! A table's definition as far as the log alone tells it.
//!
//! Stands in for a catalog where none is asked: names, types, character sets and the primary key come from the table
//! map (`binlog_row_metadata=FULL`). What a table map does not say: which columns are generated, other keys, defaults,
//! triggers, foreign keys. So every other column is taken for one that can be written, and no two DELETEs are merged.
//! Manual: "Table_map_event", optional metadata.

use super::table::Target;
use crate::row::charset::Charset;
use crate::row::{ColumnKind, ColumnPlan, TablePlan};
use crate::schema::{ColumnDef, TableDef};
use crate::sink::RenderError;

/// How MariaDB names the columns that it adds for the hashes of long unique keys; nobody can write them.
const HASH_COLUMN: &str = "DB_ROW_HASH_";

/// The definition that a plan implies.
pub(super) fn definition(plan: &TablePlan) -> TableDef {
    TableDef {
        database: plan.database.clone(),
        table: plan.table.clone(),
        columns: plan.columns.iter().map(column).collect(),
        primary_key: plan.primary_key.clone(),
        cascades: true,
        ..TableDef::default()
    }
}

fn column(plan: &ColumnPlan) -> ColumnDef {
    let charset = plan.collation.and_then(Charset::of_collation).filter(|charset| *charset != Charset::Binary);
    ColumnDef {
        name: plan.name.clone(),
        data_type: data_type(plan.kind).to_owned(),
        charset: charset.map(|charset| charset.name().to_owned()),
        generated: plan.name.starts_with(HASH_COLUMN),
        ..ColumnDef::default()
    }
}

/// The type as far as it matters for comparing a value and for what changes by itself.
fn data_type(kind: ColumnKind) -> &'static str {
    use ColumnKind as K;
    match kind {
        K::DateTime { .. } | K::OldDateTime => "datetime",
        K::Timestamp { .. } | K::OldTimestamp => "timestamp",
        K::Enum { .. } => "enum",
        K::Set { .. } => "set",
        K::Json { .. } => "json",
        K::Vector { .. } => "vector",
        K::Text { .. } | K::Blob { .. } | K::Compressed { .. } => "text",
        _ => "",
    }
}

/// A row can be found only in columns whose names are known.
pub(super) fn must_be_named(target: &Target<'_>) -> Result<(), RenderError> {
    if target.named {
        return Ok(());
    }
    Err(RenderError {
        what: format!("the log does not name the columns of {}, and rows cannot be found without", target.display),
        hint: Some(hint()),
    })
}

/// A negative integer may as well be a large one.
pub(super) fn sign_unsaid(table: &str, column: &str) -> RenderError {
    RenderError {
        what: format!("the log does not say whether {column} of {table} is UNSIGNED, and its value depends on it"),
        hint: Some(hint()),
    }
}

fn hint() -> String {
    "give its definition with --schema, or set binlog_row_metadata=FULL at the source: later logs then name their columns"
        .to_owned()
}
