//! A TCP proxy that breaks the way networks break.
//!
//! Every local server is reached through one; the address stays the same while the server behind it restarts
//! on another port. What it does to the bytes is a [`Mode`], changed at any time and felt at once by open
//! connections; two faults strike once, at a count of bytes that the server sent: a reset and a flipped bit.
//! It knows nothing of the MySQL protocol.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::sql::runtime;

/// What a proxy does to its connections.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// Forwards.
    Pass,
    /// Resets open connections and refuses new ones.
    Cut,
    /// Stops forwarding and says nothing: sockets stay open, new connections are accepted, no byte arrives.
    HalfOpen,
    /// Holds each chunk back for this long.
    Delay(Duration),
    /// Forwards at most so many bytes a second in each direction of each connection.
    Throttle(u64),
}

/// A listening proxy; it closes all connections when dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: tokio::task::AbortHandle,
}

#[derive(Debug)]
struct Shared {
    target: Mutex<SocketAddr>,
    mode: watch::Sender<Mode>,
    /// Whether the port accepts connections now: what the mode asks for, done.
    listening: watch::Sender<bool>,
    /// Bytes the server sent through this proxy so far.
    sent: AtomicU64,
    reset_at: AtomicU64,
    corrupt_at: AtomicU64,
    connections: AtomicU64,
}

const NEVER: u64 = u64::MAX;

impl Proxy {
    /// Listens on a free loopback port and forwards to `target`.
    pub fn start(target: SocketAddr) -> Proxy {
        let socket = bound_socket(SocketAddr::from(([127, 0, 0, 1], 0)));
        let address = socket.local_addr().expect("bound").as_socket().expect("an IP socket");
        let shared = Arc::new(Shared {
            target: Mutex::new(target),
            mode: watch::Sender::new(Mode::Pass),
            listening: watch::Sender::new(true),
            sent: AtomicU64::new(0),
            reset_at: AtomicU64::new(NEVER),
            corrupt_at: AtomicU64::new(NEVER),
            connections: AtomicU64::new(0),
        });
        socket.listen(128).expect("listen");
        let listener = runtime().spawn(listen(socket, address, Arc::clone(&shared), shared.mode.subscribe()));
        Proxy { address, shared, listener: listener.abort_handle() }
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Forwards new connections to another address.
    pub fn set_target(&self, target: SocketAddr) {
        *self.shared.target.lock().expect("target") = target;
    }

    /// Changes what happens to open and new connections; returns when the port follows.
    pub fn set_mode(&self, mode: Mode) {
        self.shared.mode.send_replace(mode);
        let mut listening = self.shared.listening.subscribe();
        let wanted = mode != Mode::Cut;
        runtime().block_on(listening.wait_for(|is| *is == wanted)).expect("the proxy runs");
    }

    /// Resets the connection over which the server sends the byte that is `bytes` from now.
    pub fn reset_after(&self, bytes: u64) {
        self.shared.reset_at.store(self.bytes_sent() + bytes, Ordering::SeqCst);
    }

    /// Flips one bit in the byte that the server sends `offset` bytes from now.
    pub fn corrupt_after(&self, offset: u64) {
        self.shared.corrupt_at.store(self.bytes_sent() + offset, Ordering::SeqCst);
    }

    /// How many bytes the server sent to clients so far.
    pub fn bytes_sent(&self) -> u64 {
        self.shared.sent.load(Ordering::SeqCst)
    }

    /// How many connections were accepted so far.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.mode.send_replace(Mode::Cut);
        self.listener.abort();
    }
}

/// A bound socket that does not listen refuses connections and keeps others off its port.
fn bound_socket(address: SocketAddr) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_reuse_address(true).expect("SO_REUSEADDR");
    socket.set_nonblocking(true).expect("O_NONBLOCK");
    socket.bind(&address.into()).expect("a loopback port");
    socket
}

