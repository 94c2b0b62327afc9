//! Log files without a server: what `replicate decode` runs.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::applier::{self, ApplierOptions, Summary};
use super::error::ApplyError;
use super::input::{ChainedInput, FileInput, LogInput, PipeInput};
use super::listing::{self, Listing};
use super::plans::Names;
use super::sequencer::Observer;
use crate::filter::{Content, Selection};
use crate::sink::Sink;

/// The name that stands for standard input.
pub const STDIN: &str = "-";

/// What to decode.
pub struct DecodeOptions {
    /// Binary log or relay log files in order; `-` is standard input.
    pub files: Vec<PathBuf>,
    /// Where the names of columns come from that the log does not name.
    pub names: Names,
    /// Decoding threads.
    pub workers: usize,
    /// Set to end early.
    pub stop: Arc<AtomicBool>,
}

/// Decodes the files one after the other into an open sink.
///
/// # Errors
/// When a file cannot be opened, is no log, ends in the middle of a transaction, or cannot be decoded. Everything
/// before the error has come out.
pub fn run<S: Sink>(options: DecodeOptions, sink: &mut S, observer: &dyn Observer) -> Result<Summary, ApplyError> {
    let Some(mut input) = open_all(options.files)? else {
        return Ok(Summary { input_ended: true, saw_unnamed: false });
    };
    let options = ApplierOptions {
        workers: options.workers,
        names: options.names,
        resume: None,
        stop: options.stop,
        source_uuid: None,
    };
    applier::run(&mut *input, sink, options, observer)
}

/// Lists the events of the files one after the other.
///
/// # Errors
/// As [`listing::run`].
pub fn list(
    files: Vec<PathBuf>,
    selection: Selection,
    content: Content,
    listing: &mut dyn Listing,
) -> Result<(), ApplyError> {
    match open_all(files)? {
        Some(mut input) => listing::run(&mut *input, selection, content, listing),
        None => Ok(()),
    }
}

/// The files as one log; `None` if there are none.
fn open_all(files: Vec<PathBuf>) -> Result<Option<Box<dyn LogInput>>, ApplyError> {
    let mut files: VecDeque<PathBuf> = files.into();
    let Some(first) = files.pop_front() else { return Ok(None) };
    let failed = |path: &Path, error| ApplyError::Read { file: path.display().to_string(), error };
    let first = open(&first).map_err(|error| failed(&first, error))?;
    Ok(Some(Box::new(ChainedInput::new(first, move || match files.pop_front() {
        Some(path) => {
            open(&path).map(Some).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
        }
        None => Ok(None),
    }))))
}

/// The error for a file that does not begin as every log does.
pub(super) fn not_a_log(file: &str) -> ApplyError {
    ApplyError::Undecodable {
        what: format!("{file} is no binary log: it does not begin with the bytes fe 62 69 6e"),
        place: Box::default(),
        hint: Some("an encrypted log begins with fd 62 69 6e; decrypt it, or read it from its server".to_owned()),
    }
}

/// Opens a file; standard input is read as a file where it is one, so that nothing is copied.
fn open(path: &Path) -> io::Result<Box<dyn LogInput>> {
    if path.as_os_str() == STDIN {
        let file = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        return Ok(if file.metadata()?.is_file() {
            Box::new(FileInput::new(STDIN, file))
        } else {
            Box::new(PipeInput::new(STDIN, file))
        });
    }
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let file = File::open(path)?;
    let kind = file.metadata()?;
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok(if kind.is_file() { Box::new(FileInput::new(name, file)) } else { Box::new(PipeInput::new(name, file)) })
}
