//! ALTER TABLE: what it says, then what becomes of the table, in the servers' order of doing it.
//!
//! Columns that stay keep their order, a changed one stands where the old one stood; then additions and moved columns
//! take their places in the order of the statement. MySQL source, `prepare_fields_and_keys`.

use std::sync::Arc;

use super::charset::{TextClause, default_of, max_bytes};
use super::column::{ColumnSpec, column_spec, text_name};
use super::create::{TableOptions, table_option};
use super::cursor::{Cursor, MAX_ITEMS, TableName};
use super::draft::{Draft, Slot, same};
use super::key::{Constraint, KeyKind, begins_constraint, constraint};
use super::types::Size;
use super::{DdlContext, Known};
use crate::schema::{ColumnDef, TableDef, TextDefault};

/// What an ALTER TABLE says.
#[derive(Debug, Default)]
pub(super) struct Alter {
    drops: Vec<Drop>,
    specs: Vec<Spec>,
    renames: Vec<Rename>,
    drop_keys: Vec<String>,
    /// Dropped constraints, which may be keys.
    drop_constraints: Vec<String>,
    rename_keys: Vec<(String, String)>,
    constraints: Vec<(Constraint, bool)>,
    options: TableOptions,
    convert: Option<TextClause>,
    add_versioning: bool,
    drop_versioning: bool,
    pub rename: Option<TableName>,
    /// MariaDB: a partition becomes this table.
    pub split_off: Option<TableName>,
    /// MariaDB: this table becomes a partition.
    pub taken_in: Option<TableName>,
}

#[derive(Debug)]
struct Drop {
    name: String,
    /// `IF EXISTS`.
    conditional: bool,
}

#[derive(Debug)]
struct Rename {
    old: String,
    new: String,
    /// `IF EXISTS`.
    conditional: bool,
}

/// A new or changed column.
#[derive(Debug)]
struct Spec {
    /// The column that is changed.
    old: Option<String>,
    /// `IF EXISTS` of a change, `IF NOT EXISTS` of an addition.
    conditional: bool,
    column: ColumnSpec,
    place: Place,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Unsaid,
    First,
    After(String),
}

/// What may stand behind a clause and its comma.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Clause,
    /// A name that belongs to it, or another clause.
    Name,
    /// The rest of the statement is about partitions.
    Partitions,
}

/// Words before PARTITION after which the rest of the statement is about partitions.
const PARTITION_WORK: &[&str] =
    &["COALESCE", "REORGANIZE", "EXCHANGE", "ANALYZE", "CHECK", "OPTIMIZE", "REBUILD", "REPAIR", "TRUNCATE", "UPGRADE"];

/// Words of clauses that leave columns and keys alone.
const HARMLESS: &[&str] = &[
    "ENABLE",
    "DISABLE",
    "FORCE",
    "ALGORITHM",
    "LOCK",
    "WITHOUT",
    "REMOVE",
    "DISCARD",
    "IMPORT",
    "SECONDARY_LOAD",
    "SECONDARY_UNLOAD",
    "NOWAIT",
    "WAIT",
];

/// Reads the clauses; `cursor` stands behind the table's name.
pub(super) fn read(cursor: &mut Cursor<'_, '_>, context: &DdlContext<'_>) -> Option<Alter> {
    let mut alter = Alter::default();
    if cursor.word("WAIT") {
        cursor.next()?;
    }
    cursor.word("NOWAIT");
    // ORDER BY has commas of its own.
    let mut next = Next::Clause;
    for item in cursor.items()? {
        // Partitioning may follow the last clause without a comma.
        let mut item = item.before(&["PARTITION", "BY"]).before(&["REMOVE", "PARTITIONING"]);
        let is_name = item.peek_at(1).is_none() || item.sees_at(1, "ASC") || item.sees_at(1, "DESC");
        if next == Next::Name && is_name && item.name().is_some() {
            continue;
        }
        next = alter.clause(&mut item, context)?;
        if next == Next::Partitions {
            break;
        }
    }
    let count = alter.specs.len().saturating_add(alter.constraints.len());
    (count <= MAX_ITEMS).then_some(alter)
}

