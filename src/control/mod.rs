//! The control socket: how a second process asks the one that runs a channel for its status, or to stop.
//!
//! A Unix socket in the channel's directory, mode 0600. A connection carries one request and one answer, each a line
//! of JSON. Only the user who runs the channel, and root, are answered. The server half is given a
//! [`ControlHandler`] and knows nothing of how a channel works; the client half is synchronous.
//!
//! ```text
//! -> {"command":"status"}      <- {"ok":true,"pid":4711,"status":{..}}
//! -> {"command":"stop"}        <- {"ok":true,"pid":4711}
//!                              <- {"ok":false,"error":"why"}
//! ```

pub mod client;
mod server;

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use server::{ControlServer, serve};

use crate::disposition::Disposition;
use crate::status::ChannelStatus;

/// What can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Request {
    /// How does the channel stand?
    Status,
    /// Finish the transaction, record, and end.
    Stop,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Response {
    /// Whether the request was done (or, for a stop, begun).
    pub ok: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The process that runs the channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// The status that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<ChannelStatus>,
}

/// What the running channel does about requests. Both return at once.
pub trait ControlHandler: Send + Sync + 'static {
    /// A snapshot of the channel.
    fn status(&self) -> ChannelStatus;

    /// Begins to stop.
    fn stop(&self);
}

/// What went wrong on either side of the socket.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// No process serves this socket.
    #[error("no process answers at {}", .0.display())]
    NotRunning(PathBuf),
    /// The other side did not answer in time.
    #[error("no answer from {} within {seconds} s", path.display())]
    Timeout {
        /// The socket.
        path: PathBuf,
        /// How long was waited.
        seconds: u64,
    },
    /// The other side sent something that is no answer.
    #[error("the answer at {} is not understood: {what}", path.display())]
    Protocol {
        /// The socket.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The request was refused.
    #[error("refused: {0}")]
    Refused(String),
    /// The operating system refused.
    #[error("control socket {}: {source}", path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl ControlError {
    /// Nothing here passes by itself while a command waits.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        Disposition::Stop
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests;
