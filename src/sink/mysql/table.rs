//! A target table as rows are written to it: quoted names, character sets, and how a row is found.

use super::assumed;
use super::facts::{Facts, Flavor};
use super::json_diff;
use super::literal::{self, Form};
use super::render::{bytes_of, refused};
use crate::row::charset::Charset;
use crate::row::{Cell, ColumnKind, ColumnPlan, TablePlan, Value};
use crate::schema::{ColumnDef, TableDef};
use crate::sink::RenderError;

/// Character sets that MySQL warns about when they are named; literals of ucs2 and utf8mb3 name a superset instead.
const DEPRECATED: &[&str] = &["ucs2", "macroman", "macce", "dec8", "hp8"];

/// One column of the target, with the plan that reads its values.
pub(super) struct TargetColumn<'a> {
    pub(super) plan: &'a ColumnPlan,
    pub(super) def: &'a ColumnDef,
    /// Quoted.
    pub(super) name: Vec<u8>,
    form: Form<'a>,
}

impl TargetColumn<'_> {
    /// Appends an assignment that changes nothing.
    pub(super) fn to_itself(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.name);
        out.push(b'=');
        out.extend_from_slice(&self.name);
    }

    /// Whether a cell of text means nothing in its character set, so that the server cannot compare it as text.
    pub(super) fn is_no_text(&self, cell: Cell, rows: &[u8]) -> bool {
        let text = matches!(self.plan.kind, ColumnKind::Text { .. } | ColumnKind::Blob { .. });
        match (self.form.charset, bytes_of(cell, rows)) {
            (Some(charset), Some(bytes)) if text => literal::is_no_text(bytes, charset),
            _ => false,
        }
    }

    /// Appends a condition on the bytes.
    fn same_bytes(&self, out: &mut Vec<u8>, cell: Cell, rows: &[u8]) {
        out.extend_from_slice(b"CAST(");
        out.extend_from_slice(&self.name);
        out.extend_from_slice(b" AS BINARY)=");
        literal::hex(out, bytes_of(cell, rows).unwrap_or_default());
    }
}

/// A table of the target.
pub(super) struct Target<'a> {
    /// Quoted, with its database.
    pub(super) name: Vec<u8>,
    /// `database.table`.
    pub(super) display: String,
    pub(super) columns: Vec<TargetColumn<'a>>,
    pub(super) facts: &'a Facts,
    /// Naming one of its character sets raises a deprecation warning.
    pub(super) deprecated: bool,
    /// Deleting one row may delete others of the same table.
    pub(super) cascades: bool,
    /// Its columns' names are known.
    pub(super) named: bool,
    pub(super) def: &'a TableDef,
}

impl<'a> Target<'a> {
    /// Puts a plan and the target's definition together, if they fit.
    pub(super) fn of(plan: &'a TablePlan, facts: &'a Facts) -> Result<Self, RenderError> {
        let display = format!("{}.{}", plan.database, plan.table);
        let def = plan.def.as_deref().ok_or_else(|| RenderError {
            what: format!("{display} does not exist on the target"),
            hint: Some("the target's schema differs from the source's at this point: repair it and start again".into()),
        })?;
        Self::with(plan, def, facts)
    }

