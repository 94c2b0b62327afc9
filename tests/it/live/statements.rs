//! Statements of the source that define things, replayed in the session they had, and what a replica must not do twice.

use std::time::Duration;

use mysql_async::prelude::Queryable;

use super::harness::{Flavor, Replicate, Server, Session, block_on, compare_tables};

/// A source, a target whose account may do all that a source's statements can need, and `replicate` between them.
struct Pair {
    source: Server,
    target: Server,
    replicate: Replicate,
}

impl Pair {
    fn new(flavor: Flavor, options: &[&str]) -> Pair {
        let (source, target) = (Server::start(flavor, options), Server::start(flavor, &["--server-id=2"]));
        target.exec("GRANT ALL ON *.* TO sink@'%' WITH GRANT OPTION");
        Pair { source, target, replicate: Replicate::new() }
    }

    /// Replays all that is new.
    #[track_caller]
    fn replay(&self) {
        let mut args = Replicate::start_args(&self.source, &self.target);
        args.push("--until-caught-up".to_owned());
        let end = self.replicate.run(&args);
        assert_eq!(end.code, 0, "{}", end.stderr);
    }

    /// Replays all that is new and compares these databases.
    #[track_caller]
    fn same(&self, databases: &[&str]) {
        self.replay();
        compare_tables(&self.source, &self.target, databases).assert_same();
    }

    /// The same answer on both servers, and not an empty one.
    #[track_caller]
    fn same_answer(&self, query: &str) {
        let ours = self.source.query(query);
        assert!(!ours.is_empty(), "{query}");
        assert_eq!(ours, self.target.query(query), "{query}");
    }
}

/// Options of a source that logs changes of tables without transactions inside of transactions.
fn without_gtids<'a>(flavor: Flavor, more: &[&'a str]) -> Vec<&'a str> {
    let mut options = more.to_vec();
    if flavor == Flavor::MySql {
        options.extend(["--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"]);
    }
    options
}

/// Text that is not UTF-8.
fn exec_bytes(session: &mut Session, sql: &[u8]) {
    block_on(session.conn().query_drop(sql)).expect("a statement in another character set");
}

