//! Dumps: the tables that a file of SQL leaves behind.
//!
//! Written for `mysqldump --no-data`, `mariadb-dump`, `mydumper` and the answers of SHOW CREATE TABLE; statements that
//! define nothing are stepped over. What says how to read them is in the file: `USE`, `DELIMITER`, `SET sql_mode`, the
//! comments with the server's version and the database. Manual: "mysqldump", "mysql Client Commands".

use super::cursor::{Cursor, tokens};
use super::token::Token;
use super::{Change, DatabaseState, DdlContext, Known, TableState, changes, is_about_views, mode};
use crate::disposition::Disposition;
use crate::schema::{TableDef, Tables};

/// A file of definitions is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct DumpError {
    /// Line of the statement's beginning, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

impl DumpError {
    /// The same text gives the same error.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        Disposition::Stop
    }
}

/// Reads a dump: all tables it leaves behind, by database and name. `database` is the one to begin with.
///
/// # Errors
/// When a statement that defines tables is not understood, or names none and no database was chosen.
pub fn read_dump(text: &[u8], database: Option<&str>) -> Result<Vec<TableDef>, DumpError> {
    let text = String::from_utf8_lossy(text);
    let version = server_version(&text);
    let mut reader = Reader {
        database: database.map(str::to_owned).or_else(|| header(&text, "Database: ")).unwrap_or_default(),
        sql_mode: 0,
        version,
        tables: Tables::exact(),
    };
    let mut pieces = Pieces { text: &text, at: 0, delimiter: ";".to_owned() };
    while let Some((at, statement)) = pieces.next_statement() {
        reader.statement(statement).map_err(|what| {
            let line = text.get(..at).unwrap_or_default().matches('\n').count().saturating_add(1);
            DumpError { line, what }
        })?;
    }
    let mut defs: Vec<TableDef> = reader.tables.iter().map(|def| TableDef::clone(def)).collect();
    defs.sort_by(|a, b| (&a.database, &a.table).cmp(&(&b.database, &b.table)));
    Ok(defs)
}

/// What the comments at the top say behind a label.
fn header(text: &str, label: &str) -> Option<String> {
    let top = text.lines().take(20).filter(|line| line.starts_with("--"));
    let value = top.filter_map(|line| line.split_once(label)).map(|(_, value)| value.trim().to_owned()).next()?;
    (!value.is_empty()).then_some(value)
}

fn server_version(text: &str) -> String {
    if let Some(version) = header(text, "Server version") {
        return version;
    }
    let top: String = text.lines().take(50).collect();
    // `/*M!` comments are MariaDB's own, as is its way to name itself.
    let mariadb = top.contains("MariaDB") || text.contains("/*M!") || text.contains("current_timestamp()");
    if mariadb { "11.8.0-MariaDB".to_owned() } else { "9.7.0".to_owned() }
}

struct Reader {
    database: String,
    sql_mode: u64,
    version: String,
    tables: Tables,
}

/// A dump is all there is: what it has not made does not exist.
struct All<'a>(&'a mut Tables);

impl Known for All<'_> {
    fn table(&mut self, database: &str, table: &str) -> TableState {
        match self.0.get(database, table) {
            TableState::Unknown => TableState::Gone,
            state => state,
        }
    }

    fn database(&mut self, database: &str) -> DatabaseState {
        self.0.database(database)
    }
}

