//! Tests against real servers, which the harness starts for each test.

#[macro_use]
#[allow(dead_code, unused_imports, reason = "a tool box: not every tool has a user at all times")]
pub mod harness;

mod bad_input;
mod channel;
mod charsets;
mod compression;
mod crash;
mod ddl;
mod decode_events;
mod decode_sql;
mod decoding;
mod harness_itself;
mod life;
mod mysql_sink;
mod names;
mod operation;
mod oracle;
mod partial_json;
mod replication;
mod schema;
mod statements;
mod stops;
mod target_goes_back;
mod types;
mod workload;
mod xa;
