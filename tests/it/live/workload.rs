//! Random load on a source: several writers with transactions over several tables, a schema that changes under
//! them, and large transactions now and then. A seed makes the same choices again.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::harness::{Server, Session};

/// The database all of it happens in.
pub const DATABASE: &str = "w";

/// Rows whose sum never changes: each transaction moves amounts between them.
pub const ACCOUNTS: u32 = 200;

/// What [`ACCOUNTS`] rows hold together.
pub const TOTAL: u32 = ACCOUNTS * 1000;

/// The seed of a test: `REPLICATE_TEST_SEED`, else a new one; printed, so that a failure can be repeated.
pub fn seed() -> u64 {
    let named = std::env::var("REPLICATE_TEST_SEED").ok();
    let seed = named.map_or_else(rand::random, |text| text.parse().expect("REPLICATE_TEST_SEED is a number"));
    println!("REPLICATE_TEST_SEED={seed}");
    seed
}

/// Makes the tables.
pub fn prepare(source: &Server) {
    source.exec(
        "CREATE DATABASE w; \
         CREATE TABLE w.account (id INT PRIMARY KEY, amount INT NOT NULL); \
         CREATE TABLE w.item (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(200), n DECIMAL(12,3), at DATETIME(6), KEY (v)); \
         CREATE TABLE w.pair (a INT, b VARCHAR(20), v BIGINT, PRIMARY KEY (b, a)); \
         CREATE TABLE w.journal (what VARCHAR(20), n INT); \
         CREATE TABLE w.big (id INT PRIMARY KEY AUTO_INCREMENT, data LONGBLOB)",
    );
    let rows: Vec<String> = (0..ACCOUNTS).map(|id| format!("({id},1000)")).collect();
    source.exec(&format!("INSERT INTO w.account VALUES {}", rows.join(",")));
}

