//! The harness's own tests: that its servers, faults and comparisons do what the other tests rely on.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::harness::{Flavor, Lane, Mode, REPLICATION, Server, Session, compare_tables, eventually, lane};

const SOON: Duration = Duration::from_secs(20);

/// A plain TCP connection the way `replicate` connects; a server greets first.
fn greeted(server: &Server) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(server.addr())?;
    stream.set_read_timeout(Some(Duration::from_secs(3)))?;
    stream.read_exact(&mut [0; 16])?;
    Ok(stream)
}

on_each_flavor! {
    fn lane_a_killed_server_answers_again_after_start(flavor) {
        let server = Server::start(flavor, &[]);
        server.exec("CREATE DATABASE d; CREATE TABLE d.t (a INT); INSERT INTO d.t VALUES (7)");
        let address = server.addr();
        server.kill();
        server.start_again();
        assert_eq!(server.query_one("SELECT a FROM d.t"), "7");
        server.stop();
        server.start_again();
        assert_eq!(server.query_one("SELECT a FROM d.t"), "7");
        assert_eq!(server.addr(), address);
        assert!(server.logs().contains("ready for connections"));
    }

    fn lane_a_paused_server_answers_after_resume(flavor) {
        let server = Server::start(flavor, &[]);
        server.pause();
        let started = Instant::now();
        std::thread::scope(|scope| {
            let answer = scope.spawn(|| server.query_one("SELECT 1"));
            std::thread::sleep(Duration::from_millis(1500));
            assert!(!answer.is_finished());
            server.resume();
            assert_eq!(answer.join().unwrap(), "1");
        });
        assert!(started.elapsed() >= Duration::from_millis(1500));
    }

    fn lane_sql_of_the_test_goes_on_while_the_network_is_cut(flavor) {
        let server = Server::start(flavor, &[]);
        server.cut_network();
        assert_eq!(server.query_one("SELECT 1"), "1");
        if lane() == Lane::Local {
            assert!(greeted(&server).is_err());
        }
        server.restore_network();
        if lane() == Lane::Local {
            greeted(&server).unwrap();
        }
    }

    fn a_server_has_a_row_log_and_accounts_outside_of_it(flavor) {
        let server = Server::start(flavor, &["--server-id=77"]);
        assert_eq!(server.query_one("SELECT @@server_id"), "77");
        assert_eq!(server.query_one("SELECT @@binlog_format"), "ROW");
        let (file, position) = server.log_position();
        assert_eq!(file, "mysql-bin.000001");
        assert!(position < 400, "accounts are in the log: {position}");
        let mut session = Session::connect(
            server.opts().user(Some(REPLICATION.user)).pass(Some(REPLICATION.password)),
        ).unwrap();
        session.exec("SHOW BINARY LOGS");
        assert!(session.try_exec("CREATE DATABASE not_mine").is_err());
    }

    fn lane_tables_compare_by_every_byte(flavor) {
        let (source, target) = (Server::start(flavor, &[]), Server::start(flavor, &["--server-id=2"]));
        let setup = "CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY AUTO_INCREMENT, f FLOAT, g DOUBLE, \
            n DECIMAL(30,10), s VARCHAR(20) CHARACTER SET latin1, b BLOB, e ENUM('a','b'), st SET('x','y'), \
            bt BIT(64), ts TIMESTAMP(6) NULL, d DATE, y YEAR, j JSON, p POINT, u BIGINT UNSIGNED); \
            CREATE TABLE d.nokey (a INT, b TEXT); CREATE VIEW d.v AS SELECT 1 AS one; \
            SET SESSION sql_mode = ''; \
            INSERT INTO d.t VALUES (1, 0.1, 0.1, -1.5, 'ä', x'00ff', 'b', 'x,y', b'1', '2024-01-01 00:00:00.000001', \
            '0000-00-00', 2024, '{\"a\": 1}', POINT(1, 2), 18446744073709551615), \
            (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL); \
            INSERT INTO d.nokey VALUES (1, 'x'), (1, 'x'), (NULL, NULL)";
        source.exec(setup);
        target.exec(setup);
        let same = compare_tables(&source, &target, &["d"]);
        same.assert_same();
        assert_eq!((same.tables, same.rows), (3, 5));
        for change in [
            "UPDATE d.t SET f = 0.10000001 + 1e-7 WHERE id = 1",
            "UPDATE d.t SET n = -1.5000000001 WHERE id = 1",
            "UPDATE d.t SET b = x'00fe' WHERE id = 1",
            "UPDATE d.t SET bt = b'11' WHERE id = 1",
            "UPDATE d.t SET p = POINT(1, 3) WHERE id = 1",
            "UPDATE d.t SET ts = '2024-01-01 00:00:00.000002' WHERE id = 1",
            "UPDATE d.t SET s = '' WHERE id = 2",
            "UPDATE d.nokey SET a = 2 WHERE a = 1 LIMIT 1",
            "DELETE FROM d.nokey WHERE a = 1 LIMIT 1",
            "ALTER TABLE d.nokey MODIFY b TEXT NOT NULL DEFAULT ('')",
            "CREATE TABLE d.more (a INT)",
            "DROP VIEW d.v",
        ] {
            target.exec(change);
            let found = compare_tables(&source, &target, &["d"]);
            assert!(!found.is_same(), "not seen: {change}");
            target.exec("DROP DATABASE d");
            target.exec(setup);
        }
    }
}

