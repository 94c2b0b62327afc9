//! Which names stand in a statement, without knowing what it does: for filters.
//!
//! Every word and every quoted name counts, with the database before its dot. What it does not do: tell tables from
//! columns and keywords. Text of executable comments counts whatever server they are for.

use super::DdlContext;
use super::token::{Dialect, Token, Tokens};

/// A name in a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// What stands before its dot.
    pub database: Option<String>,
    /// The name, in which U+FFFD is what cannot be read.
    pub name: String,
}

/// The names in a statement, in order; `None` where its text has no end or is no SQL, and so may name anything.
#[must_use]
pub fn mentions(statement: &[u8], context: &DdlContext<'_>) -> Option<Vec<Mention>> {
    let text = context.text(statement);
    let dialect = |mariadb| Dialect { mariadb, version: 999_999, ..context.dialect() };
    let mut found = of_text(&text, dialect(false))?;
    // The servers differ in which comments they run.
    if text.contains("/*") {
        found.extend(of_text(&text, dialect(true))?);
    }
    Some(found)
}

/// One token after the other: of a long INSERT only its names are kept.
fn of_text(text: &str, dialect: Dialect) -> Option<Vec<Mention>> {
    let mut found = Vec::new();
    let (mut first, mut dot) = (None, false);
    for placed in Tokens::new(text, dialect) {
        let name = match placed.token {
            Token::Broken => return None,
            Token::Sign('.') if first.is_some() && !dot => {
                dot = true;
                continue;
            }
            Token::Word(word) => Some(word.to_owned()),
            Token::Quoted(name) => Some(name.into_owned()),
            _ => None,
        };
        let database = first.take();
        first = match (database, name) {
            (Some(database), Some(name)) if dot => {
                found.push(Mention { database: Some(database), name });
                None
            }
            (before, name) => {
                found.extend(before.map(|name| Mention { database: None, name }));
                name
            }
        };
        dot = false;
    }
    found.extend(first.map(|name| Mention { database: None, name }));
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(statement: &[u8], context: &DdlContext<'_>) -> Option<String> {
        let names = mentions(statement, context)?.into_iter();
        let texts = names.map(|m| m.database.map_or(m.name.clone(), |database| format!("{database}.{}", m.name)));
        Some(texts.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn names_are_found_where_a_server_reads_names() {
        let context = DdlContext::default();
        for (statement, expected) in [
            ("TRUNCATE `a``b` . c", "TRUNCATE a`b.c"),
            ("TRUNCATE /* \" */ t -- ` x\n", "TRUNCATE t TRUNCATE t"),
            ("DROP TABLE /*!50000 a,*/ b COMMENT 'x `y` \\' z'", "DROP TABLE a b COMMENT DROP TABLE a b COMMENT"),
            ("DROP TABLE a /*M!100000 , b */", "DROP TABLE a DROP TABLE a b"),
            ("DROP TABLE a.b.c, .d", "DROP TABLE a.b c d"),
            ("a .. b . 1 c.'x'", "a b.1 c"),
        ] {
            assert_eq!(named(statement.as_bytes(), &context).as_deref(), Some(expected), "{statement}");
        }
        assert_eq!(named(b"DROP TABLE `a", &context), None);
        let ansi = DdlContext { sql_mode: super::super::mode::ANSI_QUOTES, ..context };
        assert_eq!(named(b"DROP TABLE \"a\"", &ansi).as_deref(), Some("DROP TABLE a"));
        let latin1 = DdlContext { charset_client: Some(8), ..context };
        assert_eq!(named(b"TRUNCATE gr\xf6\xdfe", &latin1).as_deref(), Some("TRUNCATE größe"));
    }
}
