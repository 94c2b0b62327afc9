//! XA transactions in two phases, for sinks that take committed transactions only: what is prepared is put aside, as it
//! stands in the log, and handed on where the log says that it is committed.
//!
//! A prepared transaction is read twice: once to find the plans of its tables, as they are then, and once to hand it on.
//! Its bytes are kept in memory if they are few, else in a temporary file without a name. As long as anything is kept,
//! no progress passes the beginning of the oldest (`Dispatch::hold_from`), so that a restart reads it again. Manual: "XA
//! Transactions".

use std::sync::Arc;

use super::large::Extent;
use super::pieces::Chain;
use super::{Coordinator, Halt, Open};
use crate::binlog::compressed::with_query;
use crate::binlog::event::{FormatDescription, OwnedXid, decided_name};
use crate::binlog::{EventError, RawEvent};
use crate::change::GroupEnd;
use crate::pipeline::dispatch::Counts;
use crate::pipeline::error::{ApplyError, Place};
use crate::pipeline::input::Spool;
use crate::pipeline::plans::{Names, PlanCache};
use crate::position::LogPosition;
use crate::statement::StatementKind;

/// A larger transaction is not kept in memory.
const MAX_IN_MEMORY: u64 = 1 << 20;

/// Bytes of all transactions kept in memory.
const MAX_MEMORY: u64 = 16 << 20;

/// The transactions that are prepared and not decided.
#[derive(Default)]
pub struct Prepared {
    /// The sink is given committed transactions only. Else they are handed on as they stand in the log.
    pub on: bool,
    /// In the order in which they were prepared.
    held: Vec<Held>,
    /// Some transaction was not wanted, so that one which is not here may be among those.
    pub unwanted: bool,
}

/// `XA COMMIT` or `XA ROLLBACK`.
#[derive(Debug)]
pub struct Decision {
    pub commit: bool,
    /// `None`: in a form that is not known.
    name: Option<OwnedXid>,
    pub place: Place,
    /// Bytes of the group.
    pub len: u64,
}

/// What a look through a prepared transaction found.
pub(super) struct Look {
    pub name: OwnedXid,
    /// Of all its table maps.
    pub plans: PlanCache,
}

/// A prepared transaction.
struct Held {
    name: OwnedXid,
    open: Open,
    end: LogPosition,
    extent: Extent,
    spool: Spool,
    context: Context,
}

/// What it takes to read it.
struct Context {
    /// Name of the file it was read from, if that is not the input's.
    file: Option<Arc<str>>,
    buffer_at: u64,
    format: Arc<FormatDescription>,
    plain_format: Arc<FormatDescription>,
    plans: PlanCache,
}

