//! Wrong options, a source that cannot be followed, positions that are none: one clear error, exit code 1, and
//! nothing moved.

use super::channel::{
    SOON, await_rows, checkpoint, events, fails, rows, start_args, start_at, status, stops, terminate,
};
use super::harness::{Flavor, Replicate, Server, eventually};

const FIRST: &str = "mysql-bin.000001";

/// A source with three rows in one table, and a fourth in a second transaction.
fn source_with_rows(flavor: Flavor, options: &[&str]) -> Server {
    let source = Server::start(flavor, options);
    source.exec("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, v VARCHAR(40))");
    source.exec("INSERT INTO d.t VALUES (1, 'a'), (2, 'b'), (3, 'c'); INSERT INTO d.t VALUES (4, 'd')");
    source
}

on_each_flavor! {
    fn a_wrong_password_is_named_and_never_shown(flavor) {
        let source = Server::start(flavor, &[]);
        let replicate = Replicate::new().env("REPLICATE_MASTER_PASSWORD", "no-such-secret");
        let run = replicate.run(&start_args(&source, &[]));
        let (host, port) = source.addr();
        fails(&run, 1, &["1045", "'repl'", &format!("{host}:{port}"), "hint:", "--master-user"]);
        assert!(!run.stderr.contains("no-such-secret"), "{}", run.stderr);
        let status = status(&replicate);
        assert_eq!((&status["replica_io_running"], &status["last_io_errno"]), (&"No".into(), &1045.into()));
        assert_eq!(checkpoint(&status), (String::new(), 0));
    }

    fn an_unreachable_source_is_tried_again_and_status_says_so(flavor) {
        let source = source_with_rows(flavor, &[]);
        let (host, port) = source.addr();
        source.cut_network();
        let replicate = Replicate::new();
        let process = replicate.spawn(&start_args(&source, &["--connect-retry", "1"]));
        eventually(SOON, || {
            let run = replicate.run(&["status", "--json"]);
            run.code == 0 && run.stdout.contains("\"last_io_errno\": 2003")
        });
        let shown = status(&replicate);
        assert_eq!((&shown["replica_io_running"], &shown["replica_sql_running"]), (&"Connecting".into(), &"Yes".into()));
        let error = shown["last_io_error"].as_str().unwrap();
        assert!(error.contains(&format!("{host}:{port}")) && error.contains("refused"), "{error}");
        terminate(process);
        let shown = status(&replicate);
        assert_eq!((&shown["replica_io_running"], &shown["last_io_errno"]), (&"No".into(), &2003.into()));
        // It goes on once the source is there.
        let mut process = replicate.spawn(&start_args(&source, &[]));
        std::thread::sleep(std::time::Duration::from_millis(300));
        source.restore_network();
        assert_eq!(await_rows(&mut process, 4), ["insert 1", "insert 2", "insert 3", "insert 4"]);
        assert_eq!(status(&replicate)["last_io_error"], "");
        terminate(process);
    }

    fn a_source_without_a_binary_log_is_refused(flavor) {
        let source = Server::start(flavor, &["--skip-log-bin"]);
        let run = Replicate::new().run(&start_args(&source, &[]));
        fails(&run, 1, &["binary log is off", &source.addr().1.to_string(), "hint:", "--log-bin"]);
    }

    fn the_sources_own_server_id_is_refused(flavor) {
        let source = Server::start(flavor, &["--server-id=31"]);
        let run = Replicate::new().run(&start_args(&source, &["--server-id", "31"]));
        fails(&run, 1, &["same server id, 31", &source.addr().1.to_string(), "hint:", "--server-id"]);
    }

    /// MySQL lists its replicas; MariaDB shows the list to nobody who only replicates, and drops the first of the two.
    fn another_replica_with_our_server_id_is_named(flavor) {
        let source = source_with_rows(flavor, &[]);
        let (ours, theirs) = (Replicate::new(), Replicate::new());
        let mut first = theirs.spawn(&start_args(&source, &["--server-id", "77"]));
        await_rows(&mut first, 4);
        if flavor == Flavor::MySql {
            let run = ours.run(&start_args(&source, &["--server-id", "77"]));
            fails(&run, 1, &["our server id, 77", &source.addr().1.to_string(), "hint:", "--server-id"]);
            terminate(first);
        } else {
            let mut second = ours.spawn(&start_args(&source, &["--server-id", "77"]));
            await_rows(&mut second, 4);
            stops(&mut first, &["server_id", "hint:", "--server-id"]);
            terminate(second);
        }
    }

    fn a_log_file_that_does_not_exist_is_named(flavor) {
        let source = Server::start(flavor, &[]);
        let replicate = Replicate::new();
        for pos in [4, 1000] {
            let run = replicate.run(&start_at(&source, "mysql-bin.000099", pos, &[]));
            fails(&run, 1, &["mysql-bin.000099", "hint:", "SHOW BINARY LOGS"]);
        }
        assert_eq!(checkpoint(&status(&replicate)), (String::new(), 0));
    }

    fn a_purged_log_file_is_named_and_the_position_stays(flavor) {
        let source = source_with_rows(flavor, &[]);
        let replicate = Replicate::new();
        let mut process = replicate.spawn(&start_args(&source, &[]));
        await_rows(&mut process, 4);
        terminate(process);
        let before = checkpoint(&status(&replicate));
        // What was received and applied is gone from the relay log as well: only the source could help.
        source.exec("INSERT INTO d.t VALUES (5, 'e'); FLUSH BINARY LOGS; FLUSH BINARY LOGS");
        // A file that the server still sends to somebody stays.
        eventually(SOON, || {
            source.exec("PURGE BINARY LOGS TO 'mysql-bin.000003'");
            source.query_one("SHOW BINARY LOGS") == "mysql-bin.000003"
        });
        let run = replicate.run(&start_args(&source, &[]));
        fails(&run, 1, &["1236", FIRST, "hint:", "SHOW BINARY LOGS"]);
        assert_eq!(run.stdout, "");
        assert_eq!(checkpoint(&status(&replicate)), before);
        // The same for one that never had any progress.
        fails(&Replicate::new().run(&start_args(&source, &[])), 1, &[FIRST, "hint:", "SHOW BINARY LOGS"]);
    }

    fn a_position_inside_an_event_is_refused_with_its_neighbours(flavor) {
        let source = source_with_rows(flavor, &[]);
        let replicate = Replicate::new();
        let (start, _, end) = events(&source, FIRST).into_iter().rev().nth(1).unwrap();
        for pos in [start + 1, start + 19, end - 1] {
            let run = replicate.run(&start_at(&source, FIRST, pos, &[]));
            let place = format!("{FIRST}:{pos}");
            fails(&run, 1, &[&place, "inside an event", &format!("--pos {start} or --pos {end}"), "hint:"]);
            assert_eq!(run.stdout, "");
        }
        // Nothing was stored that would be in the way of a good position.
        let (file, end) = source.log_position();
        let process = replicate.spawn(&start_at(&source, &file, end, &[]));
        eventually(SOON, || status(&replicate)["replica_io_running"] == "Yes");
        assert_eq!(terminate(process).stdout(), "");
    }

    fn a_position_behind_the_end_is_refused_with_the_end(flavor) {
        let source = source_with_rows(flavor, &[]);
        let (file, end) = source.log_position();
        for pos in [end + 1, 1_000_000_000, 5_000_000_000] {
            let run = Replicate::new().run(&start_at(&source, &file, pos, &[]));
            fails(&run, 1, &[&format!("{file}:{pos}"), &end.to_string(), "hint:"]);
        }
    }

    fn a_position_in_the_preamble_starts_behind_it_and_loses_nothing(flavor) {
        let source = source_with_rows(flavor, &[]);
        let mut feeds = Vec::new();
        for pos in [Some(107), Some(4), Some(0), None] {
            let replicate = Replicate::new();
            let mut args = vec!["start".to_owned(), "--until-caught-up".to_owned()];
            args.extend(source.master_args());
            if let Some(pos) = pos {
                args.extend(["--log-file", FIRST, "--pos", &pos.to_string()].map(str::to_owned));
            }
            let run = replicate.run(&args);
            assert_eq!(run.code, 0, "{}", run.stderr);
            assert_eq!(run.stderr.contains("preamble"), pos == Some(107), "{}", run.stderr);
            feeds.push(run.stdout);
            // The same command line goes on.
            let run = replicate.run(&args);
            assert_eq!((run.code, run.stdout.as_str()), (0, ""), "{}", run.stderr);
        }
        let lines: Vec<String> = feeds[0].lines().map(str::to_owned).collect();
        assert_eq!(rows(&lines), ["insert 1", "insert 2", "insert 3", "insert 4"]);
        assert_eq!(lines.len(), 6, "{lines:?}");
        assert!(feeds.iter().all(|feed| *feed == feeds[0]), "{feeds:?}");
    }

    fn a_position_inside_a_transaction_is_refused(flavor) {
        let source = Server::start(flavor, &["--binlog-rows-query-log-events=ON"][..usize::from(flavor == Flavor::MySql)]);
        source.exec("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, v VARCHAR(40))");
        let (file, start) = source.log_position();
        source.exec("BEGIN; INSERT INTO d.t VALUES (1, 'a'), (2, 'b'); UPDATE d.t SET v = 'c'; COMMIT");
        let (_, end) = source.log_position();
        let inside: Vec<_> = events(&source, &file).into_iter().filter(|(pos, ..)| (start..end).contains(pos)).collect();
        // The GTID, and BEGIN behind it, start a transaction.
        let (first, inside) = inside.split_at(if flavor == Flavor::MySql { 2 } else { 1 });
        assert!(inside.len() >= 4, "{inside:?}");
        for (pos, kind, _) in inside {
            let replicate = Replicate::new();
            let run = replicate.run(&start_at(&source, &file, *pos, &[]));
            fails(&run, 1, &[&format!("{file}:{pos}"), "inside a transaction", "hint:", "SHOW BINLOG EVENTS"]);
            assert_eq!(run.stdout, "", "{kind}");
            assert_eq!(checkpoint(&status(&replicate)).1, 0, "{kind}");
        }
        for (pos, ..) in first {
            let run = Replicate::new().run(&start_at(&source, &file, *pos, &["--until-caught-up"]));
            let lines: Vec<String> = run.stdout.lines().map(str::to_owned).collect();
            assert_eq!(rows(&lines), ["insert 1", "insert 2", "update 1", "update 2"], "{}", run.stderr);
        }
    }
}
