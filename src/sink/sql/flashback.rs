//! `flashback`: the reverse of each row change, the last one first.
//!
//! Workers render each change reversed; the statements are piled up on disk in the order of the log and written from
//! the top. Nothing is printed before the whole range is read: half of an undo is worse than none.

use super::FlashbackOptions;
use super::output::Output;
use super::render::FlashbackRenderer;
use super::session::{self, Session, line};
use super::spool::{Kind, Record, Spool};
use crate::binlog::event::RowsEvent;
use crate::change::TransactionMeta;
use crate::sink::mysql::Statements;
use crate::sink::mysql::output::{MarkKind, RowsMark, Verb};
use crate::sink::{Ack, Progress, Sink, SinkError};

/// What the check after a change says; it stands in an error message of the server.
const CHANGED_SINCE: &str = "replicate: the row is not as the log left it";

/// In a record's flags, beside those of the row event: the change needs the lenient `sql_mode`.
const LENIENT: u8 = 0x80;

/// No INSERT of several rows grows past this many bytes.
const INSERT_BYTES: usize = 1 << 20;
/// Most rows of one INSERT.
const INSERT_ROWS: usize = 1000;

/// Writes a script that undoes what was logged.
#[derive(Debug)]
pub struct FlashbackSink {
    options: FlashbackOptions,
    out: Output,
    spool: Option<Spool>,
    current: Option<TransactionMeta>,
    /// The transaction under way has a change.
    begun: bool,
    /// The row events' flags of the transaction under way, put together.
    flags: u8,
}

impl FlashbackSink {
    /// To standard output.
    #[must_use]
    pub fn stdout(options: FlashbackOptions) -> Self {
        Self::into_output(Output::stdout(), options)
    }

    pub(super) fn into_output(out: Output, options: FlashbackOptions) -> Self {
        Self { options, out, spool: None, current: None, begun: false, flags: 0 }
    }

    fn spool(&mut self) -> Result<&mut Spool, SinkError> {
        self.spool.as_mut().ok_or_else(|| SinkError::Unavailable { what: "the sink is not open".to_owned() })
    }

    fn rows(&mut self, bytes: &[u8], mark: &RowsMark) -> Result<(), SinkError> {
        if !std::mem::replace(&mut self.begun, true) {
            self.spool()?.push(Record { kind: Kind::Begin, head: 0, flags: 0 }, b"")?;
        }
        let kind = if mark.verb == Verb::Insert { Kind::Insert } else { Kind::Change };
        let flags = u8::try_from(mark.flags).unwrap_or(0);
        self.flags |= flags;
        let flags = flags | if session::is_lenient(mark) { LENIENT } else { 0 };
        self.spool()?.push(Record { kind, head: mark.head, flags }, bytes)
    }

    fn end(&mut self) -> Result<(), SinkError> {
        let Some(meta) = self.current.take() else { return Ok(()) };
        let flags = std::mem::take(&mut self.flags);
        if std::mem::take(&mut self.begun) {
            let mut text = Vec::new();
            session::comment(&mut text, "undoes ", &meta);
            self.spool()?.push(Record { kind: Kind::End, head: 0, flags }, &text)?;
        }
        Ok(())
    }

    /// Writes the script, now that its first statement is known.
    ///
    /// # Errors
    /// When it cannot be written, or the temporary file not be read.
    pub fn finish(&mut self) -> Result<(), SinkError> {
        let mut spool = self.spool.take().ok_or_else(|| SinkError::Unavailable { what: "not open".to_owned() })?;
        let title = "Undoes what a binary log says: feed it to 'mysql --binary-mode' as a whole.";
        Session::preamble(&mut self.out.text, title);
        let FlashbackOptions { unchecked, single_transaction: single, .. } = self.options;
        let mut script = Backward { single, session: Session::new(unchecked), ..Backward::default() };
        if single {
            line(&mut self.out.text, b"BEGIN");
        }
        let mut bytes = Vec::new();
        while let Some(record) = spool.pop(&mut bytes)? {
            script.record(record, &bytes, &mut self.out.text);
            self.out.relieve()?;
        }
        if single {
            script.session.commit(&mut self.out.text);
        }
        script.session.epilogue(&mut self.out.text);
        self.out.write()
    }
}

