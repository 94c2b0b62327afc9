//! The options of a channel as flags, made from the register.

use std::path::absolute;

use clap::builder::{NonEmptyStringValueParser, TypedValueParser, ValueParser};
use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use crate::options::{Kind, NamedOptions, OptionError, OptionRow, REGISTER};

/// The options that were named on the command line.
#[derive(Debug, Clone, Default)]
pub(super) struct OptionArgs {
    /// With paths made absolute: another command may be run elsewhere.
    pub(super) named: NamedOptions,
}

fn arg(row: &'static OptionRow) -> Arg {
    let arg = Arg::new(row.key)
        .long(row.flag)
        .visible_aliases(row.aliases)
        .value_name(row.value_name)
        .help(help(row))
        .help_heading(row.group.heading());
    match row.kind {
        Kind::Bool => arg.num_args(0..=1).require_equals(true).default_missing_value("1").value_parser(parser(row)),
        // clap would show the value in its error.
        Kind::Secret | Kind::Sink => arg.value_parser(ValueParser::string()),
        _ => arg.value_parser(parser(row)),
    }
}

fn parser(row: &'static OptionRow) -> impl TypedValueParser<Value = String> {
    NonEmptyStringValueParser::new().try_map(move |text| match row.kind.check(row.key, &text) {
        Err(OptionError::Value { why, .. }) => Err(why),
        Err(error) => Err(error.to_string()),
        Ok(()) => Ok(text),
    })
}

fn help(row: &OptionRow) -> String {
    let mut help = row.help.to_owned();
    if let Kind::Choice(words) = row.kind {
        help.push_str(&format!(" [possible values: {}]", words.join(", ")));
    }
    if let Some(default) = row.default {
        help.push_str(&format!(" [default: {default}]"));
    }
    if let Some(env) = row.env {
        help.push_str(&format!(" [env: {env}]"));
    }
    help
}

impl Args for OptionArgs {
    fn augment_args(command: Command) -> Command {
        command.args(REGISTER.iter().map(arg))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for OptionArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut args = Self::default();
        args.update_from_arg_matches(matches)?;
        Ok(args)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        let invalid = |error: &dyn std::fmt::Display| clap::Error::raw(ErrorKind::ValueValidation, error.to_string());
        for row in REGISTER {
            if let Some(text) = matches.get_one::<String>(row.key) {
                let value = make_absolute(row.kind, text).map_err(|error| invalid(&error))?;
                self.named.set(row.key, value).map_err(|error| invalid(&error))?;
            }
        }
        Ok(())
    }
}

fn make_absolute(kind: Kind, text: &str) -> std::io::Result<String> {
    // The text was UTF-8, and so is the working directory wherever a path of it can be stored.
    let whole = |path: &str| Ok::<_, std::io::Error>(absolute(path)?.to_string_lossy().into_owned());
    match (kind, text.strip_prefix("file:")) {
        (Kind::Path, _) => whole(text),
        (Kind::Sink, Some(path)) if !path.is_empty() => Ok(format!("file:{}", whole(path)?)),
        _ => Ok(text.to_owned()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::options::key;

    fn parse(args: &[&str]) -> Result<NamedOptions, clap::Error> {
        let command = OptionArgs::augment_args(Command::new("test"));
        let matches = command.try_get_matches_from(std::iter::once(&"test").chain(args))?;
        Ok(OptionArgs::from_arg_matches(&matches)?.named)
    }

    #[test]
    fn old_and_new_words_name_the_same_option() {
        for flag in ["--pos", "--log-pos", "--master-log-pos", "--source-log-pos"] {
            assert_eq!(parse(&[flag, "107"]).unwrap().get(key::LOG_POS), Some("107"), "{flag}");
        }
        for flag in ["--log-file", "--master-log-file", "--source-log-file"] {
            assert_eq!(parse(&[flag, "b.000001"]).unwrap().get(key::LOG_FILE), Some("b.000001"), "{flag}");
        }
        assert_eq!(parse(&["--source-host=h"]).unwrap(), parse(&["--master-host", "h"]).unwrap());
    }

    #[test]
    fn only_what_was_named_is_named() {
        assert!(parse(&[]).unwrap().is_empty());
        assert_eq!(parse(&["--master-port", "3307"]).unwrap().iter().count(), 1);
    }

    #[test]
    fn a_switch_may_stand_alone() {
        assert_eq!(parse(&["--get-master-public-key"]).unwrap().get(key::GET_PUBLIC_KEY), Some("1"));
        assert_eq!(parse(&["--get-source-public-key=0"]).unwrap().get(key::GET_PUBLIC_KEY), Some("0"));
    }

    #[test]
    fn paths_become_absolute() {
        let here = std::env::current_dir().unwrap();
        let named = parse(&["--master-password-file", "pw", "--sink", "file:out.json"]).unwrap();
        assert_eq!(named.get(key::PASSWORD_FILE), here.join("pw").to_str());
        assert_eq!(named.get(key::SINK).unwrap(), format!("file:{}", here.join("out.json").display()));
    }

    #[test]
    fn a_wrong_value_is_refused_with_what_would_fit() {
        let error = parse(&["--master-port", "70000"]).unwrap_err().to_string();
        assert!(error.contains("--master-port") && error.contains("from 1 to 65535"), "{error}");
        let error = parse(&["--ssl-mode", "maybe"]).unwrap_err().to_string();
        assert!(error.contains("verify-identity"), "{error}");
    }

    #[test]
    fn a_password_in_the_sink_url_is_refused_and_not_shown() {
        let error = parse(&["--sink", "mysql://u:hunter2@h/"]).unwrap_err().to_string();
        assert!(error.contains("--sink-password-file") && !error.contains("hunter2"), "{error}");
    }
}
