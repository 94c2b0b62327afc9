//! The command line. REGISTER of subcommands.
//!
//! One file is one subcommand; this one lists them, in one enum and one match. `clap` and `anyhow` are named in this
//! module and nowhere below. What the subcommands share: options of a channel ([`option_args`]), the channel's place
//! on disk ([`channel`]), passwords ([`password`]), how an error is told ([`error`]).
//! Exit codes: 0 done, 1 failed, 2 usage.

mod change_master;
mod channel;
mod decode;
mod error;
mod logging;
mod option_args;
mod password;
mod reset;
mod running;
mod schema;
mod signals;
mod start;
mod status;
mod stop;
mod target;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgAction, Args, Parser, Subcommand};

use logging::LogFormat;

/// Follows a MySQL or MariaDB server as a replica does, and replays into another one or prints JSON.
///
/// A channel is one source that is followed: its connection, its position, its relay log and its sink. `start` runs
/// it in the foreground until it is stopped; what is stored survives, and the next start goes on where this one
/// ended.
#[derive(Debug, Parser)]
#[command(name = "replicate", version, max_term_width = 100, propagate_version = true)]
#[command(after_help = "Exit codes: 0 done, 1 failed, 2 usage.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    global: Global,
}

/// What every subcommand takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
struct Global {
    /// Directory that holds the state of all channels [default: $XDG_STATE_HOME/replicate, else
    /// ~/.local/state/replicate].
    #[arg(long, global = true, value_name = "DIR", env = "REPLICATE_DATA_DIR", hide_env_values = true)]
    data_dir: Option<PathBuf>,
    /// The channel that is meant; the default one's name is empty.
    #[arg(long, global = true, value_name = "NAME", default_value = "", hide_default_value = true)]
    #[arg(value_parser = channel::parse_name)]
    channel: String,
    /// How log lines are written; they go to standard error.
    #[arg(long, global = true, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// More log lines: -v debug, -vv trace. REPLICATE_LOG chooses by module, for example replicate::source=trace.
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet")]
    verbose: u8,
    /// Errors only.
    #[arg(short, long, global = true)]
    quiet: bool,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
enum Command {
    #[command(visible_aliases = ["change-source"])]
    ChangeMaster(change_master::ChangeMaster),
    #[command(visible_aliases = ["start-slave", "start-replica"])]
    Start(start::Start),
    #[command(visible_aliases = ["stop-slave", "stop-replica"])]
    Stop(stop::Stop),
    Status(status::Status),
    #[command(visible_aliases = ["reset-slave", "reset-replica"])]
    Reset(reset::Reset),
    Decode(decode::Decode),
    Schema(schema::Schema),
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = logging::start(&cli.global).and_then(|()| match &cli.command {
        Command::ChangeMaster(command) => command.run(&cli.global),
        Command::Start(command) => command.run(&cli.global),
        Command::Stop(command) => command.run(&cli.global),
        Command::Status(command) => command.run(&cli.global),
        Command::Reset(command) => command.run(&cli.global),
        Command::Decode(command) => command.run(&cli.global),
        Command::Schema(command) => command.run(&cli.global),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error::report(&error),
    }
}

/// Writes to standard output; a reader that has gone is no error.
fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(anyhow::Error::new(error).context("cannot write to standard output"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::options::REGISTER;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_option_and_alias_of_the_register_is_a_flag_with_help() {
        for name in ["change-master", "start"] {
            let mut cli = Cli::command();
            let command = cli.find_subcommand_mut(name).unwrap();
            let help = command.render_long_help().to_string();
            for row in REGISTER {
                let arg = command.get_arguments().find(|arg| arg.get_long() == Some(row.flag));
                let arg = arg.unwrap_or_else(|| panic!("{name} has no --{}", row.flag));
                assert_eq!(arg.get_visible_aliases().unwrap_or_default(), row.aliases, "{}", row.flag);
                for flag in std::iter::once(&row.flag).chain(row.aliases) {
                    assert!(help.contains(&format!("--{flag}")), "{name} --help does not show --{flag}");
                }
            }
        }
    }
}
