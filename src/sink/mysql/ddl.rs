//! What a statement's text says about how to replay it: whether it commits by itself, which schemas it names.
//!
//! Leading words only: a statement that this module does not know is replayed all the same. It never changes a
//! statement, except that MySQL's own `START TRANSACTION` clause of a logged `CREATE TABLE ... SELECT` is cut off, and
//! that scheduled events are disabled ([`super::events`]).
//! Manual: "Statements That Cause an Implicit Commit".

use std::borrow::Cow;
use std::ops::Range;

use super::events;

/// What kind of statement it is, as far as replaying needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    /// It commits what is open before and after itself.
    pub(super) commits: bool,
    /// Doing it twice is the same as once: DROP, TRUNCATE, and what only changes accounts, which no fingerprint shows.
    pub(super) repeatable: bool,
    /// XA START, END, PREPARE, COMMIT, ROLLBACK.
    pub(super) xa: bool,
    /// The database that CREATE, DROP or ALTER DATABASE is about.
    pub(super) database: Option<Vec<u8>>,
    /// Schemas that stand in the text as `schema.name`, and `database`.
    pub(super) schemas: Vec<Vec<u8>>,
    /// Length of the text without the clause that makes CREATE TABLE part of a transaction.
    length: usize,
    /// The part of the text in whose place a scheduled event is disabled.
    event_state: Option<Range<usize>>,
}

impl Statement {
    /// Reads a statement's text.
    pub(super) fn read(text: &[u8]) -> Self {
        let all = tokens(text);
        let tokens = inner(&all);
        let word = |at: usize| tokens.get(at).map_or(String::new(), |token| token.word());
        let (first, second) = (word(0), word(1));
        let temporary = (1..4).any(|at| word(at) == "TEMPORARY");
        let commits = match first.as_str() {
            "CREATE" | "DROP" => !temporary,
            "SET" => matches!(second.as_str(), "PASSWORD" | "DEFAULT"),
            "ALTER" | "TRUNCATE" | "RENAME" | "GRANT" | "REVOKE" | "ANALYZE" | "OPTIMIZE" | "REPAIR" | "FLUSH"
            | "INSTALL" | "UNINSTALL" | "CACHE" | "LOCK" | "UNLOCK" => true,
            _ => false,
        };
        let database = database_of(tokens, &first);
        let mut schemas: Vec<Vec<u8>> = database.clone().into_iter().collect();
        if commits {
            for window in tokens.windows(3) {
                if let [schema, dot, name] = window
                    && dot.kind == Kind::Dot
                    && name.is_name()
                    && schema.is_name()
                    && !schemas.contains(&schema.text)
                {
                    schemas.push(schema.text.clone());
                }
            }
        }
        Self {
            commits,
            repeatable: matches!(first.as_str(), "DROP" | "TRUNCATE" | "GRANT" | "REVOKE" | "SET" | "FLUSH"),
            xa: first == "XA",
            database,
            schemas,
            length: length_without_start_transaction(text, tokens, &first),
            event_state: events::state(tokens),
        }
    }

    /// The text as it was logged, without the clause that makes CREATE TABLE part of a transaction.
    pub(super) fn logged<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        text.get(..self.length).unwrap_or(text)
    }

    /// The text as it is to be replayed.
    pub(super) fn text<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        match &self.event_state {
            Some(state) => {
                let before = text.get(..state.start).unwrap_or_default();
                let after = text.get(state.end..).unwrap_or_default();
                Cow::Owned([before, events::DISABLED, after].concat())
            }
            None => Cow::Borrowed(self.logged(text)),
        }
    }
}

/// The statement in MariaDB's `SET STATEMENT variable = value, ... FOR statement`; any other as it is.
fn inner(mut tokens: &[Token]) -> &[Token] {
    while let [set, statement, rest @ ..] = tokens
        && set.word() == "SET"
        && statement.word() == "STATEMENT"
        && let Some(at) = rest.iter().position(|token| token.word() == "FOR")
    {
        tokens = rest.get(at.saturating_add(1)..).unwrap_or_default();
    }
    tokens
}

