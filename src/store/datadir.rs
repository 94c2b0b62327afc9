//! The data directory: what lies where, and for whose eyes.
//!
//! ```text
//! DATA_DIR/                      0700
//!   replicate.db                 the store (0600)
//!   channels/NAME/               one a channel; the default channel, whose name is empty, is `default`
//!     lock  control.sock         who runs it, and how to talk to it
//!     relay/                     relay-bin.000001 ... relay-bin.index
//! ```

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::DATABASE;

/// Directory of the default channel.
const DEFAULT_CHANNEL: &str = "default";

/// The longest file name that Linux file systems take.
const NAME_MAX: usize = 255;

/// `sun_path` has 108 bytes, the last of them a zero.
const SOCKET_PATH_MAX: usize = 107;

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// The system refused.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The directory is somebody else's: it holds other things, or cannot be closed to other users.
    #[error("{} can be written by other users (mode {mode:o}); choose a directory of its own, or chmod 700 it", path.display())]
    OpenToOthers {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A channel's name does not make a file name.
    #[error("the channel name {name:?} is too long")]
    NameTooLong {
        /// The name.
        name: String,
    },
}

/// A data directory that exists and is ours.
#[derive(Debug, Clone)]
pub struct DataDir {
    path: PathBuf,
}

impl DataDir {
    /// Makes the directory if it is missing. One that is there is closed to others if it is empty or already a data
    /// directory; any other is left alone, and refused if others may write in it.
    ///
    /// # Errors
    /// When the directory cannot be made, read or trusted.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let failed = |source| DataDirError::Io { path: path.to_owned(), source };
        make_private_dir(path).map_err(failed)?;
        let mode = fs::metadata(path).map_err(failed)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 && (!is_ours(path).map_err(failed)? || close(path).is_err()) && mode & 0o022 != 0 {
            return Err(DataDirError::OpenToOthers { path: path.to_owned(), mode });
        }
        Ok(Self { path: path.to_owned() })
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The store's database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.path.join(DATABASE)
    }

    /// The channel's own directory, made if it is missing.
    ///
    /// # Errors
    /// When the name is too long or the directory cannot be made.
    pub fn channel(&self, name: &str) -> Result<ChannelDir, DataDirError> {
        let file_name = directory_name(name);
        if file_name.len() > NAME_MAX {
            return Err(DataDirError::NameTooLong { name: name.to_owned() });
        }
        let path = self.path.join("channels").join(file_name);
        make_private_dir(&path).map_err(|source| DataDirError::Io { path: path.clone(), source })?;
        Ok(ChannelDir { path })
    }
}

/// A channel's directory.
#[derive(Debug, Clone)]
pub struct ChannelDir {
    path: PathBuf,
}

impl ChannelDir {
    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Directory of the relay log.
    #[must_use]
    pub fn relay(&self) -> PathBuf {
        self.path.join("relay")
    }

    /// The file whose lock says that the channel runs.
    #[must_use]
    pub fn lock_file(&self) -> PathBuf {
        self.path.join("lock")
    }

    /// Where the running channel listens, however long the directory's path is.
    ///
    /// # Errors
    /// When the directory cannot be opened.
    pub fn socket(&self) -> Result<SocketPath, DataDirError> {
        SocketPath::new(&self.path, "control.sock")
            .map_err(|source| DataDirError::Io { path: self.path.clone(), source })
    }
}

/// A path that fits into a socket address. Keep it until the socket is bound or connected.
#[derive(Debug)]
pub struct SocketPath {
    path: PathBuf,
    _dir: Option<File>,
}

impl SocketPath {
    fn new(dir: &Path, name: &str) -> io::Result<Self> {
        let path = dir.join(name);
        if path.as_os_str().as_bytes().len() <= SOCKET_PATH_MAX {
            return Ok(Self { path, _dir: None });
        }
        // The same directory under a short name: our own descriptor of it.
        let dir = File::open(dir)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/{name}", dir.as_raw_fd()));
        Ok(Self { path, _dir: Some(dir) })
    }
}

impl AsRef<Path> for SocketPath {
    fn as_ref(&self) -> &Path {
        &self.path
    }
}

/// Makes a directory and what is missing above it, for our eyes only.
fn make_private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Whether the directory is empty or has been a data directory before.
fn is_ours(path: &Path) -> io::Result<bool> {
    Ok(path.join(DATABASE).exists() || fs::read_dir(path)?.next().is_none())
}

fn close(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(0o700))
}

/// A file name for a channel: letters, digits, `-` and `_` as they are, any other byte as `%XX`. No two names give
/// the same; the name `default` gives way to the default channel.
fn directory_name(channel: &str) -> String {
    if channel.is_empty() {
        return DEFAULT_CHANNEL.to_owned();
    }
    let mut name = String::with_capacity(channel.len());
    for (index, byte) in channel.bytes().enumerate() {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if plain && !(index == 0 && channel == DEFAULT_CHANNEL) {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02X}"));
        }
    }
    name
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use std::os::unix::net::{UnixListener, UnixStream};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn channel_names_become_safe_and_distinct_file_names() {
        assert_eq!(directory_name(""), "default");
        assert_eq!(directory_name("default"), "%64efault");
        assert_eq!(directory_name("shard-1"), "shard-1");
        assert_eq!(directory_name(".."), "%2E%2E");
        assert_eq!(directory_name("a/b\0%"), "a%2Fb%00%25");
    }

    proptest! {
        #[test]
        fn two_channel_names_never_share_a_directory(a in ".{0,6}", b in ".{0,6}") {
            prop_assert_eq!(a == b, directory_name(&a) == directory_name(&b));
            prop_assert!(!directory_name(&a).contains(['/', '.', '\0']));
        }
    }

    #[test]
    fn a_name_that_is_no_file_name_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(dir.path()).unwrap();
        assert!(matches!(data.channel(&"é".repeat(60)), Err(DataDirError::NameTooLong { .. })));
        let channel = data.channel("x").unwrap();
        assert_eq!(channel.path().metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn an_empty_directory_is_closed_to_others_and_a_shared_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).unwrap();
        DataDir::open(dir.path()).unwrap();
        assert_eq!(dir.path().metadata().unwrap().permissions().mode() & 0o777, 0o700);

        fs::write(dir.path().join("something"), "else").unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(DataDir::open(dir.path()), Err(DataDirError::OpenToOthers { mode: 0o777, .. })));
        assert_eq!(dir.path().metadata().unwrap().permissions().mode() & 0o777, 0o777);
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        DataDir::open(dir.path()).unwrap();
    }

    #[test]
    fn a_socket_works_under_a_very_long_path() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(&dir.path().join("d".repeat(120))).unwrap();
        let channel = data.channel("").unwrap();
        let socket = channel.socket().unwrap();
        assert!(socket.as_ref().as_os_str().len() <= SOCKET_PATH_MAX);
        let _listener = UnixListener::bind(&socket).unwrap();
        assert!(channel.path().join("control.sock").exists());
        UnixStream::connect(channel.socket().unwrap()).unwrap();
    }
}
