//! A running channel: receiver and applier around one relay log, until they are told to stop.
//!
//! Where to go on is decided once, at the start: the sink's own record (a target's checkpoint row) if it has one, else
//! the store's. If the relay log does not hold that place it is fetched anew from the source. Receiver and applier then
//! meet in the relay log only.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};

use super::applier::{self, ApplierOptions};
use super::channel_error::ChannelError;
use super::dispatch::Counts;
use super::error::ApplyError;
use super::monitor::Monitor;
use super::observer::ChannelObserver;
use super::plans::Names;
use super::receiver::{Receiver, Shared};
use super::relay_input::RelayInput;
use super::retry::Backoff;
use super::tracker::{Ahead, SchemaTracker, SourceNames};
use crate::disposition::Disposition;
use crate::position::LogPosition;
use crate::relay::{RelayFileId, RelayLog, RelayOptions, RelayWriter, SyncPolicy};
use crate::sink::{Progress, Sink, SinkError};
use crate::source::SourceConfig;
use crate::status::state;
use crate::store::{ChannelDir, ErrorKind, Mark, Store};

/// How often flags are looked at where nothing wakes a task.
const POLL: Duration = Duration::from_millis(100);

/// The longest wait before a sink that failed is tried again.
const SINK_RETRY: Duration = Duration::from_secs(10);

/// What a channel needs to run. The caller holds its lock.
pub struct ChannelConfig {
    /// Its name in the store.
    pub name: String,
    /// Its directory.
    pub dir: ChannelDir,
    /// Where progress is kept.
    pub store: Store,
    /// Whom to follow.
    pub source: SourceConfig,
    /// Longest wait between two attempts to connect.
    pub connect_retry: Duration,
    /// Bytes at which a relay file is followed by another.
    pub max_relay_log_size: u64,
    /// Events after which the relay log is synced; 0 leaves it to the system.
    pub sync_relay_log: u32,
    /// Where to begin if there is no progress; `None` is the first file that the source has.
    pub start: Option<LogPosition>,
    /// End when everything that the source had at the first connection is applied.
    pub until_caught_up: bool,
}

/// Why a channel ended without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitReason {
    /// It was told to.
    Stopped,
    /// `--until-caught-up`: it has.
    CaughtUp,
}

/// Runs a channel with a sink until `stop` says so, until it is caught up if that was asked for, or an error.
///
/// # Errors
/// What stopped the receiver or the applier; it has been recorded for `status`. If it was the receiver, everything
/// received before has been applied.
pub async fn run<S: Sink + 'static>(
    config: ChannelConfig,
    sink: S,
    monitor: Arc<Monitor>,
    stop: watch::Receiver<bool>,
) -> Result<ExitReason, ChannelError> {
    let signals = Signals::default();
    let (begun, mut beginning) = oneshot::channel();
    let (store, name) = (config.store.clone(), config.name.clone());
    let noted = |error| note_relay_error(&store, &name, &monitor, error);
    let options = RelayOptions { max_file_size: config.max_relay_log_size, sync: SyncPolicy::OnRequest };
    let (relay, recovered) = RelayWriter::open(&config.dir.relay(), options).map_err(|error| noted(error.into()))?;
    if recovered.cut > 0 {
        tracing::info!(bytes = recovered.cut, "an unfinished tail was cut off the relay log; it is fetched again");
    }
    let shared = Arc::new(Shared::default());
    let applier = Applier {
        name: config.name.clone(),
        store: config.store.clone(),
        source: config.source.clone(),
        log: relay.log(),
        monitor: Arc::clone(&monitor),
        shared: Arc::clone(&shared),
        signals: signals.clone(),
        begun: Some(begun),
        proceed: signals.proceed.subscribe(),
    };
    let runtime = Handle::current();
    let mut applied = tokio::task::spawn_blocking(move || applier.run(sink, &runtime));
    let mut stop_now = stop.clone();
    let progress = tokio::select! {
        progress = &mut beginning => progress.ok(),
        _ = stop_now.wait_for(|stop| *stop) => None,
    };
    let Some(progress) = progress else {
        signals.stop();
        return join(applied.await).map(|()| ExitReason::Stopped);
    };
    let receiver = match prepare(config, relay, progress, &monitor, &shared) {
        Ok(receiver) => receiver,
        Err(error) => {
            signals.stop();
            // The first error is the one to show.
            let _ = applied.await;
            return Err(noted(error));
        }
    };
    signals.proceed.send_replace(true);
    let (stop_receiver, receiver_stop) = watch::channel(false);
    let mut received = tokio::spawn(receiver.run(receiver_stop));
    let (mut receiver_error, mut receiver_done, mut caught_up) = (None, false, false);
    let mut look = tokio::time::interval(POLL);
    let result = loop {
        tokio::select! {
            result = &mut applied => break join(result),
            result = &mut received, if !receiver_done => {
                receiver_done = true;
                receiver_error = flatten(result).err();
                // The applier finishes what is there.
                signals.drained.store(true, Ordering::Release);
            }
            _ = stop_now.wait_for(|stop| *stop), if !signals.stopping() => signals.stop(),
            _ = look.tick(), if !signals.stopping() => {
                if shared.is_caught_up() {
                    caught_up = true;
                    signals.stop();
                }
            }
        }
    };
    stop_receiver.send_replace(true);
    if !receiver_done {
        receiver_error = flatten(received.await).err();
    }
    result?;
    match receiver_error {
        Some(error) => Err(error),
        None if caught_up => Ok(ExitReason::CaughtUp),
        None => Ok(ExitReason::Stopped),
    }
}

