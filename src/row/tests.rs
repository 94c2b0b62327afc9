//! Plans and rows from bytes that servers wrote.

use std::sync::Arc;

use super::plan::{Cell, ColumnKind, PlanError, TablePlan, has_full_names};
use super::{RowError, Value, count, for_each, split};
use crate::binlog::event::{RowsEvent, RowsKind, TableMapEvent};
use crate::schema::{ColumnDef, TableDef};

/// `a int unsigned, y year, b int unsigned, f float unsigned, d decimal(5,2) unsigned, c char(3) character set latin1,
/// e enum('a','b') character set latin1, bl blob, g geometry, bi binary(3)`, MySQL 9.7 with FULL metadata.
const TYPES: [u8; 10] = [3, 13, 3, 4, 246, 254, 254, 252, 255, 254];
const META: [u8; 11] = [0x04, 0x05, 0x02, 0xfe, 0x03, 0xf7, 0x01, 0x02, 0x04, 0xfe, 0x03];
const OPTIONAL: &[u8] = b"\x01\x01\xf8\x02\x03\x3f\x00\x08\x07\x01\x00\x04\x16\x01a\x01y\x01b\x01f\x01d\x01c\x01e\x02bl\x01g\x02bi\x0a\x01\x08\x06\x05\x02\x01a\x01b\x0c\x02\xff\xc0";
const ROW: &[u8] = b"\x00\x00\x01\x00\x00\x00\x65\x02\x00\x00\x00\x00\x00\xc0\x3f\x80\x01\x19\x01x\x02\x02\x00bl\
\x19\x00\x00\x00\x00\x00\x00\x00\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\xf0\x3f\x00\x00\x00\x00\x00\x00\x00\x40\x01a";

fn map<'a>(types: &'a [u8], meta: &'a [u8], optional: &'a [u8]) -> TableMapEvent<'a> {
    TableMapEvent {
        table_id: 7,
        flags: 1,
        database: b"d",
        table: b"t",
        column_types: types,
        column_meta: meta,
        null_bitmap: &[0xff, 0xff],
        optional,
        mariadb: false,
    }
}

fn s1(optional: &[u8]) -> TableMapEvent<'_> {
    map(&TYPES, &META, optional)
}

fn event<'a>(
    kind: RowsKind,
    width: usize,
    columns: &'a [u8],
    columns_after: &'a [u8],
    rows: &'a [u8],
) -> RowsEvent<'a> {
    RowsEvent { kind, table_id: 7, flags: 1, extra: &[], width, columns, columns_after, partial: false, rows }
}

fn int_def(name: &str, column_type: &str) -> ColumnDef {
    ColumnDef {
        name: name.into(),
        data_type: "int".into(),
        column_type: column_type.into(),
        unsigned: column_type.contains("unsigned"),
        ..ColumnDef::default()
    }
}

fn def(columns: Vec<ColumnDef>) -> Option<Arc<TableDef>> {
    Some(Arc::new(TableDef {
        database: "d".into(),
        table: "t".into(),
        columns,
        primary_key: vec![1],
        ..TableDef::default()
    }))
}

#[test]
fn full_metadata_gives_names_signedness_charsets_and_labels() {
    let map = s1(OPTIONAL);
    assert!(has_full_names(&map));
    let plan = TablePlan::compile(&map, None).unwrap();
    assert!(plan.named);
    let names: Vec<_> = plan.columns.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["a", "y", "b", "f", "d", "c", "e", "bl", "g", "bi"]);
    assert!(plan.columns.iter().take(5).all(|c| c.unsigned));
    assert_eq!(plan.columns[5].collation, Some(8));
    assert_eq!(plan.columns[7].collation, Some(63));
    assert_eq!(plan.columns[6].labels.as_deref().unwrap(), ["a", "b"]);
    assert_eq!(plan.columns[9].binary_width, Some(3));
    assert_eq!(plan.columns[5].binary_width, None);
    assert_eq!(plan.columns[0].json_key, b"\"a\":");
}

#[test]
fn a_row_is_cut_into_cells_and_each_cell_has_its_value() {
    let plan = TablePlan::compile(&s1(OPTIONAL), None).unwrap();
    let event = event(RowsKind::Write, 10, &[0xff, 0x03], &[0xff, 0x03], ROW);
    let (mut before, mut after) = (Vec::new(), Vec::new());
    assert_eq!(split(&plan, &event, 0, &mut before, &mut after), Ok(ROW.len()));
    assert!(before.is_empty());
    let value = |index: usize| plan.columns[index].value(after[index].bytes(ROW).unwrap()).unwrap();
    assert_eq!(value(0), Value::UInt(1));
    assert_eq!(value(1), Value::Year(2001));
    assert_eq!(value(3), Value::Float(1.5));
    assert_eq!(value(5), Value::Text(b"x"));
    assert_eq!(value(6), Value::Enum(2));
    assert_eq!(value(7), Value::Bytes(b"bl"));
    assert_eq!(value(9), Value::Bytes(b"a"));
}

