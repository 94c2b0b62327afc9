//! Where the target is and how to reach it: `mysql://user@host:port/?key=value&...`.
//!
//! The password never stands in the URL: a process list and a shell history show command lines to others. It comes
//! beside it, from a file or the environment. The checks here need no server.
//! Manual: "Configuring MySQL to Use Encrypted Connections".

use std::path::PathBuf;
use std::time::Duration;

use mysql_async::{ClientIdentity, Opts, OptsBuilder, SslOpts};

use crate::options::SslMode;
use crate::secret::Secret;

/// Everything the sink must know to reach its target.
#[derive(Debug, Clone)]
pub struct MysqlSinkConfig {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Unix socket; wins over host and port.
    pub socket: Option<String>,
    /// Account.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// TLS.
    pub ssl_mode: SslMode,
    /// PEM file of the authority.
    pub ssl_ca: Option<PathBuf>,
    /// PEM file of our certificate.
    pub ssl_cert: Option<PathBuf>,
    /// PEM file of its key.
    pub ssl_key: Option<PathBuf>,
    /// Database on the target that holds the checkpoint table.
    pub checkpoint_database: String,
    /// Channel: the key of the row in the checkpoint table.
    pub channel: String,
    /// How long a transaction under way may go on after shutdown was asked for.
    pub grace: Duration,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// `innodb_lock_wait_timeout` of the session, in seconds.
    pub lock_wait_timeout: u32,
}

/// What is wrong with a sink's URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It does not start with `mysql://`.
    #[error("a MySQL sink is written mysql://user@host:port/")]
    Scheme,
    /// There is a password in it.
    #[error(
        "the sink's URL holds a password, which other users of this machine can read from the process list; give it by \
         --sink-password-file or REPLICATE_SINK_PASSWORD"
    )]
    Password,
    /// No user before the `@`.
    #[error("the sink's URL names no user: mysql://user@host:port/")]
    User,
    /// The port is no number from 1 to 65535.
    #[error("the sink's URL has a port that is not a number from 1 to 65535")]
    Port,
    /// Something after the host that is neither `/` nor options.
    #[error("the sink's URL has a path; every change goes to the database it was made in at the source")]
    Path,
    /// A `%` without two hexadecimal digits, or bytes that are not UTF-8.
    #[error("the sink's URL is not well percent-encoded")]
    Encoding,
    /// An option nobody knows.
    #[error(
        "unknown option {0:?} in the sink's URL (known: ssl-mode, ssl-ca, ssl-cert, ssl-key, socket, checkpoint-db, grace-seconds, lock-wait-timeout)"
    )]
    Option(String),
    /// An option with a value it cannot have.
    #[error("option {0:?} in the sink's URL cannot have that value")]
    Value(String),
}

impl MysqlSinkConfig {
    /// Reads a sink's URL. `password` comes from elsewhere; `channel` is the channel's name.
    ///
    /// # Errors
    /// When the URL is not one of a MySQL sink, or holds a password.
    pub fn from_url(url: &str, password: Secret, channel: &str) -> Result<Self, UrlError> {
        let rest = url.strip_prefix("mysql://").or_else(|| url.strip_prefix("mariadb://")).ok_or(UrlError::Scheme)?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if !path.is_empty() {
            return Err(UrlError::Path);
        }
        let (user, address) = authority.rsplit_once('@').ok_or(UrlError::User)?;
        if user.contains(':') {
            return Err(UrlError::Password);
        }
        let user = decode(user)?;
        if user.is_empty() {
            return Err(UrlError::User);
        }
        let (host, port) = split_address(address)?;
        let mut config = Self {
            host,
            port,
            socket: None,
            user,
            password,
            ssl_mode: SslMode::default(),
            ssl_ca: None,
            ssl_cert: None,
            ssl_key: None,
            checkpoint_database: "replicate".to_owned(),
            channel: channel.to_owned(),
            grace: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(10),
            lock_wait_timeout: 50,
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            config.set(&decode(key)?, decode(value)?)?;
        }
        Ok(config)
    }

    fn set(&mut self, key: &str, value: String) -> Result<(), UrlError> {
        let bad = || UrlError::Value(key.to_owned());
        if value.is_empty() {
            return Err(bad());
        }
        match key {
            "ssl-mode" => self.ssl_mode = ssl_mode(&value).ok_or_else(bad)?,
            "ssl-ca" => self.ssl_ca = Some(value.into()),
            "ssl-cert" => self.ssl_cert = Some(value.into()),
            "ssl-key" => self.ssl_key = Some(value.into()),
            "socket" => self.socket = Some(value),
            "checkpoint-db" if value.chars().count() <= 64 => self.checkpoint_database = value,
            "grace-seconds" => self.grace = Duration::from_secs(value.parse().map_err(|_| bad())?),
            "lock-wait-timeout" => self.lock_wait_timeout = value.parse().map_err(|_| bad())?,
            "checkpoint-db" => return Err(bad()),
            _ => return Err(UrlError::Option(key.to_owned())),
        }
        Ok(())
    }

