//! Log files as SQL text: statements that replay what was logged, or that undo it.
//!
//! [`SqlSink`] writes each transaction as it was; [`FlashbackSink`] the reverse of each row change, in reverse order.
//! Both take what the MySQL sink's renderer makes, so that a value has one form wherever it goes, and turn it into a
//! script for the `mysql` and `mariadb` clients: sessions are set as each statement needs them, and each UPDATE and
//! DELETE is followed by a check that ends the script, before its transaction is committed, if the row was not there.
//!
//! What it does not do: connect, ask a catalog, or keep progress. What the log does not say (generated columns, triggers)
//! it does not know. Manual: "mysql Client Commands", "Point-in-Time Recovery".

mod flashback;
mod load;
mod output;
mod render;
mod script;
mod session;
mod spool;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests;

use std::path::PathBuf;

pub use flashback::FlashbackSink;
pub use render::{FlashbackRenderer, SqlRenderer};
pub use script::SqlSink;

/// How `sql` is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SqlOptions {
    /// Transactions keep the GTIDs they had.
    pub preserve_gtids: bool,
    /// Nothing checks that rows were there.
    pub unchecked: bool,
    /// Where files go that logged LOAD DATA statements read; they stop the decoder if `None`.
    pub load_dir: Option<PathBuf>,
}

/// How `flashback` is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FlashbackOptions {
    /// A row is found by its key alone, and so also where it was changed since.
    pub by_key: bool,
    /// Nothing checks that rows were there.
    pub unchecked: bool,
    /// All is undone in one transaction.
    pub single_transaction: bool,
    /// Where the statements are kept until the last is known; the system's own place for temporary files if `None`.
    pub temp_dir: Option<PathBuf>,
}
