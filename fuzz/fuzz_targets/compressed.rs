//! MariaDB's compressed statements and rows.
#![no_main]

use libfuzzer_sys::fuzz_target;
use replicate::binlog::compressed::Inflater;
use replicate::binlog::event::FormatDescription;
use replicate::binlog::{ChecksumAlgorithm, EventFlags, EventHeader, EventType, RawEvent};

fuzz_target!(|data: &[u8]| {
    let Some((event_type, body)) = data.split_first() else { return };
    let event_type = EventType(165 + event_type % 7);
    let size = u32::try_from(19 + body.len()).unwrap();
    let flags = EventFlags(0);
    let header = EventHeader { timestamp: 0, event_type, server_id: 1, event_size: size, log_pos: size, flags };
    let bytes = [&header.to_bytes()[..], body].concat();
    let fde = FormatDescription {
        binlog_version: 4,
        server_version: "10.11.11-MariaDB".to_owned(),
        created: 0,
        header_length: 19,
        post_header_lengths: include_bytes!("post_header_lengths.bin").to_vec(),
        checksum: ChecksumAlgorithm::Off,
        tree_types: false,
    };
    let _ = Inflater::default().parse(&RawEvent::cut(&bytes).unwrap().0, &fde);
});
