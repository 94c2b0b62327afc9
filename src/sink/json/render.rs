//! Rows and statements as JSON lines.
//!
//! What is the same for all rows of a table map stands ready in its plan, what is the same for a transaction is made
//! when it begins, and what is the same for an event once an event; a row copies these and writes its values.

use super::value;
use crate::binlog::event::{Event, QueryEvent, RowsKind};
use crate::change::{GroupEnd, TransactionMeta};
use crate::gtid::Gtid;
use crate::row::charset::Charset;
use crate::row::text::{base64, json_escaped, json_string};
use crate::row::{self, Cell, ColumnPlan, GeometryForm, RowError, TablePlan, json_diff};
use crate::sink::{EventContext, RenderError, Renderer, RowsContext, StatementContext};
use crate::statement::{StatementKind, classify};

/// Writes JSON lines.
#[derive(Debug, Default)]
pub struct JsonRenderer {
    /// How spatial values are shown.
    geometry: GeometryForm,
    before: Vec<Cell>,
    after: Vec<Cell>,
    scratch: Vec<u8>,
    /// From the line's start up to the value of `xoffset`, the same for all rows of an event.
    head: Vec<u8>,
    /// `,"position":..,"gtid":..` of the transaction.
    place: Vec<u8>,
    /// From after `xoffset` up to the values of the primary key, the same for all rows of an event.
    middle: Vec<u8>,
}

impl Renderer for JsonRenderer {
    type Output = Vec<u8>;

