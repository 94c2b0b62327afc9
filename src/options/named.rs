//! Options as they were typed and as they are stored: keys and texts. And what a change of them entails.

use std::collections::BTreeMap;
use std::fmt;

use super::channel::Address;
use super::{ChannelOptions, Kind, OptionError, key, row};

/// Options by key, as text. Only what was named; no defaults.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct NamedOptions(BTreeMap<String, String>);

impl NamedOptions {
    /// No option named.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What the store holds, unchecked: [`ChannelOptions::new`] checks it.
    #[must_use]
    pub fn from_stored(stored: BTreeMap<String, String>) -> Self {
        Self(stored)
    }

    /// Names an option.
    ///
    /// # Errors
    /// When the value does not fit it.
    pub fn set(&mut self, key: &str, value: impl Into<String>) -> Result<(), OptionError> {
        let value = value.into();
        let Some(row) = row(key) else {
            return Err(OptionError::Unknown(key.to_owned()));
        };
        row.kind.check(key, &value)?;
        self.0.insert(key.to_owned(), value);
        Ok(())
    }

    /// The text of an option, if it was named.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Whether the option was named.
    #[must_use]
    pub fn names(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Takes an option out.
    pub fn remove(&mut self, key: &str) {
        self.0.remove(key);
    }

    /// Whether nothing was named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Key and text of each option named, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// For the store.
    #[must_use]
    pub fn as_map(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    /// The file and offset to start from, as MySQL completes them: no file, no position; no offset, the first event.
    fn start(&self) -> Option<(&str, u64)> {
        let file = self.get(key::LOG_FILE)?;
        let pos = self.get(key::LOG_POS).and_then(|text| text.parse().ok()).unwrap_or(0);
        Some((file, pos.max(crate::position::FIRST_EVENT)))
    }
}

impl fmt::Debug for NamedOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.iter().map(|(key, value)| {
            let secret = row(key).is_none_or(|row| row.kind == Kind::Secret);
            (key, if secret { "***" } else { value })
        });
        f.debug_map().entries(shown).finish()
    }
}

/// What a change of options means for what the channel has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChangeEffect {
    /// Another source from now on: position, progress and relay log belong to the old one and are to be forgotten.
    pub forget_position: bool,
    /// Another place to start from was named than the one the channel was started from.
    pub moves_position: bool,
    /// Changes go elsewhere from now on; progress belongs to the old sink.
    pub changes_sink: bool,
}

/// The outcome of [`merge`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The channel's options from now on.
    pub options: NamedOptions,
    /// What that entails.
    pub effect: ChangeEffect,
}

/// Options that exclude one another: to name one side drops the other.
const ALTERNATIVES: &[(&[&str], &[&str])] =
    &[(&[key::PASSWORD], &[key::PASSWORD_FILE]), (&[key::HOST, key::PORT], &[key::SOCKET])];

/// Names `new` on a channel that has `old`: what is not named keeps its value.
///
/// Another host, port or socket is another source: its file names and offsets mean nothing there, so the position is
/// dropped unless a new one is named too. To name the address that the channel already has is no change. A file
/// named without an offset starts at its first event.
///
/// # Errors
/// When options exclude one another, or do not fit together.
pub fn merge(old: &NamedOptions, new: &NamedOptions) -> Result<Change, OptionError> {
    let mut options = old.clone();
    for (one, other) in ALTERNATIVES {
        drop_alternative(&mut options, new, one, other)?;
        drop_alternative(&mut options, new, other, one)?;
    }
    for (key, value) in new.iter() {
        options.0.insert(key.to_owned(), value.to_owned());
    }
    if new.names(key::LOG_FILE) && !new.names(key::LOG_POS) {
        options.remove(key::LOG_POS);
    }

    let mut effect = ChangeEffect::default();
    let (before, after) = (Address::of(old), Address::of(&options));
    if before.is_some() && before != after {
        effect.forget_position = true;
        if !new.names(key::LOG_FILE) {
            options.remove(key::LOG_FILE);
            options.remove(key::LOG_POS);
        }
    }
    if new.names(key::LOG_POS) && !options.names(key::LOG_FILE) {
        return Err(OptionError::Missing {
            what: "log file that the position is in",
            flag: super::flag_of(key::LOG_FILE),
        });
    }
    let named = new.names(key::LOG_FILE) || new.names(key::LOG_POS);
    effect.moves_position = named && old.start() != options.start();
    let sink = |options| ChannelOptions::new(options).map(|meaning| meaning.sink);
    effect.changes_sink = sink(&options)? != sink(old)?;
    Ok(Change { options, effect })
}

