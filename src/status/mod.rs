//! How a channel stands. REGISTER of status fields.
//!
//! [`ChannelStatus`] is a snapshot in the shape of the performance schema: connection, coordinator and workers, each
//! with its own last error and time, and the sink. The flat `SHOW REPLICA STATUS` is rendered from it by the rows of
//! [`REGISTER`], as text like the `mysql` client's `\G` and as JSON, with MySQL's names new and old. A field whose
//! value is not known is `NULL`; fields that would have to be made up are not there.
//! This module does not gather anything: whoever runs the channel fills the snapshot in.
//! Manual: "SHOW REPLICA STATUS Statement", "Performance Schema Replication Tables".

mod register;
mod text;
mod time;
pub use time::rfc3339;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use register::{FieldRow, REGISTER, Value};
pub use text::{Names, json, markdown_table, text};

use crate::options::{ChannelOptions, SslMode};
use crate::position::FIRST_EVENT;

/// What `Replica_IO_State` and `Replica_SQL_Running_State` say, in MySQL's words where MySQL has them.
/// Manual: "Replication I/O (Receiver) Thread States", "Replication SQL Thread States".
pub mod state {
    /// The receiver is trying to reach the source.
    pub const CONNECTING: &str = "Connecting to source";
    /// The receiver is reading the server's version and variables.
    pub const CHECKING_VERSION: &str = "Checking source version";
    /// The receiver makes itself known to the source.
    pub const REGISTERING: &str = "Registering replica on source";
    /// The receiver asks for the log.
    pub const REQUESTING_DUMP: &str = "Requesting binlog dump";
    /// The receiver has all there is and waits.
    pub const WAITING_FOR_SOURCE: &str = "Waiting for source to send event";
    /// The connection was lost or refused; the receiver waits before it tries again.
    pub const WAITING_TO_RECONNECT: &str = "Waiting to reconnect after a failed source event read";
    /// The relay log cannot be written because the disk is full.
    pub const WAITING_FOR_DISK: &str = "Waiting for disk space for the relay log";
    /// The applier reads events from the relay log and applies them.
    pub const APPLYING: &str = "Reading event from the relay log";
    /// The applier has nothing left to do.
    pub const APPLIED_ALL: &str = "Replica has read all relay log; waiting for more updates";
    /// The sink cannot be reached; the applier waits before it tries again.
    pub const WAITING_FOR_SINK: &str = "Waiting to retry after a failure of the sink";
}

/// Whether the receiver runs: `Replica_IO_Running`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiverRunning {
    /// Not running.
    #[default]
    No,
    /// Running, but not connected to the source.
    Connecting,
    /// Running and connected.
    Yes,
}

impl ReceiverRunning {
    /// As MySQL prints it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::No => "No",
            Self::Connecting => "Connecting",
            Self::Yes => "Yes",
        }
    }
}

/// The last error of one part of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastError {
    /// The error's number: the server's own where a server said it; 0 is not used.
    pub number: u32,
    /// What happened, without secrets and row values.
    pub message: String,
    /// When, in seconds since 1970.
    pub at: u64,
}

/// The process that runs the channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessStatus {
    /// Its process id.
    pub pid: u32,
    /// When it started the channel, in seconds since 1970.
    pub since: u64,
}

/// The receiver and its connection: `replication_connection_configuration` and `replication_connection_status`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ConnectionStatus {
    /// What the receiver does now; empty when it is stopped. See [`state`].
    pub state: String,
    /// Whether it runs.
    pub running: ReceiverRunning,
    /// Host of the source, or the path of its socket.
    pub host: String,
    /// TCP port of the source; 0 for a socket.
    pub port: u16,
    /// Account at the source.
    pub user: String,
    /// Longest wait between two attempts to connect, in seconds.
    pub connect_retry: u64,
    /// Source file that the next event is read from; empty before the first.
    pub log_file: String,
    /// Offset in it up to which events have been received.
    pub log_pos: u64,
    /// Whether TLS is allowed.
    pub ssl_allowed: bool,
    /// File of trusted authorities; empty for none.
    pub ssl_ca_file: String,
    /// File of our certificate; empty for none.
    pub ssl_cert: String,
    /// File of its key; empty for none.
    pub ssl_key: String,
    /// Whether the source's certificate is checked against its host name.
    pub ssl_verify_server_cert: bool,
    /// File with the source's RSA key; empty for none.
    pub public_key_path: String,
    /// Whether the source is asked for its RSA key.
    pub get_public_key: bool,
    /// `server_id` of the source, once it told.
    pub source_server_id: Option<u32>,
    /// `server_uuid` of the source, once it told. MariaDB has none.
    pub source_uuid: Option<String>,
    /// `server_id` of this replica, once it has one.
    pub server_id: Option<u32>,
    /// Whether the connection is encrypted now; `None` when there is none.
    pub encrypted: Option<bool>,
    /// Bytes of events received by this process.
    pub received_bytes: u64,
    /// Seconds since the source last sent anything, heartbeats included.
    pub seconds_since_last_packet: Option<u64>,
    /// Its last error.
    pub last_error: Option<LastError>,
}

