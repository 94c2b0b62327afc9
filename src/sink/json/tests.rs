//! Lines as they come out.

use std::sync::Arc;

use super::JsonRenderer;
use crate::binlog::event::{QueryEvent, RowsEvent, RowsKind, SessionContext};
use crate::change::{GroupEnd, TransactionMeta};
use crate::gtid::Gtid;
use crate::position::LogPosition;
use crate::row::{ColumnKind, ColumnPlan, TablePlan};
use crate::sink::{RenderError, Renderer, RowsContext, StatementContext, StatementInputs};

fn transaction(group_end: GroupEnd) -> TransactionMeta {
    TransactionMeta {
        start: LogPosition::new("mysql-bin.000003", 197),
        end: LogPosition::new("mysql-bin.000003", 500),
        gtid: Some(Gtid::MySql { uuid: [0xab; 16], tag: None, gno: 5 }),
        group_end,
        server_id: 1,
        timestamp: 1_700_000_000,
        original_commit_timestamp: 0,
    }
}

/// `id INT PRIMARY KEY, v VARCHAR(50)`.
fn plan() -> TablePlan {
    let columns = vec![
        ColumnPlan::new("id".into(), ColumnKind::Long, false, None),
        ColumnPlan::new("v".into(), ColumnKind::Text { length_bytes: 1 }, false, Some(45)),
    ];
    TablePlan::new(9, "shop".into(), "t\"x".into(), columns, vec![0], true, None)
}

fn render(plan: &TablePlan, event: RowsEvent<'_>, group_end: GroupEnd) -> Result<(u64, String), RenderError> {
    let transaction = transaction(group_end);
    let mut renderer = JsonRenderer::default();
    let mut out = Vec::new();
    renderer.begin(&transaction, false, &mut out)?;
    let count = renderer.rows(
        &RowsContext {
            transaction: &transaction,
            plan,
            event: &event,
            timestamp: 1_700_000_001,
            server_id: 1,
            first_row: 3,
            last_in_transaction: true,
        },
        &mut out,
    )?;
    renderer.end(&transaction, &mut out)?;
    Ok((count, String::from_utf8(out).unwrap()))
}

fn event<'a>(kind: RowsKind, columns: &'a [u8], columns_after: &'a [u8], rows: &'a [u8]) -> RowsEvent<'a> {
    RowsEvent { kind, table_id: 9, flags: 1, extra: &[], width: 2, columns, columns_after, partial: false, rows }
}

const PLACE: &str =
    r#""position":"mysql-bin.000003:197","gtid":"abababab-abab-abab-abab-abababababab:5","server_id":1"#;

#[test]
fn inserted_rows_are_numbered_and_the_last_one_commits() {
    let rows = b"\x00\x01\x00\x00\x00\x01a\x02\x02\x00\x00\x00";
    let (count, lines) = render(&plan(), event(RowsKind::Write, &[3], &[3], rows), GroupEnd::Xid(88)).unwrap();
    assert_eq!(count, 2);
    let head = r#"{"database":"shop","table":"t\"x","type":"insert","ts":1700000001,"xid":88"#;
    let expected = format!(
        "{head},\"xoffset\":3,{PLACE},\"primary_key\":[1],\"data\":{{\"id\":1,\"v\":\"a\"}}}}\n\
         {head},\"commit\":true,\"xoffset\":4,{PLACE},\"primary_key\":[2],\"data\":{{\"id\":2,\"v\":null}}}}\n"
    );
    assert_eq!(lines, expected);
    lines.lines().for_each(|line| drop(serde_json::from_str::<serde_json::Value>(line).unwrap()));
}

