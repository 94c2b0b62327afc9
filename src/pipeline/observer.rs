//! What a channel does about progress: records the checkpoint and purges relay files.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::dispatch::Counts;
use super::error::ApplyError;
use super::monitor::Monitor;
use super::receiver::Shared;
use super::sequencer::Observer;
use crate::position::LogPosition;
use crate::relay::{RelayFileId, RelayLog};
use crate::sink::{Progress, SinkError};
use crate::store::{Mark, Store};

/// Follows a channel's sink.
pub(super) struct ChannelObserver {
    name: String,
    store: Store,
    log: Arc<RelayLog>,
    monitor: Arc<Monitor>,
    shared: Arc<Shared>,
    /// Where relay files begin in the source's log: read once.
    starts: Mutex<BTreeMap<RelayFileId, LogPosition>>,
}

impl ChannelObserver {
    pub(super) fn new(
        name: String,
        store: Store,
        log: Arc<RelayLog>,
        monitor: Arc<Monitor>,
        shared: Arc<Shared>,
    ) -> Self {
        Self { name, store, log, monitor, shared, starts: Mutex::default() }
    }

    /// Deletes the relay files whose every event has been applied.
    fn purge(&self, applied: &LogPosition) -> Result<(), ApplyError> {
        let files = self.log.files();
        if files.len() < 2 {
            return Ok(());
        }
        let unreadable = |error: crate::relay::RelayError| ApplyError::Read {
            file: self.log.dir().display().to_string(),
            error: std::io::Error::other(error),
        };
        let mut starts = self.starts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut keep = None;
        for id in files.into_iter().skip(1) {
            let start = match starts.get(&id) {
                Some(start) => start.clone(),
                None => {
                    let header = self.log.open(id).and_then(|file| file.header()).map_err(unreadable)?;
                    starts.insert(id, header.start.clone());
                    header.start
                }
            };
            if start > *applied {
                break;
            }
            keep = Some(id);
        }
        if let Some(keep) = keep {
            starts.retain(|id, _| *id >= keep);
            self.log.purge_before(keep).map_err(unreadable)?;
        }
        Ok(())
    }
}

impl Observer for ChannelObserver {
    fn accepted(&self, upto: Option<&LogPosition>, counts: &Counts) {
        self.monitor.applied(upto, counts);
    }

    fn durable(&self, progress: &Progress) -> Result<(), ApplyError> {
        let mark = Mark { source_uuid: progress.source_uuid.clone(), ..Mark::at(progress.position.clone()) };
        self.store.record_applied(&self.name, &mark).map_err(|error| ApplyError::Sink {
            error: match error.disposition() {
                crate::disposition::Disposition::Retry => SinkError::Unavailable { what: error.to_string() },
                crate::disposition::Disposition::Stop => SinkError::Rejected {
                    code: None,
                    what: format!("the checkpoint cannot be recorded: {error}"),
                    table: None,
                    hint: None,
                    at: None,
                },
            },
            place: None,
        })?;
        self.monitor.durable(&progress.position);
        self.purge(&progress.position)
    }

    fn read(&self, upto: &LogPosition) {
        self.monitor.read(upto);
        self.shared.set_applied(upto);
    }
}
