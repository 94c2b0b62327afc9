//! Whether two servers hold the same: table by table the definition, the number of rows and a checksum over
//! every column's exact bytes; for a table that differs, the rows of each side that the other lacks. Times
//! are read in UTC and under an empty `sql_mode`, so that zero dates are values like others.

use std::collections::BTreeMap;
use std::fmt;

use super::Server;
use super::sql::Session;

/// What a comparison found.
#[derive(Debug, Default)]
pub struct Comparison {
    /// Tables present on both sides.
    pub tables: usize,
    /// Rows of the source.
    pub rows: u64,
    /// One text for each table or row that differs; empty if all is the same.
    pub differences: Vec<String>,
}

impl Comparison {
    /// Whether nothing differs.
    pub fn is_same(&self) -> bool {
        self.differences.is_empty()
    }

    /// Panics with the differences, if any, and the logs.
    #[track_caller]
    pub fn assert_same(&self) {
        assert!(self.is_same(), "{self}\n{}", super::logbook::tails());
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tables, {} rows, {} differences", self.tables, self.rows, self.differences.len())?;
        self.differences.iter().try_for_each(|difference| write!(f, "\n  {difference}"))
    }
}

/// Compares definitions and rows of all tables and views of these databases.
#[track_caller]
pub fn compare_tables(source: &Server, target: &Server, databases: &[&str]) -> Comparison {
    compare(source, target, databases, true)
}

/// Compares rows only, for servers that print definitions differently.
#[track_caller]
pub fn compare_rows(source: &Server, target: &Server, databases: &[&str]) -> Comparison {
    compare(source, target, databases, false)
}

#[track_caller]
fn compare(source: &Server, target: &Server, databases: &[&str], definitions: bool) -> Comparison {
    let mut source = Side::new(source);
    let mut target = Side::new(target);
    let mut found = Comparison::default();
    for database in databases {
        let mut theirs = target.tables(database);
        for (table, kind) in source.tables(database) {
            let name = format!("{}.{}", quoted(database), quoted(&table));
            if theirs.remove(&table).is_none() {
                found.differences.push(format!("{name}: not in the target"));
                continue;
            }
            found.tables += 1;
            if definitions {
                let (ours, theirs) = (source.definition(&name), target.definition(&name));
                if ours != theirs {
                    found.differences.push(format!("{name}: source has\n{ours}\nand target has\n{theirs}"));
                }
            }
            if kind == "BASE TABLE" {
                compare_one(&mut source, &mut target, database, &table, &mut found);
            }
        }
        for table in theirs.keys() {
            found.differences.push(format!("{}.{}: not in the source", quoted(database), quoted(table)));
        }
    }
    found
}

fn compare_one(source: &mut Side, target: &mut Side, database: &str, table: &str, found: &mut Comparison) {
    const SHOWN: usize = 5;
    let name = format!("{}.{}", quoted(database), quoted(table));
    let columns = source.columns(database, table);
    if columns != target.columns(database, table) {
        found.differences.push(format!("{name}: columns differ"));
        return;
    }
    let row = row_expression(&columns);
    // SHA2, because MySQL 9.7 has MD5 only with a component loaded.
    let checksum = format!(
        "SELECT COUNT(*), COALESCE(SUM(CAST(CONV(LEFT(SHA2({row}, 256), 12), 16, 10) AS UNSIGNED)), 0) FROM {name}"
    );
    let ours = source.session.query(&checksum);
    let count = ours.first().and_then(|row| row.first().cloned().flatten());
    found.rows += count.and_then(|count| count.parse::<u64>().ok()).unwrap_or_default();
    if ours == target.session.query(&checksum) {
        return;
    }
    let mut balance: BTreeMap<String, i64> = BTreeMap::new();
    for (side, sign) in [(source, 1), (target, -1)] {
        for row in side.session.query(&format!("SELECT {row} FROM {name}")) {
            *balance.entry(row.into_iter().flatten().collect()).or_default() += sign;
        }
    }
    balance.retain(|_, count| *count != 0);
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let mut text = format!("{name}: {} rows differ ({})", balance.len(), names.join(", "));
    for (row, count) in balance.iter().take(SHOWN) {
        let side = if *count > 0 { "source" } else { "target" };
        let shown: String = row.chars().take(300).collect();
        text.push_str(&format!("\n    only in the {side} ({}x): {shown}", count.abs()));
    }
    found.differences.push(text);
}

