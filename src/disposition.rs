//! What to do about an error: every typed error of the crate answers `disposition()`.
//!
//! The answer is a pure function of the error, so that "retry or stop" is one table that a test can read, and
//! no call site decides for itself.

/// What the task that owns the failed work does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// The cause may pass by itself (a lost connection, a deadlock, a full disk): try again after a delay.
    Retry,
    /// Trying again gives the same result or loses data: stop the channel and say so.
    Stop,
}
