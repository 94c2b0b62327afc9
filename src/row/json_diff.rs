//! Changes inside JSON documents: what PARTIAL_UPDATE_ROWS logs in place of a whole document.
//!
//! A cell is a list of operations, to be done one after the other on the document that the column held before:
//!
//! ```text
//! | 1 operation | packed length, path | unless Remove: packed length, value in JSONB | ...
//! ```
//!
//! [`apply`] does them on a tree that is unpacked along the paths only, and prints the result as the server would print
//! the stored document; a path that does not fit is an error, as it is on a replica. Paths have no wildcards. What it
//! does not do: make JSONB. MySQL source: `sql/json_diff.cc`; manual: "JSON Path Syntax"; WL#2955.

use std::borrow::Cow;

use super::json::{Container, OVERLAP, Result, Writer, is_container, too_deep};
use crate::wire;

const MALFORMED: &str = "changes to a JSON document that are malformed";
const NO_SUCH_PATH: &str = "changes to a JSON document at a path that it does not have";

/// What is done at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// The value there becomes another one.
    Replace,
    /// A new key of an object, or a new element of an array before the one that has the place.
    Insert,
    /// The value goes away.
    Remove,
}

/// One change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Diff<'a> {
    /// What is done.
    pub(crate) operation: Operation,
    /// Where, as the server writes paths: `$.a[0]."b c"`.
    pub(crate) path: &'a str,
    /// The new value in JSONB; empty for Remove.
    pub(crate) value: &'a [u8],
}

/// The changes of one cell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Diffs<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Diffs<'a> {
    type Item = Result<Diff<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let diff = self.take();
        if diff.is_none() {
            self.0 = &[];
        }
        Some(diff.ok_or(MALFORMED))
    }
}

impl<'a> Diffs<'a> {
    fn take(&mut self) -> Option<Diff<'a>> {
        let (code, rest) = self.0.split_first()?;
        let operation = match code {
            0 => Operation::Replace,
            1 => Operation::Insert,
            2 => Operation::Remove,
            _ => return None,
        };
        let (rest, path) = wire::lenenc_bytes("path")(rest).ok()?;
        let (rest, value) = match operation {
            Operation::Remove => (rest, &[][..]),
            _ => wire::lenenc_bytes("value")(rest).ok().filter(|(_, value)| !value.is_empty())?,
        };
        self.0 = rest;
        Some(Diff { operation, path: std::str::from_utf8(path).ok()?, value })
    }
}

/// Appends the document that the changes make of another one, as JSON text.
///
/// # Errors
/// When the changes or the document do not make sense, or do not fit one another; `out` may hold part of the text.
pub(crate) fn apply(document: &[u8], diffs: &[u8], out: &mut Vec<u8>) -> Result<()> {
    // Every element of an honest document has a byte of its own and is unpacked once.
    let mut tree = Tree { root: Node::document(document), budget: document.len() };
    for diff in Diffs(diffs) {
        let diff = diff?;
        tree.budget = tree.budget.saturating_add(diff.value.len());
        tree.change(&diff)?;
    }
    let mut writer = Writer { out, budget: document.len().saturating_add(diffs.len()) };
    tree.root.write(&mut writer, 0)
}

/// Appends the changes as a JSON array of operations.
///
/// # Errors
/// When they do not make sense.
pub(crate) fn write_operations(diffs: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let mut writer = Writer { out, budget: diffs.len() };
    writer.out.push(b'[');
    for (index, diff) in Diffs(diffs).enumerate() {
        let diff = diff?;
        writer.comma(index);
        writer.out.extend_from_slice(match diff.operation {
            Operation::Replace => br#"{"op":"replace","path":"#.as_slice(),
            Operation::Insert => br#"{"op":"insert","path":"#,
            Operation::Remove => br#"{"op":"remove","path":"#,
        });
        writer.string(diff.path.as_bytes())?;
        if let Some((kind, bytes)) = diff.value.split_first() {
            writer.out.extend_from_slice(br#","value":"#);
            writer.value(*kind, bytes, 0)?;
        }
        writer.out.push(b'}');
    }
    writer.out.push(b']');
    Ok(())
}

/// A document, unpacked where it is changed.
struct Tree<'a> {
    root: Node<'a>,
    /// Elements that may still be unpacked.
    budget: usize,
}

