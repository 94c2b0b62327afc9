//! JSON documents in MySQL's binary form.
#![no_main]

use libfuzzer_sys::fuzz_target;
use replicate::row::ColumnKind;
use replicate_fuzz::{render_value, with_length};

fuzz_target!(|data: &[u8]| render_value(ColumnKind::Json { length_bytes: 4 }, None, &with_length(data)));
