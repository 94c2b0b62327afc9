//! What the scripts look like: order, sessions, delimiters.

use std::io::{Read, Seek};

use super::*;
use crate::change::{GroupEnd, TransactionMeta};
use crate::gtid::Gtid;
use crate::position::LogPosition;
use crate::sink::mysql::Statements;
use crate::sink::mysql::output::{Ddl, MarkKind, RowsMark, Verb};
use crate::sink::sql::output::Output;
use crate::sink::{Sink, SinkError};

fn meta(start: u64, group_end: GroupEnd) -> TransactionMeta {
    TransactionMeta {
        start: LogPosition::new("b.000001", start),
        end: LogPosition::new("b.000001", start + 100),
        gtid: Some(Gtid::MySql { uuid: [0x11; 16], tag: None, gno: start }),
        group_end,
        server_id: 1,
        timestamp: 1_700_000_000,
        original_commit_timestamp: 0,
    }
}

/// A piece made by hand.
#[derive(Default)]
struct Piece(Statements);

impl Piece {
    fn put(mut self, bytes: &str, kind: MarkKind) -> Self {
        self.0.bytes.extend_from_slice(bytes.as_bytes());
        self.0.mark(kind);
        self
    }

    fn begin(mut self, start: u64, group_end: GroupEnd) -> Self {
        self.0.transactions.push(meta(start, group_end));
        let transaction = self.0.transactions.len() - 1;
        self.put("", MarkKind::Begin { transaction, continued: false })
    }

    fn row(self, verb: Verb, head: &str, rest: &str, flags: u16) -> Self {
        let (head_len, open) = (head.len(), false);
        let mark =
            RowsMark { verb, table: 0, rows: 1, warnings: 0, flags, alone: false, open, head: head_len, changes: true };
        self.put(&format!("{head}{rest}"), MarkKind::Rows(mark))
    }

    fn ddl(mut self, text: &str) -> Self {
        self.0.ddl.push(Ddl { session: b"SET s".to_vec(), restore: b"SET r".to_vec(), ..Ddl::default() });
        let index = self.0.ddl.len() - 1;
        self.put(text, MarkKind::Ddl(index))
    }

    fn end(self) -> Self {
        self.put("", MarkKind::End)
    }
}

/// What a sink writes, without what every script has.
fn text<S: Sink<Output = Statements>>(
    make: impl FnOnce(Output) -> S,
    pieces: Vec<Piece>,
    finish: impl FnOnce(&mut S) -> Result<(), SinkError>,
) -> String {
    let mut file = tempfile::tempfile().unwrap();
    let mut sink = make(Output::into_file(file.try_clone().unwrap()));
    sink.open().unwrap();
    for mut piece in pieces {
        sink.apply(&mut piece.0, None).unwrap();
    }
    finish(&mut sink).unwrap();
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    let (start, rest) = text.split_once("timestamp = DEFAULT;\n").unwrap();
    assert!(start.starts_with("-- ") && start.contains("\n\\C binary\nSET NAMES binary"), "{start}");
    let (script, last) = rest.rsplit_once("SET character_set_client = @replicate_character_set_client").unwrap();
    assert!(last.ends_with(";\n"));
    script.replace("11111111-1111-1111-1111-111111111111", "U").replace(", 2023-11-14 22:13:20 UTC", "")
}

fn forward(options: SqlOptions, pieces: Vec<Piece>) -> String {
    text(|out| SqlSink::into_output(out, options), pieces, |sink| sink.finish(true))
}

fn backward(options: FlashbackOptions, pieces: Vec<Piece>) -> String {
    text(|out| FlashbackSink::into_output(out, options), pieces, FlashbackSink::finish)
}

fn unchecked() -> FlashbackOptions {
    FlashbackOptions { unchecked: true, ..FlashbackOptions::default() }
}

const INSERT: &str = "INSERT INTO t VALUES ";

#[test]
fn transactions_are_undone_from_the_last_change_to_the_first() {
    let piece = Piece::default()
        .begin(10, GroupEnd::Xid(1))
        .row(Verb::Update, "UPDATE t SET ", "1", 0)
        .row(Verb::Delete, "DELETE FROM t WHERE ", "2", 0)
        .end()
        .begin(20, GroupEnd::Xid(2))
        .end()
        .begin(30, GroupEnd::Xid(3))
        .row(Verb::Update, "UPDATE t SET ", "3", 0);
    // The last transaction goes on in another piece.
    let rest = Piece::default().row(Verb::Update, "UPDATE t SET ", "4", 0).end();
    assert_eq!(
        backward(unchecked(), vec![piece, rest]),
        "-- undoes b.000001:30 to 130, U:30\nBEGIN;\nUPDATE t SET 4;\nUPDATE t SET 3;\nCOMMIT;\n\
         -- undoes b.000001:10 to 110, U:10\nBEGIN;\nDELETE FROM t WHERE 2;\nUPDATE t SET 1;\nCOMMIT;\n"
    );
}

