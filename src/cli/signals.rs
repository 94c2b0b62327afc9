//! SIGINT and SIGTERM: the first asks for an orderly end, the second ends at once.

use std::process;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Exit code after a second signal: the work under way was given up.
const GIVEN_UP: i32 = 1;

/// Sets `stop` at the first signal. Called within a tokio runtime.
pub(super) fn watch_for(stop: watch::Sender<bool>) -> anyhow::Result<()> {
    let wanted = |kind| signal(kind).context("cannot watch for signals");
    let (mut interrupt, mut terminate) = (wanted(SignalKind::interrupt())?, wanted(SignalKind::terminate())?);
    tokio::spawn(async move {
        next(&mut interrupt, &mut terminate).await;
        tracing::info!("stopping after the transaction under way; a second signal ends at once");
        stop.send_replace(true);
        next(&mut interrupt, &mut terminate).await;
        tracing::warn!("ended at once: what was not recorded is done again at the next start");
        process::exit(GIVEN_UP);
    });
    Ok(())
}

async fn next(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