#[test]
fn without_names_columns_are_numbered_and_with_a_catalog_they_are_named() {
    let map = map(&[3, 3], &[], &[1, 1, 0b0100_0000]);
    assert!(!has_full_names(&map));
    let plan = TablePlan::compile(&map, None).unwrap();
    assert!(!plan.named);
    assert_eq!(plan.columns[1].name, "@2");
    assert!(plan.columns[1].unsigned);
    let named = def(vec![int_def("x", "int"), int_def("y", "int unsigned")]);
    let plan = TablePlan::compile(&map, named).unwrap();
    assert!(plan.named);
    assert_eq!(plan.columns[1].name, "y");
    assert_eq!(plan.primary_key, [1]);
}

#[test]
fn a_catalog_that_does_not_fit_is_refused_by_name() {
    let map = map(&[3, 3], &[], &[1, 1, 0b0100_0000]);
    let error = TablePlan::compile(&map, def(vec![int_def("x", "int")])).unwrap_err();
    assert_eq!(error.to_string(), "d.t has 2 columns in the log and 1 in the catalog (x)");
    let signed = def(vec![int_def("x", "int"), int_def("y", "int")]);
    let error = TablePlan::compile(&map, signed).unwrap_err();
    assert_eq!(error.to_string(), "column 2 of d.t is logged as long unsigned, but the catalog has y int");
    let text = ColumnDef { data_type: "varchar".into(), column_type: "varchar(10)".into(), ..int_def("x", "") };
    let error = TablePlan::compile(&map, def(vec![text, int_def("y", "int unsigned")])).unwrap_err();
    assert!(matches!(error, PlanError::ColumnType { number: 1, .. }));
    assert!(error.hint().is_some());
}

#[test]
fn wide_chars_and_many_labels_are_told_from_their_metadata() {
    // char(255) of utf8mb4 is 1020 bytes; an enum of 300 labels takes two.
    let plan = TablePlan::compile(&map(&[254, 254, 254], &[0xce, 0xfc, 0xf7, 2, 0xf8, 8], &[]), None).unwrap();
    let kinds: Vec<_> = plan.columns.iter().map(|c| c.kind).collect();
    assert_eq!(
        kinds,
        [ColumnKind::Text { length_bytes: 2 }, ColumnKind::Enum { bytes: 2 }, ColumnKind::Set { bytes: 8 }]
    );
}

#[test]
fn a_type_that_is_not_supported_is_named() {
    let error = TablePlan::compile(&map(&[3, 20], &[], &[]), None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "column @2 of d.t has type 20 (a multi-valued index's array), which is not supported"
    );
    let error = TablePlan::compile(&map(&[99], &[], &[]), None).unwrap_err();
    assert_eq!(error.to_string(), "column @1 of d.t has type 99, which is not supported");
    assert!(TablePlan::compile(&map(&[15], &[1], &[]), None).is_err());
}

#[test]
fn absent_columns_are_not_null_and_do_not_count_in_the_null_bitmap() {
    let plan = TablePlan::compile(&map(&[3, 1, 1], &[], &[]), None).unwrap();
    // Before: column 1 only. After: columns 2 and 3, of which 3 is NULL.
    let rows = [0b0, 5, 0, 0, 0, 0b10, 9];
    let event = event(RowsKind::Update, 3, &[0b001], &[0b110], &rows);
    let (mut before, mut after) = (Vec::new(), Vec::new());
    assert_eq!(split(&plan, &event, 0, &mut before, &mut after), Ok(7));
    assert_eq!(before, [Cell::At { start: 1, end: 5 }, Cell::Absent, Cell::Absent]);
    assert_eq!(after, [Cell::Absent, Cell::At { start: 6, end: 7 }, Cell::Null]);
}

#[test]
fn mariadb_counts_spatial_columns_among_the_character_sets() {
    // g GEOMETRY, v VARCHAR(40): collations 63 and 8.
    let types = [255, 15];
    let mut map = map(&types, &[4, 40, 0], &[3, 2, 63, 8]);
    map.mariadb = true;
    assert_eq!(TablePlan::compile(&map, None).unwrap().columns[1].collation, Some(8));
    map.mariadb = false;
    map.optional = &[3, 1, 8];
    assert_eq!(TablePlan::compile(&map, None).unwrap().columns[1].collation, Some(8));
}

