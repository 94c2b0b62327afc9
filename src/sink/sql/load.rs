//! Files that LOAD DATA statements of the log read: their blocks go to a directory, the statements name them there.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::change::TransactionMeta;
use crate::sink::SinkError;

/// The files of a directory.
#[derive(Debug)]
pub(super) struct LoadFiles {
    dir: Option<PathBuf>,
    /// Where each file under way is.
    paths: HashMap<u32, PathBuf>,
}

impl LoadFiles {
    pub(super) fn new(dir: Option<PathBuf>) -> Self {
        Self { dir, paths: HashMap::new() }
    }

    /// Writes the next bytes of a file. It must not be there before its first.
    pub(super) fn block(
        &mut self,
        id: u32,
        first: bool,
        bytes: &[u8],
        meta: Option<&TransactionMeta>,
    ) -> Result<(), SinkError> {
        let Some(dir) = &self.dir else {
            return Err(SinkError::Rejected {
                code: None,
                what: "LOAD DATA was logged as a statement with its file".to_owned(),
                table: None,
                hint: Some("name a directory for such files with --load-dir".to_owned()),
                at: meta.cloned().map(Box::new),
            });
        };
        if first {
            let start = meta.map_or_else(String::new, |meta| meta.start.to_string().replace([':', '/'], "-"));
            let path =
                std::path::absolute(dir.join(format!("{start}-{id}.data"))).map_err(|error| failed(dir, &error))?;
            self.paths.insert(id, path);
        }
        let path = self.path(id)?;
        let mut options = OpenOptions::new();
        if first {
            options.write(true).create_new(true).mode(0o600)
        } else {
            options.append(true)
        };
        options.open(path).and_then(|mut file| file.write_all(bytes)).map_err(|error| failed(path, &error))
    }

    /// Where a file is.
    pub(super) fn path(&self, id: u32) -> Result<&Path, SinkError> {
        self.paths.get(&id).map(PathBuf::as_path).ok_or_else(|| SinkError::Rejected {
            code: None,
            what: format!("LOAD DATA reads file {id}, whose bytes are not in the log before it"),
            table: None,
            hint: Some("start at the beginning of the transaction".to_owned()),
            at: None,
        })
    }
}

fn failed(path: &Path, error: &io::Error) -> SinkError {
    SinkError::Rejected {
        code: None,
        what: format!("cannot write {}: {error}", path.display()),
        table: None,
        hint: None,
        at: None,
    }
}
