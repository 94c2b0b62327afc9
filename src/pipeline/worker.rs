//! A worker: checks, parses and renders the events of a batch.
//!
//! Workers share nothing; all that a batch needs comes with it. What is rendered leaves in bounded parts, so a batch
//! whose rendering is many times its size holds no more memory than others.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender};

use super::batch::{Batch, Item, Plans};
use super::dispatch::{Counts, Gone, Job, Rendered};
use super::error::{ApplyError, Place};
use crate::binlog::event::{self, Event, IncidentEvent, QueryEvent, RowsEvent, carries_no_data, stop_hint};
use crate::binlog::{EventError, EventHeader, EventType, RawEvent};
use crate::change::TransactionMeta;
use crate::position::LogPosition;
use crate::row::{self, Cell, TablePlan};
use crate::sink::{RenderError, Renderer, RowsContext, StatementContext, StatementInputs};
use crate::statement::{StatementKind, classify};

/// Rendered bytes that make a part: enough for one efficient write.
const PART_BYTES: usize = 512 << 10;

/// What to do about bytes that are not those the source wrote.
const CHECKSUM_HINT: &str = "the file is damaged; if it is a relay log, 'replicate reset' and a start from the applied \
                             position fetches it again";

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
    jobs: &Receiver<Job<R::Output>>,
    spare_bytes: &Sender<Vec<u8>>,
    spare_outputs: &Receiver<R::Output>,
) {
    while let Ok(Job { batch, results }) = jobs.recv() {
        let mut task = Task {
            renderer: &mut renderer,
            batch: &batch,
            results: &results,
            spare_outputs,
            out: spare_outputs.try_recv().unwrap_or_default(),
            counts: Counts { ignored: batch.ignored, ..Counts::default() },
            upto: None,
            plans: batch.open_maps.clone(),
            next_map: 0,
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
        let mut bytes = batch.bytes;
        bytes.clear();
        drop(spare_bytes.try_send(bytes));
    }
}

/// One job under way.
struct Task<'a, R: Renderer> {
    renderer: &'a mut R,
    batch: &'a Batch,
    results: &'a Sender<Result<Rendered<R::Output>, ApplyError>>,
    spare_outputs: &'a Receiver<R::Output>,
    out: R::Output,
    counts: Counts,
    upto: Option<LogPosition>,
    plans: Plans,
    next_map: usize,
}