/// The name in `CREATE|DROP|ALTER DATABASE|SCHEMA [IF [NOT] EXISTS] name`, `CREATE OR REPLACE DATABASE name`.
fn database_of(tokens: &[Token], first: &str) -> Option<Vec<u8>> {
    if !matches!(first, "CREATE" | "DROP" | "ALTER") {
        return None;
    }
    let mut rest = tokens.iter().skip(1).skip_while(|token| matches!(token.word().as_str(), "OR" | "REPLACE"));
    if !matches!(rest.next()?.word().as_str(), "DATABASE" | "SCHEMA") {
        return None;
    }
    let mut rest =
        rest.skip_while(|token| token.kind == Kind::Word && matches!(token.word().as_str(), "IF" | "NOT" | "EXISTS"));
    let name = rest.next().filter(|token| token.is_name())?;
    // ALTER DATABASE may leave out the name and go on with an option of the default database.
    (name.kind == Kind::Quoted || !OPTIONS.contains(&name.word().as_str())).then(|| name.text.clone())
}

/// What can stand in ALTER DATABASE where a name is left out.
const OPTIONS: &[&str] = &["CHARACTER", "CHARSET", "COLLATE", "DEFAULT", "ENCRYPTION", "READ", "COMMENT"];

fn length_without_start_transaction(text: &[u8], tokens: &[Token], first: &str) -> usize {
    if first == "CREATE"
        && let [.., start, transaction] = tokens
        && start.kind == Kind::Word
        && start.word() == "START"
        && transaction.word() == "TRANSACTION"
    {
        return start.at;
    }
    text.len()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Word,
    Quoted,
    Dot,
    Other,
}

#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) kind: Kind,
    text: Vec<u8>,
    /// Its offset.
    pub(super) at: usize,
}

impl Token {
    /// In capitals, if it is a bare word.
    pub(super) fn word(&self) -> String {
        match self.kind {
            Kind::Word => String::from_utf8_lossy(&self.text).to_ascii_uppercase(),
            _ => String::new(),
        }
    }

    fn is_name(&self) -> bool {
        matches!(self.kind, Kind::Word | Kind::Quoted)
    }
}

/// Words, quoted names and dots in order. Comments vanish, but the inside of `/*! ... */` counts as text. String
/// literals are passed over; `"names"` count as names, which at worst adds a schema that does not exist.
fn tokens(text: &[u8]) -> Vec<Token> {
    let mut scan = Scan { text, at: 0 };
    let mut tokens = Vec::new();
    while let Some(byte) = scan.peek(0) {
        let at = scan.at;
        match byte {
            b if b.is_ascii_whitespace() => scan.at += 1,
            b'#' => scan.line(),
            b'-' if scan.peek(1) == Some(b'-') => scan.line(),
            b'/' if scan.peek(1) == Some(b'*') => scan.comment(),
            b'*' if scan.peek(1) == Some(b'/') => scan.at += 2,
            b'`' | b'"' => {
                let text = scan.quoted(byte);
                tokens.push(Token { kind: Kind::Quoted, text, at });
            }
            b'\'' => {
                scan.quoted(byte);
                tokens.push(Token { kind: Kind::Other, text: Vec::new(), at });
            }
            b'.' => {
                scan.at += 1;
                tokens.push(Token { kind: Kind::Dot, text: Vec::new(), at });
            }
            b if is_word(b) => {
                while scan.peek(0).is_some_and(is_word) {
                    scan.at += 1;
                }
                let text = text.get(at..scan.at).unwrap_or_default().to_vec();
                tokens.push(Token { kind: Kind::Word, text, at });
            }
            b';' => scan.at += 1,
            _ => {
                scan.at += 1;
                tokens.push(Token { kind: Kind::Other, text: Vec::new(), at });
            }
        }
    }
    tokens
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || byte >= 0x80
}

struct Scan<'a> {
    text: &'a [u8],
    at: usize,
}

