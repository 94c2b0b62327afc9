//! Asks the source who it is and what it has.
//!
//! What a server can do is found out by asking for it, not by its version's text: a variable that exists, a statement
//! that is not a syntax error. Privileges needed: REPLICATION CLIENT for the logs, REPLICATION SLAVE for the replicas.

use crate::binlog::ChecksumAlgorithm;
use crate::position::LogPosition;

use super::error::{Failure, SourceError};
use super::result::ResultSet;
use super::server_error::Cause;
use super::session::Connection;

/// Whose server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavor {
    /// MySQL and what derives from it (Percona Server).
    MySql,
    /// MariaDB.
    MariaDb,
}

/// The source's identity and settings. `None`: the server has no such variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceInfo {
    /// MySQL or MariaDB.
    pub flavor: Flavor,
    /// `@@version`.
    pub version: String,
    /// `@@server_id`.
    pub server_id: u32,
    /// `@@server_uuid`; MariaDB has none.
    pub server_uuid: Option<String>,
    /// Whether it writes a binary log.
    pub log_bin: bool,
    /// `@@binlog_format`: ROW, STATEMENT or MIXED.
    pub binlog_format: Option<String>,
    /// `@@binlog_row_image`: FULL, MINIMAL or NOBLOB.
    pub row_image: Option<String>,
    /// `@@binlog_row_metadata`: MINIMAL or FULL (MariaDB: NO_LOG too).
    pub row_metadata: Option<String>,
    /// `@@binlog_checksum`.
    pub checksum: ChecksumAlgorithm,
    /// Whether the server knows `@@binlog_checksum` at all (MySQL 5.6 and later).
    pub has_checksums: bool,
    /// `@@gtid_mode` of MySQL.
    pub gtid_mode: Option<String>,
    /// `@@lower_case_table_names`.
    pub lower_case_table_names: Option<u8>,
    /// `@@time_zone` and `@@system_time_zone`.
    pub time_zone: Option<(String, String)>,
}

impl SourceInfo {
    /// What tells this server from others: its UUID, or its server id where it has none (MariaDB). A file and offset
    /// are kept together with it.
    #[must_use]
    pub fn identity(&self) -> String {
        self.server_uuid.clone().unwrap_or_else(|| format!("server-id-{}", self.server_id))
    }
}

/// A replica that is registered at the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// Its `server_id`.
    pub server_id: u32,
    /// Its UUID, where the server tells.
    pub uuid: Option<String>,
    /// The host it reported; empty for none.
    pub host: String,
}

const VARIABLES: &str = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('version','server_id','server_uuid','log_bin',\
'binlog_format','binlog_row_image','binlog_row_metadata','binlog_checksum','gtid_mode','gtid_domain_id',\
'lower_case_table_names','time_zone','system_time_zone')";

/// Asks for identity and settings; needs no privilege.
pub async fn probe(conn: &mut Connection) -> Result<SourceInfo, SourceError> {
    let set = conn.query(VARIABLES).await?;
    info(&set).map_err(|what| conn.error(Failure::Answer { query: "SHOW GLOBAL VARIABLES", what }))
}

fn info(set: &ResultSet) -> Result<SourceInfo, String> {
    let value = |name: &str| {
        (0..set.rows.len())
            .find(|&row| set.text(row, 0).is_some_and(|found| found.eq_ignore_ascii_case(name)))
            .and_then(|row| set.text(row, 1))
            .map(str::to_owned)
    };
    let server_id = value("server_id").ok_or("no server_id")?;
    let checksum = value("binlog_checksum");
    Ok(SourceInfo {
        flavor: if value("gtid_domain_id").is_some() { Flavor::MariaDb } else { Flavor::MySql },
        version: value("version").ok_or("no version")?,
        server_id: server_id.parse().map_err(|_| format!("server_id {server_id}"))?,
        server_uuid: value("server_uuid"),
        log_bin: value("log_bin").is_some_and(|on| on.eq_ignore_ascii_case("ON") || on == "1"),
        binlog_format: value("binlog_format"),
        row_image: value("binlog_row_image"),
        row_metadata: value("binlog_row_metadata"),
        checksum: match checksum.as_deref() {
            None | Some("NONE" | "") => ChecksumAlgorithm::Off,
            Some("CRC32") => ChecksumAlgorithm::Crc32,
            Some(other) => return Err(format!("binlog_checksum {other} is unknown")),
        },
        has_checksums: checksum.is_some(),
        gtid_mode: value("gtid_mode"),
        lower_case_table_names: value("lower_case_table_names").and_then(|text| text.parse().ok()),
        time_zone: value("time_zone").zip(value("system_time_zone")),
    })
}

/// Sends the first of these statements that the server knows.
async fn first_known(conn: &mut Connection, statements: &[&str]) -> Result<ResultSet, Failure> {
    let mut last = Failure::Options("no statement to send");
    for sql in statements {
        match conn.ask(sql).await {
            Err(Failure::Server(error)) if error.cause == Cause::UnknownStatement => last = error.into(),
            other => return other,
        }
    }
    Err(last)
}