enum Node<'a> {
    /// Type and bytes, as they stand in the log.
    Packed(u8, &'a [u8]),
    Array(Vec<Node<'a>>),
    /// In stored order: by the key's length, then by its bytes.
    Object(Vec<(Cow<'a, [u8]>, Node<'a>)>),
}

/// One step of a path.
enum Leg<'p> {
    Member(Cow<'p, str>),
    Cell(usize),
    /// Counted from the last element, which is 0.
    FromLast(usize),
}

impl Leg<'_> {
    /// The element meant in an array of so many; may be one that is not there.
    fn index(&self, count: usize) -> Option<usize> {
        match self {
            Self::Cell(index) => Some(*index),
            Self::FromLast(back) => count.checked_sub(1)?.checked_sub(*back),
            Self::Member(_) => None,
        }
    }
}

impl<'a> Tree<'a> {
    fn change(&mut self, diff: &Diff<'a>) -> Result<()> {
        let mut path = Path::new(diff.path)?;
        let Self { root, budget } = self;
        let mut parent = root;
        // Changes to a whole document are never logged as such.
        let mut leg = path.next().ok_or(NO_SUCH_PATH)??;
        for next in path {
            let next = next?;
            parent.unpack(budget)?;
            parent = parent.child(&leg).ok_or(NO_SUCH_PATH)?;
            leg = next;
        }
        parent.unpack(budget)?;
        match diff.operation {
            Operation::Replace => *parent.child(&leg).ok_or(NO_SUCH_PATH)? = Node::document(diff.value),
            Operation::Insert => parent.insert(leg, Node::document(diff.value)).ok_or(NO_SUCH_PATH)?,
            Operation::Remove => parent.remove(&leg).ok_or(NO_SUCH_PATH)?,
        }
        Ok(())
    }
}

impl<'a> Node<'a> {
    /// A whole document; no bytes at all are a null of old servers.
    fn document(bytes: &'a [u8]) -> Self {
        const LITERAL: u8 = 4;
        bytes.split_first().map_or(Self::Packed(LITERAL, &[0]), |(kind, bytes)| Self::Packed(*kind, bytes))
    }

    /// Makes a packed array or object one that can be changed; its elements stay packed.
    fn unpack(&mut self, budget: &mut usize) -> Result<()> {
        let Self::Packed(kind, bytes) = *self else { return Ok(()) };
        if !is_container(kind) {
            return Ok(());
        }
        let container = Container::open(kind, bytes)?;
        *budget = budget.checked_sub(container.count).ok_or(OVERLAP)?;
        let element = |index| container.element(index).map(|(kind, bytes)| Self::Packed(kind, bytes));
        *self = if container.object {
            let member = |index| Ok((Cow::Borrowed(container.key(index)?), element(index)?));
            Self::Object((0..container.count).map(member).collect::<Result<_>>()?)
        } else {
            Self::Array((0..container.count).map(element).collect::<Result<_>>()?)
        };
        Ok(())
    }

