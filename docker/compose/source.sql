-- What the source gives to replicate. The account comes from MYSQL_USER; the grant is not for the target.
SET SESSION sql_log_bin = 0;
GRANT REPLICATION SLAVE, REPLICATION CLIENT, SELECT ON *.* TO 'repl'@'%';
