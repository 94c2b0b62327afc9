//! What the tasks of a running channel tell about themselves: the one place `status` reads from.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::dispatch::Counts;
use crate::position::LogPosition;
use crate::status::{ChannelStatus, LastError, ReceiverRunning, state};

/// The state behind a channel's status. Tasks write to it, the control socket reads it.
#[derive(Debug)]
pub struct Monitor {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    status: ChannelStatus,
    last_packet: Option<Instant>,
    /// Header timestamp of the last transaction applied.
    last_applied: u32,
    /// How far the log was read, where prepared transactions hold the applied position back.
    read: Option<LogPosition>,
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl Monitor {
    /// Begins with what is known before anything runs.
    #[must_use]
    pub fn new(status: ChannelStatus) -> Self {
        Self { inner: Mutex::new(Inner { status, last_packet: None, last_applied: 0, read: None }) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Status is plain data: a panic elsewhere cannot leave it half-written in a harmful way.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the status.
    pub fn update(&self, change: impl FnOnce(&mut ChannelStatus)) {
        change(&mut self.lock().status);
    }

    /// Something arrived from the source.
    pub fn heard(&self, bytes: u64) {
        let mut inner = self.lock();
        inner.last_packet = Some(Instant::now());
        let connection = &mut inner.status.connection;
        connection.received_bytes = connection.received_bytes.saturating_add(bytes);
    }

    /// The relay log has everything up to here.
    pub fn received(&self, position: &LogPosition, relay_log_space: u64) {
        let mut inner = self.lock();
        inner.status.connection.log_file.clear();
        inner.status.connection.log_file.push_str(&position.file);
        inner.status.connection.log_pos = position.pos;
        inner.status.coordinator.relay_log_space = relay_log_space;
    }

    /// The receiver's state in words, and whether it is connected.
    pub fn receiver(&self, running: ReceiverRunning, words: &str) {
        let mut inner = self.lock();
        inner.status.connection.running = running;
        inner.status.connection.state = words.to_owned();
        if running != ReceiverRunning::Yes {
            inner.status.connection.encrypted = None;
            inner.last_packet = None;
        }
    }

    /// The receiver's last error; `None` when it works again.
    pub fn receiver_error(&self, error: Option<(u32, String)>) {
        self.lock().status.connection.last_error = error.map(last_error);
    }

    /// Whether the applier runs, and its state in words.
    pub fn applier(&self, running: bool, words: &str) {
        let mut inner = self.lock();
        inner.status.coordinator.running = running;
        inner.status.coordinator.state = words.to_owned();
        inner.status.workers.iter_mut().for_each(|worker| worker.running = running);
    }

    /// The applier's last error; `None` when it works again.
    pub fn applier_error(&self, error: Option<(u32, String)>) {
        self.lock().status.coordinator.last_error = error.map(last_error);
    }

    /// The sink has taken everything up to here.
    pub fn applied(&self, upto: Option<&LogPosition>, counts: &Counts) {
        let mut inner = self.lock();
        if counts.last_timestamp != 0 {
            inner.last_applied = counts.last_timestamp;
        }
        let Inner { status, .. } = &mut *inner;
        status.sink.transactions = status.sink.transactions.saturating_add(counts.transactions);
        status.sink.rows = status.sink.rows.saturating_add(counts.rows);
        status.sink.events = status.sink.events.saturating_add(counts.events);
        status.sink.ignored_events = status.sink.ignored_events.saturating_add(counts.ignored);
        if let Some(position) = upto {
            status.coordinator.source_log_file.clear();
            status.coordinator.source_log_file.push_str(&position.file);
            status.coordinator.source_log_pos = position.pos;
        }
    }

    /// Everything up to here is durable, or waits for its outcome.
    pub fn read(&self, position: &LogPosition) {
        self.lock().read = Some(position.clone());
    }

    /// The checkpoint has been recorded.
    pub fn durable(&self, position: &LogPosition) {
        self.update(|status| {
            status.sink.checkpoint_file = position.file.to_string();
            status.sink.checkpoint_pos = position.pos;
        });
    }

    /// The channel as it is now.
    #[must_use]
    pub fn status(&self) -> ChannelStatus {
        let inner = self.lock();
        let mut status = inner.status.clone();
        status.connection.seconds_since_last_packet = inner.last_packet.map(|at| at.elapsed().as_secs());
        let caught_up = status.connection.running == ReceiverRunning::Yes
            && (status.connection.log_file == status.coordinator.source_log_file
                && status.connection.log_pos == status.coordinator.source_log_pos
                || inner.read.as_ref().is_some_and(|read| {
                    *read.file == *status.connection.log_file && read.pos == status.connection.log_pos
                }));
        status.coordinator.seconds_behind_source = match (status.coordinator.running, caught_up, inner.last_applied) {
            (true, true, _) => Some(0),
            (true, false, at) if at != 0 => Some(now().saturating_sub(u64::from(at))),
            _ => None,
        };
        if status.coordinator.running && caught_up {
            status.coordinator.state = state::APPLIED_ALL.to_owned();
        }
        status
    }
}

fn last_error((number, message): (u32, String)) -> LastError {
    LastError { number, message, at: now() }
}
