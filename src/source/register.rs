//! Makes a session a replica's: session variables that the dump thread reads, and COM_REGISTER_SLAVE.
//!
//! Old and new names are set together, because user variables that a server does not read do no harm: MySQL before
//! 8.0.26 and MariaDB read the old ones. Manual: "COM_REGISTER_SLAVE"; `Binlog_sender` in MySQL's source.

use mysql_common::packets::ComRegisterSlave;
use mysql_common::proto::MySerialize;

use super::config::SourceConfig;
use super::error::Failure;
use super::probe::{Flavor, SourceInfo};
use super::server_error::Cause;
use super::session::Connection;

/// Seconds the source may wait for us to take data, or for our next command.
const NET_TIMEOUT: u32 = 3600;
/// MariaDB: we understand its GTID events, so none are rewritten for us.
const MARIADB_CAPABILITY: u32 = 4;
/// The longest heartbeat period a server takes, in seconds.
const MAX_HEARTBEAT_SECONDS: u64 = 4_294_967;
/// COM_REGISTER_SLAVE gives the reported host's length in one byte; servers keep this many.
const MAX_REPORT_HOST: usize = 255;

/// Sets the session up and registers it.
pub(super) async fn register(conn: &mut Connection, config: &SourceConfig, info: &SourceInfo) -> Result<(), Failure> {
    conn.ask(&session_variables(config, info)?).await?;
    let mut packet = Vec::new();
    ComRegisterSlave::new(config.server_id)
        .with_hostname(report_host(config)?.as_bytes())
        .with_port(config.report_port)
        .serialize(&mut packet);
    conn.simple_command(&packet).await.map_err(missing_privilege)
}

/// "Access denied" to a session that is logged in means a privilege, not the password.
fn missing_privilege(failure: Failure) -> Failure {
    match failure {
        Failure::Server(mut error) if error.cause == Cause::AccessDenied => {
            error.cause = Cause::MissingPrivilege;
            Failure::Server(error)
        }
        other => other,
    }
}

fn report_host(config: &SourceConfig) -> Result<&str, Failure> {
    if config.report_host.len() > MAX_REPORT_HOST {
        return Err(Failure::Options("the host to report is longer than 255 bytes"));
    }
    Ok(&config.report_host)
}

/// One SET statement for all that the dump thread reads.
fn session_variables(config: &SourceConfig, info: &SourceInfo) -> Result<String, Failure> {
    let uuid = &config.replica_uuid;
    if !uuid.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') {
        return Err(Failure::Options("the replica's UUID has other characters than digits, a to f and '-'"));
    }
    let seconds = config.heartbeat_period.as_secs().min(MAX_HEARTBEAT_SECONDS);
    let nanoseconds = u128::from(seconds) * 1_000_000_000 + u128::from(config.heartbeat_period.subsec_nanos());
    let mut sql = format!(
        "SET SESSION net_write_timeout = {NET_TIMEOUT}, SESSION net_read_timeout = {NET_TIMEOUT}, \
         @master_heartbeat_period = {nanoseconds}, @source_heartbeat_period = {nanoseconds}"
    );
    if info.has_checksums {
        sql.push_str(
            ", @master_binlog_checksum = @@global.binlog_checksum, @source_binlog_checksum = @@global.binlog_checksum",
        );
    }
    if !uuid.is_empty() {
        sql.push_str(&format!(", @slave_uuid = '{uuid}', @replica_uuid = '{uuid}'"));
    }
    if info.flavor == Flavor::MariaDb {
        sql.push_str(&format!(", @mariadb_slave_capability = {MARIADB_CAPABILITY}"));
    }
    Ok(sql)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use std::time::Duration;

    use crate::binlog::ChecksumAlgorithm;
    use crate::source::ServerError;

    use super::*;

    fn info(flavor: Flavor, has_checksums: bool) -> SourceInfo {
        SourceInfo {
            flavor,
            version: String::new(),
            server_id: 1,
            server_uuid: None,
            log_bin: true,
            binlog_format: None,
            row_image: None,
            row_metadata: None,
            checksum: ChecksumAlgorithm::Off,
            has_checksums,
            gtid_mode: None,
            lower_case_table_names: None,
            time_zone: None,
        }
    }

    #[test]
    fn heartbeats_are_asked_for_in_nanoseconds_under_both_names() {
        let config = SourceConfig { heartbeat_period: Duration::from_millis(1500), ..SourceConfig::default() };
        let sql = session_variables(&config, &info(Flavor::MySql, true)).unwrap();
        assert!(sql.contains("@master_heartbeat_period = 1500000000,"), "{sql}");
        assert!(sql.contains("@source_heartbeat_period = 1500000000,"), "{sql}");
        assert!(sql.contains("@source_binlog_checksum = @@global.binlog_checksum"), "{sql}");
        assert!(!sql.contains("mariadb"), "{sql}");
    }

    #[test]
    fn a_server_without_checksums_is_not_asked_about_them() {
        let sql = session_variables(&SourceConfig::default(), &info(Flavor::MariaDb, false)).unwrap();
        assert!(!sql.contains("checksum"), "{sql}");
        assert!(sql.contains("@mariadb_slave_capability = 4"), "{sql}");
    }

    #[test]
    fn access_denied_after_login_is_a_missing_privilege() {
        let error = ServerError::new(1045, "28000".to_owned(), "Access denied for user 'r'@'%'".to_owned());
        let failure = missing_privilege(error.into());
        assert!(failure.hint().unwrap().contains("REPLICATION SLAVE"));
        assert!(matches!(missing_privilege(Failure::Closed), Failure::Closed));
    }

    #[test]
    fn a_uuid_cannot_carry_sql() {
        let config = SourceConfig { replica_uuid: "'; DROP TABLE t".to_owned(), ..SourceConfig::default() };
        assert!(session_variables(&config, &info(Flavor::MySql, true)).is_err());
    }
}
