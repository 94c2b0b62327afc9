//! The main job on both families of servers and in both lanes: feed, target, resume after a kill, a network
//! that breaks.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde_json::Value;

use super::harness::{Flavor, Process, Replicate, Server, compare_tables, eventually};

const SOON: Duration = Duration::from_secs(60);

/// A source with one table, an empty target, and `replicate` not yet started.
struct Pair {
    source: Server,
    target: Server,
    replicate: Replicate,
}

impl Pair {
    fn new(flavor: Flavor) -> Pair {
        let source = Server::start(flavor, &["--server-id=1"]);
        source.exec("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(40))");
        Pair { source, target: Server::start(flavor, &["--server-id=2"]), replicate: Replicate::new() }
    }

    fn start(&self) -> Process {
        self.replicate.spawn(&Replicate::start_args(&self.source, &self.target))
    }

    /// Waits until the last row of the source is in the target, then compares all.
    #[track_caller]
    fn arrive(&self, process: &mut Process) {
        self.source.exec("CREATE TABLE IF NOT EXISTS d.marks (n INT PRIMARY KEY AUTO_INCREMENT)");
        self.source.exec("INSERT INTO d.marks VALUES ()");
        let mark = self.source.query_one("SELECT MAX(n) FROM d.marks");
        let mut target = self.target.session();
        eventually(SOON, || {
            assert!(process.is_running(), "replicate ended: {}", process.stderr());
            target.try_query(&format!("SELECT n FROM d.marks WHERE n = {mark}")).is_ok_and(|rows| !rows.is_empty())
        });
        compare_tables(&self.source, &self.target, &["d"]).assert_same();
    }
}

#[track_caller]
fn terminate(mut process: Process) {
    process.terminate();
    assert_eq!(process.wait_exit(SOON), 0, "{}", process.stderr());
}

fn json(process: &Process) -> Vec<Value> {
    process.stdout_lines().iter().map(|line| serde_json::from_str(line).expect(line)).collect()
}

on_each_flavor! {
    fn lane_the_feed_has_every_change_in_order(flavor) {
        let source = Server::start(flavor, &[]);
        source.exec("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, v VARCHAR(40))");
        source.exec("INSERT INTO d.t VALUES (1, 'one'), (2, NULL); UPDATE d.t SET v = 'zwei' WHERE id = 2");
        source.exec("BEGIN; INSERT INTO d.t VALUES (3, 'x'); ROLLBACK; DELETE FROM d.t WHERE id = 1");
        let mut args = vec!["start".to_owned()];
        args.extend(source.master_args());
        args.extend(["--log-file", "mysql-bin.000001", "--pos", "4"].map(str::to_owned));
        let replicate = Replicate::new();
        let process = replicate.spawn(&args);
        eventually(SOON, || process.stdout().contains("\"type\":\"delete\""));
        let lines = json(&process);
        let changes: Vec<(&str, &Value)> = lines
            .iter()
            .filter(|line| line["type"] != "ddl" && line["database"] == "d")
            .map(|line| (line["type"].as_str().unwrap(), &line["data"]))
            .collect();
        let want = |id: i64, v: Value| serde_json::json!({"id": id, "v": v});
        assert_eq!(
            changes,
            [
                ("insert", &want(1, "one".into())),
                ("insert", &want(2, Value::Null)),
                ("update", &want(2, "zwei".into())),
                ("delete", &want(1, "one".into())),
            ]
        );
        terminate(process);
    }

    fn lane_changes_reach_the_target(flavor) {
        let pair = Pair::new(flavor);
        let mut process = pair.start();
        pair.source.exec("INSERT INTO d.t (v) VALUES ('a'), ('b'), (NULL); UPDATE d.t SET v = 'c' WHERE id = 2");
        pair.source.exec("ALTER TABLE d.t ADD COLUMN n BIGINT UNSIGNED, ADD KEY (n); DELETE FROM d.t WHERE id = 1");
        pair.source.exec("UPDATE d.t SET n = 18446744073709551615");
        pair.arrive(&mut process);
        terminate(process);
    }

    fn lane_a_killed_replicate_resumes_exactly_once(flavor) {
        let pair = Pair::new(flavor);
        // Without a key and with equal rows, a transaction applied twice shows.
        pair.source.exec("CREATE TABLE d.log (v INT)");
        let mut process = pair.start();
        for round in 0..4 {
            std::thread::scope(|scope| {
                let writer = scope.spawn(|| {
                    let mut session = pair.source.session();
                    for _ in 0..100 {
                        session.exec("BEGIN; INSERT INTO d.log VALUES (1), (1); INSERT INTO d.t (v) VALUES ('x'); COMMIT");
                    }
                });
                std::thread::sleep(Duration::from_millis(200 + 130 * round));
                process.kill9();
                process = pair.start();
                writer.join().unwrap();
            });
        }
        pair.arrive(&mut process);
        terminate(process);
    }

    fn lane_a_feed_has_no_gap_after_a_kill(flavor) {
        let source = Server::start(flavor, &[]);
        source.exec("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY)");
        let mut args = vec!["start".to_owned()];
        args.extend(source.master_args());
        args.extend(["--log-file", "mysql-bin.000001", "--pos", "4"].map(str::to_owned));
        let replicate = Replicate::new();
        let mut seen: HashMap<i64, HashSet<(String, String)>> = HashMap::new();
        let mut session = source.session();
        for round in 0..3_i64 {
            let mut process = replicate.spawn(&args);
            for id in round * 100..(round + 1) * 100 {
                session.exec(&format!("INSERT INTO d.t VALUES ({id})"));
            }
            if round < 2 {
                process.kill9();
            } else {
                eventually(SOON, || process.stdout().contains("\"data\":{\"id\":299}"));
            }
            for line in json(&process).iter().filter(|line| line["type"] == "insert") {
                let place = (line["position"].to_string(), line["xoffset"].to_string());
                seen.entry(line["data"]["id"].as_i64().unwrap()).or_default().insert(place);
            }
        }
        assert_eq!(seen.len(), 300, "lines are missing");
        assert!(seen.values().all(|places| places.len() == 1), "a duplicate has another position");
    }

    fn lane_a_cut_network_heals(flavor) {
        let pair = Pair::new(flavor);
        pair.replicate.run(&with_master_options(&pair.source, &["change-master", "--connect-retry", "1"]));
        let mut process = pair.start();
        pair.source.exec("INSERT INTO d.t (v) VALUES ('before')");
        pair.arrive(&mut process);
        pair.source.cut_network();
        pair.source.exec("INSERT INTO d.t (v) VALUES ('while cut')");
        std::thread::sleep(Duration::from_secs(2));
        assert!(process.is_running());
        pair.source.restore_network();
        pair.arrive(&mut process);
        pair.source.kill();
        pair.source.start_again();
        pair.source.exec("INSERT INTO d.t (v) VALUES ('after a crash')");
        pair.arrive(&mut process);
        terminate(process);
    }

    fn lane_a_target_that_dies_is_awaited(flavor) {
        let pair = Pair::new(flavor);
        let mut process = pair.start();
        pair.arrive(&mut process);
        pair.target.kill();
        pair.source.exec("INSERT INTO d.t (v) VALUES ('x'), ('y')");
        std::thread::sleep(Duration::from_secs(1));
        pair.target.start_again();
        pair.arrive(&mut process);
        terminate(process);
    }
}

fn with_master_options(source: &Server, args: &[&str]) -> Vec<String> {
    args.iter().map(|arg| (*arg).to_owned()).chain(source.master_args()).collect()
}