impl Scan<'_> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at.checked_add(ahead)?).copied()
    }

    fn line(&mut self) {
        while self.peek(0).is_some_and(|byte| byte != b'\n') {
            self.at += 1;
        }
    }

    /// Passes over a comment, or over the opening of an executable one (`/*!50100`, `/*M!100100`).
    fn comment(&mut self) {
        self.at += 2;
        if self.peek(0) == Some(b'M') && self.peek(1) == Some(b'!') {
            self.at += 1;
        }
        if self.peek(0) == Some(b'!') {
            self.at += 1;
            while self.peek(0).is_some_and(|byte| byte.is_ascii_digit()) {
                self.at += 1;
            }
            return;
        }
        while let Some(byte) = self.peek(0) {
            if byte == b'*' && self.peek(1) == Some(b'/') {
                self.at += 2;
                return;
            }
            self.at += 1;
        }
    }

    /// Passes over a quoted text and returns its inside; a doubled quote is one, a backslash escapes in literals.
    fn quoted(&mut self, quote: u8) -> Vec<u8> {
        let mut inside = Vec::new();
        self.at += 1;
        while let Some(byte) = self.peek(0) {
            self.at += 1;
            if byte == quote {
                if self.peek(0) != Some(quote) {
                    break;
                }
                self.at += 1;
            } else if byte == b'\\' && quote != b'`' {
                self.at += 1;
                continue;
            }
            inside.push(byte);
        }
        inside
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn commits(text: &str) -> bool {
        Statement::read(text.as_bytes()).commits
    }

    #[test]
    fn statements_that_commit_by_themselves_are_known_by_their_first_words() {
        for text in [
            "CREATE TABLE t (a INT)",
            " /* note */ -- x\n create table t (a int)",
            "/*!50003 CREATE TRIGGER t BEFORE INSERT ON x FOR EACH ROW SET @a=1 */",
            "DROP TABLE IF EXISTS `t` /* generated by server */",
            "ALTER TABLE t ADD b INT",
            "TRUNCATE t",
            "GRANT SELECT ON d.* TO u",
            "SET PASSWORD FOR u='*0'",
            "FLUSH TABLES",
        ] {
            assert!(commits(text), "{text}");
        }
        for text in [
            "INSERT INTO t VALUES ('CREATE TABLE')",
            "CREATE TEMPORARY TABLE t (a INT)",
            "DROP /*!40005 TEMPORARY */ TABLE IF EXISTS t",
            "SAVEPOINT a",
            "ROLLBACK TO a",
            "SET @a = 1",
            "",
        ] {
            assert!(!commits(text), "{text}");
        }
    }

    #[test]
    fn schemas_are_found_wherever_a_name_is_qualified() {
        let schemas = |text: &str| Statement::read(text.as_bytes()).schemas;
        assert_eq!(schemas("RENAME TABLE a.t TO `b``x` . u"), [b"a".to_vec(), b"b`x".to_vec()]);
        assert_eq!(schemas("CREATE VIEW v AS SELECT 'no.name', 1.5 FROM d.t"), [b"1".to_vec(), b"d".to_vec()]);
        assert_eq!(schemas("CREATE DATABASE IF NOT EXISTS `shop`"), [b"shop".to_vec()]);
        assert_eq!(Statement::read(b"drop schema x").database, Some(b"x".to_vec()));
        assert_eq!(Statement::read(b"CREATE OR REPLACE DATABASE x").database, Some(b"x".to_vec()));
        assert_eq!(Statement::read(b"ALTER DATABASE CHARACTER SET latin1").database, None);
    }

    #[test]
    fn a_statement_behind_set_statement_is_read_like_any_other() {
        let read = Statement::read(b"SET STATEMENT sort_buffer_size = 100000, x = 'FOR' FOR RENAME TABLE d.a TO e.b");
        assert!(read.commits && !read.repeatable);
        assert_eq!(read.schemas, [b"d".to_vec(), b"e".to_vec()]);
        let read = Statement::read(b"set statement a=1 for set statement b=2 for /* note */ drop database `x`");
        assert!(read.commits && read.repeatable);
        assert_eq!(read.database, Some(b"x".to_vec()));
        assert!(!commits("SET STATEMENT max_statement_time = 1 FOR INSERT INTO d.t VALUES (1)"));
        assert!(!commits("SET STATEMENT a = 1 FOR CREATE TEMPORARY TABLE t (a INT)"));
        assert!(!commits("SET STATEMENT a = 1") && !commits("SET STATEMENT a = 1 FOR"));
        let text = b"SET STATEMENT a=1 FOR CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1";
        let disabled = Statement::read(text).text(text).into_owned();
        assert!(disabled.starts_with(b"SET STATEMENT a=1 FOR CREATE EVENT e ON SCHEDULE EVERY 1 DAY "));
        assert!(disabled.windows(7).any(|part| part == b"DISABLE"));
    }

    #[test]
    fn the_start_transaction_clause_of_create_select_is_cut_off() {
        let text = b"CREATE TABLE `t` (\n  `a` int DEFAULT NULL\n) ENGINE=InnoDB START TRANSACTION";
        let length = Statement::read(text).length;
        assert!(text[..length].ends_with(b"ENGINE=InnoDB "));
        let plain = b"CREATE TABLE t (a INT COMMENT 'START TRANSACTION')";
        assert_eq!(Statement::read(plain).length, plain.len());
    }

    #[test]
    fn broken_text_is_read_to_its_end() {
        for text in ["'", "`", "/*", "/*!", "a.", "--", "\"\\", "CREATE DATABASE"] {
            let _ = Statement::read(text.as_bytes());
        }
    }
}
