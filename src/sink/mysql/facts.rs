//! What a target is: read once for each connection, shared with the renderers.

use std::collections::HashMap;

use crate::gtid::Gtid;
use crate::row::charset::Charset;

/// Which family of servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sink) enum Flavor {
    /// MySQL.
    MySql,
    /// MariaDB.
    MariaDb,
}

/// A collation as the target lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sink) struct CollationName {
    /// `COLLATION_NAME`.
    pub(in crate::sink) name: String,
    /// `CHARACTER_SET_NAME`.
    pub(in crate::sink) charset: String,
}

/// What renderers must know of the target.
#[derive(Debug, Clone)]
pub(in crate::sink) struct Facts {
    /// MySQL or MariaDB.
    pub(in crate::sink) flavor: Flavor,
    /// `max_allowed_packet`: no statement may be longer.
    pub(in crate::sink) max_packet: usize,
    /// Collations by number.
    pub(in crate::sink) collations: HashMap<u16, CollationName>,
    /// Session variables that some servers have and others not, with this session's value.
    pub(in crate::sink) variables: HashMap<String, String>,
    /// The database of the checkpoint table, which is also the neutral default database; empty without one.
    pub(in crate::sink) checkpoint_database: String,
    /// Collations are told by the numbers of the log: it is not a connection that is written for, but a server that
    /// numbers them as the source does.
    pub(in crate::sink) by_number: bool,
}

/// Variables that are asked for because not every server has them.
pub(in crate::sink) const OPTIONAL_VARIABLES: &[&str] = &[
    "default_collation_for_utf8mb4",
    "default_table_encryption",
    "explicit_defaults_for_timestamp",
    "sql_generate_invisible_primary_key",
    "sql_require_primary_key",
];

/// `sql_mode` bits that mean the same everywhere.
const SHARED_MODES: u64 = 0x6ffc_00ef | 0x8000_0000;
/// MySQL: TIME_TRUNCATE_FRACTIONAL.
const MYSQL_MODES: u64 = 1 << 32;
/// MariaDB: IGNORE_BAD_TABLE_OPTIONS, the old dialects, NO_AUTO_CREATE_USER, EMPTY_STRING_IS_NULL,
/// SIMULTANEOUS_ASSIGNMENT, TIME_ROUND_FRACTIONAL.
const MARIADB_MODES: u64 = 0x10 | 0x3_ff00 | 0x1000_0000 | (1 << 32) | (1 << 33) | (1 << 34);

impl Facts {
    /// The bits of a source's `sql_mode` that this target knows with the same meaning.
    pub(in crate::sink) fn sql_mode(&self, mode: u64, gtid: Option<&Gtid>) -> u64 {
        let source = match gtid {
            Some(Gtid::MySql { .. }) => Flavor::MySql,
            Some(Gtid::MariaDb { .. }) => Flavor::MariaDb,
            None => self.flavor,
        };
        let own = match (source, self.flavor) {
            (Flavor::MySql, Flavor::MySql) => MYSQL_MODES,
            (Flavor::MariaDb, Flavor::MariaDb) => MARIADB_MODES,
            _ => 0,
        };
        mode & (SHARED_MODES | own)
    }

    /// The name of a collation number at this target: its own, else one of the same character set.
    pub(in crate::sink) fn collation(&self, id: u16) -> Option<&CollationName> {
        if let Some(found) = self.collations.get(&id) {
            return Some(found);
        }
        let charset = Charset::of_collation(id)?.name();
        let usual = format!("{charset}_general_ci");
        let mut same = self.collations.values().filter(|collation| collation.charset == charset);
        same.clone().find(|collation| collation.name == usual).or_else(|| same.next())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::sink::mysql) fn facts(flavor: Flavor) -> Facts {
        let named = |name: &str, charset: &str| CollationName { name: name.to_owned(), charset: charset.to_owned() };
        Facts {
            flavor,
            max_packet: 64 << 20,
            collations: HashMap::from([
                (8, named("latin1_swedish_ci", "latin1")),
                (33, named("utf8mb3_general_ci", "utf8mb3")),
                (45, named("utf8mb4_general_ci", "utf8mb4")),
                (54, named("utf16_general_ci", "utf16")),
                (63, named("binary", "binary")),
            ]),
            variables: HashMap::from([("sql_require_primary_key".to_owned(), "0".to_owned())]),
            checkpoint_database: "replicate".to_owned(),
            by_number: false,
        }
    }

    #[test]
    fn sql_mode_bits_that_the_target_does_not_know_are_left_out() {
        let no_auto_create_user = 0x1000_0000;
        let mode = 0x4020_0000 | no_auto_create_user;
        let mysql_gtid = Gtid::MySql { uuid: [0; 16], tag: None, gno: 1 };
        assert_eq!(facts(Flavor::MySql).sql_mode(mode, Some(&mysql_gtid)), 0x4020_0000);
        let maria_gtid = Gtid::MariaDb { domain: 0, server_id: 1, sequence: 1 };
        assert_eq!(facts(Flavor::MariaDb).sql_mode(mode, Some(&maria_gtid)), mode);
        assert_eq!(facts(Flavor::MySql).sql_mode(1 << 32, Some(&maria_gtid)), 0);
        assert_eq!(facts(Flavor::MySql).sql_mode(1 << 32, None), 1 << 32);
    }

    #[test]
    fn a_collation_that_only_the_source_has_falls_back_to_its_character_set() {
        let facts = facts(Flavor::MariaDb);
        assert_eq!(facts.collation(255).map(|c| c.name.as_str()), Some("utf8mb4_general_ci"));
        assert_eq!(facts.collation(2304).map(|c| c.name.as_str()), Some("utf8mb4_general_ci"));
        assert_eq!(facts.collation(8).map(|c| c.name.as_str()), Some("latin1_swedish_ci"));
        assert_eq!(facts.collation(9999), None);
    }
}