async fn listen(mut socket: Socket, address: SocketAddr, shared: Arc<Shared>, mut mode: watch::Receiver<Mode>) {
    loop {
        let listener = TcpListener::from_std(socket.into()).expect("a listening socket");
        shared.listening.send_replace(true);
        while *mode.borrow_and_update() != Mode::Cut {
            tokio::select! {
                accepted = listener.accept() => {
                    if let Ok((client, _)) = accepted {
                        shared.connections.fetch_add(1, Ordering::SeqCst);
                        tokio::spawn(serve(client, Arc::clone(&shared), mode.clone()));
                    }
                }
                _ = mode.changed() => {}
            }
        }
        drop(listener);
        socket = bound_socket(address);
        shared.listening.send_replace(false);
        if mode.wait_for(|mode| *mode != Mode::Cut).await.is_err() {
            return;
        }
        socket.listen(128).expect("listen");
    }
}

async fn serve(mut client: TcpStream, shared: Arc<Shared>, mut mode: watch::Receiver<Mode>) {
    if mode.wait_for(|mode| *mode != Mode::HalfOpen).await.is_err() {
        return;
    }
    let target = *shared.target.lock().expect("target");
    let Ok(mut server) = TcpStream::connect(target).await else { return reset(client) };
    for stream in [&client, &server] {
        drop(stream.set_nodelay(true));
    }
    let closed = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let up = Pump { shared: &shared, mode: mode.clone(), down: false };
        let down = Pump { shared: &shared, mode: mode.clone(), down: true };
        tokio::select! {
            ended = async { tokio::try_join!(up.run(from_client, to_server), down.run(from_server, to_client)) } => ended.is_ok(),
            _ = mode.wait_for(|mode| *mode == Mode::Cut) => false,
        }
    };
    if !closed {
        reset(client);
        reset(server);
    }
}

/// Closes so that the other end sees a reset, not an end.
fn reset(stream: TcpStream) {
    drop(SockRef::from(&stream).set_linger(Some(Duration::ZERO)));
}

/// The connection is to be reset rather than closed.
struct Broken;

/// One direction of one connection.
struct Pump<'a> {
    shared: &'a Shared,
    mode: watch::Receiver<Mode>,
    down: bool,
}

impl Pump<'_> {
    async fn run(mut self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> Result<(), Broken> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let size = match self.passing().await? {
                Mode::Throttle(rate) => usize::try_from(rate / 20).unwrap_or(usize::MAX).clamp(1, buffer.len()),
                _ => buffer.len(),
            };
            let chunk = buffer.get_mut(..size).ok_or(Broken)?;
            let read = from.read(chunk).await.map_err(|_| Broken)?;
            if read == 0 {
                drop(to.shutdown().await);
                return Ok(());
            }
            let chunk = chunk.get_mut(..read).ok_or(Broken)?;
            match self.passing().await? {
                Mode::Delay(time) => tokio::time::sleep(time).await,
                Mode::Throttle(rate) => {
                    tokio::time::sleep(Duration::from_secs_f64(read as f64 / rate.max(1) as f64)).await;
                }
                _ => {}
            }
            let kept = if self.down { self.strike(chunk) } else { read };
            to.write_all(chunk.get(..kept).unwrap_or_default()).await.map_err(|_| Broken)?;
            if kept < read {
                // What was sent before the fault arrives; a reset would overtake it.
                tokio::time::sleep(Duration::from_millis(50)).await;
                return Err(Broken);
            }
        }
    }

    /// Waits while the line is silent; the mode it then has.
    async fn passing(&mut self) -> Result<Mode, Broken> {
        self.mode.wait_for(|mode| *mode != Mode::HalfOpen).await.map(|mode| *mode).map_err(|_| Broken)
    }

    /// Counts the server's bytes and applies the faults due in them; how many of them to forward.
    fn strike(&self, chunk: &mut [u8]) -> usize {
        let length = chunk.len() as u64;
        let start = self.shared.sent.fetch_add(length, Ordering::SeqCst);
        let due = |fault: &AtomicU64| {
            let at = fault.load(Ordering::SeqCst);
            let here = (start..start + length).contains(&at);
            let ours = here && fault.compare_exchange(at, NEVER, Ordering::SeqCst, Ordering::SeqCst).is_ok();
            ours.then(|| (at - start) as usize)
        };
        if let Some(byte) = due(&self.shared.corrupt_at).and_then(|at| chunk.get_mut(at)) {
            *byte ^= 0x10;
        }
        due(&self.shared.reset_at).unwrap_or(chunk.len())
    }
}
