//! The kind of a statement, by its leading words.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    std::hint::black_box(replicate::statement::classify(data));
});
