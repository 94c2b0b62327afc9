//! The channels between coordinator, workers and sequencer, and what travels on them.
//!
//! Jobs go to whichever worker is free; the order in which they were given out goes to the sequencer, with the
//! receiving end of each job's own channel. So workers finish in any order and results leave in the source's.
//! All channels are bounded: what is in flight is bounded too.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::batch::{Batch, Reached};
use super::error::ApplyError;
use crate::position::LogPosition;

/// The other side has hung up; it knows why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

/// A batch, and where its results go.
pub struct Job<O> {
    /// What to decode.
    pub batch: Batch,
    /// Results in order, the last marked so.
    pub results: Sender<Result<Rendered<O>, ApplyError>>,
}

/// Part of a job's result.
pub struct Rendered<O> {
    /// What the renderer made.
    pub output: O,
    /// The end of the last transaction that is complete with this part.
    pub upto: Option<Reached>,
    /// What is in it.
    pub counts: Counts,
    /// The job has no further part.
    pub last: bool,
}

/// How much work a part stands for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Transactions complete with it.
    pub transactions: u64,
    /// Row changes.
    pub rows: u64,
    /// Events.
    pub events: u64,
    /// Events of unknown type that their writer marked as ignorable, and that were passed over.
    pub ignored: u64,
    /// Bytes of the log.
    pub bytes: u64,
    /// Header timestamp of the last transaction, seconds since 1970; 0 without one.
    pub last_timestamp: u32,
}

impl Counts {
    /// Adds another part's counts.
    pub fn add(&mut self, other: &Self) {
        self.transactions = self.transactions.saturating_add(other.transactions);
        self.rows = self.rows.saturating_add(other.rows);
        self.events = self.events.saturating_add(other.events);
        self.ignored = self.ignored.saturating_add(other.ignored);
        self.bytes = self.bytes.saturating_add(other.bytes);
        if other.last_timestamp != 0 {
            self.last_timestamp = other.last_timestamp;
        }
    }
}

/// What the sequencer does next.
pub enum Order<O> {
    /// Take this job's results.
    Results(Receiver<Result<Rendered<O>, ApplyError>>),
    /// There was nothing to decode up to here; what there was is counted.
    Progress(Reached, Counts),
    /// Make everything before durable, then answer.
    Barrier(Sender<()>),
}

/// Parts of one job that may wait for the sequencer.
const PARTS_WAITING: usize = 3;

/// The coordinator's end of the channels.
pub struct Dispatch<O> {
    jobs: Sender<Job<O>>,
    order: Sender<Order<O>>,
    spare: Receiver<Vec<u8>>,
    stop: Arc<AtomicBool>,
    gone: Arc<AtomicBool>,
    /// Where the oldest transaction begins that is put aside: no progress is behind it.
    held_from: Option<LogPosition>,
}

/// The workers' and the sequencer's ends.
pub struct Ends<O> {
    /// For the workers.
    pub jobs: Receiver<Job<O>>,
    /// For the sequencer.
    pub order: Receiver<Order<O>>,
    /// Where workers return the memory of finished batches.
    pub spare: Sender<Vec<u8>>,
}

impl<O> Dispatch<O> {
    /// The channels for so many workers; `stop` ends the coordinator between transactions, `gone` says that the
    /// sequencer has ended.
    #[must_use]
    pub fn new(workers: usize, stop: Arc<AtomicBool>, gone: Arc<AtomicBool>) -> (Self, Ends<O>) {
        let (jobs, jobs_out) = bounded(workers);
        let (order, order_out) = bounded(workers.saturating_mul(2).saturating_add(1));
        let (spare_in, spare) = bounded(workers.saturating_mul(4).saturating_add(4));
        (
            Self { jobs, order, spare, stop, gone, held_from: None },
            Ends { jobs: jobs_out, order: order_out, spare: spare_in },
        )
    }

    /// Whether the coordinator is to stop at the next end of a transaction.
    #[must_use]
    pub fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.gone.load(Ordering::Relaxed)
    }

    /// Memory for a batch.
    #[must_use]
    pub fn buffer(&self) -> Vec<u8> {
        self.spare.try_recv().unwrap_or_default()
    }

    /// From now on all progress stays at this place, the beginning of what was put aside; `None`: of nothing.
    pub fn hold_from(&mut self, start: Option<LogPosition>) {
        self.held_from = start;
    }

    fn hold_back(&self, reached: &mut Reached) {
        if let Some(start) = &self.held_from {
            reached.resume = start.clone();
        }
    }

    /// Gives out a batch.
    ///
    /// # Errors
    /// When nobody takes it any more.
    pub fn send(&self, mut batch: Batch) -> Result<(), Gone> {
        self.hold_back(&mut batch.end);
        batch.items.iter_mut().for_each(|item| self.hold_back(&mut item.upto));
        if self.gone.load(Ordering::Relaxed) {
            return Err(Gone);
        }
        let (results, results_out) = bounded(PARTS_WAITING);
        self.order.send(Order::Results(results_out)).map_err(|_| Gone)?;
        self.jobs.send(Job { batch, results }).map_err(|_| Gone)
    }

    /// Tells how far the log holds nothing to decode, and what it holds instead.
    ///
    /// # Errors
    /// When nobody listens any more.
    pub fn progress(&self, position: LogPosition, counts: Counts) -> Result<(), Gone> {
        let mut reached = Reached::from(position);
        self.hold_back(&mut reached);
        self.order.send(Order::Progress(reached, counts)).map_err(|_| Gone)
    }

    /// Waits until everything given out is durable in the sink.
    ///
    /// # Errors
    /// When that will not happen any more.
    pub fn barrier(&self) -> Result<(), Gone> {
        let (done, done_out) = bounded(1);
        self.order.send(Order::Barrier(done)).map_err(|_| Gone)?;
        done_out.recv().map_err(|_| Gone)
    }
}
