//! `replicate decode --format sql` and `--format flashback`, proved by the servers' own clients: forward into an empty
//! server gives what the source has, and back again what it had.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::harness::{Flavor, Server, Session, compare_tables};
use super::types;

/// `replicate decode` of the source's files from this number on, into a file.
#[track_caller]
fn script(source: &Server, first: u32, dir: &Path, args: &[&str]) -> PathBuf {
    let (path, output) = try_script(source, first, dir, args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    path
}

fn try_script(source: &Server, first: u32, dir: &Path, args: &[&str]) -> (PathBuf, Output) {
    let (last, _) = source.log_position();
    let last: u32 = last.rsplit('.').next().unwrap().parse().unwrap();
    let files = (first..=last).map(|number| source.data_dir().join(format!("mysql-bin.{number:06}")));
    let path = dir.join(format!("{}.sql", args.join("").replace(['-', '/'], "")));
    let mut command = Command::new(env!("CARGO_BIN_EXE_replicate"));
    command.arg("decode").args(args).args(files).env_remove("RUST_LOG").stdin(Stdio::null());
    let output = command.stdout(File::create(&path).unwrap()).stderr(Stdio::piped()).output().unwrap();
    (path, output)
}

/// Feeds a script to the server's own client, as its documentation says.
fn try_feed(server: &Server, script: &Path) -> Output {
    let home = std::env::var("REPLICATE_SERVERS_DIR")
        .map_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/servers"), PathBuf::from);
    let (family, variable, version) = match server.flavor() {
        Flavor::MySql => ("mysql", "REPLICATE_TEST_MYSQL", "9.7"),
        Flavor::MariaDb => ("mariadb", "REPLICATE_TEST_MARIADB", "10.11"),
    };
    let version = std::env::var(variable).unwrap_or_else(|_| version.to_owned());
    let mut client = Command::new(home.join(format!("{family}-{version}/bin/{family}")));
    client.args(["--no-defaults", "--binary-mode", "--max-allowed-packet=64M", "-uroot", "-S"]).arg(server.socket());
    client.stdin(File::open(script).unwrap()).output().unwrap()
}

#[track_caller]
fn feed(server: &Server, script: &Path) {
    let output = try_feed(server, script);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{}", context(script, &said));
}

/// The lines of the script around the one that an error names.
fn context(script: &Path, said: &str) -> String {
    let line = said.split("at line ").nth(1).and_then(|rest| rest.split(':').next()).and_then(|n| n.parse().ok());
    let text = String::from_utf8_lossy(&std::fs::read(script).unwrap()).into_owned();
    let line: usize = line.unwrap_or(1);
    let lines = text.lines().enumerate().skip(line.saturating_sub(4)).take(6);
    lines.map(|(at, line)| format!("{}: {:.600}\n", at + 1, line)).collect()
}

/// The tables of every type, but for the one with generated columns, which the log does not tell from others.
fn load(session: &mut Session, flavor: Flavor) {
    let all = if flavor == Flavor::MySql { types::MYSQL } else { types::MARIADB };
    let (tables, changes) = all.split_once("-- Changes.").unwrap();
    let (head, rest) = tables.split_once("CREATE TABLE t_generated").unwrap();
    let tail = &rest[rest.find("CREATE TABLE t_keys").unwrap()..];
    session.exec("CREATE DATABASE e; USE e");
    session.exec(head);
    session.exec(tail);
    session.exec(changes);
}

/// Row changes of every kind to every table.
fn scramble(session: &mut Session) {
    for (table, columns) in types::tables(session) {
        let quoted = format!("`{}`", table.replace('`', "``"));
        if columns.iter().any(|column| column == "`id`") {
            let rest = columns.iter().filter(|column| *column != "`id`").map(|c| format!("a.{c} = b.{c}"));
            let swap: Vec<String> = rest.collect();
            session.exec(&format!("UPDATE {quoted} a JOIN {quoted} b ON b.id = a.id + 1 SET {}", swap.join(", ")));
            session.exec(&format!("BEGIN; DELETE FROM {quoted} WHERE id % 3 = 1"));
            session.exec(&format!("UPDATE {quoted} SET id = id + 5000 ORDER BY id DESC; COMMIT"));
            session.exec(&format!("DELETE FROM {quoted} WHERE id % 5 = 1"));
        } else {
            session.exec(&format!("DELETE FROM {quoted} LIMIT 1"));
        }
    }
}

on_each_flavor! {
    fn every_type_is_replayed_into_an_empty_server_and_undone_again(flavor) {
        let (source, target) =
            (Server::start(flavor, &["--binlog-row-metadata=FULL"]), Server::start(flavor, &["--server-id=2"]));
        let dir = tempfile::tempdir().unwrap();
        let mut session = source.session();
        load(&mut session, flavor);
        types::change_everything(&mut session);
        feed(&target, &script(&source, 1, dir.path(), &["--format", "sql"]));
        let same = compare_tables(&source, &target, &["e"]);
        same.assert_same();
        assert!(same.tables > 30 && same.rows > 100, "{same}");
        for by_key in [&["--format", "flashback"][..], &["--format", "flashback", "--by-key"]] {
            session.exec("FLUSH BINARY LOGS");
            let (file, _) = source.log_position();
            let first: u32 = file.rsplit('.').next().unwrap().parse().unwrap();
            scramble(&mut session);
            assert!(!compare_tables(&source, &target, &["e"]).is_same());
            feed(&source, &script(&source, first, dir.path(), by_key));
            compare_tables(&source, &target, &["e"]).assert_same();
        }
    }
}
