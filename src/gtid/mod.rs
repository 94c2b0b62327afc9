//! Global transaction identifiers of MySQL and MariaDB: values and their text.
//!
//! Manual: "GTID Format and Storage" (MySQL, tags included); "Global Transaction ID" (MariaDB).

use std::fmt;
use std::sync::Arc;

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
                for (i, byte) in uuid.iter().enumerate() {
                    if matches!(i, 4 | 6 | 8 | 10) {
                        f.write_str("-")?;
                    }
                    write!(f, "{byte:02x}")?;
                }
                match tag {
                    Some(tag) => write!(f, ":{tag}:{gno}"),
                    None => write!(f, ":{gno}"),
                }
            }
            Self::MariaDb { domain, server_id, sequence } => write!(f, "{domain}-{server_id}-{sequence}"),
        }
    }
}
