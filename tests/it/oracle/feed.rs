//! The feed against the tools' text: what is in payloads and in compressed and partial row events, too, and documents.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use serde_json::Value;

use super::super::corpus::{cases, decode};
use super::text::{Text, TextRow, TextValue};

/// Rows of the feed and of the text, by table.
type Rows<T> = BTreeMap<String, Vec<T>>;

/// Cases whose text has more rows than the feed, and why.
const FEWER: &[(&str, &str)] = &[
    ("mariadb-10.11/xa", "a prepared transaction is rolled back"),
    ("mariadb-11.8/xa", "a prepared transaction is rolled back"),
    ("mysql-9.7/xa", "a prepared transaction is rolled back"),
];

#[test]
fn the_feed_has_the_rows_that_the_servers_tool_reads() {
    let (mut wrong, mut compared) = (String::new(), 0);
    for case in cases() {
        let decoded = decode("events.bin", &case.bytes());
        let ours = feed_rows(&decoded.feed);
        let theirs = text_rows(Text::parse(&case.text()));
        for (table, theirs) in &theirs {
            let ours = ours.get(table).map_or(&[][..], Vec::as_slice);
            if FEWER.iter().any(|(name, _)| *name == case.name) {
                if ours.len() >= theirs.len() {
                    writeln!(wrong, "{} {table}: {} rows need no excuse", case.name, ours.len()).unwrap();
                }
                continue;
            }
            // Of what the feed stopped at the text has more.
            if decoded.result.is_ok() && ours.len() != theirs.len() && !theirs.iter().any(|row| row.broken) {
                writeln!(wrong, "{} {table}: {} rows, the tool has {}", case.name, ours.len(), theirs.len()).unwrap();
                continue;
            }
            if theirs.iter().any(|row| row.broken) {
                continue;
            }
            for (n, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                compared += compare(&format!("{} {table} row {n}", case.name), ours, theirs, &mut wrong);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(compared > 3000, "{compared} values compared");
}

fn feed_rows(feed: &[u8]) -> Rows<Value> {
    let mut rows: Rows<Value> = BTreeMap::new();
    for line in feed.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let line: Value = serde_json::from_slice(line).unwrap();
        if line["type"] != "ddl" {
            let quoted = |key: &str| format!("`{}`", line[key].as_str().unwrap().replace('`', "``"));
            rows.entry(format!("{}.{}", quoted("database"), quoted("table"))).or_default().push(line);
        }
    }
    rows
}

fn text_rows(text: Text) -> Rows<TextRow> {
    let mut rows: Rows<TextRow> = BTreeMap::new();
    for row in text.statements.into_iter().flatten() {
        rows.entry(String::from_utf8_lossy(&row.table).into_owned()).or_default().push(row);
    }
    rows
}

fn compare(place: &str, ours: &Value, theirs: &TextRow, wrong: &mut String) -> usize {
    let verb = ours["type"].as_str().unwrap().to_uppercase();
    if verb != theirs.verb {
        writeln!(wrong, "{place}: {verb} but {}", theirs.verb).unwrap();
        return 0;
    }
    let data = ours["data"].as_object().unwrap();
    let image = &theirs.images[usize::from(verb != "DELETE")];
    // With fewer columns than the table has, only the log says which they are.
    if data.len() != image.len() {
        return 0;
    }
    let mut compared = 0;
    for ((name, ours), theirs) in data.iter().zip(image) {
        match agree(ours, theirs) {
            Some(true) => compared += 1,
            Some(false) => {
                let text = String::from_utf8_lossy(&theirs.text);
                writeln!(wrong, "{place} {name} {}: {ours:.120} but {text:.120}", theirs.kind).unwrap();
            }
            None => {}
        }
    }
    compared
}

/// `None` where the text does not say enough: labels, sets, bits, moments, other character sets.
fn agree(ours: &Value, theirs: &TextValue) -> Option<bool> {
    if theirs.text == b"NULL" || ours.is_null() {
        // A document may be null, too.
        return Some(ours.is_null() && (theirs.text == b"NULL" || theirs.text == b"'null'"));
    }
    let text = std::str::from_utf8(&theirs.text).ok()?;
    let kind = theirs.kind.split(['(', ' ']).next().unwrap();
    let quoted = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
    match kind {
        "TINYINT" | "SHORTINT" | "MEDIUMINT" | "INT" | "LONGINT" => {
            let number = ours.to_string();
            let mut said = text.split([' ', '(', ')']).filter(|part| !part.is_empty());
            Some(said.any(|said| said == number))
        }
        "YEAR" => Some(ours.as_u64()? == text.parse::<u64>().ok().filter(|year| *year != 1900).unwrap_or(0)),
        "DECIMAL" => Some(ours.as_str()? == text),
        "DOUBLE" => Some(ours.as_f64()? == text.parse::<f64>().ok()?),
        "FLOAT" => Some(super::ours::general(f64::from(ours.as_f64()? as f32), 6) == text.trim()),
        "DATE" => Some(ours.as_str()? == quoted?.replace(':', "-")),
        "DATETIME" | "TIME" => Some(ours.as_str()? == quoted?),
        // Without the partial updates' changes, and without a scalar string's quotes.
        "JSON" if quoted.is_none_or(|text| text.contains("\\x")) => None,
        "JSON" => {
            let text = unescape(quoted?);
            Some(match serde_json::from_str::<Value>(&text) {
                Ok(document) => document == *ours || ours.as_str() == Some(&text),
                Err(_) => ours.as_str() == Some(&text),
            })
        }
        "STRING" | "VARSTRING" | "TINYBLOB/TINYTEXT" | "BLOB/TEXT" | "MEDIUMBLOB/MEDIUMTEXT" | "LONGBLOB/LONGTEXT" => {
            if theirs.kind.contains("COMPRESSED") || text.contains("\\x") {
                return None;
            }
            let (ours, text) = (ours.as_str()?, unescape(quoted?));
            let raw = quoted?;
            // BINARY(n) has lost its trailing zeros in the log; the feed puts them back.
            let bytes = base64::engine::general_purpose::STANDARD.decode(ours).unwrap_or_default();
            let kept = bytes.len() - bytes.iter().rev().take_while(|byte| **byte == 0).count();
            let is_binary = bytes[..kept] == *text.as_bytes();
            Some(ours == text || ours == raw || is_binary || !text.is_ascii() || is_swe7(&text))
        }
        _ => None,
    }
}

/// The one character set whose text looks like ASCII and is not.
fn is_swe7(text: &str) -> bool {
    text == "}{|"
}

/// MySQL's tool escapes quotes, backslashes and some control characters.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (character, character == '\\') {
            (_, true) => out.extend(characters.next().map(|escaped| match escaped {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'b' => '\u{8}',
                'f' => '\u{c}',
                other => other,
            })),
            (character, false) => out.push(character),
        }
    }
    out
}
