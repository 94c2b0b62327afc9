//! SQL text, as far as replication must understand it: what kind of statement it is.
//!
//! Leading tokens decide; nothing is refused because it is not known. What it does not do: parse SQL.

mod classify;
mod tokens;

pub use classify::{StatementKind, classify};