#[test]
fn a_half_open_line_is_silent_and_heals() {
    let server = Server::start(Flavor::MySql, &[]);
    let mut stream = greeted(&server).unwrap();
    server.network().set_mode(Mode::HalfOpen);
    stream.set_read_timeout(Some(Duration::from_millis(400))).unwrap();
    while stream.read(&mut [0; 256]).is_ok_and(|read| read > 0) {}
    stream.write_all(&[1, 0, 0, 1, 0]).unwrap();
    assert!(stream.read(&mut [0; 16]).is_err(), "a byte came through");
    server.restore_network();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    assert!(stream.read(&mut [0; 16]).is_ok());
}

#[test]
fn a_cut_resets_open_connections_and_keeps_the_address() {
    let server = Server::start(Flavor::MySql, &[]);
    let mut stream = greeted(&server).unwrap();
    let mut rest = Vec::new();
    server.cut_network();
    assert_eq!(stream.read_to_end(&mut rest).unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(greeted(&server).unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    server.restore_network();
    greeted(&server).unwrap();
    assert_eq!(server.network().connections(), 2);
}

#[test]
fn faults_strike_once_at_their_byte() {
    let server = Server::start(Flavor::MySql, &[]);
    let mut greeting = [0; 16];
    TcpStream::connect(server.addr()).unwrap().read_exact(&mut greeting).unwrap();
    server.network().corrupt_after(5);
    let mut corrupt = [0; 16];
    TcpStream::connect(server.addr()).unwrap().read_exact(&mut corrupt).unwrap();
    assert_eq!(corrupt[5], greeting[5] ^ 0x10);
    assert_eq!(corrupt[..5], greeting[..5]);
    eventually(SOON, || greeted(&server).is_ok());
    std::thread::sleep(Duration::from_millis(100));
    server.network().reset_after(10);
    let mut stream = TcpStream::connect(server.addr()).unwrap();
    let mut got = Vec::new();
    assert!(stream.read_to_end(&mut got).is_err());
    assert_eq!(got.len(), 10);
    greeted(&server).unwrap();
}

#[test]
fn delay_and_throttle_slow_the_line_down() {
    let server = Server::start(Flavor::MySql, &[]);
    server.network().set_mode(Mode::Delay(Duration::from_millis(300)));
    let started = Instant::now();
    greeted(&server).unwrap();
    assert!(started.elapsed() >= Duration::from_millis(300));
    server.network().set_mode(Mode::Throttle(40));
    let started = Instant::now();
    greeted(&server).unwrap();
    assert!(started.elapsed() >= Duration::from_millis(300));
}
