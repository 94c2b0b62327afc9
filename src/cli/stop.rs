//! `replicate stop`: tells the process that runs a channel to finish, and waits for its end.

use std::thread;
use std::time::{Duration, Instant};

use super::Global;
use super::channel::{Channel, describe};
use super::error::Failure;
use crate::control::{ControlError, Request, client};
use crate::store::{ChannelLock, LockError};

/// How long one exchange with the running process may take.
pub(super) const EXCHANGE: Duration = Duration::from_secs(5);
/// How long a process that holds the lock may take until it answers: it has only just started.
pub(super) const APPEARANCE: Duration = Duration::from_secs(5);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Stops a running channel, and waits until it has.
///
/// The transaction under way is finished and the position recorded. A channel that does not run is no error.
#[derive(Debug, clap::Args)]
pub(super) struct Stop {
    /// How long to wait for the end. The channel goes on stopping after that.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
}

impl Stop {
    pub(super) fn run(&self, global: &Global) -> anyhow::Result<()> {
        let (channel, _) = Channel::open_existing(global)?;
        let Some(pid) = ask(&channel, Request::Stop)?.map(|response| response.pid) else {
            tracing::info!(channel = channel.name, "the channel does not run");
            return Ok(());
        };
        let deadline = Instant::now().checked_add(Duration::from_secs(self.timeout));
        while runs(&channel)? {
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                let who = pid.map_or_else(String::new, |pid| format!(" (pid {pid})"));
                return Err(Failure::new(format!(
                    "{}{who} has been told to stop and has not ended within {} s",
                    describe(&channel.name),
                    self.timeout
                ))
                .hint("it may be waiting for its sink; give it longer with --timeout")
                .into());
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }
}

/// Whether some process runs the channel.
fn runs(channel: &Channel) -> anyhow::Result<bool> {
    match ChannelLock::check(&channel.dir) {
        Ok(()) => Ok(false),
        Err(LockError::Held { .. }) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Asks the process that runs the channel; `None` if none does.
pub(super) fn ask(channel: &Channel, request: Request) -> anyhow::Result<Option<crate::control::Response>> {
    let deadline = Instant::now() + APPEARANCE;
    loop {
        match client::call(&channel.dir.socket()?, request, EXCHANGE) {
            Ok(response) => return Ok(Some(response)),
            Err(ControlError::NotRunning(_)) => {}
            Err(error) => return Err(error.into()),
        }
        match ChannelLock::check(&channel.dir) {
            Ok(()) => return Ok(None),
            Err(LockError::Held { .. }) if Instant::now() < deadline => thread::sleep(PAUSE),
            Err(LockError::Held { pid }) => {
                let who = pid.map_or_else(|| "a process".to_owned(), |pid| format!("process {pid}"));
                return Err(Failure::new(format!("{who} holds {} and does not answer", describe(&channel.name)))
                    .hint("another command may be changing the channel, or the process hangs")
                    .into());
            }
            Err(error) => return Err(error.into()),
        }
    }
}
