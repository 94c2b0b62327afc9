//! A walk over the tokens of one statement: what all parsers here are made of.

use super::token::{Dialect, Placed, Token, Tokens};

/// The name of a table as written: database, where one is said, and table.
pub(super) type TableName = (Option<String>, String);

/// Where a parser stands in a statement's tokens.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'t, 'a> {
    tokens: &'t [Placed<'a>],
}

/// Tokens of a statement at most, some twenty megabytes. The largest table there can be takes fewer.
const MAX_TOKENS: usize = 500_000;
/// Items of a list at most: columns, keys, clauses. Servers take 4096 columns.
pub(super) const MAX_ITEMS: usize = 8192;

/// All tokens of a text; what has too many is broken.
pub(super) fn tokens(text: &str, dialect: Dialect) -> Vec<Placed<'_>> {
    let mut tokens: Vec<_> = Tokens::new(text, dialect).take(MAX_TOKENS).collect();
    if tokens.len() == MAX_TOKENS {
        tokens.push(Placed { token: Token::Broken, at: text.len() });
    }
    tokens
}

/// The first two tokens of a text.
pub(super) fn first_tokens(text: &str, dialect: Dialect) -> Vec<Placed<'_>> {
    Tokens::new(text, dialect).take(2).collect()
}

impl<'t, 'a> Cursor<'t, 'a> {
    pub(super) fn new(tokens: &'t [Placed<'a>]) -> Self {
        Self { tokens }
    }

    pub(super) fn peek(&self) -> Option<&'t Token<'a>> {
        self.tokens.first().map(|placed| &placed.token)
    }

    pub(super) fn peek_at(&self, ahead: usize) -> Option<&'t Token<'a>> {
        self.tokens.get(ahead).map(|placed| &placed.token)
    }

    pub(super) fn next(&mut self) -> Option<&'t Token<'a>> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(&first.token)
    }

    pub(super) fn at_end(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Whether some token is missing its end.
    pub(super) fn is_broken(&self) -> bool {
        self.tokens.last().is_some_and(|placed| placed.token == Token::Broken)
    }

    /// Whether the keyword comes next.
    pub(super) fn sees(&self, keyword: &str) -> bool {
        self.sees_at(0, keyword)
    }

    pub(super) fn sees_at(&self, ahead: usize, keyword: &str) -> bool {
        matches!(self.peek_at(ahead), Some(Token::Word(word)) if word.eq_ignore_ascii_case(keyword))
    }

    pub(super) fn sees_any(&self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.sees(keyword))
    }

    pub(super) fn sees_sign(&self, sign: char) -> bool {
        self.peek() == Some(&Token::Sign(sign))
    }

    /// Takes the keyword if it comes next.
    pub(super) fn word(&mut self, keyword: &str) -> bool {
        let there = self.sees(keyword);
        if there {
            self.next();
        }
        there
    }

    /// Takes one of the keywords if it comes next.
    pub(super) fn any(&mut self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.word(keyword))
    }

    /// Takes all of the keywords, or none.
    pub(super) fn words(&mut self, keywords: &[&str]) -> bool {
        let there = keywords.iter().enumerate().all(|(ahead, keyword)| self.sees_at(ahead, keyword));
        if there {
            self.tokens = self.tokens.get(keywords.len()..).unwrap_or_default();
        }
        there
    }

    pub(super) fn sign(&mut self, sign: char) -> bool {
        let there = self.sees_sign(sign);
        if there {
            self.next();
        }
        there
    }

    /// A name, in quotes or without.
    pub(super) fn name(&mut self) -> Option<String> {
        let name = match self.peek()? {
            Token::Word(word) => (*word).to_owned(),
            Token::Quoted(name) => name.clone().into_owned(),
            _ => return None,
        };
        // What could not be read in the session's character set is no name to rely on.
        if name.is_empty() || name.contains(char::REPLACEMENT_CHARACTER) {
            return None;
        }
        self.next();
        Some(name)
    }

    /// `table`, `database.table` or `.table`.
    pub(super) fn table_name(&mut self) -> Option<TableName> {
        if self.sign('.') {
            return Some((None, self.name()?));
        }
        let first = self.name()?;
        if self.sign('.') { Some((Some(first), self.name()?)) } else { Some((None, first)) }
    }

    /// Names of tables between commas.
    pub(super) fn table_names(&mut self) -> Option<Vec<TableName>> {
        let mut names = vec![self.table_name()?];
        while self.sign(',') {
            names.push(self.table_name()?);
        }
        Some(names)
    }

    /// `IF EXISTS`.
    pub(super) fn if_exists(&mut self) -> bool {
        self.words(&["IF", "EXISTS"])
    }

    /// `IF NOT EXISTS`.
    pub(super) fn if_not_exists(&mut self) -> bool {
        self.words(&["IF", "NOT", "EXISTS"])
    }
}

impl<'t, 'a> Cursor<'t, 'a> {
    /// Takes a group in parentheses; gives a walk over what is inside.
    pub(super) fn group(&mut self) -> Option<Cursor<'t, 'a>> {
        if !self.sign('(') {
            return None;
        }
        let mut depth = 0_usize;
        for (at, placed) in self.tokens.iter().enumerate() {
            match placed.token {
                Token::Sign('(') => depth = depth.saturating_add(1),
                Token::Sign(')') if depth == 0 => {
                    let inside = self.tokens.get(..at)?;
                    self.tokens = self.tokens.get(at.saturating_add(1)..)?;
                    return Some(Cursor { tokens: inside });
                }
                Token::Sign(')') => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        None
    }

    /// What is left, cut at the commas that stand in no parentheses; `None` where parentheses do not match.
    pub(super) fn items(&self) -> Option<Vec<Cursor<'t, 'a>>> {
        let mut items = Vec::new();
        let (mut depth, mut from) = (0_usize, 0_usize);
        for (at, placed) in self.tokens.iter().enumerate() {
            match placed.token {
                Token::Sign('(') => depth = depth.saturating_add(1),
                Token::Sign(')') => depth = depth.checked_sub(1)?,
                Token::Sign(',') if depth == 0 => {
                    if items.len() >= MAX_ITEMS {
                        return None;
                    }
                    items.push(Cursor { tokens: self.tokens.get(from..at)? });
                    from = at.saturating_add(1);
                }
                _ => {}
            }
        }
        items.push(Cursor { tokens: self.tokens.get(from..)? });
        (depth == 0).then_some(items)
    }

    /// The tokens before these keywords, or all.
    pub(super) fn before(&self, keywords: &[&str]) -> Self {
        let mut ahead = self.clone();
        while !ahead.at_end() {
            if ahead.clone().words(keywords) {
                let len = self.tokens.len().saturating_sub(ahead.tokens.len());
                return Self { tokens: self.tokens.get(..len).unwrap_or_default() };
            }
            if ahead.skip().is_none() {
                break;
            }
        }
        self.clone()
    }

    /// Steps over one token, or over a group in parentheses.
    pub(super) fn skip(&mut self) -> Option<()> {
        if self.sees_sign('(') {
            self.group()?;
        } else {
            self.next()?;
        }
        Some(())
    }
}
