//! The applier: coordinator, workers and sequencer around one input and one sink.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crossbeam_channel::bounded;

use super::coordinator::{Coordinator, Ended};
use super::dispatch::Dispatch;
use super::error::ApplyError;
use super::input::LogInput;
use super::plans::{Names, PlanCache};
use super::sequencer::{self, Observer};
use super::worker;
use crate::filter::Wanted;
use crate::position::LogPosition;
use crate::sink::{Renderer, Sink};

/// What an applier is told.
pub struct ApplierOptions {
    /// Decoding threads.
    pub workers: usize,
    /// Where column names come from.
    pub names: Names,
    /// What ends at or before this place was done before.
    pub resume: Option<LogPosition>,
    /// Set to end the applier behind the transaction under way.
    pub stop: Arc<AtomicBool>,
    /// The part of the log that is wanted.
    pub wanted: Wanted,
    /// UUID of the source, to go with each recorded progress.
    pub source_uuid: Option<String>,
}

/// How an applier came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// The input ended (or else: it was told to stop).
    pub input_ended: bool,
    /// Some table was read without its column names.
    pub saw_unnamed: bool,
}

/// As many decoding threads as the machine has processors.
#[must_use]
pub fn default_workers() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Sets a flag when dropped, however its scope is left.
struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Reads `input` and brings it to `sink`, until the input ends, `stop` is set, or an error. The sink is open.
///
/// # Errors
/// The first error of any part. What was complete before it has reached the sink.
pub fn run<S: Sink>(
    input: &mut dyn LogInput,
    sink: &mut S,
    options: ApplierOptions,
    observer: &dyn Observer,
) -> Result<Summary, ApplyError> {
    let workers = options.workers.max(1);
    let gone = Arc::new(AtomicBool::new(false));
    let ApplierOptions { names, resume, stop, wanted, source_uuid, .. } = options;
    let content = Arc::new(wanted.content);
    let (dispatch, ends) = Dispatch::new(workers, stop, Arc::clone(&gone));
    let (spare_in, spare_out) = bounded(workers.saturating_mul(4));
    let renderers: Vec<S::Renderer> = (0..workers).map(|_| sink.renderer()).collect();
    thread::scope(|scope| {
        let coordinator = scope.spawn(move || {
            let mut coordinator = Coordinator::new(input, PlanCache::new(names), dispatch, resume);
            coordinator.select(wanted.selection);
            // A target needs what it applies by its name, and a sink that takes XA is told all.
            if !S::Renderer::TAKES_XA && !S::KEEPS_PROGRESS {
                coordinator.hold_prepared();
            }
            let ended = coordinator.run();
            (ended, coordinator.saw_unnamed())
        });
        for renderer in renderers {
            let (jobs, spare_bytes, spare_outputs) = (ends.jobs.clone(), ends.spare.clone(), spare_out.clone());
            let content = Arc::clone(&content);
            scope.spawn(move || worker::run(renderer, &content, &jobs, &spare_bytes, &spare_outputs));
        }
        drop((ends.jobs, ends.spare, spare_out));
        let orders = ends.order;
        let sequenced = {
            // Whatever happens here, the coordinator must not wait for more input.
            let _gone = SetOnDrop(gone);
            sequencer::run(sink, &orders, &spare_in, observer, source_uuid)
        };
        // After an error orders are still on their way, and somebody waits for the answer to each: a channel keeps
        // them for as long as the coordinator lives, so they are taken out and dropped until it has ended.
        while orders.recv().is_ok() {}
        let (ended, saw_unnamed) =
            coordinator.join().map_err(|_| ApplyError::Internal("the coordinator thread panicked"))?;
        sequenced?;
        Ok(Summary { input_ended: ended? == Ended::Input, saw_unnamed })
    })
}
