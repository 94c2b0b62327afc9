//! A channel's life: who may run it, how it ends, what it waits for, and that a restart goes on without gap or double.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::channel::{SOON, await_rows, await_value, checkpoint, fails, rows, start_args, status, stops, terminate};
use super::harness::{Flavor, Process, Replicate, Server, compare_tables, eventually};

fn source_with_rows(flavor: Flavor, count: u32) -> Server {
    let source = Server::start(flavor, &[]);
    source.exec("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, v VARCHAR(40))");
    (1..=count).for_each(|id| source.exec(&format!("INSERT INTO d.t VALUES ({id}, 'v')")));
    source
}

on_each_flavor! {
    fn a_second_process_is_refused_by_name_of_the_first(flavor) {
        let source = source_with_rows(flavor, 2);
        let replicate = Replicate::new();
        let mut first = replicate.spawn(&start_args(&source, &[]));
        await_rows(&mut first, 2);
        let pid = format!("pid {}", first.pid());
        fails(&replicate.run(&start_args(&source, &[])), 1, &["the default channel", &pid, "hint:", "replicate stop"]);
        // Nor may its options change.
        for command in [&["change-master", "--master-user", "x"][..], &["reset"], &["reset", "--all"]] {
            fails(&replicate.run(command), 1, &[&pid, "hint:", "replicate stop"]);
        }
        // Another channel of the same data directory runs beside it.
        let mut other = replicate.spawn(&start_args(&source, &["--channel", "other"]));
        assert_eq!(await_rows(&mut other, 2), ["insert 1", "insert 2"]);
        source.exec("INSERT INTO d.t VALUES (3, 'v')");
        for process in [&mut first, &mut other] {
            assert_eq!(await_rows(process, 3).last().unwrap(), "insert 3");
        }
        // One stops, the other goes on.
        assert_eq!(replicate.run(&["stop", "--channel", "other"]).code, 0);
        assert_eq!(other.wait_exit(SOON), 0);
        source.exec("INSERT INTO d.t VALUES (4, 'v')");
        await_rows(&mut first, 4);
        terminate(first);
    }

    fn signals_end_a_channel_in_order(flavor) {
        let source = source_with_rows(flavor, 0);
        let replicate = Replicate::new();
        let mut seen = Vec::new();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let mut session = source.session();
                (0..600).for_each(|id| session.exec(&format!("INSERT INTO d.t VALUES ({id}, 'v')")));
            });
            for round in 0..4 {
                let mut process = replicate.spawn(&start_args(&source, &[]));
                eventually(SOON, || process.stderr().contains("started"));
                if round < 3 {
                    std::thread::sleep(Duration::from_millis(120));
                } else {
                    eventually(SOON, || seen.len() + rows(&process.stdout_lines()).len() >= 600);
                }
                if round % 2 == 0 { process.terminate() } else { process.interrupt() }
                assert_eq!(process.wait_exit(Duration::from_secs(5)), 0, "{}", process.stderr());
                assert!(process.stdout().is_empty() || process.stdout().ends_with('\n'));
                let lines = process.stdout_lines();
                // What came out and what is recorded agree to the transaction.
                if let Some(line) = lines.last() {
                    let (file, pos) = checkpoint(&status(&replicate));
                    let line: serde_json::Value = serde_json::from_str(line).unwrap();
                    let position = line["position"].as_str().unwrap();
                    let began: u64 = position.strip_prefix(&format!("{file}:")).unwrap().parse().unwrap();
                    assert!(began < pos, "{position} {pos}");
                }
                seen.extend(rows(&lines));
            }
            writer.join().unwrap();
        });
        let want: Vec<String> = (0..600).map(|id| format!("insert {id}")).collect();
        assert_eq!(seen, want);
    }

    fn a_closed_pipe_ends_the_feed_with_one_error(flavor) {
        let source = source_with_rows(flavor, 3);
        let replicate = Replicate::new();
        let (reader, writer) = std::io::pipe().unwrap();
        let mut process = replicate.spawn_into(&start_args(&source, &[]), Stdio::from(writer));
        let mut reader = BufReader::new(reader);
        let mut lines = Vec::new();
        while rows(&lines).len() < 3 {
            let mut line = String::new();
            assert_ne!(reader.read_line(&mut line).unwrap(), 0);
            lines.push(line);
        }
        drop(reader);
        source.exec("INSERT INTO d.t VALUES (4, 'v')");
        let run = stops(&mut process, &["the reader of the output is gone", "broken pipe"]);
        assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
        // What nobody read comes again.
        let mut process = replicate.spawn(&start_args(&source, &[]));
        assert_eq!(await_rows(&mut process, 1).last().unwrap(), "insert 4");
        terminate(process);
    }

    fn a_reader_that_does_not_read_cannot_hold_up_a_stop(flavor) {
        let source = source_with_rows(flavor, 1);
        source.exec("CREATE TABLE d.big (id INT PRIMARY KEY, v LONGTEXT)");
        let replicate = Replicate::new();
        let (reader, writer) = std::io::pipe().unwrap();
        let mut process = replicate.spawn_into(&start_args(&source, &[]), Stdio::from(writer));
        source.exec("INSERT INTO d.big VALUES (2, REPEAT('x', 300000))");
        // The pipe is full.
        let (_, end) = source.log_position();
        eventually(SOON, || replicate.run(&["status"]).code == 0);
        eventually(SOON, || status(&replicate)["read_source_log_pos"] == end);
        std::thread::sleep(Duration::from_millis(300));
        let since = Instant::now();
        process.terminate();
        assert_eq!(process.wait_exit(Duration::from_secs(20)), 0, "{}", process.stderr());
        assert!(since.elapsed() < Duration::from_secs(14), "{:?}", since.elapsed());
        drop(reader);
        // What was not read whole comes again.
        let process = replicate.spawn(&start_args(&source, &[]));
        eventually(SOON, || rows(&process.stdout_lines()).last().is_some_and(|row| row == "insert 2"));
        terminate(process);
    }

    fn a_target_that_is_not_there_yet_is_awaited(flavor) {
        let source = source_with_rows(flavor, 5);
        let target = Server::start(flavor, &["--server-id=2"]);
        target.cut_network();
        let replicate = Replicate::new();
        let mut process = replicate.spawn(&Replicate::start_args(&source, &target));
        eventually(SOON, || {
            let run = replicate.run(&["status", "--json"]);
            run.code == 0 && !run.stdout.contains("\"last_sql_error\": \"\"")
        });
        let shown = status(&replicate);
        let error = shown["last_sql_error"].as_str().unwrap();
        let (host, port) = target.addr();
        assert!(error.contains(&format!("{host}:{port}")) && error.contains("refused"), "{error}");
        assert!(process.is_running());
        // It can be stopped meanwhile.
        terminate(process);
        let mut process = replicate.spawn(&Replicate::start_args(&source, &target));
        std::thread::sleep(Duration::from_millis(300));
        target.restore_network();
        await_value(&target, "SELECT COUNT(*) FROM d.t", "5");
        // And while it runs, in the middle of a load: what was done is not done again.
        source.exec("CREATE TABLE d.log (v INT)");
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let mut session = source.session();
                (0..300).for_each(|v| session.exec(&format!("INSERT INTO d.log VALUES ({v}), ({v})")));
            });
            for _ in 0..2 {
                std::thread::sleep(Duration::from_millis(150));
                target.cut_network();
                std::thread::sleep(Duration::from_millis(150));
                target.restore_network();
            }
            target.kill();
            target.start_again();
            writer.join().unwrap();
        });
        await_value(&target, "SELECT COUNT(*) FROM d.log", "600");
        compare_tables(&source, &target, &["d"]).assert_same();
        assert!(process.is_running());
        assert_eq!(status(&replicate)["last_sql_error"], "");
        terminate(process);
    }

    fn a_source_that_restarts_is_followed_on(flavor) {
        let source = source_with_rows(flavor, 2);
        let replicate = Replicate::new();
        let mut process = replicate.spawn(&start_args(&source, &["--connect-retry", "1"]));
        await_rows(&mut process, 2);
        source.kill();
        source.start_again();
        source.exec("INSERT INTO d.t VALUES (3, 'v')");
        source.kill();
        source.start_again();
        source.exec("INSERT INTO d.t VALUES (4, 'v')");
        // Its shutdown in order ends the stream, too.
        source.stop();
        source.start_again();
        source.exec("INSERT INTO d.t VALUES (5, 'v')");
        let want: Vec<String> = (1..=5).map(|id| format!("insert {id}")).collect();
        assert_eq!(await_rows(&mut process, 5), want);
        terminate(process);
    }

    fn stop_over_the_control_socket_waits_for_the_end(flavor) {
        let source = source_with_rows(flavor, 3);
        let replicate = Replicate::new();
        let mut process = replicate.spawn(&start_args(&source, &[]));
        await_rows(&mut process, 3);
        let shown = status(&replicate);
        let (_, end) = source.log_position();
        eventually(SOON, || status(&replicate)["exec_source_log_pos"] == end);
        assert_eq!((&shown["replica_io_running"], &shown["replica_sql_running"]), (&"Yes".into(), &"Yes".into()));
        assert_eq!(shown["process_id"], process.pid());
        let run = replicate.run(&["stop"]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        assert_eq!(process.wait_exit(Duration::from_millis(200)), 0, "{}", process.stderr());
        let shown = status(&replicate);
        assert_eq!((&shown["replica_io_running"], &shown["replica_sql_running"]), (&"No".into(), &"No".into()));
        assert_eq!(checkpoint(&shown), source.log_position());
        assert_eq!(shown["process_id"], serde_json::Value::Null);
        // To stop what does not run is no error.
        assert_eq!(replicate.run(&["stop"]).code, 0);
    }
}

