//! The sink's half at work: statements to the target in order, each answer held against what it must be, and the
//! checkpoint row moved in the same transaction.
//!
//! Changes of rows are sent several in a packet; nothing is committed before all answers were read. Any error leaves
//! the target as it was before the transaction, and the session is given up.
//!
//! A DDL statement takes three commits: the intent, the statement, the checkpoint. After a crash in between, the intent
//! tells what to do: see [`super::checkpoint`].

use super::checkpoint::{Checkpoint, CheckpointSql};
use super::connection::{Answer, Connection};
use super::error::Fault;
use super::facts::Flavor;
use super::fingerprint::fingerprint;
use super::output::{Ddl, MarkKind, RowsMark, Statements};
use super::statement;
use crate::change::{GroupEnd, TransactionMeta};
use crate::position::LogPosition;
use crate::sink::{Ack, Progress, SinkError};

/// Statements are joined up to this many bytes a packet.
const JOIN_BYTES: usize = 128 << 10;

/// Warnings that say nothing about values: deprecated syntax and character sets, and unsafe statements in the target's
/// own log.
const HARMLESS: &[u16] = &[1287, 1592, 1681, 3719, 3720, 3778];

/// The number native replicas report for a row that is not there: ER_KEY_NOT_FOUND.
const KEY_NOT_FOUND: u16 = 1032;

/// What the answer to a queued statement must be.
#[derive(Debug, Clone, Copy)]
enum Expect {
    /// Success.
    Success,
    /// Success on exactly these rows.
    Rows(RowsMark),
    /// Success on the checkpoint row.
    Checkpoint,
}

/// A connection that applies.
#[derive(Debug)]
pub(super) struct Session {
    connection: Connection,
    flavor: Flavor,
    sql: CheckpointSql,
    /// The checkpoint row as it stands on the target.
    stored: Option<Checkpoint>,
    /// The row's intent was there when the session began: a DDL statement was under way.
    resumed: Option<(LogPosition, String)>,
    /// Transactions without effect on the target, not yet in the checkpoint row.
    folded: Option<Checkpoint>,
    /// The source's transaction under way.
    current: Option<TransactionMeta>,
    /// A transaction is open on the target.
    open: bool,
    /// A DDL statement of the transaction under way has been run.
    ddl_done: bool,
    /// The row event flags that the session has.
    flags: u16,
    /// The session's sql_mode is the lenient one.
    lenient: bool,
    send: Vec<u8>,
    queued: Vec<Expect>,
    answers: Vec<Answer>,
}

impl Session {
    pub(super) fn new(connection: Connection, flavor: Flavor, sql: CheckpointSql, stored: Option<Checkpoint>) -> Self {
        let resumed = stored
            .as_ref()
            .and_then(|row| row.intent.as_ref().map(|intent| (row.progress.position.clone(), intent.clone())));
        Self {
            connection,
            flavor,
            sql,
            stored,
            resumed,
            folded: None,
            current: None,
            open: false,
            ddl_done: false,
            flags: 0,
            lenient: false,
            send: Vec::new(),
            queued: Vec::new(),
            answers: Vec::new(),
        }
    }

    /// Where the target stands.
    pub(super) fn progress(&self) -> Option<Progress> {
        self.stored.as_ref().map(|row| row.progress.clone())
    }

    /// Applies a piece.
    pub(super) fn apply(&mut self, piece: &Statements, upto: Option<&Progress>) -> Result<Ack, SinkError> {
        let uuid = upto.and_then(|progress| progress.source_uuid.clone());
        let result = self.run(piece, uuid.as_deref());
        if let (Ok(()), Some(progress)) = (&result, upto) {
            self.skip_to(progress);
        }
        match result {
            Ok(()) if upto.is_some_and(|progress| self.holds(progress)) => Ok(Ack::Durable),
            Ok(()) => Ok(Ack::Accepted),
            Err(error) => {
                if !matches!(error, SinkError::Cancelled) {
                    // If this fails the connection is gone, and the server rolls back by itself.
                    let _ = self.connection.execute(b"ROLLBACK");
                }
                Err(locate(error, self.current.as_ref()))
            }
        }
    }

    /// Whether the checkpoint row says that the target is as far as this.
    fn holds(&self, progress: &Progress) -> bool {
        self.folded.is_none() && self.stored.as_ref().is_some_and(|row| row.progress.position >= progress.position)
    }

