//! The receiver: takes the source's log and appends it to the relay log. MySQL's IO thread.
//!
//! It looks at headers, checks CRCs and knows where transactions end; it decodes no rows. When the connection is lost,
//! the transaction that was under way is cut off the relay log and asked for again from its beginning, so the relay
//! log holds whole transactions only. Manual: "Replication Threads", "COM_BINLOG_DUMP".

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::channel_error::ChannelError;
use super::monitor::Monitor;
use super::retry::Backoff;
use crate::binlog::event::{self, Event, FormatDescription};
use crate::binlog::group::{Fed, Grouper, Step};
use crate::binlog::{ChecksumAlgorithm, EventHeader, EventType, RawEvent};
use crate::disposition::Disposition;
use crate::position::{FIRST_EVENT, LogPosition, widen_end};
use crate::relay::{RelayError, RelayWriter};
use crate::source::{
    Connection, DumpStream, Failure, PositionCheck, SourceConfig, SourceError, SourceInfo, binary_logs, check_position,
    end_of_log, nearby_boundaries, probe, replicas,
};
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
    /// How far the sink has it durably.
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

/// What is known about the stream of one connection.
struct Stream {
    grouper: Grouper,
    format: FormatDescription,
    position: LogPosition,
    /// No event of the source's file has come yet.
    fresh: bool,
    /// Bytes taken since the last commit.
    uncommitted: usize,
    /// Events taken since the last commit.
    events: u32,
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

    /// One connection, from connect to its end.
    async fn session(&mut self) -> Result<(), ChannelError> {
        let mut connection = Connection::connect(&self.config).await?;
        let encrypted = connection.encrypted();
        self.monitor.receiver(ReceiverRunning::Connecting, state::CHECKING_VERSION);
        let info = probe(&mut connection).await?;
        self.check_source(&mut connection, &info).await?;
        if self.until_caught_up && self.shared.goal.get().is_none() {
            self.set_goal(&mut connection).await?;
        }
        let from = self.starting_point(&mut connection).await?;
        self.monitor.receiver(ReceiverRunning::Connecting, state::REQUESTING_DUMP);
        tracing::info!(source = %self.config.place(), position = %from, version = info.version, "requesting the source's log");
        let mut dump = DumpStream::start(connection, &self.config, &info, &from).await?;
        self.monitor.update(|status| {
            status.connection.source_server_id = Some(info.server_id);
            status.connection.source_uuid.clone_from(&info.server_uuid);
        });
        let mut stream = Stream {
            grouper: Grouper::new(),
            format: FormatDescription::preliminary(info.checksum),
            position: from,
            fresh: true,
            uncommitted: 0,
            events: 0,
        };
        let mut connected = false;
        let mut recorded = tokio::time::Instant::now();
        loop {
            let event = match dump.next().await {
                Ok(event) => event,
                Err(error) => return Err(self.explain(at(error, &stream.position), &stream).await),
            };
            if !connected {
                connected = true;
                self.now_connected(encrypted);
            }
            let length = u64::try_from(event.len()).unwrap_or(0);
            self.monitor.heard(length);
            if let Err(error) = take(&mut self.relay, &self.monitor, &mut stream, event).await {
                return Err(self.explain(error, &stream).await);
            }
            if !dump.has_buffered() || stream.uncommitted >= COMMIT_BYTES {
                self.commit(&mut stream).await?;
            }
            if recorded.elapsed() >= RECORD_EVERY {
                recorded = tokio::time::Instant::now();
                self.record_received()?;
            }
        }
    }

    fn now_connected(&self, encrypted: bool) {
        self.monitor.receiver_error(None);
        if let Err(error) = self.store.clear_error(&self.channel, ErrorKind::Io) {
            tracing::error!(error = %error, "the last error cannot be cleared");
        }
        self.monitor.receiver(ReceiverRunning::Yes, state::WAITING_FOR_SOURCE);
        self.monitor.update(|status| status.connection.encrypted = Some(encrypted));
        tracing::info!(source = %self.config.place(), encrypted, "connected to the source");
    }