impl Alter {
    /// Takes one clause.
    fn clause(&mut self, cursor: &mut Cursor<'_, '_>, context: &DdlContext<'_>) -> Option<Next> {
        if cursor.at_end() || cursor.words(&["PARTITION", "BY"]) {
            return Some(Next::Clause);
        }
        if cursor.words(&["ORDER", "BY"]) {
            return Some(Next::Name);
        }
        if cursor.words(&["DROP", "PARTITION"]) || cursor.words(&["ADD", "PARTITION"]) {
            return Some(Next::Partitions);
        }
        if cursor.any(PARTITION_WORK) {
            return cursor.any(&["PARTITION", "PARTITIONING"]).then_some(Next::Partitions);
        }
        if cursor.word("ADD") {
            self.add(cursor, context)?;
        } else if cursor.word("DROP") {
            self.drop(cursor)?;
        } else if cursor.word("CHANGE") {
            cursor.word("COLUMN");
            let conditional = cursor.if_exists();
            let old = cursor.name()?;
            self.spec(cursor, Some(old), conditional, context)?;
        } else if cursor.word("MODIFY") {
            cursor.word("COLUMN");
            let conditional = cursor.if_exists();
            let old = cursor.clone().name()?;
            self.spec(cursor, Some(old), conditional, context)?;
        } else if cursor.word("ALTER") {
            // Defaults, visibility, enforcement: none of them is in a definition here.
            return Some(Next::Clause);
        } else if cursor.word("RENAME") {
            self.rename(cursor)?;
        } else if cursor.word("CONVERT") {
            self.convert(cursor)?;
        } else if cursor.any(HARMLESS) {
            return Some(Next::Clause);
        } else {
            self.options(cursor)?;
        }
        Some(Next::Clause)
    }

    /// Options stand with or without commas between them.
    fn options(&mut self, cursor: &mut Cursor<'_, '_>) -> Option<()> {
        while !cursor.at_end() {
            if cursor.words(&["PARTITION", "BY"]) || cursor.words(&["ORDER", "BY"]) {
                return Some(());
            }
            if cursor.any(&["REMOVE", "PARTITIONING"]) {
                continue;
            }
            if !table_option(cursor, &mut self.options)? {
                // `COMMENT 'x'`, `ROW_FORMAT DYNAMIC`, `UNION (t, u)`: a name and a value.
                cursor.name()?;
                if !cursor.at_end() {
                    cursor.skip()?;
                }
            }
        }
        if self.options.query { None } else { Some(()) }
    }

    fn add(&mut self, cursor: &mut Cursor<'_, '_>, context: &DdlContext<'_>) -> Option<()> {
        if cursor.words(&["SYSTEM", "VERSIONING"]) {
            self.add_versioning = true;
            return Some(());
        }
        if begins_constraint(cursor) {
            return self.add_constraint(cursor);
        }
        cursor.word("COLUMN");
        let conditional = cursor.if_not_exists();
        if !cursor.sees_sign('(') {
            return self.spec(cursor, None, conditional, context);
        }
        for mut item in cursor.group()?.items()? {
            if begins_constraint(&item) {
                self.add_constraint(&mut item)?;
            } else {
                self.spec(&mut item, None, conditional, context)?;
            }
        }
        cursor.at_end().then_some(())
    }

    fn add_constraint(&mut self, cursor: &mut Cursor<'_, '_>) -> Option<()> {
        let mut ahead = cursor.clone();
        let mut conditional = false;
        while !ahead.at_end() && !ahead.sees_sign('(') {
            conditional |= ahead.if_not_exists();
            ahead.next();
        }
        let constraint = constraint(cursor)?;
        self.constraints.push((constraint, conditional));
        Some(())
    }

    fn spec(
        &mut self,
        cursor: &mut Cursor<'_, '_>,
        old: Option<String>,
        conditional: bool,
        context: &DdlContext<'_>,
    ) -> Option<()> {
        let column = column_spec(cursor, context)?;
        let place = if cursor.word("FIRST") {
            Place::First
        } else if cursor.word("AFTER") {
            Place::After(cursor.name()?)
        } else {
            Place::Unsaid
        };
        self.specs.push(Spec { old, conditional, column, place });
        cursor.at_end().then_some(())
    }

