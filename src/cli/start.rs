//! `replicate start`: runs a channel in the foreground.

use anyhow::Context;

use super::change_master::{forgets, refuse_other_sink, store};
use super::channel::{Channel, describe, progress, stored_options};
use super::error::Failure;
use super::option_args::OptionArgs;
use super::{Global, password};
use crate::options::{Change, ChannelOptions, merge};
use crate::secret::Secret;
use crate::store::{ChannelLock, ChannelRecord, Identity};

/// Runs a channel in the foreground until it is stopped.
///
/// Takes every option of change-master, so that host, user and position are enough on first use; what is named is
/// stored. A channel that has progress goes on from there: a position is then refused unless it is the one that the
/// channel was started from, or the one it has reached.
///
/// SIGINT and SIGTERM finish the transaction under way, record the position and end with exit code 0. Only one
/// process runs a channel.
#[derive(Debug, clap::Args)]
pub(super) struct Start {
    /// End with exit code 0 once everything that the source had logged is applied.
    #[arg(long)]
    until_caught_up: bool,
    #[command(flatten)]
    options: OptionArgs,
}

/// All that a run needs to know.
#[derive(Debug)]
pub(super) struct Prepared {
    /// The channel, locked.
    pub(super) channel: Channel,
    /// Held while it runs.
    pub(super) lock: ChannelLock,
    /// Its options, with the password and the server id to use.
    pub(super) options: ChannelOptions,
    /// The sink's password.
    pub(super) sink_password: Option<Secret>,
    /// Who we are to the source.
    pub(super) identity: Identity,
    /// Whether to end at the source's end of log.
    pub(super) until_caught_up: bool,
}

impl Start {
    pub(super) fn run(&self, global: &Global) -> anyhow::Result<()> {
        super::running::run(self.prepare(global)?)
    }

    /// Everything up to the first packet: options are merged, checked and stored, passwords read, the lock taken.
    fn prepare(&self, global: &Global) -> anyhow::Result<Prepared> {
        let named = &self.options.named;
        password::warn_of_argv(named);
        let channel = Channel::open(global)?;
        let lock = channel.lock()?;
        let record = channel.record()?;
        let old = stored_options(record.as_ref());
        let change = merge(&old, named)?;
        let mut options = ChannelOptions::new(&change.options)?;
        options.require_source()?;
        refuse_other_position(&channel, record.as_ref(), &change)?;
        refuse_other_sink(&channel, record.as_ref(), &change)?;
        options.password = password::of_source(named, &options)?;
        let sink_password = password::of_sink(named, &options)?;
        // What was named is stored; the password of the environment is not.
        if record.is_none() || change.options != old {
            store(&channel, record.as_ref(), named, &change)?;
        }
        let identity = channel.store.identity(&channel.name, draw_identity)?;
        options.server_id = options.server_id.or(Some(identity.server_id));
        Ok(Prepared { channel, lock, options, sink_password, identity, until_caught_up: self.until_caught_up })
    }
}

/// A start does not move a channel that has come somewhere: the same command line is meant to go on.
fn refuse_other_position(channel: &Channel, record: Option<&ChannelRecord>, change: &Change) -> anyhow::Result<()> {
    let Some(reached) = progress(record) else {
        return Ok(());
    };
    if change.effect.forget_position || !forgets(record, change)? {
        return Ok(());
    }
    let start = ChannelOptions::new(&change.options)?.start.context("a position was named")?;
    Err(Failure::usage(format!("{} has come to {reached} and cannot start at {start}", describe(&channel.name)))
        .hint("to go on from there, leave out --log-file and --pos")
        .hint(format!("to begin anew, forget the progress first: {}", channel.command("reset")))
        .into())
}

/// A server id in the upper quarter, where people seldom number their servers, and a UUID.
fn draw_identity() -> Identity {
    Identity {
        server_id: rand::random_range(3_221_225_472..=4_294_967_294),
        replica_uuid: uuid::Uuid::new_v4().to_string(),
    }
}
