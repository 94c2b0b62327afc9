//! `--format stats`: the report as tables for people, or as one JSON object.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::sink::stats::{Report, TableRows};
use crate::status::rfc3339;

/// The object of docs/decode.md.
pub(super) fn object(report: &Report) -> Value {
    let table = |rows: &TableRows| {
        json!({
            "inserts": rows.inserts,
            "updates": rows.updates,
            "deletes": rows.deletes,
            "rows": rows.rows(),
            "row_bytes": rows.bytes,
            "transactions": rows.transactions,
        })
    };
    let named = |rows: &TableRows| {
        let mut object = json!({ "database": rows.database, "table": rows.table });
        if let (Some(object), Value::Object(counts)) = (object.as_object_mut(), table(rows)) {
            object.extend(counts);
        }
        object
    };
    let mut total = table(&report.total);
    if let Some(total) = total.as_object_mut() {
        total.insert("statements".to_owned(), report.statements.into());
        total.insert("log_bytes".to_owned(), report.log_bytes.into());
    }
    json!({
        "total": total,
        "first_ts": report.span.map(|(first, _)| first),
        "last_ts": report.span.map(|(_, last)| last),
        "tables": report.tables.iter().map(named).collect::<Vec<_>>(),
        "largest_transactions": report.largest.iter().map(|size| json!({
            "position": size.start.to_string(),
            "gtid": size.gtid.as_ref().map(ToString::to_string),
            "ts": size.timestamp,
            "log_bytes": size.bytes,
            "rows": size.rows,
        })).collect::<Vec<_>>(),
        "busiest_seconds": report.busiest.iter().map(|second| json!({
            "ts": second.timestamp,
            "transactions": second.transactions,
            "rows": second.rows,
            "log_bytes": second.bytes,
        })).collect::<Vec<_>>(),
        "events": report.events.iter().map(|event| json!({
            "event_type": event.event_type.to_string(),
            "count": event.count,
            "bytes": event.bytes,
            "in_payloads": event.in_payloads,
        })).collect::<Vec<_>>(),
        "payloads": {
            "count": report.payloads.count,
            "log_bytes": report.payloads.packed,
            "unpacked_bytes": report.payloads.unpacked,
        },
    })
}

/// Tables for people.
pub(super) fn text(report: &Report) -> String {
    let mut out = String::new();
    let total = &report.total;
    let time = |timestamp: u32| rfc3339(u64::from(timestamp));
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "{} transactions, {} row changes, {} statements, {} bytes",
        total.transactions,
        total.rows(),
        report.statements,
        report.log_bytes
    );
    if let Some((first, last)) = report.span {
        let _ = writeln!(out, "from {} to {}", time(first), time(last));
    }
    let payloads = report.payloads;
    if payloads.count > 0 {
        let (count, packed, unpacked) = (payloads.count, payloads.packed, payloads.unpacked);
        let _ = writeln!(out, "{count} compressed transactions: {packed} bytes, unpacked {unpacked}");
    }
    let row = |name: String, rows: &TableRows| {
        let mut cells = vec![name];
        let counts = [rows.inserts, rows.updates, rows.deletes, rows.bytes, rows.transactions];
        cells.extend(counts.iter().map(ToString::to_string));
        cells
    };
    let mut tables: Vec<_> =
        report.tables.iter().map(|rows| row(format!("{}.{}", rows.database, rows.table), rows)).collect();
    if tables.len() > 1 {
        tables.push(row("total".to_owned(), total));
    }
    section(&mut out, &["Table", "Inserts", "Updates", "Deletes", "Row bytes", "Transactions"], 1, &tables);
    let largest = report.largest.iter().map(|size| {
        vec![
            size.start.to_string(),
            size.gtid.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
            time(size.timestamp),
            size.bytes.to_string(),
            size.rows.to_string(),
        ]
    });
    let largest: Vec<_> = largest.collect();
    section(&mut out, &["Largest transaction", "GTID", "Time", "Bytes", "Rows"], 3, &largest);
    let busiest = report.busiest.iter().map(|second| {
        let counts = [second.transactions, second.rows, second.bytes];
        [vec![time(second.timestamp)], counts.iter().map(ToString::to_string).collect()].concat()
    });
    section(&mut out, &["Busiest second", "Transactions", "Rows", "Bytes"], 1, &busiest.collect::<Vec<_>>());
    let events = report.events.iter().map(|event| {
        vec![
            event.event_type.to_string(),
            event.count.to_string(),
            event.bytes.to_string(),
            event.in_payloads.to_string(),
        ]
    });
    section(&mut out, &["Event", "Count", "Bytes", "In payloads"], 1, &events.collect::<Vec<_>>());
    out
}

/// One table; columns from `numbers` on stand to the right. Nothing where there are no rows.
fn section(out: &mut String, headings: &[&str], numbers: usize, rows: &[Vec<String>]) {
    if rows.is_empty() {
        return;
    }
    let width = |n: usize| {
        let cells = rows.iter().filter_map(|row| row.get(n)).map(|cell| cell.chars().count());
        cells.chain(headings.get(n).map(|heading| heading.len())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    out.push('\n');
    let headings: Vec<String> = headings.iter().map(ToString::to_string).collect();
    for row in std::iter::once(&headings).chain(rows) {
        let mut line = String::new();
        for (n, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let _ = if n < numbers { write!(line, "{cell:<width$}  ") } else { write!(line, "{cell:>width$}  ") };
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
}