    fn drop(&mut self, cursor: &mut Cursor<'_, '_>) -> Option<()> {
        if cursor.words(&["PRIMARY", "KEY"]) {
            self.drop_keys.push("PRIMARY".to_owned());
        } else if cursor.any(&["INDEX", "KEY"]) {
            cursor.if_exists();
            self.drop_keys.push(cursor.name()?);
        } else if cursor.words(&["FOREIGN", "KEY"]) || cursor.word("CHECK") || cursor.words(&["PERIOD", "FOR"]) {
            return Some(());
        } else if cursor.word("CONSTRAINT") {
            cursor.if_exists();
            self.drop_constraints.push(cursor.name()?);
        } else if cursor.words(&["SYSTEM", "VERSIONING"]) {
            self.drop_versioning = true;
        } else {
            cursor.word("COLUMN");
            let conditional = cursor.if_exists();
            self.drops.push(Drop { name: cursor.name()?, conditional });
            cursor.any(&["RESTRICT", "CASCADE"]);
        }
        cursor.at_end().then_some(())
    }

    fn rename(&mut self, cursor: &mut Cursor<'_, '_>) -> Option<()> {
        let is_column = cursor.word("COLUMN");
        if !is_column && !cursor.any(&["INDEX", "KEY"]) {
            cursor.any(&["TO", "AS"]);
            cursor.sign('=');
            self.rename = Some(cursor.table_name()?);
            return cursor.at_end().then_some(());
        }
        let conditional = cursor.if_exists();
        let old = cursor.name()?;
        if !cursor.word("TO") {
            return None;
        }
        let new = cursor.name()?;
        if is_column {
            self.renames.push(Rename { old, new, conditional });
        } else {
            self.rename_keys.push((old, new));
        }
        cursor.at_end().then_some(())
    }

    fn convert(&mut self, cursor: &mut Cursor<'_, '_>) -> Option<()> {
        if cursor.word("TABLE") {
            self.taken_in = Some(cursor.table_name()?);
            return Some(());
        }
        if cursor.word("PARTITION") {
            cursor.name()?;
            if !cursor.words(&["TO", "TABLE"]) {
                return None;
            }
            self.split_off = Some(cursor.table_name()?);
            return Some(());
        }
        if !cursor.word("TO") {
            return None;
        }
        let mut clause = TextClause::default();
        while clause.take(cursor)? {}
        self.convert = Some(clause);
        // Options may follow without a comma.
        self.options(cursor)
    }

    /// The table after the statement, under its old name; `None` where that is not known.
    pub(super) fn apply(&self, def: &TableDef, context: &DdlContext<'_>, known: &mut dyn Known) -> Option<TableDef> {
        let mut draft = Draft::of(def);
        if self.only_renames() {
            return Some(def.clone());
        }
        let default = known.database(&def.database).text();
        let convert = match &self.convert {
            Some(clause) => Some(self.convert_to(clause, default.as_ref(), context)?),
            None => None,
        };
        if let Some(text) = &convert {
            draft.text = Some(text.clone());
        } else if self.options.text.default {
            draft.text = charset_of(default.as_ref());
        } else if !self.options.text.is_empty() {
            draft.text = Some(self.options.text.resolve(draft.text.as_ref(), context)?);
        }
        if self.options.engine.is_some() {
            draft.engine.clone_from(&self.options.engine);
        }
        draft.versioned = (draft.versioned || self.add_versioning || self.options.versioned) && !self.drop_versioning;
        draft.named_period &= !self.drop_versioning;
        self.drop_all_keys(&mut draft);
        if self.specs.iter().any(|spec| spec.place == Place::First) && has_generated_key(def, context) {
            // Whether the key stays in front depends on a variable that is not logged.
            return None;
        }
        self.columns(&mut draft, context)?;
        if let Some(text) = &convert {
            // Whether a text column that is changed as well becomes longer differs.
            let defined = |spec: &Spec| spec.column.define(draft.text.as_ref(), context);
            if self.specs.iter().any(|spec| defined(spec).is_none_or(|def| def.charset.is_some())) {
                return None;
            }
            for slot in &mut draft.columns {
                convert_column(&mut slot.def, text)?;
            }
        }
        for (old, new) in &self.rename_keys {
            let key = draft.keys.iter_mut().find(|key| key.name.as_ref().is_some_and(|name| same(name, old)));
            if let Some(key) = key {
                key.name = Some(new.clone());
            }
        }
        for (constraint, conditional) in &self.constraints {
            if let (Constraint::Key(key), true) = (constraint, conditional) {
                let name = if key.kind == KeyKind::Primary { Some("PRIMARY") } else { key.name.as_deref() };
                let there = |other: &super::draft::Key| match (&other.name, name) {
                    (Some(other), Some(name)) => same(other, name),
                    _ => false,
                };
                if draft.keys.iter().any(there) {
                    continue;
                }
            }
            draft.add_constraint(constraint.clone());
        }
        let after = draft.finish(&def.database, &def.table, context)?;
        // Which hidden columns MariaDB keeps behind such keys, where one statement moves columns and adds others, is its affair.
        let hashed = |def: &TableDef| def.keys.iter().any(|key| key.hashed);
        let moves = self.renames.len() + self.drops.len();
        if moves > 0 && moves + self.specs.len() + self.constraints.len() > 1 && (hashed(def) || hashed(&after)) {
            return None;
        }
        Some(after)
    }

