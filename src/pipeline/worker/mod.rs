//! A worker: checks, parses and renders the events of a batch.
//!
//! Workers share nothing; all that a batch needs comes with it. What is rendered leaves in bounded parts, so a batch
//! whose rendering is many times its size holds no more memory than others.

mod count;
mod place;
mod rows;
mod statement;

use crossbeam_channel::{Receiver, Sender};

use self::statement::decided;
use super::batch::{At, Batch, Item, Plans, Reached};
use super::dispatch::{Counts, Gone, Job, Rendered};
use super::error::ApplyError;
use crate::binlog::compressed::Inflater;
use crate::binlog::event::{self, Event, FormatDescription};
use crate::binlog::{EventType, RawEvent};
use crate::filter::Content;
use crate::sink::{EventContext, Renderer, StatementInputs};

/// Rendered bytes that make a part: enough for one efficient write.
const PART_BYTES: usize = 512 << 10;

/// Why a job was given up.
enum Failure {
    Error(ApplyError),
    Gone,
}

impl From<Gone> for Failure {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl From<ApplyError> for Failure {
    fn from(error: ApplyError) -> Self {
        Self::Error(error)
    }
}

/// Works until there are no more jobs.
pub fn run<R: Renderer>(
    mut renderer: R,
    content: &Content,
    jobs: &Receiver<Job<R::Output>>,
    spare_bytes: &Sender<Vec<u8>>,
    spare_outputs: &Receiver<R::Output>,
) {
    while let Ok(Job { batch, results }) = jobs.recv() {
        let mut task = Task {
            renderer: &mut renderer,
            content,
            batch: &batch,
            results: &results,
            spare_outputs,
            out: spare_outputs.try_recv().unwrap_or_default(),
            counts: Counts { ignored: batch.ignored, ..Counts::default() },
            upto: None,
            plans: batch.open_maps.clone(),
            next_map: 0,
            next_payload: 0,
            inflater: None,
        };
        match task.run() {
            Ok(()) | Err(Failure::Gone) => {}
            Err(Failure::Error(error)) => {
                // The parts before the error are good; an error to send means that nobody listens.
                if task.part(false).is_ok() {
                    drop(results.send(Err(error)));
                }
            }
        }
        for mut bytes in [batch.bytes, batch.unpacked] {
            if bytes.capacity() > 0 {
                bytes.clear();
                drop(spare_bytes.try_send(bytes));
            }
        }
    }
}

/// One job under way.
struct Task<'a, R: Renderer> {
    renderer: &'a mut R,
    /// What is wanted of a transaction.
    content: &'a Content,
    batch: &'a Batch,
    results: &'a Sender<Result<Rendered<R::Output>, ApplyError>>,
    spare_outputs: &'a Receiver<R::Output>,
    out: R::Output,
    counts: Counts,
    upto: Option<Reached>,
    plans: Plans,
    next_map: usize,
    next_payload: usize,
    /// For MariaDB's compressed events.
    inflater: Option<Box<Inflater>>,
}

/// What is carried from event to event inside one transaction.
struct State<'a> {
    rows_before: u64,
    inputs: StatementInputs<'a>,
}

