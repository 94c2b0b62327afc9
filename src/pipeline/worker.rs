//! A worker: checks, parses and renders the events of a batch.
//!
//! Workers share nothing; all that a batch needs comes with it. What is rendered leaves in bounded parts, so a batch
//! whose rendering is many times its size holds no more memory than others.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender};

use super::batch::{At, Batch, Item, Plans, Reached};
use super::dispatch::{Counts, Gone, Job, Rendered};
use super::error::{ApplyError, Place};
use crate::binlog::compressed::Inflater;
use crate::binlog::event::{
    self, Event, FormatDescription, IncidentEvent, QueryEvent, RowsEvent, carries_no_data, stop_hint,
};
use crate::binlog::{EventError, EventHeader, EventType, RawEvent};
use crate::change::{GroupEnd, TransactionMeta};
use crate::filter::{Concern, Content};
use crate::row::{self, Cell, TablePlan};
use crate::sink::{EventContext, RenderError, Renderer, RowsContext, StatementContext, StatementInputs};
use crate::statement::{StatementKind, classify, leading_words};

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

/// Whether an XA transaction is known to be committed.
fn decided(item: &Item) -> bool {
    item.transaction.group_end == GroupEnd::XaCommit
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

    fn rows(
        &mut self,
        item: &'a Item,
        header: &EventHeader,
        rows: &RowsEvent<'_>,
        at: At,
        state: &mut State<'a>,
    ) -> Result<(), Failure> {
        let plan = self.plan(item, rows, at)?;
        if !self.content.wants_rows(plan.database.as_bytes(), plan.table.as_bytes(), rows.kind.into()) {
            return self.pass_over(item, rows, &plan, at, state);
        }
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

    /// Rows that are not wanted count where rows are numbered.
    fn pass_over(
        &mut self,
        item: &Item,
        rows: &RowsEvent<'_>,
        plan: &TablePlan,
        at: At,
        state: &mut State<'a>,
    ) -> Result<(), Failure> {
        if R::NUMBERS_ROWS {
            let count = row::count(plan, rows, &mut Vec::new(), &mut Vec::new())
                .map_err(|error| RenderError { what: error.to_string(), hint: None })
                .map_err(|error| self.render_error(error, item, at, Some(plan)))?;
            state.rows_before = state.rows_before.saturating_add(count);
        }
        Ok(())
    }

    fn plan(&self, item: &Item, rows: &RowsEvent<'_>, at: At) -> Result<Arc<TablePlan>, ApplyError> {
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
        query: &QueryEvent<'_>,
        at: At,
        state: &mut State<'a>,
    ) -> Result<(), Failure> {
        let inputs = std::mem::take(&mut state.inputs);
        match classify(query.statement) {
            StatementKind::Begin | StatementKind::Commit | StatementKind::Rollback => Ok(()),
            StatementKind::XaStart | StatementKind::XaEnd if !R::TAKES_XA && decided(item) => Ok(()),
            StatementKind::XaStart
            | StatementKind::XaEnd
            | StatementKind::XaPrepare
            | StatementKind::XaCommit
            | StatementKind::XaRollback
                if !R::TAKES_XA =>
            {
                Err(self.xa(item, at).into())
            }
            _ if !self.wants(item, query, at)? => Ok(()),
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

    /// Whether a statement is wanted, where some are left out.
    fn wants(&self, item: &Item, query: &QueryEvent<'_>, at: At) -> Result<bool, ApplyError> {
        if !R::NEEDS_CERTAINTY {
            return Ok(self.content.wants_statement(query));
        }
        match self.content.concern(query) {
            Concern::Yes => Ok(true),
            Concern::No => Ok(false),
            Concern::Unsure => {
                let what = format!(
                    "whether a logged statement ({}) changes what is asked for cannot be told from its text: names may \
                     be meant in any case, and views and triggers change other tables than it names",
                    leading_words(query.statement, 2).join(" ")
                );
                let hint = "leave it out with --start and --stop, or take all databases, tables and kinds of change";
                Err(self.render_error(RenderError { what, hint: Some(hint.to_owned()) }, item, at, None))
            }
        }
    }

    fn xa(&self, item: &Item, at: At) -> ApplyError {
        ApplyError::Undecodable {
            what: "a prepared XA transaction: its outcome is decided later in the log, and this sink does not hold it \
                   until then"
                .to_owned(),
            place: Box::new(self.place(item, at, None)),
            hint: Some(
                "use plain transactions or XA COMMIT ... ONE PHASE on the source, or start behind this place; the JSON \
                 feed shows XA transactions as they are committed"
                    .to_owned(),
            ),
        }
    }

    /// Passes over an event without data, or says why it stops the channel.
    fn undecoded(&self, item: &Item, event: &Event<'_>, event_type: EventType, at: At) -> Result<(), ApplyError> {
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

    fn count_rows(&mut self) -> Result<u64, ApplyError> {
        let batch = self.batch;
        let mut plans = self.plans.clone();
        let mut next_map = 0;
        let (mut before, mut after): (Vec<Cell>, Vec<Cell>) = (Vec::new(), Vec::new());
        let mut inflater = self.inflater.take().unwrap_or_default();
        let mut count = 0_u64;
        for item in &batch.items {
            let mut at = item.range.start;
            while at < item.range.end {
                let raw = self.cut(item, at)?;
                let fail = |error: EventError| self.event_error(&error, item, at.into());
                match raw.header.event_type {
                    EventType::TABLE_MAP => {
                        if let Some((_, plan)) = batch.maps.get(next_map) {
                            plans.set(plan.table_id, plan);
                            next_map = next_map.saturating_add(1);
                        }
                    }
                    kind if kind.is_row_event() => {
                        raw.verify_checksum(batch.format.checksum).map_err(fail)?;
                        let parsed = if kind.is_compressed() {
                            inflater.parse(&raw, &batch.format)
                        } else {
                            event::parse(&raw, &batch.format)
                        };
                        if let Event::Rows(rows) = parsed.map_err(fail)?
                            && let Some(plan) = plans.get(rows.table_id)
                        {
                            let counted = row::count(plan, &rows, &mut before, &mut after);
                            count = count.saturating_add(counted.map_err(|error| ApplyError::Undecodable {
                                what: error.to_string(),
                                place: Box::new(self.place(item, at.into(), Some(plan))),
                                hint: None,
                            })?);
                        }
                    }
                    _ => {}
                }
                at = at.saturating_add(raw.bytes.len());
            }
        }
        self.inflater = Some(inflater);
        Ok(count)
    }

    fn place(&self, item: &Item, at: At, plan: Option<&TablePlan>) -> Place {
        let to_u64 = |n: usize| u64::try_from(n).unwrap_or(0);
        let TransactionMeta { start, gtid, .. } = &item.transaction;
        // A piece of a large payload has one place in the log, the payload's.
        let (read, source, inside) = match self.batch.inside {
            Some(inside) => (0, 0, Some(inside.offset.saturating_add(to_u64(at.offset)))),
            None => (to_u64(at.offset), to_u64(at.offset.saturating_sub(item.range.start)), at.inside),
        };
        Place {
            read: Some(self.batch.read_from.at(self.batch.read_from.pos.saturating_add(read))),
            source: Some(start.at(item.source_pos.saturating_add(source))),
            inside,
            gtid: gtid.clone(),
            table: plan.map(|plan| format!("{}.{}", plan.database, plan.table)),
        }
    }

    fn event_error(&self, error: &EventError, item: &Item, at: At) -> ApplyError {
        ApplyError::event(error, self.place(item, at, None))
    }

    fn render_error(&self, error: RenderError, item: &Item, at: At, plan: Option<&TablePlan>) -> ApplyError {
        ApplyError::Undecodable { what: error.what, place: Box::new(self.place(item, at, plan)), hint: error.hint }
    }
}
