//! What a connection to the source needs to know.
//!
//! `localhost` is a host name like any other here and means TCP; a Unix socket is used only where `socket` names one.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::secret::Secret;

/// Where the source is, who we are to it, and how patient we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceConfig {
    /// Host name or address. With a Unix socket it only names the server in messages.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Unix socket; takes the place of host and port.
    pub socket: Option<PathBuf>,
    /// Account.
    pub user: String,
    /// Its password; empty for none.
    pub password: Secret,
    /// Encryption.
    pub tls: TlsConfig,
    /// Ask the server for its RSA public key where the password must be sent over an unencrypted connection.
    pub get_public_key: bool,
    /// The server's RSA public key (PEM), known beforehand; safer than asking for it.
    pub public_key_path: Option<PathBuf>,
    /// Limit for connecting and logging in together.
    pub connect_timeout: Duration,
    /// How often an idle source shall send a heartbeat; zero turns heartbeats off.
    pub heartbeat_period: Duration,
    /// Limit of silence in a dump; `None`: two and a half heartbeat periods, or an hour without heartbeats.
    pub read_timeout: Option<Duration>,
    /// Our `server_id`; must differ from that of every other server in the topology.
    pub server_id: u32,
    /// Our UUID, as text.
    pub replica_uuid: String,
    /// Host that `SHOW REPLICAS` on the source shows for us; empty for none.
    pub report_host: String,
    /// Port that `SHOW REPLICAS` on the source shows for us; 0 for none.
    pub report_port: u16,
}

impl Default for SourceConfig {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 3306,
            socket: None,
            user: String::new(),
            password: Secret::default(),
            tls: TlsConfig::default(),
            get_public_key: false,
            public_key_path: None,
            connect_timeout: Duration::from_secs(10),
            heartbeat_period: Duration::from_secs(30),
            read_timeout: None,
            server_id: 0,
            replica_uuid: String::new(),
            report_host: String::new(),
            report_port: 0,
        }
    }
}

impl SourceConfig {
    /// The server as messages name it: `host:port`, or the socket's path.
    #[must_use]
    pub fn place(&self) -> Arc<str> {
        match &self.socket {
            Some(path) => path.display().to_string().into(),
            None if self.host.contains(':') => format!("[{}]:{}", self.host, self.port).into(),
            None => format!("{}:{}", self.host, self.port).into(),
        }
    }

    /// How long a dump may be silent before the connection counts as dead.
    #[must_use]
    pub fn dump_deadline(&self) -> Duration {
        const WITHOUT_HEARTBEATS: Duration = Duration::from_secs(3600);
        const LEAST: Duration = Duration::from_secs(1);
        match self.read_timeout {
            Some(limit) => limit,
            None if self.heartbeat_period.is_zero() => WITHOUT_HEARTBEATS,
            None => self.heartbeat_period.saturating_mul(5).checked_div(2).unwrap_or(LEAST).max(LEAST),
        }
    }
}

/// Encryption of the connection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsConfig {
    /// How much is asked of the server.
    pub mode: SslMode,
    /// Certificates (PEM) that the server's must be signed by.
    pub ca: Option<PathBuf>,
    /// Our certificate (PEM), where the account demands one.
    pub cert: Option<PathBuf>,
    /// Its private key (PEM).
    pub key: Option<PathBuf>,
}

/// MySQL's `--ssl-mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SslMode {
    /// No encryption.
    Disabled,
    /// Encryption where the server offers it, clear text where it does not.
    #[default]
    Preferred,
    /// Encryption, with any certificate.
    Required,
    /// Encryption, and the certificate is signed by one of `ca`.
    VerifyCa,
    /// As `VerifyCa`, and the certificate is for the host we connect to.
    VerifyIdentity,
}

impl fmt::Display for SslMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disabled => "disabled",
            Self::Preferred => "preferred",
            Self::Required => "required",
            Self::VerifyCa => "verify-ca",
            Self::VerifyIdentity => "verify-identity",
        })
    }
}

/// The text names no TLS mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no ssl-mode; there are disabled, preferred, required, verify-ca and verify-identity")]
pub struct SslModeError(String);

impl FromStr for SslMode {
    type Err = SslModeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().replace('_', "-").as_str() {
            "disabled" => Ok(Self::Disabled),
            "preferred" => Ok(Self::Preferred),
            "required" => Ok(Self::Required),
            "verify-ca" => Ok(Self::VerifyCa),
            "verify-identity" => Ok(Self::VerifyIdentity),
            _ => Err(SslModeError(text.to_owned())),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn ssl_modes_read_back_what_they_print_and_take_mysqls_spelling() {
        use SslMode::*;
        for mode in [Disabled, Preferred, Required, VerifyCa, VerifyIdentity] {
            assert_eq!(mode.to_string().parse(), Ok(mode));
        }
        assert_eq!("VERIFY_CA".parse(), Ok(VerifyCa));
        assert!("on".parse::<SslMode>().is_err());
    }

    #[test]
    fn the_dump_deadline_is_two_and_a_half_heartbeats() {
        let with = |period| SourceConfig { heartbeat_period: period, ..SourceConfig::default() };
        assert_eq!(with(Duration::from_secs(30)).dump_deadline(), Duration::from_secs(75));
        assert_eq!(with(Duration::from_millis(100)).dump_deadline(), Duration::from_secs(1));
        assert_eq!(with(Duration::ZERO).dump_deadline(), Duration::from_secs(3600));
        let own = SourceConfig { read_timeout: Some(Duration::from_secs(5)), ..SourceConfig::default() };
        assert_eq!(own.dump_deadline(), Duration::from_secs(5));
    }

    #[test]
    fn a_config_does_not_print_its_password() {
        let config = SourceConfig { password: Secret::new("hunter2".to_owned()), ..SourceConfig::default() };
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn the_place_names_socket_or_host_and_port() {
        assert_eq!(&*SourceConfig::default().place(), "127.0.0.1:3306");
        let v6 = SourceConfig { host: "::1".to_owned(), ..SourceConfig::default() };
        assert_eq!(&*v6.place(), "[::1]:3306");
        let unix = SourceConfig { socket: Some("/run/mysqld.sock".into()), ..SourceConfig::default() };
        assert_eq!(&*unix.place(), "/run/mysqld.sock");
    }
}
