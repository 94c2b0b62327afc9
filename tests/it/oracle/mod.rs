//! Our decode against others: the text of the servers' own tools, and `mysql_common`.
//!
//! On all fixtures, and on files of old servers where they lie beside the project. Per event: type, place and size; per
//! row: every value. What the others print differently is in `ours` (form) and in the tables here (substance).

mod borrowed;
mod common;
mod feed;
mod ours;
mod text;

use std::fmt::Write as _;

use replicate::binlog::event::{Event, RowsEvent, RowsKind};
use replicate::binlog::{EventType, RawEvent};
use replicate::row::{self, Cell, ColumnKind, TablePlan, Value};

use super::corpus::{cases, for_each_event, raw_events};
use text::{Text, TextEvent, TextRow, TextValue};

/// How the tools begin an event's line, by our name of its type.
const WORDS: &[(EventType, &str)] = &[
    (EventType::FORMAT_DESCRIPTION, "Start: binlog"),
    (EventType::PREVIOUS_GTIDS, "Previous-GTIDs"),
    (EventType::GTID, "GTID"),
    (EventType::GTID_TAGGED, "GTID"),
    (EventType::MARIA_GTID, "GTID"),
    (EventType::ANONYMOUS_GTID, "Anonymous_GTID"),
    (EventType::QUERY, "Query\t"),
    (EventType::MARIA_QUERY_COMPRESSED, "Query_compressed\t"),
    (EventType::TABLE_MAP, "Table_map: "),
    (EventType::WRITE_ROWS, "Write_rows: "),
    (EventType::UPDATE_ROWS, "Update_rows: "),
    (EventType::DELETE_ROWS, "Delete_rows: "),
    (EventType::WRITE_ROWS_V1, "Write_rows: "),
    (EventType::UPDATE_ROWS_V1, "Update_rows: "),
    (EventType::DELETE_ROWS_V1, "Delete_rows: "),
    (EventType::WRITE_ROWS_V0, "Write_rows_old: "),
    (EventType::UPDATE_ROWS_V0, "Update_rows_old: "),
    (EventType::DELETE_ROWS_V0, "Delete_rows_old: "),
    (EventType::PARTIAL_UPDATE_ROWS, "Update_rows_partial: "),
    (EventType::MARIA_WRITE_ROWS_COMPRESSED_V1, "Write_compressed_rows: "),
    (EventType::MARIA_UPDATE_ROWS_COMPRESSED_V1, "Update_compressed_rows: "),
    (EventType::MARIA_DELETE_ROWS_COMPRESSED_V1, "Delete_compressed_rows: "),
    (EventType::XID, "Xid = "),
    (EventType::STOP, "Stop"),
    (EventType::ROTATE, "Rotate to "),
    (EventType::INTVAR, "Intvar"),
    (EventType::RAND, "Rand"),
    (EventType::USER_VAR, "User_var"),
    (EventType::TRANSACTION_PAYLOAD, "Transaction_Payload"),
    (EventType::XA_PREPARE, "XA PREPARE "),
    (EventType::XA_PREPARE, "XID = X'"),
    (EventType::ROWS_QUERY, "Rows_query"),
    (EventType::MARIA_ANNOTATE_ROWS, "Annotate_rows:"),
    (EventType::MARIA_BINLOG_CHECKPOINT, "Binlog checkpoint "),
    (EventType::MARIA_GTID_LIST, "Gtid list"),
    (EventType::EXECUTE_LOAD_QUERY, "Execute_load_query\t"),
    // Their words stand on the next line.
    (EventType::BEGIN_LOAD_QUERY, ""),
    (EventType::APPEND_BLOCK, ""),
    (EventType::DELETE_FILE, ""),
    (EventType::INCIDENT, ""),
];

/// Event types that the tools print without a header of their own.
const WITHOUT_HEADER: &[(EventType, &str)] = &[
    (EventType::MARIA_START_ENCRYPTION, "mariadb-binlog prints only its fields, and what follows it cannot be read"),
    (EventType::APPEND_BLOCK, "mysqlbinlog gathers the blocks of a file"),
];

/// A log and what a server's tool says of it.
struct Source {
    name: String,
    bytes: Vec<u8>,
    text: Text,
    is_maria: bool,
}

fn fixtures() -> Vec<Source> {
    cases()
        .into_iter()
        .map(|case| Source {
            bytes: case.bytes(),
            text: Text::parse(&case.text()),
            is_maria: case.is_maria(),
            name: case.name,
        })
        .collect()
}