/// The coordinator and what it has applied: `replication_applier_status_by_coordinator`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CoordinatorStatus {
    /// What it does now; empty when it is stopped. See [`state`].
    pub state: String,
    /// Whether it runs.
    pub running: bool,
    /// Relay file it reads.
    pub relay_log_file: String,
    /// Offset in it up to which transactions have been applied.
    pub relay_log_pos: u64,
    /// Source file of the last transaction applied.
    pub source_log_file: String,
    /// Source offset up to which transactions have been applied.
    pub source_log_pos: u64,
    /// Bytes of all relay files.
    pub relay_log_space: u64,
    /// How far the applier is behind, in seconds; `None` when that cannot be told.
    pub seconds_behind_source: Option<u64>,
    /// Its last error.
    pub last_error: Option<LastError>,
}

/// One worker: `replication_applier_status_by_worker`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkerStatus {
    /// Its number, from 1.
    pub id: u32,
    /// Whether it runs.
    pub running: bool,
    /// Its last error.
    pub last_error: Option<LastError>,
}

/// What the sink has taken since this process began.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SinkStatus {
    /// The sink, as `--sink` names it.
    pub target: String,
    /// Transactions.
    pub transactions: u64,
    /// Rows.
    pub rows: u64,
    /// Events.
    pub events: u64,
    /// Events of unknown type that were passed over because their writer marked them as ignorable.
    pub ignored_events: u64,
    /// Source file of the durable checkpoint; empty before the first.
    pub checkpoint_file: String,
    /// Offset of the durable checkpoint.
    pub checkpoint_pos: u64,
}

/// How a channel stands at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ChannelStatus {
    /// Name of the channel; the default one's is empty.
    pub channel: String,
    /// Who runs it; `None` when it is stopped.
    pub process: Option<ProcessStatus>,
    /// The receiver.
    pub connection: ConnectionStatus,
    /// The coordinator.
    pub coordinator: CoordinatorStatus,
    /// The workers.
    pub workers: Vec<WorkerStatus>,
    /// The sink.
    pub sink: SinkStatus,
}

impl ChannelStatus {
    /// A stopped channel of which no more is known than its options.
    #[must_use]
    pub fn configured(channel: &str, options: &ChannelOptions) -> Self {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        let host =
            if options.socket.is_some() { path(&options.socket) } else { options.host.clone().unwrap_or_default() };
        let connection = ConnectionStatus {
            host,
            port: if options.socket.is_some() { 0 } else { options.port },
            user: options.user.clone().unwrap_or_default(),
            connect_retry: options.connect_retry.as_secs(),
            log_file: options.start.as_ref().map(|start| start.file.to_string()).unwrap_or_default(),
            log_pos: options.start.as_ref().map_or(FIRST_EVENT, |start| start.pos),
            ssl_allowed: options.tls.mode != SslMode::Disabled,
            ssl_ca_file: path(&options.tls.ca),
            ssl_cert: path(&options.tls.cert),
            ssl_key: path(&options.tls.key),
            ssl_verify_server_cert: options.tls.mode == SslMode::VerifyIdentity,
            public_key_path: path(&options.public_key_path),
            get_public_key: options.get_public_key,
            server_id: options.server_id,
            ..ConnectionStatus::default()
        };
        let sink = SinkStatus { target: options.sink.to_string(), ..SinkStatus::default() };
        Self { channel: channel.to_owned(), connection, sink, ..Self::default() }
    }

    /// The applier's last error: the coordinator's, else that of the first worker that has one.
    #[must_use]
    pub fn applier_error(&self) -> Option<&LastError> {
        let workers = self.workers.iter().filter_map(|worker| worker.last_error.as_ref());
        self.coordinator.last_error.iter().chain(workers).next()
    }
}
