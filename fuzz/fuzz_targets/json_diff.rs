//! Changes of a JSON document, applied to a document.
#![no_main]

use libfuzzer_sys::fuzz_target;
use replicate::binlog::event::RowsKind;
use replicate::row::ColumnKind;
use replicate_fuzz::{render_update, take, with_length};

fuzz_target!(|data: &[u8]| {
    let mut data = data;
    let len = take(&mut data, 1).first().copied().unwrap_or(0);
    let document = take(&mut data, usize::from(len));
    // The image before; value options with PARTIAL_JSON, the column's bit, the image after.
    let rows = [&[0], &with_length(document)[..], &[1, 1, 0], &with_length(data)].concat();
    render_update(ColumnKind::Json { length_bytes: 4 }, None, RowsKind::Update, true, &rows);
});
