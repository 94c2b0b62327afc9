//! The commands on a real channel: what they change, what they refuse, how the source is reached, and where lines go.

use std::fs;

use super::channel::{SOON, await_rows, await_value, checkpoint, fails, rows, start_args, start_at, status, terminate};
use super::harness::{Finished, Flavor, Replicate, Server, eventually};

fn source_with_rows(flavor: Flavor, count: u32) -> Server {
    let source = Server::start(flavor, &[]);
    source.exec("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, v VARCHAR(40))");
    (1..=count).for_each(|id| source.exec(&format!("INSERT INTO d.t VALUES ({id}, 'v')")));
    source
}

#[track_caller]
fn done(run: Finished) -> Finished {
    assert_eq!(run.code, 0, "{}", run.stderr);
    run
}

/// `start --until-caught-up` and what came out.
#[track_caller]
fn catch_up(replicate: &Replicate, source: &Server, more: &[&str]) -> Vec<String> {
    let args = start_args(source, &[&["--until-caught-up"], more].concat());
    let run = done(replicate.run(&args));
    rows(&run.stdout.lines().map(str::to_owned).collect::<Vec<_>>())
}

on_each_flavor! {
    fn until_caught_up_ends_with_what_the_source_had(flavor) {
        let source = source_with_rows(flavor, 3);
        let replicate = Replicate::new();
        assert_eq!(catch_up(&replicate, &source, &[]), ["insert 1", "insert 2", "insert 3"]);
        assert_eq!(checkpoint(&status(&replicate)), source.log_position());
        assert!(catch_up(&replicate, &source, &[]).is_empty());
        source.exec("INSERT INTO d.t VALUES (4, 'v'); FLUSH BINARY LOGS; INSERT INTO d.t VALUES (5, 'v'); FLUSH BINARY LOGS");
        assert_eq!(catch_up(&replicate, &source, &[]), ["insert 4", "insert 5"]);
        assert!(catch_up(&replicate, &source, &[]).is_empty());
        // With a target, and from the very end: nothing to do at all.
        let target = Server::start(flavor, &["--server-id=2"]);
        let (file, end) = source.log_position();
        let sink = target.sink_url();
        let args = start_at(&source, &file, end, &["--until-caught-up", "--sink", &sink, "--channel", "end"]);
        done(replicate.run(&args));
        done(replicate.run(&args));
        let args = start_args(&source, &["--until-caught-up", "--sink", &sink, "--channel", "all"]);
        done(replicate.run(&args));
        assert_eq!(target.query_one("SELECT COUNT(*) FROM d.t"), "5");
        done(replicate.run(&args));
    }

    fn start_refuses_another_place_or_sink_on_a_channel_with_progress(flavor) {
        let source = source_with_rows(flavor, 2);
        let (file, middle) = source.log_position();
        source.exec("INSERT INTO d.t VALUES (3, 'v')");
        let replicate = Replicate::new();
        assert_eq!(catch_up(&replicate, &source, &[]).len(), 3);
        let reached = checkpoint(&status(&replicate));
        let run = replicate.run(&start_at(&source, &file, middle, &[]));
        fails(&run, 2, &[&format!("{}:{}", reached.0, reached.1), &format!("{file}:{middle}"), "hint:", "replicate reset"]);
        let run = replicate.run(&start_args(&source, &["--sink", "null"]));
        fails(&run, 1, &["another sink", "hint:", "replicate reset", "--channel"]);
        fails(&replicate.run(&["change-master", "--sink", "null"]), 1, &["another sink", "hint:"]);
        assert_eq!(checkpoint(&status(&replicate)), reached);
        // What it was started with, the place it has reached, and no place at all are fine.
        source.exec("INSERT INTO d.t VALUES (4, 'v')");
        assert_eq!(catch_up(&replicate, &source, &[]), ["insert 4"]);
        let (file, end) = source.log_position();
        done(replicate.run(&start_at(&source, &file, end, &["--until-caught-up"])));
        done(replicate.run(&["start", "--until-caught-up"]));
        // A reset takes the progress, and options stay.
        done(replicate.run(&["reset"]));
        assert_eq!(checkpoint(&status(&replicate)), (String::new(), 0));
        let run = done(replicate.run(&start_at(&source, &file, middle, &["--until-caught-up"])));
        assert_eq!(rows(&run.stdout.lines().map(str::to_owned).collect::<Vec<_>>()), ["insert 3", "insert 4"]);
        // All of it goes with --all.
        done(replicate.run(&["reset", "--all"]));
        fails(&replicate.run(&["status"]), 1, &["the default channel", "hint:"]);
        fails(&replicate.run(&["start"]), 2, &["--master-host"]);
    }

    fn a_reset_forgets_the_targets_checkpoint_as_well(flavor) {
        let source = source_with_rows(flavor, 2);
        let target = Server::start(flavor, &["--server-id=2"]);
        let replicate = Replicate::new();
        let args = [Replicate::start_args(&source, &target), vec!["--until-caught-up".to_owned()]].concat();
        done(replicate.run(&args));
        // Without the target nothing is changed.
        target.cut_network();
        fails(&replicate.run(&["reset"]), 1, &["nothing was changed", "hint:"]);
        assert_eq!(checkpoint(&status(&replicate)), source.log_position());
        target.restore_network();
        done(replicate.run(&["reset"]));
        target.exec("DROP DATABASE d");
        done(replicate.run(&args));
        assert_eq!(target.query_one("SELECT COUNT(*) FROM d.t"), "2");
    }

    fn another_host_forgets_the_position(flavor) {
        let (source, other) = (source_with_rows(flavor, 2), source_with_rows(flavor, 4));
        let replicate = Replicate::new();
        assert_eq!(catch_up(&replicate, &source, &[]).len(), 2);
        let mut args = vec!["change-master".to_owned()];
        args.extend(other.master_args());
        let run = done(replicate.run(&args));
        assert!(run.stderr.contains("position and relay log are forgotten"), "{}", run.stderr);
        assert_eq!(checkpoint(&status(&replicate)), (String::new(), 0));
        let run = done(replicate.run(&["start", "--until-caught-up"]));
        assert_eq!(rows(&run.stdout.lines().map(str::to_owned).collect::<Vec<_>>()).len(), 4);
        // The other way round the account changes and the progress stays.
        done(replicate.run(&["change-source", "--source-user", "nobody"]));
        assert_eq!(checkpoint(&status(&replicate)), other.log_position());
        fails(&replicate.run(&["start"]), 1, &["1045", "nobody"]);
        assert_eq!(checkpoint(&status(&replicate)), other.log_position());
    }

    /// A server that took the old one's address: its files have the same names and other contents.
    fn another_server_at_the_same_address_is_refused(flavor) {
        let source = source_with_rows(flavor, 2);
        let replicate = Replicate::new();
        assert_eq!(catch_up(&replicate, &source, &[]).len(), 2);
        source.kill();
        if flavor == Flavor::MariaDb {
            // It has no UUID: its server id tells it from others.
            source.start_again_with(&["--server-id=77"]);
        } else {
            fs::remove_file(source.data_dir().join("auto.cnf")).unwrap();
            source.start_again();
        }
        source.exec("INSERT INTO d.t VALUES (3, 'v')");
        let before = checkpoint(&status(&replicate));
        fails(&replicate.run(&start_args(&source, &[])), 1, &["this is server", "hint:", "replicate reset"]);
        assert_eq!(checkpoint(&status(&replicate)), before);
    }

    fn status_speaks_in_new_words_and_in_old(flavor) {
        let source = source_with_rows(flavor, 2);
        let replicate = Replicate::new();
        let mut process = replicate.spawn(&start_args(&source, &["--channel", "eu"]));
        await_rows(&mut process, 2);
        let (file, end) = source.log_position();
        let text = |args: &[&str]| done(replicate.run(&[args, &["--channel", "eu"]].concat())).stdout;
        eventually(SOON, || text(&["status"]).contains("Seconds_Behind_Source: 0"));
        let shown = text(&["status"]);
        for line in [
            "Replica_IO_Running: Yes".to_owned(),
            "Replica_SQL_Running: Yes".to_owned(),
            format!("Source_Log_File: {file}"),
            format!("Read_Source_Log_Pos: {end}"),
            format!("Exec_Source_Log_Pos: {end}"),
            "Channel_Name: eu".to_owned(),
            "Last_IO_Error:".to_owned(),
        ] {
            assert!(shown.lines().any(|found| found.trim() == line), "no {line} in\n{shown}");
        }
        let old = text(&["status", "--old-names"]);
        assert!(old.contains(&format!("Exec_Master_Log_Pos: {end}")) && old.contains("Slave_IO_Running: Yes"), "{old}");
        assert!(!old.contains("Source_Log_Pos"), "{old}");
        terminate(process);
        // Where it stopped is known without it.
        let shown = text(&["status"]);
        for line in ["Replica_IO_Running: No", &format!("Exec_Source_Log_Pos: {end}"), &format!("Read_Source_Log_Pos: {end}")] {
            assert!(shown.lines().any(|found| found.trim() == line), "no {line} in\n{shown}");
        }
        fails(&replicate.run(&["status"]), 1, &["the default channel", "hint:"]);
    }

    fn a_file_sink_holds_whole_lines_only(flavor) {
        let source = source_with_rows(flavor, 2);
        let replicate = Replicate::new();
        let path = replicate.data_dir().with_extension("jsonl");
        let sink = format!("file:{}", path.display());
        let lines = || {
            let text = fs::read_to_string(&path).unwrap();
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            whole.lines().map(str::to_owned).collect::<Vec<_>>()
        };
        assert!(catch_up(&replicate, &source, &["--sink", &sink]).is_empty());
        assert_eq!(rows(&lines()), ["insert 1", "insert 2"]);
        source.exec("INSERT INTO d.t VALUES (3, 'v')");
        catch_up(&replicate, &source, &["--sink", &sink]);
        assert_eq!(rows(&lines()), ["insert 1", "insert 2", "insert 3"]);
        // A crash in the middle of a line leaves half of it: that half goes, and nothing before it.
        let mut text = fs::read_to_string(&path).unwrap();
        text.push_str("{\"database\":\"d\",\"table\":\"t\",\"type\":\"ins");
        fs::write(&path, text).unwrap();
        source.exec("INSERT INTO d.t VALUES (4, 'v')");
        let mut process = replicate.spawn(&start_args(&source, &["--sink", &sink]));
        eventually(SOON, || rows(&lines()).last().is_some_and(|row| row == "insert 4"));
        assert_eq!(rows(&lines()), ["insert 1", "insert 2", "insert 3", "insert 4"]);
        assert_eq!(process.stdout(), "");
        // kill -9 leaves whole lines as well, and those that were not recorded come again.
        let mut session = source.session();
        (5..300).for_each(|id| session.exec(&format!("INSERT INTO d.t VALUES ({id}, 'v')")));
        process.kill9();
        catch_up(&replicate, &source, &["--sink", &sink]);
        let mut found = rows(&lines());
        found.sort_unstable();
        found.dedup();
        assert_eq!(found.len(), 299);
    }

    fn the_null_sink_counts(flavor) {
        let source = source_with_rows(flavor, 3);
        let replicate = Replicate::new();
        let process = replicate.spawn(&start_args(&source, &["--sink", "null"]));
        eventually(SOON, || replicate.run(&["status"]).code == 0);
        eventually(SOON, || status(&replicate)["applied_rows"] == 3);
        eventually(SOON, || checkpoint(&status(&replicate)) == source.log_position());
        assert_eq!(terminate(process).stdout(), "");
        assert_eq!(checkpoint(&status(&replicate)), source.log_position());
    }
}

