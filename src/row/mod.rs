//! Row images: from packed bytes to borrowed values.
//!
//! A [`plan::TablePlan`] is compiled once for each table map; a row is then a walk over it, without lookup and
//! without allocation. What it does not do: rendering (sinks) and framing (`crate::binlog`).

pub mod plan;
pub mod value;

pub use plan::{ColumnPlan, TablePlan};
pub use value::Value;
