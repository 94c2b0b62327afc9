//! DDL statements exactly once: the process ends between the intent, the statement and the checkpoint.

use std::time::Duration;

use super::rig::Rig;
use crate::live::harness::{Flavor, Server, compare_tables, eventually};

fn rig(flavor: Flavor) -> Rig {
    let rig = Rig::new(Server::start(flavor, &[]), Server::start(flavor, &["--server-id=2"]));
    rig.source.exec("CREATE DATABASE d; CREATE TABLE d.a (id INT PRIMARY KEY); INSERT INTO d.a VALUES (1), (2)");
    rig.replay_all();
    rig
}

const INTENT: &str = "SELECT COUNT(ddl_fingerprint) FROM replicate.checkpoint";

/// Renames in a circle of three: neither harmless when done twice nor refused by the server.
const ROUND: &str = "CREATE TABLE d.b (id INT PRIMARY KEY); INSERT INTO d.b VALUES (7)";
const SWAP: &str = "RENAME TABLE d.a TO d.tmp, d.b TO d.a, d.tmp TO d.b";

on_each_flavor! {
    fn a_definition_that_did_not_happen_before_the_crash_is_done(flavor) {
        let mut rig = rig(flavor);
        rig.source.exec(ROUND);
        rig.replay_all();
        rig.source.exec(SWAP);
        rig.source.exec("INSERT INTO d.a VALUES (70)");
        // The statement waits for our lock on the table; its intent is there.
        let mut blocker = rig.target.session();
        blocker.exec("BEGIN; SELECT * FROM d.a");
        std::thread::scope(|scope| {
            let stop = rig.stop_handle();
            let replay = scope.spawn(|| rig.replay());
            eventually(Duration::from_secs(10), || rig.target.query_one(INTENT) == "1");
            // The connection is killed with the statement waiting: it will not happen.
            let id = rig.target.query_one("SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE 'RENAME%'");
            rig.target.exec(&format!("KILL {id}"));
            let error = replay.join().unwrap().expect_err("the connection was killed");
            assert_eq!(error.disposition(), replicate::disposition::Disposition::Retry, "{error}");
            drop(stop);
        });
        rig.stop();
        blocker.exec("COMMIT");
        assert_eq!(rig.target.query_one(INTENT), "1");
        rig.replay_all();
        assert_eq!(rig.target.query_one(INTENT), "0");
        compare_tables(&rig.source, &rig.target, &["d"]).assert_same();
    }

    fn a_definition_that_happened_before_the_crash_is_not_done_again(flavor) {
        let mut rig = rig(flavor);
        rig.source.exec(ROUND);
        rig.replay_all();
        rig.source.exec(SWAP);
        rig.source.exec("INSERT INTO d.a VALUES (70)");
        let mut blocker = rig.target.session();
        blocker.exec("BEGIN; SELECT * FROM d.a");
        std::thread::scope(|scope| {
            let stop = rig.stop_handle();
            let replay = scope.spawn(|| rig.replay());
            eventually(Duration::from_secs(10), || rig.target.query_one(INTENT) == "1");
            // The checkpoint row is locked before the statement may go on: its end cannot be recorded.
            let mut row = rig.target.session();
            row.exec("BEGIN; SELECT * FROM replicate.checkpoint FOR UPDATE");
            blocker.exec("COMMIT");
            eventually(Duration::from_secs(10), || rig.target.query_one("SELECT COUNT(*) FROM d.a") == "1");
            stop.send_replace(true);
            let error = replay.join().unwrap().expect_err("the replay was stopped");
            assert!(error.to_string().contains("stopped"), "{error}");
            // The server would go on with what the connection asked for last.
            let id = rig.target.query_one("SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE 'UPDATE%'");
            rig.target.exec(&format!("KILL {id}"));
            row.exec("ROLLBACK");
        });
        rig.stop();
        assert_eq!(rig.target.query_one(INTENT), "1");
        rig.replay_all();
        assert_eq!(rig.target.query_one(INTENT), "0");
        compare_tables(&rig.source, &rig.target, &["d"]).assert_same();
    }

    fn a_stalled_target_does_not_hold_up_a_stop_and_the_transaction_is_rolled_back(flavor) {
        let mut rig = rig(flavor);
        rig.source.exec("BEGIN; INSERT INTO d.a VALUES (3); UPDATE d.a SET id = 20 WHERE id = 2; COMMIT");
        let mut blocker = rig.target.session();
        blocker.exec("BEGIN; SELECT * FROM d.a WHERE id = 2 FOR UPDATE");
        std::thread::scope(|scope| {
            let stop = rig.stop_handle();
            let replay = scope.spawn(|| rig.replay());
            std::thread::sleep(Duration::from_millis(700));
            let asked = std::time::Instant::now();
            stop.send_replace(true);
            assert!(replay.join().unwrap().unwrap_err().to_string().contains("stopped"));
            assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
        });
        rig.stop();
        blocker.exec("COMMIT");
        rig.replay_all();
        compare_tables(&rig.source, &rig.target, &["d"]).assert_same();
    }

    fn a_second_process_on_the_same_channel_waits_outside(flavor) {
        use replicate::sink::Sink as _;
        let rig = rig(flavor);
        let mut first = rig.sink();
        first.open().unwrap();
        let error = rig.sink().open().expect_err("the channel is held");
        assert!(error.to_string().contains("held"), "{error}");
        drop(first);
        eventually(Duration::from_secs(12), || rig.sink().open().is_ok());
    }
}