    fn child(&mut self, leg: &Leg<'_>) -> Option<&mut Self> {
        match (self, leg) {
            (Self::Array(elements), leg) => {
                let index = leg.index(elements.len())?;
                elements.get_mut(index)
            }
            (Self::Object(members), Leg::Member(name)) => {
                let at = place(members, name.as_bytes()).ok()?;
                members.get_mut(at).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    fn insert(&mut self, leg: Leg<'_>, value: Self) -> Option<()> {
        match (self, leg) {
            (Self::Array(elements), leg) => {
                // Behind the last element, wherever that is meant to be.
                let index = leg.index(elements.len()).or(matches!(leg, Leg::FromLast(_)).then_some(0))?;
                elements.insert(index.min(elements.len()), value);
            }
            (Self::Object(members), Leg::Member(name)) => {
                let at = place(members, name.as_bytes()).err()?;
                members.insert(at, (Cow::Owned(name.into_owned().into_bytes()), value));
            }
            _ => return None,
        }
        Some(())
    }

    fn remove(&mut self, leg: &Leg<'_>) -> Option<()> {
        match (self, leg) {
            (Self::Array(elements), leg) => {
                let index = leg.index(elements.len()).filter(|index| *index < elements.len())?;
                elements.remove(index);
            }
            (Self::Object(members), Leg::Member(name)) => {
                members.remove(place(members, name.as_bytes()).ok()?);
            }
            _ => return None,
        }
        Some(())
    }

    fn write(&self, writer: &mut Writer<'_>, depth: u32) -> Result<()> {
        match self {
            Self::Packed(kind, bytes) => writer.value(*kind, bytes, depth),
            Self::Array(elements) => {
                too_deep(depth)?;
                writer.out.push(b'[');
                for (index, element) in elements.iter().enumerate() {
                    writer.comma(index);
                    element.write(writer, depth + 1)?;
                }
                writer.out.push(b']');
                Ok(())
            }
            Self::Object(members) => {
                too_deep(depth)?;
                writer.out.push(b'{');
                for (index, (key, value)) in members.iter().enumerate() {
                    writer.comma(index);
                    writer.string(key)?;
                    writer.out.push(b':');
                    value.write(writer, depth + 1)?;
                }
                writer.out.push(b'}');
                Ok(())
            }
        }
    }
}

/// Where a key is, or would be.
fn place(members: &[(Cow<'_, [u8]>, Node<'_>)], name: &[u8]) -> std::result::Result<usize, usize> {
    members.binary_search_by(|(key, _)| (key.len(), key.as_ref()).cmp(&(name.len(), name)))
}

/// Reads the legs of `$.a[0]."b c"`.
struct Path<'p>(&'p str);

impl<'p> Path<'p> {
    fn new(text: &'p str) -> Result<Self> {
        text.strip_prefix('$').map(Self).ok_or(MALFORMED)
    }

    fn leg(&mut self) -> Option<Leg<'p>> {
        if let Some(cell) = self.0.strip_prefix('[') {
            let (cell, rest) = cell.split_once(']')?;
            self.0 = rest;
            return match cell.strip_prefix("last") {
                Some("") => Some(Leg::FromLast(0)),
                Some(back) => back.strip_prefix('-')?.parse().ok().map(Leg::FromLast),
                None => cell.parse().ok().map(Leg::Cell),
            };
        }
        let member = self.0.strip_prefix('.')?;
        if member.starts_with('"') {
            let end = closing_quote(member)?;
            let (quoted, rest) = member.split_at_checked(end + 1)?;
            self.0 = rest;
            return serde_json::from_str(quoted).ok().map(|name: String| Leg::Member(Cow::Owned(name)));
        }
        let end = member.find(['.', '[']).unwrap_or(member.len());
        let (name, rest) = member.split_at_checked(end).filter(|(name, _)| !name.is_empty() && !name.contains('*'))?;
        self.0 = rest;
        Some(Leg::Member(Cow::Borrowed(name)))
    }
}

impl<'p> Iterator for Path<'p> {
    type Item = Result<Leg<'p>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        Some(self.leg().ok_or(MALFORMED))
    }
}

