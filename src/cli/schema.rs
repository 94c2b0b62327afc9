//! `replicate schema`: what a channel knows of its source's tables, and what it is told about them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use serde_json::{Value, json};

use super::Global;
use super::channel::{Channel, describe, stored_options};
use super::error::Failure;
use crate::options::ChannelOptions;
use crate::position::LogPosition;
use crate::schema::TableDef;
use crate::schema::ddl::{lower_case, read_dump};
use crate::store::{ChannelRecord, Origin, SchemaVersion, State, Subject};

/// Shows, states or forgets what a channel's tables looked like.
///
/// Where the source logs no column names (binlog_row_metadata=MINIMAL, its default) the feed takes them from
/// definitions that it keeps by position: from the source's catalog, from CREATE and ALTER statements in the log, and
/// from what is imported here. docs/operations.md tells when a channel asks for it.
#[derive(Debug, clap::Args)]
pub(super) struct Schema {
    #[command(subcommand)]
    command: SchemaCommand,
}

#[derive(Debug, clap::Subcommand)]
enum SchemaCommand {
    Show(Show),
    Import(Import),
    Refresh(Refresh),
}

/// Shows which definitions are known, since which position of the source's log, and from where.
#[derive(Debug, clap::Args)]
struct Show {
    /// One table, with its columns.
    #[arg(value_name = "DB.TABLE", value_parser = parse_table)]
    table: Option<TableName>,
    /// What is in force at a position, in place of all that is known.
    #[arg(long, value_name = "FILE:POS")]
    at: Option<LogPosition>,
    /// A JSON array in place of text.
    #[arg(long)]
    json: bool,
}

/// States what tables looked like at a position: the CREATE TABLE statements of a dump.
///
/// Refused while the channel runs. What was known of these tables from the position on is replaced; statements
/// behind it in the log change the imported definitions as they change any.
#[derive(Debug, clap::Args)]
struct Import {
    /// A file of SQL; - is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where the definitions hold [default: the place that the channel has come to].
    #[arg(long, value_name = "FILE:POS")]
    at: Option<LogPosition>,
    /// The database of tables that are named without one, before the file says USE.
    #[arg(long, value_name = "NAME")]
    database: Option<String>,
}

/// Forgets definitions, so that the source's catalog is asked anew.
///
/// For tables that were changed at the source without a trace in its log (sql_log_bin=0). Refused while the channel
/// runs.
#[derive(Debug, clap::Args)]
struct Refresh {
    /// Tables [default: all].
    #[arg(value_name = "DB.TABLE", value_parser = parse_table)]
    tables: Vec<TableName>,
}

/// A table as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct TableName {
    database: String,
    table: String,
}

fn parse_table(text: &str) -> Result<TableName, String> {
    match text.split_once('.') {
        Some((database, table)) if !database.is_empty() && !table.is_empty() => {
            Ok(TableName { database: database.to_owned(), table: table.to_owned() })
        }
        _ => Err("write it as database.table".to_owned()),
    }
}

impl TableName {
    fn subject(&self) -> Subject {
        Subject::Table(self.database.clone(), self.table.clone())
    }
}

impl Schema {
    pub(super) fn run(&self, global: &Global) -> anyhow::Result<()> {
        match &self.command {
            SchemaCommand::Show(command) => command.run(global),
            SchemaCommand::Import(command) => command.run(global),
            SchemaCommand::Refresh(command) => command.run(global),
        }
    }
}

/// What is in force of each table at a position.
fn in_force(mut versions: Vec<SchemaVersion>, at: &LogPosition) -> Vec<SchemaVersion> {
    versions.retain(|version| version.position <= *at);
    let newest: BTreeMap<Subject, SchemaVersion> =
        versions.into_iter().map(|version| (version.subject.clone(), version)).collect();
    let wider = |version: &&SchemaVersion| {
        let Subject::Table(database, _) = &version.subject else { return false };
        let ends = |subject| newest.get(&subject).is_some_and(|other| other.position > version.position);
        !ends(Subject::Database(database.clone())) && !ends(Subject::Everything)
    };
    newest.values().filter(wider).cloned().collect()
}