#[test]
fn rows_made_again_are_put_together_last_first_and_only_with_their_like() {
    let piece = Piece::default()
        .begin(10, GroupEnd::Xid(1))
        .row(Verb::Insert, INSERT, "(1)", 0)
        .row(Verb::Insert, INSERT, "(2)", 0)
        .row(Verb::Insert, "INSERT INTO u VALUES ", "(3)", 0)
        .row(Verb::Insert, INSERT, "(4)", 4)
        .row(Verb::Insert, INSERT, "(5)", 0)
        .row(Verb::Insert, INSERT, "(6)", 0)
        .end();
    assert_eq!(
        backward(unchecked(), vec![piece]),
        "-- undoes b.000001:10 to 110, U:10\nBEGIN;\nINSERT INTO t VALUES (6),(5);\n\
         SET foreign_key_checks = 1, unique_checks = 0;\nINSERT INTO t VALUES (4);\n\
         SET foreign_key_checks = 1, unique_checks = 1;\nINSERT INTO u VALUES (3);\n\
         INSERT INTO t VALUES (2),(1);\nCOMMIT;\n"
    );
    let mut many = Piece::default().begin(10, GroupEnd::Xid(1));
    let row = format!("('{}')", "x".repeat(300_000));
    for _ in 0..8 {
        many = many.row(Verb::Insert, INSERT, &row, 0);
    }
    let script = backward(unchecked(), vec![many.end()]);
    let longest = script.lines().map(str::len).max().unwrap();
    assert!(longest < 1 << 20 && script.matches(INSERT).count() == 3, "{longest}");
}

#[test]
fn all_can_be_undone_in_one_transaction() {
    let piece = Piece::default()
        .begin(10, GroupEnd::Xid(1))
        .row(Verb::Insert, INSERT, "(1)", 0)
        .end()
        .begin(20, GroupEnd::Xid(1))
        .row(Verb::Insert, INSERT, "(2)", 0)
        .end();
    let single = FlashbackOptions { single_transaction: true, ..unchecked() };
    assert_eq!(
        backward(single, vec![piece]),
        "BEGIN;\n-- undoes b.000001:20 to 120, U:20\nINSERT INTO t VALUES (2);\n\
         -- undoes b.000001:10 to 110, U:10\nINSERT INTO t VALUES (1);\nCOMMIT;\n"
    );
}

#[test]
fn a_transaction_with_changes_that_were_set_off_is_undone_without_setting_off_others() {
    let piece = Piece::default()
        .begin(10, GroupEnd::Xid(1))
        .row(Verb::Insert, INSERT, "('child')", 2)
        .row(Verb::Insert, INSERT, "('parent')", 0)
        .end()
        .begin(20, GroupEnd::Xid(1))
        .row(Verb::Insert, INSERT, "('other')", 0)
        .end();
    assert_eq!(
        backward(unchecked(), vec![piece]),
        "-- undoes b.000001:20 to 120, U:20\nBEGIN;\nINSERT INTO t VALUES ('other');\nCOMMIT;\n\
         -- undoes b.000001:10 to 110, U:10\nBEGIN;\nSET foreign_key_checks = 0, unique_checks = 1;\n\
         INSERT INTO t VALUES ('parent');\nINSERT INTO t VALUES ('child');\nCOMMIT;\n"
    );
}

#[test]
fn changes_are_checked_before_their_transaction_is_committed() {
    let piece = || {
        Piece::default()
            .begin(10, GroupEnd::Xid(1))
            .row(Verb::Insert, INSERT, "(1)", 0)
            .row(Verb::Update, "UPDATE t SET ", "a", 0)
            .end()
    };
    let check = |what: &str| {
        format!(
            "SET @replicate_checks = @replicate_checks + 1, sql_mode = IF(ROW_COUNT() = 1, @@sql_mode, 'replicate: \
             the row {what}');\n"
        )
    };
    let commit = |checks| {
        format!(
            "SET @replicate_end = IF(@replicate_checks = {checks}, 'COMMIT', 'ROLLBACK');\n\
             PREPARE replicate_end FROM @replicate_end;\nEXECUTE replicate_end;\n"
        )
    };
    assert_eq!(
        forward(SqlOptions::default(), vec![piece(), piece()]).matches(&commit(4)).count(),
        1,
        "a check that failed keeps all later transactions from being committed"
    );
    assert_eq!(
        forward(SqlOptions::default(), vec![piece()]),
        format!(
            "-- b.000001:10 to 110, U:10\nBEGIN;\nINSERT INTO t VALUES (1);\n{}UPDATE t SET a;\n{}{}",
            check("was not inserted"),
            check("to change is not there"),
            commit(2)
        )
    );
    let unchecked = SqlOptions { unchecked: true, ..SqlOptions::default() };
    assert!(!forward(unchecked, vec![piece()]).contains("ROW_COUNT"));
    let undone = backward(FlashbackOptions::default(), vec![piece()]);
    assert!(undone.contains(&format!("UPDATE t SET a;\n{}", check("is not as the log left it"))), "{undone}");
}

