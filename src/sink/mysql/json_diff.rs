//! Changes inside JSON documents as SQL: nested JSON_REPLACE, JSON_INSERT, JSON_ARRAY_INSERT and JSON_REMOVE on the column.
//!
//! Where a path does not fit the document, those functions silently do nothing; so the row is only hit if the paths
//! fit, which is what a replica checks before it applies them. Targets whose JSON is text get the whole document, which
//! must then be in the log. Manual: "Functions That Modify JSON Values".

use super::json;
use super::literal;
use super::render::refused;
use crate::row::json_diff::{self, Diff, Diffs, Operation};
use crate::sink::RenderError;

/// Changes of one cell whose paths are checked: each check repeats what was done before it.
const CHECKED: usize = 8;

/// Appends the value that the column gets.
pub(super) fn value(out: &mut Vec<u8>, column: &[u8], diffs: &[u8]) -> Result<(), RenderError> {
    nested(out, column, &read(diffs)?)
}

/// Appends, after ` AND `, conditions that the changes fit the column's document.
pub(super) fn conditions(out: &mut Vec<u8>, column: &[u8], diffs: &[u8]) -> Result<(), RenderError> {
    let diffs = read(diffs)?;
    for (index, diff) in diffs.iter().enumerate().take(CHECKED) {
        let before = diffs.get(..index).unwrap_or_default();
        let array = diff.path.rsplit_once('[').filter(|_| diff.path.ends_with(']'));
        match (diff.operation, array) {
            (Operation::Insert, Some((array, _))) => {
                out.extend_from_slice(b" AND JSON_TYPE(JSON_EXTRACT(");
                nested(out, column, before)?;
                out.push(b',');
                literal::utf8(out, array.as_bytes());
                out.extend_from_slice(b"))='ARRAY'");
            }
            (operation, _) => {
                out.extend_from_slice(b" AND JSON_CONTAINS_PATH(");
                nested(out, column, before)?;
                out.extend_from_slice(b",'one',");
                literal::utf8(out, diff.path.as_bytes());
                out.extend_from_slice(if operation == Operation::Insert { b")=0" } else { b")=1" });
            }
        }
    }
    Ok(())
}

/// Appends the document that the changes make of the one before, as text.
pub(super) fn text(out: &mut Vec<u8>, document: Option<&[u8]>, diffs: &[u8]) -> Result<(), RenderError> {
    let document = document.ok_or_else(|| RenderError {
        what: "a change inside a JSON document without the document, which the target cannot apply exactly".to_owned(),
        hint: Some(
            "set binlog_row_value_options='' or binlog_row_image=FULL at the source, or use a MySQL target".to_owned(),
        ),
    })?;
    let mut json = Vec::new();
    json_diff::apply(document, diffs, &mut json).map_err(refused)?;
    literal::utf8(out, &json);
    Ok(())
}

fn read(diffs: &[u8]) -> Result<Vec<Diff<'_>>, RenderError> {
    Diffs(diffs).collect::<Result<_, _>>().map_err(refused)
}

fn nested(out: &mut Vec<u8>, column: &[u8], diffs: &[Diff<'_>]) -> Result<(), RenderError> {
    for diff in diffs.iter().rev() {
        out.extend_from_slice(match diff.operation {
            Operation::Replace => b"JSON_REPLACE(".as_slice(),
            Operation::Insert if diff.path.ends_with(']') => b"JSON_ARRAY_INSERT(",
            Operation::Insert => b"JSON_INSERT(",
            Operation::Remove => b"JSON_REMOVE(",
        });
    }
    out.extend_from_slice(column);
    for diff in diffs {
        out.push(b',');
        literal::utf8(out, diff.path.as_bytes());
        if diff.operation != Operation::Remove {
            out.push(b',');
            json::argument(out, diff.value)?;
        }
        out.push(b')');
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    /// `$.a[0]` becomes 7, `$.b` is added as true, `$.c` is removed.
    const DIFFS: &[u8] = b"\x00\x06$.a[0]\x03\x05\x07\x00\x01\x03$.b\x02\x04\x01\x02\x03$.c";

    fn sql(write: impl FnOnce(&mut Vec<u8>) -> Result<(), RenderError>) -> String {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn changes_are_nested_in_their_order() {
        assert_eq!(
            sql(|out| value(out, b"`j`", DIFFS)),
            "JSON_REMOVE(JSON_INSERT(JSON_REPLACE(`j`,_utf8mb4'$.a[0]',CAST(_utf8mb4'7' AS JSON)),_utf8mb4'$.b',\
             CAST(_utf8mb4'true' AS JSON)),_utf8mb4'$.c')"
        );
        assert_eq!(
            sql(|out| value(out, b"`j`", b"\x01\x04$[1]\x02\x04\x00")),
            "JSON_ARRAY_INSERT(`j`,_utf8mb4'$[1]',CAST(_utf8mb4'null' AS JSON))"
        );
    }

    #[test]
    fn every_path_is_checked_in_the_document_it_is_applied_to() {
        assert_eq!(
            sql(|out| conditions(out, b"`j`", &DIFFS[..20])),
            " AND JSON_CONTAINS_PATH(`j`,'one',_utf8mb4'$.a[0]')=1 AND JSON_CONTAINS_PATH(JSON_REPLACE(`j`,\
             _utf8mb4'$.a[0]',CAST(_utf8mb4'7' AS JSON)),'one',_utf8mb4'$.b')=0"
        );
        assert_eq!(
            sql(|out| conditions(out, b"`j`", b"\x01\x06$.a[1]\x02\x04\x00")),
            " AND JSON_TYPE(JSON_EXTRACT(`j`,_utf8mb4'$.a'))='ARRAY'"
        );
    }

    #[test]
    fn a_target_with_json_as_text_needs_the_document() {
        // [1]
        let document = [2, 1, 0, 7, 0, 5, 1, 0];
        let diffs = b"\x01\x04$[0]\x02\x04\x01";
        assert_eq!(sql(|out| text(out, Some(&document), diffs)), "_utf8mb4'[true,1]'");
        assert!(text(&mut Vec::new(), None, diffs).unwrap_err().hint.is_some());
    }
}
