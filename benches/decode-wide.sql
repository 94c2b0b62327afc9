-- A table of mixed types, filled and changed a thousand rows a statement.
CREATE DATABASE bench;
USE bench;
CREATE TABLE wide (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  tiny TINYINT NOT NULL,
  small SMALLINT UNSIGNED,
  medium MEDIUMINT,
  plain INT UNSIGNED,
  big BIGINT,
  price DECIMAL(12, 2) NOT NULL,
  rate DECIMAL(30, 10),
  ratio FLOAT,
  measure DOUBLE,
  flag BIT(1),
  bits BIT(20),
  born DATE,
  at TIME(3),
  created DATETIME(6),
  touched TIMESTAMP(3) NULL,
  made YEAR,
  state ENUM('new', 'paid', 'sent', 'returned'),
  tags SET('a', 'b', 'c', 'd', 'e'),
  name VARCHAR(80),
  code CHAR(12),
  note TEXT,
  token VARBINARY(32),
  doc JSON
) DEFAULT CHARSET utf8mb4;
DELIMITER //
CREATE PROCEDURE work(IN worker INT)
BEGIN
  DECLARE i INT DEFAULT 0;
  SET SESSION cte_max_recursion_depth = 100000;
  WHILE i < 25 DO
    INSERT INTO wide
      WITH RECURSIVE n (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM n WHERE number < 1000)
      SELECT NULL, FLOOR(RAND() * 250) - 125, FLOOR(RAND() * 65000), FLOOR(RAND() * 1e6) - 500000, FLOOR(RAND() * 4e9),
        FLOOR(RAND() * 1e15), RAND() * 1e6, RAND() * 1e12, RAND() * 100, RAND() * 1e9, FLOOR(RAND() * 2), FLOOR(RAND() * 1e6),
        DATE_ADD('1990-01-01', INTERVAL FLOOR(RAND() * 12000) DAY), SEC_TO_TIME(RAND() * 86400),
        DATE_ADD('2020-01-01', INTERVAL RAND() * 1e8 SECOND), DATE_ADD('2020-01-01', INTERVAL RAND() * 1e8 SECOND),
        1990 + FLOOR(RAND() * 60), 1 + FLOOR(RAND() * 4), FLOOR(RAND() * 32), CONCAT('customer näme ', FLOOR(RAND() * 1e9)),
        LPAD(FLOOR(RAND() * 1e12), 12, '0'), REPEAT('some words to read ', 1 + FLOOR(RAND() * 6)),
        UNHEX(SHA2(RAND(), 256)),
        JSON_OBJECT('k', FLOOR(RAND() * 1e6), 'name', CONCAT('n', RAND()), 'list', JSON_ARRAY(1, 2.5, TRUE, NULL), 'x', RAND())
      FROM n;
    UPDATE wide SET price = price + 1, state = 'paid', touched = NOW(3) WHERE id > LAST_INSERT_ID() - 1 ORDER BY id LIMIT 300;
    SET i = i + 1;
  END WHILE;
END //
DELIMITER ;