    /// Takes note of progress past the last transaction: parts of the log that hold nothing to apply. Where there is no
    /// row yet it will be the first one: no progress is durable that no row holds.
    fn skip_to(&mut self, progress: &Progress) {
        let known = self.folded.as_ref().or(self.stored.as_ref());
        let ahead = known.is_none_or(|row| row.intent.is_none() && row.progress.position < progress.position);
        if ahead && self.current.is_none() {
            let gtid = known.and_then(|row| row.gtid.clone());
            let source_uuid = self.uuid(progress.source_uuid.as_deref());
            let progress = Progress { position: progress.position.clone(), source_uuid };
            self.folded = Some(Checkpoint { progress, gtid, intent: None });
        }
    }

    /// Writes the checkpoint of transactions that had no effect on the target. While a transaction is open on the
    /// target there is none to write: it was written before, see [`Self::begin`].
    pub(super) fn flush(&mut self) -> Result<(), SinkError> {
        if self.open {
            return Ok(());
        }
        self.folded.take().map_or(Ok(()), |next| self.move_checkpoint(next))
    }

    fn run(&mut self, piece: &Statements, uuid: Option<&str>) -> Result<(), SinkError> {
        let mut start = 0;
        for (at, mark) in piece.marks.iter().enumerate() {
            let bytes = piece.bytes.get(start..mark.end).unwrap_or_default();
            start = mark.end;
            match &mark.kind {
                MarkKind::Begin { transaction, continued } => {
                    let rest = piece.marks.get(at..).unwrap_or_default();
                    let whole = rest.iter().any(|mark| mark.kind == MarkKind::End);
                    self.begin(piece.transactions.get(*transaction), *continued, whole)?;
                }
                MarkKind::Rows(rows) => self.rows(piece, bytes, *rows)?,
                MarkKind::Session => {
                    self.ensure_open(piece)?;
                    self.send(piece)?;
                    self.execute(bytes, "setting the session of a statement")?;
                }
                MarkKind::Statement { expected_error } => self.statement(bytes, *expected_error)?,
                MarkKind::Ddl(index) => match piece.ddl.get(*index) {
                    Some(ddl) => self.ddl(bytes, ddl, uuid)?,
                    None => return Err(out_of_order()),
                },
                MarkKind::End => self.end(piece, uuid)?,
                // Made for text only.
                MarkKind::Xa { .. } | MarkKind::File { .. } | MarkKind::Load { .. } => return Err(out_of_order()),
            }
        }
        self.send(piece)
    }

    /// A transaction that does not end in this piece stays open until a later one. Nothing else can be committed
    /// meanwhile, so the checkpoint of what was before it is written first.
    fn begin(&mut self, meta: Option<&TransactionMeta>, continued: bool, whole: bool) -> Result<(), SinkError> {
        match (meta, continued, &self.current) {
            (Some(meta), false, None) => {
                if !whole {
                    self.flush()?;
                }
                self.current = Some(meta.clone());
                self.ddl_done = false;
                Ok(())
            }
            (Some(meta), true, Some(current)) if current.start == meta.start => Ok(()),
            _ => Err(out_of_order()),
        }
    }

    fn ensure_open(&mut self, piece: &Statements) -> Result<(), SinkError> {
        if !self.open {
            self.queue(piece, b"BEGIN", Expect::Success)?;
            self.open = true;
        }
        Ok(())
    }

    fn rows(&mut self, piece: &Statements, bytes: &[u8], mark: RowsMark) -> Result<(), SinkError> {
        self.ensure_open(piece)?;
        if mark.flags != self.flags {
            let foreign_keys = u8::from(mark.flags & 0x2 == 0);
            let unique = u8::from(mark.flags & 0x4 == 0);
            let set = format!("SET foreign_key_checks = {foreign_keys}, unique_checks = {unique}");
            self.queue(piece, set.as_bytes(), Expect::Success)?;
            self.flags = mark.flags;
        }
        let lenient = mark.warnings > 0;
        if lenient != self.lenient {
            let set = if lenient { statement::lenient_mode() } else { statement::strict_mode() };
            self.queue(piece, &set, Expect::Success)?;
            self.lenient = lenient;
        }
        self.queue(piece, bytes, Expect::Rows(mark))?;
        // The last of its packet is the one whose warnings can be asked for.
        if mark.alone { self.send(piece) } else { Ok(()) }
    }

    /// A statement of the source inside a transaction.
    fn statement(&mut self, bytes: &[u8], expected_error: u16) -> Result<(), SinkError> {
        let result = self.connection.execute(bytes).map(|_| ());
        as_expected(result, expected_error).map_err(|fault| fault.applying("replaying a statement", None))
    }