/// The relay log cannot be used: an error before there is a receiver to have it.
fn note_relay_error(store: &Store, name: &str, monitor: &Monitor, error: ChannelError) -> ChannelError {
    let text = error.to_string();
    monitor.receiver_error(Some((error.number(), text.clone())));
    if let Err(error) = store.record_error(name, ErrorKind::Io, error.number(), &text) {
        tracing::error!(error = %error, "the last error cannot be recorded");
    }
    error
}

fn join(result: Result<Result<(), ChannelError>, tokio::task::JoinError>) -> Result<(), ChannelError> {
    result.unwrap_or(Err(ChannelError::Internal("applier")))
}

fn flatten(result: Result<Result<(), ChannelError>, tokio::task::JoinError>) -> Result<(), ChannelError> {
    result.unwrap_or(Err(ChannelError::Internal("receiver")))
}

/// Brings relay log and progress together, and makes the receiver.
fn prepare(
    config: ChannelConfig,
    mut relay: RelayWriter,
    progress: Option<Progress>,
    monitor: &Arc<Monitor>,
    shared: &Arc<Shared>,
) -> Result<Receiver, ChannelError> {
    if let Some(progress) = &progress {
        if progress.source_uuid.is_some() {
            shared.source_uuid.get_or_init(|| progress.source_uuid.clone());
        }
        monitor.applied(Some(&progress.position), &Counts::default());
        shared.set_applied(&progress.position);
        monitor.durable(&progress.position);
        if relay.log().end().is_some() && relay.log().locate(&progress.position)?.is_none() {
            tracing::warn!(position = %progress.position, "the relay log does not hold the applied position: fetching it anew");
            relay.discard()?;
        }
    }
    if let Some(end) = relay.log().end() {
        monitor.received(&end.source, relay.log().total_size());
    }
    let start_is_typed = progress.is_none();
    Ok(Receiver {
        config: config.source,
        connect_retry: config.connect_retry,
        channel: config.name,
        store: config.store,
        relay,
        sync_relay_log: config.sync_relay_log,
        unsynced: 0,
        start: progress.map(|progress| progress.position).or(config.start),
        start_is_typed,
        until_caught_up: config.until_caught_up,
        monitor: Arc::clone(monitor),
        shared: Arc::clone(shared),
    })
}

