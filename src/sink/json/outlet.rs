//! The open end of the feed: bytes into a file descriptor whose reader, or whose disk, may keep them waiting.
//!
//! A regular file is written directly. Anything else (pipe, terminal, socket) may block for as long as its reader
//! likes, so there a thread of its own does the writing, and the sink can give up waiting for it. It knows nothing of
//! lines but that a piece ends with one.

use std::fs::File;
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use tokio::sync::watch;

/// How often the stop signal is looked at while bytes wait.
const LOOK: Duration = Duration::from_millis(100);

/// How long to wait: as long as it takes, and once a stop is asked for, until the grace period is over.
pub(super) struct Patience {
    stop: watch::Receiver<bool>,
    grace: Duration,
    deadline: Option<Instant>,
}

impl Patience {
    pub(super) fn new(stop: watch::Receiver<bool>, grace: Duration) -> Self {
        Self { stop, grace, deadline: None }
    }

    fn is_over(&mut self) -> bool {
        if !*self.stop.borrow() {
            return false;
        }
        let now = Instant::now();
        let grace = self.grace;
        *self.deadline.get_or_insert_with(|| now + grace) <= now
    }
}

/// Why a piece was not written.
#[derive(Debug)]
pub(super) enum Unwritten {
    Failed(io::Error),
    /// The grace period is over.
    Cancelled,
}

/// A piece on its way to the writing thread and back.
pub(super) struct Errand {
    bytes: Vec<u8>,
    /// How many of them are written.
    done: usize,
    result: io::Result<()>,
}

/// Where bytes go.
pub(super) enum Outlet {
    Direct(File),
    Thread { errands: Sender<Errand>, finished: Receiver<Errand> },
}