/// The command line of a running process, as everybody on the machine can read it.
fn command_line(process: &Process) -> String {
    let bytes = std::fs::read(format!("/proc/{}/cmdline", process.pid())).unwrap();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}

/// Everything below a directory, as text.
fn all_files(path: &std::path::Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => found.extend(all_files(&entry.path())),
            kind if kind.is_file() => found.push((entry.path(), std::fs::read(entry.path()).unwrap())),
            _ => {}
        }
    }
    found
}

on_each_flavor! {
    fn passwords_show_up_nowhere(flavor) {
        let source = source_with_rows(flavor, 1);
        let target = Server::start(flavor, &["--server-id=2"]);
        let dir = tempfile::tempdir().unwrap();
        let (ours, theirs) = (dir.path().join("source"), dir.path().join("target"));
        std::fs::write(&ours, "repl-secret\n").unwrap();
        std::fs::write(&theirs, "sink-secret\n").unwrap();
        let files = ["--master-password-file", ours.to_str().unwrap(), "--sink-password-file", theirs.to_str().unwrap(), "-vv"];
        for (env, more) in [(true, &files[4..]), (false, &files[..])] {
            let mut replicate = Replicate::new();
            if !env {
                replicate = replicate.env("REPLICATE_MASTER_PASSWORD", "").env("REPLICATE_SINK_PASSWORD", "");
            }
            let mut args = Replicate::start_args(&source, &target);
            args.extend(more.iter().map(|option| (*option).to_owned()));
            args.extend(["--channel".to_owned(), format!("env-{env}")]);
            let process = replicate.spawn(&args);
            target.exec("DROP DATABASE IF EXISTS d");
            await_value(&target, "SELECT COUNT(*) FROM d.t", "1");
            let args = ["status", "--json", "--channel", &format!("env-{env}")].map(str::to_owned);
            let shown = [command_line(&process), replicate.run(&args).stdout, process.stderr()];
            terminate(process);
            for text in shown.iter().chain([&replicate.run(&args).stdout]) {
                assert!(!text.contains("repl-secret") && !text.contains("sink-secret"), "{text}");
            }
            for (path, bytes) in all_files(&replicate.data_dir()) {
                let mode = std::fs::metadata(&path).unwrap().permissions().mode();
                assert_eq!(mode & 0o077, 0, "{}: {mode:o}", path.display());
                let holds = |secret: &[u8]| bytes.windows(secret.len()).any(|window| window == secret);
                assert!(!holds(b"repl-secret") && !holds(b"sink-secret"), "{}", path.display());
            }
        }
    }

    fn a_second_signal_ends_at_once(flavor) {
        let source = source_with_rows(flavor, 1);
        let target = Server::start(flavor, &["--server-id=2"]);
        let replicate = Replicate::new();
        let mut process = replicate.spawn(&Replicate::start_args(&source, &target));
        await_value(&target, "SELECT COUNT(*) FROM d.t", "1");
        // The transaction under way waits for a lock.
        let mut session = target.session();
        session.exec("LOCK TABLES d.t WRITE");
        source.exec("INSERT INTO d.t VALUES (2, 'v')");
        std::thread::sleep(Duration::from_millis(500));
        process.terminate();
        std::thread::sleep(Duration::from_millis(300));
        let since = Instant::now();
        process.terminate();
        process.wait_exit(SOON);
        assert!(since.elapsed() < Duration::from_secs(5));
        session.exec("UNLOCK TABLES");
        let process = replicate.spawn(&Replicate::start_args(&source, &target));
        await_value(&target, "SELECT COUNT(*) FROM d.t", "2");
        terminate(process);
    }
}
