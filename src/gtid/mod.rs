//! Global transaction identifiers of MySQL and MariaDB: values and their text.
//!
//! Manual: "GTID Format and Storage" (MySQL, tags included); "Global Transaction ID" (MariaDB).

mod maria;
mod set;
mod text;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

pub use maria::GtidPos;
pub use set::{GtidSet, Interval, Tsid};
pub use text::{GtidTextError, is_tag};

/// Numbers of MySQL transactions are below this.
pub const GNO_END: u64 = i64::MAX as u64;

/// One transaction's identifier.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Gtid {
    /// `uuid:gno` or `uuid:tag:gno`.
    MySql {
        /// UUID of the server that committed first.
        uuid: [u8; 16],
        /// Tag of MySQL 8.3 and later.
        tag: Option<Arc<str>>,
        /// Number of the transaction, from 1.
        gno: u64,
    },
    /// `domain-server-sequence`.
    MariaDb {
        /// Replication domain.
        domain: u32,
        /// `server_id` of the server that committed first.
        server_id: u32,
        /// Sequence number in the domain.
        sequence: u64,
    },
}

impl fmt::Display for Gtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MySql { uuid, tag, gno } => {
                text::write_uuid(f, uuid)?;
                match tag {
                    Some(tag) => write!(f, ":{tag}:{gno}"),
                    None => write!(f, ":{gno}"),
                }
            }
            Self::MariaDb { domain, server_id, sequence } => write!(f, "{domain}-{server_id}-{sequence}"),
        }
    }
}

impl FromStr for Gtid {
    type Err = GtidTextError;

    /// `uuid:gno`, `uuid:tag:gno` or `domain-server-sequence`.
    fn from_str(input: &str) -> Result<Self, Self::Err> {
        let wrong = || GtidTextError::gtid(input);
        let trimmed = input.trim();
        let Some((uuid, rest)) = trimmed.split_once(':') else {
            return text::maria(trimmed).ok_or_else(wrong);
        };
        let (tag, gno) = match rest.split_once(':') {
            Some((tag, gno)) => (Some(text::tag(tag).ok_or_else(wrong)?), gno),
            None => (None, rest),
        };
        let uuid = text::uuid(uuid).ok_or_else(wrong)?;
        let gno = text::gno(gno).ok_or_else(wrong)?;
        Ok(Self::MySql { uuid, tag, gno })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_in_all_three_forms() {
        for text in [
            "3e11fa47-71ca-11e1-9e33-c80aa9429562:23",
            "3e11fa47-71ca-11e1-9e33-c80aa9429562:my_tag:9223372036854775806",
            "0-1-18446744073709551615",
        ] {
            assert_eq!(text.parse::<Gtid>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn text_that_is_no_identifier_is_refused() {
        for text in [
            "",
            "3e11fa47-71ca-11e1-9e33-c80aa9429562",
            "3e11fa47-71ca-11e1-9e33-c80aa9429562:0",
            "3e11fa47-71ca-11e1-9e33-c80aa9429562:-1",
            "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-2",
            "3e11fa47-71ca-11e1-9e33-c80aa9429562:9223372036854775807",
            "3e11fa47-71ca-11e1-9e33-c80aa9429562:1tag:1",
            "3e11fa47-71ca-11e1-9e33-c80aa942956:1",
            "3e11fa4771-ca-11e1-9e33-c80aa9429562:1",
            "0-1",
            "0-1-2-3",
            "0-1--2",
            "4294967296-1-2",
        ] {
            assert!(text.parse::<Gtid>().is_err(), "{text}");
        }
    }
}
