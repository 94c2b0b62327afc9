//! Which rows and statements are wanted, by database, table and kind of change.
//!
//! What is given narrows: a row must be of one of the databases, of one of the tables and of one of the kinds. Rows say
//! exactly what they belong to. Statements do not: one is wanted if its text may concern what is asked for, so that
//! rather too many are shown than too few.

use super::pattern::{Pattern, TablePattern};
use crate::binlog::event::RowsKind;
use crate::statement::{StatementKind, classify};

/// Kinds of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// New rows.
    Insert,
    /// Changed rows.
    Update,
    /// Removed rows.
    Delete,
    /// Definitions, accounts and everything else that is no row.
    Ddl,
}

impl From<RowsKind> for Kind {
    fn from(kind: RowsKind) -> Self {
        match kind {
            RowsKind::Write => Self::Insert,
            RowsKind::Update => Self::Update,
            RowsKind::Delete => Self::Delete,
        }
    }
}

/// What is wanted; of an empty list, everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    /// Databases.
    pub databases: Vec<Pattern>,
    /// Tables.
    pub tables: Vec<TablePattern>,
    /// Kinds of change.
    pub kinds: Vec<Kind>,
}

impl Content {
    /// Whether everything is wanted.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.databases.is_empty() && self.tables.is_empty() && self.kinds.is_empty()
    }

    /// Whether rows of this table and kind are wanted.
    #[must_use]
    pub fn wants_rows(&self, database: &[u8], table: &[u8], kind: Kind) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&kind))
            && (self.databases.is_empty() || self.databases.iter().any(|pattern| pattern.matches(database)))
            && (self.tables.is_empty() || self.tables.iter().any(|pattern| pattern.matches(database, table)))
    }

    /// Whether a statement with this default database may concern what is wanted.
    #[must_use]
    pub fn wants_statement(&self, database: &[u8], statement: &[u8]) -> bool {
        if self.is_everything() {
            return true;
        }
        let kinds: &[Kind] = match classify(statement) {
            // Marks inside a transaction.
            StatementKind::Savepoint | StatementKind::RollbackTo | StatementKind::ReleaseSavepoint => return true,
            StatementKind::Dml => kinds_of(statement),
            _ => &[Kind::Ddl],
        };
        (self.kinds.is_empty() || self.kinds.iter().any(|kind| kinds.contains(kind)))
            && (self.databases.is_empty() || self.names_database(database, statement))
            && (self.tables.is_empty() || self.names_table(database, statement))
    }

    fn names_database(&self, default: &[u8], statement: &[u8]) -> bool {
        let meant = |name: &[u8]| self.databases.iter().any(|pattern| pattern.matches(name));
        let mut before: &[u8] = b"";
        meant(default)
            || Names(statement).any(|Name { qualifier, name }| {
                let keyword = [&b"DATABASE"[..], b"SCHEMA", b"EXISTS"].iter().any(|k| before.eq_ignore_ascii_case(k));
                before = name;
                qualifier.is_some_and(meant) || (keyword && meant(name))
            })
    }

    fn names_table(&self, default: &[u8], statement: &[u8]) -> bool {
        Names(statement).any(|Name { qualifier, name }| {
            self.tables.iter().any(|pattern| pattern.matches(qualifier.unwrap_or(default), name))
        })
    }
}

/// Kinds of change that a statement on rows may make.
fn kinds_of(statement: &[u8]) -> &'static [Kind] {
    let first = Names(statement).next().map_or(&b""[..], |name| name.name).to_ascii_uppercase();
    match first.as_slice() {
        b"INSERT" | b"LOAD" => &[Kind::Insert],
        b"UPDATE" => &[Kind::Update],
        b"DELETE" => &[Kind::Delete],
        _ => &[Kind::Insert, Kind::Update, Kind::Delete],
    }
}

/// A name in a statement, with what stands before its point.
struct Name<'a> {
    qualifier: Option<&'a [u8]>,
    name: &'a [u8],
}

/// Everything in a text that may be a name: words, and what stands between backticks or double quotes. Words inside
/// strings and comments count too.
struct Names<'a>(&'a [u8]);

