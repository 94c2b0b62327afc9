//! `--format sql` and `--format flashback`: their options, and how they end.

use std::path::PathBuf;

use super::Decode;
use super::format::Format;
use crate::cli::error::Failure;
use crate::pipeline::ApplyError;
use crate::sink::sql::{FlashbackOptions, FlashbackSink, SqlOptions, SqlSink};

/// Options of the formats that are SQL.
#[derive(Debug, clap::Args)]
pub(super) struct SqlArgs {
    /// With --format sql: transactions keep their GTIDs (the client must be allowed to set them).
    #[arg(long)]
    preserve_gtids: bool,
    /// With --format sql: where files go that logged LOAD DATA statements read.
    #[arg(long, value_name = "DIR")]
    load_dir: Option<PathBuf>,
    /// With --format sql and flashback: leaves out the checks that each changed row was there and that no trigger fires.
    #[arg(long)]
    unchecked: bool,
    /// With --format flashback: finds rows by their key alone, so that also rows changed since are overwritten.
    #[arg(long)]
    by_key: bool,
    /// With --format flashback: undoes all in one transaction, so that a check which fails leaves everything as it was.
    #[arg(long)]
    single_transaction: bool,
    /// With --format flashback: where statements are kept until the last is known [default: TMPDIR, or /tmp].
    #[arg(long, value_name = "DIR")]
    temp_dir: Option<PathBuf>,
}

impl SqlArgs {
    /// Options that another format has no use for were meant for something.
    pub(super) fn check(&self, format: Format) -> Result<(), Failure> {
        let (sql, flashback) = (format == Format::Sql, format == Format::Flashback);
        for (given, fits, name, formats) in [
            (self.preserve_gtids, sql, "--preserve-gtids", "sql"),
            (self.load_dir.is_some(), sql, "--load-dir", "sql"),
            (self.unchecked, sql || flashback, "--unchecked", "sql or flashback"),
            (self.by_key, flashback, "--by-key", "flashback"),
            (self.single_transaction, flashback, "--single-transaction", "flashback"),
            (self.temp_dir.is_some(), flashback, "--temp-dir", "flashback"),
        ] {
            if given && !fits {
                return Err(Failure::usage(format!("{name} goes with --format {formats}")));
            }
        }
        Ok(())
    }
}

impl Decode {
    /// A script that replays the log. One that ends early says so, and rolls back what is open.
    pub(super) fn print_sql(&self) -> anyhow::Result<()> {
        let SqlArgs { preserve_gtids, unchecked, ref load_dir, .. } = self.sql;
        let load_dir = load_dir.clone();
        let mut sink = SqlSink::stdout(SqlOptions { preserve_gtids, unchecked, load_dir });
        let result = self.bring_to(&mut sink);
        let finished = sink.finish(result.is_ok());
        result?;
        finished.map_err(|error| super::told(ApplyError::from_sink(error)))
    }

    /// A script that undoes the log. Nothing is printed unless all of it can be undone.
    pub(super) fn print_flashback(&self) -> anyhow::Result<()> {
        let SqlArgs { by_key, unchecked, single_transaction, ref temp_dir, .. } = self.sql;
        let temp_dir = temp_dir.clone();
        let mut sink = FlashbackSink::stdout(FlashbackOptions { by_key, unchecked, single_transaction, temp_dir });
        self.bring_to(&mut sink)?;
        sink.finish().map_err(|error| super::told(ApplyError::from_sink(error)))
    }
}