    /// Puts a plan and any definition together, if they fit.
    pub(super) fn with(plan: &'a TablePlan, def: &'a TableDef, facts: &'a Facts) -> Result<Self, RenderError> {
        let display = format!("{}.{}", plan.database, plan.table);
        if def.columns.len() != plan.columns.len() {
            return Err(differs(format!(
                "{display} has {} columns on the target and {} at the source",
                def.columns.len(),
                plan.columns.len()
            )));
        }
        if def.fires_triggers {
            return Err(RenderError {
                what: format!("{display} has triggers on the target, which would fire once more for replayed rows"),
                hint: Some("drop the triggers on the target: what they did at the source is in its log".to_owned()),
            });
        }
        if def.versioned {
            return Err(RenderError {
                what: format!("{display} keeps its history on the target, which replayed changes would write anew"),
                hint: Some(
                    "a table WITH SYSTEM VERSIONING cannot be replayed by SQL: drop the versioning at the source, or \
                     leave the table to a native replica"
                        .to_owned(),
                ),
            });
        }
        let mut columns = Vec::with_capacity(def.columns.len());
        for (plan_column, def_column) in plan.columns.iter().zip(&def.columns) {
            if plan.named
                && !plan_column.name.eq_ignore_ascii_case(&def_column.name)
                && !same_name(plan_column, def_column)
            {
                return Err(differs(format!(
                    "column {} of {display} is called {} on the target",
                    plan_column.name, def_column.name
                )));
            }
            let mut name = Vec::with_capacity(def_column.name.len().saturating_add(2));
            literal::identifier(&mut name, def_column.name.as_bytes());
            let form = Form { charset: charset(plan_column, def_column), binary_width: plan_column.binary_width };
            columns.push(TargetColumn { plan: plan_column, def: def_column, name, form });
        }
        let mut name = Vec::new();
        literal::identifier(&mut name, plan.database.as_bytes());
        name.push(b'.');
        literal::identifier(&mut name, plan.table.as_bytes());
        let deprecated =
            columns.iter().any(|column| column.form.charset.is_some_and(|name| DEPRECATED.contains(&name)));
        Ok(Self { name, display, columns, facts, deprecated, cascades: def.cascades, named: true, def })
    }

