//! What the fuzz targets share: a row event around the bytes of one value, and its way into the feed.

use replicate::binlog::event::{RowsEvent, RowsKind};
use replicate::change::{GroupEnd, TransactionMeta};
use replicate::position::LogPosition;
use replicate::row::{ColumnKind, ColumnPlan, TablePlan};
use replicate::sink::json::JsonRenderer;
use replicate::sink::null::NullRenderer;
use replicate::sink::{Renderer, RowsContext};

/// Takes up to `len` bytes off the front.
pub fn take<'a>(data: &mut &'a [u8], len: usize) -> &'a [u8] {
    let (taken, rest) = data.split_at(len.min(data.len()));
    *data = rest;
    taken
}

/// Brings a row event to the feed; what cannot be read is an error, and what can be is valid UTF-8.
pub fn render(plan: &TablePlan, event: &RowsEvent<'_>) {
    let transaction = TransactionMeta {
        start: LogPosition::new("f", 4),
        end: LogPosition::new("f", 8),
        gtid: None,
        group_end: GroupEnd::Commit,
        server_id: 1,
        timestamp: 0,
        original_commit_timestamp: 0,
    };
    let context = RowsContext {
        transaction: &transaction,
        plan,
        event,
        timestamp: 0,
        server_id: 1,
        first_row: 0,
        last_in_transaction: true,
    };
    let mut out = Vec::new();
    let mut renderer = JsonRenderer::default();
    if renderer.begin(&transaction, false, &mut out).is_ok() && renderer.rows(&context, &mut out).is_ok() {
        assert!(std::str::from_utf8(&out).is_ok());
    }
    let _ = NullRenderer::default().rows(&context, &mut ());
}

/// One value of a column, as the only column of an inserted row.
pub fn render_value(kind: ColumnKind, collation: Option<u16>, value: &[u8]) {
    render_update(kind, collation, RowsKind::Write, false, &[&[0], value].concat());
}

/// Rows of one column.
pub fn render_update(kind: ColumnKind, collation: Option<u16>, rows_kind: RowsKind, partial: bool, rows: &[u8]) {
    let column = ColumnPlan::new("c".to_owned(), kind, false, collation);
    let plan = TablePlan::new(1, "d".to_owned(), "t".to_owned(), vec![column], Vec::new(), true, None);
    let event = RowsEvent {
        kind: rows_kind,
        table_id: 1,
        flags: 1,
        extra: &[],
        width: 1,
        columns: &[1],
        columns_after: &[1],
        partial,
        rows,
    };
    render(&plan, &event);
}

/// A value with the length of four bytes that stands before it in a row.
pub fn with_length(value: &[u8]) -> Vec<u8> {
    [&u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes()[..], value].concat()
}
