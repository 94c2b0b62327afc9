//! What the options of a channel mean: typed, complete with defaults, checked against one another.

use std::path::PathBuf;
use std::time::Duration;

use super::{Kind, NamedOptions, OptionError, SinkTarget, key, kind, row};
use crate::position::{FIRST_EVENT, LogPosition};
use crate::row::GeometryForm;
use crate::secret::Secret;

/// How the connection to the source is protected. MySQL's `--ssl-mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SslMode {
    /// In the clear.
    Disabled,
    /// Encrypted where the source offers it.
    #[default]
    Preferred,
    /// Encrypted, whoever answers.
    Required,
    /// Encrypted, and the certificate comes from an authority we trust.
    VerifyCa,
    /// As before, and the certificate is for the host we asked for.
    VerifyIdentity,
}

impl SslMode {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "disabled" => Self::Disabled,
            "preferred" => Self::Preferred,
            "required" => Self::Required,
            "verify-ca" => Self::VerifyCa,
            "verify-identity" => Self::VerifyIdentity,
            _ => return None,
        })
    }
}

/// TLS and public key of the source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsOptions {
    /// How far to go.
    pub mode: SslMode,
    /// Authorities to trust.
    pub ca: Option<PathBuf>,
    /// Our certificate.
    pub cert: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
}

/// What the options of a channel mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelOptions {
    /// Host of the source; `localhost` where a socket is named; `None` on a channel that has no source yet.
    pub host: Option<String>,
    /// TCP port of the source.
    pub port: u16,
    /// Unix socket of the source, in place of host and port.
    pub socket: Option<PathBuf>,
    /// Account at the source.
    pub user: Option<String>,
    /// Its password, where the channel holds one.
    pub password: Option<Secret>,
    /// File that holds its password.
    pub password_file: Option<PathBuf>,
    /// Where to start; `None` is the first file that the source still has.
    pub start: Option<LogPosition>,
    /// TLS.
    pub tls: TlsOptions,
    /// Whether to ask the source for its RSA key.
    pub get_public_key: bool,
    /// File with the source's RSA key.
    pub public_key_path: Option<PathBuf>,
    /// The id by which the source knows us; `None` until one is drawn.
    pub server_id: Option<u32>,
    /// Longest wait between two attempts to connect.
    pub connect_retry: Duration,
    /// Period of heartbeats; zero is none.
    pub heartbeat_period: Duration,
    /// Where changes go.
    pub sink: SinkTarget,
    /// File that holds the sink's password.
    pub sink_password_file: Option<PathBuf>,
    /// How the JSON feed shows spatial values.
    pub geometry: GeometryForm,
    /// Size in bytes at which a relay log file ends.
    pub max_relay_log_size: u64,
    /// Events between two synchronisations of the relay log; 0 is never.
    pub sync_relay_log: u32,
}

/// A source, as far as options tell one from another.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Address<'a> {
    /// Host and port.
    Tcp(&'a str, u64),
    /// A socket.
    Unix(&'a str),
}

impl<'a> Address<'a> {
    /// The address that the options name, if they do.
    pub(super) fn of(options: &'a NamedOptions) -> Option<Self> {
        if let Some(socket) = options.get(key::SOCKET) {
            return Some(Self::Unix(socket));
        }
        let port = options.get(key::PORT).or(row(key::PORT)?.default)?;
        Some(Self::Tcp(options.get(key::HOST)?, port.parse().ok()?))
    }
}

/// Reads texts by their rows.
struct Reader<'a>(&'a NamedOptions);

