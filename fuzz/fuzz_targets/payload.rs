//! TRANSACTION_PAYLOAD_EVENT: its fields and what it unpacks to.
#![no_main]

use std::io::Read;

use libfuzzer_sys::fuzz_target;
use replicate::binlog::payload::{PayloadFields, Unpacker};

fuzz_target!(|data: &[u8]| {
    let Ok(fields) = PayloadFields::parse(data) else { return };
    if fields.check(data.len() as u64).is_err() {
        return;
    }
    let mut unpacker = Unpacker::new();
    let mut out = Vec::new();
    let payload = data.get(fields.len..).unwrap_or_default();
    let _ = unpacker.unpack(&fields, payload, &mut out);
    let mut piece = [0; 4096];
    let mut stream = unpacker.stream(&fields, payload);
    for _ in 0..1000 {
        if !matches!(stream.read(&mut piece), Ok(1..)) {
            break;
        }
    }
});
