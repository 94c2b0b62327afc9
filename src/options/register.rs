//! The rows themselves.

use super::{Group, Kind, OptionRow};
use crate::row::GeometryForm;

/// Keys of the options, for code that reads one of them.
#[allow(missing_docs)]
pub mod key {
    pub const HOST: &str = "source_host";
    pub const PORT: &str = "source_port";
    pub const SOCKET: &str = "source_socket";
    pub const USER: &str = "source_user";
    pub const PASSWORD: &str = "source_password";
    pub const PASSWORD_FILE: &str = "source_password_file";
    pub const LOG_FILE: &str = "source_log_file";
    pub const LOG_POS: &str = "source_log_pos";
    pub const SSL_MODE: &str = "ssl_mode";
    pub const SSL_CA: &str = "source_ssl_ca";
    pub const SSL_CERT: &str = "source_ssl_cert";
    pub const SSL_KEY: &str = "source_ssl_key";
    pub const GET_PUBLIC_KEY: &str = "get_source_public_key";
    pub const PUBLIC_KEY_PATH: &str = "source_public_key_path";
    pub const SERVER_ID: &str = "server_id";
    pub const CONNECT_RETRY: &str = "source_connect_retry";
    pub const HEARTBEAT_PERIOD: &str = "source_heartbeat_period";
    pub const SINK: &str = "sink";
    pub const SINK_PASSWORD_FILE: &str = "sink_password_file";
    pub const GEOMETRY: &str = "geometry";
    pub const MAX_RELAY_LOG_SIZE: &str = "max_relay_log_size";
    pub const SYNC_RELAY_LOG: &str = "sync_relay_log";
}

/// What a row starts from: each names what differs.
const BASE: OptionRow = OptionRow {
    key: "",
    sql: None,
    sql_old: None,
    variable: None,
    flag: "",
    aliases: &[],
    env: None,
    kind: Kind::Text { max: 0 },
    value_name: "",
    default: None,
    group: Group::Source,
    help: "",
};

