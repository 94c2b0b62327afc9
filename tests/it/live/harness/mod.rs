//! What a live test stands on: real servers, networks that break, `replicate` as a process, and the
//! comparison of two servers.
//!
//! One environment variable chooses where servers come from, the tests do not notice:
//! `REPLICATE_TEST_SERVERS=local` (the default) runs the binaries that `docker/servers.sh` provides and puts
//! a [`Proxy`] in front of each server; `docker` runs containers, with `replicate` in one of its own. A test
//! that finds no servers fails and names the command that brings them.
//!
//! Tests are plain `#[test]` functions (no async runtime around them: the harness has its own). Whatever a
//! test starts ends with it: handles stop it when dropped, and a [reaper](reaper) outlives a test process
//! that dies without unwinding.
//!
//! Tests that the container lane runs too are those whose name begins with `lane_`; they may use everything
//! here but [`Server::network`], [`Server::data_dir`] and [`Replicate::data_dir`].

mod compare;
mod engine;
mod lane;
mod logbook;
mod proxy;
mod reaper;
mod replicate;
mod server;
pub mod sql;

pub use compare::{Comparison, compare_rows, compare_tables};
pub use lane::{Lane, lane};
pub use logbook::eventually;
pub use proxy::{Mode, Proxy};
pub use replicate::{Finished, Process, Replicate};
pub use server::{Account, REPLICATION, SINK, Server};
pub use sql::{Row, Session, block_on};

/// Which family of server a test runs against; the exact version is the lane's choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavor {
    /// MySQL: 9.7 unless `REPLICATE_TEST_MYSQL` or `REPLICATE_TEST_MYSQL_IMAGE` says otherwise.
    MySql,
    /// MariaDB: 10.11 unless `REPLICATE_TEST_MARIADB` or `REPLICATE_TEST_MARIADB_IMAGE` says otherwise.
    MariaDb,
}

/// Declares a test once and runs it against MySQL and against MariaDB, as `name::mysql` and `name::mariadb`.
///
/// ```ignore
/// on_each_flavor! {
///     fn lane_feed_prints_inserts(flavor) {
///         let source = Server::start(flavor, &[]);
///         ...
///     }
/// }
/// ```
macro_rules! on_each_flavor {
    ($($(#[$meta:meta])* fn $name:ident($flavor:ident) $body:block)+) => {
        $(mod $name {
            #[allow(unused_imports)]
            use super::*;

            fn body($flavor: $crate::live::harness::Flavor) $body

            $(#[$meta])*
            #[test]
            fn mysql() {
                body($crate::live::harness::Flavor::MySql);
            }

            $(#[$meta])*
            #[test]
            fn mariadb() {
                body($crate::live::harness::Flavor::MariaDb);
            }
        })+
    };
}
