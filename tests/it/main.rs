//! One integration binary: everything that needs more than one module, or a server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

mod architecture;
mod cli;
mod corpus;
mod decode_files;
mod docs;
mod fixtures;
mod fuzz_seeds;
mod live;
mod malformed;
mod oracle;
mod payload;
mod torn_files;
