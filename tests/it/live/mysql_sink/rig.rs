//! A source's binary log brought to a target by the applier and the MySQL sink inside the test's own process.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use replicate::pipeline::ApplyError;
use replicate::pipeline::applier::{self, ApplierOptions};
use replicate::pipeline::dispatch::Counts;
use replicate::pipeline::input::FileInput;
use replicate::pipeline::plans::Names;
use replicate::pipeline::sequencer::Observer;
use replicate::position::LogPosition;
use replicate::secret::Secret;
use replicate::sink::mysql::{MysqlSink, MysqlSinkConfig};
use replicate::sink::{Progress, Sink};
use tokio::sync::watch;

use crate::live::harness::{Server, sql};

/// Both servers and the sink's stop signal.
pub struct Rig {
    pub source: Server,
    pub target: Server,
    stop: watch::Sender<bool>,
    grace: Duration,
}

struct Nobody;

impl Observer for Nobody {
    fn accepted(&self, _upto: Option<&LogPosition>, _counts: &Counts) {}

    fn durable(&self, _progress: &Progress) -> Result<(), ApplyError> {
        Ok(())
    }
}

impl Rig {
    pub fn new(source: Server, target: Server) -> Self {
        Self { source, target, stop: watch::Sender::new(false), grace: Duration::from_millis(300) }
    }

    /// A sink that was not opened yet.
    pub fn sink(&self) -> MysqlSink {
        let mut config =
            MysqlSinkConfig::from_url(&self.target.sink_url(), Secret::new("sink-secret".into()), "").unwrap();
        config.grace = self.grace;
        config.lock_wait_timeout = 5;
        MysqlSink::new(config, sql::runtime().handle().clone(), self.stop.subscribe())
    }

    /// Replays the source's first log file from the target's checkpoint to its end.
    pub fn replay(&self) -> Result<(), ApplyError> {
        let mut sink = self.sink();
        let resume = sink.open().map_err(ApplyError::from_sink)?.map(|progress| progress.position);
        let name = "mysql-bin.000001";
        let file = File::open(self.source.data_dir().join(name)).unwrap();
        let options = ApplierOptions {
            workers: 2,
            names: Names::Target(sink.catalog().unwrap()),
            resume,
            wanted: replicate::filter::Wanted::default(),
            stop: Arc::new(AtomicBool::new(false)),
            source_uuid: Some("the-source".to_owned()),
        };
        applier::run(&mut FileInput::new(name, file), &mut sink, options, &Nobody).map(|_| ())
    }

    /// Replays; a failure ends the test.
    #[track_caller]
    pub fn replay_all(&self) {
        if let Err(error) = self.replay() {
            panic!("{error}; hint: {:?}", error.hint());
        }
    }

    /// Replays and says what went wrong, with the hint.
    #[track_caller]
    pub fn replay_fails(&self) -> (u16, String) {
        let error = self.replay().expect_err("the replay should have failed");
        (error.code(), format!("{error}; hint: {}", error.hint().unwrap_or_default()))
    }

    /// Asks the sink to stop; later sinks do not know of it.
    pub fn stop(&mut self) {
        self.stop.send_replace(true);
        self.stop = watch::Sender::new(false);
    }

    pub fn stop_handle(&self) -> watch::Sender<bool> {
        self.stop.clone()
    }
}
