//! Errors of the source connection: what happened, where, what to do about it.
//!
//! [`Failure`] says what; [`SourceError`] adds the server it happened at. Whether to try again is one table,
//! [`Failure::disposition`]; the server's own codes have theirs in [`super::server_error`]. No password is ever part
//! of an error.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::disposition::Disposition;
use crate::position::LogPosition;

use super::server_error::ServerError;

/// A failure and the server it happened at.
#[derive(Debug)]
pub struct SourceError {
    place: Arc<str>,
    failure: Failure,
}

impl SourceError {
    /// Names the server a failure happened at.
    #[must_use]
    pub fn new(place: &Arc<str>, failure: Failure) -> Self {
        Self { place: Arc::clone(place), failure }
    }

    /// `host:port`, or the path of the Unix socket.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// What happened.
    #[must_use]
    pub fn failure(&self) -> &Failure {
        &self.failure
    }

    /// Whether to connect again.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        self.failure.disposition()
    }

    /// What the user can do, where something is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.failure.hint()
    }

    /// The server's error number, or the client library's number for the same thing; 0 when there is none.
    /// This is what `Last_IO_Errno` shows.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.failure.number()
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "source {}: {}", self.place, self.failure)?;
        match self.hint() {
            Some(hint) => write!(f, " (hint: {hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for SourceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.failure)
    }
}

