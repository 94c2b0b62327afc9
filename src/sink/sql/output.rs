//! Standard output: text in large pieces, and what its errors mean.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;

use crate::sink::SinkError;

/// Text is handed to the system in pieces of about this size.
const PIECE: usize = 256 << 10;

/// Standard output, or a file in its place.
#[derive(Debug)]
pub(super) struct Output {
    file: Option<File>,
    /// What is to be written.
    pub(super) text: Vec<u8>,
}

impl Output {
    /// Standard output, to be opened.
    pub(super) fn stdout() -> Self {
        Self { file: None, text: Vec::new() }
    }

    #[cfg(test)]
    pub(super) fn into_file(file: File) -> Self {
        Self { file: Some(file), text: Vec::new() }
    }

    pub(super) fn open(&mut self) -> Result<(), SinkError> {
        if self.file.is_none() {
            self.file = Some(File::from(io::stdout().as_fd().try_clone_to_owned().map_err(failed)?));
        }
        Ok(())
    }

    /// Writes the text if it is worth it.
    pub(super) fn relieve(&mut self) -> Result<(), SinkError> {
        if self.text.len() < PIECE { Ok(()) } else { self.write() }
    }

    /// Writes the text.
    pub(super) fn write(&mut self) -> Result<(), SinkError> {
        let Some(file) = &mut self.file else { return Err(failed(ErrorKind::NotConnected.into())) };
        file.write_all(&self.text).map_err(failed)?;
        self.text.clear();
        // One large row is no reason to keep its memory.
        self.text.shrink_to(PIECE.saturating_mul(4));
        Ok(())
    }
}

fn failed(error: io::Error) -> SinkError {
    match error.kind() {
        ErrorKind::BrokenPipe => SinkError::BrokenPipe,
        _ => SinkError::Rejected {
            code: None,
            what: format!("cannot write to standard output: {error}"),
            table: None,
            hint: None,
            at: None,
        },
    }
}
