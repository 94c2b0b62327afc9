//! The server we read from: connect, encrypt, log in, ask, register as a replica, take the dump.
//!
//! [`Connection`] is one session of the classic protocol; [`probe`] and its neighbours ask it things; [`DumpStream`]
//! turns it into the stream of events. What it does not do: keep events, decide when to connect again, or parse more
//! of an event than its place in a packet. Manual: "MySQL Client/Server Protocol" and "Replication Protocol" of the
//! server's source documentation; MariaDB: "Client/Server Protocol".
//!
//! ```text
//! socket (TCP, Unix) -> tls -> packet (frames, one buffer) -> handshake, auth -> session (queries)
//!                                                                              -> register -> dump
//! ```

mod auth;
mod boundary;
mod catalog;
mod config;
mod dump;
mod error;
mod handshake;
mod packet;
mod probe;
mod public_key;
mod register;
mod result;
mod server_error;
mod session;
mod socket;
mod tls;

pub use boundary::{PositionCheck, check_position, nearby_boundaries};
pub use catalog::{Answers, LOCK_WAIT_TIMEOUT, SourceCatalog};
pub use config::{SourceConfig, SslMode, SslModeError, TlsConfig};
pub use dump::DumpStream;
pub use error::{Failure, SourceError};
pub use probe::{Flavor, Replica, SourceInfo, binary_logs, end_of_log, probe, replicas};
pub use result::ResultSet;
pub use server_error::{Cause, ServerError};
pub use session::Connection;
