//! Events of every type: the first byte is the type, the rest the body, in a file of MySQL 9.7 or MariaDB.
#![no_main]

use libfuzzer_sys::fuzz_target;
use replicate::binlog::event::{self, FormatDescription};
use replicate::binlog::{ChecksumAlgorithm, EventFlags, EventHeader, EventType, RawEvent};

fuzz_target!(|data: &[u8]| {
    let Some((&[event_type, versions], body)) = data.split_first_chunk() else { return };
    let size = u32::try_from(19 + body.len()).unwrap();
    let flags = EventFlags(if versions & 1 == 0 { 0 } else { EventFlags::IGNORABLE });
    let event_type = EventType(event_type);
    let header = EventHeader { timestamp: 0, event_type, server_id: 1, event_size: size, log_pos: size, flags };
    let bytes = [&header.to_bytes()[..], body].concat();
    let raw = RawEvent::cut(&bytes).unwrap().0;
    let fde = FormatDescription {
        binlog_version: 4,
        server_version: if versions & 2 == 0 { "9.7.4" } else { "10.11.11-MariaDB" }.to_owned(),
        created: 0,
        header_length: 19,
        // As new servers write them, old servers, and anything.
        post_header_lengths: match versions >> 2 & 3 {
            0 => include_bytes!("post_header_lengths.bin").to_vec(),
            1 => vec![6; 40],
            2 => Vec::new(),
            _ => vec![versions; 200],
        },
        checksum: ChecksumAlgorithm::Off,
        tree_types: false,
    };
    let _ = event::parse(&raw, &fde);
});