impl Outlet {
    /// Without `patient` everything is written directly, also where that may block for ever.
    pub(super) fn new(file: File, patient: bool) -> io::Result<Self> {
        if !patient || file.metadata()?.is_file() {
            return Ok(Self::Direct(file));
        }
        let (errands, taken) = crossbeam_channel::bounded::<Errand>(1);
        let (finish, finished) = crossbeam_channel::bounded(1);
        thread::Builder::new().name("output".to_owned()).spawn(move || {
            for mut errand in taken {
                errand.result = write_rest(&file, &errand.bytes, &mut errand.done);
                if finish.send(errand).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self::Thread { errands, finished })
    }

    /// The file, if it is written directly.
    pub(super) fn file(&self) -> Option<&File> {
        match self {
            Self::Direct(file) => Some(file),
            Self::Thread { .. } => None,
        }
    }

    /// Writes a whole piece. With `await_space` a full disk is waited for, and writing goes on where it was.
    pub(super) fn write(
        &mut self,
        piece: &mut Vec<u8>,
        mut patience: Option<&mut Patience>,
        await_space: bool,
    ) -> Result<(), Unwritten> {
        let (mut done, mut warned) = (0, false);
        while !piece.is_empty() {
            let error = match self.attempt(piece, &mut done, patience.as_deref_mut())? {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            match patience.as_deref_mut() {
                Some(patience) if await_space && is_full(&error) => {
                    if !warned {
                        tracing::warn!(error = %error, "the output has no space left: waiting for it");
                        warned = true;
                    }
                    if patience.is_over() {
                        self.take_back_torn_line(piece.get(..done).unwrap_or_default());
                        return Err(Unwritten::Cancelled);
                    }
                    thread::sleep(LOOK);
                }
                _ => return Err(Unwritten::Failed(error)),
            }
        }
        Ok(())
    }

    /// Goes on behind the first `done` bytes, to the end or to an error of the file.
    fn attempt(
        &self,
        piece: &mut Vec<u8>,
        done: &mut usize,
        patience: Option<&mut Patience>,
    ) -> Result<io::Result<()>, Unwritten> {
        let (errands, finished) = match self {
            Self::Direct(file) => return Ok(write_rest(file, piece, done)),
            Self::Thread { errands, finished } => (errands, finished),
        };
        let gone = || Unwritten::Failed(io::Error::other("the writing thread is gone"));
        let errand = Errand { bytes: std::mem::take(piece), done: *done, result: Ok(()) };
        errands.send(errand).map_err(|_| gone())?;
        let mut patience = patience;
        loop {
            match finished.recv_timeout(LOOK) {
                Ok(errand) => {
                    (*piece, *done) = (errand.bytes, errand.done);
                    return Ok(errand.result);
                }
                Err(RecvTimeoutError::Timeout) => {
                    if patience.as_deref_mut().is_some_and(Patience::is_over) {
                        return Err(Unwritten::Cancelled);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return Err(gone()),
            }
        }
    }

    /// Cuts off what is no whole line, if that is a file which ends with it.
    fn take_back_torn_line(&self, written: &[u8]) {
        let Some(file) = self.file() else { return };
        let torn = memchr::memrchr(b'\n', written).map_or(written, |at| written.get(at..).unwrap_or_default());
        let torn = torn.strip_prefix(b"\n").unwrap_or(torn).len();
        if let Err(error) = cut_end(file, u64::try_from(torn).unwrap_or(0)) {
            tracing::warn!(error = %error, "the output ends with a line that is not whole");
        }
    }
}

/// Makes a file shorter, if its end is where writing stands.
fn cut_end(mut file: &File, by: u64) -> io::Result<()> {
    let end = file.metadata()?.len();
    if by > 0 && file.stream_position()? == end {
        let keep = end.saturating_sub(by);
        file.set_len(keep)?;
        file.seek(SeekFrom::Start(keep))?;
    }
    Ok(())
}

/// Whether space may come back.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// Writes all of `bytes` behind the first `done`, also to a pipe whose other end made it non-blocking.
fn write_rest(mut out: &File, bytes: &[u8], done: &mut usize) -> io::Result<()> {
    loop {
        let rest = bytes.get(*done..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(());
        }
        match out.write(rest) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => *done = done.saturating_add(written),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(Duration::from_millis(1)),
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use std::io::Read;
    use std::os::fd::OwnedFd;

    use super::*;

    const GRACE: Duration = Duration::from_millis(300);

    fn patience(stopped: bool) -> (watch::Sender<bool>, Patience) {
        let (stop, receiver) = watch::channel(stopped);
        (stop, Patience::new(receiver, GRACE))
    }

    fn pipe() -> (io::PipeReader, Outlet) {
        let (reader, writer) = io::pipe().unwrap();
        (reader, Outlet::new(File::from(OwnedFd::from(writer)), true).unwrap())
    }

    #[test]
    fn a_reader_that_sleeps_is_given_up_when_the_grace_period_after_a_stop_is_over() {
        let (reader, mut outlet) = pipe();
        let (stop, mut patience) = patience(false);
        let writing = thread::spawn(move || {
            let result = outlet.write(&mut vec![b'x'; 1 << 20], Some(&mut patience), true);
            (result, Instant::now())
        });
        thread::sleep(GRACE * 2);
        assert!(!writing.is_finished());
        let asked = Instant::now();
        stop.send_replace(true);
        let (result, ended) = writing.join().unwrap();
        assert!(matches!(result, Err(Unwritten::Cancelled)));
        let took = ended - asked;
        assert!(took >= GRACE && took < GRACE + Duration::from_secs(3), "{took:?}");
        drop(reader);
    }

    #[test]
    fn a_reader_that_wakes_within_the_grace_period_gets_everything() {
        let (mut reader, mut outlet) = pipe();
        let (_stop, mut patience) = patience(false);
        let reading = thread::spawn(move || {
            thread::sleep(GRACE);
            let mut read = Vec::new();
            reader.read_to_end(&mut read).unwrap();
            read
        });
        let mut piece: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_le_bytes).collect();
        let want = piece.clone();
        outlet.write(&mut piece, Some(&mut patience), true).unwrap();
        assert_eq!(piece, want);
        drop(outlet);
        assert_eq!(reading.join().unwrap(), want);
    }

    #[test]
    fn a_reader_that_left_is_an_error() {
        let (reader, mut outlet) = pipe();
        drop(reader);
        let (_stop, mut patience) = patience(false);
        match outlet.write(&mut vec![b'x'; 10], Some(&mut patience), true) {
            Err(Unwritten::Failed(error)) => assert_eq!(error.kind(), ErrorKind::BrokenPipe),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_full_disk_is_waited_for_until_the_grace_period_is_over_and_else_an_error() {
        let full = || Outlet::new(File::options().write(true).open("/dev/full").unwrap(), true).unwrap();
        let (_stop, mut stopped) = patience(true);
        let since = Instant::now();
        assert!(matches!(full().write(&mut vec![b'x'], Some(&mut stopped), true), Err(Unwritten::Cancelled)));
        assert!(since.elapsed() >= GRACE);
        assert!(matches!(full().write(&mut vec![b'x'], None, true), Err(Unwritten::Failed(error)) if is_full(&error)));
        let (_stop, mut running) = patience(false);
        let result = full().write(&mut vec![b'x'], Some(&mut running), false);
        assert!(matches!(result, Err(Unwritten::Failed(error)) if is_full(&error)));
    }

    #[test]
    fn writing_goes_on_behind_what_is_written() {
        let mut file = tempfile::tempfile().unwrap();
        let mut done = 3;
        write_rest(&file, b"abcdef", &mut done).unwrap();
        assert_eq!(done, 6);
        file.rewind().unwrap();
        assert_eq!(io::read_to_string(file).unwrap(), "def");
    }

    #[test]
    fn a_torn_line_at_the_end_of_a_file_is_taken_back() {
        for (written, kept) in [("{}\n{\"a", "{}\n"), ("{\"a", ""), ("{}\n", "{}\n"), ("", "")] {
            let mut file = tempfile::tempfile().unwrap();
            write!(file, "before\n{written}").unwrap();
            let outlet = Outlet::new(file.try_clone().unwrap(), true).unwrap();
            outlet.take_back_torn_line(written.as_bytes());
            assert_eq!(file.stream_position().unwrap(), file.metadata().unwrap().len());
            file.rewind().unwrap();
            assert_eq!(io::read_to_string(file).unwrap(), format!("before\n{kept}"));
        }
    }
}
