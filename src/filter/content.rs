//! Which rows and statements are wanted, by database, table and kind of change.
//!
//! What is given narrows: a row must be of one of the databases, of one of the tables and of one of the kinds. Rows say
//! exactly what they belong to. Statements do not: definitions are told by the names in their text, and a change of rows
//! that was logged as a statement may concern any table, through views and triggers. Rather too many are shown than too
//! few; who must not be wrong asks for the [`Concern`].

use super::pattern::{Pattern, TablePattern};
use crate::binlog::EventFlags;
use crate::binlog::event::{QueryEvent, RowsKind};
use crate::schema::ddl::{DdlContext, Mention, mentions};
use crate::statement::{StatementKind, classify, leading_words};

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

    /// Whether a statement may concern what is wanted.
    #[must_use]
    pub fn wants_statement(&self, query: &QueryEvent<'_>) -> bool {
        match classify(query.statement) {
            // Without a look at its text, which may be long.
            StatementKind::Dml | StatementKind::Other => self.takes_changes(),
            _ => self.concern(query) != Concern::No,
        }
    }

    /// Whether a statement concerns what is wanted.
    #[must_use]
    pub fn concern(&self, query: &QueryEvent<'_>) -> Concern {
        if self.is_everything() {
            return Concern::Yes;
        }
        match classify(query.statement) {
            // Marks inside a transaction, and about one as a whole.
            StatementKind::Savepoint
            | StatementKind::RollbackTo
            | StatementKind::ReleaseSavepoint
            | StatementKind::XaStart
            | StatementKind::XaEnd
            | StatementKind::XaPrepare
            | StatementKind::XaCommit
            | StatementKind::XaRollback => Concern::Yes,
            // Views, triggers, foreign keys and routines change tables that no statement names, in ways that it does
            // not say.
            StatementKind::Dml | StatementKind::Other if !self.takes_changes() => Concern::No,
            StatementKind::Dml | StatementKind::Other => match self.named(query) {
                Concern::Yes if self.takes_kinds(&[Kind::Insert, Kind::Update, Kind::Delete]) => Concern::Yes,
                _ => Concern::Unsure,
            },
            _ if !self.takes_kinds(&[Kind::Ddl]) => Concern::No,
            _ => self.named(query),
        }
    }

    fn takes_kinds(&self, kinds: &[Kind]) -> bool {
        self.kinds.is_empty() || kinds.iter().all(|kind| self.kinds.contains(kind))
    }

    /// Whether changes of rows are wanted, of whatever kind.
    fn takes_changes(&self) -> bool {
        self.kinds.is_empty() || self.kinds.iter().any(|kind| *kind != Kind::Ddl)
    }

    /// Whether a statement's text names what is wanted.
    fn named(&self, query: &QueryEvent<'_>) -> Concern {
        // The version matters for comments alone, of which all are read; flags do not for names.
        let Some(context) = DdlContext::of_query(query, EventFlags(0), "", false) else {
            return Concern::Unsure;
        };
        let Some(names) = mentions(query.statement, &context) else { return Concern::Unsure };
        let words = leading_words(query.statement, 2);
        if words.first().is_some_and(|word| word == "IMPORT") {
            // The tables are in files.
            return Concern::Unsure;
        }
        let databases = if self.databases.is_empty() { Concern::Yes } else { self.names_database(&names, &context) };
        let tables = if self.tables.is_empty() { Concern::Yes } else { self.names_table(&names, &context) };
        databases.min(tables)
    }

    fn names_database(&self, names: &[Mention], context: &DdlContext<'_>) -> Concern {
        let of = |name: &str| {
            let exact = self.databases.iter().any(|pattern| pattern.matches(name.as_bytes()));
            Concern::of(exact, self.databases.iter().any(|pattern| pattern.may_match(name)))
        };
        let named = names.iter().enumerate().map(|(at, mention)| match &mention.database {
            Some(database) => of(database),
            None if is_database(names, at) => of(&mention.name),
            None => Concern::No,
        });
        // A statement that names only others may still be about a view or a routine of its default database.
        named.chain([of(context.database)]).max().unwrap_or(Concern::No)
    }

    fn names_table(&self, names: &[Mention], context: &DdlContext<'_>) -> Concern {
        let removes = names
            .iter()
            .any(|mention| mention.name.eq_ignore_ascii_case("DROP") || mention.name.eq_ignore_ascii_case("REPLACE"));
        let named = names.iter().enumerate().map(|(at, Mention { database, name })| {
            let database = database.as_deref();
            // All tables of a database go with it.
            if database.is_none() && removes && is_database(names, at) {
                return Concern::of(false, self.tables.iter().any(|pattern| pattern.may_match_database(name)));
            }
            let database = database.unwrap_or(context.database);
            let exact = self.tables.iter().any(|pattern| pattern.matches(database.as_bytes(), name.as_bytes()));
            Concern::of(exact, self.tables.iter().any(|pattern| pattern.may_match(database, name)))
        });
        named.max().unwrap_or(Concern::No)
    }
}

/// Whether a statement concerns what is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Concern {
    /// It names other things.
    No,
    /// It cannot be told from the statement.
    Unsure,
    /// It names what is wanted.
    Yes,
}

impl Concern {
    fn of(exact: bool, perhaps: bool) -> Self {
        match (exact, perhaps) {
            (true, _) => Self::Yes,
            (false, true) => Self::Unsure,
            (false, false) => Self::No,
        }
    }
}

