//! `replicate status`: how a channel stands; from the process that runs it, else from the store.

use std::fs;

use super::Global;
use super::channel::{Channel, stored_options};
use crate::control::Request;
use crate::options::ChannelOptions;
use crate::status::{ChannelStatus, LastError, Names, json, text};
use crate::store::{self, ChannelRecord};

/// Shows how a channel stands, as SHOW REPLICA STATUS does.
///
/// A running channel is asked; of a stopped one the store knows. Fields and JSON keys are listed in docs/status.md.
#[derive(Debug, clap::Args)]
pub(super) struct Status {
    /// One JSON object in place of text.
    #[arg(long)]
    json: bool,
    /// Field names of SHOW SLAVE STATUS: Master and Slave for Source and Replica.
    #[arg(long, conflicts_with = "json")]
    old_names: bool,
}

impl Status {
    pub(super) fn run(&self, global: &Global) -> anyhow::Result<()> {
        let (channel, record) = Channel::open_existing(global)?;
        let live = super::stop::ask(&channel, Request::Status)?.and_then(|response| response.status);
        let status = match live {
            Some(status) => status,
            None => stored(&channel, &record)?,
        };
        if self.json {
            return super::print(&format!("{:#}\n", json(&status)));
        }
        super::print(&text(&[status], if self.old_names { Names::Old } else { Names::New }))
    }
}

/// A stopped channel, from what is stored.
fn stored(channel: &Channel, record: &ChannelRecord) -> anyhow::Result<ChannelStatus> {
    let options = ChannelOptions::new(&stored_options(Some(record)))?;
    let mut status = ChannelStatus::configured(&channel.name, &options);
    let progress = &record.progress;
    if let Some(received) = progress.received.as_ref().or(progress.applied.as_ref()) {
        status.connection.log_file = received.position.file.to_string();
        status.connection.log_pos = received.position.pos;
        // MariaDB has no UUID; what stands in its place is our own.
        status.connection.source_uuid = received.source_uuid.clone().filter(|text| uuid::Uuid::parse_str(text).is_ok());
    }
    if let Some(applied) = &progress.applied {
        status.coordinator.source_log_file = applied.position.file.to_string();
        status.coordinator.source_log_pos = applied.position.pos;
        status.sink.checkpoint_file = applied.position.file.to_string();
        status.sink.checkpoint_pos = applied.position.pos;
    }
    status.connection.last_error = record.io_error.as_ref().map(last_error);
    status.coordinator.last_error = record.sql_error.as_ref().map(last_error);
    status.coordinator.relay_log_space = relay_log_space(channel)?;
    Ok(status)
}

fn last_error(error: &store::LastError) -> LastError {
    LastError { number: error.number, message: error.message.clone(), at: error.at_ms / 1000 }
}

/// Bytes of all files of the relay log.
fn relay_log_space(channel: &Channel) -> anyhow::Result<u64> {
    let Ok(entries) = fs::read_dir(channel.dir.relay()) else {
        return Ok(0);
    };
    let mut bytes = 0_u64;
    for entry in entries {
        bytes = bytes.saturating_add(entry?.metadata()?.len());
    }
    Ok(bytes)
}
