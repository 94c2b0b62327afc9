//! The one connection to the target: connecting, sending, and giving up when shutdown was asked for.
//!
//! Each call blocks its thread on the runtime until the server answers, the connection breaks, or shutdown was
//! signalled and the grace period is over: a stalled target cannot hold up the process. It knows nothing of
//! transactions.

use std::future::Future;
use std::time::Duration;

use mysql_async::prelude::{FromRow, Queryable};
use mysql_async::{Conn, DriverError, Row};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;

use super::config::MysqlSinkConfig;
use super::error::Fault;
use crate::options::SslMode;

/// When to give up: the stop signal, and the moment it was first seen.
#[derive(Debug, Clone)]
pub(super) struct Patience {
    stop: watch::Receiver<bool>,
    grace: Duration,
    deadline: Option<Instant>,
}

impl Patience {
    pub(super) fn new(stop: watch::Receiver<bool>, grace: Duration) -> Self {
        Self { stop, grace, deadline: None }
    }

    /// Runs `work` to its end, or until the grace period after the stop signal is over.
    async fn bound<T>(&mut self, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        tokio::select! {
            biased;
            result = work => result,
            () = self.run_out() => Err(Fault::Cancelled),
        }
    }

    async fn run_out(&mut self) {
        let deadline = match self.deadline {
            Some(deadline) => deadline,
            None => {
                if self.stop.wait_for(|stop| *stop).await.is_err() {
                    // Nobody is left who could ask for a stop.
                    std::future::pending::<()>().await;
                }
                let deadline = Instant::now() + self.grace;
                self.deadline = Some(deadline);
                deadline
            }
        };
        tokio::time::sleep_until(deadline).await;
    }
}

/// The answer to one of several statements that were sent together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    /// Rows inserted, deleted, or matched by an update.
    pub(super) rows: u64,
    /// Warnings raised.
    pub(super) warnings: u64,
}

/// A connection to the target.
#[derive(Debug)]
pub(super) struct Connection {
    conn: Conn,
    handle: Handle,
    patience: Patience,
}

impl Connection {
    /// Connects and logs in.
    pub(super) fn open(config: &MysqlSinkConfig, handle: &Handle, mut patience: Patience) -> Result<Self, Fault> {
        let connecting = async {
            let attempt = |tls| async move {
                match tokio::time::timeout(config.connect_timeout, Conn::new(config.driver_options(tls))).await {
                    Ok(result) => result.map_err(Tried::from),
                    Err(_) => Err(Tried::Failed(Fault::Lost("connecting took too long".to_owned()))),
                }
            };
            match attempt(true).await {
                Err(Tried::NoTls) if config.ssl_mode == SslMode::Preferred => attempt(false).await,
                other => other,
            }
            .map_err(Fault::from)
        };
        let conn = handle.block_on(patience.bound(connecting))?;
        Ok(Self { conn, handle: handle.clone(), patience })
    }

    /// Sends one statement and waits for its end; rows it returns are dropped.
    pub(super) fn execute(&mut self, sql: &[u8]) -> Result<Answer, Fault> {
        let conn = &mut self.conn;
        let work = async {
            let result = conn.query_iter(sql).await?;
            let answer = Answer { rows: result.affected_rows(), warnings: result.warnings().into() };
            result.drop_result().await?;
            Ok(answer)
        };
        self.handle.block_on(self.patience.bound(work))
    }

    /// Sends `count` statements joined by `;` and collects their answers up to the first that failed: its fault, if
    /// there is one, belongs to the statement after the last answer.
    pub(super) fn execute_joined(&mut self, sql: &[u8], count: usize, answers: &mut Vec<Answer>) -> Result<(), Fault> {
        answers.clear();
        let conn = &mut self.conn;
        let work = async {
            let mut result = conn.query_iter(sql).await?;
            while answers.len() < count {
                let answer = Answer { rows: result.affected_rows(), warnings: result.warnings().into() };
                // The error of any statement but the first shows when its own answer is taken.
                result.collect::<Row>().await?;
                answers.push(answer);
            }
            result.drop_result().await?;
            Ok(())
        };
        self.handle.block_on(self.patience.bound(work))
    }

    /// Sends a query and returns its rows.
    pub(super) fn query<T: FromRow + Send + 'static>(&mut self, sql: &[u8]) -> Result<Vec<T>, Fault> {
        let conn = &mut self.conn;
        let work = async { Ok(conn.query::<T, _>(sql).await?) };
        self.handle.block_on(self.patience.bound(work))
    }
}

/// How an attempt to connect ended.
enum Tried {
    NoTls,
    Failed(Fault),
}

impl From<mysql_async::Error> for Tried {
    fn from(error: mysql_async::Error) -> Self {
        match error {
            mysql_async::Error::Driver(DriverError::NoClientSslFlagFromServer) => Self::NoTls,
            other => Self::Failed(other.into()),
        }
    }
}

impl From<Tried> for Fault {
    fn from(tried: Tried) -> Self {
        match tried {
            Tried::NoTls => Self::Unusable(
                "the target does not offer TLS (ssl-mode=preferred or disabled in the sink's URL does without)"
                    .to_owned(),
            ),
            Tried::Failed(fault) => fault,
        }
    }
}
