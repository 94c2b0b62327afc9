//! A relay log that is damaged: opening it repairs the tail or names the damage, and what is left opens again.
#![no_main]

use std::fs;

use libfuzzer_sys::fuzz_target;
use replicate::relay::{RelayOptions, RelayWriter};

fuzz_target!(|data: &[u8]| {
    let Some((cut, data)) = data.split_first() else { return };
    // The second file begins in the middle of the data; the index names both.
    let (first, second) = data.split_at(data.len() * usize::from(*cut) / 256);
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    fs::write(dir.path().join("relay-bin.000001"), if second.is_empty() { data } else { first }).unwrap();
    let mut index = "relay-bin.000001\n".to_owned();
    if cut % 2 == 1 {
        fs::write(dir.path().join("relay-bin.000002"), second).unwrap();
        index.push_str("relay-bin.000002\n");
    }
    fs::write(dir.path().join("relay-bin.index"), index).unwrap();
    if let Ok((writer, _)) = RelayWriter::open(dir.path(), RelayOptions::default()) {
        drop(writer);
        RelayWriter::open(dir.path(), RelayOptions::default()).expect("what was repaired opens");
    }
});
