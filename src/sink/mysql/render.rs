//! The worker's half: row events and statements to SQL text with what each answer must be.
//!
//! Rows of one table and kind that follow one another become one statement as long as that changes nothing: INSERT with
//! many rows, DELETE with many keys; UPDATE is one statement a row. A row is found by the target's primary key, else
//! by a unique key without NULLs, else by the whole image. It knows the target only by its [`Facts`] and the table's
//! definition, and sends nothing.

use std::borrow::Cow;
use std::sync::{Arc, RwLock};

use super::assumed;
use super::ddl;
use super::facts::Facts;
use super::literal;
use super::offline::Offline;
use super::output::{Ddl, MarkKind, RowsMark, Statements, Verb};
use super::reverse;
use super::statement;
use super::table::Target;
use crate::binlog::event::{ExecuteLoadQueryEvent, LoadDuplicates, RowsEvent, RowsKind};
use crate::change::{GroupEnd, TransactionMeta};
use crate::row::{Cell, split};
use crate::sink::{EventContext, RenderError, Renderer, RowsContext, StatementContext};
use crate::statement::{StatementKind, classify};

/// No statement that holds several rows grows past this many bytes.
const MERGE_BYTES: usize = 1 << 20;
/// Most rows of one INSERT.
const INSERT_ROWS: u64 = 1000;
/// Most keys of one DELETE: both families give up on range access for long lists.
const DELETE_ROWS: u64 = 500;
/// What the packet of a statement needs besides its text.
const PACKET_RESERVE: usize = 1024;

/// The facts of the target as the sink last read them.
pub(super) type SharedFacts = Arc<RwLock<Option<Arc<Facts>>>>;

/// Renders for a MySQL or MariaDB target.
#[derive(Debug)]
pub struct MysqlRenderer {
    shared: SharedFacts,
    /// Nobody is connected: it is text that is written.
    offline: Option<Offline>,
    facts: Option<Arc<Facts>>,
    before: Vec<Cell>,
    after: Vec<Cell>,
    /// The first words of the statement being written.
    prefix: Vec<u8>,
    /// The row being written.
    row: Vec<u8>,
}

impl MysqlRenderer {
    pub(super) fn new(shared: SharedFacts) -> Self {
        Self {
            shared,
            offline: None,
            facts: None,
            before: Vec::new(),
            after: Vec::new(),
            prefix: Vec::new(),
            row: Vec::new(),
        }
    }

    /// Renders for whoever executes the text later, with what the log alone says about tables that nobody describes.
    pub(in crate::sink) fn offline(offline: Offline) -> Self {
        Self { offline: Some(offline), ..Self::new(SharedFacts::default()) }
    }

    fn facts(&self) -> Result<Arc<Facts>, RenderError> {
        self.facts.clone().ok_or_else(|| refused("the target was not opened before its renderer was used"))
    }
}

pub(super) fn refused(what: impl Into<String>) -> RenderError {
    RenderError { what: what.into(), hint: None }
}

impl Renderer for MysqlRenderer {
    type Output = Statements;

    fn begin(&mut self, meta: &TransactionMeta, continued: bool, out: &mut Statements) -> Result<(), RenderError> {
        self.facts = match &self.offline {
            Some(offline) => Some(offline.facts(meta)),
            None => self.shared.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone(),
        };
        let transaction = out.transactions.len();
        out.transactions.push(meta.clone());
        out.mark(MarkKind::Begin { transaction, continued });
        Ok(())
    }

    fn rows(&mut self, context: &RowsContext<'_>, out: &mut Statements) -> Result<u64, RenderError> {
        let facts = self.facts()?;
        let assumed;
        let target = match (&self.offline, context.plan.def.as_deref()) {
            (None, _) => Target::of(context.plan, &facts)?,
            (Some(_), Some(def)) => Target::with(context.plan, def, &facts)?,
            (Some(_), None) => {
                assumed = assumed::definition(context.plan);
                Target { named: context.plan.named, ..Target::with(context.plan, &assumed, &facts)? }
            }
        };
        let reversed = self.offline.as_ref().is_some_and(|offline| offline.reverse);
        let event = context.event;
        let mut offset = 0;
        let mut count = 0;
        loop {
            offset = split(context.plan, event, offset, &mut self.before, &mut self.after)
                .map_err(|error| refused(error.to_string()))?;
            let kind = match reversed {
                true => reverse::row(event.kind, &mut self.before, &mut self.after, &target)?,
                false => event.kind,
            };
            match kind {
                RowsKind::Write => self.insert(&target, event, out)?,
                RowsKind::Update => self.update(&target, event, out)?,
                RowsKind::Delete => self.delete(&target, event, out)?,
            }
            count += 1;
            if offset >= event.rows.len() {
                return Ok(count);
            }
        }
    }

