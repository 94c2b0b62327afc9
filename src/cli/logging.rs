//! Log lines to standard error, as text or JSON.

use std::io::{self, IsTerminal};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

use super::Global;
use super::error::Failure;

/// Environment variable that chooses log lines by module.
const FILTER: &str = "REPLICATE_LOG";

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// One line for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging.
pub(super) fn start(global: &Global) -> anyhow::Result<()> {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter(global)?)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    let installed = match global.log_format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    installed.map_err(|error| Failure::new(format!("cannot start logging: {error}")).into())
}

fn filter(global: &Global) -> anyhow::Result<EnvFilter> {
    let level = match (global.quiet, global.verbose) {
        (true, _) => "error",
        (false, 0) => "replicate=info,warn",
        (false, 1) => "replicate=debug,info",
        (false, _) => "trace",
    };
    match std::env::var(FILTER) {
        Ok(text) if !text.is_empty() => {
            EnvFilter::try_new(&text).map_err(|error| Failure::usage(format!("{FILTER}={text}: {error}")).into())
        }
        _ => Ok(EnvFilter::new(level)),
    }
}