impl Reader {
    fn statement(&mut self, statement: &str) -> Result<(), String> {
        let context = DdlContext {
            database: &self.database,
            sql_mode: self.sql_mode,
            server_version: &self.version,
            ..DdlContext::default()
        };
        let words = tokens(statement.get(..floor(statement, 2000)).unwrap_or(statement), context.dialect());
        let mut cursor = Cursor::new(&words);
        if cursor.word("USE") {
            self.database = cursor.name().ok_or_else(|| "USE names no database".to_owned())?;
            return if cursor.at_end() { Ok(()) } else { Err("more than a name stands behind USE".to_owned()) };
        }
        if cursor.word("SET") {
            self.set(&mut cursor);
            return Ok(());
        }
        if !cursor.sees_any(&["CREATE", "ALTER", "DROP", "RENAME"]) {
            return Ok(());
        }
        if is_about_views(statement.as_bytes(), &context) {
            // Their names are no tables' in the same dump, and nothing is logged about their rows.
            return Ok(());
        }
        let found = changes(statement.as_bytes(), &context, &mut All(&mut self.tables));
        for change in found {
            match &change {
                // The server's own tables, in a dump of all databases: their rows are no one's business.
                Change::Table { database, state: TableState::Unknown, .. } if database == "mysql" => {
                    self.tables.change(change);
                }
                Change::Table { database, table, state: TableState::Unknown } => {
                    return Err(format!("the definition of {database}.{table} is not understood"));
                }
                Change::Unclear(_) if self.database.is_empty() => {
                    return Err("no database is chosen: begin the file with USE database;".to_owned());
                }
                Change::Unclear(_) => return Err("the statement is not understood".to_owned()),
                _ => self.tables.change(change),
            }
        }
        Ok(())
    }

    /// `SET ..., SQL_MODE = '...'`: of the modes, those that change how text is read.
    fn set(&mut self, cursor: &mut Cursor<'_, '_>) {
        while !cursor.at_end() {
            if !cursor.word("SQL_MODE") {
                cursor.next();
                continue;
            }
            cursor.sign(':');
            if !cursor.sign('=') {
                continue;
            }
            self.sql_mode = 0;
            if let Some(Token::Text(modes)) = cursor.peek() {
                for name in modes.split(',') {
                    self.sql_mode |= match name.trim().to_ascii_uppercase().as_str() {
                        "ANSI_QUOTES" => mode::ANSI_QUOTES,
                        "ANSI" => mode::ANSI_QUOTES | mode::REAL_AS_FLOAT,
                        "REAL_AS_FLOAT" => mode::REAL_AS_FLOAT,
                        "NO_BACKSLASH_ESCAPES" => mode::NO_BACKSLASH_ESCAPES,
                        "ORACLE" => mode::ORACLE | mode::ANSI_QUOTES,
                        _ => 0,
                    };
                }
            }
        }
    }
}

/// The last character boundary at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// Cuts a text into statements, as the command line client does.
struct Pieces<'a> {
    text: &'a str,
    at: usize,
    delimiter: String,
}

impl<'a> Pieces<'a> {
    /// The next statement and its offset.
    fn next_statement(&mut self) -> Option<(usize, &'a str)> {
        loop {
            let rest = self.text.get(self.at..)?;
            let blanks = rest.len().saturating_sub(rest.trim_start().len());
            self.at = self.at.saturating_add(blanks);
            let rest = rest.trim_start();
            if rest.is_empty() {
                return None;
            }
            let line = rest.lines().next().unwrap_or_default();
            if line.starts_with('#') || is_comment(line) {
                self.at = self.at.saturating_add(line.len());
                continue;
            }
            if rest.starts_with("/*") && !rest.starts_with("/*!") && !rest.starts_with("/*M!") {
                let len = rest.find("*/").map_or(rest.len(), |at| at.saturating_add(2));
                self.at = self.at.saturating_add(len);
                continue;
            }
            let mut words = line.split_ascii_whitespace();
            if words.next().is_some_and(|word| word.eq_ignore_ascii_case("DELIMITER")) {
                if let Some(delimiter) = words.next() {
                    self.delimiter = delimiter.to_owned();
                }
                self.at = self.at.saturating_add(line.len());
                continue;
            }
            let from = self.at;
            // `USE` ends with its line, delimiter or not.
            let is_use = line.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("USE "));
            let scanned =
                if is_use && !line.contains(&self.delimiter) { Some((line.len(), 0)) } else { self.scan(rest) };
            let (len, delimiter) = scanned.unwrap_or((rest.len(), 0));
            self.at = from.saturating_add(len).saturating_add(delimiter);
            let statement = rest.get(..len).unwrap_or_default().trim_end();
            if !statement.is_empty() {
                return Some((from, statement));
            }
        }
    }

    /// Length of the statement at the beginning of `rest`, and of the delimiter behind it.
    fn scan(&self, rest: &str) -> Option<(usize, usize)> {
        let mut at = 0;
        loop {
            let tail = rest.get(at..)?;
            if tail.starts_with(self.delimiter.as_str()) {
                return Some((at, self.delimiter.len()));
            }
            let mut chars = tail.chars();
            let step = match chars.next()? {
                quote @ ('\'' | '"' | '`') => quoted(tail, quote)?,
                '#' => tail.find('\n')?,
                '-' if is_comment(tail) => tail.find('\n')?,
                '/' if tail.starts_with("/*") && !tail.starts_with("/*!") && !tail.starts_with("/*M!") => {
                    tail.find("*/")?.saturating_add(2)
                }
                other => other.len_utf8(),
            };
            at = at.saturating_add(step);
        }
    }
}

