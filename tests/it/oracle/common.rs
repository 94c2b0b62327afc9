//! `mysql_common`, which reads the binary log of MySQL: events and row values of all files, fixtures and borrowed.
//!
//! What it does not read as the servers do is named in [`agrees`] and in the tables.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;

use mysql_common::binlog::consts::BinlogVersion;
use mysql_common::binlog::events::{EventData, RowsEventData};
use mysql_common::binlog::row::BinlogRow;
use mysql_common::binlog::value::BinlogValue;
use mysql_common::binlog::{BinlogFile, EventStreamReader};
use replicate::binlog::EventType;
use replicate::binlog::event::{Event, RowsEvent};
use replicate::row::{self, Cell, ColumnKind, TablePlan, Value};

use super::super::corpus::{borrowed, cases, for_each_event, raw_events};

type Theirs = mysql_common::Value;

/// What it says, or does, where it gives up on an event.
const GIVES_UP: &[(&str, &str)] = &[
    ("Don't know how to handle column", "types that it does not list"),
    ("Unknown column type 14", "MariaDB's COMPRESSED columns"),
    ("panicked", "a negative TIME with a fraction: it subtracts without a sign"),
];

/// Files of which the two see different things, and why that is right.
const DIFFERENT: &[(&str, &str)] = &[
    ("mariadb-10.2__binlog_before_20574.bin", "made of damaged events on purpose"),
    ("mariadb-10.6__invalid_row_v2_tag.001", "made of damaged events on purpose"),
    ("5.1__bug32407.001", "mysql_common ends at the row events of 5.1 before its release"),
    ("mariadb-10.11/encrypted", "what follows START_ENCRYPTION_EVENT is encrypted"),
];

/// All files, the project's and the borrowed.
fn files() -> Vec<(String, Vec<u8>)> {
    let fixtures = cases().into_iter().map(|case| (case.name.clone(), case.bytes()));
    let borrowed = borrowed().into_iter().map(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, fs::read(path).unwrap())
    });
    fixtures.chain(borrowed).filter(|(name, _)| !DIFFERENT.iter().any(|(skipped, _)| skipped == name)).collect()
}

