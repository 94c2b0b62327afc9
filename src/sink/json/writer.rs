//! Brings finished lines to standard output or to a file.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;

use super::JsonRenderer;
use super::outlet::{Outlet, Patience, Unwritten, is_full};
use crate::row::GeometryForm;
use crate::sink::{Ack, Progress, Sink, SinkError};

/// How long a reader that does not read, or a full disk, may hold up an end that was asked for.
const GRACE: Duration = Duration::from_secs(10);

/// Where the lines go.
enum Target {
    Stdout,
    File(PathBuf),
}

/// Writes lines in large pieces, without a buffer of its own: workers hand over what is worth a write.
pub struct JsonSink {
    target: Target,
    out: Option<Outlet>,
    patience: Option<Patience>,
    geometry: GeometryForm,
    /// Length of the file up to which lines are known to be on disk; `None` for standard output.
    durable: Option<u64>,
}

impl JsonSink {
    /// To standard output.
    #[must_use]
    pub fn stdout() -> Self {
        Self { target: Target::Stdout, out: None, patience: None, geometry: GeometryForm::default(), durable: None }
    }

    /// Appends to a file, which is made, for its owner alone, if it is not there.
    #[must_use]
    pub fn file(path: PathBuf) -> Self {
        Self { target: Target::File(path), ..Self::stdout() }
    }

    /// How spatial values are shown.
    #[must_use]
    pub fn geometry(mut self, geometry: GeometryForm) -> Self {
        self.geometry = geometry;
        self
    }

    /// For a feed without an end: a reader that does not read is waited for until `stop` is set and a grace period
    /// is over, and so is space on the disk that standard output goes to.
    #[must_use]
    pub fn until(mut self, stop: watch::Receiver<bool>) -> Self {
        self.patience = Some(Patience::new(stop, GRACE));
        self
    }

    fn failed(&self, doing: &str, error: &io::Error) -> SinkError {
        let what = match &self.target {
            Target::Stdout => "standard output".to_owned(),
            Target::File(path) => path.display().to_string(),
        };
        match error.kind() {
            ErrorKind::BrokenPipe => SinkError::BrokenPipe,
            _ if is_full(error) => SinkError::Unavailable { what: format!("cannot {doing} {what}: {error}") },
            _ => rejected(format!("cannot {doing} {what}: {error}"), None),
        }
    }

    fn open_file(&mut self, path: &Path) -> Result<File, SinkError> {
        let opened = OpenOptions::new().create(true).append(true).read(true).mode(0o600).open(path);
        let file = opened.map_err(|error| self.failed("open", &error))?;
        if file.metadata().map_err(|error| self.failed("read", &error))?.is_file() {
            self.lock(&file, path)?;
            let length = file.metadata().map_err(|error| self.failed("read", &error))?.len();
            // After an error lines past the durable ones are written again; after a crash the last may be torn.
            let keep = match self.durable {
                Some(durable) => durable.min(length),
                None => end_of_last_line(&file, length).map_err(|error| self.failed("read", &error))?,
            };
            if keep < length {
                file.set_len(keep).map_err(|error| self.failed("shorten", &error))?;
            }
            self.durable = Some(keep);
        }
        Ok(file)
    }

    /// Two that append to one file would take each other's lines for torn ones. The lock ends with the open file.
    fn lock(&self, file: &File, path: &Path) -> Result<(), SinkError> {
        match file.try_lock() {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => Err(rejected(
                format!("another process writes to {}", path.display()),
                Some("each channel needs a file of its own".to_owned()),
            )),
            Err(TryLockError::Error(error)) => Err(self.failed("lock", &error)),
        }
    }
}

fn rejected(what: String, hint: Option<String>) -> SinkError {
    SinkError::Rejected { code: None, what, table: None, hint, at: None }
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

impl Sink for JsonSink {
    type Output = Vec<u8>;
    type Renderer = JsonRenderer;

    fn renderer(&self) -> JsonRenderer {
        JsonRenderer::new(self.geometry)
    }

    fn open(&mut self) -> Result<Option<Progress>, SinkError> {
        // An open file holds its lock.
        self.out = None;
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
        let outlet = Outlet::new(file, self.patience.is_some()).map_err(|error| self.failed("open", &error))?;
        self.out = Some(outlet);
        Ok(None)
    }

    fn apply(&mut self, piece: &mut Vec<u8>, _upto: Option<&Progress>) -> Result<Ack, SinkError> {
        // A file is shortened and written again from what is durable; what went to standard output stays there.
        let await_space = matches!(self.target, Target::Stdout);
        let result = match &mut self.out {
            Some(out) => out.write(piece, self.patience.as_mut(), await_space),
            None => Err(Unwritten::Failed(ErrorKind::NotConnected.into())),
        };
        match result {
            Ok(()) => Ok(Ack::Accepted),
            Err(Unwritten::Cancelled) => Err(SinkError::Cancelled),
            Err(Unwritten::Failed(error)) => Err(self.failed("write to", &error)),
        }
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        // A pipe's reader has the bytes, or the kernel has them for it; a file is brought to disk.
        if let (Some(out), Some(durable)) = (self.out.as_ref().and_then(Outlet::file), self.durable) {
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
    use std::os::unix::fs::PermissionsExt;

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

    #[test]
    fn a_file_is_its_owners_alone_and_one_sinks_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("feed.json");
        let mut first = JsonSink::file(path.clone());
        first.open().unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        first.apply(&mut b"torn".to_vec(), None).unwrap();
        let mut second = JsonSink::file(path.clone());
        let error = second.open().unwrap_err();
        assert_eq!(error.to_string(), format!("another process writes to {}", path.display()));
        assert!(matches!(error, SinkError::Rejected { .. }));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "torn");
        // It does not shut out itself.
        first.open().unwrap();
        drop(first);
        second.open().unwrap();
    }
}
