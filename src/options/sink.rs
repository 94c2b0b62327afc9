//! Where changes go, as `--sink` names it.

use std::fmt;
use std::path::PathBuf;

/// Where changes go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkTarget {
    /// JSON lines on standard output.
    Stdout,
    /// JSON lines appended to a file.
    File(PathBuf),
    /// A MySQL or MariaDB server; the URL holds no password.
    Mysql(String),
    /// Nowhere: changes are decoded and counted.
    Null,
}

impl SinkTarget {
    /// Reads the value of `--sink`.
    ///
    /// # Errors
    /// Says what a sink looks like.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.chars().any(char::is_control) {
            return Err("must not hold control characters".to_owned());
        }
        match text {
            "stdout" => return Ok(Self::Stdout),
            "null" => return Ok(Self::Null),
            _ => {}
        }
        if let Some(path) = text.strip_prefix("file:") {
            return if path.is_empty() {
                Err("names no file; write file:PATH".to_owned())
            } else {
                Ok(Self::File(PathBuf::from(path)))
            };
        }
        if let Some(rest) = text.strip_prefix("mysql://") {
            let authority = rest.split(['/', '?']).next().unwrap_or_default();
            return match authority.rsplit_once('@') {
                _ if authority.is_empty() => Err("names no host; write mysql://USER@HOST:PORT/".to_owned()),
                Some((user, _)) if user.contains(':') => {
                    Err("a password in the URL would be stored and shown; use --sink-password-file or \
                     REPLICATE_SINK_PASSWORD"
                        .to_owned())
                }
                _ => Ok(Self::Mysql(text.to_owned())),
            };
        }
        Err("must be stdout, file:PATH, mysql://USER@HOST:PORT/ or null".to_owned())
    }
}

impl fmt::Display for SinkTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("stdout"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Mysql(url) => f.write_str(url),
            Self::Null => f.write_str("null"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn sink_text_round_trips() {
        for text in ["stdout", "null", "file:/tmp/feed.json", "mysql://u@h:3307/?ssl-mode=required"] {
            assert_eq!(SinkTarget::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn sinks_that_are_none_are_refused() {
        for bad in ["", "STDOUT", "file:", "mysql://", "mysql:///x", "kafka://h", "/tmp/feed"] {
            assert!(SinkTarget::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_password_in_the_url_is_refused() {
        let why = SinkTarget::parse("mysql://u:secret@h/").unwrap_err();
        assert!(why.contains("--sink-password-file"));
    }
}
