//! The checkpoint that a target server keeps. It decides where a channel resumes, so what forgets a channel's progress
//! must forget it as well.

use anyhow::Context;
use tokio::runtime;
use tokio::sync::watch;

use super::error::Failure;
use super::password;
use crate::options::{ChannelOptions, NamedOptions, SinkTarget};
use crate::sink::SinkError;
use crate::sink::mysql::{MysqlSink, MysqlSinkConfig};

/// Removes the channel's checkpoint from its target, if its sink is one. `named` is what this command named, `stored`
/// are the options that the channel has run with.
pub(super) fn forget_checkpoint(channel: &str, named: &NamedOptions, stored: &NamedOptions) -> anyhow::Result<()> {
    let options = ChannelOptions::new(stored)?;
    let SinkTarget::Mysql(url) = &options.sink else {
        return Ok(());
    };
    let password = password::of_sink(named, &options)?.unwrap_or_default();
    let config = MysqlSinkConfig::from_url(url, password, channel)?;
    let runtime =
        runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().context("no threads to run on")?;
    let (_go_on, stop) = watch::channel(false);
    MysqlSink::new(config, runtime.handle().clone(), stop).forget_checkpoint().map_err(|error| failure(&error).into())
}

fn failure(error: &SinkError) -> Failure {
    Failure::new(format!("nothing was changed: the target still holds the channel's checkpoint: {error}"))
        .hint("make the target reachable and repeat the command, or use another channel: --channel NAME")
}
