//! Where passwords come from: a flag, a file, the environment, the store, a prompt.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::Context;
use zeroize::Zeroizing;

use super::error::Failure;
use crate::options::{ChannelOptions, NamedOptions, key, row};
use crate::secret::Secret;

/// The longest first line of a password file.
const LINE_LIMIT: u64 = 4096;

/// The password that the option's environment variable holds. An empty variable is none.
pub(super) fn from_environment(option: &str) -> anyhow::Result<Option<Secret>> {
    let Some(name) = row(option).and_then(|row| row.env) else {
        return Ok(None);
    };
    match std::env::var(name) {
        Ok(text) if !text.is_empty() => Ok(Some(Secret::new(text))),
        Ok(_) | Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(Failure::usage(format!("{name} is not UTF-8 text")).into()),
    }
}

/// The first line of a file, without its end.
pub(super) fn from_file(path: &Path) -> anyhow::Result<Secret> {
    let file = File::open(path).with_context(|| format!("cannot read the password file {}", path.display()))?;
    let mode = file.metadata().map(|meta| meta.permissions().mode()).unwrap_or(0);
    if mode & 0o077 != 0 {
        tracing::warn!(path = %path.display(), mode = format!("{:o}", mode & 0o777), "other users can read the password file");
    }
    let mut line = Zeroizing::new(String::new());
    BufReader::new(file.take(LINE_LIMIT))
        .read_line(&mut line)
        .with_context(|| format!("cannot read the password file {}", path.display()))?;
    let text = line.strip_suffix('\n').unwrap_or(&line);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(Failure::new(format!("the first line of the password file {} is empty", path.display())).into());
    }
    Ok(Secret::new(text.to_owned()))
}

/// Asks on the terminal; `None` where there is no terminal to ask on.
pub(super) fn from_prompt(user: &str) -> anyhow::Result<Option<Secret>> {
    if !io::stdin().is_terminal() {
        return Ok(None);
    }
    let text = rpassword::prompt_password(format!("Password of {user} at the source: "))
        .context("cannot ask for the password")?;
    Ok(Some(Secret::new(text)))
}

/// Says so when a password was given on the command line.
pub(super) fn warn_of_argv(named: &NamedOptions) {
    if named.names(key::PASSWORD) {
        tracing::warn!("other users can see a password on the command line; prefer --master-password-file");
    }
}

/// The password for the source. `named` is what this command named: it comes before the environment, which comes
/// before what is stored.
pub(super) fn of_source(named: &NamedOptions, options: &ChannelOptions) -> anyhow::Result<Option<Secret>> {
    if !named.names(key::PASSWORD)
        && !named.names(key::PASSWORD_FILE)
        && let Some(password) = from_environment(key::PASSWORD)?
    {
        return Ok(Some(password));
    }
    match (&options.password, &options.password_file, &options.user) {
        (Some(password), _, _) => Ok(Some(password.clone())),
        (None, Some(path), _) => from_file(path).map(Some),
        (None, None, Some(user)) => from_prompt(user),
        (None, None, None) => Ok(None),
    }
}

/// The password for the sink, in the same order; there is no prompt.
pub(super) fn of_sink(named: &NamedOptions, options: &ChannelOptions) -> anyhow::Result<Option<Secret>> {
    if !named.names(key::SINK_PASSWORD_FILE)
        && let Some(password) = from_environment(key::SINK_PASSWORD_FILE)?
    {
        return Ok(Some(password));
    }
    options.sink_password_file.as_deref().map(from_file).transpose()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn the_first_line_of_a_file_is_the_password() {
        for (text, password) in
            [("pw\n", "pw"), ("pw", "pw"), ("pw\r\n", "pw"), (" p w \nrest", " p w "), ("pw\n\n", "pw")]
        {
            assert_eq!(from_file(file(text).path()).unwrap().expose(), password);
        }
    }

    #[test]
    fn a_file_that_is_empty_or_missing_is_an_error_that_names_it() {
        let empty = file("\n");
        let error = from_file(empty.path()).unwrap_err();
        assert!(error.to_string().contains(empty.path().to_str().unwrap()));
        assert!(from_file(Path::new("/nonexistent/pw")).unwrap_err().to_string().contains("/nonexistent/pw"));
    }
}
