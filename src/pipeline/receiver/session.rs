//! A session: one connection, from connect to its end.

use super::admission::{at, inside_event};
use super::judge::{Stream, take};
use super::{COMMIT_BYTES, RECORD_EVERY, Receiver, wait_for_disk};
use crate::binlog::event::FormatDescription;
use crate::binlog::group::Grouper;
use crate::disposition::Disposition;
use crate::pipeline::channel_error::ChannelError;
use crate::position::FIRST_EVENT;
use crate::source::{Connection, DumpStream, nearby_boundaries, probe};
use crate::status::{ReceiverRunning, state};
use crate::store::ErrorKind;

impl Receiver {
    /// One connection, from connect to its end.
    pub(super) async fn session(&mut self) -> Result<(), ChannelError> {
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
