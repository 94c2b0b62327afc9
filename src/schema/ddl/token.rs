//! SQL text as tokens.
//!
//! Words, quoted names, strings, numbers and signs; blanks and comments are stepped over, except that the contents of
//! executable comments (`/*!50100 ... */`, MariaDB's `/*M!100100 ... */`) are text where the server runs them. Anything
//! that is not finished, or is no token, becomes [`Token::Broken`] and ends the text: who meets it understands nothing.
//! Manual: "Language Structure", "Comments".

use std::borrow::Cow;

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while, take_while1};
use nom::character::complete::{digit0, digit1, one_of};
use nom::combinator::{opt, recognize};
use nom::{IResult, Parser};

/// One token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A keyword or a name without quotes.
    Word(&'a str),
    /// A name in backticks, or in double quotes where ANSI_QUOTES is set.
    Quoted(Cow<'a, str>),
    /// A string.
    Text(Cow<'a, str>),
    /// A number as written.
    Number(&'a str),
    /// The bytes of `x'41'`, `0x41`, `b'01'` and `0b01`.
    Bytes(Vec<u8>),
    /// Any other character.
    Sign(char),
    /// Something without an end, or that is no SQL.
    Broken,
}

/// What the meaning of a text depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    /// Double quotes enclose names.
    pub ansi_quotes: bool,
    /// A backslash in a string is a backslash.
    pub no_backslash_escapes: bool,
    /// The server is MariaDB.
    pub mariadb: bool,
    /// The server's version as executable comments say it: 90704, 101108.
    pub version: u32,
}

/// A token and where it stands in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placed<'a> {
    pub token: Token<'a>,
    pub at: usize,
}

/// Gives the tokens of a text one by one.
#[derive(Debug, Clone)]
pub(super) struct Tokens<'a> {
    text: &'a str,
    rest: &'a str,
    dialect: Dialect,
    /// Inside an executable comment.
    in_comment: bool,
    /// The token before was a dot: what follows is a name, whatever it begins with.
    after_dot: bool,
    broken: bool,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a str, dialect: Dialect) -> Self {
        Self { text, rest: text, dialect, in_comment: false, after_dot: false, broken: false }
    }

    /// Offset of what has not been looked at.
    pub(super) fn offset(&self) -> usize {
        self.text.len().saturating_sub(self.rest.len())
    }

    fn skip_past(&mut self, end: &str) -> bool {
        match self.rest.split_once(end) {
            Some((_, rest)) => {
                self.rest = rest;
                true
            }
            None => {
                self.rest = "";
                false
            }
        }
    }

    /// Steps over blanks and comments; false where a comment has no end.
    fn skip_blanks(&mut self) -> bool {
        loop {
            self.rest = self.rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '\x0b' || c == '\0');
            let rest = self.rest;
            if rest.starts_with('#') || is_line_comment(rest) {
                self.skip_past("\n");
            } else if self.in_comment && rest.starts_with("*/") {
                self.in_comment = false;
                self.rest = rest.get(2..).unwrap_or_default();
            } else if rest.starts_with("/*") {
                if !self.comment() {
                    return false;
                }
            } else {
                return true;
            }
        }
    }

    /// Steps over a comment, or into an executable one.
    fn comment(&mut self) -> bool {
        let rest = self.rest;
        let mariadb_only = rest.starts_with("/*M!");
        let executable = !self.in_comment && (rest.starts_with("/*!") || (mariadb_only && self.dialect.mariadb));
        if !executable {
            self.rest = rest.get(2..).unwrap_or_default();
            return self.skip_past("*/");
        }
        let inside = rest.get(if mariadb_only { 4 } else { 3 }..).unwrap_or_default();
        let digits = inside.bytes().take(6).take_while(u8::is_ascii_digit).count();
        // Six digits are a version where the server has such versions: MySQL since 8.0, MariaDB since 10.
        let digits = if digits >= 5 { digits } else { 0 };
        let (version, inside) = inside.split_at_checked(digits).unwrap_or_default();
        let version: u32 = version.parse().unwrap_or(0);
        // MariaDB steps over what is for MySQL 5.7 to 9.x.
        let for_mysql_only = self.dialect.mariadb && !mariadb_only && (50_700..=99_999).contains(&version);
        if version <= self.dialect.version && !for_mysql_only {
            self.in_comment = true;
            self.rest = inside;
            return true;
        }
        self.rest = inside;
        self.skip_nested()
    }

    /// Steps over a comment that is not run, with the comments in it.
    fn skip_nested(&mut self) -> bool {
        loop {
            let Some(at) = self.rest.find("*/") else {
                self.rest = "";
                return false;
            };
            let (before, after) = self.rest.split_at_checked(at).unwrap_or_default();
            match before.find("/*") {
                Some(inner) => {
                    self.rest = self.rest.get(inner.saturating_add(2)..).unwrap_or_default();
                    if !self.skip_past("*/") {
                        return false;
                    }
                }
                None => {
                    self.rest = after.get(2..).unwrap_or_default();
                    return true;
                }
            }
        }
    }

    fn token(&self) -> IResult<&'a str, Token<'a>> {
        let i = self.rest;
        let escapes = !self.dialect.no_backslash_escapes;
        match i.chars().next() {
            Some('`') => quoted('`', false)(i).map(|(i, name)| (i, Token::Quoted(name))),
            Some('"') if self.dialect.ansi_quotes => quoted('"', false)(i).map(|(i, name)| (i, Token::Quoted(name))),
            Some(quote @ ('"' | '\'')) => quoted(quote, escapes)(i).map(|(i, text)| (i, Token::Text(text))),
            Some(first) if is_word(first) && self.after_dot => word(i),
            Some(first) if is_word(first) => alt((bytes, number, word)).parse(i),
            Some(first) => Ok((i.get(first.len_utf8()..).unwrap_or_default(), Token::Sign(first))),
            None => Ok((i, Token::Broken)),
        }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Placed<'a>;

    fn next(&mut self) -> Option<Placed<'a>> {
        if self.broken {
            return None;
        }
        let blanks = self.skip_blanks();
        let at = self.offset();
        if blanks && self.rest.is_empty() {
            return None;
        }
        let token = match self.token() {
            Ok((rest, token)) if blanks => {
                self.rest = rest;
                token
            }
            _ => {
                self.broken = true;
                Token::Broken
            }
        };
        self.after_dot = token == Token::Sign('.');
        Some(Placed { token, at })
    }
}