#[test]
fn an_update_shows_the_columns_that_changed_as_they_were() {
    let rows = b"\x00\x01\x00\x00\x00\x01a\x00\x01\x00\x00\x00\x01b\x00\x01\x00\x00\x00\x01a\x00\x01\x00\x00\x00\x01a";
    let (_, lines) = render(&plan(), event(RowsKind::Update, &[3], &[3], rows), GroupEnd::Commit).unwrap();
    let lines: Vec<_> = lines.lines().collect();
    assert!(lines[0].ends_with(r#""primary_key":[1],"data":{"id":1,"v":"b"},"old":{"v":"a"}}"#), "{}", lines[0]);
    assert!(lines[1].ends_with(r#""data":{"id":1,"v":"a"},"old":{}}"#), "{}", lines[1]);
    assert!(!lines[0].contains("xid"));
}

#[test]
fn a_minimal_update_keeps_the_key_and_leaves_out_what_the_log_has_not() {
    // Before: id alone. After: v alone.
    let rows = b"\x00\x01\x00\x00\x00\x00\x01b";
    let (_, line) = render(&plan(), event(RowsKind::Update, &[1], &[2], rows), GroupEnd::Xid(1)).unwrap();
    assert!(line.ends_with("\"primary_key\":[1],\"data\":{\"id\":1,\"v\":\"b\"},\"old\":{}}\n"), "{line}");
    let rows = b"\x00\x01\x00\x00\x00";
    let (_, line) = render(&plan(), event(RowsKind::Delete, &[1], &[1], rows), GroupEnd::Xid(1)).unwrap();
    assert!(line.ends_with("\"primary_key\":[1],\"data\":{\"id\":1}}\n"), "{line}");
    let (_, line) = render(&plan(), event(RowsKind::Write, &[0], &[0], &[]), GroupEnd::Xid(1)).unwrap();
    assert!(line.ends_with("\"primary_key\":[null],\"data\":{}}\n"), "{line}");
}

#[test]
fn rows_of_a_transaction_that_rolled_back_are_counted_and_not_shown() {
    let rows = b"\x00\x01\x00\x00\x00\x01a";
    let shown = render(&plan(), event(RowsKind::Write, &[3], &[3], rows), GroupEnd::Rollback).unwrap();
    assert_eq!(shown, (1, String::new()));
}

#[test]
fn text_that_is_none_in_its_character_set_is_marked() {
    let (_, line) =
        render(&plan(), event(RowsKind::Write, &[3], &[3], b"\x00\x01\x00\x00\x00\x02\xc3\x28"), GroupEnd::Xid(1))
            .unwrap();
    assert!(line.contains(r#""v":{"$base64":"wyg="}"#), "{line}");
}

#[test]
fn a_damaged_event_leaves_no_part_of_a_line() {
    let rows = b"\x00\x01\x00\x00\x00\x01a\x00\x02\x00";
    let transaction = transaction(GroupEnd::Xid(1));
    let mut renderer = JsonRenderer::default();
    let mut out = b"earlier\n".to_vec();
    let context = RowsContext {
        transaction: &transaction,
        plan: &plan(),
        event: &event(RowsKind::Write, &[3], &[3], rows),
        timestamp: 0,
        server_id: 1,
        first_row: 0,
        last_in_transaction: false,
    };
    let error = renderer.rows(&context, &mut out).unwrap_err();
    assert_eq!(error.what, "the row event ends inside a row, in column id");
    assert_eq!(out, b"earlier\n");
}

fn statement(text: &[u8]) -> Result<String, RenderError> {
    let transaction = transaction(GroupEnd::Standalone);
    let mut renderer = JsonRenderer::default();
    let mut out = Vec::new();
    renderer.begin(&transaction, false, &mut out)?;
    let query = QueryEvent {
        thread_id: 1,
        exec_time: 0,
        error_code: 0,
        database: b"shop",
        status_vars: &[],
        session: SessionContext { charset: Some((8, 8, 8)), ..SessionContext::default() },
        statement: text,
    };
    let inputs = StatementInputs::default();
    let context =
        StatementContext { transaction: &transaction, query: &query, inputs: &inputs, timestamp: 12, server_id: 1 };
    renderer.statement(&context, &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn ddl_is_shown_in_the_character_set_of_its_session() {
    let line = statement(b"CREATE TABLE t (e ENUM('\xe9'))").unwrap();
    let expected = format!(
        "{{\"type\":\"ddl\",\"database\":\"shop\",\"sql\":\"CREATE TABLE t (e ENUM('\u{e9}'))\",\"ts\":12,{PLACE}}}\n"
    );
    assert_eq!(line, expected);
}

#[test]
fn row_changes_in_statement_format_stop_the_feed_with_a_hint() {
    let error = statement(b"INSERT INTO t VALUES (1)").unwrap_err();
    assert!(error.what.contains("statement format"));
    assert!(error.hint.unwrap().contains("binlog_format=ROW"));
    assert!(statement(b"ROLLBACK TO `a`").is_err());
    assert_eq!(statement(b"SAVEPOINT `a`").unwrap(), "");
}

#[test]
fn damaged_rows_never_panic_and_whole_lines_are_json() {
    use ColumnKind as K;
    let kinds = [
        K::Tiny,
        K::LongLong,
        K::Float,
        K::Double,
        K::Decimal { precision: 10, scale: 2, bytes: 5 },
        K::Year,
        K::Date,
        K::Time { digits: 3 },
        K::DateTime { digits: 6 },
        K::Timestamp { digits: 0 },
        K::Bit { width: 12 },
        K::Enum { bytes: 1 },
        K::Set { bytes: 2 },
        K::Text { length_bytes: 1 },
        K::Json { length_bytes: 1 },
        K::Geometry { length_bytes: 1 },
        K::Vector { length_bytes: 1 },
        K::Compressed { length_bytes: 1 },
    ];
    let labels: Arc<[String]> = Arc::from(["a".to_owned(), "b\"".to_owned()]);
    proptest::proptest!(|(kind in proptest::sample::select(kinds.to_vec()), collation in proptest::option::of(0..300u16),
                          labelled: bool, rows in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..120))| {
        let mut column = ColumnPlan::new("c".into(), kind, false, collation);
        column.labels = labelled.then(|| Arc::clone(&labels));
        let plan = TablePlan::new(1, "d".into(), "t".into(), vec![column], vec![0], true, None);
        let event = RowsEvent { width: 1, ..event(RowsKind::Write, &[1], &[1], &rows) };
        if let Ok((_, lines)) = render(&plan, event, GroupEnd::Xid(1)) {
            for line in lines.lines() {
                proptest::prop_assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{}", line);
            }
        }
    });
}
