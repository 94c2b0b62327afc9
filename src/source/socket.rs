//! Opens the byte stream: TCP with keepalive and a bound on unacknowledged data, or a Unix socket.
//!
//! A connection whose other end vanished without a word (pulled cable, dead firewall entry) must not look alive for
//! ever: the kernel probes it when idle and gives up on it.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, UnixStream, lookup_host};

use super::config::SourceConfig;
use super::error::Failure;
use super::packet::Duplex;

/// Idle time before the first keepalive probe.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);
/// Time between probes.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// Probes without an answer before the connection is dead.
const KEEPALIVE_PROBES: u32 = 4;
/// How long sent data may stay unacknowledged.
const USER_TIMEOUT: Duration = Duration::from_secs(30);

/// Connects to the configured socket, or to the first address of the host that answers.
pub(super) async fn open(config: &SourceConfig) -> Result<Box<dyn Duplex>, Failure> {
    if let Some(path) = &config.socket {
        let stream = UnixStream::connect(path).await.map_err(Failure::Connect)?;
        return Ok(Box::new(stream));
    }
    let addresses = lookup_host((config.host.as_str(), config.port)).await.map_err(Failure::Resolve)?;
    let mut last = Failure::Resolve(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                tune(&stream).map_err(Failure::Connect)?;
                return Ok(Box::new(stream));
            }
            Err(error) => last = Failure::Connect(error),
        }
    }
    Err(last)
}

fn tune(stream: &TcpStream) -> io::Result<()> {
    let keepalive =
        TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL).with_retries(KEEPALIVE_PROBES);
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    stream.set_nodelay(true)
}