/// Whether the name is a database's: it stands behind the word.
fn is_database(names: &[Mention], at: usize) -> bool {
    let word = |back: usize| at.checked_sub(back).and_then(|at| names.get(at)).map_or("", |mention| &mention.name);
    let is = |word: &str| ["DATABASE", "SCHEMA"].iter().any(|keyword| word.eq_ignore_ascii_case(keyword));
    let condition = word(1).eq_ignore_ascii_case("EXISTS");
    is(word(1)) || (condition && (is(word(3)) || is(word(4))))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::binlog::event::SessionContext;

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

    fn concern(content: &Content, database: &str, statement: &[u8]) -> Concern {
        let session = SessionContext { charset: Some((8, 8, 8)), ..SessionContext::default() };
        let database = database.as_bytes();
        let (thread_id, exec_time, error_code) = (1, 0, 0);
        let query = QueryEvent { thread_id, exec_time, error_code, database, status_vars: &[], session, statement };
        let concern = content.concern(&query);
        assert_eq!(content.wants_statement(&query), concern != Concern::No);
        concern
    }

    #[test]
    fn a_definition_is_wanted_if_it_names_what_is_asked_for() {
        use Concern::{No, Unsure, Yes};
        let orders = content(&[], &["shop.orders"], &[]);
        for (database, text, expected) in [
            ("shop", "ALTER TABLE orders ADD c INT", Yes),
            ("shop", "ALTER TABLE `orders` ADD c INT", Yes),
            ("other", "ALTER TABLE orders ADD c INT", No),
            ("other", "ALTER TABLE shop . orders ADD c INT", Yes),
            ("", "RENAME TABLE `shop`.`orders` TO x.y", Yes),
            ("shop", "CREATE TABLE customers (i INT)", No),
            ("shop", "SAVEPOINT a", Yes),
            ("shop", "TRUNCATE ORDERS", Unsure),
            ("", "drop table `SHOP`.`orders`", Unsure),
            ("shop", "TRUNCATE /* \" */ orders", Yes),
            ("", "DROP DATABASE shop", Unsure),
            ("", "drop schema if exists Shop", Unsure),
            ("", "CREATE OR REPLACE DATABASE IF NOT EXISTS shop", Unsure),
            ("", "DROP DATABASE other", No),
            ("", "CREATE DATABASE shop", No),
            ("shop", "IMPORT TABLE FROM 'x.sdi'", Unsure),
            ("shop", "ALTER TABLE customers COMMENT 'orders", Unsure),
        ] {
            assert_eq!(concern(&orders, database, text.as_bytes()), expected, "{text}");
        }
        let other = content(&[], &["größe", "a`b"], &[]);
        for (text, expected) in [
            (&b"TRUNCATE gr\xf6\xdfe"[..], Yes),
            (b"TRUNCATE gr\xd6\xdfe", Unsure),
            (b"TRUNCATE grosse", No),
            (b"TRUNCATE `a``b`", Yes),
        ] {
            assert_eq!(concern(&other, "d", text), expected, "{}", String::from_utf8_lossy(text));
        }
        let shop = content(&["shop"], &[], &[]);
        for (database, text, expected) in [
            ("shop", "CREATE TABLE t (i INT)", Yes),
            ("", "DROP DATABASE IF EXISTS shop", Yes),
            ("", "create schema `shop`", Yes),
            ("", "drop database SHOP", Unsure),
            ("", "create database if not exists shop", Yes),
            ("x", "DROP TABLE shop.t", Yes),
            ("x", "DROP TABLE shop", No),
        ] {
            assert_eq!(concern(&shop, database, text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn a_change_of_rows_that_was_logged_as_a_statement_may_concern_any_table() {
        use Concern::{No, Unsure, Yes};
        let orders = content(&[], &["shop.orders"], &[]);
        let shop = content(&["shop"], &[], &[]);
        let updates = content(&[], &[], &[Kind::Update]);
        let changes = content(&[], &[], &[Kind::Insert, Kind::Update, Kind::Delete]);
        let ddl = content(&[], &["shop.orders"], &[Kind::Ddl]);
        for (content, database, text, expected) in [
            (&orders, "shop", "UPDATE orders SET v = 1", Yes),
            (&orders, "shop", "UPDATE a_view SET v = 1", Unsure),
            (&orders, "other", "INSERT INTO t VALUES ('orders')", Unsure),
            (&orders, "shop", "LOAD DATA INFILE 'x' INTO TABLE t", Unsure),
            (&shop, "other", "INSERT INTO t VALUES (1)", Unsure),
            (&shop, "shop", "INSERT INTO t VALUES (1)", Yes),
            (&updates, "", "UPDATE t SET i = 1", Unsure),
            (&updates, "", "INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE i = 2", Unsure),
            (&changes, "", "UPDATE t SET i = 1", Yes),
            (&updates, "", "WITH a AS (SELECT 1) DELETE FROM t", Unsure),
            (&updates, "", "DELETE FROM t", Unsure),
            (&updates, "", "CREATE TABLE t (i INT)", No),
            (&ddl, "shop", "UPDATE orders SET v = 1", No),
        ] {
            assert_eq!(concern(content, database, text.as_bytes()), expected, "{text}");
        }
    }
}
