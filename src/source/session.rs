//! One session at the source: connect, log in, ask in text.
//!
//! Manual: "Connection Phase" and "Command Phase"; COM_QUERY, COM_QUIT.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::auth::{Credentials, Login, Plugin};
use super::config::{SourceConfig, SslMode};
use super::error::{Failure, SourceError};
use super::handshake::{self, Greeting};
use super::packet::PacketStream;
use super::public_key::PublicKey;
use super::result::{self, ResultSet};
use super::{socket, tls};

/// The largest packet of a login.
const LOGIN_PACKET: usize = 1 << 20;
/// A login as a whole has its own limit, which is to strike first.
const LOGIN_SILENCE: Duration = Duration::from_secs(86_400);
/// The largest packet in an answer to one of our queries.
const QUERY_PACKET: usize = 32 << 20;
/// How long the server may think about one of our queries.
const QUERY_TIMEOUT: Duration = Duration::from_secs(60);

const COM_QUIT: u8 = 0x01;
const COM_QUERY: u8 = 0x03;

/// A logged-in session.
pub struct Connection {
    place: Arc<str>,
    pub(super) stream: PacketStream,
    server_version: String,
    connection_id: u32,
    encrypted: bool,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("place", &self.place)
            .field("server_version", &self.server_version)
            .field("connection_id", &self.connection_id)
            .field("encrypted", &self.encrypted)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// Connects and logs in, all within `connect_timeout`.
    pub async fn connect(config: &SourceConfig) -> Result<Self, SourceError> {
        let place = config.place();
        let limit = config.connect_timeout;
        let opened = match timeout(limit, open(config, &place)).await {
            Ok(result) => result,
            Err(_) => Err(Failure::ConnectTimeout(limit)),
        };
        opened.map_err(|failure| SourceError::new(&place, failure))
    }

    /// Sends a statement and takes the whole answer.
    pub async fn query(&mut self, sql: &str) -> Result<ResultSet, SourceError> {
        self.ask(sql).await.map_err(|failure| self.error(failure))
    }

    /// As [`query`](Self::query), without the server's name in the error.
    pub(super) async fn ask(&mut self, sql: &str) -> Result<ResultSet, Failure> {
        self.stream.command(&[&[COM_QUERY], sql.as_bytes()].concat()).await?;
        result::read(&mut self.stream).await
    }

    /// Sends a command that is answered by OK or an error.
    pub(super) async fn simple_command(&mut self, payload: &[u8]) -> Result<(), Failure> {
        self.stream.command(payload).await?;
        let packet = self.stream.read().await?;
        match packet.first() {
            Some(0) => Ok(()),
            Some(0xff) => Err(result::server_error(packet)),
            _ => Err(Failure::Protocol("neither OK nor an error")),
        }
    }

    /// Says goodbye, so that the server does not count an aborted connection.
    pub async fn close(mut self) {
        // The connection goes away in any case.
        let _ = self.stream.command(&[COM_QUIT]).await;
    }

    /// Whether the session is encrypted.
    #[must_use]
    pub fn encrypted(&self) -> bool {
        self.encrypted
    }

    /// `@@version`, as the server announced it.
    #[must_use]
    pub fn server_version(&self) -> &str {
        &self.server_version
    }

    /// The session's number at the server (`SHOW PROCESSLIST`).
    #[must_use]
    pub fn connection_id(&self) -> u32 {
        self.connection_id
    }

    /// `host:port`, or the path of the Unix socket.
    #[must_use]
    pub fn place(&self) -> &Arc<str> {
        &self.place
    }

    /// Adds the server's name to a failure.
    pub(super) fn error(&self, failure: Failure) -> SourceError {
        SourceError::new(&self.place, failure)
    }
}

async fn open(config: &SourceConfig, place: &Arc<str>) -> Result<Connection, Failure> {
    if config.user.as_bytes().contains(&0) {
        return Err(Failure::Options("a user name cannot contain a zero byte"));
    }
    let pinned_key = pinned_key(config)?;
    let io = socket::open(config).await?;
    let mut stream = PacketStream::new(io, LOGIN_PACKET, LOGIN_SILENCE);
    let greeting = Greeting::parse(stream.read().await?)?;
    let encrypted = wants_tls(config, &greeting)?;
    if encrypted {
        stream.write(&handshake::ssl_request(&greeting)).await?;
        let (io, sequence) = stream.into_io()?;
        let io = tls::upgrade(io, config).await?;
        stream = PacketStream::new(io, LOGIN_PACKET, LOGIN_SILENCE);
        stream.set_sequence(sequence);
    }
    let credentials = Credentials {
        password: &config.password,
        secure: encrypted || config.socket.is_some(),
        pinned_key,
        ask_for_key: config.get_public_key,
    };
    let mut login = Login::new(credentials, Plugin::first(&greeting.plugin), greeting.nonce.clone());
    let data = login.first_data()?;
    let response = handshake::response(&greeting, encrypted, &config.user, login.plugin().name().as_bytes(), &data);
    stream.write(&zeroize::Zeroizing::new(response)).await?;
    login.run(&mut stream).await.map_err(tls::login_failure)?;
    stream.set_limits(QUERY_PACKET, QUERY_TIMEOUT);
    Ok(Connection {
        place: Arc::clone(place),
        stream,
        server_version: greeting.version,
        connection_id: greeting.connection_id,
        encrypted,
    })
}

/// Whether to encrypt: what was asked for and what the server offers. A Unix socket is safe without.
fn wants_tls(config: &SourceConfig, greeting: &Greeting) -> Result<bool, Failure> {
    match config.tls.mode {
        SslMode::Disabled => Ok(false),
        SslMode::Preferred => Ok(greeting.offers_tls() && config.socket.is_none()),
        mode if !greeting.offers_tls() => Err(Failure::NoTls { mode }),
        _ => Ok(true),
    }
}

fn pinned_key(config: &SourceConfig) -> Result<Option<PublicKey>, Failure> {
    let Some(path) = &config.public_key_path else { return Ok(None) };
    let pem = std::fs::read(path).map_err(|error| Failure::PublicKey(format!("{}: {error}", path.display())))?;
    PublicKey::from_pem(&pem).map(Some)
}
