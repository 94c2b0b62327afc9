//! From prepared options to a running channel: sink, control socket, signals, and the end.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::watch;

use super::channel::describe;
use super::error::Failure;
use super::signals;
use super::start::Prepared;
use crate::control::{self, ControlHandler, ControlServer};
use crate::options::{ChannelOptions, SinkTarget};
use crate::pipeline::channel::{self, ChannelConfig, ExitReason};
use crate::pipeline::monitor::Monitor;
use crate::pipeline::{ChannelError, applier};
use crate::secret::Secret;
use crate::sink::json::JsonSink;
use crate::sink::mysql::{MysqlSink, MysqlSinkConfig};
use crate::sink::null::NullSink;
use crate::source::{SourceConfig, SslMode, TlsConfig};
use crate::status::{ChannelStatus, ProcessStatus, WorkerStatus};
use crate::store::Identity;

/// How long an attempt to connect to the source may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long threads of an ended channel are waited for.
const LAST_WAIT: Duration = Duration::from_secs(2);

/// What the control socket may do to the channel.
struct Handler {
    monitor: Arc<Monitor>,
    stop: watch::Sender<bool>,
}

impl ControlHandler for Handler {
    fn status(&self) -> ChannelStatus {
        self.monitor.status()
    }

    fn stop(&self) {
        tracing::info!("asked to stop over the control socket");
        self.stop.send_replace(true);
    }
}

/// Runs the channel to its end.
pub(super) fn run(prepared: Prepared) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no threads to run on")?;
    let result = runtime.block_on(serve(prepared, &runtime));
    runtime.shutdown_timeout(LAST_WAIT);
    result
}

async fn serve(prepared: Prepared, runtime: &Runtime) -> anyhow::Result<()> {
    let Prepared { channel, lock, options, sink_password, identity, until_caught_up, .. } = prepared;
    let (stop, stopped) = watch::channel(false);
    signals::watch_for(stop.clone())?;
    let monitor = Arc::new(Monitor::new(initial_status(&channel.name, &options, &identity)));
    let server = ControlServer::bind(channel.dir.socket()?)?;
    let handler = Arc::new(Handler { monitor: Arc::clone(&monitor), stop });
    let (ended, end) = tokio::sync::oneshot::channel::<()>();
    let control = tokio::spawn(control::serve(server, handler, async {
        // Either way the channel has ended.
        let _ = end.await;
    }));
    let config = ChannelConfig {
        name: channel.name.clone(),
        dir: channel.dir.clone(),
        store: channel.store.clone(),
        source: source_config(&options, &identity),
        connect_retry: options.connect_retry,
        max_relay_log_size: options.max_relay_log_size,
        sync_relay_log: options.sync_relay_log,
        start: options.start.clone(),
        until_caught_up,
    };
    tracing::info!(channel = channel.name, sink = %options.sink, pid = std::process::id(), "started");
    let result = with_sink(config, &options, sink_password, monitor, stopped, runtime.handle()).await;
    drop(ended);
    if let Ok(Err(error)) = control.await {
        tracing::error!(error = %error, "the control socket failed");
    }
    drop(lock);
    match result {
        Ok(ExitReason::Stopped) => tracing::info!(channel = channel.name, "stopped"),
        Ok(ExitReason::CaughtUp) => tracing::info!(channel = channel.name, "caught up with the source"),
        Err(error) => {
            let hint = error.hint();
            let failure = Failure::new(format!("{} stopped: {error}", describe(&channel.name)));
            return Err(hint.into_iter().fold(failure, Failure::hint).into());
        }
    }
    Ok(())
}

/// REGISTER of sinks: what `--sink` names, as the code that does it.
async fn with_sink(
    config: ChannelConfig,
    options: &ChannelOptions,
    password: Option<Secret>,
    monitor: Arc<Monitor>,
    stop: watch::Receiver<bool>,
    runtime: &Handle,
) -> Result<ExitReason, ChannelError> {
    let feed = |sink: JsonSink| sink.geometry(options.geometry).until(stop.clone());
    match &options.sink {
        SinkTarget::Stdout => channel::run(config, feed(JsonSink::stdout()), monitor, stop).await,
        SinkTarget::File(path) => channel::run(config, feed(JsonSink::file(path.clone())), monitor, stop).await,
        SinkTarget::Null => channel::run(config, NullSink, monitor, stop).await,
        SinkTarget::Mysql(url) => {
            let target = MysqlSinkConfig::from_url(url, password.unwrap_or_default(), &config.name)
                .map_err(|error| ChannelError::Sink(error.to_string()))?;
            let sink = MysqlSink::new(target, runtime.clone(), stop.clone());
            channel::run(config, sink, monitor, stop).await
        }
    }
}

fn initial_status(name: &str, options: &ChannelOptions, identity: &Identity) -> ChannelStatus {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut status = ChannelStatus::configured(name, options);
    status.process = Some(ProcessStatus { pid: std::process::id(), since });
    status.connection.server_id = options.server_id.or(Some(identity.server_id));
    let workers = u32::try_from(applier::default_workers()).unwrap_or(1);
    status.workers = (1..=workers).map(|id| WorkerStatus { id, ..WorkerStatus::default() }).collect();
    status
}

fn source_config(options: &ChannelOptions, identity: &Identity) -> SourceConfig {
    use crate::options::SslMode as Asked;
    SourceConfig {
        host: options.host.clone().unwrap_or_default(),
        port: options.port,
        socket: options.socket.clone(),
        user: options.user.clone().unwrap_or_default(),
        password: options.password.clone().unwrap_or_default(),
        tls: TlsConfig {
            mode: match options.tls.mode {
                Asked::Disabled => SslMode::Disabled,
                Asked::Preferred => SslMode::Preferred,
                Asked::Required => SslMode::Required,
                Asked::VerifyCa => SslMode::VerifyCa,
                Asked::VerifyIdentity => SslMode::VerifyIdentity,
            },
            ca: options.tls.ca.clone(),
            cert: options.tls.cert.clone(),
            key: options.tls.key.clone(),
        },
        get_public_key: options.get_public_key,
        public_key_path: options.public_key_path.clone(),
        connect_timeout: CONNECT_TIMEOUT,
        heartbeat_period: options.heartbeat_period,
        server_id: options.server_id.unwrap_or(identity.server_id),
        replica_uuid: identity.replica_uuid.clone(),
        ..SourceConfig::default()
    }
}