    /// The key whose columns the image all has: primary, else unique without NULLs.
    pub(super) fn key(&self, image: &[Cell]) -> Option<&'a [usize]> {
        let present =
            |key: &&[usize]| !key.is_empty() && key.iter().all(|at| matches!(image.get(*at), Some(Cell::At { .. })));
        let def: &'a TableDef = self.def;
        let keys = std::iter::once(def.primary_key.as_slice()).chain(def.unique_not_null.iter().map(Vec::as_slice));
        keys.into_iter().find(present)
    }

    /// The key's column names for messages.
    pub(super) fn key_names(&self, key: Option<&[usize]>) -> String {
        let names = key.unwrap_or_default().iter().filter_map(|at| self.def.columns.get(*at));
        names.map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// Appends a condition that matches the image's row: by key, else by every column that is there. With `whole` the
    /// row must be as the image says also where there is a key.
    pub(super) fn find(
        &self,
        out: &mut Vec<u8>,
        key: Option<&[usize]>,
        image: &[Cell],
        rows: &[u8],
        whole: bool,
    ) -> Result<(), RenderError> {
        let mut first = true;
        let mut and = |out: &mut Vec<u8>| {
            if !std::mem::take(&mut first) {
                out.extend_from_slice(b" AND ");
            }
        };
        if let Some(key) = key {
            for at in key {
                if let (Some(column), Some(cell)) = (self.columns.get(*at), image.get(*at)) {
                    and(out);
                    if column.is_no_text(*cell, rows) {
                        column.same_bytes(out, *cell, rows);
                        continue;
                    }
                    out.extend_from_slice(&column.name);
                    out.push(b'=');
                    self.value(out, column, *cell, rows)?;
                }
            }
            if !whole {
                return Ok(());
            }
        }
        let key = key.unwrap_or_default();
        for (at, (column, cell)) in self.columns.iter().zip(image).enumerate() {
            // A key says which row it is; in a text its collation may hide a difference.
            let said = key.contains(&at) && column.def.charset.is_none();
            if !matches!(cell, Cell::Absent | Cell::JsonDiff { .. }) && !column.def.generated && !said {
                and(out);
                self.same(out, column, *cell, rows)?;
            }
        }
        if first {
            return Err(refused(format!("the row image of {} has no column to find the row by", self.display)));
        }
        Ok(())
    }

    /// Appends, after ` AND `, that documents of which `image` has the changes only are those of `old` with the changes.
    pub(super) fn documents_are(
        &self,
        out: &mut Vec<u8>,
        image: &[Cell],
        old: &[Cell],
        rows: &[u8],
    ) -> Result<(), RenderError> {
        for ((column, cell), old) in self.columns.iter().zip(image).zip(old) {
            if let Some(diffs) = cell.diff_bytes(rows) {
                let mut document = Vec::new();
                self.value(&mut document, column, *old, rows)?;
                out.extend_from_slice(b" AND ");
                out.extend_from_slice(&column.name);
                out.extend_from_slice(b"<=>");
                json_diff::value(out, &document, diffs)?;
            }
        }
        Ok(())
    }

    /// Appends a condition that one column has exactly this value: text to the byte, not only by its collation.
    fn same(&self, out: &mut Vec<u8>, column: &TargetColumn<'_>, cell: Cell, rows: &[u8]) -> Result<(), RenderError> {
        let mut literal = Vec::new();
        self.value(&mut literal, column, cell, rows)?;
        let plain = |out: &mut Vec<u8>| {
            out.extend_from_slice(&column.name);
            out.extend_from_slice(b"<=>");
            out.extend_from_slice(&literal);
        };
        let cast = |out: &mut Vec<u8>, kind: &str, value: &[u8]| {
            out.extend_from_slice(format!("CAST({} AS {kind})", String::from_utf8_lossy(&column.name)).as_bytes());
            out.extend_from_slice(b"<=>CAST(");
            out.extend_from_slice(value);
            out.extend_from_slice(format!(" AS {kind})").as_bytes());
        };
        if matches!(cell, Cell::Null) {
            out.extend_from_slice(&column.name);
            out.extend_from_slice(b" IS NULL");
            return Ok(());
        }
        if matches!(cell, Cell::JsonDiff { .. }) {
            return Err(RenderError {
                what: format!(
                    "a row of {} without a key is to be found by a document of which the log has but the changes",
                    self.display
                ),
                hint: Some("set binlog_row_value_options='' at the source, or give the table a primary key".to_owned()),
            });
        }
        match (&column.def.charset, column.def.data_type.as_str()) {
            (_, "json") => {
                plain(out);
                out.extend_from_slice(b" AND ");
                cast(out, "CHAR CHARACTER SET utf8mb4", &literal);
            }
            // As an integer: compared as it is, a SET becomes a floating point number. A cast would warn on MariaDB.
            (_, "set") => {
                out.push(b'(');
                out.extend_from_slice(&column.name);
                out.extend_from_slice(b"|0)<=>");
                out.extend_from_slice(&literal);
            }
            (_, "vector") => cast(out, "BINARY", &literal),
            (Some(_), _) if column.is_no_text(cell, rows) => column.same_bytes(out, cell, rows),
            (Some(charset), kind) if !matches!(kind, "enum" | "set") => {
                plain(out);
                out.extend_from_slice(b" AND ");
                let mut converted = b"CONVERT(".to_vec();
                converted.extend_from_slice(&literal);
                converted.extend_from_slice(b" USING ");
                converted.extend_from_slice(charset.as_bytes());
                converted.push(b')');
                cast(out, "BINARY", &converted);
            }
            _ => plain(out),
        }
        Ok(())
    }

    /// Appends an assignment that changes the column's document.
    pub(super) fn change_document(
        &self,
        out: &mut Vec<u8>,
        column: &TargetColumn<'_>,
        old: Cell,
        diffs: &[u8],
        rows: &[u8],
    ) -> Result<(), RenderError> {
        out.extend_from_slice(&column.name);
        out.push(b'=');
        match self.facts.flavor {
            Flavor::MySql => json_diff::value(out, &column.name, diffs),
            Flavor::MariaDb => json_diff::text(out, old.bytes(rows), diffs),
        }
        .map_err(|error| self.in_column(column, error))
    }

    /// Appends, after ` AND `, conditions that the documents are such as the changes of an after image can be made to.
    pub(super) fn documents_fit(&self, out: &mut Vec<u8>, after: &[Cell], rows: &[u8]) -> Result<(), RenderError> {
        if self.facts.flavor == Flavor::MariaDb {
            return Ok(());
        }
        for (column, cell) in self.columns.iter().zip(after) {
            if let Some(diffs) = cell.diff_bytes(rows) {
                json_diff::conditions(out, &column.name, diffs).map_err(|error| self.in_column(column, error))?;
            }
        }
        Ok(())
    }

    fn in_column(&self, column: &TargetColumn<'_>, error: RenderError) -> RenderError {
        RenderError {
            what: format!("column {} of {}: {}", column.def.name, self.display, error.what),
            hint: error.hint,
        }
    }

    /// Appends a cell's value. Returns how many warnings it raises although it is stored exactly.
    pub(super) fn value(
        &self,
        out: &mut Vec<u8>,
        column: &TargetColumn<'_>,
        cell: Cell,
        rows: &[u8],
    ) -> Result<u64, RenderError> {
        let Some(bytes) = bytes_of(cell, rows) else {
            out.extend_from_slice(b"NULL");
            return Ok(0);
        };
        let mut scratch = Vec::new();
        let value = column.plan.value_in(bytes, &mut scratch).map_err(|error| refused(error.to_string()))?;
        if column.plan.sign_unsaid
            && let Value::Int(..0) = value
        {
            return Err(assumed::sign_unsaid(&self.display, &column.plan.name));
        }
        literal::value(out, &value, column.form, self.facts).map_err(|error| self.in_column(column, error))?;
        let clamped = match value {
            Value::Enum(0) => true,
            Value::Float(x) => exceeds(&column.def.column_type, f64::from(x)),
            _ => false,
        };
        Ok(u64::from(clamped))
    }
}

