//! The events inside a payload, one at a time: no more than one of them is held.

use std::io::Read;

use crate::binlog::payload::{PayloadFields, Unpacker};
use crate::binlog::{EventHeader, HEADER_LEN, RawEvent};

/// Calls `each` for each event in the payload with this body.
pub(super) fn for_each(
    unpacker: &mut Unpacker,
    body: &[u8],
    mut each: impl FnMut(&RawEvent<'_>) -> Result<(), String>,
) -> Result<(), String> {
    let fields = PayloadFields::parse(body).map_err(|error| error.to_string())?;
    fields.check(u64::try_from(body.len()).unwrap_or(u64::MAX)).map_err(|error| error.to_string())?;
    let mut stream = unpacker.stream(&fields, body.get(fields.len..).unwrap_or_default());
    let mut bytes = Vec::new();
    while stream.left() > 0 {
        bytes.resize(HEADER_LEN, 0);
        stream.read_exact(&mut bytes).map_err(|error| error.to_string())?;
        let header = EventHeader::read(&bytes).ok_or("the payload ends inside an event")?;
        let rest = u64::from(header.event_size).checked_sub(u64::try_from(HEADER_LEN).unwrap_or(u64::MAX));
        let rest = rest.filter(|rest| *rest <= stream.left()).ok_or_else(|| {
            format!("a {} event inside the payload claims {} bytes", header.event_type, header.event_size)
        })?;
        // Read as it comes, so that a claim alone takes no memory.
        let got = stream.by_ref().take(rest).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        if u64::try_from(got).unwrap_or(u64::MAX) < rest {
            return Err("the payload ends inside an event".to_owned());
        }
        each(&RawEvent { header, bytes: &bytes })?;
    }
    // Its very end tells whether it held what it claimed.
    std::io::copy(&mut stream, &mut std::io::sink()).map(drop).map_err(|error| error.to_string())
}
