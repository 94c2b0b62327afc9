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
use super::header::{EventHeader, EventType};
use crate::change::GroupEnd;
use crate::statement::StatementKind;

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
    /// Is all of the group but its GTID.
    Whole,
    Restart,
}

impl Grouper {
    /// Before the first event.
    #[must_use]
    pub fn new() -> Self {
        Self { state: State::Idle }
    }

    /// Inside a group of which only the GTID has come: where the contents of a payload begin.
    #[must_use]
    pub(super) fn behind_gtid() -> Self {
        Self { state: State::Opened }
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
            EventType::QUERY
            | EventType::MARIA_QUERY_COMPRESSED
            | EventType::XID
            | EventType::MARIA_GTID
            | EventType::XA_PREPARE => true,
            EventType::FORMAT_DESCRIPTION => self.in_group(),
            _ if event_type.is_row_event() => !matches!(self.state, State::Begun | State::Implied),
            _ => false,
        }
    }

    /// Takes the next event of the log. `body` is the event without header and checksum.
    ///
    /// # Errors
    /// When a body that is needed is malformed, or when a group begins before the one under way has ended; the state is
    /// then as before.
    #[inline]
    pub fn feed(&mut self, header: &EventHeader, body: &[u8], fde: &FormatDescription) -> Result<Fed, EventError> {
        let role = self.role(header, body, fde)?;
        self.take(role).ok_or(EventError::NoEnd { event_type: header.event_type })
    }

    /// Applies a role to the state. `None` if the group under way would be left without an end.
    #[inline]
    fn take(&mut self, role: Role) -> Option<Fed> {
        let was = self.state;
        let first = was == State::Idle;
        let (state, step) = match role {
            Role::Outside => (was, Step::Outside),
            Role::Restart => {
                self.state = State::Idle;
                return Some(Fed { step: Step::Outside, abandoned: was != State::Idle });
            }
            Role::Opens(next) => match (was, next) {
                (State::Idle | State::Opened, State::Begun) | (State::Implied, State::Begun) => {
                    (next, Step::Inside { first })
                }
                (State::Idle, _) => (next, Step::Inside { first: true }),
                // Its end mark is missing, or is none that is known: nobody may guess how it ended.
                _ => return None,
            },
            Role::Part if first => (State::Opened, Step::Inside { first }),
            Role::Part => (was, Step::Inside { first }),
            Role::Rows { .. } if matches!(was, State::Begun | State::Implied) => (was, Step::Inside { first }),
            Role::Rows { statement_ends: false } => (State::BareRows, Step::Inside { first }),
            Role::Alone if matches!(was, State::Begun | State::Implied) => (was, Step::Inside { first }),
            // It says itself how it ends, to whom unpacks it.
            Role::Whole if !matches!(was, State::Idle | State::Opened) => return None,
            Role::Rows { .. } | Role::Alone | Role::Whole => {
                (State::Idle, Step::Ends { first, end: GroupEnd::Standalone })
            }
            Role::Ends(end) => (State::Idle, Step::Ends { first, end }),
        };
        self.state = state;
        Some(Fed { step, abandoned: false })
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
            kind if kind.is_query() => self.statement(event::statement_kind(kind, body, fde)?),
            EventType::TRANSACTION_PAYLOAD => Role::Whole,
            EventType::XID => Role::Ends(GroupEnd::Xid(event::xid(body)?)),
            EventType::TABLE_MAP => Role::Rows { statement_ends: false },
            _ if event_type.is_row_event() => {
                let flags = if self.needs_body(event_type) { event::rows_flags(body, event_type, fde)? } else { 0 };
                Role::Rows { statement_ends: flags & event::RowsEvent::STMT_END != 0 }
            }
            EventType::XA_PREPARE if event::xa_prepare(body)?.one_phase => Role::Ends(GroupEnd::XaCommit),
            EventType::XA_PREPARE => Role::Ends(GroupEnd::XaPrepare),
            EventType::FORMAT_DESCRIPTION if self.in_group() && event::is_restart(body) => Role::Restart,
            EventType::FORMAT_DESCRIPTION
            | EventType::ROTATE
            | EventType::STOP
            | EventType::PREVIOUS_GTIDS
            | EventType::HEARTBEAT
            | EventType::HEARTBEAT_V2
            | EventType::SLAVE
            | EventType::MARIA_GTID_LIST
            | EventType::MARIA_BINLOG_CHECKPOINT => Role::Outside,
            _ => self.other(header),
        })
    }

    /// Statements that are not transaction control are groups of their own outside of a transaction.
    #[inline]
    fn statement(&self, kind: StatementKind) -> Role {
        match kind {
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
            _ if event::policy::may_be_ignored(header) => self.annotation(),
            // Whole groups, and what no one knows: the decoder decides.
            _ => Role::Alone,
        }
    }

    /// An event without data belongs to the group it stands in, and opens none.
    fn annotation(&self) -> Role {
        if self.in_group() { Role::Part } else { Role::Outside }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::binlog::event::{RowsEvent, samples};
    use crate::binlog::header::ChecksumAlgorithm;
    use crate::binlog::{HEADER_LEN, RawEvent};

    const FIRST: Step = Step::Inside { first: true };
    const INSIDE: Step = Step::Inside { first: false };

    const fn ends(first: bool, end: GroupEnd) -> Step {
        Step::Ends { first, end }
    }

    /// An event as the grouper sees it.
    struct Seen(EventType, Vec<u8>);

    fn plain(event_type: EventType) -> Seen {
        Seen(event_type, Vec::new())
    }

    fn query(statement: &str) -> Seen {
        let mut body = vec![0; 13];
        body.push(0);
        body.extend_from_slice(statement.as_bytes());
        Seen(EventType::QUERY, body)
    }

    fn xid(number: u64) -> Seen {
        Seen(EventType::XID, number.to_le_bytes().to_vec())
    }

    fn maria_gtid(standalone: bool) -> Seen {
        let mut body = vec![0; 13];
        body[12] = u8::from(standalone);
        Seen(EventType::MARIA_GTID, body)
    }

    fn xa_prepare(one_phase: bool) -> Seen {
        Seen(EventType::XA_PREPARE, vec![u8::from(one_phase), 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, b'a'])
    }

    fn rows(flags: u16) -> Seen {
        let mut body = vec![1, 0, 0, 0, 0, 0];
        body.extend_from_slice(&flags.to_le_bytes());
        Seen(EventType::WRITE_ROWS_V1, body)
    }

    fn description(created: u32) -> Seen {
        let mut body = vec![0; 52];
        body.extend_from_slice(&created.to_le_bytes());
        Seen(EventType::FORMAT_DESCRIPTION, body)
    }

    fn fed(grouper: &mut Grouper, seen: &Seen) -> Fed {
        try_fed(grouper, seen).unwrap()
    }

    fn try_fed(grouper: &mut Grouper, Seen(event_type, body): &Seen) -> Result<Fed, EventError> {
        let fde = FormatDescription::preliminary(ChecksumAlgorithm::Off);
        let mut header = EventHeader::read(&[0; HEADER_LEN]).unwrap();
        header.event_type = *event_type;
        let body = if grouper.needs_body(*event_type) { body.as_slice() } else { &[] };
        grouper.feed(&header, body, &fde)
    }

    /// Feeds the events to a new grouper; no group may be abandoned.
    fn steps(events: &[Seen]) -> Vec<Step> {
        let mut grouper = Grouper::new();
        events
            .iter()
            .map(|event| {
                let fed = fed(&mut grouper, event);
                assert!(!fed.abandoned);
                assert!(fed.step == Step::Outside || grouper.in_group() == matches!(fed.step, Step::Inside { .. }));
                fed.step
            })
            .collect()
    }

    #[test]
    fn a_transaction_runs_from_its_gtid_to_its_xid() {
        let events = [
            plain(EventType::FORMAT_DESCRIPTION),
            plain(EventType::PREVIOUS_GTIDS),
            plain(EventType::ANONYMOUS_GTID),
            query("BEGIN"),
            plain(EventType::TABLE_MAP),
            rows(RowsEvent::STMT_END),
            query("SAVEPOINT `a`"),
            query("ROLLBACK TO `a`"),
            xid(7),
            plain(EventType::ROTATE),
        ];
        let end = ends(false, GroupEnd::Xid(7));
        let expected =
            [Step::Outside, Step::Outside, FIRST, INSIDE, INSIDE, INSIDE, INSIDE, INSIDE, end, Step::Outside];
        assert_eq!(steps(&events), expected);
    }

    #[test]
    fn statements_without_begin_are_groups_of_their_own() {
        let standalone = ends(false, GroupEnd::Standalone);
        assert_eq!(steps(&[plain(EventType::GTID), query("CREATE DATABASE x")]), [FIRST, standalone]);
        assert_eq!(steps(&[query("CREATE DATABASE x")]), [ends(true, GroupEnd::Standalone)]);
        let values = [plain(EventType::INTVAR), plain(EventType::RAND), query("insert into t values (rand())")];
        assert_eq!(steps(&values), [FIRST, INSIDE, standalone]);
        let payload = [plain(EventType::GTID), plain(EventType::TRANSACTION_PAYLOAD)];
        assert_eq!(steps(&payload), [FIRST, standalone]);
        assert_eq!(steps(&[plain(EventType::GTID), plain(EventType::INCIDENT)]), [FIRST, standalone]);
    }

    #[test]
    fn commit_and_rollback_statements_end_a_group_in_any_case() {
        for (statement, end) in [
            ("COMMIT", GroupEnd::Commit),
            ("commit", GroupEnd::Commit),
            ("ROLLBACK", GroupEnd::Rollback),
            ("rollback /* x */", GroupEnd::Rollback),
        ] {
            let events = [query("begin"), query("insert into m values (1)"), query(statement)];
            assert_eq!(steps(&events), [FIRST, INSIDE, ends(false, end)], "{statement}");
        }
    }

    #[test]
    fn a_table_created_from_a_select_does_not_end_its_transaction() {
        let events = [
            plain(EventType::GTID),
            query("BEGIN"),
            query("CREATE TABLE `cs` (`id` int) START TRANSACTION"),
            plain(EventType::TABLE_MAP),
            rows(RowsEvent::STMT_END),
            xid(1),
        ];
        assert_eq!(steps(&events).last(), Some(&ends(false, GroupEnd::Xid(1))));
        assert!(steps(&events)[1..5].iter().all(|step| *step == INSIDE));
    }

    #[test]
    fn mariadb_opens_transactions_without_begin() {
        let events =
            [maria_gtid(false), plain(EventType::MARIA_ANNOTATE_ROWS), plain(EventType::TABLE_MAP), rows(1), xid(3)];
        assert_eq!(steps(&events), [FIRST, INSIDE, INSIDE, INSIDE, ends(false, GroupEnd::Xid(3))]);
        let events = [maria_gtid(false), query("insert into m values (1)"), query("COMMIT")];
        assert_eq!(steps(&events), [FIRST, INSIDE, ends(false, GroupEnd::Commit)]);
        assert_eq!(steps(&[maria_gtid(true), query("DROP TABLE t")]), [FIRST, ends(false, GroupEnd::Standalone)]);
        let dummy = query("# Dummy event replacing event type 163 that slave cannot handle.");
        assert_eq!(steps(&[dummy]), [Step::Outside]);
    }

    #[test]
    fn xa_transactions_end_when_prepared_and_again_when_decided() {
        let standalone = ends(false, GroupEnd::Standalone);
        let prepared = ends(false, GroupEnd::XaPrepare);
        for (one_phase, end) in [(false, prepared), (true, ends(false, GroupEnd::XaCommit))] {
            let mysql = [
                plain(EventType::GTID),
                query("XA START X'61',X'',1"),
                plain(EventType::TABLE_MAP),
                rows(RowsEvent::STMT_END),
                query("XA END X'61',X'',1"),
                xa_prepare(one_phase),
            ];
            assert_eq!(steps(&mysql), [FIRST, INSIDE, INSIDE, INSIDE, INSIDE, end]);
        }
        let mariadb = [maria_gtid(false), plain(EventType::TABLE_MAP), rows(1), query("XA END 'a'"), xa_prepare(false)];
        assert_eq!(steps(&mariadb), [FIRST, INSIDE, INSIDE, INSIDE, prepared]);
        for decided in ["XA COMMIT X'61',X'',1", "XA ROLLBACK X'61',X'',1"] {
            assert_eq!(steps(&[plain(EventType::GTID), query(decided)]), [FIRST, standalone]);
            assert_eq!(steps(&[maria_gtid(false), query(decided)]), [FIRST, standalone]);
        }
    }

    #[test]
    fn row_events_without_begin_end_with_their_statement() {
        let events = [plain(EventType::TABLE_MAP), rows(0), plain(EventType::TABLE_MAP), rows(RowsEvent::STMT_END)];
        assert_eq!(steps(&events), [FIRST, INSIDE, INSIDE, ends(false, GroupEnd::Standalone)]);
    }

    #[test]
    fn load_data_belongs_to_its_statement() {
        let standalone = ends(false, GroupEnd::Standalone);
        let events = [EventType::BEGIN_LOAD_QUERY, EventType::APPEND_BLOCK, EventType::EXECUTE_LOAD_QUERY].map(plain);
        assert_eq!(steps(&events), [FIRST, INSIDE, standalone]);
        let events = [query("BEGIN"), plain(EventType::BEGIN_LOAD_QUERY), plain(EventType::EXECUTE_LOAD_QUERY), xid(1)];
        assert_eq!(steps(&events), [FIRST, INSIDE, INSIDE, ends(false, GroupEnd::Xid(1))]);
    }

    #[test]
    fn a_group_that_begins_before_the_end_of_another_is_an_error_and_never_drops_it() {
        for (open, next) in [
            ([plain(EventType::GTID), query("BEGIN")], plain(EventType::GTID)),
            ([plain(EventType::GTID), query("BEGIN")], query("BEGIN")),
            ([maria_gtid(false), plain(EventType::TABLE_MAP)], maria_gtid(true)),
        ] {
            let mut grouper = Grouper::new();
            for event in &open {
                fed(&mut grouper, event);
            }
            let error = try_fed(&mut grouper, &next).unwrap_err();
            assert_eq!(error, EventError::NoEnd { event_type: next.0 });
            assert!(grouper.in_group());
        }
    }

    #[test]
    fn only_the_first_file_of_a_restarted_server_abandons_a_group() {
        let mut grouper = Grouper::new();
        fed(&mut grouper, &query("BEGIN"));
        for event in [plain(EventType::STOP), plain(EventType::ROTATE), description(0)] {
            assert_eq!(fed(&mut grouper, &event), Fed { step: Step::Outside, abandoned: false });
            assert!(grouper.in_group());
        }
        assert_eq!(fed(&mut grouper, &description(1)), Fed { step: Step::Outside, abandoned: true });
        assert!(!grouper.in_group());
        assert_eq!(fed(&mut grouper, &description(1)), Fed { step: Step::Outside, abandoned: false });
    }

    #[test]
    fn an_unknown_event_reaches_the_decoder_as_a_group() {
        assert_eq!(steps(&[plain(EventType(99))]), [ends(true, GroupEnd::Standalone)]);
        assert_eq!(steps(&[query("BEGIN"), plain(EventType(99)), xid(1)])[1], INSIDE);
    }

    #[test]
    fn bodies_are_asked_for_only_where_they_are_read() {
        let mut grouper = Grouper::new();
        assert!(grouper.needs_body(EventType::QUERY) && grouper.needs_body(EventType::WRITE_ROWS));
        assert!(!grouper.needs_body(EventType::TABLE_MAP) && !grouper.needs_body(EventType::GTID));
        fed(&mut grouper, &query("BEGIN"));
        assert!(!grouper.needs_body(EventType::WRITE_ROWS) && grouper.needs_body(EventType::XID));
    }

    #[test]
    fn events_of_real_servers_form_groups() {
        let fde = samples::description("MYSQL");
        let mut grouper = Grouper::new();
        let mut step = |hex: &str| {
            let bytes = samples::bytes(hex);
            let (raw, _) = RawEvent::cut(&bytes).unwrap();
            grouper.feed(&raw.header, raw.body(fde.checksum).unwrap(), &fde).unwrap().step
        };
        assert_eq!(step(samples::GTID), FIRST);
        assert_eq!(step(samples::CREATE_DATABASE), ends(false, GroupEnd::Standalone));
        assert_eq!(step(samples::GTID_TAGGED), FIRST);
        assert_eq!(step(samples::BEGIN), INSIDE);
        assert_eq!(step(samples::WRITE_ROWS), INSIDE);
        assert_eq!(step(samples::XID), ends(false, GroupEnd::Xid(12)));
        assert_eq!(step(samples::MARIA_GTID_STANDALONE), FIRST);
        assert_eq!(step(samples::MARIA_COMMIT_ALTER), ends(false, GroupEnd::Standalone));
    }

    #[test]
    fn a_damaged_body_is_an_error_and_changes_nothing() {
        let fde = FormatDescription::preliminary(ChecksumAlgorithm::Off);
        let mut grouper = Grouper::new();
        let mut header = EventHeader::read(&[0; HEADER_LEN]).unwrap();
        for event_type in [EventType::QUERY, EventType::XID, EventType::MARIA_GTID, EventType::UPDATE_ROWS] {
            header.event_type = event_type;
            assert!(grouper.feed(&header, &[1, 2], &fde).is_err());
            assert!(!grouper.in_group());
        }
    }
}