/// Runs the writers until `done` returns; the number of transactions they committed.
pub fn under_load<T>(source: &Server, seed: u64, writers: u64, done: impl FnOnce() -> T) -> (T, u64) {
    let stop = AtomicBool::new(false);
    let committed = AtomicU64::new(0);
    let result = std::thread::scope(|scope| {
        for writer in 0..writers {
            let (stop, committed) = (&stop, &committed);
            scope.spawn(move || {
                Writer::new(source, seed ^ writer.wrapping_mul(0x9e37_79b9_7f4a_7c15), writer).run(stop, committed)
            });
        }
        // A failure inside must not leave the writers running.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(done));
        stop.store(true, Ordering::Relaxed);
        result
    });
    match result {
        Ok(value) => (value, committed.into_inner()),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

struct Writer<'a> {
    source: &'a Server,
    session: Option<Session>,
    random: StdRng,
    number: u64,
    round: u64,
}

impl<'a> Writer<'a> {
    fn new(source: &'a Server, seed: u64, number: u64) -> Self {
        Self { source, session: None, random: StdRng::seed_from_u64(seed), number, round: 0 }
    }

    fn run(&mut self, stop: &AtomicBool, committed: &AtomicU64) {
        while !stop.load(Ordering::Relaxed) {
            let sql = self.next();
            if self.session.is_none() {
                self.session = Session::connect(self.source.opts()).ok();
            }
            // Deadlocks, and a server that was killed, are part of the load: the transaction is given up.
            let ended = self.session.as_mut().map(|session| {
                session.try_exec(&sql).is_ok() || {
                    let _ = session.try_exec("ROLLBACK");
                    false
                }
            });
            match ended {
                Some(true) => {
                    committed.fetch_add(1, Ordering::Relaxed);
                }
                Some(false) if self.session.as_mut().is_some_and(|session| session.try_query("SELECT 1").is_ok()) => {}
                _ => {
                    self.session = None;
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
            std::thread::sleep(Duration::from_millis(self.random.random_range(1..8)));
        }
    }

    /// One transaction or statement.
    fn next(&mut self) -> String {
        self.round += 1;
        match self.random.random_range(0..100) {
            0..=1 => self.schema_change(),
            2 => self.large(),
            3..=5 => format!("BEGIN; {}; ROLLBACK", self.change()),
            _ => {
                let changes: Vec<String> = (0..self.random.random_range(1..6)).map(|_| self.change()).collect();
                format!("BEGIN; {}; {}; COMMIT", self.transfer(), changes.join("; "))
            }
        }
    }

    fn transfer(&mut self) -> String {
        let (from, to) = (self.random.random_range(0..ACCOUNTS / 2), self.random.random_range(ACCOUNTS / 2..ACCOUNTS));
        let amount = self.random.random_range(1..50);
        format!(
            "UPDATE w.account SET amount = amount - {amount} WHERE id = {from}; \
             UPDATE w.account SET amount = amount + {amount} WHERE id = {to}"
        )
    }

    fn change(&mut self) -> String {
        let random = &mut self.random;
        let (n, m) = (random.random_range(0..1000), random.random_range(0..1000));
        match random.random_range(0..10) {
            0..=2 => {
                let rows: Vec<String> = (0..random.random_range(1..20))
                    .map(|row| format!("(REPEAT('{row}ä', {}), {n}.{m:03}, NOW(6))", random.random_range(0..60)))
                    .collect();
                format!("INSERT INTO w.item (v, n, at) VALUES {}", rows.join(","))
            }
            3 => format!("UPDATE w.item SET n = n + 1, v = CONCAT('u', LEFT(v, 100)) WHERE id % 37 = {}", n % 37),
            4 => format!("DELETE FROM w.item WHERE id % 41 = {} LIMIT 50", n % 41),
            5 => format!("INSERT INTO w.pair VALUES ({n}, '{m}', 0) ON DUPLICATE KEY UPDATE v = v + 1"),
            6 => format!("REPLACE INTO w.pair VALUES ({}, '{}', {m}), ({n}, 'x', 1)", n % 10, m % 10),
            // Without a key and with equal rows: a transaction applied twice, or half, shows.
            7..=8 => format!("INSERT INTO w.journal VALUES ('w{}', {}), ('same', 1)", self.number, self.round),
            _ => format!("DELETE FROM w.pair WHERE a = {n}; UPDATE w.journal SET n = n + 1 WHERE n = {m} LIMIT 3"),
        }
    }

    /// More than a megabyte in one transaction.
    fn large(&mut self) -> String {
        let byte = self.random.random_range(1..=255_u8);
        format!(
            "BEGIN; {}; INSERT INTO w.big (data) VALUES (REPEAT(CHAR({byte}), 700000)), (REPEAT(CHAR({byte}), 600000)); \
             DELETE FROM w.big WHERE id % 3 = 0; COMMIT",
            self.transfer()
        )
    }

    fn schema_change(&mut self) -> String {
        let (writer, round) = (self.number, self.round);
        match self.random.random_range(0..4) {
            0 => format!(
                "CREATE TABLE w.s{writer}_{round} (id INT PRIMARY KEY, v TEXT); \
                 INSERT INTO w.s{writer}_{round} VALUES (1, 'a'), (2, NULL); \
                 ALTER TABLE w.s{writer}_{round} ADD COLUMN more INT NOT NULL DEFAULT 7, RENAME COLUMN v TO w; \
                 UPDATE w.s{writer}_{round} SET more = 8 WHERE id = 2"
            ),
            1 => format!(
                "CREATE TABLE w.r{writer}_{round} SELECT id, amount FROM w.account WHERE id < 5; \
                 RENAME TABLE w.r{writer}_{round} TO w.q{writer}_{round}; \
                 INSERT INTO w.q{writer}_{round} VALUES (77, 7)"
            ),
            2 => format!(
                "CREATE TABLE w.gone{writer}_{round} (id INT PRIMARY KEY); INSERT INTO w.gone{writer}_{round} VALUES (1); \
                 TRUNCATE w.gone{writer}_{round}; DROP TABLE w.gone{writer}_{round}"
            ),
            _ => format!("ALTER TABLE w.item ADD COLUMN c{writer}_{round} INT DEFAULT {round}"),
        }
    }
}