/// Where the string ends that a text begins with.
fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = true;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    /// `{"a":[1,true],"bc":"x"}`.
    const DOCUMENT: &[u8] = &[
        0, 2, 0, 34, 0, 18, 0, 1, 0, 19, 0, 2, 0, 2, 21, 0, 12, 31, 0, b'a', b'b', b'c', 2, 0, 10, 0, 5, 1, 0, 4, 1, 0,
        1, b'x', 0,
    ];

    fn diff(operation: u8, path: &str, value: &[u8]) -> Vec<u8> {
        let mut bytes = vec![operation, u8::try_from(path.len()).unwrap()];
        bytes.extend_from_slice(path.as_bytes());
        if operation != 2 {
            bytes.push(u8::try_from(value.len()).unwrap());
            bytes.extend_from_slice(value);
        }
        bytes
    }

    fn applied(diffs: &[Vec<u8>]) -> std::result::Result<String, &'static str> {
        let mut out = Vec::new();
        apply(DOCUMENT, &diffs.concat(), &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn each_operation_changes_arrays_and_objects_in_place() {
        let one = [5, 7, 0];
        let cases: &[(&[Vec<u8>], &str)] = &[
            (&[], r#"{"a":[1,true],"bc":"x"}"#),
            (&[diff(0, "$.a[0]", &one)], r#"{"a":[7,true],"bc":"x"}"#),
            (&[diff(0, "$.a", &one)], r#"{"a":7,"bc":"x"}"#),
            (&[diff(1, "$.a[0]", &one)], r#"{"a":[7,1,true],"bc":"x"}"#),
            (&[diff(1, "$.a[9]", &one)], r#"{"a":[1,true,7],"bc":"x"}"#),
            (&[diff(1, "$.b", &one), diff(1, "$.ba", &one)], r#"{"a":[1,true],"b":7,"ba":7,"bc":"x"}"#),
            (&[diff(1, r#"$."q\" .[""#, &one)], r#"{"a":[1,true],"bc":"x","q\" .[":7}"#),
            (&[diff(2, "$.a[last]", &[])], r#"{"a":[1],"bc":"x"}"#),
            (&[diff(2, "$.a[last-1]", &[]), diff(2, "$.bc", &[])], r#"{"a":[true]}"#),
        ];
        for (diffs, text) in cases {
            assert_eq!(applied(diffs).as_deref(), Ok(*text));
        }
    }

    #[test]
    fn changes_that_do_not_fit_the_document_are_refused() {
        let one = [5, 7, 0];
        for (operation, path) in [
            (0, "$"),
            (0, "$.zz"),
            (0, "$.a[2]"),
            (0, "$.a.b"),
            (0, "$[0]"),
            (0, "$.bc[0]"),
            (1, "$.a"),
            (1, "$.bc[0]"),
            (2, "$.a[2]"),
            (2, "$.zz"),
        ] {
            assert_eq!(applied(&[diff(operation, path, &one)]), Err(NO_SUCH_PATH), "{operation} {path}");
        }
        for path in ["", "a", "$.", "$.*", "$[*]", "$[x]", "$[1", "$.\"a", "$**.a", "$[last-]", "$[last+1]"] {
            assert_eq!(applied(&[diff(0, path, &one)]), Err(MALFORMED), "{path}");
        }
    }

    #[test]
    fn malformed_changes_are_refused_and_end() {
        for bad in [&[3, 1, b'$'][..], &[0, 9, b'$'], &[0, 1, b'$', 200, 0], &[0, 1, b'$', 0], &[0, 251], &[2, 1, 0xff]]
        {
            assert_eq!(Diffs(bad).collect::<Vec<_>>(), [Err(MALFORMED)], "{bad:?}");
            assert!(write_operations(bad, &mut Vec::new()).is_err());
        }
    }

    #[test]
    fn operations_are_shown_with_their_values() {
        let mut out = Vec::new();
        write_operations(&[diff(0, "$.a[0]", &[4, 1]), diff(2, "$.b", &[])].concat(), &mut out).unwrap();
        let text = r#"[{"op":"replace","path":"$.a[0]","value":true},{"op":"remove","path":"$.b"}]"#;
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }

    #[test]
    fn unpacking_cannot_outgrow_the_document() {
        // An array of two, each the array itself.
        let document = [2, 2, 0, 10, 0, 2, 0, 0, 2, 0, 0];
        let path = format!("${}", "[0]".repeat(60));
        assert_eq!(apply(&document, &diff(0, &path, &[4, 1]), &mut Vec::new()), Err(OVERLAP));
    }
}
