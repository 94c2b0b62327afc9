-- A small working day of a database: definitions, every common type, transactions of all sizes, changes of
-- definitions under way. Runs on MySQL 8.0 and newer and on MariaDB.
CREATE DATABASE shop CHARACTER SET utf8mb4;
USE shop;

CREATE TABLE customers (
  id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY,
  name VARCHAR(80) NOT NULL,
  email VARCHAR(120) CHARACTER SET latin1 UNIQUE,
  tier ENUM('basic', 'plus', 'gold') NOT NULL DEFAULT 'basic',
  wants SET('mail', 'phone', 'post') NOT NULL DEFAULT '',
  balance DECIMAL(12, 2) NOT NULL DEFAULT 0,
  since TIMESTAMP NULL
);
CREATE TABLE orders (
  id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY,
  customer_id INT UNSIGNED NOT NULL,
  placed DATETIME(6) NOT NULL,
  total DECIMAL(12, 2) NOT NULL,
  note TEXT,
  KEY (customer_id),
  CONSTRAINT fk_customer FOREIGN KEY (customer_id) REFERENCES customers (id)
);
CREATE TABLE every_type (
  id INT PRIMARY KEY,
  ti TINYINT, tu TINYINT UNSIGNED, si SMALLINT, su SMALLINT UNSIGNED, mi MEDIUMINT, mu MEDIUMINT UNSIGNED,
  i INT, iu INT UNSIGNED, bi BIGINT, bu BIGINT UNSIGNED, yes BOOLEAN,
  f FLOAT, d DOUBLE, n DECIMAL(65, 30), small DECIMAL(5, 0) UNSIGNED, b1 BIT(1), b64 BIT(64),
  dt DATE, tm TIME, tm6 TIME(6), dtm DATETIME, dtm3 DATETIME(3), ts TIMESTAMP NULL, ts6 TIMESTAMP(6) NULL, y YEAR,
  c CHAR(10), cl CHAR(255), v VARCHAR(20), vl VARCHAR(2000), l1 VARCHAR(40) CHARACTER SET latin1,
  bn BINARY(8), vb VARBINARY(300), tt TINYTEXT, t TEXT, mt MEDIUMTEXT, lt LONGTEXT, tb TINYBLOB, b BLOB, mb MEDIUMBLOB,
  lb LONGBLOB, e ENUM('one', 'two', 'drei ä'), s SET('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'), j JSON,
  p POINT, g GEOMETRY
);
CREATE TABLE visits (page VARCHAR(50), seen DATETIME, KEY (page));

INSERT INTO every_type (id) VALUES (1);
INSERT INTO every_type VALUES
  (2, -128, 255, -32768, 65535, -8388608, 16777215, -2147483648, 4294967295, -9223372036854775808,
   18446744073709551615, TRUE, -0.1, 1.7976931348623157e308, -12345678901234567890123456789012345.123456789012345678901234567891,
   99999, b'1', 0xfedcba9876543210, '2024-02-29', '-838:59:59', '-00:00:00.000001', '9999-12-31 23:59:59',
   '1000-01-01 00:00:00.123', '1970-01-02 00:00:01', '2038-01-18 00:00:00.999999', 2155, 'trailing  ', REPEAT('x', 255),
   'grüß 🐬', REPEAT('0123456789', 200), 'Ångström äöü', 0x0001000000000000, REPEAT(0xff, 300), '', 'line\nbreak "quoted" \\ \t',
   REPEAT('middle ', 3000), REPEAT('long ä ', 20000), 0x00, 0x0a0d00ff, REPEAT(0x7f, 70000), REPEAT(0x80, 100000), 'drei ä', 'a,c,i',
   '{"a": [1, 2.5, -3e100, null, true, "ü\\u0001"], "big": 18446744073709551615, "empty": {}, "nested": {"x": {"y": []}}}',
   ST_GeomFromText('POINT(1.5 -2)'), ST_GeomFromText('POLYGON((0 0, 4 0, 4 4, 0 0))')),
  (3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, FALSE, 0, -0.0, 0, 0, b'0', 0, '1000-01-01', '00:00:00', '838:59:58.999999',
   '2000-01-01 00:00:00', '2000-01-01 00:00:00', '2024-03-31 02:30:00', '2024-10-27 02:30:00.5', 1901, '', '', '', '', '',
   '', '', '', '', '', '', '', '', '', '', 'one', '', '[]', ST_GeomFromText('POINT(0 0)'), ST_GeomFromText('LINESTRING(0 0, 1 1)'));
UPDATE every_type SET ti = 127, f = 3.5, j = '{"changed": true}', t = NULL, v = 'changed' WHERE id = 3;
UPDATE every_type SET id = 4 WHERE id = 1;

INSERT INTO customers (name, email, tier, wants, since)
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
SELECT CONCAT('Kundin ', i, ' ✓'), CONCAT('k', i, '@example.com'), ELT(1 + i % 3, 'basic', 'plus', 'gold'), i % 8,
  '2024-01-01 00:00:00' + INTERVAL i HOUR FROM n;

START TRANSACTION;
INSERT INTO orders (customer_id, placed, total, note)
SELECT id, '2024-06-01 12:00:00.000001' + INTERVAL id MINUTE, id * 1.25, REPEAT('order ', id % 7) FROM customers;
UPDATE customers c SET balance = (SELECT SUM(o.total) FROM orders o WHERE o.customer_id = c.id);
SAVEPOINT half;
DELETE FROM orders;
ROLLBACK TO half;
COMMIT;

START TRANSACTION;
DELETE FROM orders WHERE id % 2 = 0;
ROLLBACK;

DELETE FROM orders WHERE id % 5 = 0;
INSERT INTO visits VALUES ('/', '2024-01-01'), ('/', '2024-01-01'), (NULL, NULL), ('/cart', '2024-01-02');
DELETE FROM visits WHERE page = '/' LIMIT 1;
UPDATE visits SET seen = '2024-02-02' WHERE page IS NULL;

ALTER TABLE customers ADD COLUMN city VARCHAR(40) AFTER name, MODIFY name VARCHAR(200) NOT NULL, ADD KEY (city);
UPDATE customers SET city = ELT(1 + id % 4, 'Oslo', 'Łódź', '東京', NULL), name = CONCAT(name, '!') WHERE id <= 200;
RENAME TABLE visits TO page_views;
INSERT INTO page_views VALUES ('/after/rename', '2024-03-03 03:03:03');
INSERT INTO customers (id, name, email) VALUES (9, 'again', 'k9@example.com') ON DUPLICATE KEY UPDATE balance = balance + 1;

CREATE DATABASE archive;
CREATE TABLE archive.orders LIKE orders;
INSERT INTO archive.orders SELECT * FROM orders WHERE id < 50;
CREATE TABLE archive.`odd ``name` (`a b` INT PRIMARY KEY, `select` VARCHAR(10));
INSERT INTO archive.`odd ``name` VALUES (1, 'x'), (2, NULL);
REPLACE INTO archive.`odd ``name` VALUES (2, 'replaced'), (3, 'new');
CREATE TABLE archive.gone (a INT);
INSERT INTO archive.gone VALUES (1), (2), (3);
TRUNCATE TABLE archive.gone;
INSERT INTO archive.gone VALUES (4);
DROP TABLE archive.gone;
