//! The rows: each field of the flat status with its names and where its value comes from.

use super::{ChannelStatus, LastError};

/// A value on its way to text or JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Not known.
    Null,
    /// Text.
    Text(String),
    /// A number.
    Number(u64),
    /// `Yes`/`No` in text, a boolean in JSON.
    Flag(bool),
    /// `1`/`0` in text, a boolean in JSON.
    Bit(bool),
    /// Seconds since 1970.
    Time(Option<u64>),
}

/// One field.
#[derive(Clone, Copy)]
pub struct FieldRow {
    /// MySQL's name, or ours where MySQL has no such field.
    pub name: &'static str,
    /// MySQL's name before 8.0.22, where it differs.
    pub old_name: Option<&'static str>,
    /// Its key in JSON. Never changes.
    pub key: &'static str,
    /// What it means, for the documentation.
    pub meaning: &'static str,
    /// Its value.
    pub get: fn(&ChannelStatus) -> Value,
}

impl FieldRow {
    /// The name in old or new words.
    #[must_use]
    pub fn name_in(&self, names: super::Names) -> &'static str {
        match names {
            super::Names::New => self.name,
            super::Names::Old => self.old_name.unwrap_or(self.name),
        }
    }
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

fn number(value: Option<u64>) -> Value {
    value.map_or(Value::Null, Value::Number)
}

fn errno(error: Option<&LastError>) -> Value {
    Value::Number(error.map_or(0, |error| u64::from(error.number)))
}

fn message(error: Option<&LastError>) -> Value {
    text(error.map_or("", |error| &error.message))
}

fn error_time(error: Option<&LastError>) -> Value {
    Value::Time(error.map(|error| error.at))
}

/// A field called the same in old and new words.
const fn same(
    name: &'static str,
    key: &'static str,
    meaning: &'static str,
    get: fn(&ChannelStatus) -> Value,
) -> FieldRow {
    FieldRow { name, old_name: None, key, meaning, get }
}

/// A field with a name in old words.
const fn renamed(
    name: &'static str,
    old_name: &'static str,
    key: &'static str,
    meaning: &'static str,
    get: fn(&ChannelStatus) -> Value,
) -> FieldRow {
    FieldRow { name, old_name: Some(old_name), key, meaning, get }
}

