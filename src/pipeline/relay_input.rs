//! The relay log as the coordinator reads it: file after file, up to the published end.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::input::{LogInput, More, Spool, read_some};
use crate::relay::{RelayFileId, RelayLog, RelayPlace};

/// Reads the relay log as it grows.
pub struct RelayInput {
    log: Arc<RelayLog>,
    id: RelayFileId,
    name: Arc<str>,
    file: Arc<File>,
    offset: u64,
    /// Set once the receiver writes no more: then the end is the end.
    complete: Arc<AtomicBool>,
}

impl RelayInput {
    /// Begins at the start of a file.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(log: Arc<RelayLog>, id: RelayFileId, complete: Arc<AtomicBool>) -> io::Result<Self> {
        let name: Arc<str> = id.to_string().into();
        let file = Arc::new(File::open(log.dir().join(&*name))?);
        Ok(Self { log, id, name, file, offset: 0, complete })
    }

    fn readable(&self) -> u64 {
        self.log.readable(self.id).unwrap_or(0)
    }
}

impl LogInput for RelayInput {
    fn file_name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    fn read(&mut self, buffer: &mut Vec<u8>, max: usize) -> io::Result<usize> {
        let there = usize::try_from(self.readable().saturating_sub(self.offset)).unwrap_or(usize::MAX);
        if there == 0 {
            return Ok(0);
        }
        let got = read_some(&self.file, buffer, max.min(there))?;
        if got == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.offset = self.offset.saturating_add(u64::try_from(got).unwrap_or(0));
        Ok(got)
    }

    fn wait(&mut self, timeout: Duration) -> io::Result<More> {
        // Asked before the end is looked at: what is written in between is seen.
        let complete = self.complete.load(Ordering::Acquire);
        let next = self.log.next_file(self.id);
        if self.readable() > self.offset {
            return Ok(More::Bytes);
        }
        if let Some(next) = next {
            *self = Self::open(Arc::clone(&self.log), next, Arc::clone(&self.complete))?;
            return Ok(More::NextFile(self.file_name()));
        }
        if complete {
            return Ok(More::End);
        }
        drop(self.log.wait_beyond(Some(RelayPlace { file: self.id, offset: self.offset }), timeout));
        Ok(More::Nothing)
    }

    fn spool(&mut self, unused: &[u8]) -> io::Result<Spool> {
        let unused = u64::try_from(unused.len()).unwrap_or(0);
        Ok(Spool::new(Arc::clone(&self.file), self.offset.saturating_sub(unused), unused))
    }

    fn extend(&mut self, spool: &mut Spool, len: u64) -> io::Result<bool> {
        if len > spool.len() {
            spool.set_len(self.readable().saturating_sub(spool.base()));
        }
        Ok(len <= spool.len())
    }

    fn resume_after(&mut self, spool: Spool, used: u64) -> io::Result<()> {
        self.offset = spool.base().saturating_add(used);
        io::Seek::seek(&mut &*self.file, io::SeekFrom::Start(self.offset)).map(drop)
    }
}
