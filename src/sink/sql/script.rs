//! `sql`: transactions as they were.

use std::os::unix::ffi::OsStrExt;

use super::SqlOptions;
use super::load::LoadFiles;
use super::output::Output;
use super::render::SqlRenderer;
use super::session::{self, Session, line};
use crate::change::{GroupEnd, TransactionMeta};
use crate::gtid::Gtid;
use crate::sink::mysql::Statements;
use crate::sink::mysql::output::{Ddl, MarkKind, RowsMark, Verb};
use crate::sink::{Ack, Progress, Sink, SinkError};

/// What the check after a change says; it stands in an error message of the server.
const NOT_THERE: &str = "replicate: the row to change is not there";
/// What the check after an INSERT says where a client goes on behind its error.
const NOT_INSERTED: &str = "replicate: the row was not inserted";

/// Writes a script that replays what was logged.
#[derive(Debug)]
pub struct SqlSink {
    out: Output,
    script: Script,
}

impl SqlSink {
    /// To standard output.
    #[must_use]
    pub fn stdout(options: SqlOptions) -> Self {
        Self::into_output(Output::stdout(), options)
    }

    pub(super) fn into_output(out: Output, options: SqlOptions) -> Self {
        Self { out, script: Script::new(options) }
    }

    /// Ends the script. One that is not `complete` rolls back what is open: the rest of it never came.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(&mut self, complete: bool) -> Result<(), SinkError> {
        if !complete {
            self.out
                .text
                .extend_from_slice(b"ROLLBACK;\n-- This script is not complete: decoding ended with an error.\n");
        }
        self.script.end_of_script(&mut self.out.text);
        self.out.write()
    }
}

impl Sink for SqlSink {
    type Output = Statements;
    type Renderer = SqlRenderer;

    fn renderer(&self) -> SqlRenderer {
        SqlRenderer::new()
    }

    fn open(&mut self) -> Result<Option<Progress>, SinkError> {
        self.out.open()?;
        Session::preamble(&mut self.out.text, "Replays a binary log: feed it to 'mysql --binary-mode' as a whole.");
        Ok(None)
    }

    fn apply(&mut self, piece: &mut Statements, _upto: Option<&Progress>) -> Result<Ack, SinkError> {
        self.script.piece(piece, &mut self.out)?;
        self.out.relieve()?;
        Ok(Ack::Accepted)
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        self.out.write()
    }
}

/// From marks to text.
#[derive(Debug)]
pub(super) struct Script {
    options: SqlOptions,
    files: LoadFiles,
    session: Session,
    current: Option<TransactionMeta>,
    /// `BEGIN` is written.
    open: bool,
    /// A statement that commits by itself is written for the transaction under way.
    committed: bool,
    /// The session has a GTID to be given.
    numbered: bool,
}

impl Script {
    pub(super) fn new(options: SqlOptions) -> Self {
        let (session, files) = (Session::new(options.unchecked), LoadFiles::new(options.load_dir.clone()));
        Self { options, files, session, current: None, open: false, committed: false, numbered: false }
    }

    fn piece(&mut self, piece: &Statements, out: &mut Output) -> Result<(), SinkError> {
        let mut start = 0;
        for mark in &piece.marks {
            let bytes = piece.bytes.get(start..mark.end).unwrap_or_default();
            start = mark.end;
            self.mark(piece, bytes, &mark.kind, &mut out.text)?;
            out.relieve()?;
        }
        Ok(())
    }

    pub(super) fn mark(
        &mut self,
        piece: &Statements,
        bytes: &[u8],
        kind: &MarkKind,
        out: &mut Vec<u8>,
    ) -> Result<(), SinkError> {
        match kind {
            MarkKind::Begin { transaction, continued } => {
                if !continued && let Some(meta) = piece.transactions.get(*transaction) {
                    self.begin(meta, out);
                }
                Ok(())
            }
            MarkKind::Rows(mark) => self.rows(bytes, mark, out),
            MarkKind::Session => {
                self.ensure_open(out)?;
                if !bytes.is_empty() {
                    line(out, bytes);
                }
                Ok(())
            }
            MarkKind::Statement { expected_error } => {
                self.ensure_open(out)?;
                logged(out, bytes, *expected_error);
                self.session.restored();
                Ok(())
            }
            MarkKind::Ddl(index) => {
                if let Some(ddl) = piece.ddl.get(*index) {
                    self.ddl(bytes, ddl, out);
                }
                Ok(())
            }
            MarkKind::Xa { open } => {
                line(out, bytes);
                (self.open, self.committed) = (*open, !open);
                Ok(())
            }
            MarkKind::File { id, first } => self.files.block(*id, *first, bytes, self.current.as_ref()),
            MarkKind::Load { id, at, expected_error } => {
                self.ensure_open(out)?;
                let (head, tail) = bytes.split_at_checked(*at).unwrap_or((bytes, &[]));
                let name = self.files.path(*id)?.as_os_str().as_bytes();
                let name: Vec<u8> = name.split(|byte| *byte == b'\'').collect::<Vec<_>>().join(&b"''"[..]);
                logged(out, &[head, b" LOCAL INFILE '", &name, b"'", tail].concat(), *expected_error);
                self.session.restored();
                Ok(())
            }
            MarkKind::End => {
                self.end(out);
                Ok(())
            }
        }
    }

