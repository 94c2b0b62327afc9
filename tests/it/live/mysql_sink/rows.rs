//! Row changes: every type to the byte, every kind of image, and rows that are not as they must be.

use super::rig::Rig;
use crate::live::harness::{Flavor, Server, compare_tables};

fn rig(flavor: Flavor) -> Rig {
    Rig::new(Server::start(flavor, &[]), Server::start(flavor, &["--server-id=2"]))
}

/// One column of each type that both families have.
const COMMON_TYPES: &str = "
    SET NAMES utf8mb4; SET time_zone = '+02:00'; SET sql_mode = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO';
    CREATE DATABASE types;
    CREATE TABLE types.numbers (id INT PRIMARY KEY, a TINYINT, b SMALLINT UNSIGNED, c MEDIUMINT, d INT UNSIGNED,
        e BIGINT UNSIGNED, f FLOAT, g DOUBLE, h DECIMAL(65,30), i DECIMAL(10,0), j BIT(1), k BIT(64), l YEAR, m FLOAT(7,3), n BOOL);
    INSERT INTO types.numbers VALUES
        (0, -128, 65535, -8388608, 4294967295, 18446744073709551615, 0.1, 0.1, 12345678901234567890123456789012345.123456789012345678901234567890, -9999999999, b'1', b'1111111111111111111111111111111111111111111111111111111111111111', 2155, 1234.567, true),
        (-1, 127, 0, 8388607, 0, 0, 3.4028234e38, 1.7976931348623157e308, -0.000000000000000000000000000001, 0, b'0', 0, 0, -0.001, false),
        (2, 0, 1, 0, 1, 9223372036854775808, -1.17549435e-38, 5e-324, 0, 1, NULL, 1, 1901, 0, NULL),
        (3, NULL, NULL, NULL, NULL, NULL, -0e0, -0e0, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
        (4, 1, 1, 1, 1, 1, 16777216, 9007199254740993, 1, 1, 1, 1, 2000, 1, 1);
    UPDATE types.numbers SET f = f * 2, g = g / 3, e = 18446744073709551614 WHERE id = 0;
    DELETE FROM types.numbers WHERE id = 4;
    CREATE TABLE types.times (id INT PRIMARY KEY, a DATE, b TIME, c TIME(6), d DATETIME, e DATETIME(3), f TIMESTAMP NULL, g TIMESTAMP(6) NULL, h DATETIME(1));
    INSERT INTO types.times VALUES
        (1, '2024-02-29', '-838:59:59', '-00:00:00.000001', '1000-01-01 00:00:00', '9999-12-31 23:59:59.999', '2038-01-19 05:14:07', '1970-01-01 02:00:01.5', '2024-01-01 00:00:00.9'),
        (2, '0000-00-00', '838:59:59', '12:34:56.789', '0000-00-00 00:00:00', '2020-00-00 00:00:00', '0000-00-00 00:00:00', '0000-00-00 00:00:00', NULL),
        (3, '2023-02-31', NULL, '-838:59:59.000000', '2023-02-31 10:00:00', NULL, NULL, NULL, NULL);
    UPDATE types.times SET g = '2020-06-01 00:00:00.123456' WHERE id = 2;
    CREATE TABLE types.texts (id INT PRIMARY KEY, a CHAR(10) CHARACTER SET latin1, b VARCHAR(50) CHARACTER SET utf8mb4, c TEXT CHARACTER SET ucs2,
        d VARCHAR(20) CHARACTER SET sjis, e LONGTEXT CHARACTER SET utf8mb4, f VARCHAR(20) CHARACTER SET gbk, g CHAR(5) CHARACTER SET utf32,
        h BINARY(8), i VARBINARY(20), j BLOB, k LONGBLOB, l ENUM('a','ö','c\\'d') CHARACTER SET utf8mb4, m SET('x','y','z'), n VARCHAR(20) CHARACTER SET koi8r);
    INSERT INTO types.texts VALUES
        (1, 'äöü', 'naïve 😀 \\' \\\\ \\0 \\n \\r \\Z \" `', 'ünï', 'ソ表', REPEAT('long 😀', 5000), '縗', 'a😀', x'0102', x'00ff00', x'275c00', REPEAT(x'00ff', 40000), 'ö', 'x,z', 'привет'),
        (2, '', '', '', '', '', '', '', '', '', '', '', 'c\\'d', '', ''),
        (3, 'trail  ', 'trail  ', NULL, NULL, NULL, NULL, NULL, x'00', NULL, NULL, NULL, NULL, 'x,y,z', NULL);
    SET sql_mode = '';
    INSERT INTO types.texts (id, l) VALUES (4, 'not a label');
    UPDATE types.texts SET l = 'no label either', b = 'changed' WHERE id = 1;
    CREATE TABLE types.`tä``ble` (`ö` VARCHAR(20) CHARACTER SET utf8mb4 PRIMARY KEY, `select` INT, g GEOMETRY, p POINT);
    INSERT INTO types.`tä``ble` VALUES ('ä', 1, ST_GeomFromText('POINT(1 2)'), ST_GeomFromText('POINT(1 2)')), ('O', 2, NULL, NULL),
        ('b', 3, ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,1 1))', 0), NULL);
    UPDATE types.`tä``ble` SET `ö` = 'z' WHERE `ö` = 'ä';
    DELETE FROM types.`tä``ble` WHERE `ö` = 'o';
";

on_each_flavor! {
    fn every_common_type_arrives_to_the_byte(flavor) {
        let rig = rig(flavor);
        rig.source.exec(COMMON_TYPES);
        rig.replay_all();
        compare_tables(&rig.source, &rig.target, &["types"]).assert_same();
    }

    fn rows_without_a_key_are_found_by_their_exact_bytes(flavor) {
        let rig = rig(flavor);
        rig.source.exec(COMMON_TYPES);
        rig.source.exec("
            SET sql_mode = 'ALLOW_INVALID_DATES';
            CREATE DATABASE nokey;
            CREATE TABLE nokey.words (a VARCHAR(20) CHARACTER SET utf8mb4, b CHAR(9) CHARACTER SET latin1, n INT);
            INSERT INTO nokey.words VALUES ('a','x',NULL), ('A','X',NULL), ('á','x',NULL), ('a ','x',NULL), ('a','x',NULL);
            UPDATE nokey.words SET n = 1 WHERE BINARY a = 'A';
            UPDATE nokey.words SET n = 2 WHERE BINARY a = 'a ';
            DELETE FROM nokey.words WHERE BINARY a = 'a' LIMIT 1;");
        for table in ["numbers", "times", "texts"] {
            rig.source.exec(&format!("
                SET sql_mode = 'ALLOW_INVALID_DATES';
                CREATE TABLE nokey.{table} LIKE types.{table}; ALTER TABLE nokey.{table} DROP PRIMARY KEY, ADD marker INT;
                INSERT INTO nokey.{table} SELECT *, NULL FROM types.{table}; INSERT INTO nokey.{table} SELECT *, 7 FROM types.{table};
                UPDATE nokey.{table} SET marker = id WHERE marker IS NULL ORDER BY id; DELETE FROM nokey.{table} WHERE id = 1;"));
        }
        rig.replay_all();
        compare_tables(&rig.source, &rig.target, &["types", "nokey"]).assert_same();
    }

    fn minimal_images_change_only_what_they_name(flavor) {
        let rig = rig(flavor);
        rig.source.exec("
            SET SESSION binlog_row_image = 'MINIMAL';
            CREATE DATABASE d;
            CREATE TABLE d.t (id INT PRIMARY KEY AUTO_INCREMENT, a INT NOT NULL DEFAULT 5, b VARCHAR(9) NOT NULL, c TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
            CREATE TABLE d.u (a INT NOT NULL, b INT, UNIQUE KEY (a));
            CREATE TABLE d.e (a INT DEFAULT 3);
            SET sql_mode = '';
            INSERT INTO d.t (c) VALUES ('2001-01-01 00:00:00'), ('2001-01-01 00:00:00'), ('2001-01-01 00:00:00');
            INSERT INTO d.t (id, b, c) VALUES (9, 'x', '2001-01-01 00:00:00');
            UPDATE d.t SET a = 6, c = c WHERE id = 1;
            UPDATE d.t SET id = 20, c = c WHERE id = 2;
            INSERT INTO d.u VALUES (1, 1), (2, NULL), (3, 3); UPDATE d.u SET b = 4 WHERE a = 2; DELETE FROM d.u WHERE a = 1;
            INSERT INTO d.e VALUES (); DELETE FROM d.e LIMIT 1;");
        rig.replay_all();
        compare_tables(&rig.source, &rig.target, &["d"]).assert_same();
    }

    fn generated_columns_are_left_to_the_target(flavor) {
        let rig = rig(flavor);
        rig.source.exec("
            CREATE DATABASE d;
            CREATE TABLE d.t (id INT PRIMARY KEY, a INT, v INT AS (a + 1) VIRTUAL, s INT AS (a * 2) STORED, UNIQUE KEY (s));
            CREATE TABLE d.n (a INT, s INT AS (a * 2) STORED);
            INSERT INTO d.t (id, a) VALUES (1, 1), (2, 2), (3, NULL); UPDATE d.t SET a = 9 WHERE id = 1; DELETE FROM d.t WHERE id = 2;
            INSERT INTO d.n (a) VALUES (1), (2); UPDATE d.n SET a = 5 WHERE a = 1; DELETE FROM d.n WHERE a = 2;");
        rig.replay_all();
        compare_tables(&rig.source, &rig.target, &["d"]).assert_same();
    }

    fn foreign_keys_cascade_once(flavor) {
        let rig = rig(flavor);
        rig.source.exec("
            CREATE DATABASE d;
            CREATE TABLE d.p (id INT PRIMARY KEY);
            CREATE TABLE d.c (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES d.p (id) ON DELETE CASCADE ON UPDATE CASCADE);
            CREATE TABLE d.tree (id INT PRIMARY KEY, parent INT, FOREIGN KEY (parent) REFERENCES d.tree (id) ON DELETE CASCADE);
            INSERT INTO d.p VALUES (1), (2), (3); INSERT INTO d.c VALUES (1, 1), (2, 1), (3, 2), (4, NULL);
            INSERT INTO d.tree VALUES (1, NULL), (2, 1), (3, 2), (4, NULL);
            DELETE FROM d.p WHERE id = 1; UPDATE d.p SET id = 20 WHERE id = 2;
            DELETE FROM d.tree WHERE id IN (1, 4);
            INSERT INTO d.tree VALUES (5, NULL), (6, 5);
            BEGIN; DELETE FROM d.tree WHERE id = 6; DELETE FROM d.tree WHERE id = 5; COMMIT;
            SET foreign_key_checks = 0; INSERT INTO d.c VALUES (9, 99); SET foreign_key_checks = 1; INSERT INTO d.c VALUES (10, 3);");
        rig.replay_all();
        compare_tables(&rig.source, &rig.target, &["d"]).assert_same();
    }

    fn a_missing_row_stops_with_its_table_and_key_and_no_value(flavor) {
        let rig = rig(flavor);
        rig.source.exec("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, a INT); INSERT INTO d.t VALUES (1, 1), (77123, 2)");
        rig.replay_all();
        rig.target.exec("DELETE FROM d.t WHERE id = 77123");
        rig.source.exec("INSERT INTO d.t VALUES (5, 5); BEGIN; INSERT INTO d.t VALUES (6, 6); UPDATE d.t SET a = 3 WHERE id = 77123; COMMIT");
        let (code, text) = rig.replay_fails();
        assert_eq!(code, 1032);
        assert!(text.contains("d.t") && text.contains("(id)") && text.contains("mysql-bin.000001:"), "{text}");
        assert!(!text.contains("77123"), "{text}");
        // What was complete before is there, and nothing of the refused transaction.
        assert_eq!(rig.target.query_one("SELECT GROUP_CONCAT(id ORDER BY id) FROM d.t"), "1,5");
        rig.target.exec("INSERT INTO d.t VALUES (77123, 2)");
        rig.replay_all();
        compare_tables(&rig.source, &rig.target, &["d"]).assert_same();
        rig.target.exec("DELETE FROM d.t WHERE id = 77123");
        rig.source.exec("DELETE FROM d.t");
        assert_eq!(rig.replay_fails().0, 1032);
    }

    fn a_duplicate_row_stops_with_its_key(flavor) {
        let rig = rig(flavor);
        rig.source.exec("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, a INT UNIQUE)");
        rig.replay_all();
        rig.target.exec("INSERT INTO d.t VALUES (77123, 1)");
        rig.source.exec("INSERT INTO d.t VALUES (1, 2), (77123, 3)");
        let (code, text) = rig.replay_fails();
        assert_eq!(code, 1062);
        assert!(text.contains("d.t") && text.contains("PRIMARY") && !text.contains("77123"), "{text}");
        assert_eq!(rig.target.query_one("SELECT COUNT(*) FROM d.t"), "1");
    }

    fn a_value_that_does_not_fit_the_target_stops(flavor) {
        let rig = rig(flavor);
        rig.source.exec("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, a DECIMAL(10,4))");
        rig.replay_all();
        rig.target.exec("ALTER TABLE d.t MODIFY a DECIMAL(10,2)");
        rig.source.exec("INSERT INTO d.t VALUES (1, 1.2345)");
        let (_, text) = rig.replay_fails();
        assert!(text.contains("d.t"), "{text}");
        assert_eq!(rig.target.query_one("SELECT COUNT(*) FROM d.t"), "0");
    }

    fn a_row_larger_than_the_targets_packet_stops_with_a_hint(flavor) {
        let rig = Rig::new(Server::start(flavor, &[]), Server::start(flavor, &["--server-id=2", "--max-allowed-packet=1M"]));
        rig.source.exec("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, a LONGBLOB); INSERT INTO d.t VALUES (1, REPEAT('x', 600000)), (2, REPEAT('x', 600000))");
        rig.replay_all();
        rig.source.exec("INSERT INTO d.t VALUES (3, REPEAT('x', 2000000))");
        let (_, text) = rig.replay_fails();
        assert!(text.contains("max_allowed_packet"), "{text}");
        assert_eq!(rig.target.query_one("SELECT COUNT(*) FROM d.t"), "2");
    }

    fn triggers_on_the_target_are_not_fired_twice(flavor) {
        let rig = rig(flavor);
        rig.source.exec("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY); CREATE TABLE d.log (id INT AUTO_INCREMENT PRIMARY KEY, t INT)");
        rig.source.exec("CREATE TRIGGER d.tr AFTER INSERT ON d.t FOR EACH ROW INSERT INTO d.log (t) VALUES (NEW.id)");
        rig.source.exec("INSERT INTO d.t VALUES (1)");
        let (_, text) = rig.replay_fails();
        assert!(text.contains("trigger"), "{text}");
        rig.target.exec("DROP TRIGGER d.tr");
        rig.replay_all();
        assert_eq!(rig.target.query_one("SELECT COUNT(*) FROM d.log"), "1");
    }

    fn a_large_transaction_comes_in_pieces_and_commits_once(flavor) {
        let rig = rig(flavor);
        rig.source.exec("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY AUTO_INCREMENT, a VARCHAR(200)); INSERT INTO d.t (a) VALUES (REPEAT('x', 150))");
        rig.source.exec(&"INSERT INTO d.t (a) SELECT a FROM d.t;".repeat(15));
        rig.source.exec("BEGIN; UPDATE d.t SET a = REPEAT('y', 150); DELETE FROM d.t WHERE id % 3 = 0; INSERT INTO d.t (a) VALUES ('last'); COMMIT");
        rig.replay_all();
        compare_tables(&rig.source, &rig.target, &["d"]).assert_same();
    }
}

#[test]
fn mysql_json_arrives_with_every_type_of_value() {
    let rig = rig(Flavor::MySql);
    rig.source.exec(
        r#"CREATE DATABASE d; SET NAMES utf8mb4;
        CREATE TABLE d.j (id INT PRIMARY KEY, j JSON);
        CREATE TABLE d.c (b VARBINARY(9), l BLOB, t BIT(9), f BINARY(3));
        INSERT INTO d.c VALUES (x'00ff', x'00ff27', b'100000001', 'ab');
        INSERT INTO d.j VALUES
            (1, '{"b": [1, -1, 1.0, 1e20, -0.0, 18446744073709551615, 9223372036854775808, "ä😀\\"\\\\\\u0000", true, false, null, {}, []], "aa": {"deep": [[[1]]]}}'),
            (2, JSON_OBJECT('d', CAST(1.50 AS DECIMAL(10,2)), 'neg', CAST(-0.001 AS DECIMAL(65,30)), 'u', CAST(5 AS UNSIGNED), 'dt', CAST('2020-01-02' AS DATE),
                'ts', CAST('2020-01-02 03:04:05.123456' AS DATETIME(6)), 't', CAST('-12:34:56.5' AS TIME(6)), 'y', CAST(2020 AS YEAR), 's', 'text', 'n', NULL)),
            (3, JSON_ARRAY((SELECT b FROM d.c), (SELECT l FROM d.c), (SELECT t FROM d.c), 'x')),
            (4, 'null'), (5, NULL), (6, CAST(CAST(2.5 AS DECIMAL(5,1)) AS JSON)), (7, CAST(TIMESTAMP'2021-01-01 00:00:00' AS JSON)), (8, '"text"'), (9, 'true'),
            (10, JSON_ARRAY(CAST(7 AS UNSIGNED), CAST(70000 AS UNSIGNED), CAST(5000000000 AS UNSIGNED), 70000, 5000000000, -5000000000, 3.14159265358979)),
            (11, JSON_ARRAY((SELECT f FROM d.c), JSON_OBJECT('k', (SELECT l FROM d.c)))),
            (12, CONCAT('[', REPEAT('"some longer text to make the document large", ', 3000), '1]'));
        UPDATE d.j SET j = JSON_SET(j, '$.d', CAST(9.99 AS DECIMAL(10,2))) WHERE id = 2;
        CREATE TABLE d.nokey (id INT, j JSON); INSERT INTO d.nokey SELECT * FROM d.j; UPDATE d.nokey SET id = id + 100; DELETE FROM d.nokey WHERE id = 103;"#,
    );
    rig.replay_all();
    compare_tables(&rig.source, &rig.target, &["d"]).assert_same();
    let types = "SELECT id, n, JSON_TYPE(JSON_EXTRACT(j, CONCAT('$[', n, ']'))), JSON_LENGTH(j) FROM d.j, \
        (SELECT 0 n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6) x \
        UNION ALL SELECT id, k, JSON_TYPE(JSON_EXTRACT(j, CONCAT('$.', k))), 0 FROM d.j, \
        (SELECT 'd' k UNION SELECT 'neg' UNION SELECT 'u' UNION SELECT 'dt' UNION SELECT 'ts' UNION SELECT 't' UNION SELECT 'y' UNION SELECT 's' UNION SELECT 'n') y ORDER BY 1, 2";
    assert_eq!(rig.source.query(types), rig.target.query(types));
    let text = "SELECT id, HEX(CAST(j AS CHAR)) FROM d.j ORDER BY id";
    assert_eq!(rig.source.query(text), rig.target.query(text));
}

#[test]
fn mysql_geometries_with_a_reference_system_and_vectors_arrive_as_they_are() {
    let rig = rig(Flavor::MySql);
    rig.source.exec(
        "CREATE DATABASE d; CREATE TABLE d.g (id INT PRIMARY KEY, a GEOMETRY, b POINT SRID 4326 NOT NULL, v VECTOR(3), SPATIAL INDEX (b));
        INSERT INTO d.g VALUES (1, ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))', 3857), ST_GeomFromText('POINT(52 13)', 4326), STRING_TO_VECTOR('[1,2.5,-3]')), (2, NULL, ST_GeomFromText('POINT(1 2)', 4326), NULL);
        UPDATE d.g SET a = ST_GeomFromText('POINT(1 1)', 0) WHERE id = 2;
        CREATE TABLE d.n (id INT, a GEOMETRY, b POINT SRID 4326, v VECTOR(3)); INSERT INTO d.n SELECT * FROM d.g; DELETE FROM d.n WHERE id = 1; UPDATE d.n SET v = STRING_TO_VECTOR('[9,9,9]');",
    );
    rig.replay_all();
    compare_tables(&rig.source, &rig.target, &["d"]).assert_same();
}
