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
pub mod coordinator;
pub mod dispatch;
pub mod error;
pub mod input;
mod large;
pub mod plans;
pub mod sequencer;
pub mod worker;

pub use error::{ApplyError, Place};
