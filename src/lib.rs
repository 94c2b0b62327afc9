//! `replicate`: a MySQL replica without a MySQL server.
//!
//! This page is the map. Imports point down only; `tests/it/architecture.rs` holds the edges.
//!
//! | floor | modules | may use |
//! |---|---|---|
//! | 0, pure: bytes and values in, values out | `disposition` `secret` `wire` `gtid` `position` `binlog` `row` `schema` `change` `filter` `options` `statement` `status` | `nom`, no I/O of any kind |
//! | 1, one outside resource each | `source` `relay` `store` `sink` | floor 0; never one another |
//! | 2, where they meet | `pipeline` | floors 0 and 1 |
//! | 3, faces of a running process | `control` | floors 0 to 2 |
//! | 4 | `cli` | everything, `anyhow`, `clap` |

pub mod binlog;
pub mod change;
pub mod cli;
pub mod control;
pub mod disposition;
pub mod filter;
pub mod gtid;
pub mod options;
pub mod pipeline;
pub mod position;
pub mod relay;
pub mod row;
pub mod schema;
pub mod secret;
pub mod sink;
pub mod source;
pub mod statement;
pub mod status;
pub mod store;
pub mod wire;