    fn end(&mut self, piece: &Statements, uuid: Option<&str>) -> Result<(), SinkError> {
        let Some(meta) = self.current.clone() else { return Err(out_of_order()) };
        let next = Checkpoint {
            progress: Progress { position: meta.end.clone(), source_uuid: self.uuid(uuid) },
            gtid: meta.gtid.as_ref().map(ToString::to_string),
            intent: None,
        };
        if self.open && meta.group_end == GroupEnd::Rollback {
            self.send(piece)?;
            self.execute(b"ROLLBACK", "rolling back as the source did")?;
            self.open = false;
            self.folded = Some(next);
        } else if self.open {
            let sql = self.checkpoint_sql(&next);
            self.queue(piece, &sql, Expect::Checkpoint)?;
            self.send(piece)?;
            self.execute(b"COMMIT", "committing")?;
            self.open = false;
            self.stored = Some(next);
            self.folded = None;
        } else if self.ddl_done {
            self.move_checkpoint(next)?;
            self.folded = None;
        } else {
            self.folded = Some(next);
        }
        self.current = None;
        Ok(())
    }

    /// The source's UUID: as said now, else as said before.
    fn uuid(&self, uuid: Option<&str>) -> Option<String> {
        uuid.map(str::to_owned).or_else(|| self.stored.as_ref().and_then(|row| row.progress.source_uuid.clone()))
    }

    fn checkpoint_sql(&self, next: &Checkpoint) -> Vec<u8> {
        match &self.stored {
            Some(stored) => self.sql.update(stored, next),
            None => self.sql.insert(next),
        }
    }

    /// Moves the checkpoint row in a transaction of its own.
    fn move_checkpoint(&mut self, next: Checkpoint) -> Result<(), SinkError> {
        let sql = self.checkpoint_sql(&next);
        let answer = self.execute(&sql, "moving the checkpoint")?;
        if answer.rows != 1 {
            return Err(checkpoint_lost());
        }
        self.stored = Some(next);
        Ok(())
    }

    fn execute(&mut self, sql: &[u8], doing: &str) -> Result<Answer, SinkError> {
        self.connection.execute(sql).map_err(|fault| fault.plain(doing))
    }

    /// Puts a statement into the packet to be sent.
    fn queue(&mut self, piece: &Statements, sql: &[u8], expect: Expect) -> Result<(), SinkError> {
        if !self.queued.is_empty() && self.send.len().saturating_add(sql.len()) > JOIN_BYTES {
            self.send(piece)?;
        }
        if !self.queued.is_empty() {
            self.send.push(b';');
        }
        self.send.extend_from_slice(sql);
        self.queued.push(expect);
        Ok(())
    }

    /// Sends what is queued and checks every answer.
    fn send(&mut self, piece: &Statements) -> Result<(), SinkError> {
        if self.queued.is_empty() {
            return Ok(());
        }
        let result = self.connection.execute_joined(&self.send, self.queued.len(), &mut self.answers);
        let queued = std::mem::take(&mut self.queued);
        self.send.clear();
        for (i, (expect, answer)) in queued.iter().zip(&self.answers).enumerate() {
            let last = i.saturating_add(1) == queued.len();
            check(&mut self.connection, piece, *expect, *answer, last)?;
        }
        match (result, queued.get(self.answers.len())) {
            (Ok(()), _) => {}
            (Err(fault), Some(Expect::Rows(mark))) => {
                let table = piece.tables.get(mark.table).map(|table| table.name.as_str());
                return Err(fault.applying(&format!("{} rows", mark.verb.doing()), table));
            }
            (Err(fault), Some(Expect::Checkpoint)) => return Err(fault.plain("moving the checkpoint")),
            (Err(fault), _) => return Err(fault.plain("applying a transaction")),
        }
        self.queued = queued;
        self.queued.clear();
        Ok(())
    }