    /// Refuses a source that this channel must not follow.
    async fn check_source(&self, connection: &mut Connection, info: &SourceInfo) -> Result<(), ChannelError> {
        let place = self.config.place();
        if !info.log_bin {
            return Err(ChannelError::Refused {
                number: 1236,
                what: format!("source {place}: its binary log is off"),
                hint: "start the source with --log-bin (and --binlog-format=ROW)".to_owned(),
            });
        }
        let ours = self.config.server_id;
        if info.server_id == ours {
            return Err(ChannelError::Refused {
                number: 1593,
                what: format!("source {place} and this replica have the same server id, {ours}; ids must differ"),
                hint: "give this channel another one with --server-id".to_owned(),
            });
        }
        let twin = replicas(connection).await?.into_iter().flatten().find(|replica| {
            replica.server_id == ours && replica.uuid.as_deref() != Some(self.config.replica_uuid.as_str())
        });
        // Old servers list replicas without their UUID: there it may be our own connection that has not timed out.
        if let Some(twin) = twin.filter(|twin| twin.uuid.is_some()) {
            return Err(ChannelError::Refused {
                number: 1236,
                what: format!(
                    "source {place}: another replica (host {:?}) is registered with our server id, {ours}; the source \
                     would keep only one of us",
                    twin.host
                ),
                hint: "give this channel another one with --server-id".to_owned(),
            });
        }
        self.check_identity(info)
    }

    /// File and offset mean nothing on another server than the one they came from.
    fn check_identity(&self, info: &SourceInfo) -> Result<(), ChannelError> {
        let identity = info.identity();
        let known = self.shared.source_uuid.get_or_init(|| Some(identity.clone()));
        if known.as_ref() != Some(&identity) {
            return Err(ChannelError::Refused {
                number: 1236,
                what: format!(
                    "source {}: this is server {identity}, but the channel's position is of server {}; a file and \
                     offset of one server mean nothing on another",
                    self.config.place(),
                    known.as_deref().unwrap_or_default(),
                ),
                hint: "if the new server continues the old one, find the position there, then 'replicate reset' and \
                       start with --log-file and --pos"
                    .to_owned(),
            });
        }
        Ok(())
    }

    async fn set_goal(&self, connection: &mut Connection) -> Result<(), ChannelError> {
        let end = end_of_log(connection).await?;
        let place = self.config.place();
        let goal = end.ok_or_else(|| ChannelError::Refused {
            number: 1236,
            what: format!("source {place}: it does not say where its binary log ends"),
            hint: "start the source with --log-bin".to_owned(),
        })?;
        self.shared.goal.get_or_init(|| goal);
        Ok(())
    }

    /// Where to ask for the log: behind what the relay log has, else at the start, which is checked the first time.
    async fn starting_point(&mut self, connection: &mut Connection) -> Result<LogPosition, ChannelError> {
        if let Some(end) = self.received() {
            return Ok(end);
        }
        let start = match self.start.clone() {
            Some(start) if !self.start_is_typed => return Ok(start),
            Some(start) => match check_position(connection, &start).await.map_err(|error| at(error, &start))? {
                PositionCheck::Boundary => start,
                PositionCheck::InsideTransaction { kind } => {
                    return Err(inside_transaction(&format!("source {}: {start}", self.config.place()), &kind));
                }
                PositionCheck::Preamble { first } => {
                    if start.pos != FIRST_EVENT {
                        tracing::warn!(
                            asked = %start, start = %start.at(first),
                            "the position is in the preamble of the file, where no change stands: starting behind it"
                        );
                    }
                    start.at(first)
                }
                PositionCheck::Inside { before, after } => {
                    return Err(inside_event(&self.config.place(), &start, before, after));
                }
                PositionCheck::BeyondEnd { end } => {
                    return Err(ChannelError::Refused {
                        number: 1236,
                        what: format!("source {}: {start} is behind the end of that file, {end}", self.config.place()),
                        hint: format!("start at an offset up to {end}, or in a later file"),
                    });
                }
            },
            None => {
                let logs = binary_logs(connection).await?;
                let first = logs.into_iter().next().ok_or_else(|| ChannelError::Refused {
                    number: 1236,
                    what: format!("source {}: it has no binary log file", self.config.place()),
                    hint: "start the source with --log-bin".to_owned(),
                })?;
                LogPosition::new(first.0, FIRST_EVENT)
            }
        };
        let source_uuid = self.shared.source_uuid.get().cloned().flatten();
        self.store.set_start(&self.channel, &Mark { source_uuid, ..Mark::at(start.clone()) })?;
        self.start = Some(start.clone());
        self.start_is_typed = false;
        Ok(start)
    }