/// What can go wrong between us and the source.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The host name has no address now.
    #[error("cannot resolve the host name: {0}")]
    Resolve(#[source] io::Error),
    /// No connection: refused, unreachable, no such socket.
    #[error("cannot connect: {0}")]
    Connect(#[source] io::Error),
    /// Connecting or logging in took too long.
    #[error("no connection within {0:?}")]
    ConnectTimeout(Duration),
    /// An established connection broke.
    #[error("connection lost: {0}")]
    Io(#[source] io::Error),
    /// The server closed the connection without a word.
    #[error("connection closed by the server")]
    Closed,
    /// Nothing arrived for too long, heartbeats included.
    #[error("nothing received for {0:?}, not even a heartbeat")]
    Silent(Duration),
    /// Bytes that are no MySQL protocol.
    #[error("protocol error: {0}")]
    Protocol(&'static str),
    /// A packet over every limit that a server can have.
    #[error("protocol error: a packet of more than {limit} bytes")]
    PacketTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// An answer to one of our own queries is larger than any such answer is.
    #[error("the answer to a query is larger than {limit} bytes")]
    ResultTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// TLS was asked for and the server has none.
    #[error("the server does not offer TLS, which ssl-mode {mode} needs")]
    NoTls {
        /// The mode that was asked for.
        mode: super::SslMode,
    },
    /// A certificate or key file cannot be used.
    #[error("cannot use {}: {what}", path.display())]
    TlsFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The TLS options do not fit together.
    #[error("{0}")]
    TlsOptions(&'static str),
    /// TLS negotiation failed for good: no common version, or a certificate that is not accepted.
    #[error("TLS negotiation failed: {what}")]
    Tls {
        /// The TLS library's word.
        what: String,
        /// What to do about it.
        hint: Option<&'static str>,
    },
    /// `caching_sha2_password` or `sha256_password` wants the password and the channel is not safe.
    #[error("authentication plugin '{plugin}' reported error: Authentication requires secure connection.")]
    InsecureAuth {
        /// The plugin.
        plugin: String,
    },
    /// The server asks for a plugin that is not ours.
    #[error("authentication plugin '{plugin}' is not supported")]
    AuthPlugin {
        /// The plugin.
        plugin: String,
    },
    /// The server asks for the bare password.
    #[error("the server asks for the password in clear text (plugin '{plugin}'), which is refused")]
    ClearTextRefused {
        /// The plugin.
        plugin: String,
    },
    /// The server's or the pinned RSA public key cannot be used.
    #[error("RSA public key: {0}")]
    PublicKey(String),
    /// The options name a user or a file name that the protocol cannot carry.
    #[error("{0}")]
    Options(&'static str),
    /// Our server id is 0, or the source's own.
    #[error("{0} cannot be our server id: it is the source's own, or none")]
    ServerId(u32),
    /// The server answered with an error packet.
    #[error("{0}")]
    Server(ServerError),
    /// The dump ended although a lasting one was asked for.
    #[error("the server ended the dump (end of its binary log, or it is going down)")]
    DumpEnded,
    /// The position is beyond what COM_BINLOG_DUMP can carry.
    #[error("position {0} is over 4 GiB, which a dump by file and position cannot ask for")]
    PositionTooLarge(LogPosition),
    /// The server does not answer as any known version does.
    #[error("unexpected answer to {query}: {what}")]
    Answer {
        /// The query.
        query: &'static str,
        /// What is wrong with the answer.
        what: String,
    },
}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Self {
        Self::Server(error)
    }
}

impl Failure {
    /// The table: what to do about each failure.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Connect(error) if error.kind() == io::ErrorKind::PermissionDenied => Disposition::Stop,
            Self::Resolve(_)
            | Self::Connect(_)
            | Self::ConnectTimeout(_)
            | Self::Io(_)
            | Self::Closed
            | Self::Silent(_)
            | Self::DumpEnded => Disposition::Retry,
            Self::Server(error) => error.disposition(),
            Self::Protocol(_)
            | Self::PacketTooLarge { .. }
            | Self::ResultTooLarge { .. }
            | Self::NoTls { .. }
            | Self::TlsFile { .. }
            | Self::TlsOptions(_)
            | Self::Tls { .. }
            | Self::InsecureAuth { .. }
            | Self::AuthPlugin { .. }
            | Self::ClearTextRefused { .. }
            | Self::PublicKey(_)
            | Self::Options(_)
            | Self::ServerId(_)
            | Self::PositionTooLarge(_)
            | Self::Answer { .. } => Disposition::Stop,
        }
    }

    /// What the user can do, where something is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Server(error) => error.hint(),
            Self::Tls { hint, .. } => *hint,
            Self::NoTls { .. } => Some("set up TLS on the source, or use --ssl-mode preferred or disabled"),
            Self::InsecureAuth { .. } => Some(
                "use --ssl-mode required, a Unix socket, or --get-master-public-key to send the password encrypted by RSA",
            ),
            Self::AuthPlugin { .. } => {
                Some("create the replication user with caching_sha2_password or mysql_native_password")
            }
            Self::ClearTextRefused { .. } => {
                Some("create the replication user with caching_sha2_password or mysql_native_password")
            }
            Self::Connect(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                Some("is the server running, and does it listen on that address and port?")
            }
            Self::ServerId(_) => Some("give this channel an id of its own with --server-id"),
            Self::PositionTooLarge(_) => Some("start from a file whose end is below 4 GiB"),
            Self::Protocol(_) => Some("is this the port of a MySQL or MariaDB server?"),
            _ => None,
        }
    }

    /// Server error number, or the client library's number for the same thing (2002, 2003, 2005, 2013, 2026, 2061).
    #[must_use]
    pub fn number(&self) -> u16 {
        match self {
            Self::Server(error) => error.code,
            Self::Connect(_) | Self::ConnectTimeout(_) => 2003,
            Self::Resolve(_) => 2005,
            Self::Io(_) | Self::Closed | Self::Silent(_) | Self::DumpEnded => 2013,
            Self::NoTls { .. } | Self::TlsFile { .. } | Self::TlsOptions(_) | Self::Tls { .. } => 2026,
            Self::Protocol(_) => 2027,
            Self::PacketTooLarge { .. } => 2020,
            Self::InsecureAuth { .. } | Self::PublicKey(_) => 2061,
            Self::AuthPlugin { .. } | Self::ClearTextRefused { .. } => 2059,
            Self::ServerId(_) => 1593,
            Self::ResultTooLarge { .. } | Self::Options(_) | Self::PositionTooLarge(_) | Self::Answer { .. } => 0,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn io(kind: io::ErrorKind) -> io::Error {
        io::Error::from(kind)
    }

    #[test]
    fn lost_connections_are_retried_and_wrong_options_stop() {
        use Disposition::{Retry, Stop};
        let table = [
            (Failure::Resolve(io(io::ErrorKind::NotFound)), Retry),
            (Failure::Connect(io(io::ErrorKind::ConnectionRefused)), Retry),
            (Failure::Connect(io(io::ErrorKind::HostUnreachable)), Retry),
            (Failure::Connect(io(io::ErrorKind::NotFound)), Retry),
            (Failure::Connect(io(io::ErrorKind::PermissionDenied)), Stop),
            (Failure::ConnectTimeout(Duration::from_secs(1)), Retry),
            (Failure::Io(io(io::ErrorKind::ConnectionReset)), Retry),
            (Failure::Closed, Retry),
            (Failure::Silent(Duration::from_secs(75)), Retry),
            (Failure::DumpEnded, Retry),
            (Failure::Protocol("x"), Stop),
            (Failure::PacketTooLarge { limit: 1 }, Stop),
            (Failure::NoTls { mode: super::super::SslMode::Required }, Stop),
            (Failure::Tls { what: String::new(), hint: None }, Stop),
            (Failure::InsecureAuth { plugin: String::new() }, Stop),
            (Failure::AuthPlugin { plugin: String::new() }, Stop),
            (Failure::ClearTextRefused { plugin: String::new() }, Stop),
            (Failure::ServerId(0), Stop),
            (Failure::PositionTooLarge(LogPosition::new("b.1", 1 << 33)), Stop),
        ];
        for (failure, expected) in table {
            assert_eq!(failure.disposition(), expected, "{failure}");
        }
    }

    #[test]
    fn an_error_says_what_where_and_what_to_do() {
        let place: Arc<str> = "db1:3306".into();
        let error = SourceError::new(&place, Failure::InsecureAuth { plugin: "caching_sha2_password".to_owned() });
        let text = error.to_string();
        assert!(text.contains("db1:3306"), "{text}");
        assert!(text.contains("caching_sha2_password"), "{text}");
        assert!(text.contains("--get-master-public-key"), "{text}");
        assert_eq!(error.number(), 2061);
    }
}
