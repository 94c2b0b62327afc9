//! What a sink is told about a transaction, besides its rows.

use crate::gtid::Gtid;
use crate::position::LogPosition;

/// How a transaction's group of events ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupEnd {
    /// XID_EVENT: a transactional commit.
    Xid(u64),
    /// `COMMIT` as a statement: non-transactional tables, or statement format.
    Commit,
    /// `ROLLBACK` as a statement: what was logged is undone, except in non-transactional tables.
    Rollback,
    /// XA PREPARE: whether what is in it stands is decided later in the log.
    XaPrepare,
    /// XA COMMIT, of what is in it: in one phase, or found later in the log.
    XaCommit,
    /// One event that is a group by itself: DDL and the like.
    Standalone,
}

/// A transaction's commit metadata: known before any of its rows is handed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionMeta {
    /// Where the transaction's first event stands in the source's log. Together with a row's number in the
    /// transaction (`xoffset`) it identifies the row for ever.
    pub start: LogPosition,
    /// Where the next transaction starts: the resume point once this one is durable.
    pub end: LogPosition,
    /// Its GTID, if it has one.
    pub gtid: Option<Gtid>,
    /// How it ends.
    pub group_end: GroupEnd,
    /// `server_id` of the server that committed it first.
    pub server_id: u32,
    /// Header timestamp of its first event, seconds since 1970.
    pub timestamp: u32,
    /// Microseconds since 1970 of the commit at the first server; 0 when the source does not say.
    pub original_commit_timestamp: u64,
}

impl TransactionMeta {
    /// The storage engines' transaction number, where the group ends with one.
    #[must_use]
    pub fn xid(&self) -> Option<u64> {
        match self.group_end {
            GroupEnd::Xid(xid) => Some(xid),
            _ => None,
        }
    }
}
