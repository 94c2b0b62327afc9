//! `replicate decode`: the JSON feed from files.

use std::fs;
use std::io::{self, IsTerminal};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};

use super::Global;
use super::error::{Failure, Quiet};
use crate::pipeline::decode::{self, DecodeOptions, STDIN};
use crate::pipeline::dispatch::Counts;
use crate::pipeline::plans::Names;
use crate::pipeline::sequencer::Observer;
use crate::pipeline::{ApplyError, applier};
use crate::position::LogPosition;
use crate::schema::Tables;
use crate::schema::ddl::read_dump;
use crate::sink::json::JsonSink;
use crate::sink::{Progress, Sink, SinkError};

/// Prints the JSON of binary log or relay log files, without any server.
///
/// The files are read in the order given, as one log. Lines are those of the feed; docs/json-output.md describes
/// them. Column names are known where the source logs them (binlog_row_metadata=FULL), where the log holds the
/// CREATE TABLE, and from --schema; ALTER TABLE and its like in the log are followed.
#[derive(Debug, clap::Args)]
pub(super) struct Decode {
    /// Binary log or relay log files; - is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// SQL file with the tables as they were where the first file begins (mysqldump --no-data, SHOW CREATE TABLE);
    /// may be given several times.
    #[arg(long, value_name = "FILE.sql")]
    schema: Vec<PathBuf>,
    /// Threads that decode [default: one for each processor].
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

impl Decode {
    pub(super) fn run(&self, _global: &Global) -> anyhow::Result<()> {
        if self.files.iter().filter(|file| *file == Path::new(STDIN)).count() > 1 {
            return Err(Failure::usage("standard input can be read once only").into());
        }
        let threads = self.threads.map_or_else(applier::default_workers, NonZeroUsize::get);
        run(&self.files, names(&self.schema)?, threads)
    }
}

/// Shows how far the decoder is, on a terminal only.
struct Bar(ProgressBar);

impl Observer for Bar {
    fn accepted(&self, _upto: Option<&LogPosition>, counts: &Counts) {
        self.0.inc(counts.bytes);
    }

    fn durable(&self, _progress: &Progress) -> Result<(), ApplyError> {
        Ok(())
    }
}

impl Bar {
    fn new(files: &[PathBuf]) -> Self {
        // What is printed on the terminal would tear the bar apart.
        let shown = io::stderr().is_terminal() && !io::stdout().is_terminal();
        let sizes =
            files.iter().map(|file| fs::metadata(file).ok().filter(|file| file.is_file()).map(|file| file.len()));
        let total = sizes.sum::<Option<u64>>();
        let bar = match total {
            _ if !shown => ProgressBar::hidden(),
            Some(total) => ProgressBar::new(total),
            None => ProgressBar::new_spinner(),
        };
        let style = "{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} eta {eta}";
        Self(match ProgressStyle::with_template(style) {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        })
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

/// Decodes the files to standard output.
fn run(files: &[PathBuf], names: Names, threads: usize) -> anyhow::Result<()> {
    let mut sink = JsonSink::stdout();
    sink.open()?;
    let bar = Bar::new(files);
    let options = DecodeOptions { files: files.to_vec(), names, workers: threads, stop: Arc::default() };
    let result = decode::run(options, &mut sink, &bar);
    bar.0.finish_and_clear();
    match result {
        Ok(summary) => {
            if summary.saw_unnamed {
                tracing::warn!(
                    "the files do not name all columns (binlog_row_metadata=MINIMAL), and --schema does not either: \
                     they are called @1, @2, ..."
                );
            }
            Ok(())
        }
        Err(ApplyError::Sink { error: SinkError::BrokenPipe, .. }) => Err(Quiet.into()),
        Err(error) => {
            let hint = error.hint();
            Err(hint.into_iter().fold(Failure::new(error.to_string()), Failure::hint).into())
        }
    }
}
