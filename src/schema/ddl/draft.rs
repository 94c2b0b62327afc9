//! A table under construction: columns and keys by name, until a [`TableDef`] is made of them.

use super::charset::max_bytes;
use super::column::ColumnSpec;
use super::cursor::MAX_ITEMS;
use super::key::{Constraint, KeyKind, KeySpec, PartSpec};
use super::{DdlContext, lower_case};
use crate::schema::{ColumnDef, KeyDef, KeyPart, TableDef, TextDefault};

/// A column, and what it was called before the statement.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub def: ColumnDef,
    /// Name before a change; parts of keys that were there before go by it.
    pub was: Option<String>,
}

/// A key by names.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub name: Option<String>,
    pub kind: KeyKind,
    using_hash: bool,
    /// It was there before the statement.
    old: bool,
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
struct Part {
    /// `None` for an expression.
    column: Option<String>,
    prefix: Option<u32>,
}

/// A table under construction.
#[derive(Debug, Clone, Default)]
pub(super) struct Draft {
    pub columns: Vec<Slot>,
    pub keys: Vec<Key>,
    pub periods: Vec<(String, String, String)>,
    pub versioned: bool,
    /// Start and end of a row's life are columns that were named.
    pub named_period: bool,
    pub text: Option<TextDefault>,
    pub engine: Option<String>,
}

pub(super) fn same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b) || (!(a.is_ascii() && b.is_ascii()) && lower_case(a) == lower_case(b))
}

impl Draft {
    /// What there is of a table that is to be changed.
    pub(super) fn of(def: &TableDef) -> Self {
        let name = |part: &KeyPart| Part {
            column: part.column.and_then(|column| def.columns.get(column)).map(|column| column.name.clone()),
            prefix: part.prefix,
        };
        let kind = |key: &KeyDef| match (key.name.as_str(), key.unique) {
            ("PRIMARY", _) => KeyKind::Primary,
            (_, true) => KeyKind::Unique,
            (_, false) => KeyKind::Plain,
        };
        Self {
            columns: def
                .columns
                .iter()
                .filter(|column| !column.hidden)
                .map(|column| Slot { def: column.clone(), was: None })
                .collect(),
            keys: def
                .keys
                .iter()
                .map(|key| Key {
                    name: Some(key.name.clone()),
                    kind: kind(key),
                    // Told to hash, a key forgets it when the table is made anew.
                    using_hash: false,
                    old: true,
                    parts: key.parts.iter().map(name).collect(),
                })
                .collect(),
            periods: Vec::new(),
            versioned: def.versioned,
            named_period: def.versioned
                && !def.columns.iter().any(|column| column.hidden && column.name == "row_start"),
            text: def.text.clone(),
            engine: def.engine.clone(),
        }
    }

    /// Whether some key has this column.
    pub(super) fn is_in_key(&self, name: &str) -> bool {
        let mut parts = self.keys.iter().flat_map(|key| &key.parts);
        parts.any(|part| part.column.as_ref().is_some_and(|column| same(column, name)))
    }

    /// Keys and the like that stand with a column.
    pub(super) fn add_column_keys(&mut self, spec: &ColumnSpec, context: &DdlContext<'_>) {
        let part = || vec![PartSpec::Column { name: spec.name.clone(), prefix: None }];
        let mut add = |kind| self.add_key(KeySpec { kind, parts: part(), ..KeySpec::default() });
        if spec.primary {
            add(KeyKind::Primary);
        }
        // MariaDB takes the stronger of the two.
        if spec.unique && !(spec.primary && context.is_mariadb()) {
            add(KeyKind::Unique);
        }
        if spec.references {
            add(KeyKind::Foreign);
        }
        self.versioned |= spec.versioned;
        self.named_period |= spec.period;
    }

    pub(super) fn add_constraint(&mut self, constraint: Constraint) {
        match constraint {
            Constraint::Key(key) => self.add_key(key),
            Constraint::Period(name, start, end) => self.periods.push((name, start, end)),
            Constraint::SystemPeriod | Constraint::Check => {}
        }
    }

