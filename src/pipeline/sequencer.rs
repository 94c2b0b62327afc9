//! The sequencer: brings results to the sink in the source's order, and progress to its observer.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::batch::Reached;
use super::dispatch::{Counts, Order, Rendered};
use super::error::ApplyError;
use crate::position::LogPosition;
use crate::sink::{Ack, Progress, Renderer, Sink};

/// Progress is made durable and recorded this often at most.
pub const RECORD_EVERY: Duration = Duration::from_millis(100);

/// Who wants to know how far the sink is.
pub trait Observer: Sync {
    /// The sink has taken everything up to here (`None` inside a transaction); it may not be durable yet.
    fn accepted(&self, upto: Option<&LogPosition>, counts: &Counts);

    /// Everything up to here survives a crash. Called at most every [`RECORD_EVERY`], and at the end.
    ///
    /// # Errors
    /// When the progress cannot be recorded.
    fn durable(&self, progress: &Progress) -> Result<(), ApplyError>;

    /// Everything up to here survives a crash or will be read again: it is at or behind what is durable. Called after
    /// [`Observer::durable`].
    fn read(&self, _upto: &LogPosition) {}
}

/// What the sink has taken.
#[derive(Clone)]
struct Taken {
    progress: Progress,
    /// Where reading was.
    read: LogPosition,
}

/// Where the sink stands, and what of it was recorded.
struct Sequencer<'a, S: Sink> {
    sink: &'a mut S,
    observer: &'a dyn Observer,
    source_uuid: Option<String>,
    /// Accepted, not yet durable.
    accepted: Option<Taken>,
    /// Durable, not yet recorded.
    durable: Option<Taken>,
    recorded_at: Instant,
    nothing: S::Output,
}

/// Takes orders until there are no more.
///
/// # Errors
/// The first error of a worker, of the sink or of the observer.
pub fn run<S: Sink>(
    sink: &mut S,
    orders: &Receiver<Order<S::Output>>,
    spare: &Sender<S::Output>,
    observer: &dyn Observer,
    source_uuid: Option<String>,
) -> Result<(), ApplyError> {
    let mut sequencer = Sequencer {
        sink,
        observer,
        source_uuid,
        accepted: None,
        durable: None,
        recorded_at: Instant::now(),
        nothing: S::Output::default(),
    };
    let result = sequencer.take_orders(orders, spare);
    match (&result, sequencer.record()) {
        // A failed sink is not asked to flush twice: the first error is the one to show.
        (Err(ApplyError::Sink { .. }), _) | (_, Ok(())) => result,
        (Ok(()), Err(error)) => Err(error),
        (Err(_), Err(_)) => result,
    }
}

impl<S: Sink> Sequencer<'_, S> {
    fn take_orders(
        &mut self,
        orders: &Receiver<Order<S::Output>>,
        spare: &Sender<S::Output>,
    ) -> Result<(), ApplyError> {
        loop {
            match orders.recv_timeout(self.time_to_record()) {
                Ok(Order::Results(results)) => self.results(&results, spare)?,
                Ok(Order::Progress(reached, counts)) => {
                    let taken = self.taken(reached);
                    let mut nothing = std::mem::take(&mut self.nothing);
                    let ack = self.sink.apply(&mut nothing, Some(&taken.progress)).map_err(ApplyError::from_sink)?;
                    self.nothing = nothing;
                    self.observer.accepted(Some(&taken.progress.position), &counts);
                    self.took(taken, ack);
                }
                Ok(Order::Barrier(done)) => {
                    self.record()?;
                    // The coordinator may be gone already.
                    let _ = done.send(());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            if self.recorded_at.elapsed() >= RECORD_EVERY {
                self.record()?;
            }
        }
    }

    fn time_to_record(&self) -> Duration {
        if self.accepted.is_some() || self.durable.is_some() {
            RECORD_EVERY.saturating_sub(self.recorded_at.elapsed())
        } else {
            Duration::from_secs(3600)
        }
    }

    fn taken(&self, Reached { resume, read }: Reached) -> Taken {
        Taken { progress: Progress { position: resume, source_uuid: self.source_uuid.clone() }, read }
    }

    fn results(
        &mut self,
        results: &Receiver<Result<Rendered<S::Output>, ApplyError>>,
        spare: &Sender<S::Output>,
    ) -> Result<(), ApplyError> {
        loop {
            let Rendered { mut output, upto, counts, last } =
                results.recv().map_err(|_| ApplyError::Internal("a worker gave up its batch"))??;
            let taken = upto.map(|reached| self.taken(reached));
            let progress = taken.as_ref().map(|taken| &taken.progress);
            let ack = self.sink.apply(&mut output, progress).map_err(ApplyError::from_sink)?;
            S::Renderer::clear(&mut output);
            drop(spare.try_send(output));
            self.observer.accepted(progress.map(|progress| &progress.position), &counts);
            if let Some(taken) = taken {
                self.took(taken, ack);
            }
            if last {
                return Ok(());
            }
            if self.recorded_at.elapsed() >= RECORD_EVERY {
                self.record()?;
            }
        }
    }

    fn took(&mut self, taken: Taken, ack: Ack) {
        match ack {
            Ack::Accepted => self.accepted = Some(taken),
            Ack::Durable => {
                self.accepted = None;
                self.durable = Some(taken);
            }
        }
    }

    /// Makes accepted work durable and records it.
    fn record(&mut self) -> Result<(), ApplyError> {
        self.recorded_at = Instant::now();
        if let Some(taken) = self.accepted.clone() {
            self.sink.flush().map_err(ApplyError::from_sink)?;
            self.accepted = None;
            self.durable = Some(taken);
        }
        if let Some(taken) = self.durable.take() {
            self.observer.durable(&taken.progress)?;
            self.observer.read(&taken.read);
        }
        Ok(())
    }
}