/// Flags between the channel's tasks.
#[derive(Debug, Clone)]
struct Signals {
    /// The applier is to end behind the transaction under way.
    stop: Arc<AtomicBool>,
    /// The receiver writes no more: the applier ends where the relay log does.
    drained: Arc<AtomicBool>,
    /// The relay log is in order: the applier may read it.
    proceed: watch::Sender<bool>,
}

impl Default for Signals {
    fn default() -> Self {
        Self { stop: Arc::default(), drained: Arc::default(), proceed: watch::Sender::new(false) }
    }
}

impl Signals {
    fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.proceed.send_replace(true);
    }

    fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// The applier's half of the channel. It lives on a thread of its own.
struct Applier {
    name: String,
    store: Store,
    source: SourceConfig,
    log: Arc<RelayLog>,
    monitor: Arc<Monitor>,
    shared: Arc<Shared>,
    signals: Signals,
    /// Told once where the sink stands.
    begun: Option<oneshot::Sender<Option<Progress>>>,
    proceed: watch::Receiver<bool>,
}

impl Applier {
    /// Opens the sink and applies the relay log; tries again what may pass.
    fn run<S: Sink>(mut self, mut sink: S, runtime: &Handle) -> Result<(), ChannelError> {
        let mut backoff = Backoff::new(SINK_RETRY);
        let result = loop {
            let applied_before = self.monitor.status().sink.events;
            let result = self.once(&mut sink, runtime);
            let Err(error) = result else { break Ok(()) };
            // A look ahead ends with the receiver, whose error is the one to show.
            if (self.signals.stopping() || self.signals.drained.load(Ordering::Acquire))
                && matches!(error, ChannelError::Apply(ApplyError::Sink { error: SinkError::Cancelled, .. }))
            {
                break Ok(());
            }
            if self.signals.stopping() && error.disposition() == Disposition::Retry {
                // What would have been tried again is tried at the next start.
                break Ok(());
            }
            self.note_error(&error);
            if error.disposition() == Disposition::Stop {
                break Err(error);
            }
            if self.monitor.status().sink.events != applied_before {
                backoff.reset();
            }
            let delay = backoff.next_delay();
            tracing::warn!(error = %error, retry_in_ms = u64::try_from(delay.as_millis()).unwrap_or(0), "the sink failed");
            self.monitor.applier(true, state::WAITING_FOR_SINK);
            self.pause(delay);
            if self.signals.stopping() {
                break Ok(());
            }
        };
        self.monitor.applier(false, "");
        result
    }

    fn note_error(&self, error: &ChannelError) {
        let text = error.to_string();
        self.monitor.applier_error(Some((error.number(), text.clone())));
        if let Err(error) = self.store.record_error(&self.name, ErrorKind::Sql, error.number(), &text) {
            tracing::error!(error = %error, "the last error cannot be recorded");
        }
    }

    fn pause(&self, delay: Duration) {
        let until = std::time::Instant::now() + delay;
        while !self.signals.stopping() && std::time::Instant::now() < until {
            std::thread::sleep(POLL.min(delay));
        }
    }

    /// From opening the sink to its first error, or the end.
    fn once<S: Sink>(&mut self, sink: &mut S, runtime: &Handle) -> Result<(), ChannelError> {
        let own = sink.open().map_err(ApplyError::from_sink)?;
        let progress = self.reconcile::<S>(own)?;
        if let Some(begun) = self.begun.take() {
            // The channel may have been told to stop meanwhile.
            drop(begun.send(progress.clone()));
        }
        self.monitor.applier(true, state::APPLYING);
        let proceed = runtime.block_on(self.proceed.wait_for(|proceed| *proceed)).is_ok();
        let Some(first) = self.first_file(progress.as_ref())?.filter(|_| proceed) else { return Ok(()) };
        self.monitor.applier_error(None);
        self.store.clear_error(&self.name, ErrorKind::Sql)?;
        let mut input = RelayInput::open(Arc::clone(&self.log), first, Arc::clone(&self.signals.drained))
            .map_err(|error| ApplyError::Read { file: first.to_string(), error })?;
        let names = match sink.catalog() {
            Some(catalog) => Names::Target(catalog),
            None => Names::Source(Box::new(self.tracker(runtime)?)),
        };
        let options = ApplierOptions {
            workers: applier::default_workers(),
            names,
            resume: progress.map(|progress| progress.position),
            wanted: crate::filter::Wanted::default(),
            stop: Arc::clone(&self.signals.stop),
            source_uuid: self.shared.source_uuid.get().cloned().flatten(),
        };
        let observer = ChannelObserver::new(
            self.name.clone(),
            self.store.clone(),
            Arc::clone(&self.log),
            Arc::clone(&self.monitor),
            Arc::clone(&self.shared),
        );
        applier::run(&mut input, sink, options, &observer)?;
        Ok(())
    }

