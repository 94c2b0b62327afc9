-- Lists every table of the databases that are not the server's own, with an expression that makes one string of
-- a row, equal for equal rows only: numbers as digits, strings as hexadecimal, long ones as their digest. Used
-- by the scripts and by the tests' comparison; SHA2, because MySQL 9.7 has MD5 only with a component loaded.
SET SESSION group_concat_max_len = 10000000;
SELECT CONCAT('`', REPLACE(c.table_schema, '`', '``'), '`.`', REPLACE(c.table_name, '`', '``'), '`'),
  CONCAT('CONCAT_WS('','', ', GROUP_CONCAT(CONCAT('COALESCE(', REPLACE(
    CASE
      -- HEX of a number would round it.
      WHEN c.data_type IN ('tinyint', 'smallint', 'mediumint', 'int', 'bigint', 'decimal', 'year', 'date', 'time',
        'datetime', 'timestamp', 'inet4', 'inet6', 'uuid') THEN 'CAST(@ AS CHAR)'
      -- A FLOAT prints six digits unless it is made a DOUBLE.
      WHEN c.data_type IN ('float', 'double') THEN 'CAST(@ + 0e0 AS CHAR)'
      WHEN c.data_type = 'json' THEN 'SHA2(CAST(@ AS CHAR), 256)'
      -- The label may be empty where the number is not.
      WHEN c.data_type IN ('enum', 'set') THEN 'CONCAT(HEX(@), ''/'', @ + 0)'
      WHEN c.data_type IN ('bit', 'char', 'varchar', 'binary', 'varbinary') THEN 'HEX(@)'
      ELSE 'IF(LENGTH(@) > 100, CONCAT(LENGTH(@), '':'', SHA2(@, 256)), HEX(@))'
    END, '@', CONCAT('`', REPLACE(c.column_name, '`', '``'), '`')), ', ''NULL'')')
    ORDER BY c.ordinal_position SEPARATOR ', '), ')')
FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
WHERE t.table_type = 'BASE TABLE'
  AND c.table_schema NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema')
GROUP BY c.table_schema, c.table_name
ORDER BY c.table_schema, c.table_name;
