//! Where the coordinator's bytes come from: one log file, a pipe, or the relay log as it grows.
//!
//! An input hands out bytes in order and never more than are known to be complete. For a transaction larger than a
//! batch it also gives a [`Spool`]: a random-access view of the bytes ahead, so that the end of the transaction
//! is seen before its first row is handed on, without holding it in memory. A pipe cannot seek, so its spool is an
//! unlinked temporary file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::Arc;
use std::time::Duration;

pub use super::spool::Spool;

/// What [`LogInput::wait`] found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum More {
    /// There are more bytes now.
    Bytes,
    /// Nothing came in time; ask again.
    Nothing,
    /// This file is complete and another follows; reading goes on at its start. Its base name is given.
    NextFile(Arc<str>),
    /// There is nothing more and never will be.
    End,
}

/// A stream of log bytes: file after file, each beginning with the four magic bytes.
pub trait LogInput: Send {
    /// Base name of the file being read.
    fn file_name(&self) -> Arc<str>;

    /// Appends at most `max` bytes to `buffer` and returns how many; 0 asks for a [`LogInput::wait`].
    ///
    /// # Errors
    /// When the file cannot be read.
    fn read(&mut self, buffer: &mut Vec<u8>, max: usize) -> io::Result<usize>;

    /// Called after a read of 0 bytes: waits for more, or moves to the next file.
    ///
    /// # Errors
    /// When the next file cannot be opened.
    fn wait(&mut self, timeout: Duration) -> io::Result<More>;

    /// A view that begins with `unused`, the bytes read last and not used yet.
    ///
    /// # Errors
    /// When a temporary file is needed and cannot be made.
    fn spool(&mut self, unused: &[u8]) -> io::Result<Spool>;

    /// Makes sure that the view reaches `len` bytes, if there are so many.
    ///
    /// # Errors
    /// When the input cannot be read, or the temporary file not written.
    fn extend(&mut self, spool: &mut Spool, len: u64) -> io::Result<bool>;

    /// Goes on after the first `used` bytes of the view.
    ///
    /// # Errors
    /// When the input cannot be positioned there.
    fn resume_after(&mut self, spool: Spool, used: u64) -> io::Result<()>;
}

/// Adds at most `max` bytes from the file's cursor to `buffer`, straight into its spare room.
pub(super) fn read_some(mut file: &File, buffer: &mut Vec<u8>, max: usize) -> io::Result<usize> {
    buffer.reserve(max);
    Read::by_ref(&mut file).take(u64::try_from(max).unwrap_or(u64::MAX)).read_to_end(buffer)
}

/// One regular file, read to its present end.
#[derive(Debug)]
pub struct FileInput {
    name: Arc<str>,
    file: Arc<File>,
    offset: u64,
}

impl FileInput {
    /// Reads `file` from its start and calls it `name`.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, file: File) -> Self {
        Self { name: name.into(), file: Arc::new(file), offset: 0 }
    }
}

impl LogInput for FileInput {
    fn file_name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    fn read(&mut self, buffer: &mut Vec<u8>, max: usize) -> io::Result<usize> {
        let got = read_some(&self.file, buffer, max)?;
        self.offset = self.offset.saturating_add(u64::try_from(got).unwrap_or(0));
        Ok(got)
    }

    fn wait(&mut self, _timeout: Duration) -> io::Result<More> {
        Ok(More::End)
    }

    fn spool(&mut self, unused: &[u8]) -> io::Result<Spool> {
        let unused = u64::try_from(unused.len()).unwrap_or(0);
        Ok(Spool::new(Arc::clone(&self.file), self.offset.saturating_sub(unused), unused))
    }

    fn extend(&mut self, spool: &mut Spool, len: u64) -> io::Result<bool> {
        if len > spool.len() {
            spool.set_len(self.file.metadata()?.len().saturating_sub(spool.base()));
        }
        Ok(len <= spool.len())
    }

    fn resume_after(&mut self, spool: Spool, used: u64) -> io::Result<()> {
        self.offset = spool.base().saturating_add(used);
        let mut file: &File = &self.file;
        file.seek(SeekFrom::Start(self.offset)).map(drop)
    }
}

/// Bytes asked from a pipe at once; Linux pipes hold 64 KiB.
const PIPE_READ: usize = 64 << 10;

