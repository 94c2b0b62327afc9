//! Which events make one transaction.
//!
//! A pure state machine over event headers; only the few types that [`Grouper::needs_body`] names are looked into. It
//! follows what servers write: a group opens with a GTID, a `BEGIN` or its first event, and closes with XID, `COMMIT`,
//! `ROLLBACK`, XA_PREPARE, or is one statement by itself. What it does not do: decoding, and refusing types that cannot
//! be replayed (such an event is part of a group like any other, and the decoder stops there).
//!
//! A source writes a transaction to one file as a whole. If it crashes while it writes, the file ends inside the group,
//! the transaction was never committed, and the restarted server goes on in a new file whose description has a creation
//! time: then the group is *abandoned*. A description without one (a reconnect, the next relay file) means that the log
//! merely goes on. Manual: "Format_description_event", `created`.

use super::error::EventError;
use super::event::{self, FormatDescription};
use super::header::{EventFlags, EventHeader, EventType};
use crate::change::GroupEnd;
use crate::statement::{StatementKind, classify};

/// Where an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// In no group: descriptions, rotations, heartbeats and the like.
    Outside,
    /// In a group that goes on.
    Inside {
        /// The group begins with it.
        first: bool,
    },
    /// The last of its group.
    Ends {
        /// The group begins with it, too: it is one event.
        first: bool,
        /// How the group ends.
        end: GroupEnd,
    },
}

/// What feeding an event did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fed {
    /// Where the event stands.
    pub step: Step,
    /// The group that was open before this event will never end, and was never committed: drop it. The event itself
    /// is not part of it.
    pub abandoned: bool,
}

/// What the group under way waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing: no group is open.
    Idle,
    /// GTID seen, or values for a statement: `BEGIN`, or the statement that is the whole group.
    Opened,
    /// MariaDB's GTID, which stands for `BEGIN`: the end mark.
    Implied,
    /// `BEGIN` or `XA START` seen: the end mark.
    Begun,
    /// Row events without `BEGIN` (early 5.1): the statement's last row event.
    BareRows,
}

/// Says which events make one transaction.
#[derive(Debug, Clone)]
pub struct Grouper {
    state: State,
}

impl Default for Grouper {
    fn default() -> Self {
        Self::new()
    }
}

/// What an event is to the group.
enum Role {
    Outside,
    Opens(State),
    Part,
    Rows {
        statement_ends: bool,
    },
    Ends(GroupEnd),
    /// Ends the group unless a transaction is open around it.
    Alone,
    Restart,
}

impl Grouper {
    /// Before the first event.
    #[must_use]
    pub fn new() -> Self {
        Self { state: State::Idle }
    }

    /// Whether a group is open.
    #[must_use]
    pub fn in_group(&self) -> bool {
        self.state != State::Idle
    }

    /// Forgets the open group, if any: the reader goes on from a boundary.
    pub fn reset(&mut self) {
        self.state = State::Idle;
    }

    /// Whether [`Grouper::feed`] must be given the body of the next event, if it is of this type. Others may be fed
    /// with an empty body.
    #[inline]
    #[must_use]
    pub fn needs_body(&self, event_type: EventType) -> bool {
        match event_type {
            EventType::QUERY | EventType::XID | EventType::MARIA_GTID => true,
            EventType::FORMAT_DESCRIPTION => self.in_group(),
            _ if event_type.is_row_event() => !matches!(self.state, State::Begun | State::Implied),
            _ => false,
        }
    }

    /// Takes the next event of the log. `body` is the event without header and checksum.
    ///
    /// # Errors
    /// When a body that is needed is malformed; the state is then as before.
    #[inline]
    pub fn feed(&mut self, header: &EventHeader, body: &[u8], fde: &FormatDescription) -> Result<Fed, EventError> {
        let role = self.role(header, body, fde)?;
        Ok(self.take(role))
    }

