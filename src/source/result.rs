//! Answers to text queries: OK packets and result sets of the text protocol.
//!
//! For short answers (variables, lists of logs, catalog rows): a result set is held whole and its size is bounded.
//! Manual: "COM_QUERY Response".

use super::error::Failure;
use super::packet::PacketStream;
use super::server_error::ServerError;

/// The most that one answer may hold, in bytes of values.
const MAX_RESULT: usize = 64 << 20;
/// The most columns a result set can have at any server.
const MAX_COLUMNS: u64 = 4096;

const OK: u8 = 0x00;
const EOF: u8 = 0xfe;
const ERROR: u8 = 0xff;
const LOCAL_INFILE: u8 = 0xfb;
const NULL: u8 = 0xfb;
/// An EOF packet is shorter than this; a row may begin with the same byte.
const EOF_LIMIT: usize = 9;

/// Rows as text; `None` is NULL.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResultSet {
    /// Column names.
    pub columns: Vec<String>,
    /// Values in column order.
    pub rows: Vec<Vec<Option<Vec<u8>>>>,
}

impl ResultSet {
    /// Number of the column with this name, whatever its case.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.eq_ignore_ascii_case(name))
    }

    /// Number of the first column that has one of these names.
    #[must_use]
    pub fn column_of(&self, names: &[&str]) -> Option<usize> {
        names.iter().find_map(|name| self.column(name))
    }

    /// A value as text; `None` if it is NULL, not UTF-8, or not there.
    #[must_use]
    pub fn text(&self, row: usize, column: usize) -> Option<&str> {
        std::str::from_utf8(self.rows.get(row)?.get(column)?.as_deref()?).ok()
    }
}

/// Reads the answer to COM_QUERY. An OK packet is a result set without columns.
pub(super) async fn read(stream: &mut PacketStream) -> Result<ResultSet, Failure> {
    let packet = stream.read().await?;
    let count = match packet.first() {
        Some(&OK) => return Ok(ResultSet::default()),
        Some(&ERROR) => return Err(server_error(packet)),
        Some(&LOCAL_INFILE) => return Err(Failure::Protocol("the server asks for a local file, which is refused")),
        _ => match length(packet) {
            Some((count @ 1..=MAX_COLUMNS, [])) => count,
            _ => return Err(Failure::Protocol("an impossible number of columns")),
        },
    };
    let mut columns = Vec::new();
    for _ in 0..count {
        let packet = stream.read().await?;
        columns.push(column_name(packet).ok_or(Failure::Protocol("a column definition cut short"))?);
    }
    if !is_eof(stream.read().await?) {
        return Err(Failure::Protocol("no end after the column definitions"));
    }
    let mut rows = Vec::new();
    let mut room = MAX_RESULT;
    loop {
        let packet = stream.read().await?;
        if is_eof(packet) {
            return Ok(ResultSet { columns, rows });
        }
        if packet.first() == Some(&ERROR) {
            return Err(server_error(packet));
        }
        // Each value costs its own allocation besides its bytes.
        let cost = columns.len().saturating_mul(32).saturating_add(packet.len());
        room = room.checked_sub(cost).ok_or(Failure::ResultTooLarge { limit: MAX_RESULT })?;
        rows.push(row(packet, columns.len()).ok_or(Failure::Protocol("a row cut short"))?);
    }
}

/// The error packet as a failure.
pub(super) fn server_error(packet: &[u8]) -> Failure {
    match ServerError::parse(packet) {
        Some(error) => error.into(),
        None => Failure::Protocol("an error packet cut short"),
    }
}

/// Whether this is an EOF packet and not a row.
pub(super) fn is_eof(packet: &[u8]) -> bool {
    packet.first() == Some(&EOF) && packet.len() < EOF_LIMIT
}