#[test]
fn mysql_common_sees_the_same_events() {
    let (mut wrong, mut compared) = (String::new(), 0);
    for (name, bytes) in files() {
        let mut theirs = BinlogFile::new(BinlogVersion::Version4, &bytes[..]).unwrap();
        for (offset, raw) in raw_events(&bytes) {
            let ours = (raw.header.event_type.0, raw.header.event_size, raw.header.log_pos, raw.header.server_id);
            match theirs.next() {
                Some(Ok(event)) => {
                    let header = event.header();
                    let their = (header.event_type_raw(), header.event_size(), header.log_pos(), header.server_id());
                    compared += 1;
                    if ours != their {
                        writeln!(wrong, "{name}:{offset}: {ours:?} but {their:?}").unwrap();
                        break;
                    }
                }
                Some(Err(error)) => {
                    writeln!(wrong, "{name}:{offset}: {ours:?} but {error}").unwrap();
                    break;
                }
                None => {
                    writeln!(wrong, "{name}:{offset}: {ours:?} but nothing").unwrap();
                    break;
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(compared > 1500, "{compared}");
}

#[test]
fn mysql_common_reads_the_same_values() {
    let (mut wrong, mut compared) = (String::new(), 0);
    for (name, bytes) in files() {
        let ours = our_rows(&bytes);
        if ours.values().all(Vec::is_empty) {
            continue;
        }
        let mut stream = EventStreamReader::new(BinlogVersion::Version4);
        let mut input = &bytes[4..];
        let mut offset = 4;
        while let Ok(Some(event)) = stream.read(&mut input) {
            let at = offset;
            offset += event.header().event_size() as usize;
            let Some(ours) = ours.get(&at) else { continue };
            let Ok(Some(EventData::RowsEvent(rows))) = event.read_data() else {
                writeln!(wrong, "{name}:{at}: not read").unwrap();
                continue;
            };
            let map = stream.get_tme(rows.table_id()).unwrap();
            // It trusts what it reads, and panics on some of it.
            let theirs = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| their_rows(&rows, map)));
            let theirs = theirs.unwrap_or_else(|_| Err(std::io::Error::other("panicked")));
            match theirs {
                Ok(theirs) => compared += compare(&format!("{name}:{at}"), ours, &theirs, &mut wrong),
                Err(error) if GIVES_UP.iter().any(|(words, _)| error.to_string().contains(words)) => {}
                Err(error) => writeln!(wrong, "{name}:{at}: {error}").unwrap(),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(compared > 3000, "{compared} values compared");
}

type Image<T> = Vec<Option<T>>;

fn their_rows(
    rows: &RowsEventData<'_>,
    map: &mysql_common::binlog::events::TableMapEvent<'_>,
) -> std::io::Result<Vec<[Option<Image<Theirs>>; 2]>> {
    let image = |row: BinlogRow| -> Image<Theirs> {
        let value = |value: &BinlogValue<'_>| match value {
            BinlogValue::Value(value) => value.clone(),
            // Documents are compared in the feed.
            BinlogValue::Jsonb(_) | BinlogValue::JsonDiff(_) => Theirs::Bytes(b"a document".to_vec()),
        };
        (0..row.len()).map(|n| row.as_ref(n).map(value)).collect()
    };
    rows.rows(map).map(|row| row.map(|(before, after)| [before.map(image), after.map(image)])).collect()
}

/// Our rows of each row event, by its offset: as many images as the event has, of columns that are there.
fn our_rows(bytes: &[u8]) -> HashMap<usize, Vec<[Vec<OurValue>; 2]>> {
    let mut plans = HashMap::new();
    let mut events = HashMap::new();
    for_each_event(bytes, |offset, raw, _, event| match event {
        Event::TableMap(map) => {
            if let Ok(plan) = TablePlan::compile(&map, None) {
                plans.insert(map.table_id, plan);
            }
        }
        Event::Rows(rows) if raw.header.event_type != EventType::PARTIAL_UPDATE_ROWS => {
            let Some(plan) = plans.get(&rows.table_id) else { return };
            let (mut before, mut after) = (Vec::new(), Vec::new());
            let images = events.entry(offset).or_insert_with(Vec::new);
            row::for_each(plan, &rows, &mut before, &mut after, |before, after| {
                images.push([our_image(plan, before, &rows), our_image(plan, after, &rows)]);
                Ok::<(), row::RowError>(())
            })
            .unwrap();
        }
        _ => {}
    });
    events
}

struct OurValue {
    column: usize,
    debug: String,
    agrees: Box<dyn Fn(&Theirs) -> bool>,
}

fn our_image(plan: &TablePlan, cells: &[Cell], event: &RowsEvent<'_>) -> Vec<OurValue> {
    let mut image = Vec::new();
    for (column, (plan, cell)) in plan.columns.iter().zip(cells).enumerate() {
        let value = match cell {
            Cell::Absent => continue,
            Cell::Null => {
                OurValue { column, debug: "NULL".to_owned(), agrees: Box::new(|their| *their == Theirs::NULL) }
            }
            // Partial row events are left to the feed's comparison.
            Cell::JsonDiff { .. } => continue,
            Cell::At { .. } => {
                let bytes = cell.bytes(event.rows).unwrap();
                let mut scratch = Vec::new();
                let value = plan.value_in(bytes, &mut scratch).unwrap();
                OurValue { column, debug: format!("{value:?}"), agrees: agrees(&value, plan.kind, bytes) }
            }
        };
        image.push(value);
    }
    image
}

/// Whether their form of a value is the same as ours.
fn agrees(value: &Value<'_>, kind: ColumnKind, stored: &[u8]) -> Box<dyn Fn(&Theirs) -> bool> {
    let bytes = |bytes: Vec<u8>| -> Box<dyn Fn(&Theirs) -> bool> {
        Box::new(move |their| matches!(their, Theirs::Bytes(their) if *their == bytes))
    };
    let is_medium = kind == ColumnKind::Int24;
    match *value {
        // It reads old TIME without its sign, and in one byte.
        Value::Time(_) if kind == ColumnKind::OldTime => Box::new(|_| true),
        // It reads a negative MEDIUMINT without its sign.
        Value::Int(n) => Box::new(move |their| {
            let unsigned = if is_medium { n & 0xff_ffff } else { n };
            matches!(their, Theirs::Int(their) if *their == n || *their == unsigned)
                || matches!(their, Theirs::UInt(their) if *their as i64 == n)
        }),
        Value::UInt(n) => Box::new(move |their| {
            matches!(their, Theirs::UInt(their) if *their == n)
                || matches!(their, Theirs::Int(their) if *their as u64 == n)
        }),
        Value::Float(f) => {
            Box::new(move |their| matches!(their, Theirs::Float(their) if their.to_bits() == f.to_bits()))
        }
        Value::Double(d) => {
            Box::new(move |their| matches!(their, Theirs::Double(their) if their.to_bits() == d.to_bits()))
        }
        Value::Decimal(decimal) => {
            let mut text = Vec::new();
            decimal.write_text(&mut text);
            bytes(text)
        }
        Value::Year(year) => bytes(if year == 0 { b"1900".to_vec() } else { year.to_string().into_bytes() }),
        Value::Timestamp(moment) => {
            // It takes the seconds for signed; MariaDB 11.5 and later goes on to 2106.
            let seconds = moment.seconds.cast_signed();
            let text = match moment.micros {
                0 => seconds.to_string(),
                micros => format!("{seconds}.{micros:06}"),
            };
            Box::new(move |their| match their {
                Theirs::Int(seconds) => seconds.to_string() == text,
                Theirs::Bytes(their) => their == text.as_bytes(),
                _ => false,
            })
        }
        Value::Date(d) => Box::new(move |their| *their == Theirs::Date(d.year, d.month, d.day, 0, 0, 0, 0)),
        Value::DateTime(d) => Box::new(move |their| {
            let date = d.date;
            *their == Theirs::Date(date.year, date.month, date.day, d.hour, d.minute, d.second, d.micros)
        }),
        Value::Time(t) => Box::new(move |their| match their {
            Theirs::Time(negative, days, hours, minutes, seconds, micros) => {
                let all = u32::from(*hours) + days * 24;
                (u32::from(t.hours), t.minutes, t.seconds, t.micros) == (all, *minutes, *seconds, *micros)
                    && (t.negative == *negative || t.micros == 0)
            }
            _ => false,
        }),
        Value::Enum(index) => Box::new(move |their| *their == Theirs::Int(i64::from(index))),
        Value::Json(_) => Box::new(|_| true),
        // What is stored.
        _ => bytes(stored.to_vec()),
    }
}

fn compare(
    place: &str,
    ours: &[[Vec<OurValue>; 2]],
    theirs: &[[Option<Image<Theirs>>; 2]],
    wrong: &mut String,
) -> usize {
    let mut compared = 0;
    // It does not count rows without columns.
    let no_columns = ours.iter().all(|[before, after]| before.is_empty() && after.is_empty());
    if ours.len() != theirs.len() && !no_columns {
        writeln!(wrong, "{place}: {} rows but {}", ours.len(), theirs.len()).unwrap();
    }
    for (n, (our, their)) in ours.iter().zip(theirs).enumerate() {
        for (our, their) in our.iter().zip(their) {
            let Some(their) = their else { continue };
            let their: Vec<&Theirs> = their.iter().flatten().collect();
            if our.len() != their.len() {
                writeln!(wrong, "{place} row {n}: {} values but {}", our.len(), their.len()).unwrap();
            }
            for (our, their) in our.iter().zip(their) {
                compared += 1;
                if !(our.agrees)(their) {
                    writeln!(wrong, "{place} row {n} @{}: {:.120} but {their:.120?}", our.column + 1, our.debug)
                        .unwrap();
                }
            }
        }
    }
    compared
}
