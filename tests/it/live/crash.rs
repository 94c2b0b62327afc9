//! Crashes at random moments under load: of `replicate`, of the target, of the source. Afterwards the target equals
//! the source, and the feed has every change.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;

use super::harness::{Replicate, Server, compare_tables, eventually};
use super::workload::{ACCOUNTS, DATABASE, TOTAL, prepare, seed, under_load};

const SOON: Duration = Duration::from_secs(60);
const KILLS: usize = 20;

/// `start` into the target, trying again at once.
fn into_target(source: &Server, target: &Server) -> Vec<String> {
    let mut args = Replicate::start_args(source, target);
    args.extend(["--connect-retry", "1"].map(str::to_owned));
    args
}

/// `start` into a file.
fn into_file(source: &Server, file: &Path) -> Vec<String> {
    let mut args = vec!["start".to_owned()];
    args.extend(source.master_args());
    args.extend(["--log-file", "mysql-bin.000001", "--pos", "4", "--sink"].map(str::to_owned));
    args.push(format!("file:{}", file.display()));
    args
}

/// Starts and kills `replicate` at random moments.
fn kill_at_random(replicate: &Replicate, args: &[String], random: &mut StdRng) {
    for kill in 0..KILLS {
        let mut process = replicate.spawn(args);
        // A busy machine may take longer than that to start: every other kill comes while it surely works.
        if kill % 2 == 1 {
            eventually(SOON, || process.stderr().contains("connected to the source"));
        }
        std::thread::sleep(Duration::from_millis(random.random_range(50..600)));
        assert!(process.is_running(), "replicate ended before kill {kill}: {}", process.stderr());
        process.kill9();
    }
}

/// Lets `replicate` catch up with a source that is at rest.
#[track_caller]
fn catch_up(replicate: &Replicate, args: &[String]) {
    let mut args = args.to_vec();
    args.push("--until-caught-up".to_owned());
    let end = replicate.run(&args);
    assert_eq!(end.code, 0, "{}", end.stderr);
}

/// Where a line stands in the source's log: file and position of its transaction, and number of the row; a
/// definition has none and comes first.
type Place = (String, u64, Option<u64>);

/// The complete lines of a feed.
type Lines = BTreeMap<Place, String>;

/// Reads the feed; every line is whole, and a line that is there twice is twice the same.
fn read_feed(text: &str) -> Lines {
    assert!(text.is_empty() || text.ends_with('\n'), "the last line has no end");
    let mut lines = Lines::new();
    let mut last: Option<Place> = None;
    for line in text.lines() {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"));
        let place = place(&value);
        // A line is the next one, or one that was there before a kill.
        let known = lines.get(&place);
        assert!(known.is_some() || last.as_ref().is_none_or(|last| *last < place), "{place:?} comes too late");
        assert!(known.is_none_or(|known| known == line), "a duplicate differs:\n{known:?}\n{line}");
        if known.is_none() {
            lines.insert(place.clone(), line.to_owned());
            last = Some(place);
        }
    }
    lines
}

fn place(line: &Value) -> Place {
    let (file, pos) = line["position"].as_str().and_then(|text| text.rsplit_once(':')).expect("a position");
    (file.to_owned(), pos.parse().unwrap(), line["xoffset"].as_u64())
}