    /// What an error message calls the target: no password, no options.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.socket {
            Some(socket) => format!("{}@{socket}", self.user),
            None => format!("{}@{}:{}", self.user, self.host, self.port),
        }
    }

    /// The driver's options; `tls` is false for the second attempt of [`SslMode::Preferred`].
    pub(super) fn driver_options(&self, tls: bool) -> Opts {
        let mut options = OptsBuilder::default()
            .user(Some(self.user.as_str()))
            .prefer_socket(Some(false))
            .client_found_rows(true)
            .stmt_cache_size(Some(0))
            .tcp_keepalive(Some(Duration::from_secs(30)))
            .tcp_nodelay(true);
        if !self.password.is_empty() {
            options = options.pass(Some(self.password.expose()));
        }
        options = match &self.socket {
            Some(socket) => options.socket(Some(socket.as_str())),
            None => options.ip_or_hostname(self.host.as_str()).tcp_port(self.port),
        };
        if tls && self.wants_tls() {
            options = options.ssl_opts(Some(self.tls_options()));
        }
        options.into()
    }

    /// Whether a connection to this target tries TLS at all.
    pub(super) fn wants_tls(&self) -> bool {
        self.socket.is_none() && self.ssl_mode != SslMode::Disabled
    }

    fn tls_options(&self) -> SslOpts {
        let mut tls = SslOpts::default();
        if let Some(ca) = &self.ssl_ca {
            tls = tls.with_root_certs(vec![ca.clone().into()]).with_disable_built_in_roots(true);
        }
        if let (Some(cert), Some(key)) = (&self.ssl_cert, &self.ssl_key) {
            tls = tls.with_client_identity(Some(ClientIdentity::new(cert.clone().into(), key.clone().into())));
        }
        match self.ssl_mode {
            SslMode::VerifyIdentity => tls,
            SslMode::VerifyCa => tls.with_danger_skip_domain_validation(true),
            _ => tls.with_danger_accept_invalid_certs(true).with_danger_skip_domain_validation(true),
        }
    }
}

fn ssl_mode(text: &str) -> Option<SslMode> {
    match text.to_ascii_lowercase().replace('_', "-").as_str() {
        "disabled" => Some(SslMode::Disabled),
        "preferred" => Some(SslMode::Preferred),
        "required" => Some(SslMode::Required),
        "verify-ca" => Some(SslMode::VerifyCa),
        "verify-identity" => Some(SslMode::VerifyIdentity),
        _ => None,
    }
}

/// `host`, `host:port`, `[v6]`, `[v6]:port`; an empty host is this machine.
fn split_address(address: &str) -> Result<(String, u16), UrlError> {
    let (host, port) = match address.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, tail)) => (host, Some(tail.strip_prefix(':').ok_or(UrlError::Port)?)),
        None => match address.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (address, None),
        },
    };
    let port = match port {
        None | Some("") => 3306,
        Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or(UrlError::Port)?,
    };
    let host = if host.is_empty() { "127.0.0.1".to_owned() } else { decode(host)? };
    Ok((host, port))
}

/// Percent-decoding.
fn decode(text: &str) -> Result<String, UrlError> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|b| char::from(b).to_digit(16)).ok_or(UrlError::Encoding);
        let value = digit()? * 16 + digit()?;
        out.push(u8::try_from(value).map_err(|_| UrlError::Encoding)?);
    }
    String::from_utf8(out).map_err(|_| UrlError::Encoding)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<MysqlSinkConfig, UrlError> {
        MysqlSinkConfig::from_url(url, Secret::new("pw".into()), "c")
    }

    #[test]
    fn a_url_names_user_host_port_and_options() {
        let config =
            read("mysql://repl%40x@db.example:3307/?ssl-mode=VERIFY_CA&ssl-ca=%2Fca.pem&checkpoint-db=ck").unwrap();
        assert_eq!((config.user.as_str(), config.host.as_str(), config.port), ("repl@x", "db.example", 3307));
        assert_eq!((config.ssl_mode, config.checkpoint_database.as_str()), (SslMode::VerifyCa, "ck"));
        assert_eq!(config.ssl_ca, Some(PathBuf::from("/ca.pem")));
        let config = read("mysql://root@[::1]/?socket=/tmp/s.sock").unwrap();
        assert_eq!((config.host.as_str(), config.port, config.socket.as_deref()), ("::1", 3306, Some("/tmp/s.sock")));
        assert_eq!(config.checkpoint_database, "replicate");
    }

    #[test]
    fn a_password_in_the_url_is_refused_and_the_error_does_not_repeat_it() {
        let error = read("mysql://root:hunter2@h/").unwrap_err();
        assert_eq!(error, UrlError::Password);
        assert!(!error.to_string().contains("hunter2") && error.to_string().contains("--sink-password-file"));
    }

    #[test]
    fn urls_that_mean_nothing_are_refused() {
        for (url, error) in [
            ("postgres://a@b/", UrlError::Scheme),
            ("mysql://h/", UrlError::User),
            ("mysql://@h/", UrlError::User),
            ("mysql://u@h:0/", UrlError::Port),
            ("mysql://u@h:x/", UrlError::Port),
            ("mysql://u@h/db", UrlError::Path),
            ("mysql://u@h/?what=1", UrlError::Option("what".into())),
            ("mysql://u@h/?ssl-mode=maybe", UrlError::Value("ssl-mode".into())),
            ("mysql://u%zz@h/", UrlError::Encoding),
        ] {
            assert_eq!(read(url).unwrap_err(), error, "{url}");
        }
    }

    #[test]
    fn the_password_shows_in_no_debug_text() {
        let config = read("mysql://u@h/").unwrap();
        let text = format!("{config:?} {}", config.describe());
        assert!(!text.contains("pw"), "{text}");
    }
}