    /// Nothing is said about columns, keys or options.
    fn only_renames(&self) -> bool {
        self.rename.is_some()
            && self.convert.is_none()
            && self.options.text.is_empty()
            && self.options.engine.is_none()
            && !(self.add_versioning || self.drop_versioning || self.options.versioned)
            && [self.specs.len(), self.drops.len(), self.renames.len(), self.constraints.len(), self.drop_keys.len()]
                .into_iter()
                .chain([self.drop_constraints.len(), self.rename_keys.len()])
                .all(|len| len == 0)
    }

    fn drop_all_keys(&self, draft: &mut Draft) {
        let named = |name: &str, list: &[String]| list.iter().any(|drop| same(drop, name));
        // A constraint's name may be a key's; the primary key's is PRIMARY.
        draft.keys.retain(|key| {
            let name = key.name.as_deref().unwrap_or_default();
            let as_constraint = key.kind != KeyKind::Plain && named(name, &self.drop_constraints);
            !as_constraint && !named(name, &self.drop_keys)
        });
    }

    /// Whether each name that the statement says is there is that of one column, and of which is not in doubt. Servers
    /// compare names in ways of their own, so what is not ASCII may be there under another spelling.
    fn finds_columns(&self, columns: &[Slot]) -> bool {
        let found = |name: &str, conditional: bool| {
            let count = columns.iter().filter(|slot| same(&slot.def.name, name)).count();
            let plain = || name.is_ascii() && columns.iter().all(|slot| slot.def.name.is_ascii());
            count == 1 || (count == 0 && conditional && plain())
        };
        self.drops.iter().all(|drop| found(&drop.name, drop.conditional))
            && self.renames.iter().all(|rename| found(&rename.old, rename.conditional))
            && self.specs.iter().all(|spec| match &spec.old {
                Some(old) => found(old, spec.conditional),
                None => !spec.conditional || found(&spec.column.name, true),
            })
    }

    /// Drops, changes, moves and adds columns.
    fn columns(&self, draft: &mut Draft, context: &DdlContext<'_>) -> Option<()> {
        let before = std::mem::take(&mut draft.columns);
        // A key goes with its column, also where another of that name is added.
        let again = |drop: &Drop| {
            draft.is_in_key(&drop.name) && self.specs.iter().any(|spec| same(&spec.column.name, &drop.name))
        };
        if !self.finds_columns(&before) || self.drops.iter().any(again) {
            return None;
        }
        let there = |name: &str| before.iter().any(|slot| same(&slot.def.name, name));
        let mut later: Vec<(Slot, &Place)> = Vec::new();
        let mut changed: Vec<(&str, Option<Slot>)> = Vec::new();
        for spec in &self.specs {
            let def = spec.column.define(draft.text.as_ref(), context)?;
            match &spec.old {
                Some(old) if !there(old) => {
                    if !spec.conditional {
                        return None;
                    }
                    continue;
                }
                Some(old) => {
                    let slot = Slot { def, was: Some(old.clone()) };
                    if spec.place == Place::Unsaid {
                        changed.push((old, Some(slot)));
                    } else {
                        changed.push((old, None));
                        later.push((slot, &spec.place));
                    }
                }
                None => {
                    let twice = later.iter().any(|(slot, _)| slot.was.is_none() && same(&slot.def.name, &def.name));
                    if spec.conditional && (there(&def.name) || twice) {
                        continue;
                    }
                    later.push((Slot { def, was: None }, &spec.place));
                }
            }
            draft.add_column_keys(&spec.column, context);
        }
        for mut slot in before {
            let name = slot.def.name.clone();
            if self.drops.iter().any(|drop| same(&drop.name, &name)) {
                continue;
            }
            if let Some(at) = changed.iter().position(|(old, _)| same(old, &name)) {
                draft.columns.extend(changed.swap_remove(at).1);
                continue;
            }
            if let Some(rename) = self.renames.iter().find(|rename| same(&rename.old, &name)) {
                slot.was = Some(name);
                slot.def.name.clone_from(&rename.new);
            }
            draft.columns.push(slot);
        }
        for (slot, place) in later {
            let at = match place {
                Place::Unsaid => draft.columns.len(),
                Place::First => 0,
                Place::After(name) => draft.position(name)?.checked_add(1)?,
            };
            draft.columns.insert(at, slot);
        }
        Some(())
    }