/// Where `new` names one of `one`, takes `other` out of `options`; refused if `new` names that too.
fn drop_alternative(
    options: &mut NamedOptions,
    new: &NamedOptions,
    one: &[&str],
    other: &[&str],
) -> Result<(), OptionError> {
    let Some(named) = one.iter().find(|key| new.names(key)) else {
        return Ok(());
    };
    for key in other {
        if new.names(key) {
            return Err(OptionError::conflict(named, key));
        }
        options.remove(key);
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn named(pairs: &[(&str, &str)]) -> NamedOptions {
        let mut options = NamedOptions::new();
        for (key, value) in pairs {
            options.set(key, *value).unwrap();
        }
        options
    }

    fn running_channel() -> NamedOptions {
        named(&[
            (key::HOST, "db1"),
            (key::USER, "repl"),
            (key::PASSWORD, "pw"),
            (key::LOG_FILE, "bin.000007"),
            (key::LOG_POS, "1000"),
        ])
    }

    #[test]
    fn what_is_not_named_keeps_its_value() {
        let change = merge(&running_channel(), &named(&[(key::USER, "other")])).unwrap();
        assert_eq!(change.effect, ChangeEffect::default());
        assert_eq!(change.options.get(key::USER), Some("other"));
        assert_eq!(change.options.get(key::HOST), Some("db1"));
        assert_eq!(change.options.get(key::LOG_POS), Some("1000"));
    }

    #[test]
    fn another_host_port_or_socket_forgets_the_position() {
        for other in [(key::HOST, "db2"), (key::PORT, "3307"), (key::SOCKET, "/run/mysqld.sock")] {
            let change = merge(&running_channel(), &named(&[other])).unwrap();
            assert!(change.effect.forget_position, "{other:?}");
            assert!(!change.options.names(key::LOG_FILE), "{other:?}");
            assert!(!change.options.names(key::LOG_POS), "{other:?}");
        }
    }

    #[test]
    fn another_host_with_a_position_starts_there() {
        let new = named(&[(key::HOST, "db2"), (key::LOG_FILE, "bin.000001"), (key::LOG_POS, "4")]);
        let change = merge(&running_channel(), &new).unwrap();
        assert!(change.effect.forget_position && change.effect.moves_position);
        assert_eq!(change.options.get(key::LOG_FILE), Some("bin.000001"));
    }

    #[test]
    fn naming_the_same_source_again_changes_nothing() {
        let again = named(&[(key::HOST, "db1"), (key::PORT, "3306")]);
        assert_eq!(merge(&running_channel(), &again).unwrap().effect, ChangeEffect::default());
        let all = running_channel();
        assert_eq!(merge(&all, &all).unwrap(), Change { options: all.clone(), effect: ChangeEffect::default() });
    }

    #[test]
    fn the_first_source_of_a_channel_forgets_nothing() {
        let change = merge(&NamedOptions::new(), &running_channel()).unwrap();
        assert!(!change.effect.forget_position);
        assert!(change.effect.moves_position);
        assert!(!change.effect.changes_sink);
    }

    #[test]
    fn a_file_without_an_offset_starts_at_its_first_event() {
        let change = merge(&running_channel(), &named(&[(key::LOG_FILE, "bin.000008")])).unwrap();
        assert!(change.effect.moves_position);
        assert!(!change.options.names(key::LOG_POS));
        let same = named(&[(key::LOG_FILE, "bin.000008"), (key::LOG_POS, "0")]);
        assert!(!merge(&change.options, &same).unwrap().effect.moves_position);
    }

    #[test]
    fn an_offset_without_a_file_is_refused() {
        let old = named(&[(key::HOST, "db1")]);
        let error = merge(&old, &named(&[(key::LOG_POS, "107")])).unwrap_err();
        assert!(error.to_string().contains("log file"), "{error}");
        assert!(error.hint().unwrap().contains("--log-file"));
    }

    #[test]
    fn a_password_and_a_password_file_replace_one_another() {
        let change = merge(&running_channel(), &named(&[(key::PASSWORD_FILE, "/etc/pw")])).unwrap();
        assert!(!change.options.names(key::PASSWORD));
        let change = merge(&change.options, &named(&[(key::PASSWORD, "x")])).unwrap();
        assert!(!change.options.names(key::PASSWORD_FILE));
        let both = named(&[(key::PASSWORD_FILE, "/etc/pw"), (key::PASSWORD, "x")]);
        let error = merge(&NamedOptions::new(), &both).unwrap_err();
        assert_eq!(error.to_string(), "--master-password and --master-password-file cannot be given together");
    }

    #[test]
    fn another_sink_is_noticed() {
        let change = merge(&running_channel(), &named(&[(key::SINK, "null")])).unwrap();
        assert!(change.effect.changes_sink);
        assert!(!merge(&running_channel(), &named(&[(key::SINK, "stdout")])).unwrap().effect.changes_sink);
    }

    #[test]
    fn debug_shows_no_password() {
        let shown = format!("{:?}", running_channel());
        assert!(shown.contains("db1") && !shown.contains("pw"), "{shown}");
    }
}
