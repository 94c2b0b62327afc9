//! CREATE TABLE and CREATE SEQUENCE.

use super::alter::charset_of;
use super::charset::TextClause;
use super::column::column_spec;
use super::cursor::Cursor;
use super::draft::Draft;
use super::key::{begins_constraint, constraint};
use super::token::Token;
use super::{DdlContext, Known, TableState};
use crate::schema::{ColumnDef, TableDef};

/// Options of a table, as CREATE and ALTER give them.
#[derive(Debug, Clone, Default)]
pub(super) struct TableOptions {
    pub text: TextClause,
    pub engine: Option<String>,
    pub versioned: bool,
    /// A query follows, whose columns are added.
    pub query: bool,
}

/// `None` where the definition is not understood. `cursor` stands behind the table's name.
pub(super) fn create_table(
    mut cursor: Cursor<'_, '_>,
    (database, table): (&str, &str),
    context: &DdlContext<'_>,
    known: &mut dyn Known,
) -> Option<TableDef> {
    if let Some(source) = like(&cursor) {
        let (from_database, from_table) = context.resolve(source)?;
        let TableState::Is(def) = known.table(&from_database, &from_table) else { return None };
        return Draft::of(&def).finish(database, table, context);
    }
    let items = cursor.group()?;
    let options = table_options(&mut cursor)?;
    if options.query {
        return None;
    }
    let default = known.database(database).text();
    let text = if options.text.default {
        charset_of(default.as_ref())
    } else {
        // Without the database's default, an own character set or collation is enough.
        options.text.resolve(default.as_ref(), context)
    };
    if !options.text.is_empty() && text.is_none() {
        return None;
    }
    let mut draft = Draft { text, engine: options.engine, versioned: options.versioned, ..Draft::default() };
    let mut constraints = Vec::new();
    for mut item in items.items()? {
        if begins_constraint(&item) {
            constraints.push(Err(constraint(&mut item)?));
        } else {
            let spec = column_spec(&mut item, context)?;
            if !item.at_end() {
                return None;
            }
            let def = spec.define(draft.text.as_ref(), context)?;
            draft.columns.push(super::draft::Slot { def, was: None });
            constraints.push(Ok(spec));
        }
    }
    // Periods first: keys refer to them.
    let is_key = |item: &Result<_, super::key::Constraint>| !matches!(item, Err(super::key::Constraint::Period(..)));
    constraints.sort_by_key(is_key);
    for item in constraints {
        match item {
            Ok(spec) => draft.add_column_keys(&spec, context),
            Err(constraint) => draft.add_constraint(constraint),
        }
    }
    draft.finish(database, table, context)
}

/// The table behind `LIKE`, with or without parentheses.
fn like(cursor: &Cursor<'_, '_>) -> Option<super::cursor::TableName> {
    let mut ahead = cursor.clone();
    ahead.sign('(');
    if !ahead.word("LIKE") {
        return None;
    }
    ahead.table_name()
}

/// Takes the options behind a column list, and what follows them.
pub(super) fn table_options(cursor: &mut Cursor<'_, '_>) -> Option<TableOptions> {
    let mut options = TableOptions::default();
    while !cursor.at_end() {
        if cursor.sees_sign('(') {
            let inside = cursor.group()?;
            options.query |= inside.sees_any(&["SELECT", "WITH", "VALUES", "TABLE"]) || inside.sees_sign('(');
            continue;
        }
        if cursor.sees_any(&["SELECT", "AS", "IGNORE", "REPLACE", "VALUES", "TABLE"]) {
            options.query = true;
            return Some(options);
        }
        if cursor.words(&["PARTITION", "BY"]) {
            partitions(cursor, &mut options)?;
            continue;
        }
        if !table_option(cursor, &mut options)? {
            cursor.next()?;
        }
    }
    Some(options)
}

/// Takes one option that matters here; false if another comes next.
pub(super) fn table_option(cursor: &mut Cursor<'_, '_>, options: &mut TableOptions) -> Option<bool> {
    if cursor.sees("DEFAULT")
        && (cursor.sees_at(1, "CHARACTER")
            || cursor.sees_at(1, "CHARSET")
            || cursor.sees_at(1, "COLLATE")
            || cursor.sees_at(1, "CHAR"))
    {
        cursor.next();
    }
    if options.text.take(cursor)? {
        return Some(true);
    }
    if cursor.words(&["WITH", "SYSTEM", "VERSIONING"]) {
        options.versioned = true;
        return Some(true);
    }
    if cursor.word("WITH") {
        // A common table expression, or some other option.
        options.query |= matches!(cursor.peek(), Some(Token::Word(_) | Token::Quoted(_))) && !cursor.sees("VALIDATION");
        return Some(true);
    }
    if cursor.sees("ENGINE") || (cursor.sees("TYPE") && cursor.peek_at(1) == Some(&Token::Sign('='))) {
        cursor.next();
        cursor.sign('=');
        options.engine = match cursor.next()? {
            Token::Word(name) => Some((*name).to_owned()),
            Token::Quoted(name) | Token::Text(name) => Some(name.to_string()),
            _ => return None,
        };
        return Some(true);
    }
    // `COMMENT = 'x'`, `CONNECTION 'x'`: a value is no option.
    if matches!(cursor.peek(), Some(Token::Word(_))) && cursor.peek_at(1) == Some(&Token::Sign('=')) {
        cursor.next();
        cursor.next();
        cursor.skip()?;
        return Some(true);
    }
    Some(false)
}

/// Behind `PARTITION BY`: everything but a query.
fn partitions(cursor: &mut Cursor<'_, '_>, options: &mut TableOptions) -> Option<()> {
    while !cursor.at_end() {
        if cursor.sees_any(&["SELECT", "AS", "IGNORE", "REPLACE"]) {
            options.query = true;
            return Some(());
        }
        cursor.skip()?;
    }
    Some(())
}

/// The table behind a sequence of MariaDB.
pub(super) fn sequence(database: &str, table: &str) -> TableDef {
    let column = |name: &str, column_type: &str| ColumnDef {
        name: name.to_owned(),
        data_type: column_type.split_once('(').map_or(column_type, |(name, _)| name).to_owned(),
        column_type: column_type.to_owned(),
        unsigned: column_type.ends_with("unsigned"),
        ..ColumnDef::default()
    };
    TableDef {
        database: database.to_owned(),
        table: table.to_owned(),
        columns: vec![
            column("next_not_cached_value", "bigint(21)"),
            column("minimum_value", "bigint(21)"),
            column("maximum_value", "bigint(21)"),
            column("start_value", "bigint(21)"),
            column("increment", "bigint(21)"),
            column("cache_size", "bigint(21) unsigned"),
            column("cycle_option", "tinyint(1) unsigned"),
            column("cycle_count", "bigint(21)"),
        ],
        ..TableDef::default()
    }
}
