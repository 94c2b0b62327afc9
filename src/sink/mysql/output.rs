//! What renderers hand to the sink: SQL text in one buffer, and marks that say where each statement ends and what
//! its answer must be. Nothing here knows a server.

use crate::change::TransactionMeta;

/// A rendered piece. Memory is kept when it is cleared.
#[derive(Debug, Default)]
pub struct Statements {
    /// All statements, one after another, without separators.
    pub(super) bytes: Vec<u8>,
    /// One a statement or boundary, in order.
    pub(super) marks: Vec<Mark>,
    /// The transactions that the marks' boundaries refer to.
    pub(super) transactions: Vec<TransactionMeta>,
    /// The tables that the marks refer to.
    pub(super) tables: Vec<TableRef>,
    /// The DDL statements that the marks refer to.
    pub(super) ddl: Vec<Ddl>,
}

/// A table as errors name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TableRef {
    /// `database.table`.
    pub(super) name: String,
    /// Names of the columns that rows are found by, comma separated; empty when by the whole row.
    pub(super) key: String,
}

/// Where a statement ends in the buffer, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    /// One past its last byte; it starts where the mark before ends.
    pub(super) end: usize,
    /// What it is.
    pub(super) kind: MarkKind,
}

/// What stands between two marks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum MarkKind {
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
    /// No bytes: the transaction is complete.
    End,
}

/// What a change of rows must do, and what it may be merged with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RowsMark {
    /// Insert, update, delete.
    pub(super) verb: Verb,
    /// Index into `Statements::tables`.
    pub(super) table: usize,
    /// Rows that must be inserted, matched or deleted.
    pub(super) rows: u64,
    /// Warnings that exact changes raise all the same (ENUM's index 0, columns that a MINIMAL image leaves to
    /// defaults).
    pub(super) warnings: u64,
    /// The row event's flags that are session state: see [`RowsMark::SESSION_FLAGS`].
    pub(super) flags: u16,
    /// It may raise harmless warnings: it must be the last statement of its packet, so that they can be read.
    pub(super) alone: bool,
    /// Whether a further row may be appended to the statement, if its first words are the same.
    pub(super) open: bool,
}

impl RowsMark {
    /// The row event flags that the session must have: no foreign key checks, relaxed unique checks.
    pub(super) const SESSION_FLAGS: u16 = 0x6;
}

/// What is done to rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    /// INSERT.
    Insert,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
}

impl Verb {
    /// For messages.
    pub(super) fn doing(self) -> &'static str {
        match self {
            Self::Insert => "inserting",
            Self::Update => "updating",
            Self::Delete => "deleting",
        }
    }
}

/// A statement that commits by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ddl {
    /// Session state to set before it, as one SQL text.
    pub(super) session: Vec<u8>,
    /// Session state to set after it, as one SQL text.
    pub(super) restore: Vec<u8>,
    /// `USE` of the default database to have; the checkpoint's own stands for "none".
    pub(super) choose: Vec<u8>,
    /// Schemas whose catalog it can change.
    pub(super) schemas: Vec<Vec<u8>>,
    /// Running it once more after it has happened does no harm (DROP, TRUNCATE).
    pub(super) repeatable: bool,
    /// The error it ended with at the source; 0 is none.
    pub(super) expected_error: u16,
}

impl Statements {
    /// Closes the statement whose bytes were just written.
    pub(super) fn mark(&mut self, kind: MarkKind) {
        self.marks.push(Mark { end: self.bytes.len(), kind });
    }

    /// The index of a table, added if it is not the last one used.
    pub(super) fn table(&mut self, name: &str, key: &str) -> usize {
        if let Some(at) = self.tables.iter().rposition(|table| table.name == name && table.key == key) {
            return at;
        }
        self.tables.push(TableRef { name: name.to_owned(), key: key.to_owned() });
        self.tables.len().saturating_sub(1)
    }

    /// Empties everything, keeps memory.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.marks.clear();
        self.transactions.clear();
        self.tables.clear();
        self.ddl.clear();
    }
}
