-- A table and transactions shaped like sysbench's oltp_write_only: one update of an indexed column, one of another, a
-- delete and an insert of the same key.
CREATE DATABASE bench;
USE bench;
CREATE TABLE sbtest1 (
  id INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  k INT NOT NULL DEFAULT 0,
  c CHAR(120) NOT NULL DEFAULT '',
  pad CHAR(60) NOT NULL DEFAULT '',
  KEY k_1 (k)
);
SET SESSION cte_max_recursion_depth = 1000000;
INSERT INTO sbtest1 (k, c, pad)
  WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
  SELECT FLOOR(RAND() * 100000), REPEAT(CONCAT(LPAD(FLOOR(RAND() * 1e11), 11, '0'), '-'), 9), REPEAT(CONCAT(LPAD(FLOOR(RAND() * 1e11), 11, '0'), '-'), 4)
  FROM n;
DELIMITER //
-- Each worker keeps to its quarter of the keys, so that nobody waits for a lock.
CREATE PROCEDURE work(IN worker INT)
BEGIN
  DECLARE i, a, b, d INT DEFAULT 0;
  WHILE i < 20000 DO
    SET a = (worker - 1) * 25000 + 1 + FLOOR(RAND() * 25000);
    SET b = (worker - 1) * 25000 + 1 + FLOOR(RAND() * 25000);
    SET d = (worker - 1) * 25000 + 1 + FLOOR(RAND() * 25000);
    START TRANSACTION;
    UPDATE sbtest1 SET k = k + 1 WHERE id = a;
    UPDATE sbtest1 SET c = REPEAT(CONCAT(LPAD(FLOOR(RAND() * 1e11), 11, '0'), '-'), 9) WHERE id = b;
    DELETE FROM sbtest1 WHERE id = d;
    INSERT INTO sbtest1 (id, k, c, pad) VALUES (d, FLOOR(RAND() * 100000),
      REPEAT(CONCAT(LPAD(FLOOR(RAND() * 1e11), 11, '0'), '-'), 9), REPEAT(CONCAT(LPAD(FLOOR(RAND() * 1e11), 11, '0'), '-'), 4));
    COMMIT;
    SET i = i + 1;
  END WHILE;
END //
DELIMITER ;
