//! The workers' halves: the MySQL sink's renderer, told that nobody is connected.

use crate::binlog::event::Event;
use crate::change::{GroupEnd, TransactionMeta};
use crate::sink::mysql::offline::Offline;
use crate::sink::mysql::output::MarkKind;
use crate::sink::mysql::{MysqlRenderer, Statements, literal};
use crate::sink::{EventContext, RenderError, Renderer, RowsContext, StatementContext};
use crate::statement::{StatementKind, classify, leading_words};

/// Renders changes as they were.
#[derive(Debug)]
pub struct SqlRenderer(MysqlRenderer);

impl SqlRenderer {
    pub(super) fn new() -> Self {
        Self(MysqlRenderer::offline(Offline::new(false, false)))
    }
}

impl Renderer for SqlRenderer {
    type Output = Statements;

    const NUMBERS_ROWS: bool = false;
    const TAKES_XA: bool = true;
    const NEEDS_CERTAINTY: bool = true;

    fn event(&mut self, context: &EventContext<'_>, out: &mut Statements) -> Result<bool, RenderError> {
        match context.event {
            Event::XaPrepare(prepare) => {
                let (verb, rest) = if prepare.one_phase { ("COMMIT", " ONE PHASE") } else { ("PREPARE", "") };
                out.bytes.extend_from_slice(format!("XA {verb} ").as_bytes());
                literal::hex(&mut out.bytes, prepare.xid.gtrid);
                out.bytes.push(b',');
                literal::hex(&mut out.bytes, prepare.xid.bqual);
                out.bytes.extend_from_slice(format!(",{}{rest}", prepare.xid.format_id).as_bytes());
                out.mark(MarkKind::Xa { open: false });
            }
            Event::BeginLoadQuery(block) | Event::AppendBlock(block) => {
                out.bytes.extend_from_slice(block.block);
                let first = matches!(context.event, Event::BeginLoadQuery(_));
                out.mark(MarkKind::File { id: block.file_id, first });
            }
            Event::ExecuteLoadQuery(load) => self.0.load(context, load, out)?,
            // The source gave the file up; nothing reads it.
            Event::DeleteFile(_) => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn begin(&mut self, meta: &TransactionMeta, continued: bool, out: &mut Statements) -> Result<(), RenderError> {
        self.0.begin(meta, continued, out)
    }

    fn rows(&mut self, context: &RowsContext<'_>, out: &mut Statements) -> Result<u64, RenderError> {
        self.0.rows(context, out)
    }

    fn statement(&mut self, context: &StatementContext<'_>, out: &mut Statements) -> Result<(), RenderError> {
        self.0.statement(context, out)
    }

    fn end(&mut self, meta: &TransactionMeta, out: &mut Statements) -> Result<(), RenderError> {
        self.0.end(meta, out)
    }

    fn size(out: &Statements) -> usize {
        MysqlRenderer::size(out)
    }

    fn clear(out: &mut Statements) {
        MysqlRenderer::clear(out);
    }
}

/// Renders the reverse of row changes, each by itself, in the order of the log.
#[derive(Debug)]
pub struct FlashbackRenderer(MysqlRenderer);

impl FlashbackRenderer {
    pub(super) fn new(by_key: bool) -> Self {
        Self(MysqlRenderer::offline(Offline::new(true, !by_key)))
    }
}

/// Statements that leave rows as they are, whatever table they name.
const HARMLESS: &[&str] = &["ANALYZE", "CHECK", "FLUSH", "OPTIMIZE", "REPAIR"];

impl Renderer for FlashbackRenderer {
    type Output = Statements;

    const NUMBERS_ROWS: bool = false;

    fn begin(&mut self, meta: &TransactionMeta, continued: bool, out: &mut Statements) -> Result<(), RenderError> {
        self.0.begin(meta, continued, out)
    }

    fn rows(&mut self, context: &RowsContext<'_>, out: &mut Statements) -> Result<u64, RenderError> {
        if context.transaction.group_end == GroupEnd::Rollback {
            return Err(RenderError {
                what: "the transaction was rolled back, which tables without transactions do not follow: what of it \
                       stands is not in the log"
                    .to_owned(),
                hint: Some("choose a range without it, or other tables".to_owned()),
            });
        }
        self.0.rows(context, out)
    }

    fn statement(&mut self, context: &StatementContext<'_>, _out: &mut Statements) -> Result<(), RenderError> {
        let text = context.query.statement;
        let words = leading_words(text, 2);
        let word = |at: usize| words.get(at).map_or("", String::as_str);
        let what = match classify(text) {
            StatementKind::Empty | StatementKind::Savepoint | StatementKind::ReleaseSavepoint => return Ok(()),
            _ if HARMLESS.contains(&word(0)) => return Ok(()),
            // What such tables held is not in a log of rows.
            _ if matches!(word(0), "CREATE" | "DROP") && word(1) == "TEMPORARY" => return Ok(()),
            StatementKind::RollbackTo => {
                "a rollback to a savepoint, which tables without transactions do not follow,".to_owned()
            }
            StatementKind::Dml => format!("a change that was logged as a statement ({})", word(0)),
            _ => format!("a statement ({} {})", word(0), word(1)),
        };
        Err(RenderError {
            what: format!("{what} cannot be undone"),
            hint: Some(
                "only row changes can: choose a range without it (--start, --stop), or the tables to undo (--table)"
                    .to_owned(),
            ),
        })
    }

    fn end(&mut self, meta: &TransactionMeta, out: &mut Statements) -> Result<(), RenderError> {
        self.0.end(meta, out)
    }

    fn size(out: &Statements) -> usize {
        MysqlRenderer::size(out)
    }

    fn clear(out: &mut Statements) {
        MysqlRenderer::clear(out);
    }
}
