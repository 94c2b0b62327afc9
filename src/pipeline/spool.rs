//! A random-access view of bytes of a log: of a file, or of what was put aside of one.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Bytes copied at once.
const CHUNK: usize = 256 << 10;

/// Where the bytes are.
#[derive(Debug)]
enum Bytes {
    File(Arc<File>),
    Memory(Vec<u8>),
}

/// A random-access view of the bytes ahead in an input, or of a copy of them.
#[derive(Debug)]
pub struct Spool {
    bytes: Bytes,
    base: u64,
    len: u64,
}

impl Spool {
    /// A view of `file` that begins at `base` and is known to hold `len` bytes.
    #[must_use]
    pub fn new(file: Arc<File>, base: u64, len: u64) -> Self {
        Self { bytes: Bytes::File(file), base, len }
    }

    /// A copy of the first `len` bytes: in memory, or in a temporary file without a name.
    ///
    /// # Errors
    /// When the bytes cannot be read, or the file not be made or written.
    pub fn copy(&self, len: u64, in_memory: bool) -> io::Result<Self> {
        let too_long = |_| io::Error::from(io::ErrorKind::FileTooLarge);
        if in_memory {
            let mut bytes = vec![0; usize::try_from(len).map_err(too_long)?];
            self.read_exact_at(&mut bytes, 0)?;
            return Ok(Self { bytes: Bytes::Memory(bytes), base: 0, len });
        }
        let mut file = tempfile::tempfile()?;
        let mut chunk = vec![0; CHUNK];
        let mut at = 0_u64;
        while at < len {
            let size = usize::try_from(len.saturating_sub(at)).unwrap_or(CHUNK).min(CHUNK);
            let part = chunk.get_mut(..size).unwrap_or_default();
            self.read_exact_at(part, at)?;
            file.write_all(part)?;
            at = at.saturating_add(u64::try_from(size).map_err(too_long)?);
        }
        Ok(Self::new(Arc::new(file), 0, len))
    }

    /// The file, unless it is a copy in memory.
    pub(super) fn file(&self) -> Option<&File> {
        match &self.bytes {
            Bytes::File(file) => Some(file),
            Bytes::Memory(_) => None,
        }
    }

    /// Bytes of memory that it holds.
    #[must_use]
    pub fn memory(&self) -> u64 {
        match self.bytes {
            Bytes::File(_) => 0,
            Bytes::Memory(_) => self.len,
        }
    }

    /// Bytes known to be there.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether no byte is known to be there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Says how many bytes are there.
    pub fn set_len(&mut self, len: u64) {
        self.len = len;
    }

    /// Where in the file the view begins.
    #[must_use]
    pub fn base(&self) -> u64 {
        self.base
    }

    /// Fills `out` from `offset` of the view.
    ///
    /// # Errors
    /// When the file cannot be read or is shorter.
    pub fn read_exact_at(&self, out: &mut [u8], offset: u64) -> io::Result<()> {
        match &self.bytes {
            Bytes::File(file) => file.read_exact_at(out, self.base.saturating_add(offset)),
            Bytes::Memory(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                let from = bytes.get(start..start.saturating_add(out.len()));
                out.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions, clippy::cast_possible_truncation)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_holds_the_same_bytes_in_memory_and_in_a_file() {
        let bytes: Vec<u8> = (0..CHUNK * 2 + 77).map(|n| (n % 251) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"before").unwrap();
        file.write_all(&bytes).unwrap();
        let spool = Spool::new(Arc::new(file), 6, 0);
        let len = u64::try_from(bytes.len()).unwrap();
        for in_memory in [true, false] {
            let copy = spool.copy(len, in_memory).unwrap();
            assert_eq!(copy.memory(), if in_memory { len } else { 0 });
            let mut read = vec![0; bytes.len() - 5];
            copy.read_exact_at(&mut read, 5).unwrap();
            assert!(read == bytes[5..]);
            assert!(copy.read_exact_at(&mut read, 6).is_err());
            assert!(spool.copy(len + 1, in_memory).is_err());
        }
    }
}