    /// A dump that breaks at its first event may have begun inside one: then the neighbours are named.
    async fn explain(&self, error: ChannelError, stream: &Stream) -> ChannelError {
        let may_be_the_position =
            matches!(error, ChannelError::Damaged { .. }) || error.disposition() == Disposition::Stop;
        if !stream.fresh || !may_be_the_position || stream.position.pos == FIRST_EVENT {
            return error;
        }
        let Ok(mut connection) = Connection::connect(&self.config).await else { return error };
        match nearby_boundaries(&mut connection, &stream.position).await {
            Ok((before, after)) if before != stream.position.pos && after != stream.position.pos => {
                inside_event(&self.config.place(), &stream.position, before, after)
            }
            _ => error,
        }
    }

    /// Lets the applier see everything up to the last boundary.
    async fn publish(&mut self) -> Result<(), ChannelError> {
        while let Err(error) = self.relay.commit(false) {
            wait_for_disk(&self.monitor, error).await?;
        }
        Ok(())
    }

    /// Writes what was taken and lets the applier see it.
    async fn commit(&mut self, stream: &mut Stream) -> Result<(), ChannelError> {
        stream.uncommitted = 0;
        self.unsynced = self.unsynced.saturating_add(std::mem::take(&mut stream.events));
        let sync = self.sync_relay_log > 0 && self.unsynced >= self.sync_relay_log;
        loop {
            match self.relay.rotate_if_needed().and_then(|_| self.relay.commit(sync)) {
                Ok(end) => {
                    if sync {
                        self.unsynced = 0;
                    }
                    if let Some(end) = end {
                        self.monitor.received(&end.source, self.relay.log().total_size());
                    }
                    return Ok(());
                }
                Err(error) => wait_for_disk(&self.monitor, error).await?,
            }
        }
    }
}

fn inside_event(place: &str, at: &LogPosition, before: u64, after: u64) -> ChannelError {
    ChannelError::Refused {
        number: 1236,
        what: format!("source {place}: {at} is inside an event; events begin at {before} and at {after}"),
        hint: format!(
            "start with --pos {before} or --pos {after}, whichever begins a transaction; SHOW BINLOG EVENTS on the source lists them"
        ),
    }
}

fn inside_transaction(at: &str, first: &str) -> ChannelError {
    ChannelError::Refused {
        number: 1236,
        what: format!("{at} is inside a transaction: the event there is {first}"),
        hint:
            "start where the transaction starts (a GTID event, or BEGIN); SHOW BINLOG EVENTS on the source lists them"
                .to_owned(),
    }
}

