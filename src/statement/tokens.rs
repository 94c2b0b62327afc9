//! The words of a statement, in order: blanks, comments, quoted text, numbers and signs are stepped over.
//!
//! The contents of version comments (`/*!80000 ... */`, MariaDB's `/*M! ... */`) count as text, because the server
//! runs them. Bytes are looked at as ASCII, which all character sets a client may use share in the parts that matter
//! here. Manual: "Comments".

/// Gives the words of a statement one by one.
#[derive(Debug, Clone)]
pub(super) struct Words<'a> {
    rest: &'a [u8],
}

/// A run of letters, digits and underscores.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word<'a>(&'a [u8]);

impl Word<'_> {
    /// Whether it is the keyword, in any case.
    pub(super) fn is(self, keyword: &str) -> bool {
        self.0.eq_ignore_ascii_case(keyword.as_bytes())
    }

    /// Its text in capitals.
    pub(super) fn in_capitals(self) -> String {
        String::from_utf8_lossy(self.0).to_ascii_uppercase()
    }

    /// Whether it is one of the keywords.
    pub(super) fn is_any(self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.is(keyword))
    }
}

impl<'a> Words<'a> {
    pub(super) fn new(statement: &'a [u8]) -> Self {
        Self { rest: statement }
    }

    /// Drops `n` bytes.
    fn skip(&mut self, n: usize) {
        self.rest = self.rest.get(n..).unwrap_or_default();
    }

    /// Drops everything up to and with `end`.
    fn skip_past(&mut self, end: &[u8]) {
        let at = memchr::memmem::find(self.rest, end).map_or(self.rest.len(), |at| at + end.len());
        self.skip(at);
    }

    /// Drops quoted text; the opening quote is the first byte.
    fn skip_quoted(&mut self, quote: u8) {
        self.skip(1);
        while let [first, tail @ ..] = self.rest {
            self.rest = tail;
            match first {
                b'\\' if quote != b'`' => self.skip(1),
                byte if *byte == quote => return,
                _ => {}
            }
        }
    }

    /// Drops the opening of a version comment with its version: what it holds is text.
    fn skip_version(&mut self, opening: usize) {
        self.skip(opening);
        let digits = self.rest.iter().take(6).take_while(|b| b.is_ascii_digit()).count();
        self.skip(digits);
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = Word<'a>;

    fn next(&mut self) -> Option<Word<'a>> {
        loop {
            match self.rest {
                [] => return None,
                [b'/', b'*', b'!', ..] => self.skip_version(3),
                [b'/', b'*', b'M', b'!', ..] => self.skip_version(4),
                [b'/', b'*', ..] => {
                    self.skip(2);
                    self.skip_past(b"*/");
                }
                [b'#', ..] | [b'-', b'-', b' ' | b'\t' | b'\n' | b'\r', ..] | [b'-', b'-'] => self.skip_past(b"\n"),
                [quote @ (b'\'' | b'"' | b'`'), ..] => self.skip_quoted(*quote),
                [byte, ..] if is_word_byte(*byte) => {
                    let len = self.rest.iter().take_while(|b| is_word_byte(**b)).count();
                    let word = self.rest.get(..len).unwrap_or_default();
                    self.skip(len);
                    return Some(Word(word));
                }
                _ => self.skip(1),
            }
        }
    }
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}
