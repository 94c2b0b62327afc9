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

use super::harness::{Flavor, Replicate, Server, Session};

/// A server, its log as far as it was followed, and the definitions there.
struct Follower {
    server: Server,
    session: Session,
    /// Reads the catalog, untouched by what the statements set.
    reader: Session,
    format: Option<FormatDescription>,
    at: usize,
    tables: Tables,
    compared: usize,
    /// Tables that were unknown behind a statement where that is not said of it.
    unknown: usize,
    failures: Vec<String>,
}

impl Follower {
    fn start(flavor: Flavor) -> Self {
        let server = Server::start(flavor, &["--max-binlog-size=1G"]);
        let session = server.session();
        let mut reader = server.session();
        reader.exec("SET NAMES utf8mb4");
        Self {
            server,
            session,
            reader,
            format: None,
            at: 4,
            tables: Tables::new(),
            compared: 0,
            unknown: 0,
            failures: Vec::new(),
        }
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
                let context = DdlContext::of_query(&query, header.flags, &format.server_version, false).unwrap();
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
        if self.reader.query(&is_table).is_empty() {
            return None;
        }
        let columns = self.reader.query(&columns_query(database, table));
        let keys = self.reader.query(&keys_query(database, table));
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
                // A view has had the name.
                (TableState::Gone | TableState::Unknown, None) => None,
                (TableState::Unknown, Some(_)) => {
                    self.unknown += 1;
                    None
                }
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
    fn finish(self, at_least: usize, unknown: usize) {
        println!("{} comparisons, {} unknown", self.compared, self.unknown);
        assert!(
            self.failures.is_empty(),
            "{} of {} comparisons differ:\n{}",
            self.failures.len(),
            self.compared,
            self.failures.join("\n")
        );
        assert!(self.compared >= at_least, "only {} comparisons", self.compared);
        assert!(self.unknown <= unknown, "{} tables became unknown", self.unknown);
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
        (None, Some(b)) if catalog.columns[0].name != "next_not_cached_value" => {
            Some(format!("followed no default, catalog {b:?}"))
        }
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
        follower.finish(200, 0);
    }
}

/// A small generator: the seed is printed, and set by `REPLICATE_TEST_SEED`.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }

    /// Names are few, so that they meet again.
    fn column(&mut self) -> String {
        self.pick(&["a", "b", "c", "d", "e", "`f g`", "`H`", "ä"]).to_owned()
    }

    fn definition(&mut self) -> String {
        let kind = self.pick(&[
            "INT",
            "INT UNSIGNED",
            "BIGINT(5) ZEROFILL",
            "BOOL",
            "VARCHAR(20)",
            "VARCHAR(30) CHARSET latin1",
            "TEXT",
            "TEXT(300)",
            "CHAR(3) COLLATE utf8mb4_bin",
            "ENUM('x','y')",
            "SET('p','q') CHARSET latin1",
            "DECIMAL(10,3)",
            "DATETIME(3)",
            "TIMESTAMP NULL",
            "BLOB",
            "BIT(3)",
            "YEAR",
            "DOUBLE",
            "VARBINARY(9)",
            "TINYTEXT",
            "JSON",
        ]);
        let attribute =
            self.pick(&["", "", "", " NOT NULL", " NULL", " COMMENT 'a, (b'", " UNIQUE", " NOT NULL UNIQUE"]);
        format!("{kind}{attribute}")
    }

    fn place(&mut self) -> String {
        match self.roll(4) {
            0 => " FIRST".to_owned(),
            1 => format!(" AFTER {}", self.column()),
            _ => String::new(),
        }
    }

    fn clause(&mut self) -> String {
        let (one, two) = (self.column(), self.column());
        let (definition, place) = (self.definition(), self.place());
        match self.roll(22) {
            0..=4 => format!("ADD COLUMN {one} {definition}{place}"),
            5 => format!("ADD ({one} {definition}, {two} INT)"),
            6..=8 => format!("DROP COLUMN {one}"),
            9..=10 => format!("MODIFY {one} {definition}{place}"),
            11..=12 => format!("CHANGE {one} {two} {definition}{place}"),
            13..=14 => format!("RENAME COLUMN {one} TO {two}"),
            15 => format!("ADD UNIQUE ({one}, {two})"),
            16 => format!("ADD UNIQUE k{} ({one})", self.roll(3)),
            17 => format!("DROP INDEX k{}", self.roll(3)),
            18 => format!("ADD PRIMARY KEY ({one})"),
            19 => "DROP PRIMARY KEY".to_owned(),
            20 => format!("CONVERT TO CHARACTER SET {}", self.pick(&["utf8mb4", "latin1", "utf8mb3"])),
            _ => format!("DEFAULT CHARSET {}", self.pick(&["utf8mb4", "latin1", "utf8mb3"])),
        }
    }

    fn statement(&mut self) -> String {
        let table = self.pick(&["t1", "t2", "t3"]);
        match self.roll(20) {
            0 => format!(
                "CREATE TABLE {table} ({} {}, {} INT, id INT PRIMARY KEY)",
                self.column(),
                self.definition(),
                self.column()
            ),
            1 => format!("DROP TABLE {table}"),
            2 => format!("RENAME TABLE {table} TO {}", self.pick(&["t1", "t2", "t3"])),
            3 => "RENAME TABLE t1 TO tx, t2 TO t1, tx TO t2".to_owned(),
            4 => format!("CREATE TABLE {table} LIKE {}", self.pick(&["t1", "t2", "t3"])),
            _ => {
                let clauses: Vec<String> = (0..=self.roll(4)).map(|_| self.clause()).collect();
                format!("ALTER TABLE {table} {}", clauses.join(", "))
            }
        }
    }
}

