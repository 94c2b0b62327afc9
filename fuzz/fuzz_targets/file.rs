//! Whole log files, the whole path of `replicate decode`. Checksums are made right first.
#![no_main]

#[allow(dead_code)]
#[path = "../../tests/it/corpus.rs"]
mod corpus;

use libfuzzer_sys::fuzz_target;
use replicate::pipeline::ApplyError;

fuzz_target!(|data: &[u8]| {
    let mut bytes = data.to_vec();
    let sums: Vec<(usize, u32)> = corpus::raw_events(data)
        .iter()
        .filter_map(|(at, raw)| {
            let (covered, _) = raw.bytes.split_last_chunk::<4>()?;
            Some((at + covered.len(), crc32fast::hash(covered)))
        })
        .collect();
    for (at, sum) in sums {
        bytes[at..at + 4].copy_from_slice(&sum.to_le_bytes());
    }
    if let Err(ApplyError::Internal(error)) = corpus::decode("events.bin", &bytes).result {
        panic!("{error}");
    }
});