/// What the server says about its log does not name the place that was asked for.
fn at(error: SourceError, position: &LogPosition) -> ChannelError {
    match error.failure() {
        Failure::Server(_) => ChannelError::Log { position: position.clone(), error: Box::new(error) },
        _ => error.into(),
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

/// Takes one event of the stream.
async fn take(
    relay: &mut RelayWriter,
    monitor: &Monitor,
    stream: &mut Stream,
    bytes: &[u8],
) -> Result<(), ChannelError> {
    let bad = |what: String| ChannelError::BadStream { what };
    let (raw, rest) = RawEvent::cut(bytes).map_err(|error| bad(error.to_string()))?;
    if !rest.is_empty() {
        return Err(bad(format!("{} bytes behind an event of type {}", rest.len(), raw.header.event_type)));
    }
    let header = raw.header;
    if matches!(header.event_type, EventType::HEARTBEAT | EventType::HEARTBEAT_V2) {
        return Ok(());
    }
    let position = next_position(stream, &raw)?;
    let body = raw.body(stream.format.checksum).map_err(|error| bad(error.to_string()))?;
    let Fed { step, .. } =
        stream.grouper.feed(&header, body, &stream.format).map_err(|error| bad(error.to_string()))?;
    if stream.fresh && !header.is_artificial() {
        first_event(stream, &header)?;
    }
    loop {
        match relay.append(bytes) {
            Ok(()) => break,
            Err(error) => wait_for_disk(monitor, error).await?,
        }
    }
    stream.uncommitted = stream.uncommitted.saturating_add(bytes.len());
    stream.events = stream.events.saturating_add(1);
    stream.position = position;
    if matches!(step, Step::Outside | Step::Ends { .. }) && !stream.grouper.in_group() {
        relay.boundary(&stream.position);
    }
    Ok(())
}

/// Checks the event's CRC and says where the event after it stands.
fn next_position(stream: &mut Stream, raw: &RawEvent<'_>) -> Result<LogPosition, ChannelError> {
    let damaged = |error: crate::binlog::EventError| ChannelError::Damaged {
        position: stream.position.clone(),
        what: error.to_string(),
    };
    match raw.header.event_type {
        EventType::FORMAT_DESCRIPTION => {
            let format = FormatDescription::parse(raw).map_err(damaged)?;
            raw.verify_checksum(if format.has_checksum_tail() {
                ChecksumAlgorithm::Crc32
            } else {
                ChecksumAlgorithm::Off
            })
            .map_err(damaged)?;
            stream.format = format;
        }
        EventType::ROTATE => {
            raw.verify_checksum(stream.format.checksum).map_err(damaged)?;
            if let Event::Rotate(rotate) = event::parse(raw, &stream.format).map_err(damaged)? {
                let file = std::str::from_utf8(rotate.file)
                    .map_err(|_| ChannelError::BadStream { what: "a log file's name is not UTF-8".to_owned() })?;
                return Ok(LogPosition::new(file, rotate.pos));
            }
        }
        _ => raw.verify_checksum(stream.format.checksum).map_err(damaged)?,
    }
    if raw.header.is_artificial() {
        return Ok(stream.position.clone());
    }
    let size = u64::from(raw.header.event_size);
    Ok(stream.position.at(widen_end(stream.position.pos, size, raw.header.log_pos)))
}

/// The first event of a dump tells whether the position was the start of an event, and of a transaction.
fn first_event(stream: &mut Stream, header: &EventHeader) -> Result<(), ChannelError> {
    stream.fresh = false;
    let at = &stream.position;
    let low = u32::try_from(at.pos.saturating_add(u64::from(header.event_size)) & 0xffff_ffff).unwrap_or(0);
    if header.log_pos != 0 && header.log_pos != low {
        return Err(ChannelError::Refused {
            number: 1236,
            what: format!("{at} is not the start of an event: the source sent one that ends at {}", header.log_pos),
            hint: "look for one with SHOW BINLOG EVENTS on the source".to_owned(),
        });
    }
    let inside = header.event_type.is_row_event()
        || matches!(
            header.event_type,
            EventType::TABLE_MAP | EventType::XID | EventType::ROWS_QUERY | EventType::TRANSACTION_PAYLOAD
        );
    if inside && stream.format.binlog_version >= 4 && !is_before_5_6(&stream.format) {
        return Err(inside_transaction(&at.to_string(), &header.event_type.to_string()));
    }
    Ok(())
}

/// Servers before 5.6 could write row events without BEGIN.
fn is_before_5_6(format: &FormatDescription) -> bool {
    ["5.0", "5.1", "5.5"].iter().any(|version| format.server_version.starts_with(version))
}
