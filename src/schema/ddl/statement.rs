//! Statements: which ones define tables or databases, and what is there after them.

use std::sync::Arc;

use super::alter::{self, Alter, renamed};
use super::charset::{TextClause, of_id};
use super::create::{create_table, sequence};
use super::cursor::{Cursor, TableName, tokens};
use super::draft::same;
use super::key::{Constraint, KeyKind, KeySpec, finish_key, using};
use super::touches::{Temporary, Touches, set_statement, temporary, touches};
use super::{Change, DatabaseState, DdlContext, Known, TableState};

/// Names in a RENAME TABLE at most: each is looked for among those before it.
const MAX_RENAMED: usize = 2048;

/// What a statement changes, in order; empty where it leaves all tables alone.
#[must_use]
pub fn changes(statement: &[u8], context: &DdlContext<'_>, known: &mut dyn Known) -> Vec<Change> {
    let touched = touches(statement, context);
    if touched == Touches::Nothing {
        return Vec::new();
    }
    let text = context.text(statement);
    let tokens = tokens(&text, context.dialect());
    let mut cursor = Cursor::new(&tokens);
    set_statement(&mut cursor);
    let hidden = matches!(temporary(statement, context), Temporary::Uses | Temporary::Copies);
    let understood = if cursor.is_broken() || hidden || context.has_mode(super::mode::ORACLE) {
        None
    } else {
        let mut session = Session { context, known, changes: Vec::new() };
        session.statement(cursor).map(|()| session.changes)
    };
    understood.unwrap_or_else(|| unclear(touched))
}

/// Everything that a statement touches is unknown behind it.
fn unclear(touched: Touches) -> Vec<Change> {
    match touched {
        Touches::Nothing => Vec::new(),
        Touches::Tables(tables) => tables
            .into_iter()
            .map(|(database, table)| Change::Table { database, table, state: TableState::Unknown })
            .collect(),
        Touches::Database(database) => vec![Change::Unclear(Some(database))],
        Touches::Anything => vec![Change::Unclear(None)],
    }
}

struct Session<'a, 'k> {
    context: &'a DdlContext<'a>,
    known: &'k mut dyn Known,
    changes: Vec<Change>,
}

type Name = (String, String);

impl Session<'_, '_> {
    /// What is known of a table after the changes so far. One in other case may have been the same.
    fn look_up(&mut self, (database, table): &Name) -> TableState {
        let changed = self.changes.iter().rev().find_map(|change| match change {
            Change::Table { database: d, table: t, state } if d == database && t == table => Some(state.clone()),
            Change::Table { database: d, table: t, .. } if same(d, database) && same(t, table) => {
                Some(TableState::Unknown)
            }
            _ => None,
        });
        changed.unwrap_or_else(|| self.known.table(database, table))
    }

    fn set(&mut self, (database, table): Name, state: TableState) {
        self.changes.push(Change::Table { database, table, state });
    }

    fn resolve(&self, name: TableName) -> Option<Name> {
        self.context.resolve(name)
    }

    /// `None` where the statement is not understood.
    fn statement(&mut self, mut cursor: Cursor<'_, '_>) -> Option<()> {
        if cursor.word("RENAME") {
            cursor.any(&["TABLE", "TABLES"]).then_some(())?;
            return self.rename_tables(&mut cursor);
        }
        if cursor.word("DROP") {
            return self.drop(&mut cursor);
        }
        // What failed half-way has done what nobody knows; a DROP has dropped what there was.
        if self.context.failed {
            return None;
        }
        if cursor.word("ALTER") {
            cursor.word("ONLINE");
            cursor.word("IGNORE");
            if cursor.any(&["DATABASE", "SCHEMA"]) {
                return self.alter_database(&mut cursor);
            }
            if cursor.word("SEQUENCE") {
                return Some(());
            }
            cursor.word("TABLE").then_some(())?;
            cursor.if_exists();
            let name = cursor.table_name()?;
            let name = self.resolve(name)?;
            let alter = alter::read(&mut cursor, self.context);
            return self.alter(&name, alter.as_ref()?);
        }
        cursor.word("CREATE").then_some(())?;
        let replace = cursor.words(&["OR", "REPLACE"]);
        if cursor.any(&["DATABASE", "SCHEMA"]) {
            return self.create_database(&mut cursor, replace);
        }
        if cursor.word("TEMPORARY") {
            return self.temporary(&mut cursor);
        }
        if cursor.word("TABLE") {
            return self.create_table(&mut cursor, replace);
        }
        if cursor.word("SEQUENCE") {
            return self.create_sequence(&mut cursor, replace);
        }
        self.create_index(&mut cursor)
    }

