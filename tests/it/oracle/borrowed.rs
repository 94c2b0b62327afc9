//! Files of old servers that are no part of the project, read by the tools of the servers that the tests use.
//!
//! MySQL's tool refuses row events before 5.6, MariaDB's does not know MySQL's newer types: each file has its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::corpus;
use super::{Source, Text, compare_events, compare_values};

/// Files that the tools read otherwise, and why that is right.
const DIFFERENT: &[(&str, &str)] = &[
    ("mariadb-10.2__binlog_before_20574.bin", "made of damaged events on purpose"),
    ("5.2__ver_5_1-wl2325_s.001", "the tool ends at the row events of 5.1 before its release"),
    ("mariadb-10.6__invalid_row_v2_tag.001", "made of damaged events on purpose"),
];

fn tool(server: &str, name: &str) -> PathBuf {
    let servers = std::env::var_os("REPLICATE_SERVERS_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/servers"), PathBuf::from);
    servers.join(server).join("bin").join(name)
}

/// The files with what the tools say; empty where there are no files, or no tools.
fn borrowed() -> Vec<Source> {
    let mut sources = Vec::new();
    for path in corpus::borrowed() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let old = ["mariadb", "5.0", "5.1", "5.2", "5.5"].iter().any(|start| name.starts_with(start));
        let tool = if old { tool("mariadb-10.11", "mariadb-binlog") } else { tool("mysql-9.7", "mysqlbinlog") };
        if DIFFERENT.iter().any(|(skipped, _)| *skipped == name) {
            continue;
        }
        if !tool.is_file() {
            eprintln!("{} is not there: {name} was not compared", tool.display());
            continue;
        }
        let scratch = tempfile::tempdir().unwrap();
        let output = Command::new(&tool)
            .args(["--no-defaults", "-vv", "--base64-output=DECODE-ROWS"])
            .arg(format!("--local-load={}", scratch.path().display()))
            .arg(&path)
            .output()
            .unwrap();
        let text = Text::parse(&output.stdout);
        sources.push(Source { name, bytes: fs::read(&path).unwrap(), text, is_maria: old });
    }
    sources
}

#[test]
fn files_of_old_servers_read_as_the_tools_of_new_ones_read_them() {
    let sources = borrowed();
    let (events, _) = compare_events(&sources);
    let (values, _) = compare_values(&sources);
    assert!(events.is_empty() && values.is_empty(), "{events}{values}");
}
