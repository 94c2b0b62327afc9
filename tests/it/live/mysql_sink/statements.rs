//! Statements of the source in their sessions.

use super::rig::Rig;
use crate::live::harness::{Server, compare_tables};

on_each_flavor! {
    fn statement_format_changes_run_in_the_session_they_had(flavor) {
        let options = ["--binlog-format=STATEMENT"];
        let rig = Rig::new(Server::start(flavor, &options), Server::start(flavor, &["--server-id=2"]));
        let mut session = rig.source.session();
        session.exec("CREATE DATABASE d CHARACTER SET latin1; USE d; CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, a VARCHAR(200) CHARACTER SET utf8mb4, n DECIMAL(20,5), at TIMESTAMP(6) NULL, z DATETIME)");
        session.exec("SET NAMES latin1");
        session.exec("INSERT INTO t (a) VALUES (CONCAT(CHARSET('x'), '/', COLLATION('x')))");
        session.exec("SET NAMES utf8mb4; SET time_zone = '+05:00'; SET timestamp = 1600000000.25");
        session.exec("INSERT INTO t (a, at, z) VALUES ('ä😀', NOW(6), NOW())");
        session.exec("SET timestamp = DEFAULT; SET sql_mode = 'PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES,ANSI_QUOTES'");
        session.exec("INSERT INTO \"t\" (a) VALUES ('a\\' || 'b')");
        session.exec("SET sql_mode = ''; SET @v = 'ü', @d = 12.345, @i = -7, @n = NULL, @f = 1.5e0, @u = 18446744073709551615");
        session.exec("INSERT INTO t (a, n) VALUES (@v, @d), (@u, @i), (@n, @f)");
        session.exec("INSERT INTO t (a) VALUES (RAND()), (RAND())");
        session.exec("INSERT INTO t (a) VALUES (LAST_INSERT_ID())");
        session.exec("SET auto_increment_increment = 10, auto_increment_offset = 3; INSERT INTO t (a) VALUES ('stepped'), ('too')");
        session.exec("SET auto_increment_increment = 1, auto_increment_offset = 1; SET insert_id = 500; INSERT INTO t (a) VALUES ('500')");
        session.exec("BEGIN; INSERT INTO t (a) VALUES ('kept'); SAVEPOINT `s``p`; INSERT INTO t (a) VALUES ('undone'); ROLLBACK TO `s``p`; INSERT INTO t (a) VALUES ('kept too'); COMMIT");
        session.exec("SET lc_time_names = 'de_DE'; INSERT INTO t (a) VALUES (DATE_FORMAT('2024-03-01', '%M'))");
        session.exec("UPDATE t SET a = CONCAT(a, '!') WHERE id < 5; DELETE FROM t WHERE id = 5");
        rig.replay_all();
        compare_tables(&rig.source, &rig.target, &["d"]).assert_same();
    }

    fn definitions_of_all_kinds_are_replayed(flavor) {
        let rig = Rig::new(Server::start(flavor, &[]), Server::start(flavor, &["--server-id=2"]));
        rig.target.exec("GRANT ALL ON *.* TO sink@'%' WITH GRANT OPTION");
        rig.source.exec("CREATE DATABASE `a-b` CHARACTER SET utf8mb4; CREATE DATABASE gone; USE `a-b`; CREATE TABLE t (id INT PRIMARY KEY) CHARACTER SET latin1;
            ALTER TABLE t ADD name VARCHAR(20) NOT NULL DEFAULT 'x', ADD KEY (name); CREATE VIEW v AS SELECT * FROM t; INSERT INTO t (id) VALUES (1), (2);
            RENAME TABLE t TO u, v TO w; DROP VIEW w; CREATE TABLE gone.x (a INT); DROP DATABASE gone; TRUNCATE u; INSERT INTO u (id) VALUES (3);
            CREATE USER IF NOT EXISTS someone@localhost; GRANT SELECT ON `a-b`.* TO someone@localhost;
            CREATE TABLE part (a INT) PARTITION BY RANGE (a) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE);
            INSERT INTO part VALUES (1), (20); ALTER TABLE part DROP PARTITION p0; ALTER DATABASE CHARACTER SET latin1; CREATE TABLE inherits (a VARCHAR(5))");
        rig.source.exec("CREATE PROCEDURE `a-b`.p() BEGIN SELECT 1; SELECT ';'; END");
        rig.replay_all();
        compare_tables(&rig.source, &rig.target, &["a-b"]).assert_same();
        assert_eq!(rig.target.query_one("SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'gone'"), "0");
        assert_eq!(rig.target.query_one("SELECT COUNT(*) FROM information_schema.ROUTINES WHERE ROUTINE_NAME = 'p'"), "1");
        assert_eq!(rig.target.query_one("SELECT DEFAULT_CHARACTER_SET_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'a-b'"), "latin1");
    }
}
