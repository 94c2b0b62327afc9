//! The JSON feed: one line a row, one line a DDL statement. The contract is `docs/json-output.md`.
//!
//! [`JsonRenderer`] makes the lines; [`JsonSink`] brings them to standard output or a file. Delivery is at least once:
//! what was written and not recorded before a crash is written again, with the same `position` and `xoffset`.

mod outlet;
mod render;
mod value;
mod writer;

pub use render::JsonRenderer;
pub use writer::JsonSink;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests;
