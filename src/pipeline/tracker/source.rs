//! The source's catalog, asked from the coordinator's thread for tables whose table maps do not name their columns.

use tokio::runtime::Handle;

use crate::disposition::Disposition;
use crate::position::LogPosition;
use crate::schema::{self, TableDef};
use crate::sink::SinkError;
use crate::source::{LOCK_WAIT_TIMEOUT, ResultSet, SourceCatalog, SourceConfig, SourceError};

/// Asks the source what things are at the end of its log, and where that is.
pub(in crate::pipeline) trait AskSource: Send {
    /// A table; `None` if there is none of that name, or none that the account may see.
    fn table(&mut self, database: &str, table: &str) -> Result<(Option<TableDef>, LogPosition), SinkError>;
    /// A database's default collation; `None` if there is no such database.
    fn collation(&mut self, database: &str) -> Result<(Option<String>, LogPosition), SinkError>;
    /// Its settings.
    fn settings(&mut self) -> Result<Settings, SinkError>;
}

/// How the source treats names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pipeline) struct Settings {
    /// Names of tables are kept in lower case.
    pub lower_case_names: bool,
    /// What it logs now names its columns: definitions are not needed for it.
    pub logs_names: bool,
    /// Leaves out databases from its log: statements by the default database, rows by their table's. So the log may
    /// hold a table's rows without the changes of its definition.
    pub filters: bool,
}

/// The source's `information_schema`.
pub(in crate::pipeline) struct SourceNames {
    catalog: SourceCatalog,
    runtime: Handle,
}

impl SourceNames {
    pub(in crate::pipeline) fn new(config: SourceConfig, runtime: Handle) -> Self {
        Self { catalog: SourceCatalog::new(config), runtime }
    }

    fn ask(
        &mut self,
        table: Option<(&str, &str)>,
        questions: &[String],
    ) -> Result<(Vec<ResultSet>, LogPosition, bool), SinkError> {
        let Self { catalog, runtime } = self;
        let answers = runtime.block_on(catalog.ask(table, questions)).map_err(|error| failed(&error))?;
        let end = answers.end_of_log.ok_or_else(|| not_understood("the source does not say where its log ends"))?;
        Ok((answers.answers, end, answers.filters))
    }
}

impl AskSource for SourceNames {
    fn table(&mut self, database: &str, table: &str) -> Result<(Option<TableDef>, LogPosition), SinkError> {
        let questions = [schema::columns_query(database, table), schema::keys_query(database, table)];
        let (answers, end, _) = self.ask(Some((database, table)), &questions)?;
        let rows = |index: usize| answers.get(index).map(|set| set.rows.as_slice()).unwrap_or_default();
        let def = TableDef::from_rows(database, table, rows(0), rows(1))
            .map_err(|error| not_understood(&format!("the source's catalog cannot be understood: {error}")))?;
        Ok((def, end))
    }

    fn collation(&mut self, database: &str) -> Result<(Option<String>, LogPosition), SinkError> {
        let (answers, end, _) = self.ask(None, &[schema::collation_query(database)])?;
        Ok((answers.first().and_then(|set| set.text(0, 0)).map(str::to_owned), end))
    }

    fn settings(&mut self) -> Result<Settings, SinkError> {
        let question = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('lower_case_table_names', 'binlog_row_metadata')";
        let (answers, _, filters) = self.ask(None, &[question.to_owned()])?;
        let set = answers.into_iter().next().unwrap_or_default();
        let value = |name: &str| {
            (0..set.rows.len()).find(|row| set.text(*row, 0) == Some(name)).and_then(|row| set.text(row, 1))
        };
        Ok(Settings {
            lower_case_names: value("lower_case_table_names").is_some_and(|value| value != "0"),
            logs_names: value("binlog_row_metadata") == Some("FULL"),
            filters,
        })
    }
}

fn not_understood(what: &str) -> SinkError {
    SinkError::Rejected { code: None, what: what.to_owned(), table: None, hint: None, at: None }
}

fn failed(error: &SourceError) -> SinkError {
    let what = format!("the source's catalog cannot be read: {}", error.failure());
    match error.disposition() {
        Disposition::Stop if error.number() != LOCK_WAIT_TIMEOUT => SinkError::Rejected {
            code: Some(error.number()),
            what,
            table: None,
            hint: error.hint().map(str::to_owned),
            at: None,
        },
        _ => SinkError::Unavailable { what },
    }
}