    /// Applies a role to the state.
    #[inline]
    fn take(&mut self, role: Role) -> Fed {
        let was = self.state;
        let first = was == State::Idle;
        let (state, step) = match role {
            Role::Outside => (was, Step::Outside),
            Role::Restart => return self.abandon(was, State::Idle, Step::Outside),
            Role::Opens(next) => match (was, next) {
                (State::Idle | State::Opened, State::Begun) | (State::Implied, State::Begun) => {
                    (next, Step::Inside { first })
                }
                _ => return self.abandon(was, next, Step::Inside { first: true }),
            },
            Role::Part if first => (State::Opened, Step::Inside { first }),
            Role::Part => (was, Step::Inside { first }),
            Role::Rows { .. } if matches!(was, State::Begun | State::Implied) => (was, Step::Inside { first }),
            Role::Rows { statement_ends: false } => (State::BareRows, Step::Inside { first }),
            Role::Alone if matches!(was, State::Begun | State::Implied) => (was, Step::Inside { first }),
            Role::Rows { .. } | Role::Alone => (State::Idle, Step::Ends { first, end: GroupEnd::Standalone }),
            Role::Ends(end) => (State::Idle, Step::Ends { first, end }),
        };
        self.state = state;
        Fed { step, abandoned: false }
    }

    fn abandon(&mut self, was: State, state: State, step: Step) -> Fed {
        self.state = state;
        Fed { step, abandoned: was != State::Idle }
    }

    #[inline]
    fn role(&self, header: &EventHeader, body: &[u8], fde: &FormatDescription) -> Result<Role, EventError> {
        let event_type = header.event_type;
        Ok(match event_type {
            EventType::GTID | EventType::ANONYMOUS_GTID | EventType::GTID_TAGGED => Role::Opens(State::Opened),
            EventType::MARIA_GTID => {
                let standalone = event::maria_standalone(body)?;
                Role::Opens(if standalone { State::Opened } else { State::Implied })
            }
            EventType::QUERY => self.statement(event::query_statement(body, fde)?),
            EventType::XID => Role::Ends(GroupEnd::Xid(event::xid(body)?)),
            EventType::TABLE_MAP => Role::Rows { statement_ends: false },
            _ if event_type.is_row_event() => {
                let flags = if self.needs_body(event_type) { event::rows_flags(body, event_type, fde)? } else { 0 };
                Role::Rows { statement_ends: flags & event::RowsEvent::STMT_END != 0 }
            }
            EventType::XA_PREPARE => Role::Ends(GroupEnd::Standalone),
            EventType::FORMAT_DESCRIPTION if self.in_group() && event::is_restart(body) => Role::Restart,
            EventType::FORMAT_DESCRIPTION
            | EventType::ROTATE
            | EventType::STOP
            | EventType::PREVIOUS_GTIDS
            | EventType::HEARTBEAT
            | EventType::HEARTBEAT_V2
            | EventType::SLAVE
            | EventType::MARIA_GTID_LIST
            | EventType::MARIA_BINLOG_CHECKPOINT
            | EventType::MARIA_START_ENCRYPTION => Role::Outside,
            _ => self.other(header),
        })
    }

    /// Statements that are not transaction control are groups of their own outside of a transaction.
    #[inline]
    fn statement(&self, statement: &[u8]) -> Role {
        match classify(statement) {
            StatementKind::Begin | StatementKind::XaStart => Role::Opens(State::Begun),
            StatementKind::Commit => Role::Ends(GroupEnd::Commit),
            StatementKind::Rollback => Role::Ends(GroupEnd::Rollback),
            StatementKind::XaCommit | StatementKind::XaRollback => Role::Ends(GroupEnd::Standalone),
            // What MariaDB puts in place of events that an old replica does not know.
            StatementKind::Empty if !self.in_group() => Role::Outside,
            _ => Role::Alone,
        }
    }

    fn other(&self, header: &EventHeader) -> Role {
        match header.event_type {
            // Values, texts and data for the statement or the rows that follow.
            EventType::INTVAR
            | EventType::RAND
            | EventType::USER_VAR
            | EventType::ROWS_QUERY
            | EventType::MARIA_ANNOTATE_ROWS
            | EventType::CREATE_FILE
            | EventType::BEGIN_LOAD_QUERY
            | EventType::APPEND_BLOCK => Role::Part,
            EventType::TRANSACTION_CONTEXT | EventType::VIEW_CHANGE | EventType::IGNORABLE => self.annotation(),
            _ if header.event_type.name().is_none() && header.flags.has(EventFlags::IGNORABLE) => self.annotation(),
            // Whole groups, and what no one knows: the decoder decides.
            _ => Role::Alone,
        }
    }

    /// An event without data belongs to the group it stands in, and opens none.
    fn annotation(&self) -> Role {
        if self.in_group() { Role::Part } else { Role::Outside }
    }
}
