//! Which part of a log is wanted: pure decisions, made by transaction.
//!
//! [`range`] says where to begin and where to end, by position, time or GTID; [`content`] which databases, tables and
//! kinds of change. A transaction is never cut: a range takes it whole, and content leaves out rows and statements that
//! are not asked for.

mod bound;
pub mod content;
mod pattern;
pub mod range;

pub use bound::{Bound, BoundError, Gtids, parse_datetime};
pub use content::{Concern, Content, Kind};
pub use pattern::{Pattern, PatternError, TablePattern};
pub use range::{Misplaced, Range, Selection, Verdict};

/// The part of a log that is wanted; by default all of it.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Which transactions.
    pub selection: Selection,
    /// What of them.
    pub content: Content,
}
