//! A table map and a row event: plan, cells, values, and the feed's text of them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use replicate::binlog::event::{RowsEvent, RowsKind, TableMapEvent};
use replicate::row::TablePlan;
use replicate_fuzz::{render, take};

fuzz_target!(|data: &[u8]| {
    let mut data = data;
    let kind = match take(&mut data, 1).first().copied().unwrap_or(0) % 3 {
        0 => RowsKind::Write,
        1 => RowsKind::Update,
        _ => RowsKind::Delete,
    };
    let field = |data: &mut &[u8]| -> Vec<u8> {
        let len = take(data, 1).first().copied().unwrap_or(0);
        take(data, usize::from(len)).to_vec()
    };
    let (types, meta, nulls, optional) = (field(&mut data), field(&mut data), field(&mut data), field(&mut data));
    let (columns, columns_after) = (field(&mut data), field(&mut data));
    let map = TableMapEvent {
        table_id: 1,
        flags: 0,
        database: b"d",
        table: b"t",
        column_types: &types,
        column_meta: &meta,
        null_bitmap: &nulls,
        optional: &optional,
    };
    let Ok(plan) = TablePlan::compile(&map, None) else { return };
    let event = RowsEvent {
        kind,
        table_id: 1,
        flags: 1,
        extra: &[],
        width: types.len(),
        columns: &columns,
        columns_after: &columns_after,
        partial: nulls.first().is_some_and(|byte| *byte == 0xa5),
        rows: data,
    };
    render(&plan, &event);
});
