//! What kind of statement a text is, by its leading words.
//!
//! Transaction control is told apart exactly, because it says where transactions begin and end; the rest falls into
//! what changes the schema or accounts, what reads or changes rows, and everything else. Manual: "SQL Statements".

use super::tokens::{Word, Words};

/// Kinds of statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatementKind {
    /// Nothing but blanks and comments.
    Empty,
    /// `BEGIN [WORK]`, `START TRANSACTION`.
    Begin,
    /// `COMMIT`.
    Commit,
    /// `ROLLBACK` of the whole transaction.
    Rollback,
    /// `ROLLBACK TO [SAVEPOINT]`.
    RollbackTo,
    /// `SAVEPOINT`.
    Savepoint,
    /// `RELEASE SAVEPOINT`.
    ReleaseSavepoint,
    /// `XA START`, `XA BEGIN`.
    XaStart,
    /// `XA END`.
    XaEnd,
    /// `XA PREPARE`.
    XaPrepare,
    /// `XA COMMIT`.
    XaCommit,
    /// `XA ROLLBACK`.
    XaRollback,
    /// Schema, accounts, plugins, table maintenance: what commits implicitly and may change the meaning of rows.
    Ddl,
    /// Reads or changes rows.
    Dml,
    /// Anything else.
    Other,
}

/// Words that begin statements on schema, accounts and the like.
const DDL: &[&str] = &[
    "CREATE",
    "ALTER",
    "DROP",
    "RENAME",
    "TRUNCATE",
    "GRANT",
    "REVOKE",
    "ANALYZE",
    "OPTIMIZE",
    "REPAIR",
    "FLUSH",
    "INSTALL",
    "UNINSTALL",
    "IMPORT",
];

/// Words that begin statements on rows.
const DML: &[&str] =
    &["INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD", "CALL", "DO", "SELECT", "WITH", "HANDLER", "VALUES", "TABLE"];

/// The kind of a statement.
#[must_use]
pub fn classify(statement: &[u8]) -> StatementKind {
    // What servers write themselves, for almost every transaction.
    if statement == b"BEGIN" {
        return StatementKind::Begin;
    }
    if statement == b"COMMIT" {
        return StatementKind::Commit;
    }
    of_words(Words::new(statement))
}

fn of_words(mut words: Words<'_>) -> StatementKind {
    let Some(first) = words.next() else { return StatementKind::Empty };
    if first.is_any(DML) {
        return StatementKind::Dml;
    }
    if first.is_any(DDL) {
        return StatementKind::Ddl;
    }
    if first.is("SET") {
        return set(words);
    }
    control(first, words)
}

/// Transaction control.
fn control(first: Word<'_>, mut words: Words<'_>) -> StatementKind {
    let second = words.next();
    let second_is = |keyword| second.is_some_and(|word| word.is(keyword));
    if first.is("BEGIN") {
        // `BEGIN NOT ATOMIC` opens a block of statements, not a transaction.
        return if second.is_none() || second_is("WORK") { StatementKind::Begin } else { StatementKind::Other };
    }
    if first.is("START") && second_is("TRANSACTION") {
        return StatementKind::Begin;
    }
    if first.is("COMMIT") {
        return StatementKind::Commit;
    }
    if first.is("ROLLBACK") {
        let to = second_is("TO") || (second_is("WORK") && words.next().is_some_and(|word| word.is("TO")));
        return if to { StatementKind::RollbackTo } else { StatementKind::Rollback };
    }
    if first.is("SAVEPOINT") {
        return StatementKind::Savepoint;
    }
    if first.is("RELEASE") && second_is("SAVEPOINT") {
        return StatementKind::ReleaseSavepoint;
    }
    if first.is("XA") {
        return second.map_or(StatementKind::Other, xa);
    }
    StatementKind::Other
}