#[test]
fn partial_images_say_for_each_json_column_whether_it_is_a_document() {
    // j JSON, a TINYINT, k JSON, l JSON; the after image has not k.
    let plan = TablePlan::compile(&map(&[245, 1, 245, 245], &[4, 4, 4], &[]), None).unwrap();
    let rows = [&[0, 1, 0, 0, 0, 4, 7][..], &[1, 0b101, 0b000, 2, 0, 0, 0, 9, 9, 8, 0, 0, 0, 0, 0]].concat();
    let mut event = event(RowsKind::Update, 4, &[0b0011], &[0b1011], &rows);
    event.partial = true;
    let (mut before, mut after) = (Vec::new(), Vec::new());
    assert_eq!(split(&plan, &event, 0, &mut before, &mut after), Ok(rows.len() - 1));
    assert_eq!(
        after,
        [
            Cell::JsonDiff { start: 14, end: 16 },
            Cell::At { start: 16, end: 17 },
            Cell::Absent,
            Cell::JsonDiff { start: 21, end: 21 }
        ]
    );
    // Without the option there is no bitmap of JSON columns, and options not known are refused.
    let plain = [&rows[..7], &[0, 0b1111]].concat();
    event.rows = &plain;
    split(&plan, &event, 0, &mut before, &mut after).unwrap();
    assert_eq!(after, [Cell::Null, Cell::Null, Cell::Absent, Cell::Null]);
    let unknown = [&rows[..7], &[2, 0b1111]].concat();
    event.rows = &unknown;
    let refused = split(&plan, &event, 0, &mut before, &mut after);
    assert_eq!(refused, Err(RowError::ValueOptions { options: 2 }));
}

#[test]
fn an_event_without_columns_is_one_row() {
    let plan = TablePlan::compile(&map(&[3], &[], &[]), None).unwrap();
    let (mut before, mut after) = (Vec::new(), Vec::new());
    let empty = event(RowsKind::Write, 1, &[0], &[0], &[]);
    assert_eq!(count(&plan, &empty, &mut before, &mut after), Ok(1));
    let stray = event(RowsKind::Write, 1, &[0], &[0], &[1, 2]);
    assert_eq!(count(&plan, &stray, &mut before, &mut after), Err(RowError::NoColumns { rest: 2 }));
}

#[test]
fn every_truncation_of_a_row_is_an_error() {
    let plan = TablePlan::compile(&s1(OPTIONAL), None).unwrap();
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for len in 0..ROW.len() {
        let event = event(RowsKind::Write, 10, &[0xff, 0x03], &[0xff, 0x03], ROW.get(..len).unwrap());
        let result = count(&plan, &event, &mut before, &mut after);
        assert!(matches!(result, Err(RowError::Truncated { .. })), "{len}: {result:?}");
    }
    let narrow = event(RowsKind::Write, 9, &[0xff, 0x03], &[], ROW);
    assert_eq!(count(&plan, &narrow, &mut before, &mut after), Err(RowError::Width { event: 9, plan: 10 }));
    let no_bitmap = event(RowsKind::Write, 10, &[0xff], &[], ROW);
    assert_eq!(count(&plan, &no_bitmap, &mut before, &mut after), Err(RowError::Bitmap));
}

#[test]
fn no_table_map_and_no_row_can_do_harm() {
    let types: Vec<u8> = (0..=20).chain(140..=141).chain(242..=255).collect();
    proptest::proptest!(|(types in proptest::collection::vec(proptest::sample::select(types), 0..12),
                          meta in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..30),
                          optional in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..20),
                          present: [u8; 2], rows in proptest::collection::vec(0..=9u8, 0..200))| {
        if let Ok(plan) = TablePlan::compile(&map(&types, &meta, &optional), None) {
            let event = event(RowsKind::Update, types.len(), &present, &[0xff, 0xff], &rows);
            let mut scratch = Vec::new();
            let _ = for_each(&plan, &event, &mut Vec::new(), &mut Vec::new(), |before, after| {
                for (column, cell) in plan.columns.iter().zip(before).chain(plan.columns.iter().zip(after)) {
                    if let Some(bytes) = cell.bytes(&rows) {
                        let _ = column.value_in(bytes, &mut scratch);
                    }
                }
                Ok(())
            });
        }
    });
}
