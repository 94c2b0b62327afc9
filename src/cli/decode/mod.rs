//! `replicate decode`: log files without any server, in several formats ([`format`]).

mod bar;
mod events;
mod files;
mod format;
mod selection;
mod sql;
mod stats;

use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use self::bar::Bar;
use self::events::Events;
use self::format::Format;
use self::selection::SelectionArgs;
use self::sql::SqlArgs;
use super::Global;
use super::error::{Failure, Quiet};
use crate::pipeline::decode::{self, DecodeOptions};
use crate::pipeline::plans::Names;
use crate::pipeline::{ApplyError, applier};
use crate::row::GeometryForm;
use crate::schema::Tables;
use crate::schema::ddl::read_dump;
use crate::sink::json::JsonSink;
use crate::sink::stats::{Report, StatsSink};
use crate::sink::{Sink, SinkError};

/// Prints what is in binary log or relay log files, without any server.
///
/// The files are read in the order given, as one log. Lines of JSON are those of the feed; docs/json-output.md
/// describes them. Column names are known where the source logs them (binlog_row_metadata=FULL), where the log holds
/// the CREATE TABLE, and from --schema; ALTER TABLE and its like in the log are followed.
#[derive(Debug, clap::Args)]
pub(super) struct Decode {
    /// Binary log or relay log files; - is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// SQL file with the tables as they were where the first file begins (mysqldump --no-data, SHOW CREATE TABLE);
    /// may be given several times.
    #[arg(long, value_name = "FILE.sql")]
    schema: Vec<PathBuf>,
    /// What is printed.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Json)]
    format: Format,
    /// One JSON object a line, or in all, instead of text for people.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    selection: SelectionArgs,
    /// How JSON shows spatial values; wkb is in base64.
    #[arg(long, value_name = "FORM", value_parser = clap::builder::PossibleValuesParser::new(GeometryForm::NAMES),
          default_value = "wkt")]
    geometry: String,
    /// Threads that decode [default: one for each processor].
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    #[command(flatten)]
    sql: SqlArgs,
}

impl Decode {
    pub(super) fn run(&self, _global: &Global) -> anyhow::Result<()> {
        self.sql.check(self.format)?;
        match self.format {
            Format::Events => self.list(),
            Format::Stats => self.count(),
            Format::Sql => self.print_sql(),
            Format::Flashback => self.print_flashback(),
            Format::Json => {
                let geometry = GeometryForm::parse(&self.geometry).unwrap_or_default();
                self.bring_to(&mut JsonSink::stdout().geometry(geometry))
            }
        }
    }

    /// Counts what is in the files. An error comes after what was counted before it.
    fn count(&self) -> anyhow::Result<()> {
        let mut sink = StatsSink::new(!self.selection.takes_everything());
        let result = self.bring_to(&mut sink);
        let report = sink.report();
        if result.is_ok() || report != Report::default() {
            let text = if self.json { format!("{}\n", stats::object(&report)) } else { stats::text(&report) };
            super::print(&text)?;
        }
        result
    }

    /// Lists the events of the files.
    fn list(&self) -> anyhow::Result<()> {
        let files = files::in_order(&self.files, self.format.makes_script())?;
        let wanted = self.selection.wanted(files.len())?;
        let bar = Bar::new(&files);
        let mut events = Events::new(self.json, &bar);
        let result = decode::list(files, wanted, &mut events);
        bar.clear();
        result.map_err(told)
    }

    /// Decodes the files into a sink.
    fn bring_to<S: Sink>(&self, sink: &mut S) -> anyhow::Result<()> {
        let files = files::in_order(&self.files, self.format.makes_script())?;
        let wanted = self.selection.wanted(files.len())?;
        sink.open().map_err(|error| told(ApplyError::from_sink(error)))?;
        let bar = Bar::new(&files);
        let threads = self.threads.map_or_else(applier::default_workers, NonZeroUsize::get);
        let names = names(&self.schema)?;
        let options = DecodeOptions { files, names, workers: threads, wanted, stop: Arc::default() };
        let result = decode::run(options, sink, &bar);
        bar.clear();
        if result.map_err(told)?.saw_unnamed && self.format != Format::Stats {
            tracing::warn!(
                "the files do not name all columns (binlog_row_metadata=MINIMAL or NO_LOG), and --schema does not either: \
                 they are called @1, @2, ..., and where no metadata is logged integers are shown as signed"
            );
        }
        Ok(())
    }
}

/// What the schema files say.
fn names(schema: &[PathBuf]) -> anyhow::Result<Names> {
    let mut tables = Tables::new();
    for path in schema {
        let failed = |what: String| {
            Failure::new(format!("{}: {what}", path.display()))
                .hint("the file must hold CREATE TABLE statements as mysqldump --no-data writes them")
        };
        let text = fs::read(path).map_err(|error| failed(error.to_string()))?;
        for def in read_dump(&text, None).map_err(|error| failed(error.to_string()))? {
            tables.insert(def);
        }
    }
    Ok(Names::Log { tables: Box::new(tables), given: !schema.is_empty() })
}

/// The error as it is told.
fn told(error: ApplyError) -> anyhow::Error {
    match error {
        ApplyError::Sink { error: SinkError::BrokenPipe, .. } => Quiet.into(),
        error => error.hint().into_iter().fold(Failure::new(error.to_string()), Failure::hint).into(),
    }
}