fn is_comment(text: &str) -> bool {
    text.strip_prefix("--").is_some_and(|rest| rest.chars().next().is_none_or(char::is_whitespace))
}

/// Bytes of the quoted text at the beginning.
fn quoted(text: &str, quote: char) -> Option<usize> {
    let mut chars = text.char_indices().skip(1);
    loop {
        match chars.next()? {
            (_, '\\') if quote != '`' => {
                chars.next()?;
            }
            (at, c) if c == quote => return Some(at.saturating_add(1)),
            _ => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    const DUMP: &str = r#"-- MySQL dump 10.13  Distrib 9.7.4, for Linux (x86_64)
--
-- Host: localhost    Database: shop
-- ------------------------------------------------------
-- Server version	9.7.4

/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;
DROP TABLE IF EXISTS `a`;
/*!50503 SET character_set_client = utf8mb4 */;
CREATE TABLE `a` (
  `id` int unsigned NOT NULL AUTO_INCREMENT,
  `n;ote` varchar(20) DEFAULT 'x;\'y' COMMENT 'it''s; -- no',
  `e` enum('a;','b') CHARACTER SET latin1 COLLATE latin1_swedish_ci DEFAULT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=5 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci;
INSERT INTO `a` VALUES (1,'CREATE TABLE z (a int);','a;');
DELIMITER ;;
/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 TRIGGER `tr` BEFORE INSERT ON `a` FOR EACH ROW BEGIN
SET @a = 1; CREATE TABLE inside (a int); END */;;
DELIMITER ;
-- a comment; with a delimiter
USE `other`
CREATE TABLE IF NOT EXISTS b (x int, y json);
SET SQL_MODE='ANSI_QUOTES';
CREATE TABLE "c d" ("x" int)"#;

    #[test]
    fn all_tables_of_a_dump_are_read() {
        let defs = read_dump(DUMP.as_bytes(), None).unwrap();
        let names: Vec<_> = defs.iter().map(|def| format!("{}.{}", def.database, def.table)).collect();
        assert_eq!(names, ["other.b", "other.c d", "shop.a"]);
        let columns: Vec<_> = defs[2].columns.iter().map(|c| (c.name.as_str(), c.column_type.as_str())).collect();
        assert_eq!(columns, [("id", "int unsigned"), ("n;ote", "varchar(20)"), ("e", "enum('a;','b')")]);
        assert_eq!(defs[2].columns[2].charset.as_deref(), Some("latin1"));
        assert_eq!(defs[2].primary_key, [0]);
    }

    #[test]
    fn what_is_not_understood_is_named_with_its_line() {
        let error = read_dump(b"USE d;\n\nCREATE TABLE t (a frobnicate);\n", None).unwrap_err();
        assert_eq!(error.to_string(), "line 3: the definition of d.t is not understood");
        let error = read_dump(b"CREATE TABLE t (a int)", None).unwrap_err();
        assert!(error.to_string().contains("begin the file with USE"), "{error}");
        assert_eq!(read_dump(b"CREATE TABLE t (a int)", Some("d")).unwrap().len(), 1);
        assert!(read_dump(b"CREATE TABLE t (a int, b enum('x", Some("d")).is_err());
        assert!(read_dump(b"", None).unwrap().is_empty());
        // But for a table of the server's own.
        let defs = read_dump(b"USE mysql; CREATE TABLE t (a frobnicate); USE d; CREATE TABLE u (a int)", None).unwrap();
        assert_eq!(defs.iter().map(|def| def.table.as_str()).collect::<Vec<_>>(), ["u"]);
    }
}
