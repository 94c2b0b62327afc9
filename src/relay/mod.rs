//! The relay log: what the source sent, on our disk, in ordinary binary log files that `mysqlbinlog` reads.
//!
//! The only queue between receiver and applier. [`RelayWriter`] is the receiver's: it appends events byte for byte
//! and says where transactions end. [`RelayLog`] is the handle that everybody else holds: which files there are, up
//! to where they may be read, and where a position of the source's log lies in them. What it does not do: decode
//! events, or know which transactions have been applied. Manual: "The Relay Log".
//!
//! ```text
//! relay-bin.000001:  magic | our copy of the source's format description | ROTATE: file and offset at the source |
//!                    events as received, the source's own ROTATE and format descriptions among them ...
//! relay-bin.index:   relay-bin.000001\n relay-bin.000002\n ...       replaced as a whole, never written in place
//! ```
//!
//! Invariants. A file begins and ends at a transaction boundary. All events of a file are laid out and protected as
//! its first event says: a source that comes back with another format gets a new file. Bytes up to the published
//! end are complete transactions and never change. Artificial ROTATE events, which a server makes up for each
//! connection, are the one thing not kept as received: they are written anew, with the file's own checksum.

mod error;
mod file;
mod format;
mod index;
mod locate;
mod log;
mod place;
mod probe;
mod recover;
mod tail;
mod track;
mod walk;
mod writer;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod crash_tests;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod sample;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod stream_tests;

pub use error::RelayError;
pub use file::{FileHeader, RelayFile};
pub use log::{RelayLog, reset};
pub use place::{RelayEnd, RelayFileId, RelayPlace};
pub use walk::{Passed, Reached};
pub use writer::{Recovered, RelayOptions, RelayWriter, SyncPolicy};

/// Magic, format description and ROTATE, with which a file begins, have fewer bytes than this.
const MAX_BEGINNING: u64 = 2048;
