//! All temporal types, new and old.
#![no_main]

use libfuzzer_sys::fuzz_target;
use replicate::row::ColumnKind as K;
use replicate_fuzz::render_value;

fuzz_target!(|data: &[u8]| {
    let Some((choice, value)) = data.split_first() else { return };
    let digits = choice >> 4;
    let kind = match choice & 15 {
        0 => K::Date,
        1 => K::Time { digits },
        2 => K::DateTime { digits },
        3 => K::Timestamp { digits },
        4 => K::OldTime,
        5 => K::OldDateTime,
        6 => K::OldTimestamp,
        _ => K::Year,
    };
    render_value(kind, None, value);
});
