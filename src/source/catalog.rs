//! A session for questions about tables, opened when first needed and again when it was lost.
//!
//! What to ask and how to read the answer is `crate::schema`'s business.

use super::config::SourceConfig;
use super::error::SourceError;
use super::result::ResultSet;
use super::session::Connection;
use crate::disposition::Disposition;

/// The source's catalog.
#[derive(Debug)]
pub struct SourceCatalog {
    config: SourceConfig,
    connection: Option<Connection>,
}

impl SourceCatalog {
    /// Does not connect yet.
    #[must_use]
    pub fn new(config: SourceConfig) -> Self {
        Self { config, connection: None }
    }

    /// Asks; connects first where needed, and once more if the session turns out to be gone (the server closes idle
    /// ones after `wait_timeout`).
    pub async fn query(&mut self, sql: &str) -> Result<ResultSet, SourceError> {
        if let Some(mut connection) = self.connection.take() {
            match connection.query(sql).await {
                Err(error) if error.disposition() == Disposition::Retry => {}
                other => {
                    self.connection = Some(connection);
                    return other;
                }
            }
        }
        let mut connection = Connection::connect(&self.config).await?;
        let answer = connection.query(sql).await;
        self.connection = Some(connection);
        answer
    }

    /// Says goodbye to the server.
    pub async fn close(mut self) {
        if let Some(connection) = self.connection.take() {
            connection.close().await;
        }
    }
}