impl<'a> Names<'a> {
    fn word(&mut self) -> Option<&'a [u8]> {
        loop {
            match self.0 {
                [] => return None,
                [quote @ (b'`' | b'"'), rest @ ..] => {
                    let end = rest.iter().position(|byte| byte == quote).unwrap_or(rest.len());
                    self.0 = rest.get(end + 1..).unwrap_or_default();
                    return rest.get(..end);
                }
                [byte, ..] if is_word_byte(*byte) => {
                    let end = self.0.iter().take_while(|byte| is_word_byte(**byte)).count();
                    let (word, rest) = self.0.split_at_checked(end)?;
                    self.0 = rest;
                    return Some(word);
                }
                [_, rest @ ..] => self.0 = rest,
            }
        }
    }
}

impl<'a> Iterator for Names<'a> {
    type Item = Name<'a>;

    fn next(&mut self) -> Option<Name<'a>> {
        let first = self.word()?;
        let blank = self.0.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        match self.0.get(blank..) {
            Some([b'.', rest @ ..]) => {
                self.0 = rest;
                match self.word() {
                    Some(name) => Some(Name { qualifier: Some(first), name }),
                    None => Some(Name { qualifier: None, name: first }),
                }
            }
            _ => Some(Name { qualifier: None, name: first }),
        }
    }
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn content(databases: &[&str], tables: &[&str], kinds: &[Kind]) -> Content {
        Content {
            databases: databases.iter().map(|text| text.parse().unwrap()).collect(),
            tables: tables.iter().map(|text| text.parse().unwrap()).collect(),
            kinds: kinds.to_vec(),
        }
    }

    #[test]
    fn what_is_given_narrows() {
        let both = content(&["shop"], &["orders", "log.*"], &[Kind::Insert, Kind::Delete]);
        assert!(both.wants_rows(b"shop", b"orders", Kind::Insert));
        assert!(!both.wants_rows(b"shop", b"orders", Kind::Update));
        assert!(!both.wants_rows(b"other", b"orders", Kind::Insert));
        assert!(!both.wants_rows(b"shop", b"customers", Kind::Insert));
        assert!(!both.wants_rows(b"log", b"x", Kind::Insert));
        assert!(content(&[], &[], &[]).wants_rows(b"a", b"b", Kind::Update));
    }

    #[test]
    fn a_statement_is_wanted_if_it_names_what_is_asked_for() {
        let orders = content(&[], &["shop.orders"], &[]);
        for (database, text, wanted) in [
            ("shop", "ALTER TABLE orders ADD c INT", true),
            ("shop", "ALTER TABLE `orders` ADD c INT", true),
            ("other", "ALTER TABLE orders ADD c INT", false),
            ("other", "ALTER TABLE shop . orders ADD c INT", true),
            ("", "RENAME TABLE `shop`.`orders` TO x.y", true),
            ("shop", "CREATE TABLE customers (i INT)", false),
            ("shop", "SAVEPOINT a", true),
        ] {
            assert_eq!(orders.wants_statement(database.as_bytes(), text.as_bytes()), wanted, "{text}");
        }
        let shop = content(&["shop"], &[], &[]);
        for (database, text, wanted) in [
            ("shop", "CREATE TABLE t (i INT)", true),
            ("", "DROP DATABASE IF EXISTS shop", true),
            ("", "create schema `shop`", true),
            ("x", "DROP TABLE shop.t", true),
            ("x", "DROP TABLE shop", false),
        ] {
            assert_eq!(shop.wants_statement(database.as_bytes(), text.as_bytes()), wanted, "{text}");
        }
        let updates = content(&[], &[], &[Kind::Update]);
        assert!(updates.wants_statement(b"", b"UPDATE t SET i = 1"));
        assert!(updates.wants_statement(b"", b"WITH a AS (SELECT 1) DELETE FROM t"));
        assert!(!updates.wants_statement(b"", b"DELETE FROM t"));
        assert!(!updates.wants_statement(b"", b"CREATE TABLE t (i INT)"));
    }
}
