//! A look ahead of the applier: which statements between a position and another one touch a table.
//!
//! A second reader over the relay log, which the receiver fills: headers, and the statements in QUERY events. What it
//! cannot read counts as touching everything. How far it has come is kept, so that further tables cost no second look.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::binlog::EventType;
use crate::binlog::compressed::with_query;
use crate::position::LogPosition;
use crate::relay::{Passed, Reached, RelayError, RelayLog};
use crate::schema::ddl::{DdlContext, Touches, touches};

/// How long one wait for the receiver lasts before flags are looked at again.
const POLL: Duration = Duration::from_millis(100);

/// A statement that may change definitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Touching {
    /// Where it ends.
    pub position: LogPosition,
    /// Its first words: `ALTER TABLE`.
    pub words: String,
    what: Touches,
}

/// What is looked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sought<'a> {
    /// Changes of a table.
    Table(&'a str, &'a str),
    /// Changes of a database's default character set and collation.
    Collation(&'a str),
}

impl Touching {
    fn concerns(&self, sought: Sought<'_>) -> bool {
        match (&self.what, sought) {
            (Touches::Nothing, _) | (Touches::Tables(_), Sought::Collation(_)) => false,
            (Touches::Tables(tables), Sought::Table(database, table)) => {
                tables.iter().any(|(d, t)| d == database && t == table)
            }
            // Another default for new tables leaves those that are there alone.
            (Touches::Database(name), Sought::Table(database, _)) => {
                name == database && !(self.words.starts_with("ALTER ") || self.words.starts_with("CREATE "))
            }
            (Touches::Database(name), Sought::Collation(database)) => name == database,
            (Touches::Anything, _) => true,
        }
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum AheadError {
    /// The channel stops, or the receiver did.
    Cancelled,
    /// The relay log cannot be read.
    Relay(RelayError),
    /// The relay log does not hold the place to begin at.
    Nowhere,
}

impl From<RelayError> for AheadError {
    fn from(error: RelayError) -> Self {
        Self::Relay(error)
    }
}

/// Looks ahead.
pub(in crate::pipeline) struct Ahead {
    log: Arc<RelayLog>,
    /// The channel is to stop.
    stop: Arc<AtomicBool>,
    /// The receiver writes no more.
    drained: Arc<AtomicBool>,
    reached: Option<Reached>,
    touching: Vec<Touching>,
    waited: bool,
}

impl Ahead {
    pub(in crate::pipeline) fn new(log: Arc<RelayLog>, stop: Arc<AtomicBool>, drained: Arc<AtomicBool>) -> Self {
        Self { log, stop, drained, reached: None, touching: Vec::new(), waited: false }
    }

    /// The first statement behind `after`, up to `goal`, that touches what is sought. `boundary` is the beginning of the
    /// transaction that `after` is in. Waits until the receiver has come to the goal.
    pub(super) fn touched(
        &mut self,
        sought: Sought<'_>,
        boundary: &LogPosition,
        after: &LogPosition,
        goal: &LogPosition,
        lower_case_names: bool,
    ) -> Result<Option<Touching>, AheadError> {
        self.touching.retain(|touching| touching.position > *after);
        self.look(boundary, goal, lower_case_names)?;
        let between = |touching: &&Touching| touching.position > *after && touching.position <= *goal;
        Ok(self.touching.iter().filter(between).find(|touching| touching.concerns(sought)).cloned())
    }

    fn look(&mut self, boundary: &LogPosition, goal: &LogPosition, lower: bool) -> Result<(), AheadError> {
        let mut reached = match self.reached.take().filter(|reached| reached.position >= *boundary) {
            Some(reached) => reached,
            None => {
                self.touching.clear();
                self.log.reach(boundary)?.ok_or(AheadError::Nowhere)?
            }
        };
        while reached.position < *goal {
            if self.stop.load(Ordering::Relaxed) {
                return Err(AheadError::Cancelled);
            }
            // Asked before the walk: what is written in between is seen.
            let drained = self.drained.load(Ordering::Acquire);
            let touching = &mut self.touching;
            let walked =
                self.log.walk(reached.clone(), is_wanted, &mut |passed| touching.extend(look_at(&passed, lower)))?;
            let stuck = walked == reached;
            reached = walked;
            if stuck && drained {
                return Err(AheadError::Cancelled);
            }
            if stuck {
                self.say_why_it_waits(goal);
                drop(self.log.wait_beyond(Some(reached.place), POLL));
            }
        }
        self.reached = Some(reached);
        Ok(())
    }

    fn say_why_it_waits(&mut self, goal: &LogPosition) {
        if !std::mem::replace(&mut self.waited, true) {
            tracing::info!(
                until = %goal,
                "waiting for the source's log: what changes tables in it says whether the catalog's column names hold here"
            );
        }
    }
}

/// Payloads of compressed transactions are passed: MySQL packs transactions of rows only. At most the `CREATE TABLE` of
/// a `CREATE TABLE ... SELECT` could be among them, and of a table that is there now, its end is seen before that.
fn is_wanted(kind: EventType) -> bool {
    kind.is_query()
}

fn look_at(passed: &Passed<'_>, lower_case_names: bool) -> Option<Touching> {
    let Passed { raw, end, format } = passed;
    let looked = with_query(raw, format, |query| {
        if !query.session.takes_effect() {
            return (Touches::Nothing, String::new());
        }
        let context = DdlContext::of_query(query, raw.header.flags, &format.server_version, lower_case_names);
        let what = context.map_or(Touches::Anything, |context| touches(query.statement, &context));
        (what, first_words(query.statement))
    });
    match looked {
        Ok(Some((Touches::Nothing, _))) => None,
        Ok(Some((what, words))) => Some(Touching { position: end.clone(), words, what }),
        Ok(None) | Err(_) => {
            let words = "a statement that cannot be read".to_owned();
            Some(Touching { position: end.clone(), words, what: Touches::Anything })
        }
    }
}

/// The first two words of a statement; what follows may hold values.
fn first_words(statement: &[u8]) -> String {
    let start = statement.get(..200).unwrap_or(statement);
    let text = String::from_utf8_lossy(start);
    let words: Vec<_> = text
        .split_ascii_whitespace()
        .take(2)
        .map(|word| word.chars().take_while(|c| c.is_ascii_alphabetic()).collect::<String>().to_ascii_uppercase())
        .filter(|word| !word.is_empty())
        .collect();
    if words.is_empty() { "a statement".to_owned() } else { words.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_default_of_a_database_concerns_new_tables_only() {
        let touching = |words: &str| Touching {
            position: LogPosition::new("b.1", 4),
            words: words.to_owned(),
            what: Touches::Database("d".to_owned()),
        };
        let table = Sought::Table("d", "t");
        assert!(!touching("ALTER DATABASE").concerns(table));
        assert!(!touching("CREATE SCHEMA").concerns(table));
        assert!(touching("DROP DATABASE").concerns(table));
        assert!(!touching("DROP DATABASE").concerns(Sought::Table("e", "t")));
        assert!(touching("ALTER DATABASE").concerns(Sought::Collation("d")));
        assert!(!touching("ALTER DATABASE").concerns(Sought::Collation("e")));
    }

    #[test]
    fn of_a_statement_only_keywords_are_shown() {
        assert_eq!(first_words(b"alter  table t add c int default 'secret'"), "ALTER TABLE");
        assert_eq!(first_words(b"'secret'"), "a statement");
    }
}
