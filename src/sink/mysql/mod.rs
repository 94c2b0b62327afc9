//! Replays into a MySQL or MariaDB server, exactly once.
//!
//! Source transactions are applied whole and in order over one connection; each commits together with the checkpoint
//! row that says how far the target is ([`checkpoint`]). DDL statements, which commit by themselves, are fenced by an
//! intent in the same row. Every row change must do exactly what it says: a row that is missing, double or changed on
//! the way stops the channel. Exactly once holds for InnoDB; tables of engines without transactions may get the last
//! transaction twice after a crash.
//!
//! What it does not do: apply in parallel, keep GTIDs, or change schemas on its own.
//! Manual: "Replication and Transactions", "Statements That Cause an Implicit Commit".
//!
//! A transaction that the source rolled back after it had changed tables without transactions (`ROLLBACK` at its end)
//! is executed and rolled back here as well: what such tables keep there they keep here.
//!
//! What a replayed change would set off a second time is kept from it: scheduled events are created disabled; rows of
//! tables with triggers, or `WITH SYSTEM VERSIONING`, stop the channel.
//!
//! The account needs, on the target: all data and DDL privileges for the replicated databases, SELECT, INSERT, UPDATE,
//! DELETE and CREATE in the checkpoint database, and for the sessions of statements SESSION_VARIABLES_ADMIN (MySQL) or
//! BINLOG REPLAY (MariaDB); SET_ANY_DEFINER or SET USER for objects with other definers; what GRANT statements grant,
//! WITH GRANT OPTION; PROCESS makes the
//! recognition of DDL statements after a crash sharper.

mod apply;
mod assumed;
mod catalog;
mod checkpoint;
mod config;
mod connection;
mod ddl;
mod error;
mod events;
pub(super) mod facts;
mod fingerprint;
mod json;
mod json_diff;
pub(super) mod literal;
pub(super) mod offline;
mod open;
pub(super) mod output;
pub(super) mod render;
mod reverse;
pub(super) mod statement;
mod table;

use std::sync::{Arc, RwLock};

use tokio::runtime::Handle;
use tokio::sync::watch;

pub use config::{MysqlSinkConfig, UrlError};
pub use output::Statements;
pub use render::MysqlRenderer;

use self::apply::Session;
use self::catalog::TargetCatalog;
use self::connection::Patience;
use self::render::SharedFacts;
use super::{Ack, Catalog, Progress, Sink, SinkError};

/// The sink.
#[derive(Debug)]
pub struct MysqlSink {
    config: Arc<MysqlSinkConfig>,
    handle: Handle,
    patience: Patience,
    facts: SharedFacts,
    session: Option<Session>,
}

impl MysqlSink {
    /// A sink for this target. `handle` is the runtime that drives the connection; the sink's own methods block their
    /// thread and must not be called from one of the runtime's. When `stop` turns true, a transaction under way has
    /// the configured grace period to end.
    #[must_use]
    pub fn new(config: MysqlSinkConfig, handle: Handle, stop: watch::Receiver<bool>) -> Self {
        let patience = Patience::new(stop, config.grace);
        Self { config: Arc::new(config), handle, patience, facts: Arc::new(RwLock::new(None)), session: None }
    }

    /// Removes the channel's checkpoint from the target: it decides where to resume, and is not to any more. What was
    /// replayed stays.
    ///
    /// # Errors
    /// When the target cannot be asked, or refuses.
    pub fn forget_checkpoint(&mut self) -> Result<(), SinkError> {
        self.session = None;
        open::forget(&self.config, &self.handle, self.patience.clone())
    }
}

impl Sink for MysqlSink {
    type Output = Statements;
    type Renderer = MysqlRenderer;

    const KEEPS_PROGRESS: bool = true;

    fn renderer(&self) -> MysqlRenderer {
        MysqlRenderer::new(Arc::clone(&self.facts))
    }

    fn open(&mut self) -> Result<Option<Progress>, SinkError> {
        // The connection before must be gone first: it holds the channel's lock.
        self.session = None;
        let (session, facts) = open::open(&self.config, &self.handle, self.patience.clone())?;
        *self.facts.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(Arc::new(facts));
        let session = self.session.insert(session);
        Ok(session.progress())
    }

    fn catalog(&self) -> Option<Box<dyn Catalog>> {
        Some(Box::new(TargetCatalog::new(Arc::clone(&self.config), self.handle.clone(), self.patience.clone())))
    }

    fn apply(&mut self, piece: &mut Statements, upto: Option<&Progress>) -> Result<Ack, SinkError> {
        let session = self.session.as_mut().ok_or_else(closed)?;
        let result = session.apply(piece, upto);
        if result.is_err() {
            self.session = None;
        }
        result
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        let session = self.session.as_mut().ok_or_else(closed)?;
        let result = session.flush();
        if result.is_err() {
            self.session = None;
        }
        result
    }
}

fn closed() -> SinkError {
    SinkError::Unavailable { what: "the connection to the target is not open".to_owned() }
}