    /// For a sink without a catalog of its own: what the source's tables were at each position.
    fn tracker(&self, runtime: &Handle) -> Result<SchemaTracker, ChannelError> {
        let stop = Arc::clone(&self.signals.stop);
        let ahead = Ahead::new(Arc::clone(&self.log), stop, Arc::clone(&self.signals.drained));
        let source = SourceNames::new(self.source.clone(), runtime.clone());
        let identity = self.shared.source_uuid.get().cloned().flatten();
        if let Some(identity) = &identity {
            self.store.adopt_schema(&self.name, identity)?;
        }
        Ok(SchemaTracker::new(self.store.clone(), self.name.clone(), identity, ahead, Box::new(source)))
    }

    /// What counts as done: the sink's own word, else the store's.
    fn reconcile<S: Sink>(&self, own: Option<Progress>) -> Result<Option<Progress>, ChannelError> {
        let record = self.store.load_channel(&self.name)?.unwrap_or_default();
        if let (true, None, Some(applied)) = (S::KEEPS_PROGRESS, &own, &record.progress.applied) {
            return Err(ChannelError::Refused {
                number: 1593,
                what: format!(
                    "the target has no checkpoint of this channel, which has come to {}: it is another server, or was \
                     emptied, or restored from before the channel began",
                    applied.position
                ),
                hint: "bring back the target that has the checkpoint; or prepare this one, forget the progress \
                       ('replicate reset') and start at the position that it stands at"
                    .to_owned(),
            });
        }
        let stored = record.progress.applied.or(record.progress.start);
        let Some(own) = own else {
            return Ok(stored.map(|mark| Progress { position: mark.position, source_uuid: mark.source_uuid }));
        };
        if let Some(stored) = stored.filter(|stored| stored.position > own.position) {
            tracing::warn!(
                recorded = %stored.position, sink = %own.position,
                "the sink is behind the recorded progress (restored from a backup?): going on from where the sink is"
            );
            let mark = Mark { source_uuid: own.source_uuid.clone(), ..Mark::at(own.position.clone()) };
            self.store.set_start(&self.name, &mark)?;
        }
        Ok(Some(own))
    }

    /// The relay file that holds the resume point, once there is one; `None` if the channel stops before.
    ///
    /// `prepare` has seen to it that the relay log holds the point, or is fetched anew from there. A sink that goes back
    /// while the channel runs may ask for what has been applied and deleted: that is for a new start to fetch.
    fn first_file(&self, progress: Option<&Progress>) -> Result<Option<RelayFileId>, ChannelError> {
        loop {
            if self.signals.stopping() {
                return Ok(None);
            }
            if self.log.end().is_some() {
                let Some(progress) = progress else { return Ok(self.log.files().first().copied()) };
                return match self.log.locate(&progress.position)? {
                    Some(place) => Ok(Some(place.file)),
                    None => Err(ChannelError::Refused {
                        number: 1594,
                        what: format!(
                            "the sink stands at {}, and the relay log does not hold that place any more",
                            progress.position
                        ),
                        hint: "start the channel again: what is missing is fetched from the source".to_owned(),
                    }),
                };
            }
            if self.signals.drained.load(Ordering::Acquire) {
                return Ok(None);
            }
            drop(self.log.wait_beyond(None, POLL));
        }
    }
}
