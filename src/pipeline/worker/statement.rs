//! Statements and events with data of their own: the renderer takes them, or they stop the channel.

use super::{Failure, State, Task};
use crate::binlog::event::{Event, IncidentEvent, QueryEvent, carries_no_data, stop_hint};
use crate::binlog::{EventHeader, EventType};
use crate::change::GroupEnd;
use crate::filter::Concern;
use crate::pipeline::batch::{At, Item};
use crate::pipeline::error::ApplyError;
use crate::sink::{RenderError, Renderer, StatementContext};
use crate::statement::{StatementKind, classify, leading_words};

/// Whether an XA transaction is known to be committed.
pub(super) fn decided(item: &Item) -> bool {
    item.transaction.group_end == GroupEnd::XaCommit
}

impl<'a, R: Renderer> Task<'a, R> {
    pub(super) fn query(
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
    pub(super) fn wants(&self, item: &Item, query: &QueryEvent<'_>, at: At) -> Result<bool, ApplyError> {
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

    pub(super) fn xa(&self, item: &Item, at: At) -> ApplyError {
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
    pub(super) fn undecoded(
        &self,
        item: &Item,
        event: &Event<'_>,
        event_type: EventType,
        at: At,
    ) -> Result<(), ApplyError> {
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
}
