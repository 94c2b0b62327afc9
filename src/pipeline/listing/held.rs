//! Lines of a transaction that may yet turn out to be wanted: in memory, and in a temporary file past a bound.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use super::ApplyError;

/// Bytes kept in memory.
const IN_MEMORY: usize = 4 << 20;

#[derive(Default)]
pub(super) struct Held {
    memory: Vec<u8>,
    file: Option<File>,
}

impl Held {
    /// Takes lines and leaves `lines` empty.
    pub(super) fn take(&mut self, lines: &mut Vec<u8>) -> io::Result<()> {
        self.memory.append(lines);
        if self.memory.len() > IN_MEMORY {
            let mut file = match self.file.take() {
                Some(file) => file,
                None => tempfile::tempfile()?,
            };
            file.write_all(&self.memory)?;
            self.memory.clear();
            self.file = Some(file);
        }
        Ok(())
    }

    /// Gives all lines back in order.
    pub(super) fn release(
        self,
        failed: impl Fn(io::Error) -> ApplyError,
        mut write: impl FnMut(&[u8]) -> Result<(), ApplyError>,
    ) -> Result<(), ApplyError> {
        if let Some(mut file) = self.file {
            file.seek(SeekFrom::Start(0)).map_err(&failed)?;
            let mut piece = vec![0; 64 << 10];
            loop {
                let got = file.read(&mut piece).map_err(&failed)?;
                match piece.get(..got) {
                    Some(bytes) if got > 0 => write(bytes)?,
                    _ => break,
                }
            }
        }
        write(&self.memory)
    }
}