#[test]
fn each_event_is_the_one_that_the_servers_tool_reads_at_that_place() {
    let (wrong, compared) = compare_events(&fixtures());
    assert!(wrong.is_empty(), "{wrong}");
    assert!(compared > 1500, "{compared} events compared");
}

/// What differs, and how many events were compared.
fn compare_events(sources: &[Source]) -> (String, usize) {
    let mut wrong = String::new();
    let mut compared = 0;
    for Source { name, bytes, text, .. } in sources {
        let mut theirs = text.events.iter().filter(|event| !event.nested).peekable();
        for (offset, raw) in raw_events(bytes) {
            let event_type = raw.header.event_type;
            let agree = |their: &&TextEvent| {
                WORDS.iter().any(|(listed, words)| *listed == event_type && their.what.starts_with(words))
                    && their.end_log_pos == raw.header.log_pos
                    && their.server_id == raw.header.server_id
            };
            if !text.places.contains(&(offset as u64)) {
                writeln!(wrong, "{name}:{offset}: {event_type}; the tool has no event there").unwrap();
            }
            compared += 1;
            if theirs.next_if(agree).is_none() && !WITHOUT_HEADER.iter().any(|(hidden, _)| *hidden == event_type) {
                let their = theirs.next();
                writeln!(wrong, "{name}:{offset}: {event_type} {:?}: {their:?}", raw.header).unwrap();
                break;
            }
        }
        if let Some(more) = theirs.next() {
            writeln!(wrong, "{name}: we have nothing at {more:?}").unwrap();
        }
    }
    (wrong, compared)
}

/// The rows of a statement, in the tool's words.
#[derive(Default)]
struct Statement {
    rows: Vec<OurRow>,
}

struct OurRow {
    verb: &'static str,
    table: String,
    /// Per column: its text and whether the tool's text is the same, as a function of the tool's text.
    images: [Vec<(usize, OurValue)>; 2],
}

/// Whether the tool's text is the value.
type IsSame = Box<dyn Fn(&[u8]) -> bool>;

struct OurValue {
    words: Option<Vec<u8>>,
    /// How it looks to a person.
    debug: String,
    is_same: IsSame,
}

fn our_values(plan: &TablePlan, cells: &[Cell], event: &RowsEvent<'_>, maria: bool) -> Vec<(usize, OurValue)> {
    let mut values = Vec::new();
    for (n, (column, cell)) in plan.columns.iter().zip(cells).enumerate() {
        let value = match cell {
            Cell::Absent => continue,
            Cell::Null => OurValue {
                words: Some(b"NULL".to_vec()),
                debug: "NULL".to_owned(),
                is_same: Box::new(|text| text == b"NULL"),
            },
            // Partial row events are left to the feed's comparison.
            Cell::JsonDiff { .. } => continue,
            Cell::At { .. } => {
                let mut scratch = Vec::new();
                let value = column.value_in(cell.bytes(event.rows).unwrap(), &mut scratch).unwrap();
                let words = match column.kind {
                    // The tool prints what is stored, deflated or not, with the byte that says so.
                    ColumnKind::Compressed { .. } => Some(ours::escaped(cell.bytes(event.rows).unwrap(), maria)),
                    _ => ours::in_words_of_the_tool(&value, maria),
                };
                let debug = format!("{value:?}");
                // `same` needs the value only where the form of numbers differs.
                let plain = match value {
                    Value::Int(n) => Value::Int(n),
                    Value::UInt(n) => Value::UInt(n),
                    Value::Set(n) => Value::Set(n),
                    _ => Value::Year(0),
                };
                let compare = words.clone();
                OurValue {
                    words,
                    debug,
                    is_same: Box::new(move |text| compare.as_ref().is_none_or(|ours| ours::same(&plain, ours, text))),
                }
            }
        };
        values.push((n + 1, value));
    }
    values
}