    /// A statement that commits by itself.
    fn ddl(&mut self, text: &[u8], ddl: &Ddl, uuid: Option<&str>) -> Result<(), SinkError> {
        let Some(meta) = self.current.clone() else { return Err(out_of_order()) };
        if self.open || self.ddl_done {
            return Err(SinkError::Rejected {
                code: None,
                what: "a DDL statement stands behind other changes of its transaction, where it cannot be replayed exactly once".to_owned(),
                table: None,
                hint: None,
                at: None,
            });
        }
        let resumed = self.resumed.take().filter(|(position, _)| *position == meta.start).map(|(_, intent)| intent);
        let now = fingerprint(&mut self.connection, self.flavor, &ddl.schemas)
            .map_err(|fault| fault.plain("reading the target's catalog"))?;
        let again = resumed.is_some();
        let happened = resumed.is_some_and(|before| before != now) && !ddl.repeatable;
        if !again {
            let intent = Checkpoint {
                progress: Progress { position: meta.start.clone(), source_uuid: self.uuid(uuid) },
                gtid: self.folded.as_ref().or(self.stored.as_ref()).and_then(|row| row.gtid.clone()),
                intent: Some(now),
            };
            self.move_checkpoint(intent)?;
            self.folded = None;
        }
        if !happened {
            self.execute(&ddl.choose, "choosing the statement's default database")?;
            self.execute(&ddl.session, "setting the session of a statement")?;
            let result = self.connection.execute(text).map(|_| ());
            match as_expected(result, ddl.expected_error) {
                Err(fault) if again && fault.is_already_so() => {}
                result => result.map_err(|fault| fault.applying("replaying a statement", None))?,
            }
            self.execute(&ddl.restore, "restoring the session for rows")?;
            self.flags = 0;
            self.lenient = false;
        }
        self.ddl_done = true;
        Ok(())
    }
}

/// Holds an answer against what it must be.
fn check(
    connection: &mut Connection,
    piece: &Statements,
    expect: Expect,
    answer: Answer,
    last: bool,
) -> Result<(), SinkError> {
    let mark = match expect {
        Expect::Success => return Ok(()),
        Expect::Checkpoint if answer.rows == 1 => return Ok(()),
        Expect::Checkpoint => return Err(checkpoint_lost()),
        Expect::Rows(mark) => mark,
    };
    let table = piece.tables.get(mark.table);
    let name = table.map(|table| table.name.clone());
    let doing = mark.verb.doing();
    if answer.rows != mark.rows {
        let key = table.map(|table| table.key.as_str()).filter(|key| !key.is_empty());
        let by = key.map_or("the whole row".to_owned(), |key| format!("key ({key})"));
        return Err(SinkError::Rejected {
            code: Some(KEY_NOT_FOUND),
            what: format!("{doing} rows: {} of {} rows found on the target by {by}", answer.rows, mark.rows),
            table: name,
            hint: Some(
                "the target lacks rows that the source had at this point: compare the two and repair the target"
                    .to_owned(),
            ),
            at: None,
        });
    }
    if answer.warnings <= mark.warnings {
        return Ok(());
    }
    let unexpected =
        if last { warnings(connection)? } else { Some((None, "values were changed on the way".to_owned())) };
    match unexpected {
        None => Ok(()),
        Some((code, what)) => Err(SinkError::Rejected {
            code,
            what: format!("{doing} rows: the target warned: {what}"),
            table: name,
            hint: Some("the target's column cannot hold the source's value: make the tables alike".to_owned()),
            at: None,
        }),
    }
}

/// The first warning of the last statement that matters, as its number and a text without values.
fn warnings(connection: &mut Connection) -> Result<Option<(Option<u16>, String)>, SinkError> {
    let rows: Vec<(Vec<u8>, u16, Vec<u8>)> =
        connection.query(b"SHOW WARNINGS").map_err(|fault| fault.plain("asking for warnings"))?;
    let bad = rows.into_iter().find(|(_, code, _)| !HARMLESS.contains(code));
    Ok(bad.map(|(_, code, message)| {
        let message = String::from_utf8_lossy(&message).into_owned();
        let text = Fault::Server { code, message }.speakable();
        (Some(code), format!("{code}: {text}"))
    }))
}

/// A statement that failed at the source must fail in the same way here.
fn as_expected(result: Result<(), Fault>, expected_error: u16) -> Result<(), Fault> {
    match result {
        Err(fault) if expected_error != 0 && fault.code() == Some(expected_error) => Ok(()),
        Ok(()) if expected_error != 0 => Err(Fault::Unusable(format!(
            "the statement failed at the source with error {expected_error} and succeeded here"
        ))),
        other => other,
    }
}

fn locate(error: SinkError, meta: Option<&TransactionMeta>) -> SinkError {
    match error {
        SinkError::Rejected { code, what, table, hint, at: None } => {
            SinkError::Rejected { code, what, table, hint, at: meta.cloned().map(Box::new) }
        }
        other => other,
    }
}

fn checkpoint_lost() -> SinkError {
    SinkError::Rejected {
        code: None,
        what: "the checkpoint row on the target is not where this process left it".to_owned(),
        table: None,
        hint: Some("another process may be applying the same channel to this target: stop one of them".to_owned()),
        at: None,
    }
}

fn out_of_order() -> SinkError {
    SinkError::Rejected {
        code: None,
        what: "the sink was given the pieces of a transaction out of order".to_owned(),
        table: None,
        hint: None,
        at: None,
    }
}
