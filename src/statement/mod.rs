//! SQL text, as far as replication must understand it: what kind of statement it is.
//!
//! Leading tokens decide; nothing is refused because it is not known. What it does not do: parse SQL.

mod classify;
mod tokens;

pub use classify::{StatementKind, classify};

/// The first words of a statement in capitals, at most so many; quoted names are no words.
#[must_use]
pub fn leading_words(statement: &[u8], most: usize) -> Vec<String> {
    tokens::Words::new(statement).take(most).map(tokens::Word::in_capitals).collect()
}