    fn begin(
        &mut self,
        transaction: &TransactionMeta,
        _continued: bool,
        _out: &mut Vec<u8>,
    ) -> Result<(), RenderError> {
        self.place.clear();
        self.place.extend_from_slice(br#","position":""#);
        json_escaped(transaction.start.file.as_bytes(), &mut self.place);
        self.place.push(b':');
        self.place.extend_from_slice(itoa::Buffer::new().format(transaction.start.pos).as_bytes());
        self.place.push(b'"');
        if let Some(gtid) = &transaction.gtid {
            self.place.extend_from_slice(br#","gtid":""#);
            write_gtid(gtid, &mut self.place);
            self.place.push(b'"');
        }
        Ok(())
    }

    fn rows(&mut self, context: &RowsContext<'_>, out: &mut Vec<u8>) -> Result<u64, RenderError> {
        let complete = out.len();
        self.render_rows(context, out).map_err(|error| {
            // No half of a line, and no half of an event.
            out.truncate(complete);
            RenderError {
                what: error.to_string(),
                hint: matches!(error, RowError::Charset { .. })
                    .then(|| "convert the column to utf8mb4, or leave the table out".to_owned()),
            }
        })
    }

    fn statement(&mut self, context: &StatementContext<'_>, out: &mut Vec<u8>) -> Result<(), RenderError> {
        match classify(context.query.statement) {
            StatementKind::Ddl | StatementKind::Other => {
                self.write_ddl(context, out);
                Ok(())
            }
            // Within a transaction whose rows are all committed these change nothing.
            StatementKind::Empty
            | StatementKind::Begin
            | StatementKind::Commit
            | StatementKind::Rollback
            | StatementKind::Savepoint
            | StatementKind::ReleaseSavepoint => Ok(()),
            StatementKind::Dml => Err(not_as_rows("a row change in statement format")),
            StatementKind::RollbackTo => Err(RenderError {
                what: "ROLLBACK TO SAVEPOINT in the log: rows before it may have been undone".to_owned(),
                hint: Some("do not mix transactional and other tables between savepoints".to_owned()),
            }),
            StatementKind::XaStart
            | StatementKind::XaEnd
            | StatementKind::XaPrepare
            | StatementKind::XaCommit
            | StatementKind::XaRollback => Err(RenderError {
                what: "an XA transaction in the log is not supported by the JSON feed".to_owned(),
                hint: None,
            }),
        }
    }

    fn event(&mut self, context: &EventContext<'_>, _out: &mut Vec<u8>) -> Result<bool, RenderError> {
        match context.event {
            Event::BeginLoadQuery(_)
            | Event::AppendBlock(_)
            | Event::ExecuteLoadQuery(_)
            | Event::DeleteFile(_)
            | Event::ExecLoad(_)
            | Event::Load(_) => Err(not_as_rows("LOAD DATA in statement format")),
            _ => Ok(false),
        }
    }

    fn end(&mut self, _transaction: &TransactionMeta, _out: &mut Vec<u8>) -> Result<(), RenderError> {
        Ok(())
    }

    fn size(out: &Vec<u8>) -> usize {
        out.len()
    }

    fn clear(out: &mut Vec<u8>) {
        out.clear();
    }
}

fn not_as_rows(what: &str) -> RenderError {
    RenderError {
        what: format!("{what} cannot be shown as rows"),
        hint: Some("set binlog_format=ROW at the source, for its sessions as well".to_owned()),
    }
}

impl JsonRenderer {
    /// Shows spatial values in a form.
    #[must_use]
    pub fn new(geometry: GeometryForm) -> Self {
        Self { geometry, ..Self::default() }
    }

    fn render_rows(&mut self, context: &RowsContext<'_>, out: &mut Vec<u8>) -> Result<u64, RowError> {
        let RowsContext { plan, event, .. } = *context;
        if context.transaction.group_end == GroupEnd::Rollback {
            return row::count(plan, event, &mut self.before, &mut self.after);
        }
        self.prepare(context);
        let mut offset = 0;
        let mut count = 0;
        loop {
            offset = row::split(plan, event, offset, &mut self.before, &mut self.after)?;
            let last = offset >= event.rows.len();
            self.row(context, context.first_row + count, last && context.last_in_transaction, out)?;
            count += 1;
            if last {
                return Ok(count);
            }
        }
    }

    /// Makes what all rows of the event have in common.
    fn prepare(&mut self, context: &RowsContext<'_>) {
        let kind: &[u8] = match context.event.kind {
            RowsKind::Write => br#"insert","ts":"#,
            RowsKind::Update => br#"update","ts":"#,
            RowsKind::Delete => br#"delete","ts":"#,
        };
        let mut number = itoa::Buffer::new();
        self.head.clear();
        self.head.extend_from_slice(&context.plan.json_head);
        self.head.extend_from_slice(kind);
        self.head.extend_from_slice(number.format(context.timestamp).as_bytes());
        if let Some(xid) = context.transaction.xid() {
            self.head.extend_from_slice(br#","xid":"#);
            self.head.extend_from_slice(number.format(xid).as_bytes());
        }
        self.middle.clear();
        self.middle.extend_from_slice(&self.place);
        self.middle.extend_from_slice(br#","server_id":"#);
        self.middle.extend_from_slice(number.format(context.server_id).as_bytes());
        self.middle.extend_from_slice(br#","primary_key":["#);
    }

    /// Writes one line.
    fn row(&mut self, context: &RowsContext<'_>, number: u64, commit: bool, out: &mut Vec<u8>) -> Result<(), RowError> {
        let RowsContext { plan, event, .. } = *context;
        out.extend_from_slice(&self.head);
        out.extend_from_slice(if commit { br#","commit":true,"xoffset":"#.as_slice() } else { br#","xoffset":"# });
        out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        out.extend_from_slice(&self.middle);
        let values = Values { plan, rows: event.rows, geometry: self.geometry };
        let Self { before, after, scratch, .. } = self;
        match event.kind {
            RowsKind::Write => values.key_and_data(after, &[], scratch, out)?,
            RowsKind::Delete => values.key_and_data(before, &[], scratch, out)?,
            RowsKind::Update => {
                values.key_and_data(after, before, scratch, out)?;
                out.extend_from_slice(br#","old":"#);
                values.changed(before, after, scratch, out)?;
            }
        }
        out.extend_from_slice(b"}\n");
        Ok(())
    }

    fn write_ddl(&mut self, context: &StatementContext<'_>, out: &mut Vec<u8>) {
        let QueryEvent { database, statement, session, error_code, .. } = context.query;
        let mut number = itoa::Buffer::new();
        out.extend_from_slice(br#"{"type":"ddl","database":"#);
        write_session_text(database, Some(Charset::Utf8mb4), out);
        out.extend_from_slice(br#","sql":"#);
        let charset = session.charset.and_then(|(client, _, _)| Charset::of_collation(client));
        write_session_text(statement, charset, out);
        out.extend_from_slice(br#","ts":"#);
        out.extend_from_slice(number.format(context.timestamp).as_bytes());
        out.extend_from_slice(&self.place);
        out.extend_from_slice(br#","server_id":"#);
        out.extend_from_slice(number.format(context.server_id).as_bytes());
        if *error_code != 0 {
            out.extend_from_slice(br#","error_code":"#);
            out.extend_from_slice(number.format(*error_code).as_bytes());
        }
        out.extend_from_slice(b"}\n");
    }
}

/// A GTID's text; the common form without the formatting machinery, since it is made for every transaction.
fn write_gtid(gtid: &Gtid, out: &mut Vec<u8>) {
    use std::io::Write as _;
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let Gtid::MySql { uuid, tag: None, gno } = gtid else {
        // Writing into a vector cannot fail.
        let _ = write!(out, "{gtid}");
        return;
    };
    for (index, byte) in uuid.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
        out.extend_from_slice(&[digit(byte >> 4), digit(byte & 0x0f)]);
    }
    out.push(b':');
    out.extend_from_slice(itoa::Buffer::new().format(*gno).as_bytes());
}

/// Text of a statement in the character set of its session; bytes that are none are marked.
fn write_session_text(bytes: &[u8], charset: Option<Charset>, out: &mut Vec<u8>) {
    let charset = charset.filter(|charset| *charset != Charset::Binary).unwrap_or(Charset::Utf8mb4);
    match charset.to_utf8(bytes) {
        Ok(text) => json_string(text.as_bytes(), out),
        Err(_) => {
            out.extend_from_slice(br#"{"$base64":""#);
            base64(bytes, out);
            out.extend_from_slice(br#""}"#);
        }
    }
}

/// Reads cells of one event.
struct Values<'a> {
    plan: &'a TablePlan,
    rows: &'a [u8],
    geometry: GeometryForm,
}

impl Values<'_> {
    /// The primary key's values, and then all columns: `main` where it has them, else `other`.
    fn key_and_data(
        &self,
        main: &[Cell],
        other: &[Cell],
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), RowError> {
        let pick = |index: usize| match main.get(index) {
            Some(Cell::Absent) | None => other.get(index).copied().unwrap_or(Cell::Absent),
            Some(cell) => *cell,
        };
        for (place, index) in self.plan.primary_key.iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            if let Some(column) = self.plan.columns.get(*index) {
                self.cell(column, pick(*index), scratch, out)?;
            }
        }
        out.extend_from_slice(br#"],"data":"#);
        // Each key brings its comma; the first one's gives way to the brace.
        let brace = out.len();
        for (index, column) in self.plan.columns.iter().enumerate() {
            let cell = pick(index);
            if cell == Cell::Absent {
                continue;
            }
            column.comma_key.write(out);
            match cell.diff_bytes(self.rows) {
                Some(diffs) => {
                    let document = other.get(index).copied().unwrap_or(Cell::Absent);
                    self.changed_document(column, document, diffs, out)?;
                }
                None => self.cell(column, cell, scratch, out)?,
            }
        }
        open_brace(brace, out);
        out.push(b'}');
        Ok(())
    }

    /// The columns that both images have and that differ, as they were before.
    fn changed(
        &self,
        before: &[Cell],
        after: &[Cell],
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), RowError> {
        let brace = out.len();
        for (column, (old, new)) in self.plan.columns.iter().zip(before.iter().zip(after)) {
            if *old == Cell::Absent || *new == Cell::Absent || self.same(*old, *new) {
                continue;
            }
            column.comma_key.write(out);
            self.cell(column, *old, scratch, out)?;
        }
        open_brace(brace, out);
        out.push(b'}');
        Ok(())
    }

    #[inline]
    fn same(&self, old: Cell, new: Cell) -> bool {
        match new.diff_bytes(self.rows) {
            Some(diffs) => diffs.is_empty(),
            None => old.bytes(self.rows) == new.bytes(self.rows),
        }
    }

    /// A document that is logged as changes to the one before; only the changes where that one is not logged.
    #[cold]
    fn changed_document(
        &self,
        column: &ColumnPlan,
        old: Cell,
        diffs: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), RowError> {
        let written = match old.bytes(self.rows) {
            Some(document) => json_diff::apply(document, diffs, out),
            None if old == Cell::Null => Err("changes to a JSON document that is NULL"),
            None => {
                out.extend_from_slice(br#"{"$json_diff":"#);
                let written = json_diff::write_operations(diffs, out);
                out.push(b'}');
                written
            }
        };
        written.map_err(|what| column.wrong(what))
    }

    #[inline]
    fn cell(&self, column: &ColumnPlan, cell: Cell, scratch: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<(), RowError> {
        match cell.bytes(self.rows) {
            Some(bytes) => value::write(column, bytes, self.geometry, scratch, out),
            None => {
                out.extend_from_slice(b"null");
                Ok(())
            }
        }
    }
}

/// Makes the comma at `at` an opening brace; appends one if nothing was written.
#[inline]
fn open_brace(at: usize, out: &mut Vec<u8>) {
    match out.get_mut(at) {
        Some(comma) => *comma = b'{',
        None => out.push(b'{'),
    }
}
