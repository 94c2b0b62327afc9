//! What must stop a channel rather than pass unseen: events that cannot be decoded, a damaged relay file, a target
//! that is not what the source was. The error says what, where, and what to do; the position stays before it.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::channel::{SOON, await_rows, await_value, checkpoint, rows, start_args, status, stops, terminate};
use super::harness::{Flavor, Mode, Process, Replicate, Server, compare_tables, eventually};

/// Makes a source whose log has a good row, then what `bad` does on a session of its own; the channel must stop at
/// the latter.
#[track_caller]
fn the_feed_stops(flavor: Flavor, options: &[&str], bad: &[&str], words: &[&str]) {
    let source = Server::start(flavor, options);
    source.exec("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, v VARCHAR(400), j JSON)");
    source.exec("INSERT INTO d.t VALUES (1, 'a', '{\"a\": [1, 2, 3], \"b\": \"some text\"}')");
    let (file, before) = source.log_position();
    let mut session = source.session();
    bad.iter().for_each(|statement| session.exec(statement));
    let (_, after) = source.log_position();
    source.exec("INSERT INTO d.t VALUES (100, 'behind', NULL)");

    let replicate = Replicate::new();
    let mut process = replicate.spawn(&start_args(&source, &[]));
    let run = stops(&mut process, words);
    assert!(run.stderr.contains("hint:"), "{}", run.stderr);
    assert_eq!(rows(&process.stdout_lines()), ["insert 1"], "{}", run.stderr);
    let named = named_position(&run.stderr, &file);
    assert!((before..after).contains(&named), "{named} is not in {before}..{after}: {}", run.stderr);
    // The place is kept, and is the same at the next start.
    let shown = status(&replicate);
    assert_eq!(checkpoint(&shown), (file, before), "{}", run.stderr);
    assert_ne!(shown["last_sql_errno"], 0);
    let mut process = replicate.spawn(&start_args(&source, &[]));
    stops(&mut process, words);
    assert_eq!(process.stdout(), "");
}

/// The last position that a message names.
fn named_position(text: &str, file: &str) -> u64 {
    let message = text.split_once("replicate: ").map_or("", |(_, message)| message);
    let tail = message.split(&format!("{file}:")).nth(1).unwrap_or_default();
    tail.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0)
}

on_each_flavor! {
    fn row_changes_logged_as_statements_stop_the_feed(flavor) {
        let bad = ["SET SESSION binlog_format = STATEMENT", "INSERT INTO d.t VALUES (2, 'b', NULL)"];
        the_feed_stops(flavor, &[], &bad, &["statement", "hint:", "binlog_format=ROW"]);
    }
}

// --- a target that is not what the source was -----------------------------------------------------------------

/// A source and a target with the rows 1 to 3, the channel caught up and running.
struct Pair {
    source: Server,
    target: Server,
    replicate: Replicate,
}

impl Pair {
    fn start(flavor: Flavor) -> (Pair, Process) {
        let gtid: &[&str] =
            if flavor == Flavor::MySql { &["--gtid-mode=ON", "--enforce-gtid-consistency=ON"] } else { &[] };
        let pair = Pair {
            source: Server::start(flavor, gtid),
            target: Server::start(flavor, &["--server-id=2"]),
            replicate: Replicate::new(),
        };
        pair.source.exec("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, v VARCHAR(40))");
        pair.source.exec("INSERT INTO d.t VALUES (1, 'a'), (2, 'b'), (3, 'c')");
        let process = pair.run();
        await_value(&pair.target, "SELECT COUNT(*) FROM d.t", "3");
        (pair, process)
    }

    fn run(&self) -> Process {
        self.run_with(&[])
    }

    fn run_with(&self, more: &[&str]) -> Process {
        let mut args = Replicate::start_args(&self.source, &self.target);
        args.extend(more.iter().map(|option| (*option).to_owned()));
        self.replicate.spawn(&args)
    }

    fn relay(&self) -> PathBuf {
        let channels = self.replicate.data_dir().join("channels");
        let channel = fs::read_dir(channels).unwrap().next().unwrap().unwrap().path();
        channel.join("relay")
    }

    /// The channel stops at a transaction that begins at `at`, and leaves no trace of it.
    #[track_caller]
    fn refuses(&self, process: &mut Process, at: &(String, u64), number: u16, words: &[&str]) {
        let place = format!("{}:{}", at.0, at.1);
        let mut words = words.to_vec();
        let gtid = match self.source.flavor() {
            Flavor::MySql => self.source.query_one("SELECT @@server_uuid"),
            Flavor::MariaDb => "0-1-".to_owned(),
        };
        words.extend([place.as_str(), "d.t", "hint:", &gtid]);
        stops(process, &words);
        let shown = status(&self.replicate);
        assert_eq!(shown["last_sql_errno"], number, "{shown}");
        assert_eq!(checkpoint(&shown), *at, "{shown}");
    }
}