on_each_flavor! {
    fn definitions_keep_the_session_they_had(flavor) {
        let pair = Pair::new(flavor, &[]);
        let mut session = pair.source.session();
        session.exec("CREATE DATABASE d CHARACTER SET utf8mb4; USE d");
        session.exec(r#"SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT'"#);
        session.exec(r#"CREATE TABLE "quoted" ("a b" INT PRIMARY KEY, s VARCHAR(20) DEFAULT 'back\slash\' COMMENT 'c\') COMMENT='\n'"#);
        session.exec(r#"INSERT INTO "quoted" VALUES (1, DEFAULT), (2, 'x\')"#);
        session.exec(r#"CREATE VIEW v AS SELECT 'a' || s AS s FROM "quoted""#);
        session.exec("SET sql_mode = '', time_zone = '+05:30'");
        session.exec("CREATE TABLE times (id INT PRIMARY KEY, at TIMESTAMP NOT NULL DEFAULT '2020-01-01 00:00:00', zero DATE NOT NULL DEFAULT '0000-00-00')");
        session.exec("INSERT INTO times (id) VALUES (1)");
        session.exec("ALTER TABLE times ADD COLUMN later TIMESTAMP NOT NULL DEFAULT '2021-06-01 12:00:00', ADD COLUMN now6 TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)");
        session.exec("SET time_zone = DEFAULT, timestamp = 1500000000.5; ALTER TABLE times ADD COLUMN then6 DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)");
        session.exec("SET timestamp = DEFAULT");
        session.exec("SET NAMES latin1");
        exec_bytes(&mut session, b"CREATE TABLE `gr\xfc\xdfe` (`\xe4` INT PRIMARY KEY, s VARCHAR(20) DEFAULT '\xf6\x80' COMMENT '\xe9') COMMENT='\xfc'");
        exec_bytes(&mut session, b"INSERT INTO `gr\xfc\xdfe` (`\xe4`) VALUES (1)");
        session.exec("SET NAMES gbk");
        exec_bytes(&mut session, b"CREATE TABLE gbk (a INT PRIMARY KEY, s VARCHAR(20) DEFAULT '\xd6\xd0\xc4\\\xce\xc4' COMMENT '\xd6\xd0')");
        exec_bytes(&mut session, b"INSERT INTO gbk (a) VALUES (1)");
        session.exec("SET NAMES utf8mb4 COLLATE utf8mb4_bin; CREATE TABLE copied SELECT 'x' AS a; CREATE TABLE emoji (`名` INT COMMENT '😀')");
        session.exec("SET foreign_key_checks = 0; CREATE TABLE child (p INT, FOREIGN KEY (p) REFERENCES parent (id)); CREATE TABLE parent (id INT PRIMARY KEY)");
        session.exec("ALTER DATABASE d CHARACTER SET latin1; CREATE TABLE inherits (s VARCHAR(5))");
        pair.same(&["d"]);
        pair.same_answer("SELECT HEX(s) FROM d.gbk UNION ALL SELECT HEX(s) FROM d.`grüße`");
    }

    fn databases_come_and_go(flavor) {
        let pair = Pair::new(flavor, &[]);
        pair.source.exec("CREATE DATABASE a; CREATE DATABASE b CHARACTER SET latin1; CREATE TABLE a.t (id INT PRIMARY KEY, s VARCHAR(9)); CREATE TABLE b.t LIKE a.t");
        pair.source.exec("USE a; CREATE TABLE b.other (s VARCHAR(9)); INSERT INTO b.t VALUES (1, 'x'); INSERT INTO t VALUES (2, 'y')");
        pair.source.exec("RENAME TABLE t TO b.moved; CREATE TABLE t (n INT); INSERT INTO t VALUES (7); CREATE OR REPLACE VIEW b.v AS SELECT * FROM a.t");
        pair.source.exec("CREATE DATABASE c; USE c; CREATE TABLE t (n INT); INSERT INTO t VALUES (1); DROP DATABASE c; CREATE TABLE b.after_drop (n INT)");
        pair.source.exec("CREATE DATABASE IF NOT EXISTS a; DROP DATABASE IF EXISTS c; DROP TABLE IF EXISTS a.none, b.other");
        pair.same(&["a", "b"]);
        pair.same_answer("SELECT SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME FROM information_schema.SCHEMATA WHERE LENGTH(SCHEMA_NAME) = 1 ORDER BY 1");
    }

    fn events_do_not_run_on_the_target(flavor) {
        let pair = Pair::new(flavor, &[]);
        for server in [&pair.source, &pair.target] {
            server.exec("SET GLOBAL event_scheduler = ON");
        }
        pair.source.exec("CREATE DATABASE d; USE d; CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT)");
        pair.source.exec("CREATE EVENT e ON SCHEDULE EVERY 1 SECOND DO INSERT INTO d.t VALUES (); CREATE EVENT off ON SCHEDULE EVERY 1 SECOND DISABLE DO INSERT INTO d.t VALUES ()");
        pair.source.exec("ALTER EVENT off ENABLE COMMENT 'enable'; CREATE EVENT gone ON SCHEDULE EVERY 1 DAY DO DO 1; DROP EVENT gone");
        std::thread::sleep(Duration::from_millis(1500));
        pair.source.exec("SET GLOBAL event_scheduler = OFF; ALTER EVENT e ON SCHEDULE EVERY 2 SECOND");
        pair.replay();
        std::thread::sleep(Duration::from_millis(1500));
        pair.same(&["d"]);
        let states = pair.target.query("SELECT EVENT_NAME, STATUS LIKE '%SIDE%DISABLED' FROM information_schema.EVENTS WHERE EVENT_SCHEMA = 'd' ORDER BY 1");
        let state = |name: &str| vec![Some(name.to_owned()), Some("1".to_owned())];
        assert_eq!(states, [state("e"), state("off")]);
        assert!(pair.source.query("SELECT * FROM d.t").len() >= 2);
    }

    fn triggers_routines_and_their_changes_come_once(flavor) {
        let pair = Pair::new(flavor, &[]);
        pair.source.exec("CREATE DATABASE d; USE d; CREATE TABLE t (id INT PRIMARY KEY); CREATE TABLE log (n INT)");
        pair.source.exec("CREATE PROCEDURE p(IN n INT) BEGIN DECLARE x VARCHAR(9) DEFAULT ';'; INSERT INTO log VALUES (n), (n + 1); END");
        pair.source.exec("CREATE FUNCTION f(n INT) RETURNS INT DETERMINISTIC BEGIN RETURN n * 2; END");
        pair.source.exec("CALL d.p(5); INSERT INTO d.t VALUES (f(21))");
        pair.source.exec("CREATE TRIGGER tr BEFORE INSERT ON d.t FOR EACH ROW INSERT INTO d.log VALUES (100 + NEW.id)");
        pair.same(&["d"]);
        pair.same_answer("SELECT ROUTINE_NAME, ROUTINE_DEFINITION FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'd' ORDER BY 1");
        pair.same_answer("SELECT TRIGGER_NAME, ACTION_STATEMENT FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = 'd'");
        // The trigger's own changes are in the log: the target must not make them once more.
        pair.source.exec("INSERT INTO d.t VALUES (1)");
        let mut args = Replicate::start_args(&pair.source, &pair.target);
        args.push("--until-caught-up".to_owned());
        let end = pair.replicate.run(&args);
        assert_eq!(end.code, 1);
        assert!(end.stderr.contains("triggers on the target") && end.stderr.contains("hint: "), "{}", end.stderr);
        assert_eq!(pair.target.query_one("SELECT COUNT(*) FROM d.log"), "2");
        pair.target.exec("DROP TRIGGER d.tr");
        pair.replay();
        compare_tables(&pair.source, &pair.target, &["d"]).assert_same();
    }

    fn foreign_keys_cascade_once(flavor) {
        let pair = Pair::new(flavor, &[]);
        pair.source.exec("CREATE DATABASE d; USE d; CREATE TABLE p (id INT PRIMARY KEY, v INT);
            CREATE TABLE c (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES p (id) ON DELETE CASCADE ON UPDATE CASCADE);
            CREATE TABLE g (id INT PRIMARY KEY, c INT, FOREIGN KEY (c) REFERENCES c (id) ON DELETE CASCADE);
            CREATE TABLE n (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES p (id) ON DELETE SET NULL ON UPDATE CASCADE);
            CREATE TABLE tree (id INT PRIMARY KEY, up INT, FOREIGN KEY (up) REFERENCES tree (id) ON DELETE CASCADE);
            INSERT INTO p VALUES (1, 1), (2, 2), (3, 3), (4, 4); INSERT INTO c VALUES (10, 1), (11, 1), (20, 2), (30, 3);
            INSERT INTO g VALUES (100, 10), (101, 10), (200, 20), (300, 30); INSERT INTO n VALUES (1, 1), (2, 2), (3, 3), (4, NULL);
            INSERT INTO tree VALUES (1, NULL), (2, 1), (3, 2), (4, 3), (5, NULL)");
        pair.same(&["d"]);
        pair.source.exec("UPDATE d.p SET id = 40 WHERE id = 4; UPDATE d.p SET id = id + 100 WHERE id <= 3 ORDER BY id DESC; DELETE FROM d.p WHERE id = 101");
        pair.source.exec("BEGIN; DELETE FROM d.c WHERE id = 20; DELETE FROM d.p WHERE id = 102; INSERT INTO d.p VALUES (102, 0); COMMIT");
        pair.source.exec("DELETE FROM d.tree WHERE id = 2; DELETE FROM d.p; INSERT INTO d.p VALUES (1, 1); INSERT INTO d.c VALUES (1, 1)");
        pair.source.exec("SET foreign_key_checks = 0; INSERT INTO d.c VALUES (2, 999); DELETE FROM d.p; SET foreign_key_checks = 1");
        pair.same(&["d"]);
        assert_eq!(pair.target.query("SELECT * FROM d.c").len(), 2);
    }

    fn tables_are_made_and_filled_in_every_way(flavor) {
        let pair = Pair::new(flavor, &[]);
        pair.source.exec("CREATE DATABASE d; USE d; CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, a INT, g INT AS (a + 1), s INT AS (a * 2) STORED, hidden INT INVISIBLE DEFAULT 5)");
        pair.source.exec("INSERT INTO t (a) VALUES (1), (2), (NULL); INSERT INTO t (id, a, hidden) VALUES (50, 7, 9); UPDATE t SET a = a + 1");
        pair.source.exec("CREATE TABLE filled SELECT id, a, g FROM t; CREATE TABLE wide SELECT REPEAT('x', 900000) AS v UNION ALL SELECT REPEAT('y', 900000) UNION ALL SELECT 'z'; CREATE TABLE keyed (id INT PRIMARY KEY, more VARCHAR(9) DEFAULT 'm') SELECT id FROM t; CREATE TABLE liked LIKE t; INSERT INTO liked (a) SELECT a FROM t");
        pair.source.exec("CREATE TEMPORARY TABLE tmp (n INT); INSERT INTO tmp VALUES (1), (2); INSERT INTO liked (a) SELECT n FROM tmp; CREATE TABLE from_tmp SELECT * FROM tmp; DROP TEMPORARY TABLE tmp");
        pair.source.exec("CREATE TEMPORARY TABLE both_kinds (n INT); DROP TABLE both_kinds, keyed; CREATE TABLE emptied (id INT PRIMARY KEY AUTO_INCREMENT); INSERT INTO emptied VALUES (), (); TRUNCATE emptied; INSERT INTO emptied VALUES ()");
        pair.source.exec("CREATE TABLE next (id INT PRIMARY KEY AUTO_INCREMENT) AUTO_INCREMENT = 1000; INSERT INTO next VALUES (), (); DELETE FROM next WHERE id = 1001; ALTER TABLE filled ADD KEY (a), ENGINE = InnoDB; OPTIMIZE TABLE filled; ANALYZE TABLE t");
        if flavor == Flavor::MySql {
            pair.source.exec("SET sql_generate_invisible_primary_key = ON; CREATE TABLE gipk (a INT); INSERT INTO gipk VALUES (1), (1), (2); UPDATE gipk SET a = 3 WHERE a = 1 LIMIT 1; DELETE FROM gipk WHERE a = 2; CREATE TABLE gipk_filled SELECT a FROM gipk; SET sql_generate_invisible_primary_key = OFF");
        } else {
            pair.source.exec("CREATE SEQUENCE seq; CREATE OR REPLACE TABLE next2 (id INT); CREATE OR REPLACE TABLE next2 (id INT DEFAULT 3); INSERT INTO next2 VALUES ()");
        }
        pair.same(&["d"]);
        let next = "SELECT TABLE_NAME, AUTO_INCREMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'd' AND TABLE_NAME IN ('t', 'emptied', 'next') ORDER BY 1";
        if flavor == Flavor::MySql {
            for server in [&pair.source, &pair.target] {
                server.exec("SET information_schema_stats_expiry = 0");
            }
        }
        pair.same_answer(next);
    }

    fn accounts_keep_their_passwords_and_grants(flavor) {
        let pair = Pair::new(flavor, &[]);
        pair.source.exec("CREATE DATABASE d; CREATE TABLE d.t (id INT); CREATE USER u@'%' IDENTIFIED BY 'it''s \\\\ a sécret'; GRANT SELECT, INSERT (id) ON d.t TO u@'%'");
        pair.source.exec("CREATE ROLE r; GRANT UPDATE ON d.* TO r; GRANT r TO u@'%'; CREATE USER gone@localhost; DROP USER gone@localhost; ALTER USER u@'%' WITH MAX_USER_CONNECTIONS 7");
        pair.source.exec("CREATE USER w@'%' IDENTIFIED BY 'old'");
        let password = if flavor == Flavor::MySql { "'neu'" } else { "PASSWORD('neu')" };
        pair.source.exec(&format!("SET PASSWORD FOR w@'%' = {password}"));
        pair.replay();
        pair.same_answer("SHOW GRANTS FOR u@'%'");
        for (user, password) in [("u", "it's \\ a sécret"), ("w", "neu")] {
            let opts = pair.target.opts().user(Some(user)).pass(Some(password));
            Session::connect(opts).expect("the replayed account's password");
        }
        assert!(pair.target.query("SELECT 1 FROM mysql.user WHERE User = 'gone'").is_empty());
    }

    fn mixed_format_replays_statements_and_rows(flavor) {
        let pair = Pair::new(flavor, &without_gtids(flavor, &["--binlog-format=MIXED"]));
        let mut session = pair.source.session();
        session.exec("CREATE DATABASE d; USE d; CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, a VARCHAR(99), at DATETIME(6)); CREATE TABLE m (id INT PRIMARY KEY AUTO_INCREMENT, a INT) ENGINE=MyISAM");
        session.exec("INSERT INTO t (a, at) VALUES (UUID(), NOW(6)), ('plain', NOW(6)); INSERT INTO t (a) VALUES (RAND()); SET @v = 'v'; INSERT INTO t (a) VALUES (@v)");
        session.exec("BEGIN; INSERT INTO t (a) VALUES (LAST_INSERT_ID()); SAVEPOINT s; INSERT INTO t (a) VALUES ('undone'); ROLLBACK TO s; UPDATE t SET a = CONCAT(a, USER()) WHERE id = 1; INSERT INTO t (a) VALUES ('kept'); COMMIT");
        session.exec("INSERT INTO m (a) VALUES (1), (2); BEGIN; INSERT INTO t (a) VALUES ('both'); INSERT INTO m (a) VALUES (3); COMMIT; UPDATE m SET a = a + 1; DELETE FROM m WHERE a = 2");
        session.exec("BEGIN; INSERT INTO t (a) VALUES ('rolled back'); INSERT INTO m (a) VALUES (9); ROLLBACK");
        session.exec("CREATE TEMPORARY TABLE tmp (n INT); INSERT INTO tmp VALUES (1), (2); INSERT INTO t (a) SELECT n FROM tmp; DROP TEMPORARY TABLE tmp");
        session.exec("INSERT INTO t (id, a) VALUES (1, 'x') ON DUPLICATE KEY UPDATE a = 'dup'; REPLACE INTO t (id, a) VALUES (2, 'replaced'); DELETE FROM t WHERE a = 'kept' LIMIT 1");
        pair.same(&["d"]);
    }

    fn tables_without_transactions_are_replayed(flavor) {
        let pair = Pair::new(flavor, &without_gtids(flavor, &[]));
        pair.source.exec("CREATE DATABASE d; USE d; CREATE TABLE m (id INT PRIMARY KEY, a INT) ENGINE=MyISAM; CREATE TABLE t (id INT PRIMARY KEY)");
        pair.source.exec("INSERT INTO m VALUES (1, 1), (2, 2); BEGIN; INSERT INTO t VALUES (1); INSERT INTO m VALUES (3, 3); UPDATE m SET a = 4 WHERE id = 1; COMMIT");
        pair.source.exec("BEGIN; INSERT INTO t VALUES (2); INSERT INTO m VALUES (5, 5); ROLLBACK; DELETE FROM m WHERE id = 2");
        pair.source.exec("BEGIN; SAVEPOINT a; INSERT INTO t VALUES (10); SAVEPOINT b; INSERT INTO t VALUES (11); INSERT INTO m VALUES (11, 11); ROLLBACK TO b; INSERT INTO t VALUES (12); RELEASE SAVEPOINT a; COMMIT");
        pair.same(&["d"]);
    }
}