on_each_flavor! {
    fn random_changes_are_followed(flavor) {
        let seed = std::env::var("REPLICATE_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64 | 1
        });
        println!("REPLICATE_TEST_SEED={seed}");
        let mut dice = Dice(seed);
        let mut follower = Follower::start(flavor);
        follower.session.exec("SET NAMES utf8mb4; CREATE DATABASE d CHARACTER SET utf8mb4; USE d");
        follower.follow();
        let mut done = 0;
        for _ in 0..4000 {
            let statement = dice.statement();
            // Most of what dice make fails.
            if follower.session.try_exec(&statement).is_ok() {
                follower.check(&statement, false);
                done += 1;
            }
            if done == 400 {
                break;
            }
        }
        // MariaDB lets a statement change the column that it adds, which is not followed.
        follower.finish(300, 20);
    }
}

/// Lines of `decode` as (table, data), without the rest.
fn decode(server: &Server, schema: Option<&Path>) -> (Vec<String>, String, i32) {
    let replicate = Replicate::new();
    let mut args = vec!["decode".to_owned()];
    if let Some(schema) = schema {
        args.extend(["--schema".to_owned(), schema.display().to_string()]);
    }
    args.push(server.data_dir().join("mysql-bin.000001").display().to_string());
    let run = replicate.run(&args);
    let lines = run.stdout.lines().filter_map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        // Statements have lines too.
        Some(format!("{}.{} {}", line["database"].as_str()?, line["table"].as_str()?, line["data"]))
    });
    (lines.collect(), run.stderr, run.code)
}

on_each_flavor! {
    fn decode_names_columns_by_the_log_and_by_a_schema_file(flavor) {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(flavor, &[]);
        // What was there before the log began.
        server.exec(
            "SET sql_log_bin = 0; CREATE DATABASE d CHARACTER SET utf8mb4; USE d; \
             CREATE TABLE old (id INT UNSIGNED PRIMARY KEY, v VARCHAR(20), e ENUM('x','y')); SET sql_log_bin = 1",
        );
        let show = server.query("SHOW CREATE TABLE d.old")[0][1].clone().unwrap();
        let schema = dir.path().join("schema.sql");
        fs::write(&schema, format!("-- Server version\t{}\nUSE d;\n{show};\n", server.query_one("SELECT VERSION()"))).unwrap();
        server.exec(
            "INSERT INTO old VALUES (4000000000, 'a', 'y'); \
             ALTER TABLE old ADD n INT FIRST, CHANGE v w VARCHAR(30); INSERT INTO old VALUES (1, 2, 'b', 'x'); \
             CREATE TABLE new (a INT, b SET('p','q') CHARACTER SET latin1); INSERT INTO new VALUES (1, 'p,q'); \
             RENAME TABLE new TO old2, old TO new; INSERT INTO new VALUES (5, 6, 'c', 'y')",
        );
        let named = [
            r#"d.old {"id":4000000000,"v":"a","e":"y"}"#,
            r#"d.old {"n":1,"id":2,"w":"b","e":"x"}"#,
            r#"d.new {"a":1,"b":"p,q"}"#,
            r#"d.new {"n":5,"id":6,"w":"c","e":"y"}"#,
        ];
        let same = |a: &str, b: &str| {
            let value = |text: &str| -> serde_json::Value { serde_json::from_str(text.split_once(' ').unwrap().1).unwrap() };
            a.split(' ').next() == b.split(' ').next() && value(a) == value(b)
        };
        let (lines, stderr, code) = decode(&server, Some(&schema));
        assert_eq!(code, 0, "{stderr}");
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert!(lines.iter().zip(named).all(|(line, named)| same(line, named)), "{lines:#?}");
        assert!(!stderr.contains("@1"), "{stderr}");
        // By the log alone, what it has made has names.
        let (lines, stderr, code) = decode(&server, None);
        assert_eq!(code, 0, "{stderr}");
        assert!(lines[0].contains("\"@1\"") && lines[3].contains("\"@1\""), "{lines:?}");
        assert!(same(&lines[2], named[2]), "{lines:?}");
        assert_eq!(stderr.matches("@1").count(), 1, "{stderr}");
        // A file that is of another time is not believed.
        fs::write(&schema, "USE d; CREATE TABLE old (n INT, id INT UNSIGNED, w VARCHAR(30), e ENUM('x','y'));").unwrap();
        let (lines, stderr, code) = decode(&server, Some(&schema));
        assert_eq!((lines.len(), code), (0, 1), "{stderr}");
        assert!(stderr.contains("d.old") && stderr.contains("columns") && stderr.contains("--schema"), "{stderr}");
        fs::write(&schema, "USE d;\nCREATE TABLE old (n FROBNICATE);").unwrap();
        let (_, stderr, code) = decode(&server, Some(&schema));
        assert!(code == 1 && stderr.contains("line 2") && stderr.contains("hint:"), "{stderr}");
    }
}
