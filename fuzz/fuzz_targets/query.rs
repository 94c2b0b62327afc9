//! QUERY_EVENT with its status variables, of both families.
#![no_main]

use libfuzzer_sys::fuzz_target;
use replicate::binlog::event::{self, FormatDescription};
use replicate::binlog::{ChecksumAlgorithm, EventFlags, EventHeader, EventType, RawEvent};

fuzz_target!(|data: &[u8]| {
    let Some((maria, variables)) = data.split_first() else { return };
    let variables = &variables[..variables.len().min(5000)];
    let len = u16::try_from(variables.len()).unwrap();
    let body = [&[0; 8][..], &[1, 0, 0], &len.to_le_bytes(), variables, b"d\0SELECT 1"].concat();
    let size = u32::try_from(19 + body.len()).unwrap();
    let (event_type, flags) = (EventType::QUERY, EventFlags(0));
    let header = EventHeader { timestamp: 0, event_type, server_id: 1, event_size: size, log_pos: size, flags };
    let bytes = [&header.to_bytes()[..], &body].concat();
    let fde = FormatDescription {
        binlog_version: 4,
        server_version: if maria & 1 == 0 { "9.7.4" } else { "10.11.11-MariaDB" }.to_owned(),
        created: 0,
        header_length: 19,
        post_header_lengths: vec![0, 13],
        checksum: ChecksumAlgorithm::Off,
        tree_types: false,
    };
    let _ = event::parse(&RawEvent::cut(&bytes).unwrap().0, &fde);
});
