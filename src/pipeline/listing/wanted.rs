//! Whether an event shows that its transaction holds something asked for.

use crate::binlog::compressed::Inflater;
use crate::binlog::event::{self, Event, FormatDescription};
use crate::binlog::{EventType, RawEvent, describe};
use crate::filter::{Content, Kind};
use crate::statement::{StatementKind, classify};

/// Tables of the transaction, by number.
#[derive(Default)]
pub(super) struct Tables(Vec<(u64, Vec<u8>, Vec<u8>)>);

impl Tables {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// True if the event is one that is asked for, or one that cannot be told.
    pub(super) fn event(&mut self, raw: &RawEvent<'_>, format: &FormatDescription, content: &Content) -> bool {
        if content.is_everything() {
            return true;
        }
        match raw.header.event_type {
            EventType::TABLE_MAP => {
                if let Ok(Event::TableMap(map)) = event::parse(raw, format) {
                    self.0.retain(|(id, ..)| *id != map.table_id);
                    self.0.push((map.table_id, map.database.to_vec(), map.table.to_vec()));
                }
                false
            }
            EventType::QUERY => match event::parse(raw, format) {
                Ok(Event::Query(query)) => match classify(query.statement) {
                    StatementKind::Begin
                    | StatementKind::Commit
                    | StatementKind::Rollback
                    | StatementKind::Savepoint
                    | StatementKind::RollbackTo
                    | StatementKind::ReleaseSavepoint
                    | StatementKind::XaStart
                    | StatementKind::XaEnd
                    | StatementKind::XaPrepare
                    | StatementKind::XaCommit
                    | StatementKind::XaRollback => false,
                    _ => content.wants_statement(&query),
                },
                _ => true,
            },
            kind if kind.is_row_event() => match describe::rows_table(raw, format) {
                Some(table_id) => self.wants_rows(table_id, kind, content),
                None => true,
            },
            EventType::MARIA_QUERY_COMPRESSED => match Inflater::default().parse(raw, format) {
                Ok(Event::Query(query)) => content.wants_statement(&query),
                _ => true,
            },
            EventType::EXECUTE_LOAD_QUERY | EventType::INCIDENT => true,
            _ => false,
        }
    }

    fn wants_rows(&self, table_id: u64, kind: EventType, content: &Content) -> bool {
        let kind = match kind {
            EventType::WRITE_ROWS_V0
            | EventType::WRITE_ROWS_V1
            | EventType::WRITE_ROWS
            | EventType::MARIA_WRITE_ROWS_COMPRESSED_V1
            | EventType::MARIA_WRITE_ROWS_COMPRESSED => Kind::Insert,
            EventType::DELETE_ROWS_V0
            | EventType::DELETE_ROWS_V1
            | EventType::DELETE_ROWS
            | EventType::MARIA_DELETE_ROWS_COMPRESSED_V1
            | EventType::MARIA_DELETE_ROWS_COMPRESSED => Kind::Delete,
            _ => Kind::Update,
        };
        match self.0.iter().find(|(id, ..)| *id == table_id) {
            Some((_, database, table)) => content.wants_rows(database, table, kind),
            None => true,
        }
    }
}