/// All rows of a file by statement; row events inside payloads and compressed ones are not looked into.
fn our_statements(bytes: &[u8], maria: bool) -> Vec<Statement> {
    let mut plans = std::collections::HashMap::new();
    let mut statements = Vec::new();
    let mut open = Statement::default();
    for_each_event(bytes, |_, _: &RawEvent<'_>, _, event| match event {
        Event::TableMap(map) => {
            plans.insert(map.table_id, TablePlan::compile(&map, None).unwrap());
        }
        Event::Rows(rows) => {
            let plan: &TablePlan = plans.get(&rows.table_id).expect("a table map comes before its rows");
            let verb = match rows.kind {
                RowsKind::Write => "INSERT",
                RowsKind::Update => "UPDATE",
                RowsKind::Delete => "DELETE",
            };
            let (mut before, mut after) = (Vec::new(), Vec::new());
            let table = format!("`{}`.`{}`", plan.database.replace('`', "``"), plan.table.replace('`', "``"));
            row::for_each(plan, &rows, &mut before, &mut after, |before, after| {
                let images = [our_values(plan, before, &rows, maria), our_values(plan, after, &rows, maria)];
                open.rows.push(OurRow { verb, table: table.clone(), images });
                Ok::<(), row::RowError>(())
            })
            .unwrap();
            if rows.flags & RowsEvent::STMT_END != 0 {
                statements.push(std::mem::take(&mut open));
            }
        }
        _ => {}
    });
    statements
}

/// Whether all rows of the file are in plain row events, and can be read.
fn is_plain(bytes: &[u8]) -> bool {
    let packed = |raw: &RawEvent<'_>| {
        matches!(
            raw.header.event_type,
            EventType::TRANSACTION_PAYLOAD | EventType::PARTIAL_UPDATE_ROWS | EventType(164..=171)
        )
    };
    !raw_events(bytes).iter().any(|(_, raw)| packed(raw))
}

#[test]
fn each_value_is_the_one_that_the_servers_tool_reads() {
    let (wrong, compared) = compare_values(&fixtures());
    assert!(wrong.is_empty(), "{wrong}");
    assert!(compared > 3000, "{compared} values compared");
}

/// What differs, and how many values were compared.
fn compare_values(sources: &[Source]) -> (String, usize) {
    let mut wrong = String::new();
    let mut compared = 0;
    for Source { name, bytes, text, is_maria } in sources.iter().filter(|source| is_plain(&source.bytes)) {
        let ours = our_statements(bytes, *is_maria);
        if ours.len() != text.statements.len() {
            writeln!(wrong, "{name}: {} statements, the tool has {}", ours.len(), text.statements.len()).unwrap();
        }
        for (number, (ours, theirs)) in ours.iter().zip(&text.statements).enumerate() {
            compared += compare_rows(&format!("{name} statement {number}"), ours, theirs, &mut wrong);
        }
    }
    (wrong, compared)
}

/// Returns how many values were compared.
fn compare_rows(place: &str, ours: &Statement, theirs: &[TextRow], wrong: &mut String) -> usize {
    let mut compared = 0;
    for (n, our) in ours.rows.iter().enumerate() {
        let Some(their) = theirs.get(n) else {
            // The tool gives up on an event whose row has a type that it does not know (GEOMETRY).
            if !theirs.last().is_some_and(|row| row.broken) {
                writeln!(wrong, "{place}: {} rows, the tool has {}", ours.rows.len(), theirs.len()).unwrap();
            }
            return compared;
        };
        if our.verb != their.verb || our.table.as_bytes() != their.table {
            let table = String::from_utf8_lossy(&their.table);
            writeln!(wrong, "{place} row {n}: {} {} but {} {table}", our.verb, our.table, their.verb).unwrap();
            return compared;
        }
        for (ours, theirs) in our.images.iter().zip(&their.images) {
            if ours.len() != theirs.len() && !their.broken {
                writeln!(wrong, "{place} row {n}: {} columns, the tool has {}", ours.len(), theirs.len()).unwrap();
            }
            for ((number, value), their) in ours.iter().zip(theirs) {
                compared += 1;
                if *number != their.number || !(value.is_same)(&their.text) {
                    differs(place, n, *number, value, their, wrong);
                }
            }
        }
    }
    if theirs.len() > ours.rows.len() {
        writeln!(wrong, "{place}: {} rows, the tool has {}", ours.rows.len(), theirs.len()).unwrap();
    }
    compared
}

fn differs(place: &str, row: usize, number: usize, value: &OurValue, their: &TextValue, wrong: &mut String) {
    let words = value.words.as_deref().map(String::from_utf8_lossy);
    let text = String::from_utf8_lossy(&their.text);
    writeln!(
        wrong,
        "{place} row {row} @{number} {}: {:.120} is {:.120?}, the tool says @{} {text:.120}",
        their.kind, value.debug, words, their.number
    )
    .unwrap();
}