    fn statement(&mut self, context: &StatementContext<'_>, out: &mut Statements) -> Result<(), RenderError> {
        let facts = self.facts()?;
        let query = context.query;
        let read = ddl::Statement::read(query.statement);
        if read.xa && self.offline.is_some() {
            let open = matches!(classify(query.statement), StatementKind::XaStart | StatementKind::XaEnd);
            out.bytes.extend_from_slice(query.statement);
            out.mark(MarkKind::Xa { open });
            return Ok(());
        }
        if read.xa {
            return Err(RenderError {
                what: "the source logged an XA transaction, which this sink does not replay".to_owned(),
                hint: Some("end XA transactions at the source and start behind them".to_owned()),
            });
        }
        let (session, restore) = statement::session(context, &facts)?;
        let database = Some(query.database)
            .filter(|name| !name.is_empty() && read.database.as_deref() != Some(*name))
            .unwrap_or(facts.checkpoint_database.as_bytes());
        let mut choose = Vec::new();
        if !database.is_empty() {
            choose.extend_from_slice(b"USE ");
            literal::identifier(&mut choose, database);
        }
        let text = match &self.offline {
            // What the log says is all that is wanted, scheduled events included.
            Some(_) => Cow::Borrowed(read.logged(query.statement)),
            None => read.text(query.statement),
        };
        let text = &*text;
        if text.len().saturating_add(PACKET_RESERVE) > facts.max_packet {
            return Err(too_large(text.len(), facts.max_packet));
        }
        if context.transaction.group_end == GroupEnd::Standalone || read.commits {
            let mut schemas = read.schemas;
            if !query.database.is_empty() && !schemas.iter().any(|schema| schema == query.database) {
                schemas.push(query.database.to_vec());
            }
            let index = out.ddl.len();
            out.bytes.extend_from_slice(text);
            out.ddl.push(Ddl {
                session,
                restore,
                choose,
                schemas,
                repeatable: read.repeatable,
                expected_error: query.error_code,
            });
            out.mark(MarkKind::Ddl(index));
            return Ok(());
        }
        let mut push = |bytes: &[u8], kind| {
            out.bytes.extend_from_slice(bytes);
            out.mark(kind);
        };
        push(&choose, MarkKind::Session);
        push(&session, MarkKind::Session);
        push(text, MarkKind::Statement { expected_error: query.error_code });
        push(&restore, MarkKind::Session);
        Ok(())
    }

    fn end(&mut self, _meta: &TransactionMeta, out: &mut Statements) -> Result<(), RenderError> {
        out.mark(MarkKind::End);
        Ok(())
    }

    fn size(out: &Statements) -> usize {
        out.bytes.len()
    }

    fn clear(out: &mut Statements) {
        out.clear();
    }
}

impl MysqlRenderer {
    /// LOAD DATA of a file whose blocks were handed on before, in the session it had.
    pub(in crate::sink) fn load(
        &mut self,
        context: &EventContext<'_>,
        load: &ExecuteLoadQueryEvent<'_>,
        out: &mut Statements,
    ) -> Result<(), RenderError> {
        let facts = self.facts()?;
        let query = &load.query;
        let EventContext { transaction, inputs, timestamp, server_id, .. } = *context;
        let statement = StatementContext { transaction, query, inputs, timestamp, server_id };
        let (session, restore) = statement::session(&statement, &facts)?;
        if !query.database.is_empty() {
            out.bytes.extend_from_slice(b"USE ");
            literal::identifier(&mut out.bytes, query.database);
            out.mark(MarkKind::Session);
        }
        out.bytes.extend_from_slice(&session);
        out.mark(MarkKind::Session);
        let place = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
        let (start, end) = (place(load.fn_pos_start), place(load.fn_pos_end));
        let parts = query.statement.get(..start).zip(query.statement.get(end..));
        let (head, tail) = parts.ok_or_else(|| refused("LOAD DATA without a place for the file's name"))?;
        out.bytes.extend_from_slice(head);
        let words: &[u8] = match load.duplicates {
            LoadDuplicates::Replace => b" REPLACE INTO",
            LoadDuplicates::Error | LoadDuplicates::Ignore => b" INTO",
        };
        out.bytes.extend_from_slice(words);
        out.bytes.extend_from_slice(tail);
        out.mark(MarkKind::Load { id: load.file_id, at: start, expected_error: query.error_code });
        out.bytes.extend_from_slice(&restore);
        out.mark(MarkKind::Session);
        Ok(())
    }