impl Sink for FlashbackSink {
    type Output = Statements;
    type Renderer = FlashbackRenderer;

    fn renderer(&self) -> FlashbackRenderer {
        FlashbackRenderer::new(self.options.by_key)
    }

    fn open(&mut self) -> Result<Option<Progress>, SinkError> {
        self.out.open()?;
        self.spool = Some(Spool::new(self.options.temp_dir.as_deref())?);
        Ok(None)
    }

    fn apply(&mut self, piece: &mut Statements, _upto: Option<&Progress>) -> Result<Ack, SinkError> {
        let mut start = 0;
        for mark in &piece.marks {
            let bytes = piece.bytes.get(start..mark.end).unwrap_or_default();
            start = mark.end;
            match &mark.kind {
                MarkKind::Begin { transaction, continued: false } => {
                    self.current = piece.transactions.get(*transaction).cloned();
                }
                MarkKind::Rows(rows) => self.rows(bytes, rows)?,
                MarkKind::End => self.end()?,
                // Statements are refused where they are rendered.
                _ => {}
            }
        }
        Ok(Ack::Accepted)
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

/// From records, the last one first, to text.
#[derive(Debug, Default)]
struct Backward {
    /// All stands in one transaction, which is not written here.
    single: bool,
    session: Session,
    /// The transaction has changes without foreign key checks. They are what a parent's change set off, where servers
    /// log that (MySQL from 9.6), and must not be set off once more when the parent's is undone, which comes first.
    apart: bool,
    /// First words, rows and flags of the INSERT that waits for more rows, whose text is `bytes` long.
    insert: Option<Insert>,
}

/// An INSERT without its end.
#[derive(Debug)]
struct Insert {
    head: Vec<u8>,
    flags: u8,
    rows: usize,
    bytes: usize,
}

impl Backward {
    fn record(&mut self, record: Record, bytes: &[u8], out: &mut Vec<u8>) {
        match record.kind {
            Kind::Insert => self.insert(record, bytes, out),
            Kind::End => {
                self.apart = u16::from(record.flags) & RowsEvent::NO_FOREIGN_KEY_CHECKS != 0;
                out.extend_from_slice(bytes);
                if !self.single {
                    line(out, b"BEGIN");
                }
            }
            Kind::Change => {
                self.close(out);
                self.set(record.flags, out);
                self.session.for_table(out, bytes);
                line(out, bytes);
                self.session.check(out, 1, CHANGED_SINCE);
            }
            Kind::Begin => {
                self.close(out);
                if !self.single {
                    self.session.commit(out);
                }
            }
        }
    }

    fn set(&mut self, flags: u8, out: &mut Vec<u8>) {
        let apart = if self.apart { RowsEvent::NO_FOREIGN_KEY_CHECKS } else { 0 };
        self.session.for_rows(out, u16::from(flags & !LENIENT) | apart, flags & LENIENT != 0);
    }

    fn insert(&mut self, record: Record, bytes: &[u8], out: &mut Vec<u8>) {
        let (head, row) = bytes.split_at_checked(record.head).unwrap_or((bytes, &[]));
        if let Some(open) = &mut self.insert
            && open.head == head
            && open.flags == record.flags
            && open.rows < INSERT_ROWS
            && open.bytes.saturating_add(row.len()) < INSERT_BYTES
        {
            out.push(b',');
            out.extend_from_slice(row);
            open.rows = open.rows.saturating_add(1);
            open.bytes = open.bytes.saturating_add(row.len()).saturating_add(1);
            return;
        }
        self.close(out);
        self.set(record.flags, out);
        self.session.for_table(out, bytes);
        out.extend_from_slice(bytes);
        self.insert = Some(Insert { head: head.to_vec(), flags: record.flags, rows: 1, bytes: bytes.len() });
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        if let Some(insert) = self.insert.take() {
            line(out, b"");
            self.session.check(out, u64::try_from(insert.rows).unwrap_or(u64::MAX), CHANGED_SINCE);
        }
    }
}