/// Every field: MySQL's in MySQL's order, then our own.
#[rustfmt::skip]
pub const REGISTER: &[FieldRow] = &[
    renamed("Replica_IO_State", "Slave_IO_State", "replica_io_state",
        "what the receiver does now", |s| text(&s.connection.state)),
    renamed("Source_Host", "Master_Host", "source_host",
        "host of the source, or the path of its socket", |s| text(&s.connection.host)),
    renamed("Source_User", "Master_User", "source_user",
        "account at the source", |s| text(&s.connection.user)),
    renamed("Source_Port", "Master_Port", "source_port",
        "TCP port of the source; 0 for a socket", |s| Value::Number(u64::from(s.connection.port))),
    same("Connect_Retry", "connect_retry",
        "longest wait between two attempts to connect, in seconds", |s| Value::Number(s.connection.connect_retry)),
    renamed("Source_Log_File", "Master_Log_File", "source_log_file",
        "source file that the receiver reads", |s| text(&s.connection.log_file)),
    renamed("Read_Source_Log_Pos", "Read_Master_Log_Pos", "read_source_log_pos",
        "offset in it up to which events were received", |s| Value::Number(s.connection.log_pos)),
    same("Relay_Log_File", "relay_log_file",
        "relay file that the applier reads", |s| text(&s.coordinator.relay_log_file)),
    same("Relay_Log_Pos", "relay_log_pos",
        "offset in it up to which transactions were applied", |s| Value::Number(s.coordinator.relay_log_pos)),
    renamed("Relay_Source_Log_File", "Relay_Master_Log_File", "relay_source_log_file",
        "source file of the last transaction applied", |s| text(&s.coordinator.source_log_file)),
    renamed("Replica_IO_Running", "Slave_IO_Running", "replica_io_running",
        "whether the receiver runs: Yes, No or Connecting", |s| text(s.connection.running.word())),
    renamed("Replica_SQL_Running", "Slave_SQL_Running", "replica_sql_running",
        "whether the applier runs", |s| text(if s.coordinator.running { "Yes" } else { "No" })),
    same("Last_Errno", "last_errno",
        "same as Last_SQL_Errno", |s| errno(s.applier_error())),
    same("Last_Error", "last_error",
        "same as Last_SQL_Error", |s| message(s.applier_error())),
    renamed("Exec_Source_Log_Pos", "Exec_Master_Log_Pos", "exec_source_log_pos",
        "source offset up to which transactions were applied", |s| Value::Number(s.coordinator.source_log_pos)),
    same("Relay_Log_Space", "relay_log_space",
        "bytes of all relay files", |s| Value::Number(s.coordinator.relay_log_space)),
    same("Until_Condition", "until_condition",
        "where the applier is to stop by itself", |_| text("None")),
    renamed("Source_SSL_Allowed", "Master_SSL_Allowed", "source_ssl_allowed",
        "whether TLS is allowed", |s| Value::Flag(s.connection.ssl_allowed)),
    renamed("Source_SSL_CA_File", "Master_SSL_CA_File", "source_ssl_ca_file",
        "file of trusted authorities", |s| text(&s.connection.ssl_ca_file)),
    renamed("Source_SSL_Cert", "Master_SSL_Cert", "source_ssl_cert",
        "file of our certificate", |s| text(&s.connection.ssl_cert)),
    renamed("Source_SSL_Key", "Master_SSL_Key", "source_ssl_key",
        "file of our certificate's key", |s| text(&s.connection.ssl_key)),
    renamed("Seconds_Behind_Source", "Seconds_Behind_Master", "seconds_behind_source",
        "how far the applier is behind; NULL when that cannot be told", |s| number(s.coordinator.seconds_behind_source)),
    renamed("Source_SSL_Verify_Server_Cert", "Master_SSL_Verify_Server_Cert", "source_ssl_verify_server_cert",
        "whether the certificate is checked against the host name", |s| Value::Flag(s.connection.ssl_verify_server_cert)),
    same("Last_IO_Errno", "last_io_errno",
        "number of the receiver's last error", |s| errno(s.connection.last_error.as_ref())),
    same("Last_IO_Error", "last_io_error",
        "the receiver's last error", |s| message(s.connection.last_error.as_ref())),
    same("Last_SQL_Errno", "last_sql_errno",
        "number of the applier's last error", |s| errno(s.applier_error())),
    same("Last_SQL_Error", "last_sql_error",
        "the applier's last error", |s| message(s.applier_error())),
    renamed("Source_Server_Id", "Master_Server_Id", "source_server_id",
        "server_id of the source", |s| number(s.connection.source_server_id.map(u64::from))),
    renamed("Source_UUID", "Master_UUID", "source_uuid",
        "server_uuid of the source", |s| s.connection.source_uuid.as_deref().map_or(Value::Null, text)),
    renamed("Replica_SQL_Running_State", "Slave_SQL_Running_State", "replica_sql_running_state",
        "what the applier does now", |s| text(&s.coordinator.state)),
    same("Last_IO_Error_Timestamp", "last_io_error_timestamp",
        "when the receiver's last error was (UTC)", |s| error_time(s.connection.last_error.as_ref())),
    same("Last_SQL_Error_Timestamp", "last_sql_error_timestamp",
        "when the applier's last error was (UTC)", |s| error_time(s.applier_error())),
    same("Channel_Name", "channel_name",
        "name of the channel", |s| text(&s.channel)),
    renamed("Source_public_key_path", "Master_public_key_path", "source_public_key_path",
        "file with the source's RSA key", |s| text(&s.connection.public_key_path)),
    renamed("Get_Source_public_key", "Get_master_public_key", "get_source_public_key",
        "whether the source is asked for its RSA key", |s| Value::Bit(s.connection.get_public_key)),
    // Ours.
    same("Process_Id", "process_id",
        "process that runs the channel; NULL when it is stopped", |s| number(s.process.as_ref().map(|p| u64::from(p.pid)))),
    same("Running_Since", "running_since",
        "when that process started it (UTC)", |s| Value::Time(s.process.as_ref().map(|p| p.since))),
    same("Replica_Server_Id", "replica_server_id",
        "server_id of this replica", |s| number(s.connection.server_id.map(u64::from))),
    same("Connection_Encrypted", "connection_encrypted",
        "whether the connection is encrypted now; NULL when there is none", |s| s.connection.encrypted.map_or(Value::Null, Value::Flag)),
    same("Received_Bytes", "received_bytes",
        "bytes of events received by this process", |s| Value::Number(s.connection.received_bytes)),
    same("Seconds_Since_Last_Packet", "seconds_since_last_packet",
        "seconds since the source last sent anything", |s| number(s.connection.seconds_since_last_packet)),
    same("Sink", "sink",
        "where changes go", |s| text(&s.sink.target)),
    same("Sink_Log_File", "sink_log_file",
        "source file of the durable checkpoint", |s| text(&s.sink.checkpoint_file)),
    same("Sink_Log_Pos", "sink_log_pos",
        "source offset of the durable checkpoint", |s| Value::Number(s.sink.checkpoint_pos)),
    same("Applied_Transactions", "applied_transactions",
        "transactions the sink has taken from this process", |s| Value::Number(s.sink.transactions)),
    same("Applied_Events", "applied_events",
        "events the sink has taken from this process", |s| Value::Number(s.sink.events)),
    same("Applied_Rows", "applied_rows",
        "rows the sink has taken from this process", |s| Value::Number(s.sink.rows)),
    same("Ignored_Events", "ignored_events",
        "events of unknown type, marked as ignorable by their writer, that were passed over", |s| Value::Number(s.sink.ignored_events)),
];