    fn create_table(&mut self, cursor: &mut Cursor<'_, '_>, replace: bool) -> Option<()> {
        let conditional = cursor.if_not_exists();
        let name = cursor.table_name()?;
        let name = self.resolve(name)?;
        if conditional && !replace {
            match self.look_up(&name) {
                TableState::Is(_) => return Some(()),
                TableState::Gone => {}
                // Whether it was made is not known.
                TableState::Unknown => return None,
            }
        }
        let def = create_table(cursor.clone(), (&name.0, &name.1), self.context, self.known);
        self.set(name, def.map_or(TableState::Unknown, |def| TableState::Is(Arc::new(def))));
        Some(())
    }

    /// A temporary table hides the table of its name from later statements of its session.
    fn temporary(&mut self, cursor: &mut Cursor<'_, '_>) -> Option<()> {
        cursor.any(&["TABLE", "SEQUENCE"]).then_some(())?;
        cursor.if_not_exists();
        let name = cursor.table_name()?;
        let name = self.resolve(name)?;
        if matches!(self.look_up(&name), TableState::Is(_)) {
            self.set(name, TableState::Unknown);
        }
        Some(())
    }

    fn create_sequence(&mut self, cursor: &mut Cursor<'_, '_>, replace: bool) -> Option<()> {
        let conditional = cursor.if_not_exists();
        let name = cursor.table_name()?;
        let name = self.resolve(name)?;
        let there = if conditional && !replace { self.look_up(&name) } else { TableState::Gone };
        if there != TableState::Gone {
            return if matches!(there, TableState::Is(_)) { Some(()) } else { None };
        }
        // MariaDB 11.5 has sequences of other types.
        let state =
            if cursor.sees("AS") { TableState::Unknown } else { TableState::Is(Arc::new(sequence(&name.0, &name.1))) };
        self.set(name, state);
        Some(())
    }

    fn create_index(&mut self, cursor: &mut Cursor<'_, '_>) -> Option<()> {
        cursor.any(&["ONLINE", "OFFLINE"]);
        let kind = if cursor.word("UNIQUE") {
            KeyKind::Unique
        } else {
            cursor.any(&["FULLTEXT", "SPATIAL", "VECTOR"]);
            KeyKind::Plain
        };
        cursor.word("INDEX").then_some(())?;
        let conditional = cursor.if_not_exists();
        let mut key = KeySpec { kind, name: Some(cursor.name()?), ..KeySpec::default() };
        using(cursor, &mut key)?;
        cursor.word("ON").then_some(())?;
        let name = cursor.table_name()?;
        let name = self.resolve(name)?;
        // WAIT, ALGORITHM and LOCK are options like others.
        let key = finish_key(cursor, key)?;
        self.alter(&name, &alter::add_key(Constraint::Key(key), conditional))
    }

    fn alter(&mut self, name: &Name, alter: &Alter) -> Option<()> {
        let before = self.look_up(name);
        let def = match &before {
            TableState::Is(def) => alter.apply(def, self.context, self.known),
            TableState::Gone | TableState::Unknown => None,
        };
        if let Some(split_off) = alter.split_off.clone() {
            let split_off = self.resolve(split_off)?;
            let state = match &def {
                Some(def) => TableState::Is(renamed(def, &split_off.0, &split_off.1)),
                None => TableState::Unknown,
            };
            self.set(split_off, state);
        }
        if let Some(taken_in) = alter.taken_in.clone() {
            let taken_in = self.resolve(taken_in)?;
            self.set(taken_in, TableState::Gone);
        }
        match alter.rename.clone() {
            Some(new) => {
                let new = self.resolve(new)?;
                let state = match def {
                    Some(def) => TableState::Is(renamed(&def, &new.0, &new.1)),
                    None => TableState::Unknown,
                };
                if new != *name {
                    self.set(name.clone(), TableState::Gone);
                }
                self.set(new, state);
            }
            None => self.set(name.clone(), def.map_or(TableState::Unknown, |def| TableState::Is(Arc::new(def)))),
        }
        Some(())
    }

