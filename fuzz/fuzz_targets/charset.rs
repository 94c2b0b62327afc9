//! Text in every character set.
#![no_main]

use libfuzzer_sys::fuzz_target;
use replicate::row::ColumnKind;
use replicate_fuzz::{render_value, with_length};

fuzz_target!(|data: &[u8]| {
    let Some((collation, text)) = data.split_first_chunk::<2>() else { return };
    // Ids of MySQL and MariaDB are below 2400.
    let collation = u16::from_le_bytes(*collation) % 2400;
    render_value(ColumnKind::Blob { length_bytes: 4 }, Some(collation), &with_length(text));
});
