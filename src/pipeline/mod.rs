//! Where the pieces meet: receiver, relay log, coordinator, workers, sink, checkpoint.
//!
//! ```text
//! source --> receiver --> relay log --> coordinator --> workers --> sequencer --> sink
//!                                        (ranges)      (decode)     (order)        |
//!                                                                 store <-- progress
//! ```
//!
//! The relay log is the only queue: a slow sink never blocks the socket. The same coordinator, workers and sequencer
//! read plain files for `replicate decode`.

pub mod applier;
pub mod batch;
pub mod channel;
pub mod channel_error;
pub mod coordinator;
pub mod decode;
pub mod dispatch;
pub mod error;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
mod event_tests;
mod ignored;
pub mod input;
pub mod listing;
pub mod monitor;
mod observer;
pub mod plans;
mod receiver;
mod relay_input;
pub mod retry;
pub mod sequencer;
mod spool;
pub mod tracker;
pub mod worker;

pub use channel_error::ChannelError;
pub use error::{ApplyError, Place};
