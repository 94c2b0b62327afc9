//! DECIMAL: precision and scale, then packed digits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use replicate::binlog::event::{RowsEvent, RowsKind, TableMapEvent};
use replicate::row::TablePlan;
use replicate_fuzz::render;

fuzz_target!(|data: &[u8]| {
    let Some((meta, value)) = data.split_first_chunk::<2>() else { return };
    let map = TableMapEvent {
        table_id: 1,
        flags: 0,
        database: b"d",
        table: b"t",
        column_types: &[246],
        column_meta: meta,
        null_bitmap: &[1],
        optional: &[],
    };
    let Ok(plan) = TablePlan::compile(&map, None) else { return };
    let rows = [&[0], value].concat();
    let event = RowsEvent {
        kind: RowsKind::Write,
        table_id: 1,
        flags: 1,
        extra: &[],
        width: 1,
        columns: &[1],
        columns_after: &[1],
        partial: false,
        rows: &rows,
    };
    render(&plan, &event);
});