/// What the feed says is in a table with the key `id`: its value of `column`.
fn replayed(lines: &Lines, table: &str, column: &str) -> BTreeMap<i64, String> {
    let mut rows = BTreeMap::new();
    for line in lines.values() {
        let line: Value = serde_json::from_str(line).unwrap();
        if line["database"] != DATABASE || line["table"] != table {
            continue;
        }
        let id = line["data"]["id"].as_i64().unwrap();
        match line["type"].as_str() {
            Some("insert") => assert!(rows.insert(id, text(&line["data"][column])).is_none(), "{table} {id} twice"),
            Some("update") => assert!(rows.insert(id, text(&line["data"][column])).is_some(), "{table} {id} not there"),
            Some("delete") => assert!(rows.remove(&id).is_some(), "{table} {id} not there"),
            other => panic!("{other:?}"),
        }
    }
    rows
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn on_server(source: &Server, table: &str, column: &str) -> BTreeMap<i64, String> {
    let rows = source.query(&format!("SELECT id, {column} FROM {DATABASE}.{table}"));
    let pair =
        |row: Vec<Option<String>>| (row[0].as_ref().unwrap().parse().unwrap(), row[1].clone().unwrap_or("null".into()));
    rows.into_iter().map(pair).collect()
}

on_each_flavor! {
    fn a_target_equals_the_source_after_twenty_kills(flavor) {
        let (source, target) = (Server::start(flavor, &[]), Server::start(flavor, &["--server-id=2"]));
        prepare(&source);
        let replicate = Replicate::new();
        let args = into_target(&source, &target);
        let seed = seed();
        let mut random = StdRng::seed_from_u64(seed);
        let ((), committed) = under_load(&source, seed, 4, || kill_at_random(&replicate, &args, &mut random));
        assert!(committed > 200, "{committed}");
        assert!(!target.query("SELECT * FROM w.journal").is_empty(), "nothing was applied between the kills");
        catch_up(&replicate, &args);
        let same = compare_tables(&source, &target, &[DATABASE]);
        same.assert_same();
        assert!(same.rows > 500 && same.tables > 5, "{same}");
        assert_eq!(target.query_one("SELECT SUM(amount) FROM w.account"), TOTAL.to_string());
    }

    fn a_feed_has_no_gap_after_twenty_kills(flavor) {
        let source = Server::start(flavor, &["--binlog-row-metadata=FULL"]);
        prepare(&source);
        let replicate = Replicate::new();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("feed");
        let args = into_file(&source, &file);
        let seed = seed();
        let mut random = StdRng::seed_from_u64(seed);
        under_load(&source, seed, 4, || kill_at_random(&replicate, &args, &mut random));
        catch_up(&replicate, &args);
        let lines = read_feed(&std::fs::read_to_string(&file).unwrap());
        assert_eq!(replayed(&lines, "account", "amount"), on_server(&source, "account", "amount"));
        assert_eq!(replayed(&lines, "item", "v"), on_server(&source, "item", "v"));
        assert_eq!(replayed(&lines, "item", "n"), on_server(&source, "item", "n"));
        let journal = |kind: &str| lines.values().filter(|line| {
            line.contains("\"table\":\"journal\"") && line.contains(&format!("\"type\":\"{kind}\""))
        }).count();
        assert_eq!(journal("insert").to_string(), source.query_one("SELECT COUNT(*) FROM w.journal"));
        assert!(journal("update") > 0 && lines.len() > 1000, "{}", lines.len());
        // And line by line what the log itself holds.
        let log = source.data_dir().join("mysql-bin.000001");
        let decoded = replicate.run(&["decode", &log.display().to_string()]);
        assert_eq!(decoded.code, 0, "{}", decoded.stderr);
        let decoded = read_feed(&decoded.stdout);
        assert_eq!(lines.keys().collect::<Vec<_>>(), decoded.keys().collect::<Vec<_>>());
        for (place, line) in &lines {
            assert_eq!(Some(line), decoded.get(place));
        }
    }

    fn servers_killed_under_load_leave_no_difference(flavor) {
        let (source, target) = (Server::start(flavor, &[]), Server::start(flavor, &["--server-id=2"]));
        prepare(&source);
        let replicate = Replicate::new();
        let args = into_target(&source, &target);
        let seed = seed();
        let mut random = StdRng::seed_from_u64(seed);
        let mut process = replicate.spawn(&args);
        under_load(&source, seed, 3, || {
            for server in [&target, &source, &target, &source, &target] {
                std::thread::sleep(Duration::from_millis(random.random_range(300..900)));
                server.kill();
                std::thread::sleep(Duration::from_millis(random.random_range(0..300)));
                server.start_again();
                assert!(process.is_running(), "{}", process.stderr());
            }
            std::thread::sleep(Duration::from_millis(500));
        });
        process.terminate();
        assert_eq!(process.wait_exit(SOON), 0, "{}", process.stderr());
        catch_up(&replicate, &args);
        let same = compare_tables(&source, &target, &[DATABASE]);
        same.assert_same();
        assert!(same.rows > 300, "{same}");
    }

    fn a_reader_of_the_target_never_sees_half_of_a_transaction(flavor) {
        let (source, target) = (Server::start(flavor, &[]), Server::start(flavor, &["--server-id=2"]));
        prepare(&source);
        let replicate = Replicate::new();
        let mut process = replicate.spawn(&into_target(&source, &target));
        eventually(SOON, || target.session().try_query("SELECT * FROM w.account").is_ok_and(|rows| !rows.is_empty()));
        let stop = AtomicBool::new(false);
        let looked = std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut session = target.session();
                let (mut looked, mut last) = (0, 0);
                while !stop.load(Ordering::Relaxed) {
                    let row = session.query(
                        "SELECT SUM(amount), COUNT(*), (SELECT COUNT(*) FROM w.big), \
                         (SELECT MAX(n) FROM w.journal WHERE what = 'large') FROM w.account",
                    ).remove(0);
                    let number = |at: usize| row[at].as_deref().unwrap_or("0").parse::<u32>().unwrap();
                    assert_eq!((number(0), number(1)), (TOTAL, ACCOUNTS));
                    // Five rows of half a megabyte each come with one row of the journal.
                    assert_eq!(number(2), 5 * number(3));
                    assert!(number(3) >= last, "went back");
                    last = number(3);
                    looked += 1;
                }
                looked
            });
            let mut session = source.session();
            for n in 1..=8_u32 {
                session.exec(&format!(
                    "BEGIN; UPDATE w.account SET amount = amount - {n} WHERE id < {half}; \
                     INSERT INTO w.big (data) VALUES {rows}; INSERT INTO w.journal VALUES ('large', {n}); \
                     UPDATE w.account SET amount = amount + {n} WHERE id >= {half}; COMMIT",
                    half = ACCOUNTS / 2,
                    rows = ["(REPEAT('x', 500000))"; 5].join(","),
                ));
                for m in 0..20 {
                    session.exec(&format!(
                        "BEGIN; UPDATE w.account SET amount = amount - {m} WHERE id = {m}; \
                         UPDATE w.account SET amount = amount + {m} WHERE id = {n}; COMMIT"
                    ));
                }
            }
            eventually(SOON, || {
                assert!(process.is_running(), "{}", process.stderr());
                target.query("SELECT 1 FROM w.journal WHERE n = 8").len() == 1
            });
            stop.store(true, Ordering::Relaxed);
            reader.join().unwrap()
        });
        assert!(looked > 20, "{looked}");
        process.terminate();
        assert_eq!(process.wait_exit(SOON), 0);
    }
}
