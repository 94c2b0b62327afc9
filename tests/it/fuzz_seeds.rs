//! Seeds of the fuzz targets, taken from the fixtures. Run by `docker/fuzz.sh`; proves nothing by itself.

use std::collections::HashMap;
use std::path::Path;

use replicate::binlog::EventType;
use replicate::binlog::event::{Event, RowsKind};
use replicate::row::{self, ColumnKind, TablePlan, Value};

use super::corpus::{cases, for_each_event};

/// Writes seeds by number.
struct Seeds<'a> {
    dir: &'a Path,
    target: String,
    count: usize,
}

impl Seeds<'_> {
    fn write(&mut self, target: &str, parts: &[&[u8]]) {
        if target == self.target {
            std::fs::write(self.dir.join(format!("seed{:05}", self.count)), parts.concat()).unwrap();
            self.count += 1;
        }
    }
}

#[test]
#[ignore = "writes the seeds of a fuzz target"]
fn write_seeds() {
    let Some(dir) = std::env::var_os("REPLICATE_SEED_DIR") else { return };
    let target = std::env::var("REPLICATE_SEED_TARGET").unwrap();
    let mut seeds = Seeds { dir: Path::new(&dir), target, count: 0 };
    for text in
        ["3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:7:tag:1-3,\n4e11fa47-71ca-11e1-9e33-c80aa9429562:9", "0-1-2,1-1-3"]
    {
        seeds.write("gtid_text", &[text.as_bytes()]);
    }
    for case in cases() {
        let bytes = case.bytes();
        seeds.write("relay", &[&[0], &bytes]);
        seeds.write("relay", &[&[101], &bytes]);
        for_each_event(&bytes, |_, raw, fde, event| {
            let body = raw.body(fde.checksum).unwrap();
            let event_type = raw.header.event_type;
            seeds.write("event", &[&[event_type.0, if case.is_maria() { 2 } else { 0 }], body]);
            match event_type {
                EventType::PREVIOUS_GTIDS | EventType::MARIA_GTID_LIST => seeds.write("gtid_binary", &[body]),
                EventType::TRANSACTION_PAYLOAD => seeds.write("payload", &[body]),
                EventType(165..=171) => seeds.write("compressed", &[&[event_type.0 - 165], body]),
                _ => {}
            }
            if let Event::Query(_) = event
                && let Some((start, rest)) = body.split_first_chunk::<13>()
            {
                let len = usize::from(u16::from_le_bytes([start[11], start[12]]));
                seeds.write("query", &[&[u8::from(case.is_maria())], &rest[..len]]);
            }
        });
        rows(&bytes, &mut seeds);
    }
    assert!(seeds.count > 0, "no seeds for {}", seeds.target);
}

/// Seeds of whole row events, and of values.
fn rows(bytes: &[u8], seeds: &mut Seeds<'_>) {
    let mut maps = HashMap::new();
    for_each_event(bytes, |_, _, _, event| match event {
        Event::TableMap(map) => {
            maps.insert(map.table_id, (map, TablePlan::compile(&map, None).unwrap()));
        }
        Event::Rows(event) => {
            let (map, plan) = &maps[&event.table_id];
            let fields =
                [map.column_types, map.column_meta, map.null_bitmap, map.optional, event.columns, event.columns_after];
            if fields.iter().all(|field| field.len() < 256) {
                let kind = match event.kind {
                    RowsKind::Write => 0,
                    RowsKind::Update => 1,
                    RowsKind::Delete => 2,
                };
                let mut seed = vec![kind];
                for field in fields {
                    seed.push(u8::try_from(field.len()).unwrap());
                    seed.extend_from_slice(field);
                }
                seeds.write("rows", &[&seed, event.rows]);
            }
            let (mut before, mut after) = (Vec::new(), Vec::new());
            let done = row::for_each(plan, &event, &mut before, &mut after, |before, after| {
                for (column, cell) in [before, after].into_iter().flat_map(|cells| plan.columns.iter().zip(cells)) {
                    let Some(stored) = cell.bytes(event.rows) else { continue };
                    let mut scratch = Vec::new();
                    let Ok(value) = column.value_in(stored, &mut scratch) else { continue };
                    match value {
                        Value::Json(_) => {
                            seeds.write("jsonb", &[stored]);
                            if stored.len() < 256 {
                                // Replaces $.a by a document.
                                let diff = [0, 3, b'$', b'.', b'a', 2, 4, 0];
                                seeds.write("json_diff", &[&[u8::try_from(stored.len()).unwrap()], stored, &diff]);
                            }
                        }
                        Value::Geometry(_) => seeds.write("geometry", &[stored]),
                        Value::Decimal(decimal) => {
                            seeds.write("decimal", &[&[decimal.precision, decimal.scale], stored])
                        }
                        Value::Text(_) => {
                            let collation = column.collation.unwrap_or(255).to_le_bytes();
                            seeds.write("charset", &[&collation, stored]);
                        }
                        _ => {}
                    }
                    let temporal = match column.kind {
                        ColumnKind::Date => 0,
                        ColumnKind::Time { digits } => 1 | digits << 4,
                        ColumnKind::DateTime { digits } => 2 | digits << 4,
                        ColumnKind::Timestamp { digits } => 3 | digits << 4,
                        ColumnKind::OldTime => 4,
                        ColumnKind::OldDateTime => 5,
                        ColumnKind::OldTimestamp => 6,
                        ColumnKind::Year => 7,
                        _ => continue,
                    };
                    seeds.write("temporal", &[&[temporal], stored]);
                }
                Ok::<(), row::RowError>(())
            });
            done.unwrap();
        }
        _ => {}
    });
}