// --- how the source is reached ---------------------------------------------------------------------------------

on_each_flavor! {
    fn tls_is_used_as_far_as_it_is_asked_for(flavor) {
        let source = source_with_rows(flavor, 1);
        let has_tls = flavor == Flavor::MySql;
        let encrypted = |options: &[&str]| {
            let replicate = Replicate::new();
            let mut process = replicate.spawn(&start_args(&source, options));
            await_rows(&mut process, 1);
            let shown = status(&replicate)["connection_encrypted"].clone();
            terminate(process);
            shown
        };
        assert_eq!(encrypted(&[]), has_tls);
        assert_eq!(encrypted(&["--ssl-mode", "preferred"]), has_tls);
        if !has_tls {
            // This server has no certificate.
            let run = Replicate::new().run(&start_args(&source, &["--ssl-mode", "required"]));
            return fails(&run, 1, &["TLS", &source.addr().1.to_string(), "required", "hint:"]);
        }
        assert_eq!(encrypted(&["--ssl-mode", "required"]), true);
        let ca = source.data_dir().join("ca.pem").display().to_string();
        assert_eq!(encrypted(&["--ssl-mode", "verify-ca", "--ssl-ca", &ca]), true);
        // The certificate that MySQL makes for itself names no host.
        let run = Replicate::new().run(&start_args(&source, &["--ssl-mode", "verify-identity", "--ssl-ca", &ca]));
        fails(&run, 1, &["TLS", &source.addr().1.to_string(), "hint:"]);
        // Not the authority that signed it.
        let other = Server::start(flavor, &[]);
        other.stop();
        fs::remove_file(other.data_dir().join("ca.pem")).unwrap();
        fs::remove_file(other.data_dir().join("ca-key.pem")).unwrap();
        fs::remove_file(other.data_dir().join("server-cert.pem")).unwrap();
        fs::remove_file(other.data_dir().join("server-key.pem")).unwrap();
        fs::remove_file(other.data_dir().join("client-cert.pem")).unwrap();
        fs::remove_file(other.data_dir().join("client-key.pem")).unwrap();
        other.start_again();
        let wrong = other.data_dir().join("ca.pem").display().to_string();
        let run = Replicate::new().run(&start_args(&source, &["--ssl-mode", "verify-ca", "--ssl-ca", &wrong]));
        fails(&run, 1, &["TLS", "certificate", "hint:"]);
        let run = Replicate::new().run(&start_args(&source, &["--ssl-mode", "verify-ca", "--ssl-ca", "/nowhere/ca.pem"]));
        fails(&run, 1, &["/nowhere/ca.pem"]);
    }

    fn caching_sha2_without_tls_wants_the_public_key(flavor) {
        if flavor == Flavor::MariaDb {
            return;
        }
        let source = source_with_rows(flavor, 1);
        // Nobody has logged in yet, so the fast way is closed.
        source.exec("FLUSH PRIVILEGES");
        let run = Replicate::new().run(&start_args(&source, &["--ssl-mode", "disabled"]));
        fails(&run, 1, &["caching_sha2_password", &source.addr().1.to_string(), "hint:", "--get-master-public-key"]);
        let options = ["--ssl-mode", "disabled", "--get-master-public-key"];
        assert_eq!(catch_up(&Replicate::new(), &source, &options).len(), 1);
        // With the key at hand it is not asked for; now the server remembers the account, too.
        source.exec("FLUSH PRIVILEGES");
        let key = source.data_dir().join("public_key.pem").display().to_string();
        let options = ["--ssl-mode", "disabled", "--master-public-key-path", &key];
        assert_eq!(catch_up(&Replicate::new(), &source, &options).len(), 1);
        assert_eq!(catch_up(&Replicate::new(), &source, &["--ssl-mode", "disabled"]).len(), 1);
        // A wrong password is a wrong password on this way as well.
        source.exec("FLUSH PRIVILEGES");
        let options = ["--ssl-mode", "disabled", "--get-master-public-key"];
        let wrong = Replicate::new().env("REPLICATE_MASTER_PASSWORD", "x");
        fails(&wrong.run(&start_args(&source, &options)), 1, &["1045"]);
    }

    fn the_source_is_reached_over_its_socket(flavor) {
        let source = source_with_rows(flavor, 2);
        let target = Server::start(flavor, &["--server-id=2"]);
        let socket = source.socket().display().to_string();
        let replicate = Replicate::new();
        let sink = target.sink_url();
        let args = ["start", "--master-socket", &socket, "--master-user", "repl", "--sink", &sink];
        let process = replicate.spawn(&args);
        await_value(&target, "SELECT COUNT(*) FROM d.t", "2");
        assert_eq!(status(&replicate)["source_host"], socket);
        // The network has no part in it.
        source.cut_network();
        source.exec("INSERT INTO d.t VALUES (3, 'v')");
        await_value(&target, "SELECT COUNT(*) FROM d.t", "3");
        terminate(process);
    }
}
