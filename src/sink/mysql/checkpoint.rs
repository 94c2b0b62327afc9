//! The checkpoint row on the target: SQL text and the reading of it.
//!
//! One row a channel. Its position moves in the same transaction as the data, so that after any crash it says exactly
//! which transactions the target has. `ddl_fingerprint` is the *intent* of a DDL statement, which commits by itself
//! and so cannot share a transaction with its checkpoint: before such a statement the row is moved to the statement's
//! own position together with a fingerprint of the catalog that the statement is about to change; when the row
//! is read again after a crash, comparing fingerprints tells whether the statement happened.

use super::literal;
use crate::position::LogPosition;
use crate::sink::Progress;

/// The checkpoint row as it stands on the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checkpoint {
    /// Where the next transaction starts.
    pub(super) progress: Progress,
    /// The transaction that ended there, as text.
    pub(super) gtid: Option<String>,
    /// The catalog's fingerprint before a DDL statement at this position, if one was under way.
    pub(super) intent: Option<String>,
}

/// A row as the driver returns it: uuid, file, position, gtid, fingerprint.
pub(super) type CheckpointRow = (Option<Vec<u8>>, Vec<u8>, u64, Option<Vec<u8>>, Option<Vec<u8>>);

impl Checkpoint {
    /// Reads a row; `None` if its text is not UTF-8, which this program never writes.
    pub(super) fn from_row(row: CheckpointRow) -> Option<Self> {
        let (uuid, file, pos, gtid, intent) = row;
        let text = |bytes: Option<Vec<u8>>| bytes.map(String::from_utf8).transpose().ok();
        let file = String::from_utf8(file).ok()?;
        Some(Self {
            progress: Progress { position: LogPosition::new(file, pos), source_uuid: text(uuid)? },
            gtid: text(gtid)?,
            intent: text(intent)?,
        })
    }
}

/// SQL about the checkpoint row of one channel.
#[derive(Debug, Clone)]
pub(super) struct CheckpointSql {
    table: Vec<u8>,
    database: Vec<u8>,
    channel: Vec<u8>,
}

impl CheckpointSql {
    pub(super) fn new(database: &str, channel: &str) -> Self {
        let mut quoted = Vec::new();
        literal::identifier(&mut quoted, database.as_bytes());
        let mut table = quoted.clone();
        table.extend_from_slice(b".`checkpoint`");
        let mut key = Vec::new();
        literal::utf8(&mut key, channel.as_bytes());
        Self { table, database: quoted, channel: key }
    }

    /// Makes the database.
    pub(super) fn create_database(&self) -> Vec<u8> {
        [b"CREATE DATABASE IF NOT EXISTS ", self.database.as_slice()].concat()
    }

    /// Makes the table.
    pub(super) fn create_table(&self) -> Vec<u8> {
        let columns: &[u8] = b" (channel VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY KEY, \
            source_uuid VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL, \
            log_file VARCHAR(512) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL, \
            log_pos BIGINT UNSIGNED NOT NULL, \
            gtid VARCHAR(512) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL, \
            ddl_fingerprint VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL, \
            updated_at TIMESTAMP(6) NULL) ENGINE=InnoDB";
        [b"CREATE TABLE IF NOT EXISTS ", self.table.as_slice(), columns].concat()
    }

    /// Reads the row.
    pub(super) fn select(&self) -> Vec<u8> {
        [
            b"SELECT source_uuid, log_file, log_pos, gtid, ddl_fingerprint FROM ".as_slice(),
            &self.table,
            b" WHERE channel = ",
            &self.channel,
        ]
        .concat()
    }

    /// Writes the first row.
    pub(super) fn insert(&self, next: &Checkpoint) -> Vec<u8> {
        let mut sql = [b"INSERT INTO ".as_slice(), &self.table, b" SET channel = ", &self.channel, b", "].concat();
        assignments(&mut sql, next);
        sql
    }

    /// Removes the row.
    pub(super) fn delete(&self) -> Vec<u8> {
        [b"DELETE FROM ".as_slice(), &self.table, b" WHERE channel = ", &self.channel].concat()
    }

    /// Moves the row. It must match exactly one row: none means that somebody else moved it.
    pub(super) fn update(&self, before: &Checkpoint, next: &Checkpoint) -> Vec<u8> {
        let mut sql = [b"UPDATE ".as_slice(), &self.table, b" SET "].concat();
        assignments(&mut sql, next);
        sql.extend_from_slice(b" WHERE channel = ");
        sql.extend_from_slice(&self.channel);
        sql.extend_from_slice(b" AND log_file = ");
        literal::utf8(&mut sql, before.progress.position.file.as_bytes());
        sql.extend_from_slice(b" AND log_pos = ");
        sql.extend_from_slice(before.progress.position.pos.to_string().as_bytes());
        sql
    }
}

fn assignments(sql: &mut Vec<u8>, row: &Checkpoint) {
    sql.extend_from_slice(b"source_uuid = ");
    nullable(sql, row.progress.source_uuid.as_deref());
    sql.extend_from_slice(b", log_file = ");
    literal::utf8(sql, row.progress.position.file.as_bytes());
    sql.extend_from_slice(b", log_pos = ");
    sql.extend_from_slice(row.progress.position.pos.to_string().as_bytes());
    sql.extend_from_slice(b", gtid = ");
    nullable(sql, row.gtid.as_deref());
    sql.extend_from_slice(b", ddl_fingerprint = ");
    nullable(sql, row.intent.as_deref());
    sql.extend_from_slice(b", updated_at = UTC_TIMESTAMP(6)");
}

fn nullable(sql: &mut Vec<u8>, text: Option<&str>) {
    match text {
        Some(text) => literal::utf8(sql, text.as_bytes()),
        None => sql.extend_from_slice(b"NULL"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn at(pos: u64, intent: Option<&str>) -> Checkpoint {
        Checkpoint {
            progress: Progress { position: LogPosition::new("b.000001", pos), source_uuid: None },
            gtid: None,
            intent: intent.map(str::to_owned),
        }
    }

    #[test]
    fn moving_the_row_names_the_position_it_moves_from() {
        let sql = CheckpointSql::new("re`p", "it's").update(&at(4, None), &at(90, Some("ff")));
        let text = String::from_utf8(sql).unwrap();
        assert!(text.starts_with(
            "UPDATE `re``p`.`checkpoint` SET source_uuid = NULL, log_file = _utf8mb4'b.000001', log_pos = 90"
        ));
        assert!(text.contains("ddl_fingerprint = _utf8mb4'ff'"));
        assert!(
            text.ends_with("WHERE channel = _utf8mb4'it\\'s' AND log_file = _utf8mb4'b.000001' AND log_pos = 4"),
            "{text}"
        );
    }

    #[test]
    fn a_row_reads_back_as_it_was_written() {
        let row = (Some(b"u".to_vec()), b"b.000002".to_vec(), 7, None, Some(b"f".to_vec()));
        let read = Checkpoint::from_row(row).unwrap();
        assert_eq!(read.progress.position, LogPosition::new("b.000002", 7));
        assert_eq!((read.progress.source_uuid.as_deref(), read.intent.as_deref()), (Some("u"), Some("f")));
        assert_eq!(Checkpoint::from_row((None, vec![0xff], 7, None, None)), None);
    }
}
