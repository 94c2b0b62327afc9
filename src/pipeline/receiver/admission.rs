//! Admission: which source a channel may follow, and from where.

use super::Receiver;
use crate::pipeline::channel_error::ChannelError;
use crate::position::{FIRST_EVENT, LogPosition};
use crate::source::{
    Connection, Failure, PositionCheck, SourceError, SourceInfo, binary_logs, check_position, end_of_log, replicas,
};
use crate::store::Mark;

impl Receiver {
    /// Refuses a source that this channel must not follow.
    pub(super) async fn check_source(
        &self,
        connection: &mut Connection,
        info: &SourceInfo,
    ) -> Result<(), ChannelError> {
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
    pub(super) fn check_identity(&self, info: &SourceInfo) -> Result<(), ChannelError> {
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

    pub(super) async fn set_goal(&self, connection: &mut Connection) -> Result<(), ChannelError> {
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
    pub(super) async fn starting_point(&mut self, connection: &mut Connection) -> Result<LogPosition, ChannelError> {
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
}

pub(super) fn inside_event(place: &str, at: &LogPosition, before: u64, after: u64) -> ChannelError {
    ChannelError::Refused {
        number: 1236,
        what: format!("source {place}: {at} is inside an event; events begin at {before} and at {after}"),
        hint: format!(
            "start with --pos {before} or --pos {after}, whichever begins a transaction; SHOW BINLOG EVENTS on the source lists them"
        ),
    }
}

pub(super) fn inside_transaction(at: &str, first: &str) -> ChannelError {
    ChannelError::Refused {
        number: 1236,
        what: format!("{at} is inside a transaction: the event there is {first}"),
        hint:
            "start where the transaction starts (a GTID event, or BEGIN); SHOW BINLOG EVENTS on the source lists them"
                .to_owned(),
    }
}

/// What the server says about its log does not name the place that was asked for.
pub(super) fn at(error: SourceError, position: &LogPosition) -> ChannelError {
    match error.failure() {
        Failure::Server(_) => ChannelError::Log { position: position.clone(), error: Box::new(error) },
        _ => error.into(),
    }
}