/// The replicas that are registered now; `None` if this account may not see them. MySQL wants REPLICATION SLAVE for
/// it, MariaDB REPLICATION MASTER ADMIN, which a replica has no other use for.
pub async fn replicas(conn: &mut Connection) -> Result<Option<Vec<Replica>>, SourceError> {
    let set = match first_known(conn, &["SHOW REPLICAS", "SHOW REPLICA HOSTS", "SHOW SLAVE HOSTS"]).await {
        Ok(set) => set,
        Err(Failure::Server(error)) if error.cause == Cause::MissingPrivilege => return Ok(None),
        Err(failure) => return Err(conn.error(failure)),
    };
    let id = set.column("Server_Id");
    let uuid = set.column_of(&["Replica_UUID", "Slave_UUID"]);
    let host = set.column("Host");
    let text = |row, column: Option<usize>| column.and_then(|column| set.text(row, column)).map(str::to_owned);
    let replica = |row| {
        let server_id = text(row, id)?.parse().ok()?;
        Some(Replica { server_id, uuid: text(row, uuid), host: text(row, host).unwrap_or_default() })
    };
    let found: Option<Vec<_>> = (0..set.rows.len()).map(replica).collect();
    let what = "a replica without a server id".to_owned();
    found.map(Some).ok_or_else(|| conn.error(Failure::Answer { query: "SHOW REPLICAS", what }))
}

/// The source's log files and their sizes in bytes, oldest first; needs REPLICATION CLIENT.
/// Error 1381 (cause `BinlogOff`) where there is no binary log.
pub async fn binary_logs(conn: &mut Connection) -> Result<Vec<(String, u64)>, SourceError> {
    let set = conn.query("SHOW BINARY LOGS").await?;
    let log = |row| Some((set.text(row, 0)?.to_owned(), set.text(row, 1)?.parse().ok()?));
    let found: Option<Vec<_>> = (0..set.rows.len()).map(log).collect();
    let what = "a row without name and size".to_owned();
    found.ok_or_else(|| conn.error(Failure::Answer { query: "SHOW BINARY LOGS", what }))
}

/// Where the source writes next, `None` without a binary log; needs REPLICATION CLIENT.
pub async fn end_of_log(conn: &mut Connection) -> Result<Option<LogPosition>, SourceError> {
    Ok(log_status(conn).await?.map(|(end, _)| end))
}

/// As [`end_of_log`], and whether the server leaves out databases (`binlog_do_db`, `binlog_ignore_db`).
pub(super) async fn log_status(conn: &mut Connection) -> Result<Option<(LogPosition, bool)>, SourceError> {
    let set = match first_known(conn, &["SHOW BINARY LOG STATUS", "SHOW MASTER STATUS"]).await {
        Ok(set) => set,
        Err(failure) => return Err(conn.error(failure)),
    };
    if set.rows.is_empty() {
        return Ok(None);
    }
    let position = set.text(0, 0).zip(set.text(0, 1).and_then(|pos| pos.parse().ok()));
    let what = "no file and position".to_owned();
    match position {
        Some((file, pos)) => {
            let filters = [set.text(0, 2), set.text(0, 3)];
            Ok(Some((LogPosition::new(file, pos), filters.into_iter().flatten().any(|list| !list.is_empty()))))
        }
        None => Err(conn.error(Failure::Answer { query: "SHOW BINARY LOG STATUS", what })),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> ResultSet {
        let bytes = |text: &str| Some(text.as_bytes().to_vec());
        ResultSet {
            columns: vec!["Variable_name".to_owned(), "Value".to_owned()],
            rows: pairs.iter().map(|(name, value)| vec![bytes(name), bytes(value)]).collect(),
        }
    }

    #[test]
    fn the_flavor_is_told_by_the_variables_a_server_has() {
        let mysql = [("version", "9.7.4"), ("server_id", "1"), ("log_bin", "ON"), ("binlog_checksum", "CRC32")];
        let found = info(&variables(&mysql)).unwrap();
        assert_eq!((found.flavor, found.server_id, found.log_bin), (Flavor::MySql, 1, true));
        assert_eq!((found.checksum, found.has_checksums), (ChecksumAlgorithm::Crc32, true));
        let maria = [("version", "10.11.18"), ("server_id", "4294967295"), ("gtid_domain_id", "0"), ("log_bin", "OFF")];
        let found = info(&variables(&maria)).unwrap();
        assert_eq!((found.flavor, found.server_id, found.log_bin), (Flavor::MariaDb, u32::MAX, false));
        assert_eq!((found.checksum, found.has_checksums), (ChecksumAlgorithm::Off, false));
    }

    #[test]
    fn an_unknown_checksum_algorithm_is_an_error() {
        let pairs = [("version", "20.0"), ("server_id", "1"), ("binlog_checksum", "SHA3")];
        assert!(info(&variables(&pairs)).unwrap_err().contains("SHA3"));
        assert!(info(&variables(&[])).is_err());
    }
}