/// The server that the channel's positions are of; empty before it has met any.
fn source_of(record: &ChannelRecord) -> String {
    let marks = &record.progress;
    let identity =
        [&marks.applied, &marks.received, &marks.start].into_iter().flatten().find_map(|mark| mark.source_uuid.clone());
    identity.unwrap_or_default()
}

impl Show {
    fn run(&self, global: &Global) -> anyhow::Result<()> {
        let (channel, record) = Channel::open_existing(global)?;
        let mut versions = channel.store.all_schema_versions(&channel.name, &source_of(&record))?;
        if let Some(TableName { database, table }) = &self.table {
            versions.retain(|version| match &version.subject {
                Subject::Table(d, t) => d == database && t == table,
                // A dropped database, or a statement that is not understood, ends what was known of its tables.
                Subject::Database(d) => d == database,
                Subject::Everything => true,
                Subject::Text(_) | Subject::Temporary(..) => false,
            });
            if !versions.iter().any(|version| matches!(version.subject, Subject::Table(..))) {
                versions.clear();
            }
        }
        if let Some(at) = &self.at {
            versions = in_force(versions, at);
        }
        versions.retain(|version| !matches!(version.subject, Subject::Text(_)));
        if self.json {
            let array: Vec<Value> = versions.iter().map(to_json).collect();
            return super::print(&format!("{:#}\n", Value::from(array)));
        }
        if let (Some(TableName { database, table }), true) = (&self.table, versions.is_empty()) {
            let failure = Failure::new(format!("nothing is known of {database}.{table}"));
            return Err(failure.hint("definitions are learned when the first change of a table comes").into());
        }
        super::print(&text(&versions, self.table.is_some()))
    }
}

fn text(versions: &[SchemaVersion], with_columns: bool) -> String {
    let mut text = String::new();
    for version in versions {
        let (database, table) = names(&version.subject);
        let (position, origin) = (&version.position, version.origin);
        let columns = match &version.state {
            State::Table(def) => def.columns.as_slice(),
            _ => &[],
        };
        let what = match &version.state {
            State::Gone => "dropped".to_owned(),
            State::Unknown | State::Text(_) => "not known".to_owned(),
            State::Table(_) if columns.len() == 1 => "1 column".to_owned(),
            State::Table(_) => format!("{} columns", columns.len()),
        };
        text.push_str(&format!("{database}.{table}  {what}  since {position}  from {origin}\n"));
        for column in columns.iter().filter(|_| with_columns) {
            text.push_str(&format!("    {}  {}\n", column.name, column.column_type));
        }
    }
    text
}

/// Database and table; `*` stands for all.
fn names(subject: &Subject) -> (&str, &str) {
    match subject {
        Subject::Table(database, table) | Subject::Temporary(database, table) => (database, table),
        Subject::Database(database) | Subject::Text(database) => (database, "*"),
        Subject::Everything => ("*", "*"),
    }
}

fn to_json(version: &SchemaVersion) -> Value {
    let (database, table) = names(&version.subject);
    let (state, columns) = match &version.state {
        State::Table(def) => ("known", Some(columns(def))),
        State::Gone => ("dropped", None),
        State::Text(_) | State::Unknown => ("unknown", None),
    };
    json!({
        "database": database,
        "table": table,
        "state": state,
        "since": { "file": &*version.position.file, "pos": version.position.pos },
        "origin": version.origin.to_string(),
        "columns": columns,
    })
}

fn columns(def: &TableDef) -> Vec<Value> {
    def.columns.iter().map(|column| json!({ "name": column.name, "type": column.column_type })).collect()
}

