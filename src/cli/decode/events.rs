//! `--format events`: one line an event, for people or as JSON.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::bar::Bar;
use crate::pipeline::ApplyError;
use crate::pipeline::listing::{Checksum, Listed, Listing};
use crate::sink::SinkError;
use crate::status::rfc3339;

/// Columns of the text before the last, by heading. Each is as wide as what was in it so far.
const HEADINGS: [&str; 10] =
    ["Log_name", "Pos", "Event_type", "Server_id", "End_log_pos", "Size", "Time", "Flags", "Checksum", "GTID"];

/// What is usual in them, so that the first lines are not narrower than the rest.
const USUAL: [&str; 10] = ["", "123456789", "Execute_load_query", "", "", "", "", "", "", ""];

/// Columns that are numbers stand to the right.
const TO_THE_RIGHT: [bool; 10] = [false, true, false, true, true, true, false, false, false, false];

/// Writes lines to standard output.
pub(super) struct Events<'a> {
    bar: &'a Bar,
    json: bool,
    widths: Option<[usize; 10]>,
}

impl<'a> Events<'a> {
    pub(super) fn new(json: bool, bar: &'a Bar) -> Self {
        Self { bar, json, widths: None }
    }

    fn text(&mut self, event: &Listed<'_>, out: &mut Vec<u8>) {
        let header = event.header;
        let indent = if event.in_payload { "  " } else { "" };
        let cells = [
            event.file.to_owned(),
            event.pos.to_string(),
            format!("{indent}{}", header.event_type),
            header.server_id.to_string(),
            event.end.to_string(),
            header.event_size.to_string(),
            if header.timestamp == 0 { "-".to_owned() } else { rfc3339(u64::from(header.timestamp)) },
            format!("0x{:x}", header.flags.0),
            checksum(event.checksum).unwrap_or("-").to_owned(),
            event.gtid.map_or_else(|| "-".to_owned(), ToString::to_string),
        ];
        let widths = match &mut self.widths {
            Some(widths) => widths,
            None => {
                let mut widths = HEADINGS.map(str::len);
                widen(&mut widths, &USUAL.map(str::to_owned));
                widen(&mut widths, &cells);
                row(&HEADINGS.map(str::to_owned), &widths, b"Info", out);
                self.widths.insert(widths)
            }
        };
        widen(widths, &cells);
        row(&cells, widths, event.info, out);
    }
}

fn widen(widths: &mut [usize; 10], cells: &[String; 10]) {
    for (width, cell) in widths.iter_mut().zip(cells) {
        *width = (*width).max(cell.len());
    }
}

fn row(cells: &[String; 10], widths: &[usize; 10], info: &[u8], out: &mut Vec<u8>) {
    for ((cell, width), right) in cells.iter().zip(widths).zip(TO_THE_RIGHT) {
        // Writing to a vector cannot fail.
        let _ = if right { write!(out, "{cell:>width$}  ") } else { write!(out, "{cell:<width$}  ") };
    }
    escape(info, out);
    while out.last() == Some(&b' ') {
        out.pop();
    }
    out.push(b'\n');
}

/// One event is one line: line breaks, backslashes, other controls and what is no UTF-8 are escaped.
fn escape(info: &[u8], out: &mut Vec<u8>) {
    for chunk in info.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\n' => out.extend_from_slice(b"\\n"),
                '\t' => out.extend_from_slice(b"\\t"),
                '\\' => out.extend_from_slice(b"\\\\"),
                c if c.is_control() => {
                    let _ = write!(out, "\\x{:02x}", u32::from(c));
                }
                c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
}

fn checksum(state: Checksum) -> Option<&'static str> {
    match state {
        Checksum::None => None,
        Checksum::Good => Some("ok"),
        Checksum::Bad => Some("bad"),
    }
}

/// The object of one event; docs/decode.md describes it.
fn object(event: &Listed<'_>) -> Value {
    let header = event.header;
    let mut object = json!({
        "log_name": event.file,
        "pos": event.pos,
        "event_type": header.event_type.to_string(),
        "server_id": header.server_id,
        "end_log_pos": event.end,
        "info": text(event.info),
        "size": header.event_size,
        "ts": header.timestamp,
        "gtid": event.gtid.map(ToString::to_string),
        "flags": header.flags.0,
        "checksum": checksum(event.checksum),
    });
    if let (true, Some(fields)) = (event.in_payload, object.as_object_mut()) {
        fields.insert("in_payload".to_owned(), Value::Bool(true));
    }
    object
}

/// Text, or bytes under the feed's mark.
fn text(bytes: &[u8]) -> Value {
    use base64::Engine;
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(_) => json!({ "$base64": base64::engine::general_purpose::STANDARD.encode(bytes) }),
    }
}

impl Listing for Events<'_> {
    fn line(&mut self, event: &Listed<'_>, out: &mut Vec<u8>) {
        if self.json {
            let _ = serde_json::to_writer(&mut *out, &object(event));
            out.push(b'\n');
        } else {
            self.text(event, out);
        }
    }

    fn write(&mut self, lines: &[u8], read: u64) -> Result<(), ApplyError> {
        self.bar.advance(read);
        let mut out = io::stdout().lock();
        out.write_all(lines).and_then(|()| out.flush()).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => ApplyError::Sink { error: SinkError::BrokenPipe, place: None },
            _ => ApplyError::Sink {
                error: SinkError::Unavailable { what: format!("cannot write to standard output: {error}") },
                place: None,
            },
        })
    }
}
