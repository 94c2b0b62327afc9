//! The JSON feed: one line a row, one line a DDL statement.
//!
//! The contract is `docs/json-output.md`. What it does not do: decide where the lines go.

mod render;
mod value;

pub use render::JsonRenderer;
