//! Handing over: what is complete becomes a batch, the rest of the buffer stays. Also what was done before this run,
//! which is passed over.

use std::sync::Arc;

use super::place::Unresolved;
use super::{Coordinator, Halt, Open};
use crate::pipeline::batch::{At, Batch, Plans};
use crate::pipeline::dispatch::Counts;
use crate::pipeline::error::{ApplyError, Place};
use crate::position::LogPosition;

impl<O> Coordinator<'_, O> {
    /// Gives out what is complete and keeps the rest.
    pub(super) fn hand_over(&mut self) -> Result<(), Halt> {
        self.keep_definitions()?;
        let split = self.open.as_ref().map_or(self.framed, |open| open.at);
        if split > 0 {
            let mut rest = self.dispatch.buffer();
            rest.extend_from_slice(self.buffer.get(split..).unwrap_or_default());
            self.buffer.truncate(split);
            let bytes = std::mem::replace(&mut self.buffer, rest);
            let read_from = LogPosition::new(Arc::clone(&self.reading), self.buffer_at);
            self.buffer_at = self.buffer_at.saturating_add(u64::try_from(split).unwrap_or(0));
            self.framed = self.framed.saturating_sub(split);
            let kept = self.maps.partition_point(|(at, _)| at.offset < split);
            let mut later = self.maps.split_off(kept);
            later.iter_mut().for_each(|(at, _)| at.offset = at.offset.saturating_sub(split));
            let maps = std::mem::replace(&mut self.maps, later);
            if let Some(open) = &mut self.open {
                open.at = 0;
                open.last_rows = open.last_rows.map(|at| At { offset: at.offset.saturating_sub(split), ..at });
            }
            // A payload ends its transaction: none is kept.
            let payloads = std::mem::take(&mut self.payloads);
            let unpacked = if payloads.is_empty() {
                Vec::new()
            } else {
                std::mem::replace(&mut self.unpacked, self.dispatch.buffer())
            };
            if !self.items.is_empty() {
                self.sent = self.complete.clone();
                self.dispatch.send(Batch {
                    bytes,
                    read_from,
                    format: Arc::clone(&self.format),
                    plain_format: Arc::clone(&self.plain_format),
                    items: std::mem::take(&mut self.items),
                    unpacked,
                    payloads,
                    maps,
                    open_maps: Plans::default(),
                    end: self.complete.clone().into(),
                    row_count: None,
                    ignored: self.ignored.take(),
                    inside: None,
                })?;
            }
        }
        if self.sent != self.complete && !self.done_before(&self.complete) {
            self.sent = self.complete.clone();
            let bytes = std::mem::take(&mut self.passed);
            let counts = Counts { ignored: self.ignored.take(), bytes, ..Counts::default() };
            self.dispatch.progress(self.complete.clone(), counts)?;
        }
        Ok(())
    }

    /// What was learned about tables is durable before any checkpoint behind it.
    pub(super) fn keep_definitions(&mut self) -> Result<(), Halt> {
        self.plans.flush().map_err(|error| Unresolved::failed(error).at(self.place(self.framed)))
    }

    /// Records that the sequencer was told about everything complete.
    pub(super) fn mark_sent(&mut self) {
        self.sent = self.complete.clone();
    }

    /// The first transaction to hand on must follow what was done before: a log that begins behind the resume point, or
    /// has a transaction across it, is not the log that was being read.
    pub(super) fn require_resumed(&self, open: &Open) -> Result<(), Halt> {
        let Some(resume) = self.resume.as_ref().filter(|_| !self.resumed) else { return Ok(()) };
        let place = Place { source: Some(open.start.clone()), gtid: open.gtid.clone(), ..Place::default() };
        Err(Halt::Error(ApplyError::Undecodable {
            what: format!("the relay log does not go on from {resume}, where the sink is"),
            place: Box::new(place),
            hint: Some("start the channel again: what is missing is fetched from the source".to_owned()),
        }))
    }

    /// Whether everything up to `end` was done before this run.
    pub(super) fn done_before(&self, end: &LogPosition) -> bool {
        self.resume.as_ref().is_some_and(|resume| end <= resume)
    }

    /// Whether the open transaction was done before.
    pub(super) fn passing_over(&self) -> bool {
        match (&self.resume, &self.open) {
            (_, Some(open)) if open.passed_over => true,
            (Some(resume), Some(open)) => open.start < *resume,
            _ => false,
        }
    }
}
