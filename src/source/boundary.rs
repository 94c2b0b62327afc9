//! Where events begin in a file of the source: judges a position that a user typed.
//!
//! A dump from a place inside an event ends with an obscure error at best. SHOW BINLOG EVENTS knows the starts: MySQL
//! reads the file from its beginning and lists what begins at or after the position; MariaDB refuses a position that
//! is no start. Needs REPLICATION SLAVE. Manual: "SHOW BINLOG EVENTS Statement".

use crate::position::{FIRST_EVENT, LogPosition};
use crate::statement::{StatementKind, classify};

use super::error::{Failure, SourceError};
use super::result::ResultSet;
use super::server_error::Cause;
use super::session::Connection;

/// Events asked for at once.
const PAGE: u32 = 2000;
/// Events that open a file: no change stands before or among them.
const PREAMBLE: [&str; 5] = ["Format_desc", "Previous_gtids", "Gtid_list", "Binlog_checkpoint", "Start_encryption"];
/// Those that only servers with GTIDs write; there, each transaction begins with one.
const OF_GTIDS: [&str; 2] = ["Previous_gtids", "Gtid_list"];
/// Beginnings of the names of events that stand behind the first of a transaction.
const WITHIN: [&str; 13] = [
    "Table_map",
    "Write_rows",
    "Update_rows",
    "Delete_rows",
    "Xid",
    "Rows_query",
    "Annotate_rows",
    "Intvar",
    "RAND",
    "User var",
    "Append_block",
    "Execute_load_query",
    "Transaction_payload",
];

/// What a position is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PositionCheck {
    /// An event begins there, or the file ends there.
    Boundary,
    /// An event begins there, behind others of the same transaction.
    InsideTransaction {
        /// The event's type, in the server's word.
        kind: String,
    },
    /// Inside the events that open a file: starting at `first` loses nothing.
    Preamble {
        /// Where the first event after the preamble begins, or would.
        first: u64,
    },
    /// Inside an event.
    Inside {
        /// Where that event begins.
        before: u64,
        /// Where the next one begins, or the file ends.
        after: u64,
    },
    /// Behind the end of the file.
    BeyondEnd {
        /// Where the file ends.
        end: u64,
    },
}

/// Judges a position. A file that does not exist is a server error with the cause `LogNotFound`.
pub async fn check_position(conn: &mut Connection, at: &LogPosition) -> Result<PositionCheck, SourceError> {
    check(conn, at).await.map_err(|failure| conn.error(failure))
}

/// The starts of events around a position: of the event it is in or at, and of the next (or the file's end).
pub async fn nearby_boundaries(conn: &mut Connection, at: &LogPosition) -> Result<(u64, u64), SourceError> {
    around(conn, at, FIRST_EVENT).await.map_err(|failure| conn.error(failure))
}

async fn check(conn: &mut Connection, at: &LogPosition) -> Result<PositionCheck, Failure> {
    let (first, has_gtids) = preamble(conn, &at.file).await?;
    if at.pos == FIRST_EVENT {
        return Ok(PositionCheck::Boundary);
    }
    if at.pos < first {
        return Ok(PositionCheck::Preamble { first });
    }
    if at.pos == first {
        return Ok(PositionCheck::Boundary);
    }
    if let Some(event) = begins_at(conn, at).await? {
        return Ok(match event.within.filter(|_| has_gtids) {
            Some(kind) => PositionCheck::InsideTransaction { kind },
            None => PositionCheck::Boundary,
        });
    }
    let (before, after) = around(conn, at, first).await?;
    Ok(match at.pos {
        pos if pos == before || pos == after => PositionCheck::Boundary,
        pos if pos > after => PositionCheck::BeyondEnd { end: after },
        _ => PositionCheck::Inside { before, after },
    })
}

