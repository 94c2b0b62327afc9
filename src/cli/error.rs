//! How an error is told: once, what happened, and a line for each hint.

use std::fmt;
use std::process::ExitCode;

use crate::control::ControlError;
use crate::options::OptionError;
use crate::store::{DataDirError, StoreError};

/// An error of the command line's own, with what to do about it.
#[derive(Debug)]
pub(super) struct Failure {
    what: String,
    hints: Vec<String>,
    usage: bool,
}

impl Failure {
    /// Something did not work: exit code 1.
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), hints: Vec::new(), usage: false }
    }

    /// The command was not meant like this: exit code 2.
    pub(super) fn usage(what: impl Into<String>) -> Self {
        Self { usage: true, ..Self::new(what) }
    }

    /// Adds what to do about it.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Failure {}

/// An end that needs no words: whoever reads the output has gone, and knows.
#[derive(Debug)]
pub(super) struct Quiet;

impl fmt::Display for Quiet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the reader of the output is gone")
    }
}

impl std::error::Error for Quiet {}

/// What the errors of lower floors leave to be said here.
fn hints(error: &anyhow::Error) -> Vec<String> {
    for cause in error.chain() {
        if let Some(failure) = cause.downcast_ref::<Failure>() {
            return failure.hints.clone();
        }
        if let Some(option) = cause.downcast_ref::<OptionError>() {
            return option.hint().into_iter().collect();
        }
        if let Some(DataDirError::Io { .. }) = cause.downcast_ref() {
            return vec!["choose another directory with --data-dir or REPLICATE_DATA_DIR".to_owned()];
        }
        if let Some(StoreError::DataDir(DataDirError::Io { .. })) = cause.downcast_ref() {
            return vec!["choose another directory with --data-dir or REPLICATE_DATA_DIR".to_owned()];
        }
        if let Some(ControlError::Timeout { .. }) = cause.downcast_ref() {
            return vec!["the process may be stopped (SIGSTOP) or starved of time".to_owned()];
        }
    }
    Vec::new()
}

fn is_usage(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<Failure>().is_some_and(|failure| failure.usage)
            || matches!(
                cause.downcast_ref::<OptionError>(),
                Some(OptionError::Value { .. } | OptionError::Conflict(..) | OptionError::Missing { .. })
            )
    })
}

/// `replicate: what happened` and a line for each hint.
fn message(error: &anyhow::Error) -> String {
    let mut text = String::from("replicate: ");
    let mut last = String::new();
    for cause in error.chain() {
        // An error that shows its cause's words in its own, and the cause itself, are one thing to the reader.
        let words = cause.to_string();
        if !last.contains(&words) {
            text.push_str(if last.is_empty() { "" } else { ": " });
            text.push_str(&words);
            last = words;
        }
    }
    for hint in hints(error) {
        text.push_str("\n  hint: ");
        text.push_str(&hint);
    }
    text
}

/// Tells the error and gives the exit code for it.
pub(super) fn report(error: &anyhow::Error) -> ExitCode {
    if error.is::<Quiet>() {
        return ExitCode::FAILURE;
    }
    eprintln!("{}", message(error));
    ExitCode::from(if is_usage(error) { 2 } else { 1 })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn an_error_is_told_with_its_causes_and_hints() {
        let failure = Failure::new("it broke").hint("mend it").hint("or buy another");
        let error = Err::<(), _>(failure).context("while starting").unwrap_err();
        assert_eq!(message(&error), "replicate: while starting: it broke\n  hint: mend it\n  hint: or buy another");
        assert!(!is_usage(&error));
    }

    #[test]
    fn a_cause_that_is_quoted_already_is_not_told_twice() {
        let path = "/nowhere".into();
        let source = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let error = anyhow::Error::new(StoreError::DataDir(DataDirError::Io { path, source }));
        let text = message(&error);
        assert_eq!(text.matches("permission denied").count(), 1, "{text}");
        assert!(text.contains("hint: choose another directory"), "{text}");
    }

    #[test]
    fn options_that_do_not_fit_are_usage_errors() {
        assert!(is_usage(&OptionError::Conflict("--a".to_owned(), "--b".to_owned()).into()));
        assert!(is_usage(&Failure::usage("no").into()));
        assert!(!is_usage(&OptionError::Unknown("x".to_owned()).into()));
    }
}