impl Import {
    fn run(&self, global: &Global) -> anyhow::Result<()> {
        let (channel, record) = Channel::open_existing(global)?;
        let _lock = channel.lock()?;
        let defs = read_dump(&read(&self.file)?, self.database.as_deref()).map_err(|error| {
            Failure::new(format!("{}: {error}", self.file.display())).hint(
                "nothing was imported; the file is to hold CREATE TABLE statements, as mysqldump --no-data writes them",
            )
        })?;
        if defs.is_empty() {
            return Err(Failure::new(format!("{} defines no tables", self.file.display())).into());
        }
        let position = self.position(&channel, &record)?;
        let source = source_of(&record);
        let lower = channel.store.lower_case_names(&channel.name, &source)?.unwrap_or(false);
        let versions: Vec<SchemaVersion> = defs.into_iter().map(|def| version(def, &position, lower)).collect();
        channel.store.import_schema(&channel.name, &source, &versions)?;
        super::print(&text(&versions, false))
    }

    fn position(&self, channel: &Channel, record: &ChannelRecord) -> anyhow::Result<LogPosition> {
        if let Some(at) = &self.at {
            return Ok(at.clone());
        }
        let marks = &record.progress;
        let reached = marks.applied.as_ref().or(marks.start.as_ref()).map(|mark| mark.position.clone());
        let start = ChannelOptions::new(&stored_options(Some(record)))?.start;
        reached.or(start).ok_or_else(|| {
            Failure::usage(format!("{} has not come to any position yet", describe(&channel.name)))
                .hint("say where in the source's log the definitions hold: --at FILE:POS")
                .into()
        })
    }
}

fn version(def: TableDef, position: &LogPosition, lower: bool) -> SchemaVersion {
    let name = |name: &str| if lower { lower_case(name) } else { name.to_owned() };
    SchemaVersion {
        subject: Subject::Table(name(&def.database), name(&def.table)),
        position: position.clone(),
        state: State::Table(Arc::new(def)),
        origin: Origin::Import,
    }
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    if file != Path::new("-") {
        return fs::read(file).with_context(|| format!("cannot read {}", file.display()));
    }
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes).context("cannot read standard input")?;
    Ok(bytes)
}

impl Refresh {
    fn run(&self, global: &Global) -> anyhow::Result<()> {
        let (channel, _record) = Channel::open_existing(global)?;
        let _lock = channel.lock()?;
        let subjects: Vec<Subject> = self.tables.iter().map(TableName::subject).collect();
        let tables = (!subjects.is_empty()).then_some(subjects.as_slice());
        let count = channel.store.forget_schema(&channel.name, tables)?;
        super::print(&format!(
            "{count} definitions are forgotten; the source's catalog is asked when they are needed\n"
        ))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_database_ends_what_was_known_of_its_tables() {
        let version = |subject, pos, state| SchemaVersion {
            subject,
            position: LogPosition::new("b.000001", pos),
            state,
            origin: Origin::Ddl,
        };
        let table = |name: &str| Subject::Table("d".to_owned(), name.to_owned());
        let known = || State::Table(Arc::default());
        let all = vec![
            version(table("t"), 10, known()),
            version(table("t"), 20, known()),
            version(table("u"), 20, known()),
            version(Subject::Database("d".to_owned()), 30, State::Gone),
            version(table("u"), 40, known()),
        ];
        let at = |pos| text(&in_force(all.clone(), &LogPosition::new("b.000001", pos)), false);
        assert_eq!(at(15), "d.t  0 columns  since b.000001:10  from ddl\n");
        assert_eq!(
            at(25),
            "d.t  0 columns  since b.000001:20  from ddl\nd.u  0 columns  since b.000001:20  from ddl\n"
        );
        assert_eq!(at(35), "");
        assert_eq!(at(45), "d.u  0 columns  since b.000001:40  from ddl\n");
        assert!(text(&all, false).contains("d.*  dropped  since b.000001:30  from ddl\n"));
    }
}