fn is_line_comment(text: &str) -> bool {
    text.strip_prefix("--").is_some_and(|rest| rest.chars().next().is_none_or(|c| c.is_whitespace() || c.is_control()))
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '$') || c >= '\u{80}'
}

fn word(i: &str) -> IResult<&str, Token<'_>> {
    take_while1(is_word).map(Token::Word).parse(i)
}

/// `12`, `1.5`, `1e-5`; not what goes on as a name.
fn number(i: &str) -> IResult<&str, Token<'_>> {
    let exponent = (one_of("eE"), opt(one_of("+-")), digit1);
    let (rest, text) = recognize((digit1, opt((tag("."), digit0)), opt(exponent))).parse(i)?;
    match rest.chars().next() {
        Some(next) if is_word(next) => Err(nom::Err::Error(nom::error::Error::new(i, nom::error::ErrorKind::Digit))),
        _ => Ok((rest, Token::Number(text))),
    }
}

/// Hexadecimal and binary literals.
fn bytes(i: &str) -> IResult<&str, Token<'_>> {
    let hex = |c: char| c.is_ascii_hexdigit();
    let bit = |c: char| matches!(c, '0' | '1');
    let quote = || tag("'");
    let (rest, (radix, digits)) = alt((
        (one_of("xX"), quote(), take_while(hex), quote()).map(|(_, _, digits, _)| (16, digits)),
        (one_of("bB"), quote(), take_while(bit), quote()).map(|(_, _, digits, _)| (2, digits)),
        (tag("0x"), take_while1(hex)).map(|(_, digits)| (16, digits)),
        (tag("0b"), take_while1(bit)).map(|(_, digits)| (2, digits)),
    ))
    .parse(i)?;
    if rest.chars().next().is_some_and(is_word) {
        return Err(nom::Err::Error(nom::error::Error::new(i, nom::error::ErrorKind::HexDigit)));
    }
    Ok((rest, Token::Bytes(value(digits, radix))))
}

/// Digits as bytes, the last digit in the last byte.
fn value(digits: &str, radix: u32) -> Vec<u8> {
    let per_byte = if radix == 16 { 2 } else { 8 };
    let digits: Vec<u8> = digits.bytes().collect();
    let byte = |digits: &[u8]| {
        digits.iter().fold(0_u8, |byte, digit| {
            let digit = char::from(*digit).to_digit(radix).and_then(|digit| u8::try_from(digit).ok()).unwrap_or(0);
            if radix == 16 { (byte << 4) | digit } else { (byte << 1) | digit }
        })
    };
    let mut bytes: Vec<u8> = digits.rchunks(per_byte).map(byte).collect();
    bytes.reverse();
    bytes
}

