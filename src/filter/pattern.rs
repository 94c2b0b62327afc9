//! Names with wildcards: `*` is any number of characters, `?` is one. Names are compared byte for byte.

use std::str::FromStr;

/// A database's or a table's name, or a pattern of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

/// The pattern is empty or has too many parts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no name; write NAME or, for a table, DATABASE.NAME; * and ? are wildcards")]
pub struct PatternError(String);

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() { Err(PatternError(text.to_owned())) } else { Ok(Self(text.to_owned())) }
    }
}

impl Pattern {
    /// Whether the name is meant.
    #[must_use]
    pub fn matches(&self, name: &[u8]) -> bool {
        matches(self.0.as_bytes(), name)
    }

    /// Whether a server might take the name in a statement for one that is meant: in any case, and with any letters
    /// that are not ASCII, since character sets and case folding differ.
    pub(super) fn may_match(&self, name: &str) -> bool {
        name.contains(char::REPLACEMENT_CHARACTER) || matches(folded(&self.0).as_bytes(), folded(name).as_bytes())
    }
}

fn folded(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii() { c.to_ascii_lowercase() } else { char::REPLACEMENT_CHARACTER }).collect()
}

/// Goes back to the last `*` where the rest does not fit: at most pattern times name steps.
fn matches(mut pattern: &[u8], mut name: &[u8]) -> bool {
    let mut star: Option<(&[u8], &[u8])> = None;
    loop {
        match (pattern, name) {
            ([], []) => return true,
            ([b'*', rest @ ..], _) => {
                star = Some((rest, name));
                pattern = rest;
                continue;
            }
            ([b'?', rest @ ..], [_, ..]) => {
                (pattern, name) = (rest, after_character(name));
                continue;
            }
            ([p, rest @ ..], [n, tail @ ..]) if p == n => {
                (pattern, name) = (rest, tail);
                continue;
            }
            _ => {}
        }
        match star {
            Some((after, [_, tail @ ..])) => {
                (pattern, name) = (after, tail);
                star = Some((after, tail));
            }
            _ => return false,
        }
    }
}

/// What follows the first UTF-8 character.
fn after_character(name: &[u8]) -> &[u8] {
    let more = name.iter().skip(1).take_while(|byte| (0x80..0xc0).contains(*byte)).count();
    name.get(1 + more..).unwrap_or_default()
}

/// `table` in any database, or `database.table`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TablePattern {
    database: Option<Pattern>,
    table: Pattern,
}

impl TablePattern {
    /// Whether the table is meant.
    #[must_use]
    pub fn matches(&self, database: &[u8], table: &[u8]) -> bool {
        self.table.matches(table) && self.may_be_in(|pattern| pattern.matches(database))
    }

    /// Whether a server might take a name in a statement for a table that is meant: see [`Pattern::may_match`].
    pub(super) fn may_match(&self, database: &str, table: &str) -> bool {
        self.table.may_match(table) && self.may_match_database(database)
    }

    /// Whether tables of this database may be meant.
    pub(super) fn may_match_database(&self, database: &str) -> bool {
        self.may_be_in(|pattern| pattern.may_match(database))
    }

    fn may_be_in(&self, meant: impl FnOnce(&Pattern) -> bool) -> bool {
        self.database.as_ref().is_none_or(meant)
    }
}

impl FromStr for TablePattern {
    type Err = PatternError;

    /// At the first point: a database's name with a point in it needs `?` there.
    fn from_str(text: &str) -> Result<Self, PatternError> {
        let wrong = |_| PatternError(text.to_owned());
        Ok(match text.split_once('.') {
            Some((database, table)) => {
                Self { database: Some(database.parse().map_err(wrong)?), table: table.parse().map_err(wrong)? }
            }
            None => Self { database: None, table: text.parse().map_err(wrong)? },
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_characters() {
        for (pattern, name, meant) in [
            ("t", "t", true),
            ("t", "T", false),
            ("t", "tt", false),
            ("t*", "t", true),
            ("t*", "tables", true),
            ("*_log", "a_log_log", true),
            ("*_log", "a_logs", false),
            ("a*b*c", "aXbXbc", true),
            ("a*b*c", "aXbX", false),
            ("?", "ü", true),
            ("??", "ü", false),
            ("*", "", true),
            ("?", "", false),
        ] {
            assert_eq!(pattern.parse::<Pattern>().unwrap().matches(name.as_bytes()), meant, "{pattern} {name}");
        }
        assert!("".parse::<Pattern>().is_err());
    }

    #[test]
    fn names_in_statements_are_taken_in_any_case_and_character_set() {
        for (pattern, name, meant) in [
            ("orders", "ORDERS", true),
            ("Orders", "orders", true),
            ("größe", "GRÖSSE", false),
            ("größe", "GRÖßE", true),
            ("ord*", "ORDERS", true),
            ("orders", "x\u{fffd}", true),
            ("orders", "order", false),
        ] {
            assert_eq!(pattern.parse::<Pattern>().unwrap().may_match(name), meant, "{pattern} {name}");
        }
    }

    #[test]
    fn a_table_without_a_database_is_meant_in_all() {
        let any: TablePattern = "t".parse().unwrap();
        let one: TablePattern = "d*.t".parse().unwrap();
        assert!(any.matches(b"x", b"t") && one.matches(b"d1", b"t"));
        assert!(!any.matches(b"x", b"u") && !one.matches(b"x", b"t"));
        for wrong in ["", ".t", "d."] {
            assert!(wrong.parse::<TablePattern>().is_err(), "{wrong}");
        }
    }
}