#[derive(Debug, PartialEq)]
struct Column {
    name: String,
    data_type: String,
}

/// A row as one string that is equal only for equal rows: each column in hexadecimal or digits, long ones as
/// a digest.
fn row_expression(columns: &[Column]) -> String {
    let parts: Vec<String> = columns
        .iter()
        .map(|column| {
            let name = quoted(&column.name);
            let value = match column.data_type.as_str() {
                // HEX of a number would round it.
                "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "decimal" | "year" | "date" | "time"
                | "datetime" | "timestamp" | "inet4" | "inet6" | "uuid" => format!("CAST({name} AS CHAR)"),
                // A FLOAT prints six digits unless it is made a DOUBLE.
                "float" | "double" => format!("CAST({name} + 0e0 AS CHAR)"),
                "bit" => format!("HEX({name})"),
                "json" => format!("HEX(CAST({name} AS CHAR))"),
                // The label may be empty where the number is not.
                "enum" | "set" => format!("CONCAT(HEX({name}), '/', {name} + 0)"),
                "char" | "varchar" | "binary" | "varbinary" | "tinytext" | "tinyblob" => format!("HEX({name})"),
                _ => format!("IF(LENGTH({name}) > 100, CONCAT(LENGTH({name}), ':', SHA2({name}, 256)), HEX({name}))"),
            };
            format!("COALESCE({value}, 'NULL')")
        })
        .collect();
    format!("CONCAT_WS(',', {})", parts.join(", "))
}

struct Side {
    session: Session,
}

impl Side {
    #[track_caller]
    fn new(server: &Server) -> Side {
        let mut session = server.session();
        session.exec("SET SESSION sql_mode = '', time_zone = '+00:00', sql_quote_show_create = 1");
        session.exec("SET NAMES utf8mb4");
        Side { session }
    }

    fn tables(&mut self, database: &str) -> BTreeMap<String, String> {
        let sql = format!(
            "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = {}",
            literal(database)
        );
        pairs(self.session.query(&sql)).collect()
    }

    fn columns(&mut self, database: &str, table: &str) -> Vec<Column> {
        let sql = format!(
            "SELECT column_name, data_type FROM information_schema.columns \
             WHERE table_schema = {} AND table_name = {} ORDER BY ordinal_position",
            literal(database),
            literal(table)
        );
        pairs(self.session.query(&sql))
            .map(|(name, data_type)| Column { name, data_type: data_type.to_lowercase() })
            .collect()
    }

    /// The statement that makes it; the next AUTO_INCREMENT is left out: rows that were rolled back, or written
    /// with their number, move it on one side only.
    fn definition(&mut self, name: &str) -> String {
        let rows = self.session.query(&format!("SHOW CREATE TABLE {name}"));
        let text = rows.into_iter().next().and_then(|row| row.into_iter().nth(1)).flatten().unwrap_or_default();
        match text.split_once(" AUTO_INCREMENT=") {
            None => text,
            Some((head, tail)) => head.to_owned() + tail.trim_start_matches(|c: char| c.is_ascii_digit()),
        }
    }
}

fn pairs(rows: Vec<super::Row>) -> impl Iterator<Item = (String, String)> {
    rows.into_iter().filter_map(|row| {
        let mut values = row.into_iter().flatten();
        Some((values.next()?, values.next()?))
    })
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}