    /// What CONVERT TO converts to.
    fn convert_to(
        &self,
        clause: &TextClause,
        database: Option<&TextDefault>,
        context: &DdlContext<'_>,
    ) -> Option<TextDefault> {
        let own = &self.options.text;
        if own.charset.is_some() || own.default {
            // The servers do not agree on which of the two holds.
            return None;
        }
        if clause.default && clause.collation.is_none() {
            return charset_of(database);
        }
        let collation = clause.collation.clone().or_else(|| own.collation.clone());
        match (&clause.charset, collation) {
            (Some(charset), None) => Some(default_of(charset, context)),
            (charset, collation) => {
                TextClause { charset: charset.clone(), collation, ..TextClause::default() }.resolve(database, context)
            }
        }
    }
}

/// What `CHARACTER SET DEFAULT` is: the database's character set, with whatever collation.
pub(super) fn charset_of(database: Option<&TextDefault>) -> Option<TextDefault> {
    database.map(|text| TextDefault { charset: text.charset.clone(), collation: None })
}

/// MySQL's generated invisible primary key stands in front.
fn has_generated_key(def: &TableDef, context: &DdlContext<'_>) -> bool {
    !context.is_mariadb()
        && def.primary_key == [0]
        && def.columns.first().is_some_and(|column| same(&column.name, "my_row_id"))
}

/// A text column in another character set: a TEXT keeps room for as many characters.
fn convert_column(def: &mut ColumnDef, text: &TextDefault) -> Option<()> {
    let is_text = matches!(
        def.data_type.as_str(),
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "enum" | "set"
    );
    if !is_text {
        return Some(());
    }
    // Lengths in bytes depend on the character set there was.
    let old_charset = def.charset.as_deref()?;
    if text.charset == "binary" {
        return None;
    }
    let (old, new) = (max_bytes(old_charset), max_bytes(&text.charset));
    // Servers copy the bytes of labels that are not ASCII, or into what is not, and so change them.
    let plain = |charset: &str| !matches!(charset, "utf16" | "utf16le" | "utf32" | "ucs2");
    if let Some(labels) = &def.labels
        && old_charset != text.charset
        && !(labels.iter().all(|label| label.is_ascii()) && plain(old_charset) && plain(&text.charset))
    {
        return None;
    }
    let length_bytes = match def.data_type.as_str() {
        "tinytext" => Some(1_u8),
        "text" => Some(2),
        "mediumtext" => Some(3),
        "varchar" => {
            let length: u64 = def.column_type.split_once('(')?.1.split_once(')')?.0.parse().ok()?;
            if length.checked_mul(new)? > 65_535 {
                return None;
            }
            None
        }
        _ => None,
    };
    if let Some(length_bytes) = length_bytes
        && new > old
    {
        let suffix = def.column_type.get(def.data_type.len()..).unwrap_or_default().to_owned();
        def.data_type = text_name(Size::LengthBytes(length_bytes.saturating_add(1))).to_owned();
        def.column_type = format!("{}{suffix}", def.data_type);
    }
    def.charset = Some(text.charset.clone());
    def.collation.clone_from(&text.collation);
    Some(())
}

/// `CREATE INDEX` as the ALTER TABLE that it is.
pub(super) fn add_key(constraint: Constraint, conditional: bool) -> Alter {
    Alter { constraints: vec![(constraint, conditional)], ..Alter::default() }
}

/// `DROP INDEX` as the ALTER TABLE that it is.
pub(super) fn drop_key(name: String) -> Alter {
    Alter { drop_keys: vec![name], ..Alter::default() }
}

/// The definition under another name.
pub(super) fn renamed(def: &TableDef, database: &str, table: &str) -> Arc<TableDef> {
    Arc::new(TableDef { database: database.to_owned(), table: table.to_owned(), ..def.clone() })
}