impl<O> Coordinator<'_, O> {
    /// Puts prepared transactions aside until they are decided.
    pub fn hold_prepared(&mut self) {
        self.prepared.on = true;
    }

    /// The chain for the pieces of a transaction, or for a look through it if it is only prepared.
    pub(super) fn chain(
        &self,
        open: &Open,
        end: &LogPosition,
        group_end: GroupEnd,
        name: Option<OwnedXid>,
    ) -> Result<Chain, Halt> {
        let mut look = None;
        let mut group_end = group_end;
        if group_end == GroupEnd::XaPrepare {
            if self.replayed.is_some() {
                group_end = GroupEnd::XaCommit;
            } else if self.prepared.on {
                look = name.map(|name| Look { name, plans: PlanCache::new(Names::Kept) });
            }
        }
        let mut chain = Chain::new(open.meta(end.clone(), group_end), self.source.clone())?;
        chain.look = look;
        Ok(chain)
    }

    /// Puts a transaction aside that was looked through.
    pub(super) fn hold(
        &mut self,
        look: Look,
        open: Open,
        end: LogPosition,
        extent: Extent,
        spool: &Spool,
    ) -> Result<(), Halt> {
        let Look { name, plans } = look;
        let in_memory: u64 = self.prepared.held.iter().map(|held| held.spool.memory()).sum();
        let fits = extent.len <= MAX_IN_MEMORY && in_memory.saturating_add(extent.len) <= MAX_MEMORY;
        let spool = spool.copy(extent.len, fits).map_err(|error| self.read_error(error))?;
        if let Some(lost) = self.take_held(&name) {
            // The server took the name again, so it has no such transaction any more.
            tracing::warn!(position = %lost.open.start, "a prepared XA transaction is gone: its name is prepared again");
        }
        let context = Context {
            file: Some(self.input.file_name()),
            buffer_at: self.buffer_at,
            format: Arc::clone(&self.format),
            plain_format: Arc::clone(&self.plain_format),
            plans,
        };
        self.prepared.held.push(Held { name, open, end, extent, spool, context });
        self.hold_from_oldest();
        Ok(())
    }

    fn take_held(&mut self, name: &OwnedXid) -> Option<Held> {
        let at = self.prepared.held.iter().position(|held| held.name == *name)?;
        Some(self.prepared.held.remove(at))
    }

    fn hold_from_oldest(&mut self) {
        let oldest = self.prepared.held.first().map(|held| held.open.start.clone());
        self.dispatch.hold_from(oldest);
    }

    /// What a statement of this kind decides, where that is looked at.
    pub(super) fn decision(
        &self,
        kind: StatementKind,
        raw: &RawEvent<'_>,
        at: usize,
    ) -> Result<Option<Box<Decision>>, EventError> {
        let commit = match kind {
            StatementKind::XaCommit => true,
            StatementKind::XaRollback => false,
            _ => return Ok(None),
        };
        if !self.prepared.on {
            return Ok(None);
        }
        let name = with_query(raw, &self.format, |query| decided_name(query.statement))?.flatten();
        Ok(Some(Box::new(Decision { commit, name, place: self.place(at), len: 0 })))
    }

    /// The log is behind an `XA COMMIT` or `XA ROLLBACK`; all before it was handed over.
    pub(super) fn decide(&mut self, decision: Decision) -> Result<(), Halt> {
        let Decision { commit, name, place, len } = decision;
        let Some(name) = name else {
            let what = "XA COMMIT or XA ROLLBACK in a form that servers do not log".to_owned();
            return Err(ApplyError::Undecodable { what, place: Box::new(place), hint: None }.into());
        };
        let mut bytes = len;
        match self.take_held(&name) {
            Some(held) if commit => self.commit(held)?,
            Some(held) => bytes = bytes.saturating_add(held.extent.len),
            // Nothing of it was wanted, or it had changed nothing that is known here.
            None if !commit => {}
            None if self.prepared.unwanted => {
                tracing::warn!(
                    position = place.source.as_ref().map(tracing::field::display),
                    "an XA transaction is committed that was not prepared in the part of the log that is wanted"
                );
            }
            None => {
                return Err(ApplyError::Undecodable {
                    what: "XA COMMIT of a transaction whose XA PREPARE was not read".to_owned(),
                    place: Box::new(place),
                    hint: Some(
                        "it was prepared before the start position: start before its XA PREPARE, or, if its rows are \
                         not needed, behind this place"
                            .to_owned(),
                    ),
                }
                .into());
            }
        }
        self.hold_from_oldest();
        self.complete = self.source.clone();
        self.mark_sent();
        self.dispatch.progress(self.complete.clone(), Counts { bytes, ..Counts::default() })?;
        Ok(())
    }

    /// Hands on a prepared transaction.
    fn commit(&mut self, held: Held) -> Result<(), Halt> {
        let Held { open, end, extent, spool, mut context, .. } = held;
        // Progress may pass it with its last piece, and not before.
        self.hold_from_oldest();
        let start = open.start.clone();
        let mut open = open;
        self.exchange(&mut context);
        let result = self.hand_on_group(&spool, &mut open, &end, &extent);
        self.exchange(&mut context);
        if result.is_err() {
            self.dispatch.hold_from(Some(start));
        }
        result.map(drop)
    }

    /// Reads on what was put aside, or goes back to the log.
    fn exchange(&mut self, context: &mut Context) {
        let Context { file, buffer_at, format, plain_format, plans } = context;
        std::mem::swap(&mut self.replayed, file);
        std::mem::swap(&mut self.buffer_at, buffer_at);
        std::mem::swap(&mut self.format, format);
        std::mem::swap(&mut self.plain_format, plain_format);
        std::mem::swap(&mut self.plans, plans);
    }

    /// Name of the file that the bytes under way come from.
    pub(super) fn file_name(&self) -> Arc<str> {
        self.replayed.clone().unwrap_or_else(|| Arc::clone(&self.reading))
    }

    /// The log has ended: tells of what is left.
    pub(super) fn tell_prepared(&self) {
        for held in &self.prepared.held {
            tracing::warn!(position = %held.open.start, "a prepared XA transaction is not decided in the log: left out");
        }
    }
}
