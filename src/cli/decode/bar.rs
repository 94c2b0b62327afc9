//! How far the decoder is, on a terminal.

use std::fs;
use std::io::{self, IsTerminal};
use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};

use crate::pipeline::ApplyError;
use crate::pipeline::dispatch::Counts;
use crate::pipeline::sequencer::Observer;
use crate::position::LogPosition;
use crate::sink::Progress;

/// Shown where standard error is a terminal and standard output is not: what is printed would tear it apart.
pub(super) struct Bar(ProgressBar);

impl Bar {
    /// For the bytes of these files, if their sizes are known.
    pub(super) fn new(files: &[PathBuf]) -> Self {
        let shown = io::stderr().is_terminal() && !io::stdout().is_terminal();
        let sizes =
            files.iter().map(|file| fs::metadata(file).ok().filter(|file| file.is_file()).map(|file| file.len()));
        let (bar, style) = match sizes.sum::<Option<u64>>() {
            _ if !shown => return Self(ProgressBar::hidden()),
            Some(total) => (ProgressBar::new(total), "{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} eta {eta}"),
            None => (ProgressBar::new_spinner(), "{spinner} {bytes} {bytes_per_sec}"),
        };
        Self(match ProgressStyle::with_template(style) {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        })
    }

    /// So many bytes more are done.
    pub(super) fn advance(&self, bytes: u64) {
        self.0.inc(bytes);
    }

    /// Leaves the terminal as it was.
    pub(super) fn clear(&self) {
        self.0.finish_and_clear();
    }
}

impl Observer for Bar {
    fn accepted(&self, _upto: Option<&LogPosition>, counts: &Counts) {
        self.advance(counts.bytes);
    }

    fn durable(&self, _progress: &Progress) -> Result<(), ApplyError> {
        Ok(())
    }
}
