//! A channel on disk, as the subcommands see it: its directory, its lock, what is stored, and how that changes.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::Global;
use super::error::Failure;
use crate::options::{Kind, NamedOptions, row};
use crate::position::LogPosition;
use crate::secret::Secret;
use crate::store::{ChannelDir, ChannelLock, ChannelRecord, DATABASE, DataDir, LockError, Store};

/// The longest name of a channel, as in MySQL.
const NAME_MAX: usize = 64;

/// Checks a channel's name.
pub(super) fn parse_name(text: &str) -> Result<String, String> {
    if text.chars().count() > NAME_MAX {
        return Err(format!("must not be longer than {NAME_MAX} characters"));
    }
    if text.chars().any(char::is_control) {
        return Err("must not hold control characters".to_owned());
    }
    Ok(text.to_owned())
}

/// The channel in messages.
pub(super) fn describe(name: &str) -> String {
    if name.is_empty() { "the default channel".to_owned() } else { format!("channel {name:?}") }
}

/// The data directory: as named, else where the system wants programs to keep their state.
pub(super) fn data_dir(global: &Global) -> anyhow::Result<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(PathBuf::from);
    choose_data_dir(global.data_dir.as_deref(), state, home).ok_or_else(|| {
        Failure::usage("there is no place for the state: neither XDG_STATE_HOME nor HOME is set")
            .hint("name a directory with --data-dir or REPLICATE_DATA_DIR")
            .into()
    })
}

/// Relative paths in the environment count as not set, as the XDG specification asks.
fn choose_data_dir(named: Option<&Path>, state: Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
    if let Some(named) = named.filter(|path| !path.as_os_str().is_empty()) {
        return Some(named.to_owned());
    }
    let state = state.filter(|path| path.is_absolute());
    let home = || home.filter(|path| path.is_absolute()).map(|home| home.join(".local/state"));
    Some(state.or_else(home)?.join("replicate"))
}

/// A channel's place on disk.
#[derive(Debug)]
pub(super) struct Channel {
    /// Its name.
    pub(super) name: String,
    /// Where everything about it is stored.
    pub(super) store: Store,
    /// Its directory.
    pub(super) dir: ChannelDir,
}

impl Channel {
    /// Opens the data directory, made if it is missing.
    pub(super) fn open(global: &Global) -> anyhow::Result<Self> {
        let path = data_dir(global)?;
        let store = Store::open(&path)?;
        let dir = DataDir::open(&path)?.channel(&global.channel)?;
        Ok(Self { name: global.channel.clone(), store, dir })
    }

    /// Opens a channel that has been set up before; makes nothing.
    pub(super) fn open_existing(global: &Global) -> anyhow::Result<(Self, ChannelRecord)> {
        let path = data_dir(global)?;
        let missing = || {
            Failure::new(format!("{} has not been set up in {}", describe(&global.channel), path.display()))
                .hint("'replicate change-master' or 'replicate start' sets it up")
        };
        if !path.join(DATABASE).exists() {
            return Err(missing().into());
        }
        // The directory of a channel is made with the channel; to look for one that is not there leaves no trace.
        let store = Store::open(&path)?;
        let record = store.load_channel(&global.channel)?.ok_or_else(missing)?;
        let dir = DataDir::open(&path)?.channel(&global.channel)?;
        Ok((Self { name: global.channel.clone(), store, dir }, record))
    }

    /// Takes the channel's lock: it does not run, and will not while the lock is held.
    pub(super) fn lock(&self) -> anyhow::Result<ChannelLock> {
        ChannelLock::acquire(&self.dir).map_err(|error| match error {
            LockError::Held { pid } => {
                let who = pid.map_or_else(String::new, |pid| format!(" (pid {pid})"));
                Failure::new(format!("{} is run by another process{who}", describe(&self.name)))
                    .hint(format!("stop it first: {}", self.command("stop")))
                    .into()
            }
            error @ LockError::Io { .. } => anyhow::Error::new(error),
        })
    }

    /// A command for this channel, for hints.
    pub(super) fn command(&self, subcommand: &str) -> String {
        if self.name.is_empty() {
            format!("replicate {subcommand}")
        } else {
            format!("replicate {subcommand} --channel {}", self.name)
        }
    }

    /// What is stored, if anything is.
    pub(super) fn record(&self) -> anyhow::Result<Option<ChannelRecord>> {
        Ok(self.store.load_channel(&self.name)?)
    }

    /// Stores options; progress stays.
    pub(super) fn save(&self, options: &NamedOptions) -> anyhow::Result<()> {
        let (options, secrets) = split(options);
        Ok(self.store.save_options(&self.name, &options, &secrets)?)
    }

    /// Stores options; progress and relay log are forgotten. The relay log goes first: without it, and with the old
    /// options and progress, the channel would only fetch again what it lost. The named position stays an option
    /// until the source has been asked whether an event begins there.
    pub(super) fn restart(&self, options: &NamedOptions) -> anyhow::Result<()> {
        self.remove_relay_log()?;
        let (options, secrets) = split(options);
        Ok(self.store.restart_channel(&self.name, &options, &secrets)?)
    }

    /// Removes the relay log.
    pub(super) fn remove_relay_log(&self) -> anyhow::Result<()> {
        let path = self.dir.relay();
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove the relay log {}", path.display()))
            }
            _ => Ok(()),
        }
    }
}

/// The stored options, secrets among them.
pub(super) fn stored_options(record: Option<&ChannelRecord>) -> NamedOptions {
    let Some(record) = record else {
        return NamedOptions::new();
    };
    let secrets = record.secrets.iter().map(|(key, secret)| (key.clone(), secret.expose().to_owned()));
    NamedOptions::from_stored(record.options.clone().into_iter().chain(secrets).collect())
}

/// How far the channel has come: what the sink has, else what the relay log has. `None` if it has not begun.
pub(super) fn progress(record: Option<&ChannelRecord>) -> Option<&LogPosition> {
    let progress = &record?.progress;
    progress.applied.as_ref().or(progress.received.as_ref()).map(|mark| &mark.position)
}

/// Secrets are kept apart from what may be shown.
fn split(options: &NamedOptions) -> (BTreeMap<String, String>, BTreeMap<String, Secret>) {
    let (mut plain, mut secrets) = (BTreeMap::new(), BTreeMap::new());
    for (key, value) in options.iter() {
        if row(key).is_some_and(|row| row.kind == Kind::Secret) {
            secrets.insert(key.to_owned(), Secret::new(value.to_owned()));
        } else {
            plain.insert(key.to_owned(), value.to_owned());
        }
    }
    (plain, secrets)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn the_state_goes_where_it_is_told_or_where_the_system_wants_it() {
        let path = |text: &str| Some(PathBuf::from(text));
        let named = PathBuf::from("here");
        assert_eq!(choose_data_dir(Some(&named), path("/state"), path("/home/u")), path("here"));
        assert_eq!(choose_data_dir(None, path("/state"), path("/home/u")), path("/state/replicate"));
        assert_eq!(choose_data_dir(None, path("state"), path("/home/u")), path("/home/u/.local/state/replicate"));
        assert_eq!(choose_data_dir(None, None, path("/home/u")), path("/home/u/.local/state/replicate"));
        assert_eq!(choose_data_dir(None, None, None), None);
    }

    #[test]
    fn names_of_channels_are_bounded() {
        assert!(parse_name("").is_ok() && parse_name("eu-1").is_ok() && parse_name(&"é".repeat(64)).is_ok());
        assert!(parse_name(&"x".repeat(65)).is_err() && parse_name("a\nb").is_err());
    }
}
