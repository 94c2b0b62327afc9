//! Keys and constraints as written.

use super::cursor::Cursor;
use super::token::Token;

/// A key as written.
#[derive(Debug, Clone, Default)]
pub(super) struct KeySpec {
    pub name: Option<String>,
    pub kind: KeyKind,
    pub using_hash: bool,
    pub parts: Vec<PartSpec>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum KeyKind {
    Primary,
    Unique,
    #[default]
    Plain,
    /// The index that a foreign key gets if there is none.
    Foreign,
}

#[derive(Debug, Clone)]
pub(super) enum PartSpec {
    Column {
        name: String,
        prefix: Option<u32>,
    },
    Expression,
    /// The columns of an application period.
    WithoutOverlaps(String),
}

/// What an item of a table definition is besides a column.
#[derive(Debug, Clone)]
pub(super) enum Constraint {
    Key(KeySpec),
    /// `PERIOD FOR SYSTEM_TIME`.
    SystemPeriod,
    /// `PERIOD FOR name (start, end)`.
    Period(String, String, String),
    /// Without meaning here.
    Check,
}

/// Whether what comes next is a key or a constraint, not a column.
pub(super) fn begins_constraint(cursor: &Cursor<'_, '_>) -> bool {
    if cursor.sees("PERIOD") {
        return cursor.sees_at(1, "FOR") || cursor.sees_at(1, "IF");
    }
    if cursor.sees("VECTOR") {
        return cursor.sees_at(1, "INDEX") || cursor.sees_at(1, "KEY") || cursor.peek_at(1) == Some(&Token::Sign('('));
    }
    cursor.sees_any(&["PRIMARY", "UNIQUE", "KEY", "INDEX", "FULLTEXT", "SPATIAL", "CONSTRAINT", "FOREIGN", "CHECK"])
}

/// Takes a key or a constraint.
pub(super) fn constraint(cursor: &mut Cursor<'_, '_>) -> Option<Constraint> {
    if cursor.words(&["PERIOD", "IF", "NOT", "EXISTS", "FOR"]) || cursor.words(&["PERIOD", "FOR"]) {
        return period(cursor);
    }
    let mut constraint_name = None;
    if cursor.word("CONSTRAINT") {
        cursor.if_not_exists();
        if !cursor.sees_any(&["PRIMARY", "UNIQUE", "FOREIGN", "CHECK"]) {
            constraint_name = Some(cursor.name()?);
        }
    }
    if cursor.word("CHECK") {
        return Some(Constraint::Check);
    }
    if cursor.words(&["FOREIGN", "KEY"]) {
        cursor.if_not_exists();
        let index = if cursor.sees_sign('(') { None } else { Some(cursor.name()?) };
        let parts = key_parts(cursor)?;
        return Some(Constraint::Key(KeySpec {
            name: constraint_name.or(index),
            kind: KeyKind::Foreign,
            using_hash: false,
            parts,
        }));
    }
    let kind = if cursor.words(&["PRIMARY", "KEY"]) {
        KeyKind::Primary
    } else if cursor.word("UNIQUE") {
        cursor.any(&["KEY", "INDEX"]);
        KeyKind::Unique
    } else {
        if cursor.any(&["FULLTEXT", "SPATIAL", "VECTOR"]) {
            cursor.any(&["KEY", "INDEX"]);
        } else if !cursor.any(&["KEY", "INDEX"]) {
            return None;
        }
        KeyKind::Plain
    };
    cursor.if_not_exists();
    let mut key = rest_of_key(cursor, kind)?;
    key.name = key.name.or(constraint_name);
    Some(Constraint::Key(key))
}

/// `[name] [USING type] (parts) [options]`; options end the item.
pub(super) fn rest_of_key(cursor: &mut Cursor<'_, '_>, kind: KeyKind) -> Option<KeySpec> {
    let mut key = KeySpec { kind, ..KeySpec::default() };
    if !cursor.sees_sign('(') && !begins_using(cursor) {
        key.name = Some(cursor.name()?);
    }
    using(cursor, &mut key)?;
    finish_key(cursor, key)
}

fn begins_using(cursor: &Cursor<'_, '_>) -> bool {
    (cursor.sees("USING") || cursor.sees("TYPE"))
        && ["BTREE", "HASH", "RTREE"].iter().any(|kind| cursor.sees_at(1, kind))
}

pub(super) fn using(cursor: &mut Cursor<'_, '_>, key: &mut KeySpec) -> Option<()> {
    if begins_using(cursor) {
        cursor.next()?;
        key.using_hash = cursor.sees("HASH");
        cursor.next()?;
    }
    Some(())
}

/// `(parts) [options]`.
pub(super) fn finish_key(cursor: &mut Cursor<'_, '_>, mut key: KeySpec) -> Option<KeySpec> {
    key.parts = key_parts(cursor)?;
    while !cursor.at_end() {
        if begins_using(cursor) {
            using(cursor, &mut key)?;
        } else if matches!(cursor.next()?, Token::Sign(';') | Token::Broken) {
            return None;
        }
    }
    Some(key)
}

fn key_parts(cursor: &mut Cursor<'_, '_>) -> Option<Vec<PartSpec>> {
    cursor.group()?.items()?.into_iter().map(part).collect()
}

fn part(mut cursor: Cursor<'_, '_>) -> Option<PartSpec> {
    if cursor.sees_sign('(') {
        return Some(PartSpec::Expression);
    }
    let name = cursor.name()?;
    if cursor.words(&["WITHOUT", "OVERLAPS"]) {
        return Some(PartSpec::WithoutOverlaps(name));
    }
    let mut prefix = None;
    if cursor.sign('(') {
        let Some(Token::Number(digits)) = cursor.next() else { return None };
        prefix = Some(digits.parse().ok()?);
        if !cursor.sign(')') {
            return None;
        }
    }
    cursor.any(&["ASC", "DESC"]);
    cursor.at_end().then_some(PartSpec::Column { name, prefix })
}

/// Behind `PERIOD FOR`.
fn period(cursor: &mut Cursor<'_, '_>) -> Option<Constraint> {
    if cursor.word("SYSTEM_TIME") {
        cursor.group()?;
        return Some(Constraint::SystemPeriod);
    }
    cursor.if_not_exists();
    let name = cursor.name()?;
    let mut columns = cursor.group()?;
    let start = columns.name()?;
    if !columns.sign(',') {
        return None;
    }
    Some(Constraint::Period(name, start, columns.name()?))
}