/// A length-encoded integer, and what follows it.
fn length(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    let width = match first {
        0..=250 => return Some((u64::from(first), rest)),
        252 => 2,
        253 => 3,
        254 => 8,
        _ => return None,
    };
    let (number, rest) = rest.split_at_checked(width)?;
    Some((number.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)), rest))
}

/// A length-encoded string, and what follows it.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = length(bytes)?;
    rest.split_at_checked(usize::try_from(length).ok()?)
}

/// The name out of a column definition: after catalog, schema, table and original table.
fn column_name(packet: &[u8]) -> Option<String> {
    let mut rest = packet;
    for _ in 0..4 {
        (_, rest) = string(rest)?;
    }
    let (name, _) = string(rest)?;
    Some(String::from_utf8_lossy(name).into_owned())
}

fn row(packet: &[u8], columns: usize) -> Option<Vec<Option<Vec<u8>>>> {
    let mut rest = packet;
    let mut values = Vec::with_capacity(columns);
    for _ in 0..columns {
        match rest.split_first() {
            Some((&NULL, after)) => {
                values.push(None);
                rest = after;
            }
            _ => {
                let (value, after) = string(rest)?;
                values.push(Some(value.to_vec()));
                rest = after;
            }
        }
    }
    rest.is_empty().then_some(values)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn answer(packets: &[&[u8]]) -> Result<ResultSet, Failure> {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let mut stream = PacketStream::new(Box::new(ours), 1 << 20, Duration::from_secs(2));
        let mut peer = PacketStream::new(Box::new(theirs), 1 << 20, Duration::from_secs(2));
        for packet in packets {
            peer.write(packet).await.unwrap();
        }
        drop(peer);
        read(&mut stream).await
    }

    const COLUMN: &[u8] = b"\x03def\0\0\0\x01a\0\x0c\x2d\0\x04\0\0\0\xfd\0\0\0\0\0";
    const END: &[u8] = b"\xfe\0\0\x02\0";

    #[tokio::test]
    async fn a_result_set_has_names_and_rows_and_nulls() {
        let set = answer(&[b"\x01", COLUMN, END, b"\x02hi", b"\xfb", b"\0", END]).await.unwrap();
        assert_eq!(set.columns, ["a"]);
        assert_eq!(set.rows, [vec![Some(b"hi".to_vec())], vec![None], vec![Some(Vec::new())]]);
        assert_eq!(set.text(0, set.column("A").unwrap()), Some("hi"));
        assert_eq!(set.text(1, 0), None);
        assert_eq!(set.text(9, 9), None);
    }

    #[tokio::test]
    async fn an_ok_packet_is_an_empty_set() {
        assert_eq!(answer(&[&[0, 0, 0, 2, 0, 0, 0]]).await.unwrap(), ResultSet::default());
    }

    #[tokio::test]
    async fn a_request_for_a_local_file_is_refused() {
        match answer(&[b"\xfb/etc/passwd"]).await {
            Err(Failure::Protocol(what)) => assert!(what.contains("local file"), "{what}"),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn errors_before_and_between_rows_are_the_servers() {
        let error: &[u8] = b"\xff\x25\x05#70100Query execution was interrupted";
        for packets in [&[error][..], &[b"\x01", COLUMN, END, b"\x02hi", error]] {
            assert!(matches!(answer(packets).await, Err(Failure::Server(error)) if error.code == 1317));
        }
    }

    #[tokio::test]
    async fn hostile_answers_are_typed_errors() {
        let answers: [&[&[u8]]; 9] = [
            &[b""],
            &[b"\xfc"],
            &[b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff"],
            &[b"\x02x"],
            &[b"\x01", b"\x03de"],
            &[b"\x01", COLUMN, b"\x01x"],
            &[b"\x01", COLUMN, END, b"\x05hi", END],
            &[b"\x01", COLUMN, END, b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff", END],
            &[b"\x01", COLUMN, END, b"\x02hi\x01", END],
        ];
        for packets in answers {
            assert!(answer(packets).await.is_err(), "{packets:?}");
        }
    }
}