/// Every option, in the order of the help.
pub const REGISTER: &[OptionRow] = &[
    OptionRow {
        key: key::HOST,
        sql: Some("SOURCE_HOST"),
        sql_old: Some("MASTER_HOST"),
        flag: "master-host",
        aliases: &["source-host"],
        kind: Kind::Text { max: 255 },
        value_name: "HOST",
        help: "Host name or address of the source. Another host means another source: position and relay log are \
               forgotten.",
        ..BASE
    },
    OptionRow {
        key: key::PORT,
        sql: Some("SOURCE_PORT"),
        sql_old: Some("MASTER_PORT"),
        flag: "master-port",
        aliases: &["source-port"],
        kind: Kind::Integer { min: 1, max: 65_535 },
        value_name: "PORT",
        default: Some("3306"),
        help: "TCP port of the source. Another port means another source, as with the host.",
        ..BASE
    },
    OptionRow {
        key: key::SOCKET,
        flag: "master-socket",
        aliases: &["source-socket"],
        kind: Kind::Path,
        value_name: "PATH",
        help: "Unix socket of a source on this machine, in place of host and port.",
        ..BASE
    },
    OptionRow {
        key: key::USER,
        sql: Some("SOURCE_USER"),
        sql_old: Some("MASTER_USER"),
        flag: "master-user",
        aliases: &["source-user"],
        kind: Kind::Text { max: 96 },
        value_name: "USER",
        help: "Account at the source; it needs the privileges REPLICATION SLAVE and REPLICATION CLIENT, and SELECT on the replicated tables unless the source logs column names.",
        ..BASE
    },
    OptionRow {
        key: key::PASSWORD,
        sql: Some("SOURCE_PASSWORD"),
        sql_old: Some("MASTER_PASSWORD"),
        flag: "master-password",
        aliases: &["source-password"],
        env: Some("REPLICATE_MASTER_PASSWORD"),
        kind: Kind::Secret,
        value_name: "PASSWORD",
        help: "Password of the account. Other users of this machine can read it in the list of processes: prefer \
               --master-password-file, the environment variable or the prompt.",
        ..BASE
    },
    OptionRow {
        key: key::PASSWORD_FILE,
        flag: "master-password-file",
        aliases: &["source-password-file"],
        kind: Kind::Path,
        value_name: "PATH",
        help: "File whose first line is the password. It is read at each start.",
        ..BASE
    },
    OptionRow {
        key: key::LOG_FILE,
        sql: Some("SOURCE_LOG_FILE"),
        sql_old: Some("MASTER_LOG_FILE"),
        flag: "log-file",
        aliases: &["master-log-file", "source-log-file"],
        kind: Kind::Text { max: 511 },
        value_name: "NAME",
        group: Group::Position,
        help: "Binary log file of the source to start from, as SHOW BINARY LOGS names it. Without it the first file \
               that the source still has.",
        ..BASE
    },
    OptionRow {
        key: key::LOG_POS,
        sql: Some("SOURCE_LOG_POS"),
        sql_old: Some("MASTER_LOG_POS"),
        flag: "pos",
        aliases: &["log-pos", "master-log-pos", "source-log-pos"],
        kind: Kind::Integer { min: 0, max: u64::MAX },
        value_name: "OFFSET",
        default: Some("4"),
        group: Group::Position,
        help: "Offset in that file; less than 4 counts as 4, the first event.",
        ..BASE
    },
    OptionRow {
        key: key::SSL_MODE,
        flag: "ssl-mode",
        kind: Kind::Choice(&["disabled", "preferred", "required", "verify-ca", "verify-identity"]),
        value_name: "MODE",
        default: Some("preferred"),
        group: Group::Security,
        help: "Whether the connection to the source is encrypted, and how far the source's certificate is checked.",
        ..BASE
    },
    OptionRow {
        key: key::SSL_CA,
        sql: Some("SOURCE_SSL_CA"),
        sql_old: Some("MASTER_SSL_CA"),
        flag: "ssl-ca",
        aliases: &["master-ssl-ca", "source-ssl-ca"],
        kind: Kind::Path,
        value_name: "PATH",
        group: Group::Security,
        help: "Certificates of the authorities to trust (PEM), for verify-ca and verify-identity.",
        ..BASE
    },
    OptionRow {
        key: key::SSL_CERT,
        sql: Some("SOURCE_SSL_CERT"),
        sql_old: Some("MASTER_SSL_CERT"),
        flag: "ssl-cert",
        aliases: &["master-ssl-cert", "source-ssl-cert"],
        kind: Kind::Path,
        value_name: "PATH",
        group: Group::Security,
        help: "Our certificate (PEM), for accounts that require one.",
        ..BASE
    },
    OptionRow {
        key: key::SSL_KEY,
        sql: Some("SOURCE_SSL_KEY"),
        sql_old: Some("MASTER_SSL_KEY"),
        flag: "ssl-key",
        aliases: &["master-ssl-key", "source-ssl-key"],
        kind: Kind::Path,
        value_name: "PATH",
        group: Group::Security,
        help: "Private key of our certificate (PEM).",
        ..BASE
    },
    OptionRow {
        key: key::GET_PUBLIC_KEY,
        sql: Some("GET_SOURCE_PUBLIC_KEY"),
        sql_old: Some("GET_MASTER_PUBLIC_KEY"),
        flag: "get-master-public-key",
        aliases: &["get-source-public-key"],
        kind: Kind::Bool,
        value_name: "0|1",
        default: Some("0"),
        group: Group::Security,
        help: "Ask the source for its RSA key, so that caching_sha2_password works without TLS.",
        ..BASE
    },
    OptionRow {
        key: key::PUBLIC_KEY_PATH,
        sql: Some("SOURCE_PUBLIC_KEY_PATH"),
        sql_old: Some("MASTER_PUBLIC_KEY_PATH"),
        flag: "master-public-key-path",
        aliases: &["source-public-key-path"],
        kind: Kind::Path,
        value_name: "PATH",
        group: Group::Security,
        help: "File with the source's RSA public key (PEM); then it is not asked for.",
        ..BASE
    },
    OptionRow {
        key: key::SERVER_ID,
        variable: Some("server-id"),
        flag: "server-id",
        kind: Kind::Integer { min: 1, max: 4_294_967_295 },
        value_name: "ID",
        group: Group::Replica,
        help: "The id by which the source knows this replica; no other replica of it may have the same. Drawn once \
               and kept where it is not named.",
        ..BASE
    },
    OptionRow {
        key: key::CONNECT_RETRY,
        sql: Some("SOURCE_CONNECT_RETRY"),
        sql_old: Some("MASTER_CONNECT_RETRY"),
        flag: "connect-retry",
        aliases: &["master-connect-retry", "source-connect-retry"],
        kind: Kind::Integer { min: 1, max: 2_147_483_647 },
        value_name: "SECONDS",
        default: Some("60"),
        group: Group::Replica,
        help: "Longest wait between two attempts to reach the source. The first is 0.25 s; each one doubles it.",
        ..BASE
    },
    OptionRow {
        key: key::HEARTBEAT_PERIOD,
        sql: Some("SOURCE_HEARTBEAT_PERIOD"),
        sql_old: Some("MASTER_HEARTBEAT_PERIOD"),
        flag: "heartbeat-period",
        aliases: &["master-heartbeat-period", "source-heartbeat-period"],
        kind: Kind::Seconds { max: 4_294_967 },
        value_name: "SECONDS",
        default: Some("30"),
        group: Group::Replica,
        help: "How often an idle source sends a sign of life, in seconds with up to three decimals; 0 turns it off, \
               and with it the notice of a connection that died silently.",
        ..BASE
    },
    OptionRow {
        key: key::SINK,
        flag: "sink",
        kind: Kind::Sink,
        value_name: "URL",
        default: Some("stdout"),
        group: Group::Sink,
        help: "Where changes go: stdout, file:PATH, mysql://USER@HOST:PORT/ or null (counts only). It belongs to the \
               channel's progress: changing it needs a reset, or another channel.",
        ..BASE
    },
    OptionRow {
        key: key::SINK_PASSWORD_FILE,
        flag: "sink-password-file",
        env: Some("REPLICATE_SINK_PASSWORD"),
        kind: Kind::Path,
        value_name: "PATH",
        group: Group::Sink,
        help: "File whose first line is the password for the sink. The environment variable holds the password \
               itself.",
        ..BASE
    },
    OptionRow {
        key: key::GEOMETRY,
        flag: "geometry",
        kind: Kind::Choice(GeometryForm::NAMES),
        value_name: "FORM",
        default: Some("wkt"),
        group: Group::Sink,
        help: "How the JSON feed shows spatial values: wkt, wkb (in base64) or geojson.",
        ..BASE
    },
    OptionRow {
        key: key::MAX_RELAY_LOG_SIZE,
        variable: Some("max-relay-log-size"),
        flag: "max-relay-log-size",
        kind: Kind::Size { min: 4096, max: 1 << 30 },
        value_name: "BYTES",
        default: Some("256M"),
        group: Group::Relay,
        help: "Size at which a new relay log file is begun (K, M and G count in 1024). Files are removed once applied.",
        ..BASE
    },
    OptionRow {
        key: key::SYNC_RELAY_LOG,
        variable: Some("sync-relay-log"),
        flag: "sync-relay-log",
        kind: Kind::Integer { min: 0, max: 4_294_967_295 },
        value_name: "EVENTS",
        default: Some("10000"),
        group: Group::Relay,
        help: "After how many events the relay log is synchronised to disk; 0 leaves it to the operating system. What \
               a power failure takes from it is fetched again.",
        ..BASE
    },
];