on_each_flavor! {
    fn a_missing_row_of_the_target_stops_the_channel(flavor) {
        for change in ["UPDATE d.t SET v = 'x'", "DELETE FROM d.t"] {
            let (pair, mut process) = Pair::start(flavor);
            pair.target.exec("DELETE FROM d.t WHERE id = 2");
            let at = pair.source.log_position();
            pair.source.exec(change);
            pair.refuses(&mut process, &at, 1032, &[]);
            // Nothing of the transaction stays; repaired, the channel goes on.
            assert_eq!(pair.target.query_one("SELECT GROUP_CONCAT(v ORDER BY id) FROM d.t"), "a,c");
            pair.target.exec("INSERT INTO d.t VALUES (2, 'b')");
            let process = pair.run();
            let sum = "SELECT CONCAT(COUNT(*), '/', COALESCE(SUM(v = 'x'), 0)) FROM d.t";
            await_value(&pair.target, sum, &pair.source.query_one(sum));
            terminate(process);
        }
    }

    fn a_row_that_the_target_already_has_stops_the_channel(flavor) {
        let (pair, mut process) = Pair::start(flavor);
        pair.target.exec("INSERT INTO d.t VALUES (5, 'by hand')");
        let at = pair.source.log_position();
        pair.source.exec("INSERT INTO d.t VALUES (4, 'd'), (5, 'e'), (6, 'f')");
        pair.refuses(&mut process, &at, 1062, &["PRIMARY"]);
        assert!(!process.stderr().contains("by hand"));
        assert_eq!(pair.target.query_one("SELECT GROUP_CONCAT(id ORDER BY id) FROM d.t"), "1,2,3,5");
        pair.target.exec("DELETE FROM d.t WHERE id = 5");
        let process = pair.run();
        await_value(&pair.target, "SELECT GROUP_CONCAT(v ORDER BY id) FROM d.t", "a,b,c,d,e,f");
        terminate(process);
    }

    fn a_missing_table_of_the_target_stops_the_channel(flavor) {
        let (pair, mut process) = Pair::start(flavor);
        pair.target.exec("DROP TABLE d.t");
        let at = pair.source.log_position();
        pair.source.exec("INSERT INTO d.t VALUES (4, 'd')");
        pair.refuses(&mut process, &at, 1146, &[]);
    }

    fn a_flipped_bit_in_an_earlier_relay_file_stops_the_channel_there(flavor) {
        let (pair, process) = Pair::start(flavor);
        terminate(process);
        let mut process = pair.run_with(&["--max-relay-log-size", "4096"]);
        eventually(SOON, || status(&pair.replicate)["replica_io_running"] == "Yes");
        pair.target.stop();
        for burst in 0..4 {
            for id in 0..25 {
                let id = 4 + burst * 25 + id;
                pair.source.exec(&format!("INSERT INTO d.t VALUES ({id}, 'needle {id:03}')"));
            }
            let received = pair.source.log_position();
            eventually(SOON, || status(&pair.replicate)["read_source_log_pos"] == received.1);
        }
        process.kill9();
        // Only the last file is read when the channel starts; this one is when its turn comes.
        let (path, _) = flip(&pair.relay(), b"needle 030");
        assert!(fs::read_dir(pair.relay()).unwrap().count() > 3);
        pair.target.start_again();
        let mut process = pair.run();
        let name = format!("{}:", path.file_name().unwrap().to_str().unwrap());
        stops(&mut process, &[&name, "mysql-bin.000001:", "checksum", "hint:"]);
        // Everything before it has been applied, nothing of it or behind it.
        assert_eq!(pair.target.query_one("SELECT MAX(id) FROM d.t"), "29");
        assert_eq!(pair.target.query_one("SELECT COUNT(*) FROM d.t"), "29");
        fs::remove_dir_all(pair.relay()).unwrap();
        let process = pair.run();
        await_value(&pair.target, "SELECT COUNT(*) FROM d.t", "103");
        terminate(process);
    }

    fn a_flipped_bit_in_a_relay_file_stops_the_channel(flavor) {
        let (pair, mut process) = Pair::start(flavor);
        let before = pair.source.log_position();
        // Received and not applied: the target is away.
        pair.target.stop();
        for id in 4..40 {
            pair.source.exec(&format!("INSERT INTO d.t VALUES ({id}, 'needle {id:02}')"));
        }
        let received = pair.source.log_position();
        eventually(SOON, || status(&pair.replicate)["read_source_log_pos"] == received.1);
        process.kill9();
        let (path, offset) = flip(&pair.relay(), b"needle 20");
        pair.target.start_again();
        let mut process = pair.run();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let run = stops(&mut process, &[&name, "hint:"]);
        let named: Vec<u64> = run
            .stderr
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|number| number.parse().ok())
            .filter(|number| (offset - 200..=offset).contains(number))
            .collect();
        assert!(!named.is_empty(), "no offset near {offset} in: {}", run.stderr);
        // Nothing wrong got in: either nothing at all, or what stood before the damage.
        let there: u32 = pair.target.query_one("SELECT COUNT(*) FROM d.t").parse().unwrap();
        assert!(there <= 19, "{there}");
        assert_eq!(pair.target.query_one("SELECT COUNT(*) FROM d.t WHERE id > 3 AND v NOT LIKE 'needle __'"), "0");
        let shown = status(&pair.replicate);
        let kept = ["last_io_error", "last_sql_error"].map(|key| shown[key].as_str().unwrap_or_default().contains(&name));
        assert!(kept.contains(&true), "{shown}");
        let (file, pos) = checkpoint(&shown);
        assert!(file == before.0 && (before.1..received.1).contains(&pos), "{file}:{pos}");
        // As the hint says: without its relay log the channel fetches it anew.
        fs::remove_dir_all(pair.relay()).unwrap();
        let process = pair.run();
        await_value(&pair.target, "SELECT COUNT(*) FROM d.t", "39");
        terminate(process);
    }
}