#[test]
fn statements_commit_roll_back_and_open_transactions_as_they_did() {
    let piece = Piece::default()
        .begin(10, GroupEnd::Rollback)
        .row(Verb::Insert, INSERT, "(1)", 6)
        .end()
        .begin(20, GroupEnd::Xid(1))
        .ddl("CREATE TABLE c (a INT)")
        .row(Verb::Insert, INSERT, "(2)", 0)
        .end()
        .begin(30, GroupEnd::Standalone)
        .end();
    assert_eq!(
        forward(SqlOptions { unchecked: true, ..SqlOptions::default() }, vec![piece]),
        "-- b.000001:10 to 110, U:10\nBEGIN;\nSET foreign_key_checks = 0, unique_checks = 0;\n\
         INSERT INTO t VALUES (1);\nROLLBACK;\n-- b.000001:20 to 120, U:20\nSET s;\nCREATE TABLE c (a INT)\n;\n\
         SET r;\nBEGIN;\nINSERT INTO t VALUES (2);\nCOMMIT;\n-- b.000001:30 to 130, U:30\n"
    );
}

#[test]
fn bodies_get_a_delimiter_that_they_do_not_have() {
    let script = |text: &str| {
        let piece = Piece::default().begin(10, GroupEnd::Standalone).ddl(text).end();
        let script = forward(SqlOptions::default(), vec![piece]);
        script.split_once("SET s;\n").unwrap().1.strip_suffix("SET r;\n").unwrap().to_owned()
    };
    assert_eq!(script("DROP TABLE t -- x"), "DROP TABLE t -- x\n;\n");
    assert_eq!(script("BEGIN a; END"), "delimiter $$\nBEGIN a; END\n$$\ndelimiter ;\n");
    assert_eq!(script("a; $$ '$$$'"), "delimiter $$$$\na; $$ '$$$'\n$$$$\ndelimiter ;\n");
}

#[test]
fn gtids_are_kept_and_used_up_if_wanted() {
    let options = SqlOptions { preserve_gtids: true, ..SqlOptions::default() };
    let piece = Piece::default().begin(10, GroupEnd::Xid(1)).end().begin(20, GroupEnd::Standalone).ddl("DROP").end();
    assert_eq!(
        forward(options.clone(), vec![piece]),
        "-- b.000001:10 to 110, U:10\nSET @@SESSION.gtid_next = 'U:10';\nBEGIN;\nCOMMIT;\n\
         -- b.000001:20 to 120, U:20\nSET @@SESSION.gtid_next = 'U:20';\nSET s;\nDROP\n;\nSET r;\n\
         SET @@SESSION.gtid_next = 'AUTOMATIC';\n"
    );
    let mut sink = SqlSink::into_output(Output::into_file(tempfile::tempfile().unwrap()), options);
    sink.open().unwrap();
    let mut piece = Piece::default().begin(20, GroupEnd::Xid(1)).ddl("CREATE").row(Verb::Insert, INSERT, "(2)", 0);
    let error = sink.apply(&mut piece.0, None).unwrap_err();
    assert!(matches!(error, SinkError::Rejected { at: Some(_), hint: Some(_), .. }), "{error}");
}

#[test]
fn a_script_that_is_cut_short_rolls_back_and_says_so() {
    let piece = Piece::default().begin(10, GroupEnd::Xid(1)).row(Verb::Insert, INSERT, "(1)", 0);
    let make = |out| SqlSink::into_output(out, SqlOptions { unchecked: true, ..SqlOptions::default() });
    let script = text(make, vec![piece], |sink| sink.finish(false));
    assert!(script.contains("(1);\nROLLBACK;\n-- This script is not complete"), "{script}");
}

#[test]
fn a_table_is_checked_for_triggers_before_its_first_change_and_behind_definitions() {
    let insert = "INSERT INTO `d`.`t` VALUES ";
    let piece = Piece::default()
        .begin(10, GroupEnd::Xid(1))
        .row(Verb::Insert, insert, "(1)", 0)
        .row(Verb::Update, "UPDATE `d`.`t` SET ", "a", 0)
        .row(Verb::Delete, "DELETE FROM `d`.`it's` WHERE ", "a", 0)
        .end()
        .begin(20, GroupEnd::Standalone)
        .ddl("CREATE TRIGGER x")
        .end()
        .begin(30, GroupEnd::Xid(1))
        .row(Verb::Insert, insert, "(1)", 0)
        .end();
    let check = "sql_mode = IF(NOT EXISTS(SELECT 1 FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = _utf8mb4 \
                 'd' COLLATE utf8mb4_general_ci AND EVENT_OBJECT_TABLE = _utf8mb4 ";
    let script = forward(SqlOptions::default(), vec![piece]);
    let lines: Vec<&str> = script.lines().collect();
    let place = |line: &str| lines.iter().position(|l| l.starts_with(line)).unwrap();
    for line in ["INSERT INTO `d`.`t`", "DELETE FROM `d`.`it's`"] {
        assert!(lines[place(line) - 1].contains(check), "{script}");
    }
    assert_eq!(script.matches(check).count(), 3, "{script}");
}