    fn insert(&mut self, target: &Target<'_>, event: &RowsEvent<'_>, out: &mut Statements) -> Result<(), RenderError> {
        let Self { offline, after, prefix, row, .. } = self;
        prefix.clear();
        row.clear();
        prefix.extend_from_slice(b"INSERT INTO ");
        prefix.extend_from_slice(&target.name);
        prefix.extend_from_slice(if target.named { b" (" } else { b"" });
        row.push(b'(');
        let mut warnings = 0;
        let mut first = true;
        for (column, cell) in target.columns.iter().zip(after.iter()) {
            if column.def.generated {
                continue;
            }
            if matches!(cell, Cell::Absent) {
                // A MINIMAL image leaves the column to its default, which it may have to invent.
                warnings += u64::from(!column.def.nullable);
                if target.named {
                    continue;
                }
            }
            if !first {
                if target.named {
                    prefix.push(b',');
                }
                row.push(b',');
            }
            first = false;
            if !target.named && matches!(cell, Cell::Absent) {
                row.extend_from_slice(b"DEFAULT");
                continue;
            }
            if target.named {
                prefix.extend_from_slice(&column.name);
            }
            warnings += target.value(row, column, *cell, event.rows)?;
        }
        prefix.extend_from_slice(if target.named { b") VALUES " } else { b" VALUES " });
        row.push(b')');
        let flags = flags(event);
        let alone = target.deprecated;
        // Reversed rows are put together in their own order.
        let open = offline.as_ref().is_none_or(|offline| !offline.reverse);
        let (head, changes) = (prefix.len(), true);
        let mark = RowsMark { verb: Verb::Insert, table: 0, rows: 1, warnings, flags, alone, open, head, changes };
        let joint = Joint { before: b",", after: b"", most: INSERT_ROWS };
        push_row(out, target, prefix, row, mark, "", &joint)
    }

    fn update(&mut self, target: &Target<'_>, event: &RowsEvent<'_>, out: &mut Statements) -> Result<(), RenderError> {
        assumed::must_be_named(target)?;
        let Self { offline, before, after, prefix, row, .. } = self;
        prefix.clear();
        row.clear();
        prefix.extend_from_slice(b"UPDATE ");
        prefix.extend_from_slice(&target.name);
        prefix.extend_from_slice(b" SET ");
        let (mut warnings, mut changes) = (0, false);
        for ((column, old), new) in target.columns.iter().zip(before.iter()).zip(after.iter()) {
            if column.def.generated {
                continue;
            }
            if let Some(diffs) = new.diff_bytes(event.rows) {
                if !diffs.is_empty() {
                    comma(row);
                    target.change_document(row, column, *old, diffs, event.rows)?;
                    changes = true;
                }
            } else if !matches!(new, Cell::Absent) && differs(*old, *new, event.rows) {
                comma(row);
                row.extend_from_slice(&column.name);
                row.push(b'=');
                warnings += target.value(row, column, *new, event.rows)?;
                changes = true;
            } else if matches!(column.def.data_type.as_str(), "timestamp" | "datetime") {
                // Keeps ON UPDATE CURRENT_TIMESTAMP from changing what the source did not change.
                comma(row);
                column.to_itself(row);
            }
        }
        let key = target.key(before);
        if !changes && offline.as_ref().is_some_and(|offline| offline.reverse) {
            return Ok(());
        }
        if row.is_empty() {
            let any = key.and_then(|key| key.first()).and_then(|at| target.columns.get(*at));
            let any = any.or_else(|| target.columns.iter().find(|column| !column.def.generated));
            any.ok_or_else(|| refused(format!("{} has no column that can be written", target.display)))?.to_itself(row);
        }
        row.extend_from_slice(b" WHERE ");
        let whole = offline.as_ref().is_some_and(|offline| offline.whole_image);
        target.find(row, key, before, event.rows, whole)?;
        if event.partial {
            target.documents_fit(row, after, event.rows)?;
            if whole || key.is_none() {
                // Reversed, the changed document is that before with the changes.
                target.documents_are(row, before, after, event.rows)?;
            }
        }
        if key.is_none() {
            row.extend_from_slice(b" LIMIT 1");
        }
        let flags = flags(event);
        let alone = target.deprecated || key.is_none();
        let (open, head) = (false, prefix.len());
        let mark = RowsMark { verb: Verb::Update, table: 0, rows: 1, warnings, flags, alone, open, head, changes };
        let names = target.key_names(key);
        push_row(out, target, prefix, row, mark, &names, &Joint { before: b"", after: b"", most: 1 })
    }