/// Flips a bit of the first place in the relay files that holds `text`.
fn flip(relay: &PathBuf, text: &[u8]) -> (PathBuf, u64) {
    for entry in fs::read_dir(relay).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        if let Some(at) = bytes.windows(text.len()).position(|window| window == text) {
            bytes[at + 3] ^= 0x20;
            fs::write(&path, bytes).unwrap();
            return (path, at as u64);
        }
    }
    panic!("no relay file has that text");
}

on_each_flavor! {
    fn an_event_that_arrives_damaged_is_fetched_again(flavor) {
        let (pair, process) = Pair::start(flavor);
        // Somewhere in the middle of what comes next.
        pair.source.network().corrupt_after(3000);
        for id in 4..200 {
            pair.source.exec(&format!("INSERT INTO d.t VALUES ({id}, 'row {id}')"));
        }
        await_value(&pair.target, "SELECT COUNT(*) FROM d.t", "199");
        compare_tables(&pair.source, &pair.target, &["d"]).assert_same();
        assert!(process.stderr().contains("connection to the source failed"), "{}", process.stderr());
        terminate(process);
    }

    fn a_connection_that_breaks_inside_an_event_goes_on_from_the_last_transaction(flavor) {
        let (pair, process) = Pair::start(flavor);
        let connections = pair.source.network().connections();
        pair.source.network().reset_after(300_000);
        pair.source.exec("ALTER TABLE d.t MODIFY v MEDIUMTEXT");
        for id in 4..12 {
            pair.source.exec(&format!("INSERT INTO d.t VALUES ({id}, REPEAT('{id}', 50000))"));
        }
        await_value(&pair.target, "SELECT COUNT(*) FROM d.t", "11");
        compare_tables(&pair.source, &pair.target, &["d"]).assert_same();
        assert!(pair.source.network().connections() > connections, "{}", process.stderr());
        terminate(process);
    }

    fn a_silent_source_is_noticed_and_asked_again(flavor) {
        let source = Server::start(flavor, &[]);
        source.exec("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY); INSERT INTO d.t VALUES (1)");
        let replicate = Replicate::new();
        let mut process = replicate.spawn(&start_args(&source, &["--heartbeat-period", "1", "--connect-retry", "1"]));
        await_rows(&mut process, 1);
        // Idle is not silent: heartbeats keep the line.
        let connections = source.network().connections();
        std::thread::sleep(Duration::from_millis(3500));
        assert_eq!(source.network().connections(), connections, "{}", process.stderr());
        source.network().set_mode(Mode::HalfOpen);
        let cut = Instant::now();
        eventually(SOON, || status(&replicate)["last_io_errno"] == 2013);
        assert!(cut.elapsed() < Duration::from_millis(4500), "noticed after {:?}", cut.elapsed());
        let shown = status(&replicate);
        assert_eq!(shown["replica_io_running"], "Connecting");
        assert!(shown["last_io_error"].as_str().unwrap().contains("heartbeat"), "{shown}");
        source.exec("INSERT INTO d.t VALUES (2)");
        source.restore_network();
        assert_eq!(await_rows(&mut process, 2), ["insert 1", "insert 2"]);
        terminate(process);
    }
}
