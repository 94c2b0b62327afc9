-- replicate writes whatever the source wrote.
GRANT ALL PRIVILEGES ON *.* TO 'sink'@'%';
