//! A stack of records on disk: written forward, read backward, in memory of a fixed size.
//!
//! The file has no name, so nothing is left of it when the process ends, however it ends. A record is its bytes, then
//! what is known about them in a fixed width:
//!
//! ```text
//! | bytes ... | 8 length | 8 head | 1 kind | 1 flags |
//! ```

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::sink::SinkError;

/// Bytes that follow each record.
const TRAILER: usize = 18;
/// Written and read in blocks of this size; a record may be larger.
const BLOCK: usize = 1 << 20;

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Where a transaction begins: it is read last.
    Begin,
    /// Rows to be inserted; more may be appended to the statement.
    Insert,
    /// A change that must hit one row.
    Change,
    /// Where a transaction ends: it is read first.
    End,
}

impl Kind {
    fn code(self) -> u8 {
        match self {
            Self::Begin => 0,
            Self::Insert => 1,
            Self::Change => 2,
            Self::End => 3,
        }
    }

    fn of(code: u8) -> Option<Self> {
        [Self::Begin, Self::Insert, Self::Change, Self::End].into_iter().find(|kind| kind.code() == code)
    }
}

/// What is known about a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) kind: Kind,
    /// Length of a statement's first words.
    pub(super) head: usize,
    /// The caller's own.
    pub(super) flags: u8,
}

/// The stack.
#[derive(Debug)]
pub(super) struct Spool {
    file: File,
    dir: PathBuf,
    /// Bytes in the file.
    written: u64,
    /// What follows them; while reading: what comes right before `written` was cut off.
    block: Vec<u8>,
}

impl Spool {
    /// An empty stack in this directory.
    pub(super) fn new(dir: Option<&Path>) -> Result<Self, SinkError> {
        let dir = dir.map_or_else(std::env::temp_dir, Path::to_owned);
        let file = tempfile::tempfile_in(&dir).map_err(|error| failed(&dir, "make a temporary file in", &error))?;
        Ok(Self { file, dir, written: 0, block: Vec::new() })
    }

    /// Puts a record on top.
    pub(super) fn push(&mut self, record: Record, bytes: &[u8]) -> Result<(), SinkError> {
        self.block.extend_from_slice(bytes);
        let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX).to_le_bytes();
        self.block.extend_from_slice(&number(bytes.len()));
        self.block.extend_from_slice(&number(record.head));
        self.block.extend_from_slice(&[record.kind.code(), record.flags]);
        if self.block.len() < BLOCK {
            return Ok(());
        }
        let write = self.file.write_all_at(&self.block, self.written);
        write.map_err(|error| failed(&self.dir, "write a temporary file in", &error))?;
        self.written = self.written.saturating_add(u64::try_from(self.block.len()).unwrap_or(0));
        self.block.clear();
        self.block.shrink_to(BLOCK.saturating_mul(2));
        Ok(())
    }

    /// Takes the record on top off, and puts its bytes into `bytes`.
    pub(super) fn pop(&mut self, bytes: &mut Vec<u8>) -> Result<Option<Record>, SinkError> {
        bytes.clear();
        if self.block.is_empty() && self.written == 0 {
            return Ok(None);
        }
        let (record, length) = self.trailer()?;
        let all = length.saturating_add(TRAILER);
        self.fill(all)?;
        let start = self.block.len().checked_sub(all).ok_or_else(damaged)?;
        let end = start.saturating_add(length);
        bytes.extend_from_slice(self.block.get(start..end).ok_or_else(damaged)?);
        self.block.truncate(start);
        Ok(Some(record))
    }

    fn trailer(&mut self) -> Result<(Record, usize), SinkError> {
        self.fill(TRAILER)?;
        let trailer = self.block.last_chunk::<TRAILER>().ok_or_else(damaged)?;
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, kind, flags] = *trailer;
        let number = |bytes| usize::try_from(u64::from_le_bytes(bytes)).map_err(|_| damaged());
        let length = number([a, b, c, d, e, f, g, h])?;
        let head = number([i, j, k, l, m, n, o, p])?;
        Ok((Record { kind: Kind::of(kind).ok_or_else(damaged)?, head, flags }, length))
    }

    /// Reads from the file's end until at least so many bytes are in the block.
    fn fill(&mut self, wanted: usize) -> Result<(), SinkError> {
        let Some(lacking) = wanted.checked_sub(self.block.len()).filter(|lacking| *lacking > 0) else { return Ok(()) };
        let most = usize::try_from(self.written).unwrap_or(usize::MAX);
        let take = lacking.max(BLOCK).min(most);
        let from = self.written.saturating_sub(u64::try_from(take).unwrap_or(0));
        let mut block = vec![0; take];
        let read = self.file.read_exact_at(&mut block, from);
        read.map_err(|error| failed(&self.dir, "read a temporary file in", &error))?;
        block.append(&mut self.block);
        self.block = block;
        self.written = from;
        Ok(())
    }
}

fn damaged() -> SinkError {
    rejected("the temporary file does not hold what was written to it".to_owned(), None)
}

fn failed(dir: &Path, doing: &str, error: &io::Error) -> SinkError {
    let full = matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
    let hint = full.then(|| "name a directory with more space with --temp-dir".to_owned());
    rejected(format!("cannot {doing} {}: {error}", dir.display()), hint)
}

fn rejected(what: String, hint: Option<String>) -> SinkError {
    SinkError::Rejected { code: None, what, table: None, hint, at: None }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_in_reverse_order_whatever_their_size() {
        let mut spool = Spool::new(None).unwrap();
        let sizes = [0, 1, 17, BLOCK - TRAILER, 5, 3 * BLOCK + 7, 0, BLOCK, 40];
        let bytes = |at: usize, size: usize| vec![u8::try_from(at).unwrap(); size];
        for round in 0..3 {
            for (at, size) in sizes.iter().enumerate() {
                let flags = u8::try_from(at + round * sizes.len()).unwrap();
                spool.push(Record { kind: Kind::Change, head: at, flags }, &bytes(at, *size)).unwrap();
            }
        }
        let mut got = Vec::new();
        for round in (0..3).rev() {
            for (at, size) in sizes.iter().enumerate().rev() {
                let flags = u8::try_from(at + round * sizes.len()).unwrap();
                assert_eq!(spool.pop(&mut got).unwrap(), Some(Record { kind: Kind::Change, head: at, flags }));
                assert!(got == bytes(at, *size), "{round} {at}");
            }
        }
        assert_eq!(spool.pop(&mut got).unwrap(), None);
    }

    #[test]
    fn a_directory_that_is_not_there_is_named() {
        let error = Spool::new(Some(Path::new("/no/such/place"))).unwrap_err();
        assert!(error.to_string().contains("/no/such/place"), "{error}");
    }

    #[test]
    fn a_full_disk_points_to_the_option() {
        let error = failed(Path::new("/tmp"), "write a temporary file in", &ErrorKind::StorageFull.into());
        let SinkError::Rejected { hint: Some(hint), .. } = error else { panic!("{error}") };
        assert!(hint.contains("--temp-dir"));
    }
}