/// Text between quotes: the quote doubled is the quote.
fn quoted<'a>(quote: char, escapes: bool) -> impl Fn(&'a str) -> IResult<&'a str, Cow<'a, str>> {
    move |i: &'a str| {
        let unfinished = || nom::Err::Error(nom::error::Error::new(i, nom::error::ErrorKind::Char));
        let inside = i.strip_prefix(quote).ok_or_else(unfinished)?;
        let mut out: Option<String> = None;
        let mut rest = inside;
        loop {
            let at = rest.find(|c| c == quote || (escapes && c == '\\')).ok_or_else(unfinished)?;
            let (plain, tail) = rest.split_at_checked(at).ok_or_else(unfinished)?;
            let mut chars = tail.chars();
            let special = chars.next();
            let next = chars.clone().next();
            if special == Some('\\') {
                chars.next();
                let text = out.get_or_insert_default();
                text.push_str(plain);
                escape(next.ok_or_else(unfinished)?, text);
            } else if next == Some(quote) {
                chars.next();
                let text = out.get_or_insert_default();
                text.push_str(plain);
                text.push(quote);
            } else {
                let text = match out {
                    Some(mut text) => {
                        text.push_str(plain);
                        Cow::Owned(text)
                    }
                    None => Cow::Borrowed(plain),
                };
                return Ok((chars.as_str(), text));
            }
            rest = chars.as_str();
        }
    }
}

/// What a backslash and this character stand for.
fn escape(c: char, out: &mut String) {
    match c {
        'n' => out.push('\n'),
        't' => out.push('\t'),
        'r' => out.push('\r'),
        'b' => out.push('\x08'),
        '0' => out.push('\0'),
        'Z' => out.push('\x1a'),
        // Kept with the backslash: they mean something to LIKE only.
        '%' | '_' => out.extend(['\\', c]),
        other => out.push(other),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn dialect(bits: u8) -> Dialect {
        Dialect {
            ansi_quotes: bits & 1 != 0,
            no_backslash_escapes: bits & 2 != 0,
            mariadb: bits & 4 != 0,
            version: if bits & 4 != 0 { 101_108 } else { 90_704 },
        }
    }

    fn tokens(text: &str, bits: u8) -> Vec<Token<'_>> {
        Tokens::new(text, dialect(bits)).map(|placed| placed.token).collect()
    }

    proptest! {
        #[test]
        fn any_text_has_an_end(text in any::<String>(), bits in 0_u8..8) {
            prop_assert!(tokens(&text, bits).len() <= text.len());
        }

        #[test]
        fn any_text_of_signs_has_an_end(text in "[-/*!M#'\"`\\\\ \na0.5x(),]{0,60}", bits in 0_u8..8) {
            prop_assert!(tokens(&text, bits).len() <= text.len());
        }

        #[test]
        fn a_quoted_name_is_read_as_it_was_written(name in any::<String>(), bits in 0_u8..8) {
            let quoted = format!("`{}`", name.replace('`', "``"));
            prop_assert_eq!(tokens(&quoted, bits), [Token::Quoted(name.clone().into())]);
            let quoted = format!("\"{}\"", name.replace('"', "\"\""));
            prop_assert_eq!(tokens(&quoted, bits | 1), [Token::Quoted(name.into())]);
        }

        #[test]
        fn a_string_is_read_as_it_was_written(text in any::<String>()) {
            let plain = format!("'{}'", text.replace('\'', "''"));
            prop_assert_eq!(tokens(&plain, 2), [Token::Text(text.clone().into())]);
            let escaped = format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
            prop_assert_eq!(tokens(&escaped, 0), [Token::Text(text.into())]);
        }
    }

    #[test]
    fn comments_are_text_where_the_server_runs_them() {
        let words = |text: &'static str, bits| {
            let of = |token| match token {
                Token::Word(word) => word.to_owned(),
                other => format!("{other:?}"),
            };
            tokens(text, bits).into_iter().map(of).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(words("a /* b */ c -- d\n e # f\ng", 0), "a c e g");
        assert_eq!(words("a /*! b */ c /*!50100 d */ e /*!99999 f /* g */ h */ i", 0), "a b c d e i");
        assert_eq!(words("a /*M! b */ c /*M!100100 d */ e", 0), "a c e");
        assert_eq!(words("a /*M! b */ c /*M!100100 d */ e /*M!120000 f */ g", 4), "a b c d e g");
        assert_eq!(words("a /*!50701 b */ c /*!50100 d */ e /*!100100 f */ g", 4), "a c d e f g");
        assert_eq!(words("a--b", 0), "a Sign('-') Sign('-') b");
        assert_eq!(words("a /* b", 0), "a Broken");
    }

    #[test]
    fn names_and_numbers_are_told_apart() {
        use Token::{Bytes, Number, Sign, Word};
        assert_eq!(
            tokens("1 1.5 1e5 1e-5 1a 1e5x x'4142' 0x41 0xg b'101' t.1 e.1e5", 0),
            [
                Number("1"),
                Number("1.5"),
                Number("1e5"),
                Number("1e-5"),
                Word("1a"),
                Word("1e5x"),
                Bytes(vec![0x41, 0x42]),
                Bytes(vec![0x41]),
                Word("0xg"),
                Bytes(vec![5]),
                Word("t"),
                Sign('.'),
                Word("1"),
                Word("e"),
                Sign('.'),
                Word("1e5"),
            ]
        );
    }
}
