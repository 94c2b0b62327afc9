//! The receiver: takes the source's log and appends it to the relay log. MySQL's IO thread.
//!
//! It looks at headers, checks CRCs and knows where transactions end; it decodes no rows. When the connection is lost,
//! the transaction that was under way is cut off the relay log and asked for again from its beginning, so the relay
//! log holds whole transactions only. Manual: "Replication Threads", "COM_BINLOG_DUMP".

mod admission;
mod judge;
mod session;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::channel_error::ChannelError;
use super::monitor::Monitor;
use super::retry::Backoff;
use crate::disposition::Disposition;
use crate::position::LogPosition;
use crate::relay::{RelayError, RelayWriter};
use crate::source::SourceConfig;
use crate::status::{ReceiverRunning, state};
use crate::store::{ErrorKind, Mark, Store, StoreError};

/// Received bytes that are written and published at once while more are waiting.
const COMMIT_BYTES: usize = 1 << 20;

/// How long a full disk is given before the write is tried again.
const DISK_WAIT: Duration = Duration::from_secs(1);

/// How often the received position is recorded for `status` on a stopped channel.
const RECORD_EVERY: Duration = Duration::from_secs(1);

/// What the receiver and the rest of the channel share.
#[derive(Debug, Default)]
pub struct Shared {
    /// The source that all positions belong to, as `SourceInfo::identity` names it.
    pub source_uuid: OnceLock<Option<String>>,
    /// Where `--until-caught-up` ends: the source's end of log at the first connection.
    pub goal: OnceLock<LogPosition>,
    /// How far the sink has it durably, but for what waits for its outcome.
    pub applied: Mutex<Option<LogPosition>>,
}

impl Shared {
    /// Records how far the sink has it durably.
    pub fn set_applied(&self, position: &LogPosition) {
        *self.applied.lock().unwrap_or_else(PoisonError::into_inner) = Some(position.clone());
    }

    /// Whether the sink has everything that the source had at the first connection.
    #[must_use]
    pub fn is_caught_up(&self) -> bool {
        let applied = self.applied.lock().unwrap_or_else(PoisonError::into_inner);
        match (self.goal.get(), &*applied) {
            (Some(goal), Some(applied)) => applied >= goal,
            _ => false,
        }
    }
}

/// Fetches the source's log.
pub struct Receiver {
    /// Whom to reach.
    pub config: SourceConfig,
    /// Longest wait between two attempts.
    pub connect_retry: Duration,
    /// The channel's name in the store.
    pub channel: String,
    /// For the received position and the last error.
    pub store: Store,
    /// Where events go.
    pub relay: RelayWriter,
    /// Events after which the relay log is synced; 0 leaves it to the system.
    pub sync_relay_log: u32,
    /// Events since the last sync.
    pub unsynced: u32,
    /// Where to begin while the relay log is empty; `None` is the first file the source has.
    pub start: Option<LogPosition>,
    /// The start is a place that a user typed, not one that was reached: it is checked.
    pub start_is_typed: bool,
    /// Whether the source's end of log is asked for.
    pub until_caught_up: bool,
    /// Status.
    pub monitor: Arc<Monitor>,
    /// What the rest of the channel must know.
    pub shared: Arc<Shared>,
}

/// Times that one event may arrive damaged before the source's own file must be the damaged one.
const DAMAGED_TIMES: u32 = 3;

/// Counts how often the same event arrived damaged.
#[derive(Default)]
struct Damaged {
    at: Option<LogPosition>,
    times: u32,
}

impl Damaged {
    /// Whether it is enough.
    fn again(&mut self, error: &ChannelError) -> bool {
        let ChannelError::Damaged { position, .. } = error else { return false };
        self.times = if self.at.as_ref() == Some(position) { self.times.saturating_add(1) } else { 1 };
        self.at = Some(position.clone());
        self.times >= DAMAGED_TIMES
    }
}

impl Receiver {
    /// Works until `stop` says so, or until an error that trying again cannot mend.
    ///
    /// # Errors
    /// That error. The relay log ends at a transaction boundary either way.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) -> Result<(), ChannelError> {
        let mut backoff = Backoff::new(self.connect_retry);
        let mut damaged = Damaged::default();
        loop {
            self.monitor.receiver(ReceiverRunning::Connecting, state::CONNECTING);
            let received_before = self.received();
            let result = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => Ok(()),
                result = self.session() => result,
            };
            self.relay.cut_to_last_boundary()?;
            if result.as_ref().is_err_and(|error| error.disposition() == Disposition::Retry) {
                // Whole transactions that were taken and not yet published: the log is asked for again behind them,
                // or they would come twice.
                tokio::select! {
                    biased;
                    _ = stop.wait_for(|stop| *stop) => {}
                    published = self.publish() => published?,
                }
            }
            self.record_received()?;
            let Err(error) = result else {
                self.monitor.receiver(ReceiverRunning::No, "");
                return Ok(());
            };
            self.note_error(&error);
            if error.disposition() == Disposition::Stop || damaged.again(&error) {
                self.monitor.receiver(ReceiverRunning::No, "");
                return Err(error);
            }
            if self.received() != received_before {
                backoff.reset();
            }
            let delay = backoff.next_delay();
            tracing::warn!(error = %error, retry_in_ms = u64::try_from(delay.as_millis()).unwrap_or(0), "connection to the source failed");
            self.monitor.receiver(ReceiverRunning::Connecting, state::WAITING_TO_RECONNECT);
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => {
                    self.monitor.receiver(ReceiverRunning::No, "");
                    return Ok(());
                }
                () = tokio::time::sleep(delay) => {}
            }
        }
    }

    fn received(&self) -> Option<LogPosition> {
        self.relay.log().end().map(|end| end.source)
    }

    fn note_error(&self, error: &ChannelError) {
        let (number, text) = (error.number(), error.to_string());
        self.monitor.receiver_error(Some((number, text.clone())));
        if let Err(error) = self.store.record_error(&self.channel, ErrorKind::Io, number, &text) {
            tracing::error!(error = %error, "the last error cannot be recorded");
        }
    }

    fn record_received(&self) -> Result<(), ChannelError> {
        let Some(position) = self.received() else { return Ok(()) };
        let source_uuid = self.shared.source_uuid.get().cloned().flatten();
        match self.store.record_received(&self.channel, &Mark { source_uuid, ..Mark::at(position) }) {
            // After a power loss the relay log's tail is fetched again: the record is ahead, the relay log is right.
            Ok(()) | Err(StoreError::WentBackwards { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Lets the applier see everything up to the last boundary.
    async fn publish(&mut self) -> Result<(), ChannelError> {
        while let Err(error) = self.relay.commit(false) {
            wait_for_disk(&self.monitor, error).await?;
        }
        Ok(())
    }
}

/// A full disk: says so, waits, and lets the caller try again. Nothing is lost meanwhile.
async fn wait_for_disk(monitor: &Monitor, error: RelayError) -> Result<(), ChannelError> {
    if error.disposition() == Disposition::Stop {
        return Err(error.into());
    }
    tracing::warn!(error = %error, "waiting for disk space");
    monitor.receiver_error(Some((1021, error.to_string())));
    monitor.receiver(ReceiverRunning::Yes, state::WAITING_FOR_DISK);
    tokio::time::sleep(DISK_WAIT).await;
    monitor.receiver_error(None);
    monitor.receiver(ReceiverRunning::Yes, state::WAITING_FOR_SOURCE);
    Ok(())
}
