//! Definitions followed through DDL against the servers' own catalogs: after each statement of `fixtures/ddl/`, and of
//! random sequences of ALTER TABLE, what was followed from the binary log must be what the catalog says.
//!
//! In the files a statement ends with `;` at the end of a line; `?` before it lets it fail on this server, `~` says that
//! the tables it touches are unknown behind it: the short list of what is not followed.

use std::fs;
use std::path::Path;

use replicate::binlog::event::{self, Event, FormatDescription};
use replicate::binlog::{EventHeader, EventType, RawEvent};
use replicate::schema::ddl::{DdlContext, TableState, Touches, touches};
use replicate::schema::{TableDef, Tables, columns_query, keys_query};

use super::harness::{Flavor, Server, Session};

/// A server, its log as far as it was followed, and the definitions there.
struct Follower {
    server: Server,
    session: Session,
    format: Option<FormatDescription>,
    at: usize,
    tables: Tables,
    compared: usize,
    failures: Vec<String>,
}

impl Follower {
    fn start(flavor: Flavor) -> Self {
        let server = Server::start(flavor, &["--max-binlog-size=1G"]);
        let session = server.session();
        Self { server, session, format: None, at: 4, tables: Tables::new(), compared: 0, failures: Vec::new() }
    }

    /// Follows what the log has got since the last time; gives the tables that were touched.
    fn follow(&mut self) -> Vec<(String, String)> {
        let bytes = fs::read(self.server.data_dir().join("mysql-bin.000001")).unwrap();
        let mut touched = Vec::new();
        while let Some(header) = bytes.get(self.at..).and_then(EventHeader::read) {
            let end = self.at + usize::try_from(header.event_size).unwrap();
            let Some(event) = bytes.get(self.at..end) else { break };
            let raw = RawEvent { header, bytes: event };
            self.at = end;
            if header.event_type == EventType::FORMAT_DESCRIPTION {
                self.format = Some(FormatDescription::parse(&raw).unwrap());
            } else if header.event_type == EventType::QUERY {
                let format = self.format.as_ref().unwrap();
                let Ok(Event::Query(query)) = event::parse(&raw, format) else { panic!("no query event") };
                let context = DdlContext::of_query(&query, &format.server_version, false).unwrap();
                match touches(query.statement, &context) {
                    Touches::Tables(tables) => touched.extend(tables),
                    Touches::Nothing | Touches::Database(_) => {}
                    Touches::Anything => {
                        self.failures.push(format!("may touch anything: {}", String::from_utf8_lossy(query.statement)))
                    }
                }
                self.tables.apply(query.statement, &context);
            }
        }
        touched.sort();
        touched.dedup();
        touched
    }

    fn catalog(&mut self, database: &str, table: &str) -> Option<TableDef> {
        let is_table = format!(
            "SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{database}' AND TABLE_NAME = '{table}' \
             AND TABLE_TYPE <> 'VIEW'"
        );
        if self.session.query(&is_table).is_empty() {
            return None;
        }
        let columns = self.session.query(&columns_query(database, table));
        let keys = self.session.query(&keys_query(database, table));
        TableDef::from_rows(database, table, &columns, &keys).unwrap()
    }

    /// Follows a statement that was executed, and compares.
    fn check(&mut self, statement: &str, unknown: bool) {
        let touched = self.follow();
        if unknown && touched.is_empty() {
            self.failures.push(format!("touches nothing: {statement}"));
        }
        for (database, table) in touched {
            let state = self.tables.get(&database, &table);
            let catalog = self.catalog(&database, &table);
            self.compared += 1;
            let problem = match (&state, &catalog) {
                (TableState::Unknown, Some(_)) if unknown => None,
                (TableState::Is(def), Some(catalog)) => difference(def, catalog),
                (TableState::Gone, None) => None,
                (state, catalog) => Some(format!("followed {state:?}, catalog {catalog:?}")),
            };
            if let Some(problem) = problem {
                self.failures.push(format!("{statement}\n    {database}.{table}: {problem}"));
            }
            let state = catalog.map_or(TableState::Gone, |def| TableState::Is(def.into()));
            self.tables.set(&database, &table, state);
        }
    }

    #[track_caller]
    fn finish(self, at_least: usize) {
        assert!(
            self.failures.is_empty(),
            "{} of {} comparisons differ:\n{}",
            self.failures.len(),
            self.compared,
            self.failures.join("\n")
        );
        assert!(self.compared >= at_least, "only {} comparisons", self.compared);
    }
}

/// What differs between a followed definition and the catalog's; nothing may that names, reads or identifies rows.
fn difference(followed: &TableDef, catalog: &TableDef) -> Option<String> {
    let names = |def: &TableDef| def.columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
    if names(followed) != names(catalog) {
        return Some(format!("followed {:?}, catalog {:?}", names(followed), names(catalog)));
    }
    for (followed, catalog) in followed.columns.iter().zip(&catalog.columns) {
        let mut known = followed.clone();
        // Only the character set of a column is always known.
        if known.collation.is_none() {
            known.collation.clone_from(&catalog.collation);
        }
        if known != *catalog {
            return Some(format!("\n    followed {followed:?}\n    catalog  {catalog:?}"));
        }
    }
    let unique = |def: &TableDef| def.keys.iter().filter(|key| key.unique).cloned().collect::<Vec<_>>();
    let parts = |def: &TableDef| (def.versioned, def.primary_key.clone(), def.unique_not_null.clone(), unique(def));
    if parts(followed) != parts(catalog) {
        return Some(format!("\n    followed {:?}\n    catalog  {:?}", parts(followed), parts(catalog)));
    }
    match (&followed.text, &catalog.text) {
        (Some(a), Some(b)) if a.charset != b.charset || (a.collation.is_some() && a.collation != b.collation) => {
            Some(format!("followed {a:?}, catalog {b:?}"))
        }
        (None, Some(b)) => Some(format!("followed no default, catalog {b:?}")),
        _ => None,
    }
}

/// The statements of a file with their marks.
fn statements(file: &str) -> Vec<(char, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ddl").join(file);
    let text = fs::read_to_string(path).unwrap();
    let text: Vec<&str> = text.lines().filter(|line| !line.starts_with("--")).collect();
    text.join("\n")
        .split(";\n")
        .map(|statement| statement.trim().trim_end_matches(';'))
        .filter(|statement| !statement.is_empty())
        .map(|statement| match statement.chars().next() {
            Some(mark @ ('?' | '~')) => (mark, statement[1..].trim().to_owned()),
            _ => (' ', statement.to_owned()),
        })
        .collect()
}

on_each_flavor! {
    fn definitions_followed_from_the_log_are_those_of_the_catalog(flavor) {
        let mut follower = Follower::start(flavor);
        let own = if flavor == Flavor::MySql { "mysql.sql" } else { "mariadb.sql" };
        for (mark, statement) in statements("both.sql").into_iter().chain(statements(own)) {
            match follower.session.try_exec(&statement) {
                Ok(()) => follower.check(&statement, mark == '~'),
                Err(_) if mark == '?' => {}
                Err(error) => follower.failures.push(format!("{statement}\n    {error}")),
            }
        }
        follower.finish(200);
    }
}