    fn delete(&mut self, target: &Target<'_>, event: &RowsEvent<'_>, out: &mut Statements) -> Result<(), RenderError> {
        assumed::must_be_named(target)?;
        let Self { offline, before, prefix, row, .. } = self;
        let whole = offline.as_ref().is_some_and(|offline| offline.whole_image);
        prefix.clear();
        row.clear();
        prefix.extend_from_slice(b"DELETE FROM ");
        prefix.extend_from_slice(&target.name);
        prefix.extend_from_slice(b" WHERE ");
        let key = target.key(before);
        let open = key.is_some() && !target.cascades && offline.is_none();
        let single = match key {
            Some([at]) if !whole => target.columns.get(*at).zip(before.get(*at)),
            _ => None,
        };
        let single = single.filter(|(column, cell)| !column.is_no_text(**cell, event.rows));
        let joint = if let Some((column, cell)) = single {
            prefix.extend_from_slice(&column.name);
            prefix.extend_from_slice(b" IN (");
            target.value(row, column, *cell, event.rows)?;
            row.push(b')');
            Joint { before: b",", after: b")", most: DELETE_ROWS }
        } else {
            row.push(b'(');
            target.find(row, key, before, event.rows, whole)?;
            row.push(b')');
            if key.is_none() {
                row.extend_from_slice(b" LIMIT 1");
            }
            Joint { before: b" OR ", after: b"", most: DELETE_ROWS }
        };
        let flags = flags(event);
        let alone = target.deprecated || key.is_none();
        let (head, changes, warnings) = (prefix.len(), true, 0);
        let mark = RowsMark { verb: Verb::Delete, table: 0, rows: 1, warnings, flags, alone, open, head, changes };
        let names = target.key_names(key);
        push_row(out, target, prefix, row, mark, &names, &joint)
    }
}

fn flags(event: &RowsEvent<'_>) -> u16 {
    event.flags & RowsMark::SESSION_FLAGS
}

fn comma(row: &mut Vec<u8>) {
    if !row.is_empty() {
        row.push(b',');
    }
}

/// Whether an update changes a cell.
fn differs(old: Cell, new: Cell, rows: &[u8]) -> bool {
    match (old, new) {
        (Cell::Null, Cell::Null) => false,
        (Cell::At { .. }, Cell::At { .. }) => bytes_of(old, rows) != bytes_of(new, rows),
        _ => true,
    }
}

/// The bytes of a cell that has some.
pub(super) fn bytes_of(cell: Cell, rows: &[u8]) -> Option<&[u8]> {
    match cell {
        Cell::At { start, end } => rows.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?),
        _ => None,
    }
}

/// How rows are put together into one statement.
struct Joint {
    before: &'static [u8],
    /// What closes the list; every row ends with it, and a further row is put before it.
    after: &'static [u8],
    most: u64,
}

/// Appends a row to the statement before it if that has the same first words and room, else makes a new statement.
fn push_row(
    out: &mut Statements,
    target: &Target<'_>,
    prefix: &[u8],
    row: &[u8],
    mut mark: RowsMark,
    key: &str,
    joint: &Joint,
) -> Result<(), RenderError> {
    let length = prefix.len().saturating_add(row.len());
    if length.saturating_add(PACKET_RESERVE) > target.facts.max_packet {
        return Err(too_large(length, target.facts.max_packet));
    }
    let bound = MERGE_BYTES.min(target.facts.max_packet.saturating_sub(PACKET_RESERVE));
    let start = match out.marks.as_slice() {
        [.., before, _] => before.end,
        _ => 0,
    };
    if let Some(last) = out.marks.last_mut()
        && let MarkKind::Rows(open) = &mut last.kind
        && (open.open, open.verb, open.flags) == (mark.open, mark.verb, mark.flags)
        && open.open
        && open.rows < joint.most
        && last.end.saturating_sub(start).saturating_add(row.len()) < bound
        && out.bytes.get(start..).is_some_and(|statement| statement.starts_with(prefix))
    {
        out.bytes.truncate(out.bytes.len().saturating_sub(joint.after.len()));
        out.bytes.extend_from_slice(joint.before);
        out.bytes.extend_from_slice(row);
        open.rows = open.rows.saturating_add(1);
        open.warnings = open.warnings.saturating_add(mark.warnings);
        last.end = out.bytes.len();
        return Ok(());
    }
    mark.table = out.table(&target.display, key);
    out.bytes.extend_from_slice(prefix);
    out.bytes.extend_from_slice(row);
    out.mark(MarkKind::Rows(mark));
    Ok(())
}

fn too_large(length: usize, max_packet: usize) -> RenderError {
    RenderError {
        what: format!("a statement of {length} bytes does not fit the target's max_allowed_packet of {max_packet}"),
        hint: Some("raise max_allowed_packet on the target (at most 1 GiB) and start again".to_owned()),
    }
}