fn to_u64(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

impl<'a, R: Renderer> Task<'a, R> {
    fn run(&mut self) -> Result<(), Failure> {
        let batch = self.batch;
        let rows_before = self.rows_before_this_piece()?;
        for item in &batch.items {
            self.item(item, rows_before)?;
        }
        if batch.items.iter().all(|item| item.complete) {
            self.upto = Some(batch.end.clone());
        }
        self.part(true)?;
        Ok(())
    }

    /// Hands over what is rendered so far.
    fn part(&mut self, last: bool) -> Result<(), Gone> {
        let output = std::mem::replace(&mut self.out, self.spare_outputs.try_recv().unwrap_or_default());
        let counts = std::mem::take(&mut self.counts);
        self.results.send(Ok(Rendered { output, upto: self.upto.take(), counts, last })).map_err(|_| Gone)
    }

    fn item(&mut self, item: &'a Item, rows_before: u64) -> Result<(), Failure> {
        let (batch, transaction) = (self.batch, &item.transaction);
        if !item.continued {
            self.plans.clear();
        }
        self.renderer
            .begin(transaction, item.continued, &mut self.out)
            .map_err(|error| self.render_error(error, item, item.range.start.into(), None))?;
        let mut state = State { rows_before, inputs: StatementInputs::default() };
        let mut at = item.range.start;
        while at < item.range.end {
            let raw = self.cut(item, at)?;
            if raw.header.event_type == EventType::TRANSACTION_PAYLOAD {
                self.renderer.seen(&raw.header, false, &mut self.out);
                self.payload(item, at, &mut state)?;
            } else {
                self.event(item, &raw, at.into(), &batch.format, &mut state)?;
            }
            at = at.saturating_add(raw.bytes.len());
            self.part_if_large()?;
        }
        if item.complete {
            self.renderer
                .end(transaction, &mut self.out)
                .map_err(|error| self.render_error(error, item, at.into(), None))?;
            self.counts.transactions = self.counts.transactions.saturating_add(1);
            self.counts.last_timestamp = transaction.timestamp;
            self.upto = Some(item.upto.clone());
        }
        let bytes = u64::try_from(item.range.end.saturating_sub(item.range.start)).unwrap_or(0);
        if let Some(inside) = batch.inside {
            self.renderer.payload(inside.log_bytes, bytes, inside.offset == 0, &mut self.out);
        }
        let bytes = batch.inside.map_or(bytes, |inside| inside.log_bytes);
        self.counts.bytes = self.counts.bytes.saturating_add(bytes);
        Ok(())
    }

    /// Hands over what is rendered so far, if it is much.
    fn part_if_large(&mut self) -> Result<(), Gone> {
        if R::size(&self.out) >= PART_BYTES { self.part(false) } else { Ok(()) }
    }

    fn cut(&self, item: &Item, at: usize) -> Result<RawEvent<'a>, ApplyError> {
        let bytes = self.batch.bytes.get(at..item.range.end).unwrap_or_default();
        self.cut_from(bytes, item, at.into())
    }

    fn cut_from<'b>(&self, bytes: &'b [u8], item: &Item, at: At) -> Result<RawEvent<'b>, ApplyError> {
        match RawEvent::cut(bytes) {
            Ok((mut raw, _)) => {
                raw.header.event_type = self.batch.format.event_type(raw.header.event_type);
                Ok(raw)
            }
            Err(error) => Err(ApplyError::Undecodable {
                what: error.to_string(),
                place: Box::new(self.place(item, at, None)),
                hint: None,
            }),
        }
    }

    /// The events of the payload at `at`, which the coordinator has checked and unpacked.
    fn payload(&mut self, item: &'a Item, at: usize, state: &mut State<'a>) -> Result<(), Failure> {
        let batch = self.batch;
        let range = match batch.payloads.get(self.next_payload) {
            Some(payload) if payload.at == at => payload.range.clone(),
            _ => return Err(ApplyError::Internal("a payload came without its events").into()),
        };
        self.next_payload = self.next_payload.saturating_add(1);
        self.counts.events = self.counts.events.saturating_add(1);
        let mut rest = batch.unpacked.get(range).unwrap_or_default();
        let packed = self.cut(item, at)?.bytes.len();
        self.renderer.payload(to_u64(packed), to_u64(rest.len()), true, &mut self.out);
        let mut inside = 0_u64;
        while !rest.is_empty() {
            let here = At { offset: at, inside: Some(inside) };
            let raw = self.cut_from(rest, item, here)?;
            self.event(item, &raw, here, &batch.plain_format, state)?;
            rest = rest.get(raw.bytes.len()..).unwrap_or_default();
            inside = inside.saturating_add(u64::from(raw.header.event_size));
            self.part_if_large()?;
        }
        Ok(())
    }

    fn event(
        &mut self,
        item: &'a Item,
        raw: &RawEvent<'a>,
        at: At,
        format: &FormatDescription,
        state: &mut State<'a>,
    ) -> Result<(), Failure> {
        self.counts.events = self.counts.events.saturating_add(1);
        raw.verify_checksum(format.checksum).map_err(|error| self.event_error(&error, item, at))?;
        let in_payload = at.inside.is_some() || self.batch.inside.is_some();
        self.renderer.seen(&raw.header, in_payload, &mut self.out);
        if raw.header.event_type.is_compressed() {
            return self.compressed(item, raw, at, format, state);
        }
        match event::parse(raw, format).map_err(|error| self.event_error(&error, item, at))? {
            Event::Rows(rows) => self.rows(item, &raw.header, &rows, at, state)?,
            Event::TableMap(map) => match self.batch.maps.get(self.next_map) {
                Some((offset, plan)) if *offset == at => {
                    self.plans.set(map.table_id, plan);
                    self.next_map = self.next_map.saturating_add(1);
                }
                _ => return Err(ApplyError::Internal("a table map came without its plan").into()),
            },
            Event::Query(query) => self.query(item, &raw.header, &query, at, state)?,
            Event::Intvar(intvar) => state.inputs.intvars.push(intvar),
            Event::Rand(rand) => state.inputs.rand = Some(rand),
            Event::UserVar(user_var) => state.inputs.user_vars.push(user_var),
            // Before any of its rows comes out.
            Event::Gtid(gtid) if gtid.prepared_xa && !decided(item) => return Err(self.xa(item, at).into()),
            Event::Gtid(_) => {}
            Event::XaPrepare(_) if !R::TAKES_XA && decided(item) => {}
            event @ (Event::XaPrepare(_)
            | Event::Incident(_)
            | Event::TransactionContext(_)
            | Event::ViewChange(_)
            | Event::BeginLoadQuery(_)
            | Event::AppendBlock(_)
            | Event::ExecuteLoadQuery(_)
            | Event::DeleteFile(_)
            | Event::ExecLoad(_)
            | Event::Load(_)
            | Event::RowsV0(_)
            | Event::Slave(_)
            | Event::Other) => {
                if R::NEEDS_CERTAINTY
                    && let Event::ExecuteLoadQuery(load) = &event
                    && !self.wants(item, &load.query, at)?
                {
                    state.inputs = StatementInputs::default();
                    return Ok(());
                }
                let context = EventContext {
                    transaction: &item.transaction,
                    event: &event,
                    inputs: &std::mem::take(&mut state.inputs),
                    timestamp: raw.header.timestamp,
                    server_id: raw.header.server_id,
                };
                let taken = self.renderer.event(&context, &mut self.out);
                if !taken.map_err(|error| self.render_error(error, item, at, None))? {
                    self.undecoded(item, &event, raw.header.event_type, at)?;
                }
            }
            Event::FormatDescription(_)
            | Event::Rotate(_)
            | Event::Stop
            | Event::Xid(_)
            | Event::PreviousGtids(_)
            | Event::GtidList(_)
            | Event::BinlogCheckpoint(_)
            | Event::Heartbeat(_)
            | Event::RowsQuery(_)
            | Event::StartEncryption(_)
            | Event::Ignorable(_) => {}
        }
        Ok(())
    }

    /// One of MariaDB's compressed events.
    fn compressed(
        &mut self,
        item: &'a Item,
        raw: &RawEvent<'a>,
        at: At,
        format: &FormatDescription,
        state: &mut State<'a>,
    ) -> Result<(), Failure> {
        let mut inflater = self.inflater.take().unwrap_or_default();
        let result = match inflater.parse(raw, format) {
            Ok(Event::Rows(rows)) => self.rows(item, &raw.header, &rows, at, state),
            Ok(Event::Query(query)) => self.query(item, &raw.header, &query, at, state),
            Ok(event) => self.undecoded(item, &event, raw.header.event_type, at).map_err(Failure::from),
            Err(error) => Err(self.event_error(&error, item, at).into()),
        };
        self.inflater = Some(inflater);
        result
    }
}
