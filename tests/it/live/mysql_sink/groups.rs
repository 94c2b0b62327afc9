//! Groups of statements as only some servers log them, handed to the sink directly.

use replicate::binlog::event::{QueryEvent, SessionContext};
use replicate::change::{GroupEnd, TransactionMeta};
use replicate::position::LogPosition;
use replicate::sink::mysql::{MysqlSink, Statements};
use replicate::sink::{Ack, Progress, Renderer, Sink, SinkError, StatementContext, StatementInputs};

use super::rig::Rig;
use crate::live::harness::{Flavor, Server};

fn rig(flavor: Flavor) -> Rig {
    let rig = Rig::new(Server::start(flavor, &[]), Server::start(flavor, &["--server-id=2"]));
    rig.target.exec("CREATE DATABASE d");
    rig
}

fn group(number: u64, group_end: GroupEnd) -> TransactionMeta {
    TransactionMeta {
        start: LogPosition::new("mysql-bin.000001", number * 100),
        end: LogPosition::new("mysql-bin.000001", number * 100 + 100),
        gtid: None,
        group_end,
        server_id: 1,
        timestamp: 1_600_000_000,
        original_commit_timestamp: 0,
    }
}

/// Renders statements of a group with the default database `d`; `first` begins the group, `last` ends it.
fn piece(sink: &MysqlSink, meta: &TransactionMeta, first: bool, statements: &[&str], last: bool) -> Statements {
    let mut renderer = sink.renderer();
    let mut out = Statements::default();
    renderer.begin(meta, !first, &mut out).unwrap();
    for statement in statements {
        let query = QueryEvent {
            thread_id: 3,
            exec_time: 0,
            error_code: 0,
            database: b"d",
            status_vars: &[],
            session: SessionContext { flags2: Some(0), sql_mode: Some(0), ..SessionContext::default() },
            statement: statement.as_bytes(),
        };
        let inputs = StatementInputs::default();
        let context = StatementContext {
            transaction: meta,
            query: &query,
            inputs: &inputs,
            timestamp: 1_600_000_000,
            server_id: 1,
        };
        renderer.statement(&context, &mut out).unwrap();
    }
    if last {
        renderer.end(meta, &mut out).unwrap();
    }
    out
}

fn apply(sink: &mut MysqlSink, mut piece: Statements, upto: Option<&TransactionMeta>) -> Result<Ack, SinkError> {
    let progress = upto.map(|meta| Progress { position: meta.end.clone(), source_uuid: None });
    sink.apply(&mut piece, progress.as_ref())
}

/// As MySQL logs CREATE TABLE ... SELECT: the definition with a clause that only a replica takes, the rows, the commit.
const CREATE: &str = "CREATE TABLE `t` (\n  `a` int\n) START TRANSACTION";

