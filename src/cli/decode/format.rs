//! REGISTER of what `replicate decode` prints. One format is a line here, an arm in `Decode::run`, and its sink.

use clap::ValueEnum;

/// What is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// The lines of the feed: one JSON object a row, one a DDL statement
    Json,
    /// One line an event, with all that SHOW BINLOG EVENTS shows
    Events,
    /// Row changes by table, the largest transactions, the busiest seconds, events by type
    Stats,
    /// Statements that replay what was logged, for the mysql and mariadb clients
    Sql,
    /// The reverse statements in reverse order, to undo what was logged
    Flashback,
}

impl Format {
    /// Whether what comes out changes a server, and so must leave nothing out.
    pub(super) fn makes_script(self) -> bool {
        matches!(self, Self::Sql | Self::Flashback)
    }
}
