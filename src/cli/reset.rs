//! `replicate reset`: forgets how far a channel has come, or the channel altogether.

use super::channel::{Channel, stored_options};
use super::{Global, target};
use crate::options::{NamedOptions, key};

/// Forgets a channel's position and relay log.
///
/// The connection stays, as with RESET REPLICA: the next start begins at the first file that the source still has,
/// or where --log-file and --pos say. Refused while the channel runs. What a sink
/// already holds is left alone; only the checkpoint on a target server is removed, so the server must be there.
#[derive(Debug, clap::Args)]
pub(super) struct Reset {
    /// Forget the connection too: the channel is gone.
    #[arg(long)]
    all: bool,
}

impl Reset {
    pub(super) fn run(&self, global: &Global) -> anyhow::Result<()> {
        let (channel, record) = Channel::open_existing(global)?;
        let _lock = channel.lock()?;
        let mut options = stored_options(Some(&record));
        // The target first: if it cannot be reached, nothing was changed. Should the rest not come to pass, the store
        // says that there was progress and the target knows of none, which no start goes on from and a second
        // reset brings to its end. The other way round a start would go on from the row as if nothing had been reset.
        target::forget_checkpoint(&channel.name, &NamedOptions::new(), &options)?;
        if self.all {
            channel.remove_relay_log()?;
            return Ok(channel.store.forget_channel(&channel.name)?);
        }
        options.remove(key::LOG_FILE);
        options.remove(key::LOG_POS);
        channel.restart(&options)
    }
}
