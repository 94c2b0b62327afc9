//! Whether two servers hold the same: table by table the definition, the number of rows and a checksum over
//! every column's exact bytes; for a table that differs, the rows of each side that the other lacks. Times
//! are read in UTC and under an empty `sql_mode`, so that zero dates are values like others.

use std::collections::{BTreeMap, BTreeSet};
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
    let rows = source.row_expressions();
    for database in databases {
        let mut theirs = target.tables(database);
        for table in source.tables(database) {
            let name = format!("{}.{}", quoted(database), quoted(&table));
            if !theirs.remove(&table) {
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
            // A view has a definition and no rows.
            if let Some(row) = rows.get(&name) {
                compare_one(&mut source, &mut target, &name, row, &mut found);
            }
        }
        for table in &theirs {
            found.differences.push(format!("{}.{}: not in the source", quoted(database), quoted(table)));
        }
    }
    found
}

/// Rows are compared by the source's columns.
fn compare_one(source: &mut Side, target: &mut Side, name: &str, row: &str, found: &mut Comparison) {
    const SHOWN: usize = 5;
    let checksum = format!(
        "SELECT COUNT(*), COALESCE(SUM(CAST(CONV(LEFT(SHA2({row}, 256), 12), 16, 10) AS UNSIGNED)), 0) FROM {name}"
    );
    let ours = source.session.query(&checksum);
    let theirs = match target.session.try_query(&checksum) {
        Ok(theirs) => theirs,
        Err(error) => return found.differences.push(format!("{name}: the target's columns differ: {error}")),
    };
    let count = ours.first().and_then(|row| row.first().cloned().flatten());
    found.rows += count.and_then(|count| count.parse::<u64>().ok()).unwrap_or_default();
    if ours == theirs {
        return;
    }
    let mut balance: BTreeMap<String, i64> = BTreeMap::new();
    for (side, sign) in [(source, 1), (target, -1)] {
        for row in side.session.query(&format!("SELECT {row} FROM {name}")) {
            *balance.entry(row.into_iter().flatten().collect()).or_default() += sign;
        }
    }
    balance.retain(|_, count| *count != 0);
    let mut text = format!("{name}: {} rows differ", balance.len());
    for (row, count) in balance.iter().take(SHOWN) {
        let side = if *count > 0 { "source" } else { "target" };
        let shown: String = row.chars().take(300).collect();
        text.push_str(&format!("\n    only in the {side} ({}x): {shown}", count.abs()));
    }
    found.differences.push(text);
}

/// Lists tables with an expression that makes one string of a row; the scripts use the same.
const ROW_EXPRESSIONS: &str = include_str!("../../../../docker/row-expressions.sql");

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

    fn tables(&mut self, database: &str) -> BTreeSet<String> {
        let sql = format!("SHOW TABLES FROM {}", quoted(database));
        let rows = self.session.try_query(&sql).unwrap_or_default();
        rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect()
    }

    /// The row expression of every table, by its quoted name.
    fn row_expressions(&mut self) -> BTreeMap<String, String> {
        // The first statement of the file is a SET.
        let (set, select) = ROW_EXPRESSIONS.split_once(";\n").expect("two statements");
        self.session.exec(set);
        pairs(self.session.query(select)).collect()
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
