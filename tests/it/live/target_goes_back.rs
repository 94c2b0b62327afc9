//! A target that loses what it had: the checkpoint in it decides, and where that cannot be followed nothing is applied.

use super::channel::{SOON, await_value, start_args, stops, terminate};
use super::harness::{Replicate, Server, compare_tables, eventually};

/// Forgets what the target has after the first row, its checkpoint too, as a restored backup does.
const FORGET: &str = "SET SESSION sql_log_bin = 0; DELETE FROM d.t WHERE id > 1; \
                      UPDATE replicate.checkpoint SET log_file = @file, log_pos = @pos";

on_each_flavor! {
    fn a_target_without_its_checkpoint_is_not_taken_for_the_one_that_was_left(flavor) {
        let source = Server::start(flavor, &[]);
        let target = Server::start(flavor, &["--server-id=2"]);
        source.exec("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY); INSERT INTO d.t VALUES (1)");
        let replicate = Replicate::new();
        let sink = target.sink_url();
        let args = start_args(&source, &["--until-caught-up", "--sink", &sink]);
        assert_eq!(replicate.run(&args).code, 0);
        target.exec("DROP DATABASE replicate; TRUNCATE TABLE d.t");
        source.exec("INSERT INTO d.t VALUES (2)");
        let mut process = replicate.spawn(&args);
        stops(&mut process, &["no checkpoint of this channel", "hint:", "replicate reset"]);
        assert_eq!(target.query_one("SELECT COUNT(*) FROM d.t"), "0");
    }

    fn a_target_restored_while_replicate_runs_gets_every_row_again(flavor) {
        let source = Server::start(flavor, &[]);
        let target = Server::start(flavor, &["--server-id=2"]);
        source.exec("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, v VARCHAR(600)); INSERT INTO d.t VALUES (1, 'v')");
        let replicate = Replicate::new();
        let sink = target.sink_url();
        let args = start_args(&source, &["--sink", &sink, "--max-relay-log-size", "4096"]);
        let process = replicate.spawn(&args);
        await_value(&target, "SELECT COUNT(*) FROM d.t", "1");
        let (file, pos) = source.log_position();
        await_value(&target, "SELECT log_pos FROM replicate.checkpoint", &pos.to_string());
        for id in 2..=60 {
            source.exec(&format!("INSERT INTO d.t VALUES ({id}, REPEAT('x', 500))"));
        }
        await_value(&target, "SELECT COUNT(*) FROM d.t", "60");
        target.exec(&format!("SET @file = '{file}', @pos = {pos}; {FORGET}"));
        target.stop();
        target.start_again();
        source.exec("INSERT INTO d.t VALUES (61, 'v')");
        // What was applied is gone from the relay log: the channel stops, and the next start fetches it again.
        let mut process = process;
        eventually(SOON, || !process.is_running());
        stops(&mut process, &["the relay log does not hold that place any more", "hint:"]);
        let process = replicate.spawn(&args);
        await_value(&target, "SELECT COUNT(*) FROM d.t", "61");
        terminate(process);
        compare_tables(&source, &target, &["d"]).assert_same();
    }
}
