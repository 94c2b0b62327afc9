//! `replicate change-master`: stores how a channel reaches its source. MySQL's rules are in [`crate::options::merge`].

use super::channel::{Channel, describe, progress, stored_options};
use super::error::Failure;
use super::option_args::OptionArgs;
use super::{Global, password, target};
use crate::options::{Change, ChannelOptions, NamedOptions, key, merge};
use crate::store::{ChannelRecord, Progress};

/// Stores a channel's connection to its source, its start position and its sink.
///
/// What is not named keeps its value. Refused while the channel runs. Another host, port or socket means another
/// source: position and relay log are forgotten. Another position makes the channel start there, and forgets the
/// relay log too.
///
/// The password comes from --master-password-file, from REPLICATE_MASTER_PASSWORD, or is asked for on the terminal.
#[derive(Debug, clap::Args)]
pub(super) struct ChangeMaster {
    #[command(flatten)]
    options: OptionArgs,
}

impl ChangeMaster {
    pub(super) fn run(&self, global: &Global) -> anyhow::Result<()> {
        let mut named = self.options.named.clone();
        password::warn_of_argv(&named);
        if !named.names(key::PASSWORD)
            && !named.names(key::PASSWORD_FILE)
            && let Some(password) = password::from_environment(key::PASSWORD)?
        {
            named.set(key::PASSWORD, password.expose())?;
        }
        if named.is_empty() {
            return Err(Failure::usage("nothing to change")
                .hint("name an option: replicate change-master --help")
                .into());
        }
        let channel = Channel::open(global)?;
        let _lock = channel.lock()?;
        let record = channel.record()?;
        let old = stored_options(record.as_ref());
        // Checked before anything is asked.
        merge(&old, &named)?;
        ask_for_password(&old, &mut named)?;
        let change = merge(&old, &named)?;
        refuse_other_sink(&channel, record.as_ref(), &change)?;
        store(&channel, record.as_ref(), &named, &change)
    }
}

/// A user without any known password: asks, where there is somebody to ask.
fn ask_for_password(old: &NamedOptions, named: &mut NamedOptions) -> anyhow::Result<()> {
    let known = [&*named, old].iter().any(|options| options.names(key::PASSWORD) || options.names(key::PASSWORD_FILE));
    if !known
        && let Some(user) = named.get(key::USER)
        && let Some(password) = password::from_prompt(user)?
    {
        named.set(key::PASSWORD, password.expose())?;
    }
    Ok(())
}

/// Whether the change leaves the channel without what it has done so far.
pub(super) fn forgets(record: Option<&ChannelRecord>, change: &Change) -> anyhow::Result<bool> {
    if change.effect.forget_position {
        return Ok(true);
    }
    // To name the very place that has been reached moves nothing.
    let start = ChannelOptions::new(&change.options)?.start;
    Ok(change.effect.moves_position && (start.is_none() || start.as_ref() != progress(record)))
}

/// Progress belongs to the sink that it was made with.
pub(super) fn refuse_other_sink(
    channel: &Channel,
    record: Option<&ChannelRecord>,
    change: &Change,
) -> anyhow::Result<()> {
    let Some(reached) = progress(record) else {
        return Ok(());
    };
    if !change.effect.changes_sink || forgets(record, change)? {
        return Ok(());
    }
    let sink = change.options.get(key::SINK).unwrap_or("stdout");
    Err(Failure::new(format!(
        "{} has come to {reached} with another sink; {sink} does not have what went there",
        describe(&channel.name)
    ))
    .hint(format!("forget the progress first: {}", channel.command("reset")))
    .hint("or use another channel: --channel NAME")
    .into())
}

/// Stores the change and does what it entails.
pub(super) fn store(
    channel: &Channel,
    record: Option<&ChannelRecord>,
    named: &NamedOptions,
    change: &Change,
) -> anyhow::Result<()> {
    if !forgets(record, change)? {
        return channel.save(&change.options);
    }
    if record.is_some_and(|record| record.progress != Progress::default()) {
        target::forget_checkpoint(&channel.name, named, &stored_options(record))?;
    }
    channel.restart(&change.options)?;
    if let Some(reached) = progress(record) {
        let start = ChannelOptions::new(&change.options)?.start;
        let start = start.map_or_else(|| "the first file of the source".to_owned(), |start| start.to_string());
        tracing::warn!(channel = channel.name, %reached, %start, "position and relay log are forgotten");
    }
    Ok(())
}