impl<'a> Reader<'a> {
    fn text(&self, key: &str) -> Option<&'a str> {
        self.0.get(key).or_else(|| row(key).and_then(|row| row.default))
    }

    fn owned(&self, key: &str) -> Option<String> {
        self.text(key).map(str::to_owned)
    }

    fn path(&self, key: &str) -> Option<PathBuf> {
        self.text(key).map(PathBuf::from)
    }

    fn number(&self, key: &str) -> Result<Option<u64>, OptionError> {
        let (Some(text), Some(row)) = (self.text(key), row(key)) else {
            return Ok(None);
        };
        match row.kind {
            Kind::Integer { min, max } => kind::integer(key, text, min, max).map(Some),
            Kind::Size { min, max } => kind::size(key, text, min, max).map(Some),
            _ => Ok(None),
        }
    }

    fn narrow<T: TryFrom<u64>>(&self, key: &str) -> Result<Option<T>, OptionError> {
        match self.number(key)? {
            None => Ok(None),
            Some(number) => match T::try_from(number) {
                Ok(value) => Ok(Some(value)),
                Err(_) => Err(OptionError::value(key, &number.to_string(), "is too large")),
            },
        }
    }

    fn seconds(&self, key: &str) -> Result<Duration, OptionError> {
        match (self.text(key), row(key).map(|row| row.kind)) {
            (Some(text), Some(Kind::Seconds { max })) => kind::seconds(key, text, max),
            _ => Ok(Duration::ZERO),
        }
    }
}

impl ChannelOptions {
    /// Reads what was typed or stored.
    ///
    /// # Errors
    /// When a value does not fit its option, options do not fit together, or an option is unknown.
    pub fn new(named: &NamedOptions) -> Result<Self, OptionError> {
        for (key, value) in named.iter() {
            let Some(row) = row(key) else {
                return Err(OptionError::Unknown(key.to_owned()));
            };
            row.kind.check(key, value)?;
        }
        let read = Reader(named);
        let sink = read.text(key::SINK).unwrap_or("stdout");
        let socket = read.path(key::SOCKET);
        Ok(Self {
            host: read.owned(key::HOST).or_else(|| socket.as_ref().map(|_| "localhost".to_owned())),
            port: read.narrow(key::PORT)?.unwrap_or(3306),
            socket,
            user: read.owned(key::USER),
            password: read.owned(key::PASSWORD).map(Secret::new),
            password_file: read.path(key::PASSWORD_FILE),
            start: start(&read)?,
            tls: tls(&read)?,
            get_public_key: kind::boolean(key::GET_PUBLIC_KEY, read.text(key::GET_PUBLIC_KEY).unwrap_or("0"))?,
            public_key_path: read.path(key::PUBLIC_KEY_PATH),
            server_id: read.narrow(key::SERVER_ID)?,
            connect_retry: Duration::from_secs(read.number(key::CONNECT_RETRY)?.unwrap_or(60)),
            heartbeat_period: read.seconds(key::HEARTBEAT_PERIOD)?,
            sink: SinkTarget::parse(sink).map_err(|why| OptionError::value(key::SINK, sink, why))?,
            sink_password_file: read.path(key::SINK_PASSWORD_FILE),
            geometry: read.text(key::GEOMETRY).and_then(GeometryForm::parse).unwrap_or_default(),
            max_relay_log_size: read.number(key::MAX_RELAY_LOG_SIZE)?.unwrap_or(256 << 20),
            sync_relay_log: read.narrow(key::SYNC_RELAY_LOG)?.unwrap_or(10_000),
        })
    }

    /// Whether the channel can be started at all: it must know whom to reach, and as whom.
    ///
    /// # Errors
    /// Names the option that is missing.
    pub fn require_source(&self) -> Result<(), OptionError> {
        if self.host.is_none() {
            return Err(OptionError::missing("source", key::HOST));
        }
        if self.user.is_none() {
            return Err(OptionError::missing("user to connect to the source as", key::USER));
        }
        Ok(())
    }
}

fn start(read: &Reader<'_>) -> Result<Option<LogPosition>, OptionError> {
    let pos = read.number(key::LOG_POS)?.unwrap_or(FIRST_EVENT).max(FIRST_EVENT);
    Ok(read.text(key::LOG_FILE).map(|file| LogPosition::new(file, pos)))
}

