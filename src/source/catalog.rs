//! A session for questions about tables, opened when first needed and again when it was lost.
//!
//! What to ask and how to read the answer is `crate::schema`'s business.

use super::config::SourceConfig;
use super::error::{Failure, SourceError};
use super::probe::log_status;
use super::result::ResultSet;
use super::session::Connection;
use crate::disposition::Disposition;
use crate::position::LogPosition;

/// What a session is told first. A table that is being changed is not waited for longer than seconds; a generated
/// primary key is listed as the log has it, at servers that know such a thing.
const SESSION: &[&str] =
    &["SET SESSION lock_wait_timeout = 5", "SET SESSION show_gipk_in_create_table_and_information_schema = ON"];

/// The source's catalog.
#[derive(Debug)]
pub struct SourceCatalog {
    config: SourceConfig,
    connection: Option<Connection>,
}

/// Answers, and up to where in the log they hold.
#[derive(Debug)]
pub struct Answers {
    /// One for each question.
    pub answers: Vec<ResultSet>,
    /// Where the source's log ended afterwards; `None` if it writes none.
    pub end_of_log: Option<LogPosition>,
    /// The source leaves out databases from its log.
    pub filters: bool,
}

impl SourceCatalog {
    /// Does not connect yet.
    #[must_use]
    pub fn new(config: SourceConfig) -> Self {
        Self { config, connection: None }
    }

    /// Asks, and then where the log ends; connects first where needed, and once more if the session turns out to be
    /// gone (the server closes idle ones after `wait_timeout`).
    ///
    /// While it asks, a lock on the metadata of `table` is held: the answers are what it is at the end of the log.
    pub async fn ask(&mut self, table: Option<(&str, &str)>, questions: &[String]) -> Result<Answers, SourceError> {
        if let Some(mut connection) = self.connection.take() {
            match ask(&mut connection, table, questions).await {
                Err(error) if error.disposition() == Disposition::Retry => {}
                other => {
                    self.connection = Some(connection);
                    return other;
                }
            }
        }
        let mut connection = Connection::connect(&self.config).await?;
        for statement in SESSION {
            unless_refused(connection.query(statement).await)?;
        }
        let answers = ask(&mut connection, table, questions).await?;
        self.connection = Some(connection);
        Ok(answers)
    }

    /// Says goodbye to the server.
    pub async fn close(mut self) {
        if let Some(connection) = self.connection.take() {
            connection.close().await;
        }
    }
}

async fn ask(
    connection: &mut Connection,
    table: Option<(&str, &str)>,
    questions: &[String],
) -> Result<Answers, SourceError> {
    connection.query("START TRANSACTION").await?;
    let locked = match table {
        Some((database, table)) => {
            // Reads nothing; whoever wants to change the table waits until the transaction ends.
            let sql = format!("SELECT 1 FROM {}.{} LIMIT 0", quoted(database), quoted(table));
            unless_no_such(connection.query(&sql).await)
        }
        None => Ok(()),
    };
    let mut answers = Vec::with_capacity(questions.len());
    let result = async {
        locked?;
        for question in questions {
            answers.push(connection.query(question).await?);
        }
        log_status(connection).await
    }
    .await;
    connection.query("ROLLBACK").await?;
    let (end_of_log, filters) = result?.unzip();
    Ok(Answers { answers, end_of_log, filters: filters.unwrap_or(false) })
}

/// What a server does not know or allow, it does not do.
fn unless_refused<T>(result: Result<T, SourceError>) -> Result<(), SourceError> {
    match result {
        Err(error) if !matches!(error.failure(), Failure::Server(_)) => Err(error),
        _ => Ok(()),
    }
}

/// ER_LOCK_WAIT_TIMEOUT: the table is being changed right now.
pub const LOCK_WAIT_TIMEOUT: u16 = 1205;

/// A table that is not there or must not be read cannot be locked; the catalog's answer will say so.
fn unless_no_such<T>(result: Result<T, SourceError>) -> Result<(), SourceError> {
    match result {
        Err(error) if error.number() == LOCK_WAIT_TIMEOUT => Err(error),
        other => unless_refused(other),
    }
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}