    fn add_key(&mut self, spec: KeySpec) {
        let mut parts = Vec::new();
        for part in spec.parts {
            match part {
                PartSpec::Column { name, prefix } => parts.push(Part { column: Some(name), prefix }),
                PartSpec::Expression => parts.push(Part { column: None, prefix: None }),
                PartSpec::WithoutOverlaps(period) => {
                    let period = self.periods.iter().find(|(name, _, _)| same(name, &period));
                    // A period that is not known leaves a part that no column matches.
                    let (start, end) = period.map_or_else(Default::default, |(_, s, e)| (s.clone(), e.clone()));
                    parts.push(Part { column: Some(end), prefix: None });
                    parts.push(Part { column: Some(start), prefix: None });
                }
            }
        }
        let name = if spec.kind == KeyKind::Primary { Some("PRIMARY".to_owned()) } else { spec.name };
        self.keys.push(Key { name, kind: spec.kind, using_hash: spec.using_hash, old: false, parts });
    }

    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|slot| same(&slot.def.name, name))
    }

    /// The definition; `None` where something in it refers to what is not there.
    pub(super) fn finish(mut self, database: &str, table: &str, context: &DdlContext<'_>) -> Option<TableDef> {
        for (_, start, end) in std::mem::take(&mut self.periods) {
            for name in [start, end] {
                let at = self.position(&name)?;
                self.columns.get_mut(at)?.def.nullable = false;
            }
        }
        if self.columns.len() > MAX_ITEMS {
            return None;
        }
        let keys = self.resolve_keys()?;
        let mut def = TableDef {
            database: database.to_owned(),
            table: table.to_owned(),
            versioned: self.versioned,
            text: self.text,
            engine: self.engine,
            ..TableDef::default()
        };
        def.columns = self.columns.into_iter().map(|slot| slot.def).collect();
        if def.columns.is_empty() || has_duplicates(&def.columns) {
            return None;
        }
        for (key, using_hash) in keys {
            if key.name == "PRIMARY" {
                for column in key.parts.iter().filter_map(|part| part.column) {
                    def.columns.get_mut(column)?.nullable = false;
                }
            }
            let hashed = context.is_mariadb() && key.unique && is_hashed(&key, using_hash, &def)?;
            def.keys.push(KeyDef { hashed, ..key });
        }
        def.keys.sort_by(|a, b| a.name.cmp(&b.name));
        def.index_keys();
        def.add_hidden_columns(self.named_period);
        Some(def)
    }

    /// Keys with indexes for names, each with a name of its own.
    fn resolve_keys(&mut self) -> Option<Vec<(KeyDef, bool)>> {
        let mut resolved: Vec<(KeyDef, bool)> = Vec::new();
        let mut foreign = Vec::new();
        for key in &self.keys {
            let mut parts = Vec::new();
            for part in &key.parts {
                let Some(name) = &part.column else {
                    parts.push(KeyPart { column: None, prefix: part.prefix });
                    continue;
                };
                let old_name = |slot: &Slot| slot.was.clone().unwrap_or_else(|| slot.def.name.clone());
                let column = if key.old {
                    self.columns.iter().position(|slot| same(&old_name(slot), name))
                } else {
                    Some(self.position(name)?)
                };
                // A column that is gone is gone from its keys too.
                if let Some(column) = column {
                    parts.push(KeyPart { column: Some(column), prefix: part.prefix });
                }
            }
            if parts.is_empty() {
                continue;
            }
            let unique = matches!(key.kind, KeyKind::Primary | KeyKind::Unique);
            let name = match &key.name {
                Some(name) => name.clone(),
                None => self.free_name(&parts, &resolved)?,
            };
            if key.kind == KeyKind::Foreign {
                foreign.push(resolved.len());
            }
            resolved.push((KeyDef { name, unique, hashed: false, parts }, key.using_hash));
        }
        // A foreign key's own index is made only where no other key begins with its columns.
        let covered: Vec<usize> = foreign
            .into_iter()
            .filter(|at| {
                let own = resolved.get(*at);
                resolved.iter().enumerate().any(|(other, (key, _))| {
                    other != *at && own.is_some_and(|(own, _)| key.parts.starts_with(&own.parts))
                })
            })
            .collect();
        let mut at = 0_usize;
        resolved.retain(|_| {
            at += 1;
            !covered.contains(&(at - 1))
        });
        Some(resolved)
    }

    /// The name that the server gives to a key without one: its first column's, with a number if that is taken.
    fn free_name(&self, parts: &[KeyPart], taken: &[(KeyDef, bool)]) -> Option<String> {
        let first = parts.first()?;
        let base = match first.column {
            Some(column) => self.columns.get(column)?.def.name.clone(),
            None => "functional_index".to_owned(),
        };
        let is_free = |name: &str| !same(name, "PRIMARY") && !taken.iter().any(|(key, _)| same(&key.name, name));
        if is_free(&base) {
            return Some(base);
        }
        (2..100).map(|number| format!("{base}_{number}")).find(|name| is_free(name))
    }
}

fn has_duplicates(columns: &[ColumnDef]) -> bool {
    let mut names: Vec<String> = columns.iter().map(|column| lower_case(&column.name)).collect();
    names.sort_unstable();
    names.windows(2).any(|pair| pair.first() == pair.last())
}

/// Whether MariaDB keeps a hash of the key's columns, because they are too long for an index, or because it is told to.
/// `None` where it depends on what is not known of the engine.
fn is_hashed(key: &KeyDef, using_hash: bool, def: &TableDef) -> Option<bool> {
    let engine = def.engine.as_deref().unwrap_or("InnoDB").to_ascii_lowercase();
    if key.name == "PRIMARY" || engine == "memory" {
        return Some(false);
    }
    // Longest key that fits, and shortest that does not.
    let (fits, too_long) = match engine.as_str() {
        "innodb" => (3072, 3073),
        "myisam" => (1000, 1001),
        "aria" => (1000, 2301),
        _ => (255, u64::MAX),
    };
    let mut length = 0_u64;
    for part in &key.parts {
        let Some(column) = part.column.and_then(|column| def.columns.get(column)) else { continue };
        match part_length(column, part.prefix) {
            Some(part) => length = length.saturating_add(part),
            None => return Some(true),
        }
    }
    match length {
        _ if using_hash => Some(true),
        length if length <= fits => Some(false),
        length if length >= too_long => Some(true),
        _ => None,
    }
}

/// Bytes that a column takes in a key; `None` for all of a TEXT or BLOB.
fn part_length(column: &ColumnDef, prefix: Option<u32>) -> Option<u64> {
    let width = column.charset.as_deref().map_or(1, max_bytes);
    if let Some(prefix) = prefix {
        return Some(u64::from(prefix).saturating_mul(width));
    }
    match column.data_type.as_str() {
        "tinytext" | "text" | "mediumtext" | "longtext" | "tinyblob" | "blob" | "mediumblob" | "longblob" => None,
        "char" | "varchar" | "binary" | "varbinary" => {
            let length = column.column_type.split_once('(')?.1.split_once(')')?.0.parse::<u64>().ok()?;
            Some(length.saturating_mul(width))
        }
        _ => Some(8),
    }
}