/// What is carried from event to event inside one transaction.
struct State<'a> {
    rows_before: u64,
    inputs: StatementInputs<'a>,
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
        let transaction = &item.transaction;
        if !item.continued {
            self.plans.clear();
        }
        self.renderer
            .begin(transaction, item.continued, &mut self.out)
            .map_err(|error| self.render_error(error, item, item.range.start, None))?;
        let mut state = State { rows_before, inputs: StatementInputs::default() };
        let mut at = item.range.start;
        while at < item.range.end {
            let raw = self.cut(item, at)?;
            self.event(item, &raw, at, &mut state)?;
            at = at.saturating_add(raw.bytes.len());
            if R::size(&self.out) >= PART_BYTES {
                self.part(false)?;
            }
        }
        if item.complete {
            self.renderer.end(transaction, &mut self.out).map_err(|error| self.render_error(error, item, at, None))?;
            self.counts.transactions = self.counts.transactions.saturating_add(1);
            self.counts.last_timestamp = transaction.timestamp;
            self.upto = Some(transaction.end.clone());
        }
        let bytes = item.range.end.saturating_sub(item.range.start);
        self.counts.bytes = self.counts.bytes.saturating_add(u64::try_from(bytes).unwrap_or(0));
        Ok(())
    }

    fn cut(&self, item: &Item, at: usize) -> Result<RawEvent<'a>, ApplyError> {
        let bytes = self.batch.bytes.get(at..item.range.end).unwrap_or_default();
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

    fn event(&mut self, item: &'a Item, raw: &RawEvent<'a>, at: usize, state: &mut State<'a>) -> Result<(), Failure> {
        self.counts.events = self.counts.events.saturating_add(1);
        let parsed = raw
            .verify_checksum(self.batch.format.checksum)
            .and_then(|()| event::parse(raw, &self.batch.format))
            .map_err(|error| self.event_error(&error, item, at, None))?;
        match parsed {
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
            Event::Gtid(gtid) if gtid.prepared_xa => return Err(self.xa(item, at).into()),
            Event::Gtid(_) => {}
            Event::XaPrepare(_)
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
            | Event::Other => self.undecoded(item, &parsed, raw.header.event_type, at)?,
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

    fn rows(
        &mut self,
        item: &'a Item,
        header: &EventHeader,
        rows: &RowsEvent<'a>,
        at: usize,
        state: &mut State<'a>,
    ) -> Result<(), Failure> {
        let plan = self.plan(item, rows, at)?;
        let context = RowsContext {
            transaction: &item.transaction,
            plan: &plan,
            event: rows,
            timestamp: header.timestamp,
            server_id: header.server_id,
            first_row: state.rows_before,
            last_in_transaction: item.last_rows == Some(at),
        };
        let count = self
            .renderer
            .rows(&context, &mut self.out)
            .map_err(|error| self.render_error(error, item, at, Some(&plan)))?;
        state.rows_before = state.rows_before.saturating_add(count);
        self.counts.rows = self.counts.rows.saturating_add(count);
        Ok(())
    }

    fn plan(&self, item: &Item, rows: &RowsEvent<'_>, at: usize) -> Result<Arc<TablePlan>, ApplyError> {
        match self.plans.get(rows.table_id) {
            Some(plan) if plan.columns.len() == rows.width => Ok(Arc::clone(plan)),
            Some(plan) => Err(ApplyError::Undecodable {
                what: format!("a row event has {} columns where its table map has {}", rows.width, plan.columns.len()),
                place: Box::new(self.place(item, at, Some(plan))),
                hint: None,
            }),
            None => Err(ApplyError::Undecodable {
                what: format!(
                    "a row event refers to table number {}, which no table map before it names",
                    rows.table_id
                ),
                place: Box::new(self.place(item, at, None)),
                hint: Some("the start position is inside a transaction; start at the beginning of one".to_owned()),
            }),
        }
    }

    fn query(
        &mut self,
        item: &'a Item,
        header: &EventHeader,
        query: &QueryEvent<'a>,
        at: usize,
        state: &mut State<'a>,
    ) -> Result<(), Failure> {
        let inputs = std::mem::take(&mut state.inputs);
        match classify(query.statement) {
            StatementKind::Begin | StatementKind::Commit | StatementKind::Rollback => Ok(()),
            StatementKind::XaStart
            | StatementKind::XaEnd
            | StatementKind::XaPrepare
            | StatementKind::XaCommit
            | StatementKind::XaRollback => Err(self.xa(item, at).into()),
            _ => {
                let context = StatementContext {
                    transaction: &item.transaction,
                    query,
                    inputs: &inputs,
                    timestamp: header.timestamp,
                    server_id: header.server_id,
                };
                self.renderer
                    .statement(&context, &mut self.out)
                    .map_err(|error| self.render_error(error, item, at, None).into())
            }
        }
    }

    fn xa(&self, item: &Item, at: usize) -> ApplyError {
        ApplyError::Undecodable {
            what: "an XA transaction: its outcome is decided later in the log, and this version does not hold \
                   prepared transactions"
                .to_owned(),
            place: Box::new(self.place(item, at, None)),
            hint: Some("use plain transactions on the source, or start behind this place".to_owned()),
        }
    }

    /// Passes over an event without data, or says why it stops the channel.
    fn undecoded(&self, item: &Item, event: &Event<'_>, event_type: EventType, at: usize) -> Result<(), ApplyError> {
        if carries_no_data(event_type) {
            return Ok(());
        }
        let what = match event {
            Event::Incident(IncidentEvent { incident, message }) => {
                format!("the source reports incident {incident}: {}", String::from_utf8_lossy(message))
            }
            Event::Other => {
                format!("an event of type {event_type} may carry data and cannot be decoded by this version")
            }
            _ => format!("an event of type {event_type} carries data and cannot be applied by this version"),
        };
        Err(ApplyError::Undecodable {
            what,
            place: Box::new(self.place(item, at, None)),
            hint: Some(stop_hint(event_type).to_owned()),
        })
    }

    /// In a piece of a large transaction: learns how many rows came before, and tells the next piece how many come
    /// before it, so that pieces are rendered side by side.
    fn rows_before_this_piece(&mut self) -> Result<u64, Failure> {
        let batch = self.batch;
        let Some(link) = &batch.row_count else { return Ok(0) };
        if !R::NUMBERS_ROWS {
            return Ok(0);
        }
        let own = self.count_rows()?;
        let before = link.before.recv().map_err(|_| Failure::Gone)?;
        // The last piece has nobody to tell.
        let _ = link.after.send(before.saturating_add(own));
        Ok(before)
    }

    fn count_rows(&self) -> Result<u64, ApplyError> {
        let mut plans = self.plans.clone();
        let mut next_map = 0;
        let (mut before, mut after): (Vec<Cell>, Vec<Cell>) = (Vec::new(), Vec::new());
        let mut count = 0_u64;
        for item in &self.batch.items {
            let mut at = item.range.start;
            while at < item.range.end {
                let raw = self.cut(item, at)?;
                let fail = |error: EventError| self.event_error(&error, item, at, None);
                match raw.header.event_type {
                    EventType::TABLE_MAP => {
                        if let Some((_, plan)) = self.batch.maps.get(next_map) {
                            plans.set(plan.table_id, plan);
                            next_map = next_map.saturating_add(1);
                        }
                    }
                    kind if kind.is_row_event() => {
                        raw.verify_checksum(self.batch.format.checksum).map_err(fail)?;
                        if let Event::Rows(rows) = event::parse(&raw, &self.batch.format).map_err(fail)?
                            && let Some(plan) = plans.get(rows.table_id)
                        {
                            let counted = row::count(plan, &rows, &mut before, &mut after);
                            count = count.saturating_add(counted.map_err(|error| ApplyError::Undecodable {
                                what: error.to_string(),
                                place: Box::new(self.place(item, at, Some(plan))),
                                hint: None,
                            })?);
                        }
                    }
                    _ => {}
                }
                at = at.saturating_add(raw.bytes.len());
            }
        }
        Ok(count)
    }

    fn place(&self, item: &Item, at: usize, plan: Option<&TablePlan>) -> Place {
        let to_u64 = |n: usize| u64::try_from(n).unwrap_or(0);
        let TransactionMeta { start, gtid, .. } = &item.transaction;
        let inside = at.saturating_sub(item.range.start);
        Place {
            read: Some(self.batch.read_from.at(self.batch.read_from.pos.saturating_add(to_u64(at)))),
            source: Some(start.at(item.source_pos.saturating_add(to_u64(inside)))),
            gtid: gtid.clone(),
            table: plan.map(|plan| format!("{}.{}", plan.database, plan.table)),
        }
    }

    fn event_error(&self, error: &EventError, item: &Item, at: usize, plan: Option<&TablePlan>) -> ApplyError {
        ApplyError::Undecodable {
            what: error.to_string(),
            place: Box::new(self.place(item, at, plan)),
            hint: match error {
                EventError::Checksum { .. } => Some(CHECKSUM_HINT.to_owned()),
                _ => error.hint().map(str::to_owned),
            },
        }
    }

    fn render_error(&self, error: RenderError, item: &Item, at: usize, plan: Option<&TablePlan>) -> ApplyError {
        ApplyError::Undecodable { what: error.what, place: Box::new(self.place(item, at, plan)), hint: error.hint }
    }
}
