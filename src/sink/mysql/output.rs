//! What renderers hand to the sink: SQL text in one buffer, and marks that say where each statement ends and what
//! its answer must be. Nothing here knows a server.

use crate::change::TransactionMeta;

/// A rendered piece. Memory is kept when it is cleared.
#[derive(Debug, Default)]
pub struct Statements {
    /// All statements, one after another, without separators.
    pub(in crate::sink) bytes: Vec<u8>,
    /// One a statement or boundary, in order.
    pub(in crate::sink) marks: Vec<Mark>,
    /// The transactions that the marks' boundaries refer to.
    pub(in crate::sink) transactions: Vec<TransactionMeta>,
    /// The tables that the marks refer to.
    pub(in crate::sink) tables: Vec<TableRef>,
    /// The DDL statements that the marks refer to.
    pub(in crate::sink) ddl: Vec<Ddl>,
}

/// A table as errors name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sink) struct TableRef {
    /// `database.table`.
    pub(in crate::sink) name: String,
    /// Names of the columns that rows are found by, comma separated; empty when by the whole row.
    pub(in crate::sink) key: String,
}

/// Where a statement ends in the buffer, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sink) struct Mark {
    /// One past its last byte; it starts where the mark before ends.
    pub(in crate::sink) end: usize,
    /// What it is.
    pub(in crate::sink) kind: MarkKind,
}

/// What stands between two marks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sink) enum MarkKind {
    /// No bytes: a transaction begins (`continued`: goes on), an index into `transactions`.
    Begin {
        /// Index into `Statements::transactions`.
        transaction: usize,
        /// It began in an earlier piece.
        continued: bool,
    },
    /// A change of rows that must do exactly what it says.
    Rows(RowsMark),
    /// Session state for the statement that follows; it must succeed.
    Session,
    /// A statement of the source that belongs to the transaction.
    Statement {
        /// The error it ended with at the source; 0 is none.
        expected_error: u16,
    },
    /// A statement of the source that commits by itself: an index into `Statements::ddl`.
    Ddl(usize),
    /// A statement about an XA transaction, in text that nobody here executes.
    Xa {
        /// One is open behind it.
        open: bool,
    },
    /// Bytes of a file that a later statement loads, in text that nobody here executes.
    File {
        /// Its number.
        id: u32,
        /// They are the first.
        first: bool,
    },
    /// LOAD DATA of such a file.
    Load {
        /// The file's number.
        id: u32,
        /// Where in the bytes the file's name is to stand.
        at: usize,
        /// The error it ended with at the source; 0 is none.
        expected_error: u16,
    },
    /// No bytes: the transaction is complete.
    End,
}

/// What a change of rows must do, and what it may be merged with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sink) struct RowsMark {
    /// Insert, update, delete.
    pub(in crate::sink) verb: Verb,
    /// Index into `Statements::tables`.
    pub(in crate::sink) table: usize,
    /// Rows that must be inserted, matched or deleted.
    pub(in crate::sink) rows: u64,
    /// Warnings that exact changes raise all the same (ENUM's index 0, columns that a MINIMAL image leaves to
    /// defaults).
    pub(in crate::sink) warnings: u64,
    /// The row event's flags that are session state: see [`RowsMark::SESSION_FLAGS`].
    pub(in crate::sink) flags: u16,
    /// It may raise harmless warnings: it must be the last statement of its packet, so that they can be read.
    pub(in crate::sink) alone: bool,
    /// Whether a further row may be appended to the statement, if its first words are the same.
    pub(in crate::sink) open: bool,
    /// Length of the first words, which end where the list of rows or assignments begins.
    pub(in crate::sink) head: usize,
    /// It changes what it hits: an UPDATE may merely assign to a column what it has.
    pub(in crate::sink) changes: bool,
}

impl RowsMark {
    /// The row event flags that the session must have: no foreign key checks, relaxed unique checks.
    pub(in crate::sink) const SESSION_FLAGS: u16 = 0x6;
}

/// What is done to rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sink) enum Verb {
    /// INSERT.
    Insert,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
}

impl Verb {
    /// For messages.
    pub(in crate::sink) fn doing(self) -> &'static str {
        match self {
            Self::Insert => "inserting",
            Self::Update => "updating",
            Self::Delete => "deleting",
        }
    }
}

/// A statement that commits by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::sink) struct Ddl {
    /// Session state to set before it, as one SQL text.
    pub(in crate::sink) session: Vec<u8>,
    /// Session state to set after it, as one SQL text.
    pub(in crate::sink) restore: Vec<u8>,
    /// `USE` of the default database to have; the checkpoint's own stands for "none".
    pub(in crate::sink) choose: Vec<u8>,
    /// Schemas whose catalog it can change.
    pub(in crate::sink) schemas: Vec<Vec<u8>>,
    /// Running it once more after it has happened does no harm (DROP, TRUNCATE).
    pub(in crate::sink) repeatable: bool,
    /// The error it ended with at the source; 0 is none.
    pub(in crate::sink) expected_error: u16,
}

impl Statements {
    /// Closes the statement whose bytes were just written.
    pub(in crate::sink) fn mark(&mut self, kind: MarkKind) {
        self.marks.push(Mark { end: self.bytes.len(), kind });
    }

    /// The index of a table, added if it is not the last one used.
    pub(in crate::sink) fn table(&mut self, name: &str, key: &str) -> usize {
        if let Some(at) = self.tables.iter().rposition(|table| table.name == name && table.key == key) {
            return at;
        }
        self.tables.push(TableRef { name: name.to_owned(), key: key.to_owned() });
        self.tables.len().saturating_sub(1)
    }

    /// Empties everything, keeps memory.
    pub(in crate::sink) fn clear(&mut self) {
        self.bytes.clear();
        self.marks.clear();
        self.transactions.clear();
        self.tables.clear();
        self.ddl.clear();
    }
}