/// Whether a value is larger than a `float(m,d)` takes. The largest one it takes may be rounded up when it is stored, and
/// goes back to what it was when it is cut off again.
fn exceeds(column_type: &str, x: f64) -> bool {
    let inside = column_type.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
    let numbers = inside.and_then(|(inside, _)| inside.split_once(','));
    let (Some(digits), Some(scale)) = (
        numbers.and_then(|(m, _)| m.trim().parse::<i32>().ok()),
        numbers.and_then(|(_, d)| d.trim().parse::<i32>().ok()),
    ) else {
        return false;
    };
    x.abs() > 10f64.powi(digits.saturating_sub(scale)) - 10f64.powi(scale.saturating_neg())
}

fn differs(what: String) -> RenderError {
    RenderError {
        what,
        hint: Some("the target's table differs from the source's: repair it and start again".to_owned()),
    }
}

/// Names are compared as the servers do, at least for what is no ASCII.
fn same_name(plan: &ColumnPlan, def: &ColumnDef) -> bool {
    plan.name.to_lowercase() == def.name.to_lowercase()
}

/// The character set of the logged bytes: as the log says, else as the target's column is.
fn charset<'a>(plan: &ColumnPlan, def: &'a ColumnDef) -> Option<&'a str> {
    match plan.collation.and_then(Charset::of_collation) {
        Some(charset) => Some(charset.name()),
        None => def.charset.as_deref(),
    }
}

#[cfg(test)]
mod tests {
    use super::exceeds;

    #[test]
    fn only_floats_with_digits_of_their_own_can_exceed_them() {
        assert!(exceeds("float(9,4)", 100_000.0) && exceeds("float(9,4) unsigned", -100_000.0));
        assert!(!exceeds("float(9,4)", 99_999.0));
        assert!(!exceeds("float", 1e30) && !exceeds("float(7)", 1e30));
    }
}
