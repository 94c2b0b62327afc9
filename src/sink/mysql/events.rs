//! Scheduled events of the source: on the target they must not run, because what they did at the source is in its log.
//!
//! A native replica creates replicated events in the state "disabled on replica"; here the clause is written into the
//! statement, in the old word that every server takes. It changes nothing else and knows no more of the statement.
//! Manual: "Replication of Invoked Features".

use std::ops::Range;

use super::ddl::{Kind, Token};

/// The clause.
pub(super) const DISABLED: &[u8] = b" DISABLE ON SLAVE ";

/// What can stand where a statement about an event has the word EVENT.
const OTHERS: &[&str] = &["TABLE", "VIEW", "PROCEDURE", "FUNCTION", "TRIGGER", "DATABASE", "SCHEMA", "USER", "INDEX"];

/// Where in the text of a `CREATE EVENT` or `ALTER EVENT` the clause goes, and what it replaces there. `None` if the
/// statement is another, or leaves the event as disabled as it is.
pub(super) fn state(tokens: &[Token]) -> Option<Range<usize>> {
    let first = tokens.first()?.word();
    if !matches!(first.as_str(), "CREATE" | "ALTER") {
        return None;
    }
    let event = tokens.iter().position(|token| {
        let word = token.word();
        word == "EVENT" || OTHERS.contains(&word.as_str())
    })?;
    let rest = tokens.get(event..).filter(|rest| rest.first().is_some_and(|token| token.word() == "EVENT"))?;
    for (at, pair) in rest.windows(2).enumerate() {
        let [before, token] = pair else { continue };
        let is_name = before.kind == Kind::Dot || matches!(before.word().as_str(), "EVENT" | "EXISTS" | "TO");
        let word = token.word();
        match word.as_str() {
            "IF" if before.word() == "EVENT" => {}
            _ if is_name => {}
            "ENABLE" => return Some(token.at..token.at.saturating_add(word.len())),
            "DISABLE" => {
                let on = rest.get(at.saturating_add(2)).is_some_and(|next| next.word() == "ON");
                return (!on).then(|| token.at..token.at.saturating_add(word.len()));
            }
            "COMMENT" | "DO" => return (first == "CREATE").then_some(token.at..token.at),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::super::ddl::Statement;
    use super::*;

    fn rewritten(text: &str) -> String {
        String::from_utf8(Statement::read(text.as_bytes()).text(text.as_bytes()).into_owned()).unwrap()
    }

    #[test]
    fn events_are_created_disabled() {
        let clause = String::from_utf8(DISABLED.to_vec()).unwrap();
        for text in [
            "CREATE EVENT e ON SCHEDULE EVERY 1 DAY |DO DELETE FROM t",
            "CREATE DEFINER=`event`@`do` EVENT IF NOT EXISTS d.enable ON SCHEDULE AT NOW() |COMMENT 'DO' DO SELECT 1",
            "/*!50106 CREATE EVENT `do` ON SCHEDULE EVERY 1 DAY ON COMPLETION PRESERVE |ENABLE| DO SELECT 1 */",
            "create event e on schedule every 1 day |disable| do select 1",
            "ALTER EVENT e |ENABLE|",
            "ALTER DEFINER=`a`@`b` EVENT d.disable RENAME TO enable |ENABLE| DO SELECT 1",
        ] {
            let parts: Vec<&str> = text.split('|').collect();
            let (original, want) = match parts.as_slice() {
                [a, b] => (format!("{a}{b}"), format!("{a}{clause}{b}")),
                [a, word, b] => (format!("{a}{word}{b}"), format!("{a}{clause}{b}")),
                _ => panic!("{text}"),
            };
            assert_eq!(rewritten(&original), want);
        }
    }

    #[test]
    fn other_statements_stay_as_they_are() {
        for text in [
            "ALTER EVENT e RENAME TO f",
            "ALTER EVENT e DO UPDATE t SET enable = 1",
            "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DISABLE ON REPLICA DO SELECT 1",
            "DROP EVENT e",
            "CREATE TABLE event (enable INT, `do` INT)",
            "CREATE EVENT",
            "CREATE PROCEDURE p() ALTER EVENT e ENABLE",
        ] {
            assert_eq!(rewritten(text), text);
        }
    }
}