    fn begin(&mut self, meta: &TransactionMeta, out: &mut Vec<u8>) {
        session::comment(out, "", meta);
        (self.open, self.committed) = (false, false);
        self.current = Some(meta.clone());
        if self.options.preserve_gtids {
            self.number(meta.gtid.as_ref(), out);
        }
    }

    fn number(&mut self, gtid: Option<&Gtid>, out: &mut Vec<u8>) {
        match gtid {
            Some(gtid @ Gtid::MySql { .. }) => line(out, format!("SET @@SESSION.gtid_next = '{gtid}'").as_bytes()),
            Some(Gtid::MariaDb { domain, server_id, sequence }) => line(
                out,
                format!("SET gtid_domain_id = {domain}, server_id = {server_id}, gtid_seq_no = {sequence}").as_bytes(),
            ),
            None if self.numbered => line(out, b"SET @@SESSION.gtid_next = 'AUTOMATIC'"),
            None => {}
        }
        self.numbered = matches!(gtid, Some(Gtid::MySql { .. }));
    }

    fn ensure_open(&mut self, out: &mut Vec<u8>) -> Result<(), SinkError> {
        if self.open {
            return Ok(());
        }
        if self.committed && self.options.preserve_gtids {
            return Err(SinkError::Rejected {
                code: None,
                what: "a table made and filled in one transaction (CREATE TABLE ... SELECT) takes two in SQL, and one \
                       GTID cannot be given to both"
                    .to_owned(),
                table: None,
                hint: Some("leave out --preserve-gtids".to_owned()),
                at: self.current.clone().map(Box::new),
            });
        }
        line(out, b"BEGIN");
        self.open = true;
        Ok(())
    }

    fn rows(&mut self, bytes: &[u8], mark: &RowsMark, out: &mut Vec<u8>) -> Result<(), SinkError> {
        self.ensure_open(out)?;
        self.session.for_rows(out, mark.flags, session::is_lenient(mark));
        self.session.for_table(out, bytes);
        line(out, bytes);
        if mark.verb == Verb::Insert {
            self.session.check(out, mark.rows, NOT_INSERTED);
        } else if mark.changes {
            self.session.check(out, mark.rows, NOT_THERE);
        }
        Ok(())
    }

    fn ddl(&mut self, text: &[u8], ddl: &Ddl, out: &mut Vec<u8>) {
        if self.open {
            self.session.commit(out);
            self.open = false;
        }
        self.committed = true;
        self.session.defined();
        if !ddl.choose.is_empty() {
            line(out, &ddl.choose);
        }
        line(out, &ddl.session);
        logged(out, text, ddl.expected_error);
        line(out, &ddl.restore);
        self.session.restored();
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        let Some(meta) = self.current.take() else { return };
        if !self.open && !self.committed && self.numbered {
            // The number is taken, and must be used up.
            line(out, b"BEGIN");
            self.open = true;
        }
        if self.open {
            match meta.group_end {
                GroupEnd::Rollback => line(out, b"ROLLBACK"),
                _ => self.session.commit(out),
            }
        }
        self.open = false;
    }

    fn end_of_script(&mut self, out: &mut Vec<u8>) {
        if self.numbered {
            line(out, b"SET @@SESSION.gtid_next = 'AUTOMATIC'");
        }
        self.session.epilogue(out);
    }
}

/// Appends a statement of the log. The client ends statements at semicolons, and a body of statements has some inside:
/// then another delimiter is chosen, which the text does not have.
fn logged(out: &mut Vec<u8>, text: &[u8], expected_error: u16) {
    if expected_error != 0 {
        out.extend_from_slice(
            format!("-- This statement ended with error {expected_error} at the source, and is to end so here.\n")
                .as_bytes(),
        );
    }
    if !text.contains(&b';') {
        out.extend_from_slice(text);
        // The text may end in a comment.
        out.extend_from_slice(b"\n;\n");
        return;
    }
    let mut delimiter = "$$".to_owned();
    while memchr::memmem::find(text, delimiter.as_bytes()).is_some() {
        delimiter.push('$');
    }
    // In lower case: behind `\C binary` clients compare the word byte for byte.
    out.extend_from_slice(format!("delimiter {delimiter}\n").as_bytes());
    out.extend_from_slice(text);
    out.extend_from_slice(format!("\n{delimiter}\ndelimiter ;\n").as_bytes());
}