    fn rename_tables(&mut self, cursor: &mut Cursor<'_, '_>) -> Option<()> {
        if self.context.failed {
            return None;
        }
        let conditional = cursor.if_exists();
        loop {
            let old = cursor.table_name()?;
            if cursor.word("WAIT") {
                cursor.next()?;
            }
            cursor.word("NOWAIT");
            cursor.word("TO").then_some(())?;
            let new = cursor.table_name()?;
            let (old, new) = (self.resolve(old)?, self.resolve(new)?);
            // No table is renamed to one that is there: what is known is not all.
            if old != new && matches!(self.look_up(&new), TableState::Is(_)) {
                return None;
            }
            match self.look_up(&old) {
                TableState::Is(def) => {
                    self.set(old, TableState::Gone);
                    let state = TableState::Is(renamed(&def, &new.0, &new.1));
                    self.set(new, state);
                }
                // Nothing was renamed.
                TableState::Gone if conditional => {}
                _ => {
                    self.set(old, TableState::Gone);
                    self.set(new, TableState::Unknown);
                }
            }
            if cursor.at_end() {
                return Some(());
            }
            if !cursor.sign(',') || self.changes.len() > MAX_RENAMED {
                return None;
            }
        }
    }

    fn drop(&mut self, cursor: &mut Cursor<'_, '_>) -> Option<()> {
        if cursor.any(&["DATABASE", "SCHEMA"]) {
            cursor.if_exists();
            let name = self.context.fold(cursor.name()?);
            if self.context.failed || !cursor.at_end() {
                return None;
            }
            self.changes.push(Change::DatabaseGone(name));
            return Some(());
        }
        if cursor.any(&["TABLE", "TABLES", "SEQUENCE"]) {
            cursor.if_exists();
            for name in cursor.table_names()? {
                let name = self.resolve(name)?;
                self.set(name, TableState::Gone);
            }
            return Some(());
        }
        if self.context.failed {
            return None;
        }
        cursor.any(&["ONLINE", "OFFLINE"]);
        cursor.word("INDEX").then_some(())?;
        cursor.if_exists();
        let index = cursor.name()?;
        cursor.word("ON").then_some(())?;
        let name = cursor.table_name()?;
        let name = self.resolve(name)?;
        self.alter(&name, &alter::drop_key(index))
    }

    fn create_database(&mut self, cursor: &mut Cursor<'_, '_>, replace: bool) -> Option<()> {
        let conditional = cursor.if_not_exists();
        let database = self.context.fold(cursor.name()?);
        let clause = database_options(cursor)?;
        let default = self.context.charset_server.and_then(of_id);
        let text =
            if clause.is_empty() || clause.default { default } else { clause.resolve(default.as_ref(), self.context) };
        if conditional && !replace {
            match self.known.database(&database) {
                DatabaseState::Is(_) => return Some(()),
                DatabaseState::Gone => {}
                // It may have been there, with what it had.
                DatabaseState::Unknown => {
                    self.changes.push(Change::Database { database, text: None });
                    return Some(());
                }
            }
        }
        // A new database has no tables.
        self.changes.push(Change::DatabaseGone(database.clone()));
        self.changes.push(Change::Database { database, text });
        Some(())
    }

    fn alter_database(&mut self, cursor: &mut Cursor<'_, '_>) -> Option<()> {
        let unnamed = cursor.at_end()
            || cursor.sees_any(&["DEFAULT", "CHARACTER", "CHARSET", "COLLATE", "ENCRYPTION", "READ", "COMMENT"]);
        let database = if unnamed { self.context.database.to_owned() } else { self.context.fold(cursor.name()?) };
        let clause = database_options(cursor)?;
        if clause.is_empty() {
            return Some(());
        }
        let old = self.known.database(&database).text();
        let text = if clause.default {
            self.context.charset_server.and_then(of_id)
        } else {
            clause.resolve(old.as_ref(), self.context)
        };
        self.changes.push(Change::Database { database, text });
        Some(())
    }
}

/// Options of a database; all that matter are character set and collation.
fn database_options(cursor: &mut Cursor<'_, '_>) -> Option<TextClause> {
    let mut clause = TextClause::default();
    while !cursor.at_end() {
        cursor.word("DEFAULT");
        if clause.take(cursor)? {
            continue;
        }
        if cursor.any(&["ENCRYPTION", "COMMENT"]) || cursor.words(&["READ", "ONLY"]) {
            cursor.sign('=');
            cursor.next()?;
        } else {
            return None;
        }
    }
    Some(clause)
}
