//! Brings finished lines to standard output or to a file.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::Duration;

use super::JsonRenderer;
use crate::sink::{Ack, Progress, Sink, SinkError};

/// Where the lines go.
enum Target {
    Stdout,
    File(PathBuf),
}

/// Writes lines in large pieces, without a buffer of its own: workers hand over what is worth a write.
pub struct JsonSink {
    target: Target,
    out: Option<File>,
    /// Length of the file up to which lines are known to be on disk; `None` for standard output.
    durable: Option<u64>,
}

impl JsonSink {
    /// To standard output.
    #[must_use]
    pub fn stdout() -> Self {
        Self { target: Target::Stdout, out: None, durable: None }
    }

    /// Appends to a file, which is made if it is not there.
    #[must_use]
    pub fn file(path: PathBuf) -> Self {
        Self { target: Target::File(path), out: None, durable: None }
    }

    fn failed(&self, doing: &str, error: &io::Error) -> SinkError {
        let what = match &self.target {
            Target::Stdout => "standard output".to_owned(),
            Target::File(path) => path.display().to_string(),
        };
        match error.kind() {
            ErrorKind::BrokenPipe => SinkError::BrokenPipe,
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                SinkError::Unavailable { what: format!("cannot {doing} {what}: {error}") }
            }
            _ => SinkError::Rejected {
                code: None,
                what: format!("cannot {doing} {what}: {error}"),
                table: None,
                hint: None,
                at: None,
            },
        }
    }

    fn open_file(&mut self, path: &PathBuf) -> Result<File, SinkError> {
        let opened = OpenOptions::new().create(true).append(true).read(true).open(path);
        let file = opened.map_err(|error| self.failed("open", &error))?;
        let length = file.metadata().map_err(|error| self.failed("read", &error))?;
        if length.is_file() {
            // After an error lines past the durable ones are written again; after a crash the last may be torn.
            let keep = match self.durable {
                Some(durable) => durable.min(length.len()),
                None => end_of_last_line(&file, length.len()).map_err(|error| self.failed("read", &error))?,
            };
            if keep < length.len() {
                file.set_len(keep).map_err(|error| self.failed("shorten", &error))?;
            }
            self.durable = Some(keep);
        }
        Ok(file)
    }
}

/// The length of the file without a last line that has no end.
fn end_of_last_line(file: &File, length: u64) -> io::Result<u64> {
    let mut block = [0_u8; 4096];
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(4096);
        let size = usize::try_from(end.saturating_sub(start)).unwrap_or(0);
        let Some(bytes) = block.get_mut(..size) else { break };
        file.read_exact_at(bytes, start)?;
        if let Some(at) = memchr::memrchr(b'\n', bytes) {
            return Ok(start.saturating_add(u64::try_from(at).unwrap_or(0)).saturating_add(1));
        }
        end = start;
    }
    Ok(0)
}

/// Writes all of `bytes`, also to a pipe whose other end made it non-blocking.
fn write_all(mut out: &File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match out.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(Duration::from_millis(1)),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl Sink for JsonSink {
    type Output = Vec<u8>;
    type Renderer = JsonRenderer;

    fn renderer(&self) -> JsonRenderer {
        JsonRenderer::default()
    }

    fn open(&mut self) -> Result<Option<Progress>, SinkError> {
        let file = match &self.target {
            Target::Stdout => match io::stdout().as_fd().try_clone_to_owned() {
                Ok(fd) => File::from(fd),
                Err(error) => return Err(self.failed("open", &error)),
            },
            Target::File(path) => {
                let path = path.clone();
                self.open_file(&path)?
            }
        };
        self.out = Some(file);
        Ok(None)
    }

    fn apply(&mut self, piece: &mut Vec<u8>, _upto: Option<&Progress>) -> Result<Ack, SinkError> {
        let result = match &self.out {
            Some(out) => write_all(out, piece),
            None => Err(ErrorKind::NotConnected.into()),
        };
        result.map(|()| Ack::Accepted).map_err(|error| self.failed("write to", &error))
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        // A pipe's reader has the bytes, or the kernel has them for it; a file is brought to disk.
        if let (Some(out), Some(durable)) = (&self.out, self.durable) {
            let synced = out.sync_data().and_then(|()| out.metadata());
            let length = synced.map_err(|error| self.failed("write to", &error))?.len();
            self.durable = Some(length.max(durable));
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_last_line_is_cut_off_before_more_is_appended() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("feed.json");
        for (before, after) in [("", "x\n"), ("{}\n{\"a", "{}\nx\n"), ("{\"torn", "x\n"), ("{}\n", "{}\nx\n")] {
            std::fs::write(&path, before).unwrap();
            let mut sink = JsonSink::file(path.clone());
            sink.open().unwrap();
            sink.apply(&mut b"x\n".to_vec(), None).unwrap();
            sink.flush().unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), after);
        }
        let long = format!("{}\n{}", "y".repeat(10_000), "z".repeat(9_000));
        std::fs::write(&path, long).unwrap();
        JsonSink::file(path.clone()).open().unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 10_001);
    }

    #[test]
    fn lines_written_and_not_made_durable_are_written_once_after_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("feed.json");
        let mut sink = JsonSink::file(path.clone());
        sink.open().unwrap();
        sink.apply(&mut b"1\n".to_vec(), None).unwrap();
        sink.flush().unwrap();
        sink.apply(&mut b"2\n3".to_vec(), None).unwrap();
        sink.open().unwrap();
        sink.apply(&mut b"2\n".to_vec(), None).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "1\n2\n");
    }
}
