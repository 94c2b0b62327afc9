//! The text of `mysqlbinlog -vv` (and of `mariadb-binlog`), taken apart: event headers and `###` rows.
//!
//! Rows print after the header of the last row event of their statement, so they are kept by statement.

use std::collections::BTreeSet;

/// One event header of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextEvent {
    pub server_id: u32,
    pub end_log_pos: u32,
    /// What follows on the header's line: the type, and more.
    pub what: String,
    /// From inside a TRANSACTION_PAYLOAD_EVENT.
    pub nested: bool,
}

/// One `###` row.
#[derive(Debug, Clone, Default)]
pub struct TextRow {
    /// `INSERT`, `UPDATE`, `DELETE`.
    pub verb: String,
    /// `` `d`.`t` ``.
    pub table: Vec<u8>,
    /// The image before (WHERE), then the image after (SET).
    pub images: [Vec<TextValue>; 2],
    /// The tool gave up on the event in the middle of this row.
    pub broken: bool,
}

/// `@n=text /* TYPE meta=... */`
#[derive(Debug, Clone)]
pub struct TextValue {
    /// From 1.
    pub number: usize,
    pub text: Vec<u8>,
    /// `INT`, `DECIMAL(10,2)`, ...
    pub kind: String,
}

/// A whole text.
#[derive(Debug, Default)]
pub struct Text {
    pub events: Vec<TextEvent>,
    /// All `# at N`: before the event's header, but not always right before it.
    pub places: BTreeSet<u64>,
    /// The rows of each statement, and whether they stood in a payload.
    pub statements: Vec<Vec<TextRow>>,
}

impl Text {
    pub fn parse(bytes: &[u8]) -> Self {
        let mut text = Self::default();
        let (mut nested, mut image, mut open) = (false, 0, false);
        let mut lines = bytes.split(|byte| *byte == b'\n').peekable();
        while let Some(line) = lines.next() {
            if let Some(rest) = line.strip_prefix(b"# at ") {
                text.places.insert(String::from_utf8_lossy(rest).trim().parse().unwrap());
                open = false;
            } else if line.starts_with(b"# Start of compressed events") {
                nested = true;
            } else if line.starts_with(b"# End of compressed events") {
                nested = false;
            } else if let Some(event) = header(line, nested) {
                text.events.push(event);
                open = false;
            } else if let Some(row) = line.strip_prefix(b"### ").and_then(opening) {
                if !open {
                    text.statements.push(Vec::new());
                    open = true;
                }
                text.statements.last_mut().unwrap().push(row);
                image = 0;
            } else if line == b"### WHERE" || line == b"### SET" {
                image = usize::from(line == b"### SET");
            } else if let Some(value) = line.strip_prefix(b"###   @") {
                // A partial update of a document goes on over lines.
                let mut value = value.to_vec();
                while !finished(&value) && lines.peek().is_some_and(|next| next.starts_with(b"###      ")) {
                    value.push(b'\n');
                    value.extend_from_slice(lines.next().unwrap());
                }
                let row = text.statements.last_mut().unwrap().last_mut().unwrap();
                match parse_value(&value) {
                    Some(value) => row.images[image].push(value),
                    None => row.broken = true,
                }
            }
        }
        text
    }
}

/// `#231114 22:13:20 server id 1  end_log_pos 334 CRC32 0x629d5756 \tQuery...`
fn header(line: &[u8], nested: bool) -> Option<TextEvent> {
    let line = String::from_utf8_lossy(line);
    let (date, rest) = line.strip_prefix('#')?.split_once(" server id ")?;
    if date.len() < 12 || !date.as_bytes()[..6].iter().all(u8::is_ascii_digit) {
        return None;
    }
    let (server_id, rest) = rest.split_once("  end_log_pos ")?;
    let (end, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let rest = rest.trim_start();
    let what = match rest.strip_prefix("CRC32 0x") {
        Some(rest) => rest.get(8..).unwrap_or_default().trim_start(),
        None => rest,
    };
    let server_id = server_id.trim().parse().ok()?;
    Some(TextEvent { server_id, end_log_pos: end.trim().parse().ok()?, what: what.to_owned(), nested })
}

fn opening(line: &[u8]) -> Option<TextRow> {
    for (words, verb) in [("INSERT INTO ", "INSERT"), ("UPDATE ", "UPDATE"), ("DELETE FROM ", "DELETE")] {
        if let Some(table) = line.strip_prefix(words.as_bytes()) {
            // A row without any columns.
            let table = table.strip_suffix(b" VALUES ()").unwrap_or(table);
            return Some(TextRow { verb: verb.to_owned(), table: table.to_vec(), ..TextRow::default() });
        }
    }
    None
}

fn finished(value: &[u8]) -> bool {
    value.ends_with(b" */") || value.windows(2).any(|two| two == b"!!")
}

fn parse_value(line: &[u8]) -> Option<TextValue> {
    let equals = line.iter().position(|byte| *byte == b'=')?;
    let number = String::from_utf8_lossy(&line[..equals]).parse().ok()?;
    let comment = line.windows(4).rposition(|four| four == b" /* ")?;
    let kind = String::from_utf8_lossy(&line[comment + 4..]).split(" meta=").next()?.to_owned();
    Some(TextValue { number, text: line[equals + 1..comment].to_vec(), kind })
}