/// The event that begins exactly there, if the server lists one.
async fn begins_at(conn: &mut Connection, at: &LogPosition) -> Result<Option<Listed>, Failure> {
    match events(conn, &at.file, at.pos, 1).await {
        Ok(found) => Ok(found.into_iter().next().filter(|event| event.start == at.pos)),
        Err(Failure::Server(error)) if error.cause == Cause::BadPosition => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Where the events that open a file end, and whether they are of a server with GTIDs. A server without a binary log
/// lists nothing and names no error.
async fn preamble(conn: &mut Connection, file: &str) -> Result<(u64, bool), Failure> {
    const QUERY: &str = "SHOW BINLOG EVENTS";
    let opening = events(conn, file, FIRST_EVENT, 16).await?;
    if opening.is_empty() {
        conn.ask("SHOW BINARY LOGS").await?;
        return Err(Failure::Answer { query: QUERY, what: format!("no events in {file}") });
    }
    let preamble = opening.iter().take_while(|event| event.opening);
    let has_gtids = preamble.clone().any(|event| event.of_gtids);
    Ok((preamble.last().map_or(FIRST_EVENT, |event| event.end), has_gtids))
}

/// Walks from a known start to the position: the last start at or before it, and the next.
async fn around(conn: &mut Connection, at: &LogPosition, from: u64) -> Result<(u64, u64), Failure> {
    let (mut before, mut end) = (from, from);
    loop {
        let page = events(conn, &at.file, end, PAGE).await?;
        let Some(last) = page.last().map(|last| last.end) else { return Ok((before, end)) };
        for event in &page {
            if event.start > at.pos {
                return Ok((before, event.start));
            }
            before = event.start;
        }
        if last > at.pos || last <= end {
            return Ok((before, last));
        }
        end = last;
    }
}

/// One row of SHOW BINLOG EVENTS.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Listed {
    start: u64,
    end: u64,
    opening: bool,
    of_gtids: bool,
    /// The type of an event that cannot be the first of a transaction.
    within: Option<String>,
}

/// Lists events; nothing at the end of the file.
async fn events(conn: &mut Connection, file: &str, from: u64, limit: u32) -> Result<Vec<Listed>, Failure> {
    if file.bytes().any(|byte| matches!(byte, b'\'' | b'\\' | 0)) {
        return Err(Failure::Options("a log file's name cannot contain quotes or backslashes"));
    }
    let sql = format!("SHOW BINLOG EVENTS IN '{file}' FROM {from} LIMIT {limit}");
    listed(&conn.ask(&sql).await?)
}

fn listed(set: &ResultSet) -> Result<Vec<Listed>, Failure> {
    let number = |row, name| set.column(name).and_then(|column| set.text(row, column))?.parse().ok();
    let event = |row| {
        let kind = set.column("Event_type").and_then(|column| set.text(row, column))?;
        let info = set.column("Info").and_then(|column| set.text(row, column)).unwrap_or_default();
        Some(Listed {
            start: number(row, "Pos")?,
            end: number(row, "End_log_pos")?,
            opening: PREAMBLE.contains(&kind),
            of_gtids: OF_GTIDS.contains(&kind),
            within: is_within(kind, info).then(|| kind.to_owned()),
        })
    };
    let rows: Option<Vec<_>> = (0..set.rows.len()).map(event).collect();
    rows.ok_or_else(|| Failure::Answer { query: "SHOW BINLOG EVENTS", what: "a row without offsets".to_owned() })
}

/// Whether an event stands behind the first of its transaction. Statements are told by their text: of those on rows,
/// a BEGIN is the first; a definition's statement stands behind its GTID only.
fn is_within(kind: &str, info: &str) -> bool {
    if kind != "Query" {
        return WITHIN.iter().any(|name| kind.starts_with(name));
    }
    use StatementKind::{Commit, Dml, ReleaseSavepoint, Rollback, RollbackTo, Savepoint};
    // "use `database`; statement"
    let statement = info.strip_prefix("use `").and_then(|rest| rest.split_once("`; ")).map_or(info, |(_, text)| text);
    matches!(classify(statement.as_bytes()), Commit | Dml | ReleaseSavepoint | Rollback | RollbackTo | Savepoint)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn rows(events: &[(&str, u64, u64)]) -> ResultSet {
        let names = ["Log_name", "Pos", "Event_type", "Server_id", "End_log_pos", "Info"];
        let bytes = |text: String| Some(text.into_bytes());
        let row = |&(kind, start, end): &(&str, u64, u64)| {
            let values = ["b.000001".to_owned(), start.to_string(), kind.to_owned(), "1".to_owned(), end.to_string()];
            values.into_iter().map(bytes).chain([None]).collect()
        };
        ResultSet { columns: names.map(str::to_owned).to_vec(), rows: events.iter().map(row).collect() }
    }

    #[test]
    fn only_the_first_event_of_a_transaction_can_be_started_at() {
        for (kind, info) in [
            ("Gtid", "SET @@SESSION.GTID_NEXT= 'x:1'"),
            ("Gtid", "BEGIN GTID 0-1-2"),
            ("Anonymous_Gtid", "SET @@SESSION.GTID_NEXT= 'ANONYMOUS'"),
            ("Query", "BEGIN"),
            ("Query", "use `a b`; CREATE TABLE t (id INT)"),
            ("Rotate", "b.000002;pos=4"),
            ("Stop", ""),
        ] {
            assert!(!is_within(kind, info), "{kind} {info}");
        }
        for (kind, info) in [
            ("Table_map", "table_id: 9 (d.t)"),
            ("Update_rows_partial", "table_id: 9 flags: STMT_END_F"),
            ("Delete_rows_compressed_v1", "table_id: 9 flags: STMT_END_F"),
            ("Annotate_rows", "INSERT INTO t VALUES (1)"),
            ("Xid", "COMMIT /* xid=9 */"),
            ("Transaction_payload", "compression='ZSTD', decompressed_size=443 bytes"),
            ("Query", "COMMIT"),
            ("Query", "use `d`; INSERT INTO t VALUES (1)"),
            ("Query", "SAVEPOINT `s`"),
        ] {
            assert!(is_within(kind, info), "{kind} {info}");
        }
    }

    #[test]
    fn the_list_of_events_is_read_by_column_name() {
        let found = listed(&rows(&[("Format_desc", 4, 127), ("Anonymous_Gtid", 127, 206)])).unwrap();
        assert_eq!((found[0].start, found[0].end, found[0].opening), (4, 127, true));
        assert_eq!((found[1].start, found[1].end, found[1].opening), (127, 206, false));
        assert_eq!(listed(&rows(&[("Write_rows_v1", 300, 340)])).unwrap()[0].within.as_deref(), Some("Write_rows_v1"));
        assert!(listed(&ResultSet { columns: vec!["x".to_owned()], rows: vec![vec![None]] }).is_err());
    }
}
