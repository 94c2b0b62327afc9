//! What can be said about a channel. REGISTER of `CHANGE MASTER TO` options.
//!
//! One row is one option: its key in the store, its SQL names new and old, its flags, its kind, default and help.
//! The command line, the store, the help and the documentation are made from these rows; nothing else lists
//! options. What was typed is [`NamedOptions`]; what it means is [`ChannelOptions`]. This module does not read
//! files, the environment or a terminal: whoever calls it has done so.
//! Manual: "CHANGE REPLICATION SOURCE TO Statement".

mod channel;
mod kind;
mod named;
mod register;
mod sink;

pub use channel::{ChannelOptions, SslMode, TlsOptions};
pub use kind::Kind;
pub use named::{Change, ChangeEffect, NamedOptions, merge};
pub use register::{REGISTER, key};
pub use sink::SinkTarget;

use crate::disposition::Disposition;

/// One option.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OptionRow {
    /// Its name in the store. Never changes.
    pub key: &'static str,
    /// Its name in `CHANGE REPLICATION SOURCE TO`; `None` where MySQL has no such option.
    pub sql: Option<&'static str>,
    /// Its name in `CHANGE MASTER TO`, where that differs.
    pub sql_old: Option<&'static str>,
    /// Its name in a MySQL option file, where it is a server variable.
    pub variable: Option<&'static str>,
    /// Its flag on the command line, without the dashes.
    pub flag: &'static str,
    /// Other flags that mean the same.
    pub aliases: &'static [&'static str],
    /// Environment variable that gives the value where no flag does; for a file with a password, what would stand
    /// in the file.
    pub env: Option<&'static str>,
    /// What values it takes.
    pub kind: Kind,
    /// What the help calls the value.
    pub value_name: &'static str,
    /// The value where none is given.
    pub default: Option<&'static str>,
    /// Under which heading the help lists it.
    pub group: Group,
    /// One sentence or two for the help.
    pub help: &'static str,
}

/// Headings of the help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// How the source is reached.
    Source,
    /// Where to start reading.
    Position,
    /// TLS and the source's public key.
    Security,
    /// What this replica is to the source, and how it keeps in touch.
    Replica,
    /// Where changes go.
    Sink,
    /// The relay log.
    Relay,
}

impl Group {
    /// All headings, in the order of the help.
    pub const ALL: [Self; 6] = [Self::Source, Self::Position, Self::Security, Self::Replica, Self::Sink, Self::Relay];

    /// The heading.
    #[must_use]
    pub fn heading(self) -> &'static str {
        match self {
            Self::Source => "Source",
            Self::Position => "Position",
            Self::Security => "Security",
            Self::Replica => "Replica",
            Self::Sink => "Sink",
            Self::Relay => "Relay log",
        }
    }
}

/// The row with this key.
#[must_use]
pub fn row(key: &str) -> Option<&'static OptionRow> {
    REGISTER.iter().find(|row| row.key == key)
}

/// The flag that a key goes by, with its dashes; the key itself where it is none of ours.
fn flag_of(key: &str) -> String {
    row(key).map_or_else(|| key.to_owned(), |row| format!("--{}", row.flag))
}

/// What is wrong with an option. Secret values are never part of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// The value does not fit the option.
    #[error("{flag}: {value}{why}")]
    Value {
        /// The flag, with its dashes.
        flag: String,
        /// The value in quotes and a colon, or nothing for a secret.
        value: String,
        /// What would fit.
        why: String,
    },
    /// Two options that exclude one another were given at once.
    #[error("{0} and {1} cannot be given together")]
    Conflict(String, String),
    /// The channel cannot run without this option.
    #[error("the channel has no {what}")]
    Missing {
        /// What is missing, in words.
        what: &'static str,
        /// The flag that gives it, with its dashes.
        flag: String,
    },
    /// No option has this key: a newer version wrote it.
    #[error("unknown option {0:?}")]
    Unknown(String),
}