fn xa(verb: Word<'_>) -> StatementKind {
    match verb {
        _ if verb.is_any(&["START", "BEGIN"]) => StatementKind::XaStart,
        _ if verb.is("END") => StatementKind::XaEnd,
        _ if verb.is("PREPARE") => StatementKind::XaPrepare,
        _ if verb.is("COMMIT") => StatementKind::XaCommit,
        _ if verb.is("ROLLBACK") => StatementKind::XaRollback,
        _ => StatementKind::Other,
    }
}

/// `SET PASSWORD` and `SET DEFAULT ROLE` change accounts; MariaDB's `SET STATEMENT ... FOR` wraps a statement.
fn set(mut words: Words<'_>) -> StatementKind {
    match words.next() {
        Some(word) if word.is("PASSWORD") => StatementKind::Ddl,
        Some(word) if word.is("DEFAULT") && words.next().is_some_and(|word| word.is("ROLE")) => StatementKind::Ddl,
        Some(word) if word.is("STATEMENT") => match words.by_ref().find(|word| word.is("FOR")) {
            Some(_) => of_words(words),
            None => StatementKind::Other,
        },
        _ => StatementKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leading_words_decide_in_any_case_and_behind_comments() {
        use StatementKind as K;
        for (text, kind) in [
            ("", K::Empty),
            ("# Dummy event replacing event type 160 that slave cannot handle.", K::Empty),
            ("/* nothing */ -- at all", K::Empty),
            ("BEGIN", K::Begin),
            ("begin work", K::Begin),
            ("BEGIN NOT ATOMIC SELECT 1; END", K::Other),
            ("Start /* x */ Transaction read only", K::Begin),
            ("START SLAVE", K::Other),
            ("COMMIT", K::Commit),
            ("commit and chain", K::Commit),
            ("ROLLBACK", K::Rollback),
            ("rollback work", K::Rollback),
            ("ROLLBACK TO `sp`", K::RollbackTo),
            ("ROLLBACK WORK TO SAVEPOINT sp", K::RollbackTo),
            ("ROLLBACK /* to */", K::Rollback),
            ("SAVEPOINT `a`", K::Savepoint),
            ("RELEASE SAVEPOINT a", K::ReleaseSavepoint),
            ("XA START X'6131',X'',1", K::XaStart),
            ("XA END X'6131',X'',1", K::XaEnd),
            ("XA PREPARE 'a'", K::XaPrepare),
            ("XA COMMIT X'6131',X'',1", K::XaCommit),
            ("XA ROLLBACK X'6131',X'',1", K::XaRollback),
            ("XA RECOVER", K::Other),
            ("create table t (a int)", K::Ddl),
            ("/*!40000 ALTER TABLE t DISABLE KEYS */", K::Ddl),
            ("/*M!100100 DROP TABLE t */", K::Ddl),
            ("/*!80000CREATE*/ TABLE t (a int)", K::Ddl),
            ("DROP TEMPORARY TABLE IF EXISTS `t` /* generated by server */", K::Ddl),
            ("SET PASSWORD FOR x = 'y'", K::Ddl),
            ("SET DEFAULT ROLE ALL TO x", K::Ddl),
            ("SET @a = 1", K::Other),
            ("SET STATEMENT max_statement_time=1 FOR INSERT INTO t VALUES (1)", K::Dml),
            ("SET STATEMENT sort_buffer_size='FOR' FOR ALTER TABLE t FORCE", K::Ddl),
            ("  ( SELECT 1 )", K::Dml),
            ("with x as (select 1) update t set a = 1", K::Dml),
            ("insert_x", K::Other),
            ("'COMMIT'", K::Empty),
            ("FLUSH PRIVILEGES", K::Ddl),
            ("\u{e9}COMMIT", K::Other),
        ] {
            assert_eq!(classify(text.as_bytes()), kind, "{text}");
        }
    }

    #[test]
    fn unfinished_comments_and_quotes_end_the_text() {
        for text in ["/* COMMIT", "/*", "-- COMMIT", "--", "'abc COMMIT", "\"\\", "`"] {
            assert_eq!(classify(text.as_bytes()), StatementKind::Empty, "{text}");
        }
    }
}