on_each_flavor! {
    fn create_select_survives_a_crash_between_definition_and_rows(flavor) {
        let rig = rig(flavor);
        let meta = group(1, GroupEnd::Xid(1));
        let rows = ["INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2)"];
        let mut sink = rig.sink();
        assert_eq!(sink.open().unwrap(), None);
        let first = piece(&sink, &meta, true, &[CREATE, rows[0]], false);
        assert_eq!(apply(&mut sink, first, None).unwrap(), Ack::Accepted);
        drop(sink);
        let mut sink = rig.sink();
        assert_eq!(sink.open().unwrap().map(|progress| progress.position), Some(meta.start.clone()));
        assert_eq!(rig.target.query_one("SELECT COUNT(*) FROM d.t"), "0");
        let first = piece(&sink, &meta, true, &[CREATE, rows[0]], false);
        assert_eq!(apply(&mut sink, first, None).unwrap(), Ack::Accepted);
        let second = piece(&sink, &meta, false, &rows[1..], true);
        assert_eq!(apply(&mut sink, second, Some(&meta)).unwrap(), Ack::Durable);
        assert_eq!(rig.target.query_one("SELECT GROUP_CONCAT(a ORDER BY a) FROM d.t"), "1,2");
        assert_eq!(sink.open().unwrap().map(|progress| progress.position), Some(meta.end));
    }

    fn a_group_that_the_source_rolled_back_is_rolled_back(flavor) {
        // With GTIDs MySQL refuses to mix engines in one transaction, at the source as well.
        let without_gtids: &[&str] = match flavor {
            Flavor::MySql => &["--server-id=2", "--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"],
            Flavor::MariaDb => &["--server-id=2"],
        };
        let rig = Rig::new(Server::start(flavor, &[]), Server::start(flavor, without_gtids));
        rig.target.exec("CREATE DATABASE d; CREATE TABLE d.t (a INT); CREATE TABLE d.kept (a INT) ENGINE=MyISAM");
        let meta = group(1, GroupEnd::Rollback);
        let mut sink = rig.sink();
        sink.open().unwrap();
        let all = piece(&sink, &meta, true, &["INSERT INTO t VALUES (1)", "INSERT INTO kept VALUES (1)"], true);
        assert_eq!(apply(&mut sink, all, Some(&meta)).unwrap(), Ack::Accepted);
        sink.flush().unwrap();
        assert_eq!(rig.target.query_one("SELECT COUNT(*) FROM d.t"), "0");
        assert_eq!(rig.target.query_one("SELECT COUNT(*) FROM d.kept"), "1");
        assert_eq!(sink.open().unwrap().map(|progress| progress.position), Some(meta.end));
    }

    fn groups_without_effect_wait_for_a_flush(flavor) {
        let rig = rig(flavor);
        let (first, second) = (group(1, GroupEnd::Commit), group(2, GroupEnd::Commit));
        let mut sink = rig.sink();
        sink.open().unwrap();
        for meta in [&first, &second] {
            let empty = piece(&sink, meta, true, &[], true);
            assert_eq!(apply(&mut sink, empty, Some(meta)).unwrap(), Ack::Accepted);
        }
        assert_eq!(rig.target.query_one("SELECT COUNT(*) FROM replicate.checkpoint"), "0");
        sink.flush().unwrap();
        let third = group(3, GroupEnd::Commit);
        let progress = Progress { position: third.end.clone(), source_uuid: None };
        assert_eq!(sink.apply(&mut Statements::default(), Some(&progress)).unwrap(), Ack::Accepted);
        sink.flush().unwrap();
        assert_eq!(sink.open().unwrap().map(|progress| progress.position), Some(third.end));
    }

    fn progress_without_any_transaction_makes_the_row(flavor) {
        let rig = rig(flavor);
        let mut sink = rig.sink();
        assert_eq!(sink.open().unwrap(), None);
        let progress = Progress { position: LogPosition::new("mysql-bin.000001", 157), source_uuid: Some("u".into()) };
        assert_eq!(sink.apply(&mut Statements::default(), Some(&progress)).unwrap(), Ack::Accepted);
        sink.flush().unwrap();
        assert_eq!(rig.target.query_one("SELECT log_pos FROM replicate.checkpoint"), "157");
        assert_eq!(sink.apply(&mut Statements::default(), Some(&progress)).unwrap(), Ack::Durable);
        assert_eq!(sink.open().unwrap(), Some(progress));
    }

    fn progress_before_a_transaction_that_stays_open_is_in_the_row(flavor) {
        let rig = rig(flavor);
        rig.target.exec("CREATE TABLE d.t (a INT)");
        let (first, second) = (group(1, GroupEnd::Commit), group(2, GroupEnd::Xid(1)));
        let mut sink = rig.sink();
        sink.open().unwrap();
        let empty = piece(&sink, &first, true, &[], true);
        assert_eq!(apply(&mut sink, empty, Some(&first)).unwrap(), Ack::Accepted);
        let begun = piece(&sink, &second, true, &["INSERT INTO t VALUES (1)"], false);
        assert_eq!(apply(&mut sink, begun, None).unwrap(), Ack::Accepted);
        sink.flush().unwrap();
        drop(sink);
        let mut sink = rig.sink();
        assert_eq!(sink.open().unwrap().map(|progress| progress.position), Some(first.end));
        assert_eq!(rig.target.query_one("SELECT COUNT(*) FROM d.t"), "0");
    }

    fn a_checkpoint_that_somebody_else_moved_stops(flavor) {
        let rig = rig(flavor);
        rig.target.exec("CREATE TABLE d.t (a INT)");
        let mut sink = rig.sink();
        sink.open().unwrap();
        let meta = group(1, GroupEnd::Commit);
        let one = piece(&sink, &meta, true, &["INSERT INTO t VALUES (1)"], true);
        apply(&mut sink, one, Some(&meta)).unwrap();
        rig.target.exec("UPDATE replicate.checkpoint SET log_pos = log_pos + 1");
        let meta = group(2, GroupEnd::Commit);
        let two = piece(&sink, &meta, true, &["INSERT INTO t VALUES (2)"], true);
        let error = apply(&mut sink, two, Some(&meta)).unwrap_err();
        assert!(error.to_string().contains("checkpoint row"), "{error}");
        assert_eq!(rig.target.query_one("SELECT COUNT(*) FROM d.t"), "1");
    }
}