impl OptionError {
    /// Options do not mend themselves.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        Disposition::Stop
    }

    /// What to do about it, where there is something to say.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { flag, .. } => Some(format!("name it with {flag} ('replicate change-master' stores it)")),
            Self::Unknown(_) => {
                Some("the channel was configured by a newer version of replicate: use that one".to_owned())
            }
            Self::Value { .. } | Self::Conflict(..) => None,
        }
    }

    fn value(key: &str, value: &str, why: impl Into<String>) -> Self {
        // A sink's URL may hold a password, which is just what is wrong with it.
        let secret = row(key).is_some_and(|row| matches!(row.kind, Kind::Secret | Kind::Sink));
        let value = if secret { String::new() } else { format!("{value:?}: ") };
        Self::Value { flag: flag_of(key), value, why: why.into() }
    }

    fn conflict(a: &str, b: &str) -> Self {
        Self::Conflict(flag_of(a), flag_of(b))
    }

    fn missing(what: &'static str, key: &str) -> Self {
        Self::Missing { what, flag: flag_of(key) }
    }
}

/// The options as a Markdown table, one row an option, for the documentation.
#[must_use]
pub fn markdown_table() -> String {
    let mut out = String::from("| flag | also | SQL | default | meaning |\n|---|---|---|---|---|\n");
    for group in Group::ALL {
        for row in REGISTER.iter().filter(|row| row.group == group) {
            let aliases: Vec<_> = row.aliases.iter().map(|alias| format!("`--{alias}`")).collect();
            let sql: Vec<_> = row.sql.iter().chain(&row.sql_old).map(|name| format!("`{name}`")).collect();
            let default = row.default.map_or_else(String::new, |value| format!("`{value}`"));
            out.push_str(&format!(
                "| `--{} {}` | {} | {} | {} | {} |\n",
                row.flag,
                row.value_name,
                aliases.join(" "),
                sql.join(" "),
                default,
                row.help.replace('|', "\\|"),
            ));
        }
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_options_share_a_key_a_flag_a_variable_or_an_sql_name() {
        let mut keys = BTreeSet::new();
        let mut flags = BTreeSet::new();
        let mut names = BTreeSet::new();
        let mut variables = BTreeSet::new();
        for row in REGISTER {
            assert!(keys.insert(row.key), "{}", row.key);
            for flag in std::iter::once(&row.flag).chain(row.aliases) {
                assert!(flags.insert(*flag), "{flag}");
                assert!(flag.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{flag}");
            }
            for name in row.sql.iter().chain(&row.sql_old) {
                assert!(names.insert(*name), "{name}");
            }
            if let Some(variable) = row.variable {
                assert!(variables.insert(variable), "{variable}");
            }
        }
    }

    #[test]
    fn every_option_named_after_the_master_has_its_new_name_too() {
        for row in REGISTER {
            let all: Vec<_> = std::iter::once(&row.flag).chain(row.aliases).copied().collect();
            for flag in &all {
                if flag.contains("master-") {
                    let new = flag.replace("master-", "source-");
                    assert!(all.contains(&new.as_str()), "{flag} has no {new}");
                }
            }
            if let Some(old) = row.sql_old {
                assert_eq!(row.sql.unwrap(), old.replace("MASTER", "SOURCE"));
            }
        }
    }

    #[test]
    fn every_default_fits_its_own_option() {
        for row in REGISTER {
            if let Some(default) = row.default {
                row.kind.check(row.key, default).unwrap();
            }
            assert!(!row.help.is_empty() && row.help.ends_with('.'), "{}", row.key);
        }
    }

    #[test]
    fn every_option_is_in_the_table_of_the_documentation() {
        let table = markdown_table();
        assert_eq!(table.lines().count(), REGISTER.len() + 2);
        for row in REGISTER {
            assert!(table.contains(&format!("`--{} ", row.flag)), "{}", row.flag);
        }
    }

    #[test]
    fn an_error_about_a_secret_does_not_show_it() {
        let error = OptionError::value(key::PASSWORD, "hunter2", "is too long");
        assert_eq!(error.to_string(), "--master-password: is too long");
        let error = Kind::Sink.check(key::SINK, "mysql://u:hunter2@h/").unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