fn tls(read: &Reader<'_>) -> Result<TlsOptions, OptionError> {
    let mode = read.text(key::SSL_MODE).and_then(SslMode::parse).unwrap_or_default();
    let tls =
        TlsOptions { mode, ca: read.path(key::SSL_CA), cert: read.path(key::SSL_CERT), key: read.path(key::SSL_KEY) };
    match (&tls.cert, &tls.key) {
        (Some(_), None) => return Err(OptionError::missing("private key for its certificate", key::SSL_KEY)),
        (None, Some(_)) => return Err(OptionError::missing("certificate for its private key", key::SSL_CERT)),
        _ => {}
    }
    if matches!(mode, SslMode::VerifyCa | SslMode::VerifyIdentity) && tls.ca.is_none() {
        return Err(OptionError::missing("authority to check the source's certificate with", key::SSL_CA));
    }
    Ok(tls)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::options::REGISTER;

    fn meaning(pairs: &[(&str, &str)]) -> Result<ChannelOptions, OptionError> {
        let stored = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        ChannelOptions::new(&NamedOptions::from_stored(stored))
    }

    #[test]
    fn nothing_named_is_all_defaults() {
        let options = meaning(&[]).unwrap();
        assert_eq!(options.port, 3306);
        assert_eq!(options.connect_retry, Duration::from_secs(60));
        assert_eq!(options.heartbeat_period, Duration::from_secs(30));
        assert_eq!(options.tls.mode, SslMode::Preferred);
        assert_eq!(options.sink, SinkTarget::Stdout);
        assert_eq!(options.max_relay_log_size, 256 << 20);
        assert_eq!((options.start, options.server_id, options.host), (None, None, None));
    }

    #[test]
    fn every_choice_of_the_ssl_mode_has_a_meaning() {
        let Kind::Choice(words) = row(key::SSL_MODE).unwrap().kind else { panic!("not a choice") };
        for word in words {
            assert!(SslMode::parse(word).is_some(), "{word}");
        }
    }

    #[test]
    fn the_position_of_the_manuals_of_old_is_taken_as_it_is() {
        let options = meaning(&[(key::LOG_FILE, "mysql-bin.000001"), (key::LOG_POS, "107")]).unwrap();
        assert_eq!(options.start, Some(LogPosition::new("mysql-bin.000001", 107)));
        let options = meaning(&[(key::LOG_FILE, "mysql-bin.000001"), (key::LOG_POS, "0")]).unwrap();
        assert_eq!(options.start, Some(LogPosition::new("mysql-bin.000001", 4)));
    }

    #[test]
    fn a_stored_option_of_a_newer_version_is_an_error_and_not_ignored() {
        let error = meaning(&[("source_teleport", "1")]).unwrap_err();
        assert_eq!(error, OptionError::Unknown("source_teleport".to_owned()));
        assert!(error.hint().is_some());
    }

    #[test]
    fn a_stored_value_that_does_not_fit_is_refused_for_every_option_with_a_range() {
        for row in REGISTER {
            if !matches!(row.kind, Kind::Text { .. } | Kind::Path | Kind::Secret) {
                let error = meaning(&[(row.key, "nonsense")]).unwrap_err();
                assert!(error.to_string().starts_with(&format!("--{}: ", row.flag)), "{error}");
            }
        }
    }

    #[test]
    fn a_certificate_needs_its_key_and_verification_an_authority() {
        assert!(meaning(&[(key::SSL_CERT, "/c.pem")]).unwrap_err().to_string().contains("private key"));
        assert!(meaning(&[(key::SSL_KEY, "/k.pem")]).unwrap_err().to_string().contains("certificate"));
        assert!(meaning(&[(key::SSL_MODE, "verify-ca")]).unwrap_err().hint().unwrap().contains("--ssl-ca"));
        assert!(meaning(&[(key::SSL_MODE, "verify-ca"), (key::SSL_CA, "/ca.pem")]).is_ok());
    }

    #[test]
    fn a_channel_without_source_or_user_cannot_start() {
        assert_eq!(meaning(&[]).unwrap().require_source().unwrap_err().to_string(), "the channel has no source");
        let error = meaning(&[(key::HOST, "db1")]).unwrap().require_source().unwrap_err();
        assert!(error.hint().unwrap().contains("--master-user"));
        assert!(meaning(&[(key::SOCKET, "/s"), (key::USER, "r")]).unwrap().require_source().is_ok());
    }
}
