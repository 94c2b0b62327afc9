//! The address of a socket whose path may be longer than the 107 bytes that `sun_path` holds.
//!
//! A long path is reached through its directory: `/proc/self/fd/N/NAME` names the same file.
//! Manual: unix(7), proc(5).

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// `sun_path` has 108 bytes, the last of them zero.
const SUN_PATH: usize = 107;

/// A path that `bind` and `connect` take, good as long as this value lives.
#[derive(Debug)]
pub(super) struct Address {
    path: PathBuf,
    _directory: Option<File>,
}

impl Address {
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        if path.as_os_str().len() <= SUN_PATH {
            return Ok(Self { path: path.to_owned(), _directory: None });
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        };
        let directory = File::open(parent)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())).join(name);
        Ok(Self { path, _directory: Some(directory) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}