/// A pipe or socket: read once, forward.
pub struct PipeInput<R> {
    name: Arc<str>,
    reader: R,
    /// Read already and given back.
    ahead: Vec<u8>,
    ended: bool,
}

impl<R: Read + Send> PipeInput<R> {
    /// Reads `reader` to its end and calls it `name`.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, reader: R) -> Self {
        Self { name: name.into(), reader, ahead: Vec::new(), ended: false }
    }
}

impl<R: Read + Send> LogInput for PipeInput<R> {
    fn file_name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    fn read(&mut self, buffer: &mut Vec<u8>, max: usize) -> io::Result<usize> {
        if !self.ahead.is_empty() {
            let got = self.ahead.len();
            buffer.append(&mut self.ahead);
            return Ok(got);
        }
        // One read, not a full buffer: what a live pipe has now is handed on now.
        let old = buffer.len();
        buffer.resize(old.saturating_add(max.min(PIPE_READ)), 0);
        let result = match buffer.get_mut(old..) {
            Some(space) => loop {
                match self.reader.read(space) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    other => break other,
                }
            },
            None => Ok(0),
        };
        let got = *result.as_ref().unwrap_or(&0);
        buffer.truncate(old.saturating_add(got));
        self.ended = got == 0;
        result
    }

    fn wait(&mut self, _timeout: Duration) -> io::Result<More> {
        Ok(if self.ended { More::End } else { More::Bytes })
    }

    fn spool(&mut self, unused: &[u8]) -> io::Result<Spool> {
        let mut file = tempfile::tempfile()?;
        file.write_all(unused)?;
        Ok(Spool::new(Arc::new(file), 0, u64::try_from(unused.len()).unwrap_or(0)))
    }

    fn extend(&mut self, spool: &mut Spool, len: u64) -> io::Result<bool> {
        let missing = len.saturating_sub(spool.len());
        if missing > 0 {
            let Some(mut file) = spool.file() else { return Err(io::ErrorKind::Unsupported.into()) };
            file.seek(SeekFrom::End(0))?;
            let copied = io::copy(&mut (&mut self.reader).take(missing), &mut file)?;
            self.ended = copied < missing;
            spool.set_len(spool.len().saturating_add(copied));
        }
        Ok(len <= spool.len())
    }

    fn resume_after(&mut self, spool: Spool, used: u64) -> io::Result<()> {
        // The view is extended event by event: what is behind the used part is what it began with.
        let rest = usize::try_from(spool.len().saturating_sub(used)).unwrap_or(usize::MAX);
        self.ahead.resize(rest, 0);
        spool.read_exact_at(&mut self.ahead, used)
    }
}

/// Several inputs, one after the other.
pub struct ChainedInput<F> {
    current: Box<dyn LogInput>,
    next: F,
}

impl<F> ChainedInput<F>
where
    F: FnMut() -> io::Result<Option<Box<dyn LogInput>>> + Send,
{
    /// Begins with `first`; `next` opens each further one.
    pub fn new(first: Box<dyn LogInput>, next: F) -> Self {
        Self { current: first, next }
    }
}

impl<F> LogInput for ChainedInput<F>
where
    F: FnMut() -> io::Result<Option<Box<dyn LogInput>>> + Send,
{
    fn file_name(&self) -> Arc<str> {
        self.current.file_name()
    }

    fn read(&mut self, buffer: &mut Vec<u8>, max: usize) -> io::Result<usize> {
        self.current.read(buffer, max)
    }

    fn wait(&mut self, timeout: Duration) -> io::Result<More> {
        match self.current.wait(timeout)? {
            More::End => match (self.next)()? {
                Some(input) => {
                    self.current = input;
                    Ok(More::NextFile(self.current.file_name()))
                }
                None => Ok(More::End),
            },
            other => Ok(other),
        }
    }

    fn spool(&mut self, unused: &[u8]) -> io::Result<Spool> {
        self.current.spool(unused)
    }

    fn extend(&mut self, spool: &mut Spool, len: u64) -> io::Result<bool> {
        self.current.extend(spool, len)
    }

    fn resume_after(&mut self, spool: Spool, used: u64) -> io::Result<()> {
        self.current.resume_after(spool, used)
    }
}
