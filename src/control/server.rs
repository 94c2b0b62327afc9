//! The answering half: one task, and a short-lived one for each connection.

use std::fs;
use std::future::Future;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use super::{ControlError, ControlHandler, Request, Response};
use crate::store::SocketPath;

/// The longest request that is read.
const REQUEST_LIMIT: u64 = 4096;
/// How long one connection may take.
const DEADLINE: Duration = Duration::from_secs(5);
/// How many connections are served at once; others wait in the listener's queue.
const CONNECTIONS: usize = 16;

/// A bound socket. Its file goes when this value is dropped.
#[derive(Debug)]
pub struct ControlServer {
    listener: UnixListener,
    path: SocketPath,
    owner: u32,
}

impl ControlServer {
    /// Binds the channel's socket, mode 0600. A socket left there by a dead process is replaced, so the caller must hold the
    /// channel's lock. Called within a tokio runtime.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn bind(path: SocketPath) -> Result<Self, ControlError> {
        match bind(path.as_ref()) {
            Ok((listener, owner)) => Ok(Self { listener, path, owner }),
            Err(source) => Err(ControlError::Io { path: path.as_ref().to_owned(), source }),
        }
    }
}

fn bind(path: &Path) -> io::Result<(UnixListener, u32)> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    // The file belongs to whom this process acts as.
    let owner = fs::metadata(path)?.uid();
    Ok((listener, owner))
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        // Nothing is lost when it stays: the next start replaces it.
        let _ = fs::remove_file(self.path.as_ref());
    }
}

/// Answers requests until `shutdown` completes.
///
/// # Errors
/// When the socket no longer accepts connections.
pub async fn serve(
    server: ControlServer,
    handler: Arc<dyn ControlHandler>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ControlError> {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    tokio::pin!(shutdown);
    loop {
        let accept = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, server.listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            () = &mut shutdown => return Ok(()),
            next = accept => next,
        };
        match accepted {
            Ok((stream, _)) => {
                let (handler, owner) = (Arc::clone(&handler), server.owner);
                tokio::spawn(async move {
                    // A client that is slow or gone concerns nobody else.
                    let _ = tokio::time::timeout(DEADLINE, converse(stream, handler.as_ref(), owner)).await;
                    drop(slot);
                });
            }
            // Out of file descriptors, or the client left before it was accepted.
            Err(error) if passes(&error) => tokio::time::sleep(Duration::from_millis(100)).await,
            Err(source) => return Err(ControlError::Io { path: server.path.as_ref().to_owned(), source }),
        }
    }
}

fn passes(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted | io::ErrorKind::OutOfMemory)
        || matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}

/// Whether a user may ask: the one who runs the channel, and root.
pub(super) fn may_ask(peer: u32, owner: u32) -> bool {
    peer == owner || peer == 0
}

async fn converse(mut stream: UnixStream, handler: &dyn ControlHandler, owner: u32) -> io::Result<()> {
    if !may_ask(stream.peer_cred()?.uid(), owner) {
        return answer(&mut stream, &refusal("only the user who runs the channel may ask")).await;
    }
    let line = read_line(&mut stream).await?;
    match serde_json::from_slice(&line) {
        Ok(Request::Status) => {
            let status = Some(handler.status());
            answer(&mut stream, &Response { ok: true, pid: Some(std::process::id()), status, error: None }).await
        }
        Ok(Request::Stop) => {
            // The process may end as soon as it is told to, so the answer goes first. A client that left before it
            // could be answered still meant what it said.
            let done = Response { ok: true, pid: Some(std::process::id()), ..Response::default() };
            let answered = answer(&mut stream, &done).await;
            handler.stop();
            answered
        }
        Err(error) => answer(&mut stream, &refusal(&format!("request not understood: {error}"))).await,
    }
}

fn refusal(why: &str) -> Response {
    Response { ok: false, error: Some(why.to_owned()), ..Response::default() }
}

/// A line without its end; what comes after [`REQUEST_LIMIT`] bytes is not read.
async fn read_line(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut limited = stream.take(REQUEST_LIMIT);
    let mut piece = [0_u8; 512];
    loop {
        let read = limited.read(&mut piece).await?;
        let piece = piece.get(..read).unwrap_or_default();
        match memchr::memchr(b'\n', piece) {
            Some(end) => {
                line.extend_from_slice(piece.get(..end).unwrap_or_default());
                return Ok(line);
            }
            None if read == 0 => return Ok(line),
            None => line.extend_from_slice(piece),
        }
    }
}

async fn answer(stream: &mut UnixStream, response: &Response) -> io::Result<()> {
    let mut line = serde_json::to_vec(response)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    stream.shutdown().await
}
