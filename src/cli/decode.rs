//! `replicate decode`: the JSON feed from files.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use super::Global;
use super::error::Failure;

/// Standard input as a file name.
const STDIN: &str = "-";

/// Prints the JSON of binary log or relay log files, without any server.
///
/// The files are read in the order given, as one log. Lines are those of the feed; docs/json-output.md describes
/// them. Column names are known where the source logs them (binlog_row_metadata=FULL).
#[derive(Debug, clap::Args)]
pub(super) struct Decode {
    /// Binary log or relay log files; - is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Threads that decode [default: one for each processor].
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

impl Decode {
    pub(super) fn run(&self, _global: &Global) -> anyhow::Result<()> {
        if self.files.iter().filter(|file| *file == Path::new(STDIN)).count() > 1 {
            return Err(Failure::usage("standard input can be read once only").into());
        }
        let threads = self.threads.or_else(|| available_parallelism().ok()).map_or(1, NonZeroUsize::get);
        run(&self.files, threads)
    }
}

/// Decodes the files to standard output.
fn run(files: &[PathBuf], threads: usize) -> anyhow::Result<()> {
    tracing::debug!(?files, threads, "prepared");
    Err(Failure::new("files cannot be decoded by this build").into())
}
