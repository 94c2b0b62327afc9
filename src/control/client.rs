//! The asking half.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{ControlError, Request, Response};
use crate::store::SocketPath;

/// The longest answer that is read.
const ANSWER_LIMIT: usize = 1 << 20;

/// Asks the process that serves the channel's socket; the whole exchange takes `timeout` at most.
///
/// # Errors
/// [`ControlError::NotRunning`] when nobody serves the socket; the others when the exchange fails or is refused.
pub fn call(socket: &SocketPath, request: Request, timeout: Duration) -> Result<Response, ControlError> {
    let path = socket.as_ref();
    let line = exchange(path, request, timeout).map_err(|source| match source.kind() {
        // The last four: it ended before it answered.
        io::ErrorKind::NotFound
        | io::ErrorKind::ConnectionRefused
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => ControlError::NotRunning(path.to_owned()),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            ControlError::Timeout { path: path.to_owned(), seconds: timeout.as_secs() }
        }
        _ => ControlError::Io { path: path.to_owned(), source },
    })?;
    let response: Response = serde_json::from_slice(&line)
        .map_err(|error| ControlError::Protocol { path: path.to_owned(), what: error.to_string() })?;
    if response.ok {
        Ok(response)
    } else {
        Err(ControlError::Refused(response.error.unwrap_or_else(|| "no reason given".to_owned())))
    }
}

fn exchange(path: &Path, request: Request, timeout: Duration) -> io::Result<Vec<u8>> {
    let deadline = Instant::now() + timeout;
    let mut stream = UnixStream::connect(path)?;
    stream.set_write_timeout(Some(timeout))?;
    let mut line = serde_json::to_vec(&request)?;
    line.push(b'\n');
    stream.write_all(&line)?;

    let mut answer = Vec::new();
    let mut piece = [0_u8; 4096];
    while !answer.ends_with(b"\n") && answer.len() <= ANSWER_LIMIT {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::Error::from(io::ErrorKind::TimedOut));
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut piece) {
            Ok(0) if answer.is_empty() => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(0) => break,
            Ok(read) => answer.extend_from_slice(piece.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(answer)
}
